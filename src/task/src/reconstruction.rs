//! What a hypothesis says the robot would see, unobserved parts included.

use tch::Tensor;

use crate::{Masked, Observation, TaskSpec};

/// The complete answer of each hypothesis, ready to be published.
#[derive(Debug, Default)]
pub struct Reconstruction {
    /// Joint positions `[K, J]`, in the order of [`TaskSpec::joints`], units as there.
    pub joints: Option<Tensor>,
    /// Pixels `[K, C, H, W]`, black 0, white 1.
    pub image: Option<Tensor>,
    /// Points `[K, P, 3]`, metres in the task's frame.
    pub points: Option<Tensor>,
    /// Class scores `[K, C]`, logits, in the order of [`TaskSpec::classes`].
    pub label: Option<Tensor>,
}

impl Reconstruction {
    /// Turns the answer into what a sensor without gaps would read: an observation of the kinds
    /// that the task observes, one row for each hypothesis.
    #[must_use]
    pub fn as_observation(&self, spec: &TaskSpec) -> Observation {
        let read = |kind, field: &Option<Tensor>| {
            spec.shape_of(kind).and(field.as_ref()).map(|value| Masked::new(&value.detach()))
        };
        Observation {
            stamp_nanos: 0,
            joints: read("joints", &self.joints),
            image: read("image", &self.image),
            points: self.points.as_ref().and_then(|points| points_of(&points.detach(), spec)),
            ..Observation::default()
        }
    }

    /// Names and lists the tensors that are present.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, &Tensor)> {
        [("joints", &self.joints), ("image", &self.image), ("points", &self.points), ("label", &self.label)]
            .into_iter()
            .filter_map(|(kind, field)| field.as_ref().map(|field| (kind, field)))
    }
}

/// Rendered points as they would be seen: a cloud has no names, so none of it is rendered, and none is seen.
fn points_of(points: &Tensor, spec: &TaskSpec) -> Option<Masked> {
    let count = spec.points.as_ref()?.count() as i64;
    let [rows, rendered, axes] = points.size()[..] else { return Some(Masked::new(points)) };
    if rendered >= count {
        return Some(Masked::new(points));
    }
    let unseen = Tensor::full([rows, count - rendered, axes], f64::NAN, (points.kind(), points.device()));
    Some(Masked::new(&Tensor::cat(&[points, &unseen], 1)))
}
