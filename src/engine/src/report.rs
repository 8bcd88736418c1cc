//! What is reported of joints that have fallen silent, and how far off the first hypothesis may be.
//!
//! What time makes likely of a silent joint and what F completes are two estimates that err differently. What is reported
//! lies between them. It leaves the first when the joint falls silent and approaches the mean slowly, so that it does not
//! jump where the search finds another explanation.

use serde::{Deserialize, Serialize};
use thalweg_task::{Expected, Masked, Observation, TaskSpec, numbers};

use crate::error::EngineError;
use crate::time::{angles, turned, variance_of_weight};

/// Number beyond which an option is a mistake.
const GREATEST: f64 = 1e6;

/// How silent joints are reported. Tuned on validation motion of body_pose (`thalweg-lab bench streams --try`).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReportConfig {
    /// Share of what F completes in what is reported of a joint that is expected, from 0 to 1; the rest is what is expected.
    pub share: f64,
    /// Seconds, at least 0, within which what is reported first gets there: an exponential average.
    pub delay: f64,
    /// Weights, at least 0, of what adds up to the variance of a joint that is expected: the variance of that, and the
    /// mean square by which the hypotheses differ from the first.
    pub variance: [f64; 2],
    /// What adds up to the variance of a joint of which nothing is expected: a constant, squared radians or metres, at
    /// least 0, and the weight of the mean square by which the hypotheses differ from the first.
    pub blind_variance: [f64; 2],
}

impl Default for ReportConfig {
    fn default() -> Self {
        Self { share: 0.5, delay: 0.6, variance: [1.5, 1.0], blind_variance: [1e-3, 2.4] }
    }
}

impl ReportConfig {
    /// Checks every option against its range.
    ///
    /// # Errors
    /// [`EngineError::Option`] about the first one outside.
    pub(crate) fn validate(&self) -> Result<(), EngineError> {
        if !(0.0..=1.0).contains(&self.share) {
            return Err(EngineError::option("report.share", &self.share, "a number from 0 to 1"));
        }
        let ([own, spread], [constant, blind]) = (self.variance, self.blind_variance);
        for (option, value) in [
            ("report.delay", self.delay),
            ("report.variance", own),
            ("report.variance", spread),
            ("report.blind_variance", constant),
            ("report.blind_variance", blind),
        ] {
            if !(0.0..=GREATEST).contains(&value) {
                return Err(EngineError::option(option, &value, format!("a number from 0 to {GREATEST}")));
            }
        }
        Ok(())
    }
}

/// How many standard deviations to each side hold 68 and 95 % of the errors of hidden joints: fewer than a normal
/// distribution says for the first, for many joints hardly move in most clips. From validation motion of body_pose
/// (docs/streams.md).
pub const INTERVALS: [f64; 2] = [0.8, 2.06];

/// What an observation says of joints: kept until its answer is made.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    joints: Option<Masked>,
    expected: Option<Expected>,
}

/// What is reported.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// `[K][J]`, radians or metres.
    pub(crate) joints: Vec<Vec<f64>>,
    /// Standard deviation of the first hypothesis, `[J]`.
    pub(crate) deviation: Vec<f64>,
    /// How far the first lies from what is expected, `[J]`; none where nothing is expected.
    pub(crate) offset: Option<Vec<f64>>,
}

impl Reading {
    /// Where points were seen at the same moment, F follows those, and what time makes likely of silent joints is not
    /// reported.
    pub(crate) fn of(obs: &Observation) -> Self {
        let sees_points = obs.points.as_ref().is_some_and(|points| points.count() > 0);
        let expected = obs.expected.as_ref().filter(|_| !sees_points).map(Expected::shallow_clone);
        Self { joints: obs.joints.as_ref().map(Masked::shallow_clone), expected }
    }

