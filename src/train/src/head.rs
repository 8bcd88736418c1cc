//! Trains the contrastive head of a defence on a backbone that stays as it is.
//!
//! Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations", 2020: views of one image are to lie
//! together, those of others apart. The bank of negatives that a defence takes along is made of training images in the end.

use std::path::PathBuf;

use rand::rngs::StdRng;
use rand::seq::index::sample;
use serde::Serialize;
use tch::{Device, Kind, Tensor};
use thalweg_image_defence::{Backbone, Defence, Head, HeadConfig, LossConfig, Views, ViewsConfig, contrast};
use thalweg_nn::weights::{Weights, fingerprint};
use thalweg_nn::{
    AdamW, AdamWConfig, Checkpoint, CosineRate, Learner, NnError, Ranks, State, Training, generator, initial,
};

use crate::TrainError;
use crate::classifier::Classifier;
use crate::labelled_images::{LabelledImages, scaled};

/// Steps over which the rate rises.
const WARM_UP: u32 = 50;
/// Images on which a training is judged.
const JUDGED: i64 = 256;
/// Between the seed of a training and that of the bank's images.
const BANK: u64 = 0x6261_6e6b;
/// Decay of the average of the weights, which is what is kept.
const AVERAGE: f64 = 0.99;

/// What a training of a head is told.
#[derive(Clone, Debug, Serialize)]
pub struct HeadOptions {
    /// The head.
    pub head: HeadConfig,
    /// How views are drawn.
    pub views: ViewsConfig,
    /// Temperature and weight of the correction's length, as the defence has them.
    pub temperature: f64,
    /// Weight lambda of the squared length of a correction, for the file.
    pub shrinkage: f64,
    /// Gradient steps.
    pub steps: i32,
    /// Images in a step, two views of each.
    pub batch: usize,
    /// Learning rate at its highest.
    pub rate: f64,
    /// Weight decay of AdamW.
    pub weight_decay: f64,
    /// Negatives in the bank.
    pub bank: usize,
    /// Steps between two judgements; the checkpoint is written then, too.
    pub validate_every: u64,
    /// Seed of everything random.
    pub seed: u64,
    /// Where a stopped training is kept; nowhere, without.
    #[serde(skip)]
    pub checkpoint: Option<PathBuf>,
}

impl Default for HeadOptions {
    fn default() -> Self {
        Self {
            head: HeadConfig { hidden: 256, projection: 64 },
            views: ViewsConfig::default(),
            temperature: 0.2,
            shrinkage: 0.0,
            steps: 1500,
            batch: 128,
            rate: 1e-3,
            weight_decay: 1e-4,
            bank: 512,
            validate_every: 100,
            seed: 1,
            checkpoint: None,
        }
    }
}

/// Where a training stands.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct HeadProgress {
    /// Steps done.
    pub step: i32,
    /// Loss of the last step.
    pub update: f64,
    /// Loss of held-out images.
    pub held_out: f64,
    /// How often a held-out view's nearest neighbour, of all other views, is one of the same image.
    pub found: f64,
}

/// Each view against those of its own image, the views of all others as negatives: `[B, V, P]` to a scalar.
///
/// Eq. 7 of Liu et al. (2023), negatives from the batch, as there.
fn contrast_of_batch(projections: &Tensor, temperature: f64) -> Result<Tensor, TrainError> {
    let [images, views, width] = projections.size()[..] else {
        return Err(NnError::shape("projections", "[B, V, P]", projections).into());
    };
    let all = projections.reshape([images * views, width]);
    let similar = all.matmul(&all.tr()) / temperature;
    let owner = Tensor::arange(images * views, (Kind::Int64, Device::Cpu)).divide_scalar_mode(views, "floor");
    let same = owner.view([-1, 1]).eq_tensor(&owner.view([1, -1]));
    let others = similar.masked_fill(&same, f64::NEG_INFINITY).logsumexp([1].as_slice(), true);
    let eye = Tensor::eye(images * views, (Kind::Bool, Device::Cpu));
    let pairs = same.logical_and(&eye.logical_not());
    let each = others.logaddexp(&similar) - similar;
    Ok(each.masked_select(&pairs).mean(Kind::Float))
}

