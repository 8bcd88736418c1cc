//! Trains a classifier of images: the backbone of a defence.
//!
//! Stochastic gradient descent with Nesterov's momentum, a rate that rises and falls once, crops and mirrored images, batch
//! norms that are folded into the convolutions in the end. With an adversary each batch is attacked first (Madry et al.,
//! "Towards Deep Learning Models Resistant to Adversarial Attacks", 2018).

mod file;
mod norms;
mod optimizer;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde::Serialize;
use tch::{Device, Kind, Reduction, Tensor};
use thalweg_image_defence::{Backbone, BackboneConfig, Stage, Stem};
use thalweg_nn::weights::Weights;
use thalweg_nn::{Checkpoint, CosineRate, Learner, Ranks, State, Training, generator};

use crate::TrainError;
use crate::ball::{Ball, Norm, gradient};
use crate::labelled_images::{LabelledImages, SIDE, scaled};
use norms::Network;
use optimizer::Momentum;

pub use file::Classifier;

/// Pixels by which an image may be shifted; what comes in from outside mirrors the border.
const SHIFT: i64 = 4;
/// Share of the steps over which the rate rises.
const RISING: f64 = 0.2;
/// Images on which a training is judged by attacks, too.
const ATTACKED: i64 = 256;
/// Images that are classified at once.
const AT_ONCE: i64 = 500;
/// Between the seeds of rounds and those of the order of images in an epoch.
const ORDER: u64 = 0x6f72_6465;

/// Who attacks each batch before it is learned from.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Adversary {
    /// What it may change.
    pub ball: Ball,
    /// Its steps.
    pub steps: u32,
}

impl Adversary {
    /// PGD-7 within an L2 ball of 128/255, as in the robustness library of Engstrom et al., 2019.
    pub const PGD_7: Self = Self { ball: Ball { norm: Norm::L2, radius: 128.0 / 255.0 }, steps: 7 };

    /// Steps from a drawn place of the ball, each of 2.5 radii over the number of steps, towards more loss.
    ///
    /// `image`: `[B, 3, H, W]`, `labels`: `[B]`.
    ///
    /// # Errors
    /// What the network refuses.
    pub fn attack(
        &self,
        backbone: &Backbone,
        (image, labels): (&Tensor, &Tensor),
        random: &mut StdRng,
    ) -> Result<Tensor, TrainError> {
        let step = 2.5 * self.ball.radius / f64::from(self.steps.max(1));
        let mut attacked = self.ball.draw(image, random);
        for _ in 0..self.steps {
            let leaf = attacked.detach().set_requires_grad(true);
            let (_, logits) = backbone.forward(&leaf.to_kind(kind_of(backbone)))?;
            let loss = cross_entropy(&logits, labels, Reduction::None, 0.0)?;
            let direction = self.ball.steepest(&gradient(&loss, &leaf));
            attacked = self.ball.project(&(leaf.detach() + direction * step), image);
        }
        Ok(attacked)
    }
}

/// The precision of convolutions while training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// 32 bit.
    Single,
    /// 16 bit, the exponent of 32: twice as fast where the processor has instructions for it, far slower elsewhere.
    Brain,
}

/// What a training of a classifier is told.
#[derive(Clone, Debug, Serialize)]
pub struct ClassifierOptions {
    /// The network.
    pub backbone: BackboneConfig,
    /// How often each image is seen.
    pub epochs: u32,
    /// Images in a step.
    pub batch: usize,
    /// Learning rate at its highest.
    pub rate: f64,
    /// Share of the velocity that is kept from step to step.
    pub momentum: f64,
    /// Weight decay of convolutions and dense layers.
    pub weight_decay: f64,
    /// Share of the labels that is spread over all classes (Szegedy et al., 2016).
    pub smoothing: f64,
    /// Who attacks while training.
    pub adversary: Option<Adversary>,
    /// The precision of convolutions.
    pub precision: Precision,
    /// Steps between two judgements; the checkpoint is written then, too.
    pub validate_every: u64,
    /// Seed of everything random.
    pub seed: u64,
    /// Where a stopped training is kept; nowhere, without.
    #[serde(skip)]
    pub checkpoint: Option<PathBuf>,
}

impl ClassifierOptions {
    /// The network that ships: three blocks, 0.7 million weights, means and deviations of CIFAR-10.
    #[must_use]
    pub fn backbone() -> BackboneConfig {
        let stage = |channels| Stage { channels, blocks: 1, stride: 2, projection: true };
        BackboneConfig {
            height: SIDE,
            width: SIDE,
            mean: [0.4914, 0.4822, 0.4465],
            std: [0.2471, 0.2435, 0.2616],
            stem: Stem { channels: 24, stride: 1 },
            stages: vec![stage(48), stage(96), stage(192)],
            pooled: true,
            hidden: Vec::new(),
            classes: 10,
        }
    }

