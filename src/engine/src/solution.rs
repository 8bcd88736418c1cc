//! What the engine hands out.

use tch::Tensor;

use super::evaluation::Point;

/// Why a solve ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The number of steps was reached.
    Steps,
    /// A further step would have passed the deadline.
    Deadline,
    /// The best loss hardly fell any more.
    Tolerance,
    /// No hypothesis could go further.
    Converged,
}

impl StopReason {
    const ALL: [Self; 4] = [Self::Steps, Self::Deadline, Self::Tolerance, Self::Converged];

    /// Finds a reason by its name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }

    /// Names the reason: steps, deadline, tolerance or converged.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Steps => "steps",
            Self::Deadline => "deadline",
            Self::Tolerance => "tolerance",
            Self::Converged => "converged",
        }
    }
}

/// What one observation has cost so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Optimizer steps done, each for all K hypotheses.
    pub steps: u32,
    /// Evaluations of loss and gradient, each for all K hypotheses; Jacobians are not counted.
    pub evaluations: u32,
    /// How many times a hypothesis was replaced because its loss or gradient was not finite.
    pub diverged: u32,
}

impl Statistics {
    pub(crate) fn count_diverged(&mut self, broken: &[bool]) {
        self.diverged += broken.iter().filter(|broken| **broken).count() as u32;
    }
}

/// The best point of each hypothesis, all finite.
///
/// Ranked by loss, best first, when the hypotheses share one observation; in the order of the
/// observation's rows when each has its own. In a stream in which time counts the one that came first before stays first
/// until another is better by a margin for some time ([`crate::Leader`]).
#[derive(Debug)]
pub struct Solution {
    /// `[K, Z]`.
    pub z: Tensor,
    /// `[K, X]`, theta(z).
    pub x: Tensor,
    /// `[K, ..Y]`, F(x).
    pub y_hat: Tensor,
    /// What was minimised, the prior included, one for each hypothesis.
    pub loss: Vec<f64>,
    /// Stamp of the observation.
    pub stamp_nanos: i64,
    /// Identity of the landscape.
    pub landscape: String,
    /// What it has cost.
    pub statistics: Statistics,
    /// Why the solve ended; none while it goes on or when it is driven by hand.
    pub stop: Option<StopReason>,
}

impl Solution {
    pub(crate) fn new(
        point: Point,
        statistics: Statistics,
        stamp_nanos: i64,
        landscape: String,
        stop: Option<StopReason>,
    ) -> Self {
        let Point { z, x, y_hat, loss } = point;
        Self { z, x, y_hat, loss, stamp_nanos, landscape, statistics, stop }
    }

    /// Weighs hypotheses of one observation against each other; the weights sum to one.
    ///
    /// `w_k` is proportional to `exp(-(L_k - L_min) / L_min)`: a hypothesis twice as bad as the
    /// best weighs `1/e` of it, whatever the scale of the loss. A perfect best takes all. This
    /// ranks; it is no posterior probability.
    #[must_use]
    pub fn weights(&self) -> Vec<f64> {
        let least = self.loss.iter().copied().fold(f64::INFINITY, f64::min);
        let scale = least.max(f64::MIN_POSITIVE);
        let raw: Vec<f64> = self.loss.iter().map(|loss| (-(loss - least) / scale).exp()).collect();
        let sum: f64 = raw.iter().sum();
        raw.into_iter().map(|weight| weight / sum).collect()
    }
}

/// Orders rows by loss, best first; equal ones as they were.
pub(crate) fn rank(loss: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..loss.len()).collect();
    order.sort_by(|&a, &b| loss[a].total_cmp(&loss[b]));
    order
}
