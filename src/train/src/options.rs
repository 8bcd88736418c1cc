//! What a training of theta is told.

use std::path::PathBuf;

use serde::Serialize;

use thalweg_engine::landscape::Steps;
use thalweg_nn::{Augmentation, Ranks};

use super::TrainError;

/// All options of a training. Names after Liu et al. (2023), Algorithm 1.
///
/// Those that are serialized decide the result, and a checkpoint is bound to them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ThetaOptions {
    /// Dimension `Z` of the landscape.
    pub z: i64,
    /// Width of theta's two hidden layers.
    pub hidden: i64,
    /// How often a buffer is collected and theta updated, `B` in the paper.
    pub buffers: u32,
    /// How points are collected.
    pub collection: CollectionOptions,
    /// How theta is updated.
    pub update: UpdateOptions,
    /// Steps of its own that the landscape is trained for, from a fixed start; none is the paper's form, with Adam from
    /// drawn points.
    pub own: Option<OwnStepsOptions>,
    /// How observations of joints are changed before theta learns from them; only with own steps.
    pub augmentation: Augmentation,
    /// What the descents do not see.
    pub masks: MaskOptions,
    /// How held-out observations decide.
    pub validation: ValidationOptions,
    /// Seed of everything random.
    pub seed: u64,
    /// A trained landscape to start from instead of random weights; it has its own `z` and `hidden`.
    #[serde(skip)]
    pub start: Option<PathBuf>,
    /// Where to keep the state that a resumed training starts from; none is kept without.
    #[serde(skip)]
    pub checkpoint: Option<PathBuf>,
    /// Whether to end with what the checkpoint has, without training on.
    #[serde(skip)]
    pub finish: bool,
    /// The processes that train together: each goes its share of the descents and takes its share of each update.
    #[serde(skip)]
    pub ranks: Ranks,
}

/// How points are collected.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CollectionOptions {
    /// Descents in a collection, `N`.
    pub descents: usize,
    /// Steps of a descent, `T`.
    pub steps: u32,
    /// Learning rate of z, lambda_z: Adam, as the engine uses it.
    pub rate_z: f64,
    /// Descents for each observation, `S`, from different `z_0`; divides N.
    ///
    /// Only the best of them, by the outer loss at that moment, bears the outer loss. With one,
    /// theta learns to send every `z_0` to the mean of what an observation with gaps may mean;
    /// with several, different `z_0` may mean different things (multiple choice learning:
    /// Guzman-Rivera et al., 2012).
    pub best_of: usize,
    /// Whether `z_0` is among the points, beside `z_1 .. z_T`.
    pub start_points: bool,
    /// How many collections the buffer holds: the present one and those before it.
    pub keep: usize,
}

/// The steps that a landscape is trained for.
///
/// Defaults are those of the study that docs/landscape.md reports, but for K and the codes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OwnStepsOptions {
    /// Size of each step, lambda_t: as many as there are steps, T.
    pub sizes: Vec<f64>,
    /// What is added to the covariance of the gradients before its root is taken, epsilon_t, in units of its mean
    /// diagonal: little whitens fully, one hardly at all.
    pub damping: Vec<f64>,
    /// Weight of the loss after each step.
    pub weights: Vec<f64>,
    /// Length of the columns of the frozen map Q.
    pub lift: f64,
    /// Dimension C of the codes that tell hypotheses apart.
    pub codes: i64,
    /// Standard deviation of what a code adds to `z` along each of its C directions.
    pub code_scale: f64,
    /// Length of what a hidden joint adds to `z` after the first step.
    pub gap_scale: f64,
    /// Hypotheses K towards each observation.
    pub hypotheses: usize,
    /// Standard deviation of where descents begin, drawn for each observation. Above zero it is an ablation: the engine
    /// begins at zero.
    pub start_scale: f64,
    /// Whether value and derivative of theta at zero stay while it learns; without is an ablation.
    pub is_anchored: bool,
    /// Whether theta is differentiated through its steps, in place of coordinate descent; an ablation.
    pub is_unrolled: bool,
}

impl Default for OwnStepsOptions {
    fn default() -> Self {
        Self {
            sizes: vec![1.0, 0.15],
            damping: vec![1e-4, 1.0],
            weights: vec![1.0, 1.0],
            lift: 0.2,
            codes: 8,
            code_scale: 3.0,
            gap_scale: 1.0,
            hypotheses: 8,
            start_scale: 0.0,
            is_anchored: true,
            is_unrolled: false,
        }
    }
}

impl OwnStepsOptions {
    /// As many steps as are asked for; those after the first are small and hardly whitened.
    #[must_use]
    pub fn with_steps(self, count: u32) -> Self {
        let list = |first: f64, others: f64| (0..count).map(|step| if step == 0 { first } else { others }).collect();
        Self { sizes: list(1.0, 0.15), damping: list(1e-4, 1.0), weights: list(1.0, 1.0), ..self }
    }

