//! The table of methods.

use serde::Serialize;
use thalweg_engine::{AdamConfig, EngineConfig, LmConfig, Optimizer};

use crate::one_of::one_of;

/// How a method gets from what was seen to a whole pose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Method {
    /// The mean of the training poses.
    MeanPose,
    /// The training poses nearest on what was seen.
    Nearest,
    /// The normal distribution of training poses, given what was seen.
    Gaussian,
    /// The starting point alone.
    Start,
    /// Adam.
    Adam,
    /// Levenberg-Marquardt.
    LevenbergMarquardt,
    /// L-BFGS, from a library.
    Lbfgs,
}

/// Where a method descends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ground {
    /// The latent of F itself, X.
    Latent,
    /// An untrained landscape.
    Random,
    /// A landscape trained without coordinate descent and buffer.
    Online,
    /// A landscape trained as in the paper.
    Paper,
    /// The shipped landscape, which has steps of its own.
    Own,
}

/// Where a descent begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Begin {
    /// Points drawn from the standard normal distribution.
    Drawn,
    /// Zero, the mean of that distribution.
    Zero,
    /// What the encoder that was trained with F says; whole observations only.
    Encoder,
    /// What an amortised start proposes, one code for each hypothesis.
    Amortised,
    /// The landscape's own steps, one code for each hypothesis; then on in Z.
    Own,
    /// Where the own steps of the shipped landscape lead; then on in X.
    Steps,
    /// The same, joined by its examples.
    Examples,
}

/// One method.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Arm {
    /// Short name, in files.
    pub(super) key: &'static str,
    /// Name for people.
    pub(super) name: &'static str,
    pub(super) method: Method,
    pub(super) ground: Ground,
    pub(super) begin: Begin,
    /// Whether a prior of x is part of what is minimised: the pull of the start, or the standard normal.
    pub(super) prior: bool,
    /// Starts of one hypothesis; the one with the least loss is kept.
    pub(super) starts: usize,
}

const fn arm(key: &'static str, name: &'static str, method: Method, ground: Ground) -> Arm {
    Arm { key, name, method, ground, begin: Begin::Drawn, prior: false, starts: 1 }
}

impl Arm {
    const fn with_prior(self) -> Self {
        Self { prior: true, ..self }
    }

    const fn with_starts(self, starts: usize) -> Self {
        Self { starts, ..self }
    }

    /// With the pull of the start, which is no pull where everything is seen.
    const fn starting_amortised(self) -> Self {
        Self { begin: Begin::Amortised, prior: true, ..self }
    }

    const fn starting_at_zero(self) -> Self {
        Self { begin: Begin::Zero, ..self }
    }

    const fn starting_own(self) -> Self {
        Self { begin: Begin::Own, ..self }
    }

    /// With the pull of the start, as [`Arm::starting_amortised`].
    const fn starting_by_steps(self) -> Self {
        Self { begin: Begin::Steps, prior: true, ..self }
    }

    const fn starting_by_examples(self) -> Self {
        Self { begin: Begin::Examples, prior: true, ..self }
    }

    const fn starting_encoded(self) -> Self {
        Self { begin: Begin::Encoder, ..self }
    }
}

/// Key of the method that the paper's claims are measured against.
pub(super) const BASELINE: &str = "x_adam";
/// The same from zero, a stronger rival.
const FROM_ZERO: &str = "x0_adam";
/// Key of the landscape by itself.
pub(super) const THETA: &str = "theta";
/// Key of the method that node and demo use.
pub(super) const DEFAULT: &str = "examples_x_lm";

/// All methods, rivals first. To add one, add a line.
pub(super) const ARMS: [Arm; 28] = [
    arm("mean_pose", "mean pose", Method::MeanPose, Ground::Latent),
    arm("nearest", "nearest training pose", Method::Nearest, Ground::Latent),
    arm("gaussian", "conditional Gaussian", Method::Gaussian, Ground::Latent),
    arm("encoder", "encoder of F", Method::Start, Ground::Latent).starting_encoded(),
    arm("encoder_x_adam", "encoder of F, Adam in X", Method::Adam, Ground::Latent).starting_encoded(),
    arm("encoder_x_lm", "encoder of F, LM in X", Method::LevenbergMarquardt, Ground::Latent).starting_encoded(),
    arm(BASELINE, "Adam in X", Method::Adam, Ground::Latent),
    arm(FROM_ZERO, "Adam in X from zero", Method::Adam, Ground::Latent).starting_at_zero(),
    arm("x_adam_prior", "Adam in X + prior", Method::Adam, Ground::Latent).with_prior(),
    arm("x_lbfgs", "L-BFGS in X", Method::Lbfgs, Ground::Latent),
    arm("x_lm", "LM in X", Method::LevenbergMarquardt, Ground::Latent),
    arm("x0_lm", "LM in X from zero", Method::LevenbergMarquardt, Ground::Latent).starting_at_zero(),
    arm("x_lm_8", "LM in X, 8 starts", Method::LevenbergMarquardt, Ground::Latent).with_starts(8),
    arm("x_lm_prior", "LM in X + prior", Method::LevenbergMarquardt, Ground::Latent).with_prior(),
    arm("theta_random", "random theta", Method::Adam, Ground::Random),
    arm("theta_online", "theta, online", Method::Adam, Ground::Online),
    arm("theta_paper", "theta as in the paper", Method::Adam, Ground::Paper),
    arm("theta_paper_lm", "theta as in the paper, LM in Z", Method::LevenbergMarquardt, Ground::Paper),
    arm("amortised", "amortised network", Method::Start, Ground::Latent).starting_amortised(),
    arm("start_x_adam", "amortised start, Adam in X", Method::Adam, Ground::Latent).starting_amortised(),
    arm("start_x_lm", "amortised start, LM in X", Method::LevenbergMarquardt, Ground::Latent).starting_amortised(),
    arm("theta_steps", "two steps of theta", Method::Start, Ground::Latent).starting_by_steps(),
    arm(THETA, "theta, Adam in Z", Method::Adam, Ground::Own).starting_own(),
    arm("theta_lm", "theta, LM in Z", Method::LevenbergMarquardt, Ground::Own).starting_own(),
    arm("theta_x_adam", "theta, Adam in X", Method::Adam, Ground::Latent).starting_by_steps(),
    arm("theta_x_lm", "theta, LM in X", Method::LevenbergMarquardt, Ground::Latent).starting_by_steps(),
    arm("examples_steps", "two steps of theta, examples", Method::Start, Ground::Latent).starting_by_examples(),
    arm(DEFAULT, "theta, examples, LM in X", Method::LevenbergMarquardt, Ground::Latent).starting_by_examples(),
];