/// Trains a head, or resumes, and makes the bank.
///
/// # Errors
/// [`TrainError::Option`], [`TrainError::NotFinite`], and what the checkpoint refuses.
pub fn train_head(
    options: &HeadOptions,
    classifier: Classifier,
    (training, validation): (&LabelledImages, &LabelledImages),
    report: &mut dyn FnMut(&HeadProgress) -> bool,
) -> Result<Defence, TrainError> {
    let loss = LossConfig { temperature: options.temperature, shrinkage: options.shrinkage };
    for check in [options.head.check(), options.views.check(), loss.check()] {
        check.map_err(|expected| TrainError::option("head", &"these options", expected))?;
    }
    let least = options.batch.max(options.bank);
    if options.batch < 2 || options.bank < 2 || training.len() < least as i64 || validation.is_empty() {
        let expected = format!("a batch and a bank of at least 2, and no fewer than {least} images to train on");
        return Err(TrainError::option("batch, bank", &options.batch, expected));
    }
    let binding = vec![
        ("format", "thalweg-checkpoint".to_owned()),
        ("what", "head".to_owned()),
        ("backbone", fingerprint(&classifier.backbone.named())),
        ("options", serde_json::to_value(options).unwrap_or_default().to_string()),
        ("data", training.fingerprint()),
    ];
    let rounds = Training {
        seed: options.seed,
        report_every: options.validate_every.max(1),
        checkpoint: options.checkpoint.as_ref().map(|path| Checkpoint::new(path, binding)),
        ranks: Ranks::alone(),
    };
    let mut learner = HeadLearner::untrained(options, &classifier.backbone, training, validation);
    rounds.resume(&mut learner)?;
    rounds.run(&mut learner, report)?;
    let head = learner.head(&learner.optimizer.averaged())?;
    let bank = learner.bank(&head)?;
    drop(learner);
    let Classifier { backbone, classes } = classifier;
    Ok(Defence { classes, backbone, head, bank, views: options.views, loss })
}

/// A head that learns, a step in each round.
struct HeadLearner<'a> {
    options: &'a HeadOptions,
    backbone: &'a Backbone,
    training: &'a LabelledImages,
    validation: &'a LabelledImages,
    optimizer: AdamW,
}

impl<'a> HeadLearner<'a> {
    fn untrained(
        options: &'a HeadOptions,
        backbone: &'a Backbone,
        training: &'a LabelledImages,
        validation: &'a LabelledImages,
    ) -> Self {
        let widths = [backbone.config().features(), options.head.hidden, options.head.projection];
        let drawn = initial::linear(&widths, &mut generator(options.seed, 0), (Kind::Float, Device::Cpu));
        let config = AdamWConfig { weight_decay: options.weight_decay, average: AVERAGE, ..AdamWConfig::default() };
        Self { options, backbone, training, validation, optimizer: AdamW::new(initial::leaves(drawn), config) }
    }

    fn head(&self, parameters: &[Tensor]) -> Result<Head, TrainError> {
        let mut parameters = parameters.iter();
        Head::assemble(self.options.head, self.backbone.config().features(), |_, shape| match parameters.next() {
            Some(tensor) if tensor.size() == shape => Ok(tensor.shallow_clone()),
            other => Err(NnError::shape("head", format!("{shape:?}"), other.unwrap_or(&Tensor::new())).into()),
        })
    }

    /// Features of two views of each image, `[B, 2, D]`; the backbone learns nothing.
    fn features(&self, image: &Tensor, random: &mut StdRng) -> Result<Tensor, TrainError> {
        let _no_grad = tch::no_grad_guard();
        let config = self.backbone.config();
        let two = ViewsConfig { count: 2, ..self.options.views };
        let rows = image.size()[0];
        let views = Views::draw_rows(&two, rows, random, (config.height, config.width), (Kind::Float, Device::Cpu));
        let features = self.backbone.features(&views.of(image)?.flatten(0, 1))?;
        Ok(features.view([rows, 2, -1]))
    }

