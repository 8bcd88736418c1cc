//! What the user may set.

use thalweg_task::{
    CLOUD_POINTS, Change, LoadOptions, ParameterRange, ParameterSpec, ParameterValue, Result, TaskError, nearest,
};

/// The model that is taken where nobody names one.
const DEFAULT: &str = "unitree_g1";
/// Longest path, bytes: that of Linux.
const MOST_PATH: usize = 4096;
/// A thousand kilometres then count as a radian; whoever means less means none.
const LEAST_WEIGHT: f64 = 1e-6;
/// A millimetre then counts as a radian.
const GREATEST_WEIGHT: f64 = 1000.0;
/// Radians that a metre of a named place counts as where a cloud has a weight and places have none.
const PLACE_WEIGHT: f64 = 4.0;
/// Points of a cloud unless somebody says otherwise, and fewest.
const POINTS: usize = 500;
const FEWEST_POINTS: usize = 50;
/// Metres from the surface at which points count no more, unless somebody says otherwise, and the range.
const GATE: f64 = 0.5;
const GATES: [f64; 2] = [0.02, 10.0];

/// Names of the parameters.
pub(crate) const MODEL: &str = "model";
const POINT_WEIGHT: &str = "point_weight";
pub(crate) const CLOUD_WEIGHT: &str = "cloud_weight";
const CLOUD_COUNT: &str = "cloud_points";
const CLOUD_GATE: &str = "cloud_gate";

/// Parameters of a load.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Parameters {
    /// A folder, or the name of a shipped model.
    pub(crate) model: String,
    /// Radians that a metre of a place of a link counts as; 0 where places are not observed.
    pub(crate) point_weight: f64,
    /// As for places, of all points of a cloud together; 0 where it is not observed.
    pub(crate) cloud_weight: f64,
    /// Most points of a cloud.
    pub(crate) cloud_points: usize,
    /// Metres.
    pub(crate) cloud_gate: f64,
}

impl Parameters {
    pub(crate) fn read(options: &LoadOptions) -> Result<Self> {
        let mut parameters = Self {
            model: DEFAULT.to_owned(),
            point_weight: 0.0,
            cloud_weight: 0.0,
            cloud_points: POINTS,
            cloud_gate: GATE,
        };
        for (name, value) in &options.parameters {
            let refusal =
                |expected: String| TaskError::Parameter { name: name.clone(), got: value.to_string(), expected };
            let weight = || {
                let is_weight = |weight: &f64| *weight == 0.0 || (LEAST_WEIGHT..=GREATEST_WEIGHT).contains(weight);
                let expected = format!("0, or a number from {LEAST_WEIGHT:e} to {GREATEST_WEIGHT}, rad/m");
                value.as_f64().filter(is_weight).ok_or_else(|| refusal(expected))
            };
            match name.as_str() {
                MODEL => {
                    let expected = "a folder that `thalweg adopt` wrote, or the name of a shipped model";
                    let named = value.as_str().ok_or_else(|| refusal(expected.to_owned()))?;
                    if !named.is_empty() {
                        named.clone_into(&mut parameters.model);
                    }
                }
                POINT_WEIGHT => parameters.point_weight = weight()?,
                CLOUD_WEIGHT => parameters.cloud_weight = weight()?,
                CLOUD_COUNT => {
                    let count = value.as_u64().and_then(|count| usize::try_from(count).ok());
                    let count = count.filter(|count| (FEWEST_POINTS..=CLOUD_POINTS).contains(count));
                    let expected = || refusal(format!("a whole number from {FEWEST_POINTS} to {CLOUD_POINTS}"));
                    parameters.cloud_points = count.ok_or_else(expected)?;
                }
                CLOUD_GATE => {
                    let [least, greatest] = GATES;
                    let gate = value.as_f64().filter(|gate| (least..=greatest).contains(gate));
                    let expected = || refusal(format!("a number from {least} to {greatest}, m"));
                    parameters.cloud_gate = gate.ok_or_else(expected)?;
                }
                _ => {
                    let known = [MODEL, POINT_WEIGHT, CLOUD_WEIGHT, CLOUD_COUNT, CLOUD_GATE];
                    let hint = nearest(name, known.into_iter());
                    return Err(TaskError::UnknownName { kind: "parameter", name: name.clone(), hint });
                }
            }
        }
        if parameters.cloud_weight > 0.0 && parameters.point_weight == 0.0 {
            parameters.point_weight = PLACE_WEIGHT;
        }
        Ok(parameters)
    }
}

pub(crate) fn describe() -> Vec<ParameterSpec> {
    let row = |name: &'static str, default: ParameterValue, unit, range, description: &'static str| ParameterSpec {
        name: name.into(),
        default,
        unit,
        range,
        change: Change::Unconfigured,
        description: description.into(),
    };
    let weight = || ParameterRange::ZeroOr { from: LEAST_WEIGHT, to: GREATEST_WEIGHT };
    vec![
        row(
            MODEL,
            ParameterValue::String(DEFAULT.to_owned()),
            "",
            ParameterRange::Text { most: MOST_PATH },
            "Model of the robot: a folder that `thalweg adopt` wrote, or the name of one in `robots` in the folder of \
             `models`.",
        ),
        row(
            POINT_WEIGHT,
            ParameterValue::Double(0.0),
            "rad/m",
            weight(),
            "How much places of links on `points`, in the frame of the root link, count beside positions of joints; at 0 \
             they are not observed (with a cloud, 4).",
        ),
        row(
            CLOUD_WEIGHT,
            ParameterValue::Double(0.0),
            "rad/m",
            weight(),
            "How much a cloud on `cloud`, in the frame of the root link, counts: all its points together as one place of \
             each joint; at 0 it is not observed.",
        ),
        row(
            CLOUD_COUNT,
            ParameterValue::Integer(POINTS as i64),
            "points",
            ParameterRange::Integer { from: FEWEST_POINTS as i64, to: CLOUD_POINTS as i64 },
            "Most points of a cloud that are held against the robot; larger clouds are thinned, a point for each cube of \
             a grid.",
        ),
        row(
            CLOUD_GATE,
            ParameterValue::Double(GATE),
            "m",
            ParameterRange::Double { from: GATES[0], to: GATES[1] },
            "Distance from the robot's surface from which on a point of the cloud pulls nothing.",
        ),
    ]
}
