//! What a robot saw: joints, an image, points; any of it partly.

use tch::{Device, Kind, Tensor};

use crate::{Expected, Masked, Result, Root, TaskError, TaskSpec};

/// One moment's readings, each entry observed or not.
///
/// Axis 0 of every field is `O`: one row for all hypotheses, or one row for each hypothesis
/// (training and replay solve many observations at once).
#[derive(Debug, Default)]
pub struct Observation {
    /// When it was seen, nanoseconds on the source's clock.
    pub stamp_nanos: i64,
    /// Joint positions `[O, J]`, radians or metres, in the order of [`TaskSpec::joints`].
    pub joints: Option<Masked>,
    /// Pixels `[O, C, H, W]`, dimensionless, black 0, white 1.
    pub image: Option<Masked>,
    /// Points `[O, P, 3]`, metres in the task's frame: those that have a name, then a cloud, where the task observes one. A
    /// named point may be a ray, where the task reads those: x / z, y / z and an unobserved third entry ([`crate::PointsSpec::rays`]).
    pub points: Option<Masked>,
    /// How much each point counts, `[O, P]`, from 0 to 1; none is 1 for all. Beside [`Observation::points`] only.
    pub confidence: Option<Tensor>,
    /// Where the root was before, for a task whose points come from any frame: what too few points leave open is as it
    /// was then. One for all rows.
    pub root: Option<Root>,
    /// What time makes likely for joints that are not observed; beside [`Observation::joints`] only, with as many rows.
    pub expected: Option<Expected>,
}

impl Observation {
    /// Reads joint positions `[O, J]`; NaN is unobserved.
    #[must_use]
    pub fn of_joints(position: &Tensor) -> Self {
        Self { joints: Some(Masked::new(position)), ..Self::default() }
    }

    /// Reads pixels `[O, C, H, W]`; NaN is unobserved.
    #[must_use]
    pub fn of_image(pixels: &Tensor) -> Self {
        Self { image: Some(Masked::new(pixels)), ..Self::default() }
    }

    /// Reads points `[O, P, 3]`; NaN is unobserved.
    #[must_use]
    pub fn of_points(position: &Tensor) -> Self {
        Self { points: Some(Masked::new(position)), ..Self::default() }
    }

