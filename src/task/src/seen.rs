//! An observation as plain numbers.

use tch::Tensor;

use crate::{Expected, Masked, Observation, Pixels, Root, numbers};

/// What was seen of one moment; NaN is unobserved.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// Joint positions `[J]` in the order of the task's joints; empty when the task reads none.
    pub joints: Vec<f64>,
    /// Pixels, where the task reads an image.
    pub image: Option<Pixels>,
    /// Points `[P]`, metres in the task's frame; empty when the task reads none.
    pub points: Vec<[f32; 3]>,
    /// How much each point counts, `[P]`, from 0 to 1; empty is 1 for all.
    pub confidence: Vec<f32>,
    /// Where the root was before; none for a task whose points are in its own frame.
    pub root: Option<Root>,
    /// What was expected of joints that were not seen; none where time did not count.
    pub expected: Option<ExpectedNumbers>,
}

/// What was expected of joints, as plain numbers: see [`Expected`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExpectedNumbers {
    /// Positions `[J]`, radians or metres; zero where nothing was expected.
    pub positions: Vec<f64>,
    /// How much each counts, `[J]`, from 0 to 1.
    pub weights: Vec<f64>,
    /// Seconds since the frame before.
    pub elapsed: f64,
}

impl Seen {
    /// Takes the first row of an observation; a running node has no others.
    #[must_use]
    pub fn of(obs: &Observation) -> Self {
        let first = |field: &Masked| field.with_nan().get(0);
        let points = obs.points.as_ref().map_or_else(Vec::new, |points| numbers(&first(points)));
        Self {
            joints: obs.joints.as_ref().map_or_else(Vec::new, |joints| numbers(&first(joints))),
            image: obs.image.as_ref().map(|image| pixels(&first(image))),
            points: points.as_chunks().0.to_vec(),
            confidence: obs.confidence.as_ref().map_or_else(Vec::new, |confidence| numbers(&confidence.get(0))),
            root: obs.root,
            expected: obs.expected.as_ref().map(|expected| ExpectedNumbers {
                positions: numbers(&expected.value().get(0)),
                weights: numbers(&expected.weight().get(0)),
                elapsed: expected.elapsed,
            }),
        }
    }

    /// Gives the observation back, one row.
    #[must_use]
    pub fn observation(&self, stamp_nanos: i64) -> Observation {
        let some = |is_there: bool, tensor: &dyn Fn() -> Tensor| is_there.then(|| Masked::new(&tensor().unsqueeze(0)));
        Observation {
            stamp_nanos,
            joints: some(!self.joints.is_empty(), &|| Tensor::from_slice(&self.joints)),
            image: self.image.as_ref().map(|image| Masked::new(&image.tensor().unsqueeze(0))),
            points: some(!self.points.is_empty(), &|| Tensor::from_slice(self.points.as_flattened()).view([-1, 3])),
            confidence: (!self.confidence.is_empty()).then(|| Tensor::from_slice(&self.confidence).unsqueeze(0)),
            root: self.root,
            expected: self.expected.as_ref().and_then(ExpectedNumbers::tensors),
        }
    }
}

impl ExpectedNumbers {
    fn tensors(&self) -> Option<Expected> {
        let row = |values: &[f64]| Tensor::from_slice(values).unsqueeze(0);
        Expected::new(&row(&self.positions), &row(&self.weights), self.elapsed).ok()
    }
}

/// Reads `[C, H, W]`.
fn pixels(image: &Tensor) -> Pixels {
    let mut size = image.size().into_iter().map(|size| u32::try_from(size).unwrap_or(0));
    let mut next = || size.next().unwrap_or(0);
    Pixels { channels: next(), height: next(), width: next(), data: numbers(image) }
}

impl Pixels {
    /// `[C, H, W]`.
    fn tensor(&self) -> Tensor {
        let size = [self.channels, self.height, self.width].map(i64::from);
        Tensor::from_slice(&self.data).view(size)
    }
}
