//! What was found, and how it is written.

use serde::{Serialize, Serializer};
use thalweg::{GpuTrial, Inverter};
use thalweg_engine::gpu::GpuError;
use thalweg_engine::{Answer as Found, Backend, Budget, EngineError, Optimizer, Statistics, StopReason, ranked};
use thalweg_task::{Pixels, Root, TaskSpec, numbers};

/// All hypotheses, best first, and what they have cost.
pub(super) struct Answer {
    /// What the library gives.
    pub(super) found: Found,
    /// Latents `[K][X]`.
    x: Vec<Vec<f32>>,
    stamp_nanos: i64,
    /// How hypotheses moved, in words.
    pub(super) method: String,
    /// What evaluated and stepped.
    pub(super) backend: Backend,
    /// Why a GPU that was asked for was not used.
    pub(super) gpu_trouble: Option<GpuError>,
    /// What a comparison of GPU and processor found, where one was asked for.
    pub(super) gpu_trial: Option<GpuTrial>,
    /// What it was limited to.
    pub(super) budget: Budget,
}

impl Answer {
    /// Adds to an answer what else is written: latents.
    ///
    /// # Errors
    /// [`thalweg::Error`] without a solve.
    pub(super) fn of(found: Found, inverter: &mut Inverter) -> Result<Self, thalweg::Error> {
        let _no_grad = tch::no_grad_guard();
        let (budget, gpu_trial) = (*inverter.budget(), inverter.loaded().gpu_trial.clone());
        let engine = inverter.engine_mut();
        let method = match &engine.config().optimizer {
            Optimizer::Adam(adam) => format!("adam, rate {}", adam.rate),
            other @ Optimizer::LevenbergMarquardt(_) => other.name().to_owned(),
        };
        let (backend, gpu_trouble) = (engine.backend(), engine.gpu_trouble());
        let solution = engine.solution().ok_or(EngineError::NotBegun)?;
        let (x, stamp_nanos) = (rows(&solution.x), solution.stamp_nanos);
        Ok(Self { found, x, stamp_nanos, method, backend, gpu_trouble, gpu_trial, budget })
    }

    /// Writes all hypotheses as JSON.
    ///
    /// # Errors
    /// When a value is not finite: JSON has no such numbers.
    pub(super) fn to_json(&self, spec: &TaskSpec) -> anyhow::Result<String> {
        let Found { joints, points, images, labels, landscape, .. } = &self.found;
        let joints = joints.iter().flatten().copied();
        let points = points.iter().flatten().flatten().copied();
        let pixels = images.iter().flat_map(|image| &image.data).map(|value| f64::from(*value));
        for (kind, broken) in [
            ("joints", broken(joints)),
            ("points", broken(points)),
            ("image or label", broken(pixels.chain(labels.iter().flatten().copied()))),
        ] {
            anyhow::ensure!(broken == 0, "task {} rendered {broken} values of {kind} that are not finite", spec.name);
        }
        let hypotheses = (0..self.found.losses.len()).map(|row| self.hypothesis(row, spec)).collect();
        let Statistics { steps, evaluations, diverged } = self.found.statistics;
        let stop = self.found.stop.map(StopReason::name);
        let statistics = StatisticsForm { steps, evaluations, diverged, stop };
        let form = AnswerForm { task: &spec.name, landscape, stamp_nanos: self.stamp_nanos, hypotheses, statistics };
        Ok(serde_json::to_string_pretty(&form)? + "\n")
    }

    fn hypothesis<'a>(&'a self, row: usize, spec: &'a TaskSpec) -> HypothesisForm<'a> {
        let Found { losses, weights, joints, deviation, points, roots, images, labels, .. } = &self.found;
        let names = spec.joints.iter().map(|joint| joint.name.as_str());
        let named = |values: &Vec<f64>| Named(names.clone().zip(values.iter().map(|value| *value as f32)).collect());
        HypothesisForm {
            rank: row + 1,
            loss: losses[row],
            weight: weights[row],
            x: &self.x[row],
            joints: joints.get(row).map(named),
            deviation: Some(deviation).filter(|deviation| row == 0 && !deviation.is_empty()).map(named),
            points: points.get(row).map(|points| point_form(points, spec)),
            root: roots.get(row).map(root_form),
            image: images.get(row).map(|image| image_form(image)),
            class: labels.get(row).and_then(|logits| Some(ranked(&spec.classes, logits)?.first()?.0)),
            label: labels.get(row).map(Vec::as_slice),
        }
    }
}

fn broken(values: impl Iterator<Item = f64>) -> usize {
    values.filter(|value| !value.is_finite()).count()
}

/// The rows of a tensor `[K, ..]`, each flat.
fn rows(tensor: &tch::Tensor) -> Vec<Vec<f32>> {
    (0..tensor.size()[0]).map(|row| numbers(&tensor.get(row))).collect()
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
    x: &'a [f32],
    #[serde(skip_serializing_if = "Option::is_none")]
    joints: Option<Named<'a, f32>>,
    /// Standard deviations of the first hypothesis.
    #[serde(skip_serializing_if = "Option::is_none")]
    deviation: Option<Named<'a, f32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    points: Option<PointsForm<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    root: Option<RootForm>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<ImageForm>,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<&'a str>,
    /// Logits, in the order of the classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'a [f64]>,
}

/// Points by name, or in their order when the task renders points that it does not observe.
#[derive(Serialize)]
#[serde(untagged)]
enum PointsForm<'a> {
    Named(Named<'a, [f32; 3]>),
    Listed(Vec<[f32; 3]>),
}

/// Where the body stands in the frame of the points that were seen: metres, a quaternion x y z w, and its size.
#[derive(Serialize)]
struct RootForm {
    position: [f64; 3],
    rotation: [f64; 4],
    scale: f64,
    is_seen: bool,
    misfit: f64,
}

fn root_form(root: &Root) -> RootForm {
    let Root { position, rotation, scale, is_seen, misfit } = *root;
    RootForm { position, rotation, scale, is_seen, misfit }
}

/// Pixels as they are read: rows from the top, channels last.
#[derive(Serialize)]
struct ImageForm {
    height: u32,
    width: u32,
    channels: u32,
    pixels: Vec<f32>,
}

/// An object whose entries keep their order.
struct Named<'a, T>(Vec<(&'a str, T)>);

impl<T: Serialize> Serialize for Named<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

fn point_form<'a>(points: &[[f64; 3]], spec: &'a TaskSpec) -> PointsForm<'a> {
    let places: Vec<[f32; 3]> = points.iter().map(|point| point.map(|axis| axis as f32)).collect();
    match &spec.points {
        Some(points) => PointsForm::Named(Named(points.names.iter().map(String::as_str).zip(places).collect())),
        None => PointsForm::Listed(places),
    }
}

fn image_form(image: &Pixels) -> ImageForm {
    let Pixels { channels, height, width, data } = image;
    let size = (height * width) as usize;
    let pixels = (0..size).flat_map(|pixel| (0..*channels as usize).map(move |channel| channel * size + pixel));
    let pixels = pixels.map(|place| data[place]).collect();
    ImageForm { height: *height, width: *width, channels: *channels, pixels }
}
