//! What the user may set.

use thalweg_task::{
    Change, CloudParameters, LoadOptions, ParameterRange, ParameterSpec, ParameterValue, Result, TaskError, nearest,
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
/// Names of the parameters.
pub(crate) const MODEL: &str = "model";
const POINT_WEIGHT: &str = "point_weight";
/// Parameters of a load.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Parameters {
    /// A folder, or the name of a shipped model.
    pub(crate) model: String,
    /// Radians that a metre of a place of a link counts as; 0 where places are not observed.
    pub(crate) point_weight: f64,
    /// How a cloud is compared.
    pub(crate) cloud: CloudParameters,
}

impl Parameters {
    pub(crate) fn read(options: &LoadOptions) -> Result<Self> {
        let mut parameters = Self { model: DEFAULT.to_owned(), point_weight: 0.0, cloud: CloudParameters::default() };
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
                _ if parameters.cloud.read(name, value)? => {}
                _ => {
                    let known = [MODEL, POINT_WEIGHT].into_iter().chain(CloudParameters::NAMES);
                    let hint = nearest(name, known);
                    return Err(TaskError::UnknownName { kind: "parameter", name: name.clone(), hint });
                }
            }
        }
        if parameters.cloud.weight > 0.0 && parameters.point_weight == 0.0 {
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
    let mut rows = vec![
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
    ];
    rows.extend(CloudParameters::describe("the frame of the root link", "the robot"));
    rows
}
