//! Texts: parameter files, observations, models of robots.

use std::fmt::Display;

use thalweg::Registry;
use thalweg_node::parameters::{Settings, Store, full_table, given};
use thalweg_task::numbers;

use crate::messages::spec;
use crate::scratch;

/// The full name of the node that parameters are given to.
const NODE: &str = "/left/thalweg";

/// An error is a sentence that can be read, and there is nothing of use.
pub(crate) fn expect_sentence(error: &impl Display) -> bool {
    let text = error.to_string();
    assert!(!text.is_empty() && text.len() < 8192, "{text}");
    false
}

/// A parameter file, with all that a node does with it at its start.
pub(crate) fn parameters(bytes: &[u8]) -> bool {
    let file = scratch::file("parameters.yaml", bytes);
    let arguments = ["--ros-args", "--params-file", file.to_str().expect("made of ASCII")].map(str::to_owned);
    let given = match given(&arguments, NODE) {
        Ok(given) => given,
        Err(error) => return expect_sentence(&error),
    };
    match Store::declare_given(full_table(&Registry::shipped(), &[]), &given.values) {
        Ok((store, others)) => {
            others.iter().for_each(|error| {
                expect_sentence(error);
            });
            Settings::read(&store, 7).map_or_else(|error| expect_sentence(&error), |_| !given.values.is_empty())
        }
        Err(error) => expect_sentence(&error),
    }
}

/// An observation as the command line reads it.
pub(crate) fn observation(bytes: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(bytes) else { return false };
    match thalweg_cli::observation::parse(text, &spec()) {
        Ok(obs) => {
            obs.validate(&spec()).expect("what is read is an observation of the task");
            for (kind, masked) in obs.fields() {
                let values: Vec<f32> = numbers(masked.value());
                assert!(values.iter().all(|value| value.is_finite()), "{kind}: {values:?}");
            }
            true
        }
        Err(error) => expect_sentence(&error),
    }
}

/// What a scripted task says of itself.
pub(crate) fn description(bytes: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(bytes) else { return false };
    match thalweg_scripted::Description::parse(text) {
        Ok(description) => {
            let widths = description.widths();
            assert!(widths.iter().sum::<i64>() > 0 && widths.iter().all(|width| *width >= 0), "{widths:?}");
            assert_eq!(description.joint_specs().len() as i64, widths[0]);
            assert!(description.groups().is_ok() && description.skeleton().is_ok(), "what is read was checked");
            true
        }
        Err(error) => expect_sentence(&error),
    }
}

/// A model of a robot, and a posture of it.
#[cfg(feature = "view")]
pub(crate) fn urdf(bytes: &[u8]) -> bool {
    let file = scratch::file("robot.urdf", bytes);
    match thalweg_view::body::Model::load(&file) {
        Ok(model) => {
            let mut posture = thalweg_view::body::Posture::default();
            posture.place(&model, &vec![0.5; model.joints().len()]);
            assert!(!posture.lowest(&model).is_nan(), "a robot is somewhere");
            true
        }
        Err(error) => expect_sentence(&error),
    }
}
