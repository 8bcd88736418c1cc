//! The one table of options that are numbers.

use super::OptionRange::{Real, ZeroOr};
use super::Whole::{I32, I64, U8, U16, U32, U64, Usize};
use super::{OptionBound, OptionRange, Whole};
use thalweg_task::limits;

/// Greatest seed: beyond 2^53 JSON readers lose digits, as with the parameter `random_seed`.
const SEED: i64 = 1 << 53;
/// Steps, frames, rows and the like beyond which a number is mistyped: years of work.
const MANY: i64 = 1_000_000_000;
/// Threads beyond which a number is a mistake, as with the parameter `threads`.
const THREADS: i64 = 64;
/// Width of a layer beyond which its weights take gigabytes.
const WIDTH: i64 = 65_536;

/// Step size of Adam, in standard deviations of the latent.
const RATE: OptionRange = Real { from: 1e-6, to: 10.0 };
/// Learning rate of weights.
const LEARNING_RATE: OptionRange = Real { from: 1e-9, to: 10.0 };
/// Weight of a term of a loss.
const WEIGHT: OptionRange = ZeroOr { from: 1e-9, to: 1000.0 };
/// Weight of the prior, as with the parameter `optimizer.prior_weight`.
const PRIOR: OptionRange = ZeroOr { from: 1e-6, to: 1000.0 };
/// How long processes of a training wait for each other: up to a day.
const WAIT: OptionRange = OptionRange::Whole { kind: U32, from: 1, to: 86_400 };
/// A part of a whole.
const SHARE: OptionRange = ZeroOr { from: 1e-9, to: 1.0 };

const fn number(command: &'static str, option: &'static str, unit: &'static str, range: OptionRange) -> OptionBound {
    OptionBound { command, option, unit, range }
}

const fn whole(command: &'static str, option: &'static str, kind: Whole, [from, to]: [i64; 2]) -> OptionBound {
    number(command, option, "", OptionRange::Whole { kind, from, to })
}

const SOLVE: &str = "thalweg solve";
const THETA: &str = "thalweg train theta";
const EXEMPLARS: &str = "thalweg train exemplars";
const START: &str = "thalweg train start";
const MOTION: &str = "thalweg train motion";
const ENCODER: &str = "thalweg train encoder";
const PRIOR_TRAINING: &str = "thalweg train prior";
const CLASSIFIER: &str = "thalweg train classifier";
const HEAD: &str = "thalweg train head";
const DEMO: &str = "thalweg-lab demo";
const IMAGES: &str = "thalweg-lab demo-images";
const RETRAIN: &str = "thalweg-lab demo-retrain";
const POSE: &str = "thalweg-lab bench pose";
const GAN: &str = "thalweg-lab bench gan";
const GRADIENT: &str = "thalweg-lab bench gradient";
const STREAMS: &str = "thalweg-lab bench streams";
const SCALING: &str = "thalweg-lab bench scaling";
const DEFENCE: &str = "thalweg-lab bench defence";
const DEMO_DEFENCE: &str = "thalweg-lab demo-defence";
const TRACKERS: &str = "thalweg-lab bench trackers";
const CLOUDS: &str = "thalweg-lab bench clouds";
const NODE: &str = "thalweg-lab bench-node";
const VIEW: &str = "thalweg_view";

