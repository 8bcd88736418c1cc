//! What was found.

use std::sync::Arc;
use std::time::Duration;

use thalweg_engine::{Answer, Engine, EngineError, ranked};
use thalweg_task::{Pixels, Root, TaskSpec};

/// All hypotheses of one solve.
#[derive(Clone, Debug)]
pub struct Solved {
    spec: Arc<TaskSpec>,
    answer: Answer,
}

/// One explanation of what was seen, unseen parts included.
#[derive(Clone, Copy, Debug)]
pub struct Hypothesis<'a> {
    /// What was minimised, at least 0; less is better.
    pub loss: f64,
    /// Its weight beside the others; they sum to one. It ranks, and is no probability.
    pub weight: f64,
    spec: &'a TaskSpec,
    joints: &'a [f64],
    points: &'a [[f64; 3]],
    image: Option<&'a Pixels>,
    root: Option<&'a Root>,
    label: &'a [f64],
}

impl Solved {
    /// Reads out what the engine has just solved.
    pub(crate) fn of(engine: &mut Engine, spec: Arc<TaskSpec>, took: Duration) -> Result<Self, EngineError> {
        Ok(Self { spec, answer: Answer::of(engine, took)? })
    }

    /// Lists the hypotheses, best first; in the order of the moments where each has its own.
    pub fn hypotheses(&self) -> impl ExactSizeIterator<Item = Hypothesis<'_>> {
        (0..self.answer.losses.len()).map(|row| self.hypothesis(row))
    }

    /// The first of them.
    #[must_use]
    pub fn best(&self) -> Hypothesis<'_> {
        // An engine has at least one.
        self.hypothesis(0)
    }

    /// Standard deviation of a joint of the first hypothesis, radians or metres: how far it lies from what was seen, or how
    /// far off it may be where nothing was seen; none where the task has no such joint, or each hypothesis explains a moment
    /// of its own. [`thalweg_engine::INTERVALS`] says how many of them hold 68 and 95 % of the errors.
    #[must_use]
    pub fn deviation(&self, name: &str) -> Option<f64> {
        let place = self.spec.joints.iter().position(|joint| joint.name == name)?;
        self.answer.deviation.get(place).copied()
    }

    fn hypothesis(&self, row: usize) -> Hypothesis<'_> {
        let Answer { losses, weights, joints, points, images, roots, labels, .. } = &self.answer;
        Hypothesis {
            loss: losses[row],
            weight: weights[row],
            spec: &self.spec,
            joints: joints.get(row).map_or(&[], Vec::as_slice),
            points: points.get(row).map_or(&[], Vec::as_slice),
            image: images.get(row).map(AsRef::as_ref),
            root: roots.get(row),
            label: labels.get(row).map_or(&[], Vec::as_slice),
        }
    }

    /// Everything as plain numbers, with what it has cost and why it ended.
    #[must_use]
    pub fn answer(&self) -> &Answer {
        &self.answer
    }

    /// Everything as plain numbers, to keep.
    #[must_use]
    pub fn into_answer(self) -> Answer {
        self.answer
    }
}

impl<'a> Hypothesis<'a> {
    /// Position of a joint, radians or metres; none where the task has no such joint.
    #[must_use]
    pub fn joint(&self, name: &str) -> Option<f64> {
        let place = self.spec.joints.iter().position(|joint| joint.name == name)?;
        self.joints.get(place).copied()
    }

    /// Position of a point, metres in the task's frame; none where the task names no such point.
    #[must_use]
    pub fn point(&self, name: &str) -> Option<[f64; 3]> {
        let place = self.spec.points.as_ref()?.names.iter().position(|known| known == name)?;
        self.points.get(place).copied()
    }

    /// All joint positions `[J]`, in the order of [`TaskSpec::joints`].
    #[must_use]
    pub fn joints(&self) -> &'a [f64] {
        self.joints
    }

    /// All points `[P]`, metres in the task's frame.
    #[must_use]
    pub fn points(&self) -> &'a [[f64; 3]] {
        self.points
    }

    /// Where the body stands in the frame of the points that were seen, and how large it is; none where the task's points
    /// are in its own frame, or none was seen.
    #[must_use]
    pub fn root(&self) -> Option<&'a Root> {
        self.root
    }

    /// The classes that the task tells apart and how likely each is, the likeliest first; none where the task classifies
    /// nothing, or a score is not finite.
    #[must_use]
    pub fn classes(&self) -> Option<Vec<(&'a str, f64)>> {
        ranked(&self.spec.classes, self.label)
    }

    /// The image, where the task renders one.
    #[must_use]
    pub fn image(&self) -> Option<&'a Pixels> {
        self.image
    }
}