    fn check(&self) -> Result<(), TrainError> {
        let refuse =
            |option, got: &dyn ToString, expected: &str| Err(TrainError::option(option, &got.to_string(), expected));
        if let Err(expected) = self.backbone.check() {
            return refuse("backbone", &"this network", &expected);
        }
        if self.epochs == 0 || self.epochs > 1000 {
            return refuse("epochs", &self.epochs, "1 to 1000");
        }
        if !(2..=4096).contains(&self.batch) {
            return refuse("batch", &self.batch, "2 to 4096");
        }
        if !(self.rate > 0.0 && self.rate <= 10.0) {
            return refuse("rate", &self.rate, "above 0, at most 10");
        }
        let shares = [("momentum", self.momentum), ("weight_decay", self.weight_decay), ("smoothing", self.smoothing)];
        match shares.into_iter().find(|(_, share)| !(0.0..1.0).contains(share)) {
            Some((name, share)) => refuse(name, &share, "0 or more, below 1"),
            None => Ok(()),
        }
    }
}

impl Default for ClassifierOptions {
    fn default() -> Self {
        Self {
            backbone: Self::backbone(),
            epochs: 20,
            batch: 128,
            rate: 0.2,
            momentum: 0.9,
            weight_decay: 5e-4,
            smoothing: 0.1,
            adversary: None,
            precision: Precision::Single,
            validate_every: 125,
            seed: 1,
            checkpoint: None,
        }
    }
}

/// Where a training stands.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ClassifierProgress {
    /// Steps done.
    pub step: u64,
    /// Loss of the last step.
    pub loss: f64,
    /// Share of the validation images that are classified rightly.
    pub clean: f64,
    /// The same of some of them, attacked by the adversary of the training.
    pub attacked: Option<f64>,
}

/// Cross entropy in single precision.
fn cross_entropy(logits: &Tensor, labels: &Tensor, reduction: Reduction, smoothing: f64) -> Result<Tensor, TrainError> {
    let logits = logits.to_kind(Kind::Float);
    let loss = logits.f_cross_entropy_loss::<Tensor>(labels, None, reduction, -100, smoothing);
    Ok(loss.map_err(thalweg_nn::NnError::from)?)
}

fn kind_of(backbone: &Backbone) -> Kind {
    backbone.named().first().map_or(Kind::Float, |(_, tensor)| tensor.kind())
}

/// Share of images that a network classifies rightly.
///
/// # Errors
/// What the network refuses.
pub fn accuracy(backbone: &Backbone, image: &Tensor, labels: &Tensor) -> Result<f64, TrainError> {
    let _no_grad = tch::no_grad_guard();
    let mut right = 0;
    for (image, labels) in image.split(AT_ONCE, 0).iter().zip(labels.split(AT_ONCE, 0)) {
        let (_, logits) = backbone.forward(&image.to_kind(kind_of(backbone)))?;
        right += logits.argmax(1, false).eq_tensor(&labels).sum(Kind::Int64).int64_value(&[]);
    }
    Ok(right as f64 / labels.size().first().copied().unwrap_or(0).max(1) as f64)
}

/// Trains a classifier, or resumes; `from` is what its weights begin with, drawn where there is none.
///
/// # Errors
/// [`TrainError::Option`], [`TrainError::NotFinite`], and what the checkpoint refuses.
pub fn train_classifier(
    options: &ClassifierOptions,
    (training, validation): (&LabelledImages, &LabelledImages),
    from: Option<&Backbone>,
    report: &mut dyn FnMut(&ClassifierProgress) -> bool,
) -> Result<Classifier, TrainError> {
    options.check()?;
    if training.len() < options.batch as i64 || validation.is_empty() {
        return Err(TrainError::option(
            "images",
            &training.len(),
            "at least one batch to train on, and some to judge by",
        ));
    }
    let start = from.map_or_else(String::new, |backbone| thalweg_nn::weights::fingerprint(&backbone.named()));
    let binding = vec![
        ("format", "thalweg-checkpoint".to_owned()),
        ("what", "classifier".to_owned()),
        ("from", start),
        ("options", serde_json::to_value(options).unwrap_or_default().to_string()),
        ("data", training.fingerprint()),
    ];
    let rounds = Training {
        seed: options.seed,
        report_every: options.validate_every.max(1),
        checkpoint: options.checkpoint.as_ref().map(|path| Checkpoint::new(path, binding)),
        ranks: Ranks::alone(),
    };
    let mut learner = ClassifierLearner::untrained(options, training, validation, from)?;
    rounds.resume(&mut learner)?;
    rounds.run(&mut learner, report)?;
    Ok(Classifier { backbone: learner.network.folded(Precision::Single)?, classes: training.classes.clone() })
}

/// A classifier that learns, a step in each round.
struct ClassifierLearner<'a> {
    options: &'a ClassifierOptions,
    /// Bytes with a border, `[N, 3, 40, 40]`.
    bordered: Tensor,
    labels: &'a Tensor,
    validation: &'a LabelledImages,
    network: Network,
    optimizer: Momentum,
    /// The order of images in an epoch, and which epoch that is.
    order: (u64, Vec<i64>),
}

