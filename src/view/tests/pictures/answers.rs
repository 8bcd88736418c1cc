//! Answers made up for pictures.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use thalweg_engine::{Answer, Statistics};
use thalweg_node::display::{ShownAnswer, ShownPerson};
use thalweg_task::Root;
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

/// People who stand before a camera and look into it, each with a name and a place, metres, x right, y down, z ahead.
pub(crate) fn crowd(people: &[(&str, [f64; 3])]) -> ShownAnswer {
    let shown = standing(&[-1.2], &[1.0]);
    let person = |(arrival, (id, position)): (u64, &(&str, [f64; 3]))| ShownPerson {
        id: (*id).into(),
        arrival,
        joints: shown.answer.joints[0].clone(),
        observed: shown.observed.clone(),
        // The pelvis' x, left, is the camera's x; its y, up, is -y; its z, ahead, is -z.
        root: Some(Root {
            position: *position,
            rotation: [1.0, 0.0, 0.0, 0.0],
            scale: 1.0,
            is_seen: true,
            misfit: 0.0,
        }),
    };
    let people = (1..).zip(people).map(person).collect();
    ShownAnswer { people, ..shown }
}
