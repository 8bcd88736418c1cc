//! What is measured of an answer, and its summary over a phase.

use crate::eval::metrics::PoseErrors;
use serde::Serialize;
use thalweg_task::{mean, percentile};

use super::arm::Answer;

/// One answer in numbers.
#[derive(Clone, Debug)]
pub(super) struct Measurement {
    pub(super) errors: PoseErrors,
    pub(super) loss: f64,
    pub(super) steps: f64,
    pub(super) solve_ms: f64,
}

impl Measurement {
    pub(super) fn new(answer: &Answer, errors: PoseErrors) -> Self {
        let solve_ms = answer.elapsed.as_secs_f64() * 1e3;
        Self { errors, loss: answer.loss, steps: answer.steps, solve_ms }
    }

    /// Error of the best-ranked hypothesis on hidden joints, degrees.
    pub(super) fn hidden_deg(&self) -> f64 {
        self.errors.hidden_deg[0]
    }

    /// Error of the best-ranked hypothesis on hidden joints, millimetres.
    pub(super) fn hidden_mm(&self) -> f64 {
        self.errors.hidden_mm[0]
    }
}

/// All answers of one arm in one phase; each number is a mean over frames where nothing else is said.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Summary {
    pub(super) method: &'static str,
    pub(super) frames: usize,
    /// Best-ranked hypothesis.
    pub(super) hidden_deg: f64,
    /// The least error among the K hypotheses.
    pub(super) hidden_deg_min: f64,
    /// The mean error of the K hypotheses.
    pub(super) hidden_deg_mean: f64,
    pub(super) hidden_mm: f64,
    pub(super) hidden_mm_min: f64,
    pub(super) hidden_mm_mean: f64,
    /// Best-ranked hypothesis.
    pub(super) visible_deg: f64,
    /// The mean error of the K hypotheses: what their diversity costs.
    pub(super) visible_deg_mean: f64,
    pub(super) diversity_cm: f64,
    pub(super) loss_median: f64,
    pub(super) steps_mean: f64,
    pub(super) solve_ms_p50: f64,
    pub(super) solve_ms_p99: f64,
    /// Frames whose answer came later than it should.
    pub(super) overruns: usize,
}

impl Summary {
    /// Sums up; `None` when there is nothing to sum up.
    pub(super) fn of(method: &'static str, measurements: &[Measurement], limit_ms: f64) -> Option<Self> {
        let over = |of: &dyn Fn(&Measurement) -> f64| measurements.iter().map(of).collect::<Vec<f64>>();
        let average = |of: &dyn Fn(&Measurement) -> f64| mean(&over(of));
        let solve_ms = over(&|m| m.solve_ms);
        Some(Self {
            method,
            frames: measurements.len(),
            hidden_deg: average(&Measurement::hidden_deg)?,
            hidden_deg_min: average(&|m| least(&m.errors.hidden_deg))?,
            hidden_deg_mean: average(&|m| mean_of(&m.errors.hidden_deg))?,
            hidden_mm: average(&Measurement::hidden_mm)?,
            hidden_mm_min: average(&|m| least(&m.errors.hidden_mm))?,
            hidden_mm_mean: average(&|m| mean_of(&m.errors.hidden_mm))?,
            visible_deg: average(&|m| m.errors.visible_deg[0])?,
            visible_deg_mean: average(&|m| mean_of(&m.errors.visible_deg))?,
            diversity_cm: average(&|m| m.errors.diversity_cm)?,
            loss_median: percentile(&over(&|m| m.loss), 0.5)?,
            steps_mean: average(&|m| m.steps)?,
            solve_ms_p50: percentile(&solve_ms, 0.5)?,
            solve_ms_p99: percentile(&solve_ms, 0.99)?,
            overruns: solve_ms.iter().filter(|time| **time > limit_ms).count(),
        })
    }
}

fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

/// The mean over hypotheses, of which there is always one.
fn mean_of(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer of two hypotheses.
    fn measurement(hidden_deg: [f64; 2], solve_ms: f64, steps: f64) -> Measurement {
        let errors = PoseErrors {
            hidden_deg: hidden_deg.to_vec(),
            hidden_mm: hidden_deg.map(|deg| 10.0 * deg).to_vec(),
            visible_deg: vec![1.0, 3.0],
            diversity_cm: 2.0,
        };
        Measurement { errors, loss: 0.1 * steps, steps, solve_ms }
    }

    #[test]
    fn a_summary_tells_best_ranked_least_and_mean_apart() {
        let all =
            [measurement([8.0, 4.0], 9.0, 1.0), measurement([2.0, 6.0], 10.5, 3.0), measurement([5.0, 5.0], 10.0, 8.0)];
        let summary = Summary::of("theta", &all, 10.0).expect("there are measurements");
        assert_eq!([summary.hidden_deg, summary.hidden_deg_mean], [5.0, 5.0]);
        assert!((summary.hidden_deg_min - 11.0 / 3.0).abs() < 1e-12);
        assert!((summary.hidden_mm_min - 110.0 / 3.0).abs() < 1e-9);
        assert_eq!([summary.visible_deg, summary.visible_deg_mean, summary.steps_mean], [1.0, 2.0, 4.0]);
        assert!((summary.loss_median - 0.3).abs() < 1e-12);
        assert_eq!((summary.frames, summary.overruns, summary.solve_ms_p50), (3, 1, 10.0));
    }

    #[test]
    fn nothing_has_no_summary() {
        assert!(Summary::of("theta", &[], 10.0).is_none());
    }
}
