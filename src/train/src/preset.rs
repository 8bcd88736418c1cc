//! Named sets of options.

use thalweg_nn::Augmentation;

use super::{CollectionOptions, MaskOptions, OwnStepsOptions, ThetaOptions, UpdateOptions, ValidationOptions};

/// A set of options with a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preset {
    /// Two whitened steps from a fixed start, with gaps, augmentation and hypotheses: minutes on one core.
    #[default]
    Steps,
    /// Minutes on one core: short descents, observations with gaps, an average of theta, a falling rate.
    Quick,
    /// The paper's method at a hundredth of its size: the small theta that studies compare with.
    Study,
    /// Liu et al. (2023), appendix, human pose: hours on a GPU.
    Paper,
    /// Liu et al. (2023), appendix, GAN inversion.
    PaperGan,
    /// Liu et al. (2023), appendix, adversarial defence.
    PaperDefence,
    /// Goes on from a trained landscape, with recordings: a minute or two on one core.
    Retrain,
}

impl Preset {
    /// All presets.
    pub const ALL: [Self; 7] =
        [Self::Steps, Self::Quick, Self::Study, Self::Paper, Self::PaperGan, Self::PaperDefence, Self::Retrain];

    /// Names the preset, as on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Steps => "steps",
            Self::Quick => "quick",
            Self::Study => "study",
            Self::Paper => "paper",
            Self::PaperGan => "paper-gan",
            Self::PaperDefence => "paper-defence",
            Self::Retrain => "retrain",
        }
    }

    /// Describes the preset in a line; `Z`, `N`, `T`, `B` as in the paper.
    #[must_use]
    pub fn summary(self) -> &'static str {
        match self {
            Self::Steps => "two whitened steps from a fixed start (docs/landscape.md), B = 400, N = 5,120, K = 5",
            Self::Quick => "B = 300, N = 2,048, T = 10, with gaps, average and falling rate: minutes on one core",
            Self::Study => "the paper's method with B = 60, N = 2,048, T = 10",
            Self::Paper => "human pose as in the paper: B = 500, N = 40,960, T = 200, Z = 128",
            Self::PaperGan => "GAN inversion as in the paper: B = 500, N = 256, T = 20, Z = X",
            Self::PaperDefence => "defence of images as in the paper: B = 70, N = 5,120, T = 5, Z = X",
            Self::Retrain => "goes on from a landscape: B = 60, N = 1,024, descents as the recording node's",
        }
    }

    /// Finds a preset by its name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.name() == name)
    }

    /// Gives the options, for a task whose latent has dimension `latent`.
    #[must_use]
    pub fn options(self, latent: i64) -> ThetaOptions {
        match self {
            Self::Steps => own_steps(),
            Self::Quick => ThetaOptions::default(),
            Self::Study => as_published(128, 512, 60, (2_048, 10), 0.005),
            Self::Paper => as_published(128, 512, 500, (40_960, 200), 0.005),
            Self::PaperGan => as_published(latent, 1_024, 500, (256, 20), 1e-4),
            Self::PaperDefence => defence(latent),
            Self::Retrain => retrain(),
        }
    }
}

/// The recipe of docs/landscape.md.
fn own_steps() -> ThetaOptions {
    ThetaOptions {
        buffers: 400,
        own: Some(OwnStepsOptions::default()),
        augmentation: Augmentation { share: 0.25, ..Augmentation::default() },
        masks: MaskOptions { whole: 0.15, limbs: 0.5, joints: 0.2, end_effectors: 0.15 },
        collection: CollectionOptions { descents: 5_120, ..CollectionOptions::default() },
        update: UpdateOptions {
            rate_theta: 1.5e-3,
            batch: 1_280,
            weight_decay: 0.01,
            average: 0.99,
            ..UpdateOptions::default()
        },
        validation: ValidationOptions { every: 20, rows: 512, ..ValidationOptions::default() },
        ..ThetaOptions::default()
    }
}

/// Small steps from where a landscape is, and an average over the last of them: all guesses.
fn retrain() -> ThetaOptions {
    ThetaOptions {
        buffers: 60,
        collection: CollectionOptions { descents: 1_024, ..CollectionOptions::default() },
        update: UpdateOptions { rate_theta: 3e-4, average: 0.99, ..UpdateOptions::default() },
        validation: ValidationOptions { every: 5, rows: 512, ..ValidationOptions::default() },
        ..ThetaOptions::default()
    }
}

/// The published defence: z counts grey levels, as x does, and the paper's rate is 0.2 of one.
fn defence(latent: i64) -> ThetaOptions {
    let published = as_published(latent, 3_072, 70, (5_120, 5), 1e-4);
    ThetaOptions { collection: CollectionOptions { rate_z: 0.2, ..published.collection }, ..published }
}

/// The published method: everything is seen, theta's last weights count, its rate is constant.
///
/// Figures from Liu et al. (2023), sec. 4 and appendix: lambda_z 0.1, AdamW with weight decay 0.1.
/// What a step produces is kept, so `z_0` is not; how many points one update takes is not told
/// there, the default is ours.
fn as_published(z: i64, hidden: i64, buffers: u32, (descents, steps): (usize, u32), rate_theta: f64) -> ThetaOptions {
    ThetaOptions {
        z,
        hidden,
        buffers,
        collection: CollectionOptions {
            descents,
            steps,
            rate_z: 0.1,
            start_points: false,
            ..CollectionOptions::default()
        },
        update: UpdateOptions {
            rate_theta,
            rate_end: 1.0,
            weight_decay: 0.1,
            average: 0.0,
            ..UpdateOptions::default()
        },
        masks: MaskOptions::complete(),
        ..ThetaOptions::default()
    }
}
