//! What was found, and how it is written.

use std::time::Duration;

use serde::{Serialize, Serializer};
use tch::{Kind, Tensor};
use thalweg_engine::{Backend, EngineError, Solution, Statistics, StopReason};
use thalweg_task::{Reconstruction, Task, TaskSpec};

/// All hypotheses, best first, and what they have cost.
pub(super) struct Answer {
    /// Loss of each hypothesis.
    pub(super) loss: Vec<f64>,
    /// Weight of each hypothesis; they sum to one.
    pub(super) weights: Vec<f64>,
    /// Latents `[K, X]`.
    x: Tensor,
    y_hat: Tensor,
    /// What each hypothesis says would be seen.
    pub(super) reconstruction: Reconstruction,
    stamp_nanos: i64,
    landscape: String,
    /// What it has cost.
    pub(super) statistics: Statistics,
    /// Why it ended.
    pub(super) stop: Option<StopReason>,
    /// How long it took, by the system's clock.
    pub(super) elapsed: Duration,
    /// How hypotheses moved, in words.
    pub(super) method: String,
    /// What evaluated and stepped.
    pub(super) backend: Backend,
}

impl Answer {
    /// Takes a solution out of the engine.
    pub(super) fn unrendered(solution: &Solution, elapsed: Duration) -> Self {
        Self {
            loss: solution.loss.clone(),
            weights: solution.weights(),
            x: solution.x.shallow_clone(),
            y_hat: solution.y_hat.shallow_clone(),
            reconstruction: Reconstruction::default(),
            stamp_nanos: solution.stamp_nanos,
            landscape: solution.landscape.clone(),
            statistics: solution.statistics,
            stop: solution.stop,
            elapsed,
            method: String::new(),
            backend: Backend::Tch,
        }
    }

    /// Adds what the task makes of it.
    ///
    /// # Errors
    /// [`EngineError::Task`].
    pub(super) fn rendered_by(mut self, task: &dyn Task) -> Result<Self, EngineError> {
        self.reconstruction = tch::no_grad(|| task.render(&self.y_hat))?;
        Ok(self)
    }

    /// Writes all hypotheses as JSON.
    ///
    /// # Errors
    /// When a value is not finite: JSON has no such numbers.
    pub(super) fn to_json(&self, spec: &TaskSpec) -> anyhow::Result<String> {
        for (kind, tensor) in self.reconstruction.fields() {
            let broken = tensor.isfinite().logical_not().sum(Kind::Int64).int64_value(&[]);
            anyhow::ensure!(broken == 0, "task {} rendered {broken} values of {kind} that are not finite", spec.name);
        }
        let hypotheses = (0..self.loss.len()).map(|row| self.hypothesis(row, spec)).collect::<anyhow::Result<_>>()?;
        let Statistics { steps, evaluations, diverged } = self.statistics;
        let stop = self.stop.map(StopReason::name);
        let statistics = StatisticsForm { steps, evaluations, diverged, stop };
        let (task, landscape) = (&spec.name, &self.landscape);
        let form = AnswerForm { task, landscape, stamp_nanos: self.stamp_nanos, hypotheses, statistics };
        Ok(serde_json::to_string_pretty(&form)? + "\n")
    }

    fn hypothesis<'a>(&self, row: usize, spec: &'a TaskSpec) -> anyhow::Result<HypothesisForm<'a>> {
        let Reconstruction { joints, image, points, label } = &self.reconstruction;
        let read = |tensor: &Tensor| values(&tensor.get(row as i64));
        let name_joints =
            |values: Vec<f32>| Named(spec.joints.iter().map(|joint| joint.name.as_str()).zip(values).collect());
        Ok(HypothesisForm {
            rank: row + 1,
            loss: self.loss[row],
            weight: self.weights[row],
            x: read(&self.x)?,
            joints: joints.as_ref().map(read).transpose()?.map(name_joints),
            points: points.as_ref().map(|points| point_form(&points.get(row as i64), spec)).transpose()?,
            image: image.as_ref().map(|image| image_form(&image.get(row as i64))).transpose()?,
            label: label.as_ref().map(read).transpose()?,
        })
    }
}

/// Reads a tensor out, flat.
pub(super) fn values(tensor: &Tensor) -> anyhow::Result<Vec<f32>> {
    Ok(Vec::try_from(&tensor.to_kind(Kind::Float).contiguous().view(-1))?)
}

#[derive(Serialize)]
struct AnswerForm<'a> {
    task: &'a str,
    landscape: &'a str,
    stamp_nanos: i64,
    hypotheses: Vec<HypothesisForm<'a>>,
    statistics: StatisticsForm,
}

#[derive(Serialize)]
struct StatisticsForm {
    steps: u32,
    evaluations: u32,
    diverged: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop: Option<&'static str>,
}

#[derive(Serialize)]
struct HypothesisForm<'a> {
    rank: usize,
    loss: f64,
    weight: f64,
    x: Vec<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    joints: Option<Named<'a, f32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    points: Option<PointsForm<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<ImageForm>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<Vec<f32>>,
}

/// Points by name, or in their order when the task renders points that it does not observe.
#[derive(Serialize)]
#[serde(untagged)]
enum PointsForm<'a> {
    Named(Named<'a, [f32; 3]>),
    Listed(Vec<[f32; 3]>),
}

/// Pixels as they are read: rows from the top, channels last.
#[derive(Serialize)]
struct ImageForm {
    height: i64,
    width: i64,
    channels: i64,
    pixels: Vec<f32>,
}

/// An object whose entries keep their order.
struct Named<'a, T>(Vec<(&'a str, T)>);

impl<T: Serialize> Serialize for Named<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

fn point_form<'a>(points: &Tensor, spec: &'a TaskSpec) -> anyhow::Result<PointsForm<'a>> {
    let places: Vec<[f32; 3]> = values(points)?.as_chunks().0.to_vec();
    Ok(match &spec.points {
        Some(points) => PointsForm::Named(Named(points.names.iter().map(String::as_str).zip(places).collect())),
        None => PointsForm::Listed(places),
    })
}

fn image_form(image: &Tensor) -> anyhow::Result<ImageForm> {
    let [channels, height, width] = image.size()[..] else {
        anyhow::bail!("rendered image: expected [C, H, W], got {:?}", image.size());
    };
    Ok(ImageForm { height, width, channels, pixels: values(&image.permute([1, 2, 0]))? })
}
