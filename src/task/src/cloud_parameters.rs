//! What may be set about clouds: the same for every task that observes them.

use crate::{CLOUD_POINTS, Change, ParameterRange, ParameterSpec, ParameterValue, Result, TaskError};

/// How a cloud is compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CloudParameters {
    /// Radians that a metre counts as, of all points of a cloud together; 0 where it is not observed.
    pub weight: f64,
    /// Most points.
    pub points: usize,
    /// Distance from the surface from which on a point pulls nothing, metres.
    pub gate: f64,
}

/// A thousand kilometres then count as a radian; whoever means less means none. At the most a millimetre does.
const WEIGHTS: [f64; 2] = [1e-6, 1000.0];
/// Fewest points of a cloud.
const FEWEST: usize = 50;
/// Metres.
const GATES: [f64; 2] = [0.02, 10.0];

impl Default for CloudParameters {
    fn default() -> Self {
        Self { weight: 0.0, points: 500, gate: 0.5 }
    }
}

impl CloudParameters {
    /// Names of the parameters.
    pub const NAMES: [&'static str; 3] = ["cloud_weight", "cloud_points", "cloud_gate"];
    /// Distance from the surface at which a point counts half of its square, metres.
    pub const SCALE: f64 = 0.1;

    /// Reads a parameter; says whether it is one of these.
    ///
    /// # Errors
    /// [`TaskError::Parameter`] where its value is none.
    pub fn read(&mut self, name: &str, value: &serde_json::Value) -> Result<bool> {
        let refusal =
            |expected: String| TaskError::Parameter { name: name.to_owned(), got: value.to_string(), expected };
        let [weight, points, gate] = Self::NAMES;
        if name == weight {
            let [least, greatest] = WEIGHTS;
            let is_weight = |weight: &f64| *weight == 0.0 || (least..=greatest).contains(weight);
            let expected = || refusal(format!("0, or a number from {least:e} to {greatest}, rad/m"));
            self.weight = value.as_f64().filter(is_weight).ok_or_else(expected)?;
        } else if name == points {
            let count = value.as_u64().and_then(|count| usize::try_from(count).ok());
            let count = count.filter(|count| (FEWEST..=CLOUD_POINTS).contains(count));
            self.points = count.ok_or_else(|| refusal(format!("a whole number from {FEWEST} to {CLOUD_POINTS}")))?;
        } else if name == gate {
            let [least, greatest] = GATES;
            let expected = || refusal(format!("a number from {least} to {greatest}, m"));
            self.gate = value.as_f64().filter(|gate| (least..=greatest).contains(gate)).ok_or_else(expected)?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// Describes them.
    ///
    /// `frame`: in which frame a cloud comes; `whose`: of what points are held against the surface.
    #[must_use]
    pub fn describe(frame: &str, whose: &str) -> Vec<ParameterSpec> {
        let default = Self::default();
        let row = |name: &'static str, default, unit, range, description: String| ParameterSpec {
            name: name.into(),
            default,
            unit,
            range,
            change: Change::Unconfigured,
            description: description.into(),
        };
        let [weight, points, gate] = Self::NAMES;
        vec![
            row(
                weight,
                ParameterValue::Double(default.weight),
                "rad/m",
                ParameterRange::ZeroOr { from: WEIGHTS[0], to: WEIGHTS[1] },
                format!(
                    "How much a cloud on `cloud`, in {frame}, counts: all its points together as one place of each \
                     joint; at 0 it is not observed."
                ),
            ),
            row(
                points,
                ParameterValue::Integer(default.points as i64),
                "points",
                ParameterRange::Integer { from: FEWEST as i64, to: CLOUD_POINTS as i64 },
                format!(
                    "Most points of a cloud that are held against {whose}; larger clouds are thinned, a point for each \
                     cube of a grid."
                ),
            ),
            row(
                gate,
                ParameterValue::Double(default.gate),
                "m",
                ParameterRange::Double { from: GATES[0], to: GATES[1] },
                format!("Distance from the surface of {whose} from which on a point of the cloud pulls nothing."),
            ),
        ]
    }
}