    /// Names and lists the kinds that are present.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, &Masked)> {
        [("joints", &self.joints), ("image", &self.image), ("points", &self.points)]
            .into_iter()
            .filter_map(|(kind, field)| field.as_ref().map(|field| (kind, field)))
    }

    /// The number of rows `O`, or 0 when nothing is present or a field has no axes.
    #[must_use]
    pub fn rows(&self) -> i64 {
        self.fields().next().and_then(|(_, field)| field.value().size().first().copied()).unwrap_or(0)
    }

    /// How many entries were observed, over all kinds and rows.
    #[must_use]
    pub fn observed(&self) -> i64 {
        self.fields().map(|(_, field)| field.count()).sum()
    }

    /// Checks kinds, shapes and values against what the task reads.
    ///
    /// # Errors
    /// [`TaskError::NotObserved`], [`TaskError::EmptyObservation`], [`TaskError::Shape`] or
    /// [`TaskError::Infinite`], whichever is met first.
    pub fn validate(&self, spec: &TaskSpec) -> Result<()> {
        let rows = self.rows();
        if rows == 0 {
            return Err(TaskError::EmptyObservation { task: spec.name.clone(), observes: spec.observes().to_string() });
        }
        for (kind, field) in self.fields() {
            let Some(mut shape) = spec.shape_of(kind) else {
                let (task, observes) = (spec.name.clone(), spec.observes().to_string());
                return Err(TaskError::NotObserved { task, kind, observes });
            };
            shape.insert(0, rows);
            if field.value().size() != shape {
                return Err(TaskError::shape(kind, format!("{shape:?}"), field.value()));
            }
            let count = field.infinite();
            if count > 0 {
                return Err(TaskError::Infinite { kind, count });
            }
        }
        self.check_confidence()?;
        match (&self.expected, &self.joints) {
            (Some(expected), Some(joints)) if expected.value().size() != joints.value().size() => {
                Err(TaskError::shape("expected joints", format!("{:?}", joints.value().size()), expected.value()))
            }
            _ => Ok(()),
        }
    }

    /// Checks that there is a confidence for each point, from 0 to 1.
    fn check_confidence(&self) -> Result<()> {
        let Some(confidence) = &self.confidence else { return Ok(()) };
        let expected = self.points.as_ref().map_or_else(Vec::new, |points| points.value().size());
        let expected = &expected[..expected.len().saturating_sub(1)];
        let is_share = || confidence.ge(0.0).logical_and(&confidence.le(1.0)).all().int64_value(&[]) != 0;
        if expected.is_empty() || confidence.size() != expected || !is_share() {
            return Err(TaskError::shape("confidence", format!("{expected:?} from 0 to 1, beside points"), confidence));
        }
        Ok(())
    }

    /// Moves every field to another element type and device.
    #[must_use]
    pub fn to(&self, kind: Kind, device: Device) -> Self {
        let expected = self.expected.as_ref().map(|expected| expected.to(kind, device));
        let confidence = self.confidence.as_ref().map(|tensor| tensor.to_kind(kind).to_device(device));
        Self { expected, confidence, ..self.map(|field| field.to(kind, device)) }
    }

    /// Picks rows, an index tensor `[R]`.
    #[must_use]
    pub fn select_rows(&self, rows: &Tensor) -> Self {
        let expected = self.expected.as_ref().map(|expected| expected.rows(rows));
        let confidence = self.confidence.as_ref().map(|tensor| tensor.index_select(0, rows));
        Self { expected, confidence, ..self.map(|field| field.rows(rows)) }
    }

    /// Puts the rows of several one after the other; the stamp is that of the first.
    ///
    /// A kind that one of them lacks is lacking in the result: what is there could not be told from what is not. What is
    /// expected, and the root before, are left out: rows of different moments have no time in common.
    #[must_use]
    pub fn joined(parts: &[&Self]) -> Self {
        let field = |of: fn(&Self) -> Option<&Masked>| {
            let fields: Option<Vec<&Masked>> = parts.iter().map(|part| of(part)).collect();
            fields.filter(|fields| !fields.is_empty()).map(|fields| Masked::joined(&fields))
        };
        Self {
            stamp_nanos: parts.first().map_or(0, |first| first.stamp_nanos),
            joints: field(|part| part.joints.as_ref()),
            image: field(|part| part.image.as_ref()),
            points: field(|part| part.points.as_ref()),
            confidence: joined_confidence(parts),
            root: None,
            expected: None,
        }
    }

    /// A second handle on the same data.
    #[must_use]
    pub fn shallow_clone(&self) -> Self {
        let expected = self.expected.as_ref().map(Expected::shallow_clone);
        let confidence = self.confidence.as_ref().map(Tensor::shallow_clone);
        Self { expected, confidence, ..self.map(Masked::shallow_clone) }
    }

    /// What is to be compared of joints: those observed and those expected, and the weight of each, `[O, J]`, where some
    /// are expected.
    #[must_use]
    pub fn joints_to_compare(&self) -> Option<(Masked, Option<Tensor>)> {
        let joints = self.joints.as_ref()?;
        Some(match &self.expected {
            Some(expected) => {
                let (joints, weight) = expected.beside(joints);
                (joints, Some(weight))
            }
            None => (joints.shallow_clone(), None),
        })
    }

    /// Changes every field that was seen; what is expected is left out, and so is how much points count.
    #[must_use]
    pub fn map(&self, change: impl Fn(&Masked) -> Masked) -> Self {
        Self {
            stamp_nanos: self.stamp_nanos,
            joints: self.joints.as_ref().map(&change),
            image: self.image.as_ref().map(&change),
            points: self.points.as_ref().map(&change),
            confidence: None,
            root: self.root,
            expected: None,
        }
    }
}

/// Puts confidences one after the other: 1 for each point of those that have none; none where none has any.
fn joined_confidence(parts: &[&Observation]) -> Option<Tensor> {
    parts.iter().find_map(|part| part.confidence.as_ref())?;
    let of = |part: &&Observation| {
        let points = part.points.as_ref()?;
        Some(part.confidence.as_ref().map_or_else(|| points.value().select(-1, 0).ones_like(), Tensor::shallow_clone))
    };
    Some(Tensor::cat(&parts.iter().map(of).collect::<Option<Vec<_>>>()?, 0))
}