    /// Trains on a landscape that has steps: as many, with its metrics and codes.
    pub(super) fn like(steps: &Steps) -> Self {
        let count = steps.count() as usize;
        let codes = steps.codes().size()[0];
        Self { sizes: vec![1.0; count], damping: vec![1.0; count], weights: vec![1.0; count], codes, ..Self::default() }
    }

    fn validate(&self) -> Result<(), TrainError> {
        at_least_one("own.sizes", self.sizes.len())?;
        at_least_one("own.hypotheses", self.hypotheses)?;
        for (option, list) in [("own.damping", &self.damping), ("own.weights", &self.weights)] {
            if list.len() != self.sizes.len() {
                let expected = format!("{} numbers, one for each step", self.sizes.len());
                return Err(TrainError::option(option, &list.len(), expected));
            }
        }
        let above_zero =
            [("own.lift", self.lift), ("own.code_scale", self.code_scale), ("own.gap_scale", self.gap_scale)];
        let lists = [("own.sizes", &self.sizes), ("own.damping", &self.damping), ("own.weights", &self.weights)];
        let of_lists = lists.into_iter().flat_map(|(option, list)| list.iter().map(move |value| (option, *value)));
        for (option, value) in above_zero.into_iter().chain(of_lists) {
            finite(option, value, "a finite number above 0", |value| value > 0.0)?;
        }
        finite("own.start_scale", self.start_scale, "a finite number of at least 0", |value| value >= 0.0)?;
        at_least_one("own.codes", usize::try_from(self.codes).unwrap_or(0))
    }
}

/// How theta is updated.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct UpdateOptions {
    /// Learning rate of theta at the start, lambda_theta.
    pub rate_theta: f64,
    /// Share of `rate_theta` that is left in the end; it falls along a cosine. One keeps the rate.
    pub rate_end: f64,
    /// Weight decay of AdamW.
    pub weight_decay: f64,
    /// Points in one update, all S of an observation counted.
    pub batch: usize,
    /// Decay of the exponential average of theta, which is what is kept; zero keeps theta itself.
    pub average: f64,
    /// How often each update phase goes through the whole buffer.
    pub epochs: u32,
    /// Updates theta on the points of the present step while the descents go on: no coordinate
    /// descent, no buffer.
    ///
    /// The ablation of Liu et al. (2023), table 2. A round has as many steps and, where `batch`
    /// divides `descents`, as many updates as a buffer has.
    pub online: bool,
}

/// Which share of the descents sees what; shares are weights, their sum need not be one.
///
/// The defaults are guesses: a quarter sees everything, and every kind of gap that evaluation
/// asks for has its part. A task without groups has its gaps at random joints. Of an image, every
/// gap hides a rectangle, or all but a rectangle where only end effectors are seen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MaskOptions {
    /// Everything is seen.
    pub whole: f64,
    /// One or two limbs are hidden: groups that contain other groups.
    pub limbs: f64,
    /// Single joints are hidden at random, from a few to most of them.
    pub joints: f64,
    /// All is hidden but the end effectors: the group `end_effectors_only`.
    pub end_effectors: f64,
}

/// How held-out observations decide what is kept and when to stop.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ValidationOptions {
    /// Buffers between two validations; zero for none.
    pub every: u32,
    /// Held-out observations in a validation, spread evenly over those that there are.
    pub rows: usize,
    /// Validations without a better result after which training ends; zero for never.
    pub patience: u32,
}

impl Default for CollectionOptions {
    /// N and T for minutes on one core instead of hours on GPUs.
    ///
    /// The paper's rate for z is 0.1. With 10 steps a descent at 0.1 stays near its start: after
    /// 40 buffers, 0.5 left 45 % less loss on held-out body poses (nothing hidden, 10 steps), and 0.5 was also the best rate to solve with.
    fn default() -> Self {
        Self { descents: 2048, steps: 10, rate_z: 0.5, best_of: 1, start_points: true, keep: 1 }
    }
}

impl Default for UpdateOptions {
    /// The paper's weight decay; rate, batch and average are guesses that trained well.
    fn default() -> Self {
        Self {
            rate_theta: 0.002,
            rate_end: 0.01,
            weight_decay: 0.1,
            batch: 512,
            average: 0.999,
            epochs: 1,
            online: false,
        }
    }
}

impl Default for MaskOptions {
    fn default() -> Self {
        Self { whole: 0.25, limbs: 0.35, joints: 0.25, end_effectors: 0.15 }
    }
}

impl MaskOptions {
    /// Lets every descent see everything, as in the paper.
    #[must_use]
    pub fn complete() -> Self {
        Self { whole: 1.0, limbs: 0.0, joints: 0.0, end_effectors: 0.0 }
    }
}

