//! A solved observation as plain numbers.

use std::sync::Arc;
use std::time::Duration;

use tch::Tensor;
use thalweg_task::{Pixels, Root, TaskError, numbers};

use super::engine::Engine;
use super::error::EngineError;
use super::report::Report;
use super::solution::{Statistics, StopReason};
use super::start::Start;

/// A solved observation, rendered by the task and without tensors: what is published, recorded and shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Joint positions `[K][J]`, radians or metres, best hypothesis first; empty when the task has no joints.
    pub joints: Vec<Vec<f64>>,
    /// Standard deviation of each joint of the first hypothesis, `[J]`, radians or metres: how far it lies from what was
    /// seen, and how far it may be off where nothing was. Empty when the task has no joints, each hypothesis explains an
    /// observation of its own, or the answer was read from a recording.
    pub deviation: Vec<f64>,
    /// Points `[K][P]`, metres in the task's frame; empty when the task has no points.
    pub points: Vec<Vec<[f64; 3]>>,
    /// Where each hypothesis stands and how large it is, `[K]`, in the frame of the points that were seen; empty when the
    /// task's points are in its own frame.
    pub roots: Vec<Root>,
    /// Images `[K]`, black 0, white 1; empty when the task renders none. Shared, for they are large and never change.
    pub images: Vec<Arc<Pixels>>,
    /// Class scores `[K][C]`, logits in the order of [`thalweg_task::TaskSpec::classes`]; empty when the task classifies
    /// nothing, or the answer was read from a recording.
    pub labels: Vec<Vec<f64>>,
    /// `[K]`, sums to one.
    pub weights: Vec<f64>,
    /// `[K]`, what was minimised, the prior included; rising.
    pub losses: Vec<f64>,
    /// Identity of the landscape.
    pub landscape: String,
    /// Identity of the amortised start; empty when there was none.
    pub start: String,
    /// What it has cost.
    pub statistics: Statistics,
    /// Why the solve ended; none when the engine was driven by hand.
    pub stop: Option<StopReason>,
    /// Time that the budget ruled over.
    pub took: Duration,
}

impl Answer {
    /// Renders what an engine has found so far.
    ///
    /// `took`: how long that has taken; the engine has no clock of its own.
    ///
    /// # Errors
    /// [`EngineError::NotBegun`] without an observation; [`EngineError::Task`] when the task cannot render.
    pub fn of(engine: &mut Engine, took: Duration) -> Result<Self, EngineError> {
        let _no_grad = tch::no_grad_guard();
        let start = engine.start().map_or_else(String::new, |start: &Start| start.id().to_owned());
        let solution = engine.solution().ok_or(EngineError::NotBegun)?;
        let (weights, losses) = (solution.weights(), solution.loss.clone());
        let (landscape, statistics, stop) = (solution.landscape.clone(), solution.statistics, solution.stop);
        let y_hat = solution.y_hat.shallow_clone();
        let rendered = engine.rendered(&y_hat)?;
        let roots = engine.roots(&y_hat)?;
        let joints = rendered.joints.as_ref().map(rows).transpose()?.unwrap_or_default();
        let Report { joints, deviation, offset } = engine.report(joints);
        // Points of what is reported; where nothing was expected, of what F made.
        let moved = offset.map(|_| engine.task().points_of(&tensor(&joints, &y_hat))).transpose()?.flatten();
        let points = moved.or(rendered.points).as_ref().map(rows).transpose()?.unwrap_or_default();
        let points = points.iter().map(|row| row.as_chunks().0.to_vec()).collect();
        let images = rendered.image.as_ref().map_or_else(Vec::new, images);
        let labels = rendered.label.as_ref().map(rows).transpose()?.unwrap_or_default();
        Ok(Self {
            joints,
            deviation,
            points,
            roots,
            images,
            labels,
            weights,
            losses,
            landscape,
            start,
            statistics,
            stop,
            took,
        })
    }
}

/// The images of a tensor `[K, C, H, W]`.
fn images(tensor: &Tensor) -> Vec<Arc<Pixels>> {
    let [_, channels, height, width] = tensor.size().try_into().unwrap_or([0; 4]).map(|size: i64| size as u32);
    let size = (channels as usize * height as usize * width as usize).max(1);
    let data: Vec<f32> = numbers(tensor);
    let image = |data: &[f32]| Arc::new(Pixels { channels, height, width, data: data.to_vec() });
    data.chunks_exact(size).map(image).collect()
}

/// A tensor `[K, J]` of rows, of the kind and on the device of another.
fn tensor(rows: &[Vec<f64>], like: &Tensor) -> Tensor {
    Tensor::from_slice(&rows.concat()).view([rows.len() as i64, -1]).to_kind(like.kind()).to_device(like.device())
}

/// The rows of a tensor `[K, ..]`, each flat.
fn rows(tensor: &Tensor) -> Result<Vec<Vec<f64>>, TaskError> {
    let count = tensor.size().first().copied().unwrap_or(0).max(1);
    let flat = tensor.f_to_kind(tch::Kind::Double)?.f_contiguous()?.f_view([-1])?;
    let flat: Vec<f64> = Vec::try_from(&flat)?;
    let width = (flat.len() / usize::try_from(count).unwrap_or(1)).max(1);
    Ok(flat.chunks(width).map(<[f64]>::to_vec).collect())
}