    fn images(&self, count: usize, random: &mut StdRng) -> Tensor {
        let places: Vec<i64> =
            sample(random, self.training.len() as usize, count).into_iter().map(|place| place as i64).collect();
        scaled(&self.training.pixels.index_select(0, &Tensor::from_slice(&places)))
    }

    fn project(head: &Head, features: &Tensor) -> Result<Tensor, TrainError> {
        let (images, views) = (features.size()[0], features.size()[1]);
        Ok(head.forward(&features.flatten(0, 1))?.view([images, views, -1]))
    }

    /// Negatives `[N, P]`: one view of each of some training images.
    fn bank(&self, head: &Head) -> Result<Tensor, TrainError> {
        let mut random = generator(self.options.seed ^ BANK, 0);
        let image = self.images(self.options.bank, &mut random);
        let features = self.features(&image, &mut random)?;
        tch::no_grad(|| Ok(Self::project(head, &features)?.select(1, 0).contiguous()))
    }
}

impl Learner for HeadLearner<'_> {
    type Progress = HeadProgress;
    type Error = TrainError;

    fn place(&self) -> (Kind, Device) {
        (Kind::Float, Device::Cpu)
    }

    fn rounds(&self) -> u64 {
        self.optimizer.steps() as u64
    }

    fn is_over(&self) -> bool {
        self.optimizer.steps() >= self.options.steps
    }

    /// Descends once, on two new views of each of some images.
    fn round(&mut self, random: &mut StdRng) -> Result<f64, TrainError> {
        let image = self.images(self.options.batch, random);
        let features = self.features(&image, random)?;
        let head = self.head(self.optimizer.parameters())?;
        let loss = contrast_of_batch(&Self::project(&head, &features)?, self.options.temperature)?;
        let steps = u64::try_from(self.options.steps).unwrap_or_default();
        let rate = CosineRate { peak: self.options.rate, end: 0.01, warm_up: WARM_UP, steps }.at(self.rounds());
        self.optimizer.descend(&loss, rate);
        Ok(loss.double_value(&[]))
    }

    /// Judges the averaged weights on held-out images, with views that are always the same, against the bank as the defence
    /// does.
    fn judge(&mut self, update: f64) -> Result<HeadProgress, TrainError> {
        let _no_grad = tch::no_grad_guard();
        let head = self.head(&self.optimizer.averaged())?;
        let image = self.validation.first(JUDGED).values();
        let projections = Self::project(&head, &self.features(&image, &mut generator(0, 0))?)?;
        let against_bank = contrast(&projections, &self.bank(&head)?, self.options.temperature)?;
        let (first, second) = (projections.select(1, 0), projections.select(1, 1));
        let nearest = first.matmul(&second.tr()).argmax(1, false);
        let own = Tensor::arange(nearest.size()[0], (Kind::Int64, Device::Cpu));
        let found = nearest.eq_tensor(&own).to_kind(Kind::Double).mean(Kind::Double).double_value(&[]);
        let held_out = against_bank.mean(Kind::Double).double_value(&[]);
        Ok(HeadProgress { step: self.optimizer.steps(), update, held_out, found })
    }

    fn diverged(&self, loss: f64) -> TrainError {
        TrainError::NotFinite { buffer: self.optimizer.steps() as u32, loss, rate: self.options.rate }
    }

    fn state(&self) -> State {
        State {
            tensors: self.optimizer.named("optimizer"),
            metadata: vec![("updates", self.optimizer.steps().to_string())],
        }
    }

    fn restore(&mut self, file: &Weights) -> Result<(), TrainError> {
        Ok(self.optimizer.restore(file, "optimizer", file.meta("updates")?)?)
    }
}
