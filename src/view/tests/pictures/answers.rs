//! Answers made up for pictures.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use thalweg_engine::{Answer, Statistics};
use thalweg_node::display::ShownAnswer;
use thalweg_view::body::Model;

pub(crate) fn human() -> Model {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../urdf/human_21.urdf");
    Model::load(&path).expect("it is shipped")
}

/// Standing with the left arm completed; one hypothesis for each raise of that arm, radians.
pub(crate) fn standing(raises: &[f64], weights: &[f64]) -> ShownAnswer {
    let names: Arc<[String]> = human().joints().to_vec().into();
    let hypothesis = |raise: &f64| {
        let position = |name: &String| match name.as_str() {
            "left_shoulder_z" => *raise,
            "right_shoulder_z" => 1.2,
            _ => 0.0,
        };
        names.iter().map(position).collect()
    };
    let hidden = ["left_shoulder", "left_elbow", "left_wrist"];
    let observed = names.iter().map(|name| !hidden.iter().any(|joint| name.starts_with(joint))).collect();
    ShownAnswer {
        answer: Answer {
            joints: raises.iter().map(hypothesis).collect(),
            weights: weights.to_vec(),
            losses: vec![0.01; raises.len()],
            landscape: "identity".to_owned(),
            statistics: Statistics { steps: 30, ..Statistics::default() },
            took: Duration::from_millis(8),
            ..Answer::default()
        },
        observed,
        hypotheses: raises.len(),
        names,
        ..ShownAnswer::default()
    }
}