impl<'a> ClassifierLearner<'a> {
    fn untrained(
        options: &'a ClassifierOptions,
        training: &'a LabelledImages,
        validation: &'a LabelledImages,
        from: Option<&Backbone>,
    ) -> Result<Self, TrainError> {
        let mut random = generator(options.seed, 0);
        let network = match from {
            Some(backbone) => Network::of(backbone, &options.backbone)?,
            None => Network::drawn(&options.backbone, &mut random),
        };
        let optimizer = Momentum::new(network.parameters(), options.momentum, options.weight_decay);
        let bordered = training.pixels.to_kind(Kind::Float).reflection_pad2d([SHIFT; 4]).to_kind(Kind::Uint8);
        Ok(Self {
            options,
            bordered,
            labels: &training.labels,
            validation,
            network,
            optimizer,
            order: (u64::MAX, vec![]),
        })
    }

    fn steps_of_epoch(&self) -> u64 {
        (self.labels.size()[0] as u64 / self.options.batch as u64).max(1)
    }

    fn last(&self) -> u64 {
        self.steps_of_epoch() * u64::from(self.options.epochs)
    }

    /// Places of the images of a step: an epoch shows each image once, but for fewer than a batch.
    fn places(&mut self, step: u64) -> Vec<i64> {
        let (epoch, within) = (step / self.steps_of_epoch(), (step % self.steps_of_epoch()) as usize);
        if self.order.0 != epoch {
            let mut order: Vec<i64> = (0..self.labels.size()[0]).collect();
            order.shuffle(&mut generator(self.options.seed ^ ORDER, epoch));
            self.order = (epoch, order);
        }
        self.order.1[within * self.options.batch..(within + 1) * self.options.batch].to_vec()
    }

    /// Images shifted and mirrored by chance, `[B, 3, 32, 32]`, and their labels.
    fn draw(&mut self, random: &mut StdRng) -> (Tensor, Tensor) {
        let places = self.places(self.rounds());
        let one = |place: &i64| {
            let image = self.bordered.get(*place);
            let mut corner = || random.random_range(0..=2 * SHIFT);
            let (top, left) = (corner(), corner());
            let image = image.narrow(1, top, SIDE).narrow(2, left, SIDE);
            if random.random_bool(0.5) { image.flip([2]) } else { image }
        };
        let images: Vec<Tensor> = places.iter().map(one).collect();
        (scaled(&Tensor::stack(&images, 0)), self.labels.index_select(0, &Tensor::from_slice(&places)))
    }
}

impl Learner for ClassifierLearner<'_> {
    type Progress = ClassifierProgress;
    type Error = TrainError;

    fn place(&self) -> (Kind, Device) {
        (Kind::Float, Device::Cpu)
    }

    fn rounds(&self) -> u64 {
        self.optimizer.steps()
    }

    fn is_over(&self) -> bool {
        self.rounds() >= self.last()
    }

    /// Descends once, on images that are attacked first where there is an adversary.
    fn round(&mut self, random: &mut StdRng) -> Result<f64, TrainError> {
        let (mut image, labels) = self.draw(random);
        let precision = self.options.precision;
        if let Some(adversary) = &self.options.adversary {
            image = adversary.attack(&self.network.folded(precision)?, (&image, &labels), random)?;
        }
        let logits = self.network.train(&image, precision)?;
        let loss = cross_entropy(&logits, &labels, Reduction::Mean, self.options.smoothing)?;
        let steps = self.last();
        let warm_up = (steps as f64 * RISING) as u32;
        let rate = CosineRate { peak: self.options.rate, end: 0.0, warm_up, steps }.at(self.rounds());
        self.optimizer.descend(&loss, rate);
        Ok(loss.double_value(&[]))
    }

    fn judge(&mut self, loss: f64) -> Result<ClassifierProgress, TrainError> {
        let backbone = self.network.folded(Precision::Single)?;
        let images = self.validation.values();
        let clean = accuracy(&backbone, &images, &self.validation.labels)?;
        let of_adversary = |adversary: &Adversary| {
            let some = self.validation.first(ATTACKED);
            let attacked = adversary.attack(&backbone, (&some.values(), &some.labels), &mut generator(0, 0))?;
            accuracy(&backbone, &attacked, &some.labels)
        };
        let attacked = self.options.adversary.as_ref().map(of_adversary).transpose()?;
        Ok(ClassifierProgress { step: self.rounds(), loss, clean, attacked })
    }

    fn diverged(&self, loss: f64) -> TrainError {
        TrainError::NotFinite { buffer: self.rounds() as u32, loss, rate: self.options.rate }
    }

    fn state(&self) -> State {
        let tensors = self.optimizer.named().into_iter().chain(self.network.statistics()).collect();
        State { tensors, metadata: vec![("updates", self.rounds().to_string())] }
    }

    fn restore(&mut self, file: &Weights) -> Result<(), TrainError> {
        self.optimizer.restore(file, file.meta("updates")?)?;
        self.network.restore_statistics(file)
    }
}