impl Default for ValidationOptions {
    /// Costs a few hundredths of the training.
    fn default() -> Self {
        Self { every: 10, rows: 1024, patience: 0 }
    }
}

impl Default for ThetaOptions {
    fn default() -> Self {
        Self {
            z: 128,
            hidden: 512,
            buffers: 300,
            collection: CollectionOptions::default(),
            update: UpdateOptions::default(),
            own: None,
            augmentation: Augmentation::NONE,
            masks: MaskOptions::default(),
            validation: ValidationOptions::default(),
            seed: 1,
            start: None,
            checkpoint: None,
            finish: false,
            ranks: Ranks::alone(),
        }
    }
}

impl ThetaOptions {
    /// Checks every option against its range; rate and shape are left to engine and landscape.
    ///
    /// # Errors
    /// [`TrainError::Option`] about the first one outside.
    pub fn validate(&self) -> Result<(), TrainError> {
        self.collection.validate()?;
        self.update.validate(self.collection.best_of)?;
        self.masks.validate()?;
        if let Some(own) = &self.own {
            own.validate()?;
            self.validate_beside_own_steps()?;
        }
        if self.update.online && self.collection.keep > 1 {
            return Err(TrainError::option("keep", &self.collection.keep, "1 with online, which has no buffer"));
        }
        at_least_one("validation.rows", self.validation.rows)
    }

    /// Checks that every rank has work: of `groups` observations in a collection, each takes a share.
    pub(super) fn validate_ranks(&self, groups: usize) -> Result<(), TrainError> {
        let size = self.ranks.size();
        if size > 1 && self.update.online {
            return Err(TrainError::option("online", &true, format!("false on {size} ranks")));
        }
        if groups < size {
            let expected =
                format!("at least one observation in a collection for each of {size} ranks, there are {groups}");
            return Err(TrainError::option("descents", &self.collection.descents, expected));
        }
        Ok(())
    }
}

impl ThetaOptions {
    /// What the paper's form has and own steps have not is refused, not passed over.
    fn validate_beside_own_steps(&self) -> Result<(), TrainError> {
        let CollectionOptions { best_of, keep, .. } = self.collection;
        for (option, got) in [("best_of", best_of), ("keep", keep)] {
            if got != 1 {
                return Err(TrainError::option(
                    option,
                    &got,
                    "1 with steps of its own; choose --preset quick or paper",
                ));
            }
        }
        if self.update.online {
            return Err(TrainError::option(
                "online",
                &true,
                "false with steps of its own; choose --preset quick or paper",
            ));
        }
        Ok(())
    }
}

impl CollectionOptions {
    fn validate(&self) -> Result<(), TrainError> {
        at_least_one("steps", self.steps as usize)?;
        at_least_one("best_of", self.best_of)?;
        at_least_one("keep", self.keep)?;
        at_least_one("descents", self.descents)?;
        if !self.descents.is_multiple_of(self.best_of) {
            let expected = format!("a multiple of best_of = {}", self.best_of);
            return Err(TrainError::option("descents", &self.descents, expected));
        }
        Ok(())
    }
}

impl UpdateOptions {
    fn validate(&self, best_of: usize) -> Result<(), TrainError> {
        at_least_one("epochs", self.epochs as usize)?;
        if self.batch < best_of {
            return Err(TrainError::option("batch", &self.batch, format!("at least best_of = {best_of}")));
        }
        finite("rate_theta", self.rate_theta, "a finite number above 0", |value| value > 0.0)?;
        finite("rate_end", self.rate_end, "a number in [0, 1]", |value| (0.0..=1.0).contains(&value))?;
        finite("weight_decay", self.weight_decay, "a finite number, at least 0", |value| value >= 0.0)?;
        finite("average", self.average, "a number in [0, 1)", |value| (0.0..1.0).contains(&value))
    }
}

impl MaskOptions {
    fn validate(&self) -> Result<(), TrainError> {
        let Self { whole, limbs, joints, end_effectors } = *self;
        let shares = [
            ("masks.whole", whole),
            ("masks.limbs", limbs),
            ("masks.joints", joints),
            ("masks.end_effectors", end_effectors),
        ];
        for (option, share) in shares {
            finite(option, share, "a finite number, at least 0", |value| value >= 0.0)?;
        }
        let sum = whole + limbs + joints + end_effectors;
        finite("masks", sum, "at least one share above 0", |sum| sum > 0.0)
    }
}

fn at_least_one(option: &'static str, got: usize) -> Result<(), TrainError> {
    if got >= 1 { Ok(()) } else { Err(TrainError::option(option, &got, "at least 1")) }
}

fn finite(option: &'static str, got: f64, expected: &str, fits: impl Fn(f64) -> bool) -> Result<(), TrainError> {
    if got.is_finite() && fits(got) { Ok(()) } else { Err(TrainError::option(option, &got, expected)) }
}
