//! The task: a generator as F, LPIPS and squared error as L.

use tch::Tensor;
use thalweg_nn::weights::fingerprint;
use thalweg_task::{
    Entry, ImageSpec, Kinds, LoadOptions, Objective, Observation, ParameterValue, Reconstruction, Result, Target, Task,
    TaskError, TaskSpec,
};

use crate::generator::{CHANNELS, Generator, LATENT, SIDE};
use crate::lpips::Lpips;

/// What the registry knows about this task.
pub const ENTRY: Entry = Entry {
    name: "gan_inversion",
    summary: "completes an image of a face from the pixels that were seen",
    observes: Kinds { joints: false, image: true, points: false },
    parameters: Vec::new,
    suited,
    load: |options| Ok(Box::new(GanInversion::load(options)?)),
};

/// A step of eight hypotheses takes 45 ms of a core, so few are to be had: the amortised start, which was made for the
/// latent itself, saves the first of them, and a small rate and a weak pull go on from what it guessed (docs/gan.md).
fn suited() -> Vec<(&'static str, ParameterValue)> {
    vec![
        ("theta", ParameterValue::String("identity".to_owned())),
        ("start.weight", ParameterValue::Double(0.03)),
        ("optimizer.rate", ParameterValue::Double(0.1)),
        ("budget.deadline", ParameterValue::Double(1.0)),
    ]
}

/// The generator, in the folder of models.
const GENERATOR: &str = "gan_inversion.safetensors";

/// Shape of an image.
const IMAGE: [i64; 3] = [CHANNELS, SIDE, SIDE];
/// Numbers in an image.
const ENTRIES: i64 = CHANNELS * SIDE * SIDE;

/// Inversion of a face generator, on all or some pixels.
#[derive(Debug)]
pub struct GanInversion {
    spec: TaskSpec,
    generator: Generator,
    lpips: Lpips,
}

impl GanInversion {
    /// Loads generator and perceptual distance.
    ///
    /// # Errors
    /// [`TaskError`] about a file of weights, which says how to get one that is not there, or a parameter: there are
    /// none.
    pub fn load(options: &LoadOptions) -> Result<Self> {
        if let Some(name) = options.parameters.keys().next() {
            let hint = "; this task has no parameters".to_owned();
            return Err(TaskError::UnknownName { kind: "parameter", name: name.clone(), hint });
        }
        let generator = Generator::load(&options.models.join(GENERATOR), options)?;
        let lpips = Lpips::load(&options.models.join(Lpips::FILE), options)?;
        Ok(Self { spec: describe(options, fingerprint(&generator.named())), generator, lpips })
    }

    /// Maps images to where their squared distance is the objective, `[K, 12288 + FEATURES]`.
    ///
    /// Pixels from -1 to 1 over the root of their number, zero where they are not seen, then the features.
    fn embed(&self, image: &Tensor, seen: &Tensor) -> Result<Tensor> {
        let pixels = (image * 2.0 - 1.0) * seen / (ENTRIES as f64).sqrt();
        Ok(Tensor::f_cat(&[pixels.flatten(1, -1), self.lpips.features(image, seen)?], 1)?)
    }
}

fn check(what: &'static str, image: &Tensor) -> Result<()> {
    if image.size().get(1..) == Some(&IMAGE) {
        return Ok(());
    }
    Err(TaskError::shape(what, format!("[K, {CHANNELS}, {SIDE}, {SIDE}]"), image))
}

impl Task for GanInversion {
    fn spec(&self) -> &TaskSpec {
        &self.spec
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.generator.forward(x)
    }

    fn encode(&self, obs: &Observation) -> Result<Target> {
        let obs = obs.to(self.spec.kind, self.spec.device);
        obs.validate(&self.spec)?;
        let image = obs.image.as_ref().ok_or_else(|| TaskError::EmptyObservation {
            task: self.spec.name.clone(),
            observes: self.spec.observes().to_string(),
        })?;
        let weight = image.observed().to_kind(self.spec.kind);
        let value = tch::no_grad(|| self.embed(image.value(), &weight))?;
        Ok(Target { value, weight })
    }

    /// Scores by LPIPS (AlexNet) plus the mean squared difference of pixels from -1 to 1.
    ///
    /// Liu et al. (2023), eq. 5. A pixel that was not seen has the same colour in both images, and no gradient. Both
    /// means are over all pixels, so that the loss falls with what is hidden.
    fn objective(&self, y_hat: &Tensor, target: &Target) -> Result<Objective> {
        check("y_hat", y_hat)?;
        let (rows, targets) = (y_hat.size()[0], target.value.size()[0]);
        if targets != 1 && targets != rows {
            return Err(TaskError::shape("target", format!("1 or {rows} rows"), &target.value));
        }
        let difference = self.embed(y_hat, &target.weight)? - &target.value;
        Ok(Objective::of_loss(difference.square().sum_dim_intlist([1].as_slice(), false, self.spec.kind)))
    }

    fn render(&self, y_hat: &Tensor) -> Result<Reconstruction> {
        check("y_hat", y_hat)?;
        Ok(Reconstruction { image: Some(y_hat.shallow_clone()), ..Reconstruction::default() })
    }
}

fn describe(options: &LoadOptions, fingerprint: String) -> TaskSpec {
    TaskSpec {
        name: ENTRY.name.to_owned(),
        latent: LATENT,
        output: IMAGE.to_vec(),
        joints: Vec::new(),
        groups: Vec::new(),
        reads_joints: false,
        image: Some(ImageSpec { channels: CHANNELS, height: SIDE, width: SIDE }),
        points: None,
        skeleton: None,
        classes: Vec::new(),
        convention: None,
        // Loss is a sum of squares, but of 44,000: Levenberg-Marquardt would differentiate each.
        residual: false,
        fingerprint,
        device: options.device,
        kind: options.kind,
    }
}