/// Every option of every program that is a number.
pub const OPTIONS: [OptionBound; 166] = [
    whole(SOLVE, "frame", U32, [0, MANY]),
    whole(SOLVE, "hypotheses", U32, [1, 65_536]),
    number(SOLVE, "budget_ms", "ms", Real { from: 1e-3, to: 3.6e6 }),
    whole(SOLVE, "steps", U32, [0, MANY]),
    number(SOLVE, "tolerance", "", ZeroOr { from: 1e-12, to: 1.0 }),
    number(SOLVE, "rate", "", RATE),
    number(SOLVE, "prior_weight", "", PRIOR),
    whole(SOLVE, "seed", U64, [0, SEED]),
    number("thalweg adopt", "fps", "Hz", Real { from: 0.01, to: 10_000.0 }),
    whole("thalweg adopt", "steps", U32, [1, MANY]),
    whole("thalweg adopt", "buffers", U32, [1, MANY]),
    whole("thalweg adopt", "seed", U64, [0, SEED]),
    whole("thalweg replay", "steps", U32, [0, limits::STEPS as i64]),
    whole("thalweg motion", "rehearsal", Usize, [1, MANY]),
    whole(THETA, "drawn", Usize, [1, MANY]),
    whole(THETA, "seed", U64, [0, SEED]),
    whole(THETA, "threads", U32, [1, THREADS]),
    number(THETA, "pseudo_weight", "", SHARE),
    whole(THETA, "z", I64, [1, WIDTH]),
    whole(THETA, "hidden", I64, [1, WIDTH]),
    whole(THETA, "buffers", U32, [1, MANY]),
    whole(THETA, "descents", Usize, [1, 1 << 24]),
    whole(THETA, "steps", U32, [1, 100_000]),
    number(THETA, "rate_z", "", RATE),
    whole(THETA, "best_of", Usize, [1, 65_536]),
    whole(THETA, "keep", Usize, [1, 65_536]),
    number(THETA, "rate_theta", "", LEARNING_RATE),
    number(THETA, "rate_end", "", SHARE),
    number(THETA, "weight_decay", "", WEIGHT),
    whole(THETA, "batch", Usize, [1, 1 << 24]),
    number(THETA, "average", "", SHARE),
    whole(THETA, "epochs", U32, [1, 1_000_000]),
    number(THETA, "mask_whole", "", SHARE),
    number(THETA, "mask_limbs", "", SHARE),
    number(THETA, "mask_joints", "", SHARE),
    number(THETA, "mask_end_effectors", "", SHARE),
    whole(THETA, "validate_every", U32, [0, MANY]),
    whole(THETA, "validation_rows", Usize, [1, 1 << 24]),
    whole(THETA, "patience", U32, [0, MANY]),
    number(THETA, "start_scale", "", ZeroOr { from: 1e-6, to: 1000.0 }),
    whole(EXEMPLARS, "count", Usize, [1, 65_536]),
    whole(EXEMPLARS, "threads", U32, [1, THREADS]),
    whole(MOTION, "steps", I32, [0, MANY]),
    whole(MOTION, "hidden", I64, [1, 4096]),
    number(MOTION, "rate", "", LEARNING_RATE),
    number(MOTION, "weight_decay", "", WEIGHT),
    whole(MOTION, "seed", U64, [0, SEED]),
    whole(MOTION, "threads", U32, [1, THREADS]),
    whole(START, "drawn", Usize, [1, MANY]),
    whole(START, "hidden", I64, [1, WIDTH]),
    whole(START, "code", I64, [1, WIDTH]),
    whole(START, "steps", I32, [1, MANY]),
    whole(START, "batch", Usize, [1, 1 << 24]),
    whole(START, "samples", Usize, [1, 65_536]),
    number(START, "diversity", "", WEIGHT),
    number(START, "rate", "", LEARNING_RATE),
    number(START, "weight_decay", "", WEIGHT),
    whole(START, "seed", U64, [0, SEED]),
    whole(START, "threads", U32, [1, THREADS]),
    whole(ENCODER, "steps", I32, [1, MANY]),
    whole(ENCODER, "deviation_steps", I32, [1, MANY]),
    whole(ENCODER, "batch", Usize, [1, 65_536]),
    whole(ENCODER, "image_every", I32, [0, MANY]),
    number(ENCODER, "image_weight", "", WEIGHT),
    number(ENCODER, "rate", "", LEARNING_RATE),
    whole(ENCODER, "seed", U64, [0, SEED]),
    whole(PRIOR_TRAINING, "steps", I32, [1, MANY]),
    whole(PRIOR_TRAINING, "batch", Usize, [1, 1 << 24]),
    number(PRIOR_TRAINING, "rate", "", LEARNING_RATE),
    number(PRIOR_TRAINING, "kl_weight", "", WEIGHT),
    whole(PRIOR_TRAINING, "seed", U64, [0, SEED]),
    whole(PRIOR_TRAINING, "validate_every", I32, [1, MANY]),
    whole(PRIOR_TRAINING, "threads", I32, [1, THREADS]),
    number(THETA, "timeout", "s", WAIT),
    number(THETA, "memory", "MiB", OptionRange::Whole { kind: U32, from: 1, to: 1 << 24 }),
    number(START, "timeout", "s", WAIT),
    number(PRIOR_TRAINING, "timeout", "s", WAIT),
    whole(CLASSIFIER, "epochs", U32, [1, 1_000_000]),
    whole(CLASSIFIER, "batch", Usize, [1, 1 << 24]),
    number(CLASSIFIER, "rate", "", LEARNING_RATE),
    number(CLASSIFIER, "weight_decay", "", WEIGHT),
    number(CLASSIFIER, "smoothing", "", SHARE),
    whole(CLASSIFIER, "validate_every", U64, [1, MANY]),
    whole(CLASSIFIER, "seed", U64, [0, SEED]),
    whole(CLASSIFIER, "threads", U32, [1, THREADS]),
    whole(HEAD, "steps", I32, [1, MANY]),
    whole(HEAD, "batch", Usize, [1, 1 << 24]),
    number(HEAD, "rate", "", LEARNING_RATE),
    whole(HEAD, "hidden", I64, [1, 4096]),
    whole(HEAD, "projection", I64, [1, 4096]),
    whole(HEAD, "bank", Usize, [1, 65_536]),
    whole(HEAD, "views", I64, [2, 32]),
    number(HEAD, "temperature", "", Real { from: 1e-3, to: 100.0 }),
    number(HEAD, "shrinkage", "", WEIGHT),
    whole(HEAD, "seed", U64, [0, SEED]),
    whole(HEAD, "threads", U32, [1, THREADS]),
    number(DEMO, "budget_ms", "ms", Real { from: 1e-3, to: 1e4 }),
    whole(DEMO, "hypotheses", U16, [1, 4096]),
    whole(DEMO, "frames", U32, [1, MANY]),
    whole(DEMO, "seed", U64, [0, SEED]),
    number(DEMO, "theta_rate", "", RATE),
    number(DEMO, "x_rate", "", RATE),
    number(DEMO, "x_cold_rate", "", RATE),
    number(DEMO, "theta_prior", "", PRIOR),
    number(DEMO, "x_prior", "", PRIOR),
    whole(IMAGES, "faces", U64, [0, SEED]),
    whole(IMAGES, "steps", U32, [1, 100_000]),
    number(IMAGES, "rate", "", RATE),
    number(IMAGES, "prior_weight", "", PRIOR),
    number(IMAGES, "start_weight", "", PRIOR),
    whole(RETRAIN, "seconds", U32, [5, 3600]),
    whole(RETRAIN, "buffers", U32, [1, MANY]),
    number(RETRAIN, "pseudo_weight", "", SHARE),
    whole(RETRAIN, "seed", U64, [0, SEED]),
    whole(POSE, "poses", U32, [2, MANY]),
    whole(POSE, "timed_poses", U32, [1, MANY]),
    whole(POSE, "validation_poses", U32, [2, MANY]),
    whole(POSE, "seeds", U32, [1, MANY]),
    number(POSE, "stream_ms", "ms", Real { from: 1e-3, to: 1e4 }),
    number(POSE, "stream_hz", "Hz", Real { from: 0.1, to: 1e4 }),
    whole(GAN, "images", U32, [1, MANY]),
    whole(GAN, "steps", U32, [20, 100_000]),
    whole(GAN, "tuning", U32, [1, MANY]),
    whole(GAN, "completions", U32, [1, MANY]),
    whole(GAN, "completion_steps", U32, [1, 100_000]),
    number(STREAMS, "rates", "Hz", Real { from: 1.0, to: 1e3 }),
    whole(STREAMS, "thin", U32, [1, 1000]),
    whole(STREAMS, "steps", U32, [1, 100_000]),
    whole(DEFENCE, "test", U32, [1, 10_000]),
    whole(DEFENCE, "validation", U32, [1, 10_000]),
    whole(DEFENCE, "adaptive", U32, [0, 10_000]),
    whole(DEFENCE, "ensemble", U32, [0, 10_000]),
    whole(DEFENCE, "steps", U32, [1, 100_000]),
    whole(DEFENCE, "adaptive_steps", U32, [1, 100_000]),
    whole(DEFENCE, "apgd_steps", U32, [1, 100_000]),
    whole(DEFENCE, "queries", U32, [1, 1_000_000]),
    number(DEMO_DEFENCE, "radius", "", ZeroOr { from: 1e-6, to: 1000.0 }),
    whole(DEMO_DEFENCE, "attack_steps", U32, [1, 100_000]),
    number(DEMO_DEFENCE, "rate", "", Real { from: 1e-6, to: 255.0 }),
    whole(DEMO_DEFENCE, "steps", U32, [1, 100_000]),
    whole(TRACKERS, "frames", U32, [1, MANY]),
    whole(TRACKERS, "steps", U32, [1, 100_000]),
    number(TRACKERS, "point_weight", "rad/m", ZeroOr { from: 1e-6, to: 1000.0 }),
    whole(CLOUDS, "points", Usize, [0, 2000]),
    whole(CLOUDS, "frames", U32, [1, MANY]),
    whole(CLOUDS, "steps", U32, [1, 100_000]),
    number(CLOUDS, "cloud_weight", "rad/m", ZeroOr { from: 1e-6, to: 1000.0 }),
    whole(SCALING, "buffers", U32, [1, MANY]),
    whole(GRADIENT, "drawn", U32, [16, MANY]),
    whole(GRADIENT, "seed", U64, [0, SEED]),
    whole(NODE, "hypotheses", U16, [1, 256]),
    number(NODE, "budget_ms", "ms", Real { from: 0.5, to: 1e4 }),
    number(NODE, "rates", "Hz", Real { from: 1.0, to: 1e4 }),
    number(NODE, "flood_rates", "Hz", Real { from: 1.0, to: 1e4 }),
    whole(NODE, "seconds", U32, [1, 86_400]),
    whole(NODE, "soak", U32, [2, 86_400 * 30]),
    whole(NODE, "domain", U8, [0, 232]),
    whole(VIEW, "hypotheses", U16, [1, 256]),
    whole(VIEW, "steps", U32, [1, 100_000]),
    number(VIEW, "at", "s", ZeroOr { from: 1e-3, to: 3600.0 }),
    number(VIEW, "length", "s", ZeroOr { from: 1e-3, to: 3600.0 }),
    number(VIEW, "rate", "Hz", Real { from: 0.1, to: 50.0 }),
    whole(VIEW, "scale", U32, [1, 4]),
    whole(VIEW, "reduction", U32, [1, 8]),
    whole(VIEW, "chosen", U16, [1, 256]),
    number("thalweg_play", "rate", "Hz", Real { from: 0.1, to: 1000.0 }),
];