/// Reads the key of a method.
pub(super) fn key(text: &str) -> Result<String, String> {
    one_of(text, ARMS.iter().map(|arm| arm.key))
}

/// Joins the keys of methods that take turns: the name of what was measured together.
pub(super) fn together<'a>(arms: impl IntoIterator<Item = &'a Arm>) -> String {
    arms.into_iter().map(|arm| arm.key).collect::<Vec<_>>().join("+")
}

impl Arm {
    /// Whether it descends, through the engine.
    pub(super) fn is_engine(&self) -> bool {
        matches!(self.method, Method::Adam | Method::LevenbergMarquardt | Method::Start)
    }

    /// Whether it answers without any training pose or landscape being looked up: a descent or a start.
    pub(super) fn is_inversion(&self) -> bool {
        self.is_engine() || self.method == Method::Lbfgs
    }

    /// Whether it belongs to the comparison of losses, whole observations: an inversion without prior.
    pub(super) fn is_curve(&self) -> bool {
        self.is_inversion() && (!self.prior || self.has_start())
    }

    /// Whether it can complete what is hidden.
    pub(super) fn is_completion(&self) -> bool {
        self.begin != Begin::Encoder
    }

    /// Whether it is one of those that are compared on streams: X against our landscape.
    pub(super) fn is_stream(&self) -> bool {
        let is_descent = matches!(self.method, Method::Adam | Method::LevenbergMarquardt) && self.starts == 1;
        is_descent && self.begin != Begin::Encoder && matches!(self.ground, Ground::Latent | Ground::Own)
    }

    /// Whether it descends on a trained landscape, or from a trained start: ours.
    pub(super) fn is_ours(&self) -> bool {
        let is_refined = matches!(self.begin, Begin::Encoder | Begin::Amortised) && self.method != Method::Start;
        is_refined || self.has_steps() || self.is_on_theta()
    }

    /// Whether it descends on a trained landscape.
    pub(super) fn is_on_theta(&self) -> bool {
        matches!(self.ground, Ground::Online | Ground::Paper | Ground::Own)
    }

    /// Whether a start proposes where it begins.
    pub(super) fn has_start(&self) -> bool {
        self.begin == Begin::Amortised || self.has_steps()
    }

    /// Whether the own steps of a landscape lead to where it begins in X.
    pub(super) fn has_steps(&self) -> bool {
        matches!(self.begin, Begin::Steps | Begin::Examples)
    }

    /// Whether it is first-order descent in X that knows nothing: what the paper compares with.
    pub(super) fn is_baseline(&self) -> bool {
        self.key == BASELINE || self.key == FROM_ZERO
    }

    /// Whether a learning rate is to be chosen.
    pub(super) fn has_rate(&self) -> bool {
        self.method == Method::Adam
    }

    /// Steps after which it may be ended, ascending; only zero where there are none.
    pub(super) fn checkpoints(&self, last: u32) -> Vec<u32> {
        let all: &[u32] = match self.method {
            Method::Adam | Method::Lbfgs => &[2, 5, 10, 20, 50, 100, 200],
            Method::LevenbergMarquardt => &[1, 2, 3, 5, 10, 20],
            Method::MeanPose | Method::Nearest | Method::Gaussian | Method::Start => &[0],
        };
        all.iter().copied().filter(|step| *step <= last).collect()
    }

    /// Steps of its curve. Levenberg-Marquardt has converged after 50, and each costs several of Adam's.
    pub(super) fn curve_steps(&self, last: u32) -> u32 {
        match self.method {
            Method::LevenbergMarquardt => last.min(50),
            Method::Start => 0,
            _ => last,
        }
    }

    /// The engine's options with a weight of the method's prior.
    pub(super) fn pulled(&self, weight: f64) -> EngineConfig {
        let (prior_weight, start_weight) = if self.has_start() { (0.0, weight) } else { (weight, 0.0) };
        EngineConfig { prior_weight, start_weight, ..EngineConfig::default() }
    }

    /// The engine's optimizer.
    pub(super) fn optimizer(&self, rate: f64) -> Optimizer {
        match self.method {
            Method::LevenbergMarquardt => Optimizer::LevenbergMarquardt(LmConfig::default()),
            _ => Optimizer::Adam(AdamConfig { rate, ..AdamConfig::default() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_tell_methods_apart_and_the_baseline_is_one() {
        for (index, one) in ARMS.iter().enumerate() {
            assert!(ARMS[..index].iter().all(|other| other.key != one.key && other.name != one.name), "{}", one.key);
        }
        assert_eq!(key(BASELINE), Ok(BASELINE.to_owned()));
        assert!(key("y_adam").is_err_and(|text| text.contains("x_adam, x0_adam")));
        assert!(ARMS.iter().any(|arm| arm.key == BASELINE && arm.is_curve() && !arm.is_ours()));
    }
}