    /// Reports joints `found`, `[K][J]`, the first hypothesis first; `before` is the offset of the frame before.
    pub(crate) fn report(
        &self,
        found: Vec<Vec<f64>>,
        before: Option<&[f64]>,
        config: &ReportConfig,
        spec: &TaskSpec,
    ) -> Report {
        let count = spec.joints.len();
        if count == 0 || found.iter().any(|row| row.len() != count) || found.is_empty() {
            return Report { joints: found, ..Report::default() };
        }
        let is_angle = angles(spec);
        let seen = self.joints.as_ref().map_or_else(|| vec![f64::NAN; count], |joints| joints.numbers_with_nan());
        let apart = |joint: usize| {
            let from = |row: &Vec<f64>| turned(row[joint] - found[0][joint], is_angle[joint]).powi(2);
            found.iter().map(from).sum::<f64>() / found.len() as f64
        };
        let apart: Vec<f64> = (0..count).map(apart).collect();
        let mut report = Report { joints: found, ..Report::default() };
        let mut weight = vec![0.0; count];
        if let Some(expected) = &self.expected {
            weight = numbers(expected.weight());
            let value: Vec<f64> = numbers(expected.value());
            let gain = 1.0 - (-expected.elapsed / config.delay.max(f64::MIN_POSITIVE)).exp();
            let mut offset = vec![0.0; count];
            for joint in (0..count).filter(|joint| weight[*joint] > 0.0 && seen[*joint].is_nan()) {
                let between = |row: &Vec<f64>| config.share * turned(row[joint] - value[joint], is_angle[joint]);
                let last = before.and_then(|before| before.get(joint)).copied().unwrap_or(0.0);
                offset[joint] = last + gain * (between(&report.joints[0]) - last);
                for (rank, row) in report.joints.iter_mut().enumerate() {
                    row[joint] = value[joint] + if rank == 0 { offset[joint] } else { between(row) };
                }
            }
            report.offset = Some(offset);
        }
        let deviation = |joint: usize| {
            let misfit = turned(report.joints[0][joint] - seen[joint], is_angle[joint]).abs();
            if misfit.is_finite() {
                return misfit;
            }
            let ([own, spread], is_expected) = (config.variance, weight[joint] > 0.0);
            let [constant, blind] = config.blind_variance;
            let variance = if is_expected {
                own * variance_of_weight(weight[joint]) + spread * apart[joint]
            } else {
                constant + blind * apart[joint]
            };
            variance.sqrt()
        };
        report.deviation = (0..count).map(deviation).collect();
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prior::tests::two_numbers;
    use tch::Tensor;
    use thalweg_task::JointSpec;

    fn spec() -> TaskSpec {
        let joint = |name: &str| JointSpec { name: name.into(), unit: "rad".into(), lower: -3.0, upper: 3.0 };
        two_numbers(["seen", "silent", "unknown"].map(joint).to_vec())
    }

    /// One joint is seen at 0.5, the second expected at 1.0 with a weight, and nothing is known of the third.
    fn reading(weight: f64, elapsed: f64) -> Reading {
        let row = |values: [f64; 3]| Tensor::from_slice(&values).view([1, 3]);
        let expected = Expected::new(&row([0.0, 1.0, 0.0]), &row([0.0, weight, 0.0]), elapsed).expect("one shape");
        let obs = Observation::of_joints(&row([0.5, f64::NAN, f64::NAN]));
        Reading::of(&Observation { expected: Some(expected), ..obs })
    }

    fn report(reading: &Reading, before: Option<&[f64]>) -> Report {
        let found = vec![vec![0.4, 2.0, 0.2], vec![0.4, 0.0, 0.6]];
        reading.report(found, before, &ReportConfig::default(), &spec())
    }

    #[test]
    fn a_silent_joint_leaves_what_is_expected_slowly_and_ends_between() {
        let first = report(&reading(0.9, 0.01), None);
        assert!((1.0..1.02).contains(&first.joints[0][1]), "{first:?}");
        let offset = first.offset.expect("something is expected");
        let second = report(&reading(0.9, 0.01), Some(&offset));
        assert!(second.joints[0][1] > first.joints[0][1], "{second:?}");
        let last = report(&reading(0.9, 1e3), Some(&offset));
        assert!((last.joints[0][1] - 1.5).abs() < 1e-9 && (last.joints[1][1] - 0.5).abs() < 1e-9, "{last:?}");
        // What was seen, and what nothing is expected of, is what F makes.
        assert_eq!([last.joints[0][0], last.joints[0][2], offset[0], offset[2]], [0.4, 0.2, 0.0, 0.0]);
    }

    #[test]
    fn less_is_known_of_a_joint_the_longer_it_is_silent() {
        let [young, old] = [0.9, 0.1].map(|weight| report(&reading(weight, 0.01), None).deviation);
        assert!((young[0] - 0.1).abs() < 1e-9, "how far it lies from what was seen: {young:?}");
        assert!(young[1] < old[1] && young[2] == old[2] && young[2] > 0.0, "{young:?} {old:?}");
    }

    #[test]
    fn without_time_joints_are_as_found() {
        let obs = Observation::of_joints(&Tensor::from_slice(&[0.5, f64::NAN, f64::NAN]).view([1, 3]));
        let report = report(&Reading::of(&obs), Some(&[9.0; 3]));
        assert_eq!((report.joints[0].as_slice(), report.offset), ([0.4, 2.0, 0.2].as_slice(), None));
        assert!(report.deviation.iter().all(|deviation| deviation.is_finite()));
    }

    #[test]
    fn where_points_were_seen_time_is_not_reported() {
        let row = |values: [f64; 3]| Tensor::from_slice(&values).view([1, 3]);
        let reading = |point: f64| {
            let expected = Expected::new(&row([0.0, 1.0, 0.0]), &row([0.0, 0.9, 0.0]), 1e3).expect("one shape");
            let joints = Observation::of_joints(&row([0.5, f64::NAN, f64::NAN]));
            let points = Observation::of_points(&Tensor::from_slice(&[point; 3]).view([1, 1, 3])).points;
            Reading::of(&Observation { expected: Some(expected), points, ..joints })
        };
        assert_eq!(report(&reading(0.3), None).joints[0][1], 2.0);
        assert!(report(&reading(f64::NAN), None).joints[0][1] < 1.6, "nothing was seen of the points");
    }

    #[test]
    fn options_outside_are_refused() {
        for config in [
            ReportConfig { share: 1.1, ..ReportConfig::default() },
            ReportConfig { delay: -1.0, ..ReportConfig::default() },
            ReportConfig { variance: [f64::NAN, 1.0], ..ReportConfig::default() },
        ] {
            assert!(config.validate().is_err(), "{config:?}");
        }
    }
}
