//! The arm against its closed form, and what its loader refuses.

#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use tch::{Kind, Tensor};
use thalweg_planar_arm::{Arm, ENTRY, Parameters};
use thalweg_task::{LoadOptions, Observation, Task};

/// Agreement of two ways of computing in f64, metres and radians.
const TOLERANCE: f64 = 1e-9;

fn load(parameters: &Value) -> thalweg_task::Result<Box<dyn Task>> {
    let parameters = parameters.as_object().unwrap().clone();
    (ENTRY.load)(&LoadOptions { kind: Kind::Double, parameters, ..LoadOptions::default() })
}

fn refusal(parameters: &Value) -> String {
    load(parameters).err().expect("these parameters must be refused").to_string()
}

/// Angles on a grid that is neither symmetric nor near a straight arm.
fn grid() -> impl Iterator<Item = [f64; 3]> {
    let angles = [-2.3, -1.1, -0.4, 0.3, 0.9, 2.1];
    angles.into_iter().flat_map(move |a| angles.into_iter().flat_map(move |b| angles.map(|c| [a, b, c])))
}

fn loss(task: &dyn Task, joints: [f64; 3], obs: &Observation) -> f64 {
    let latent = Arm::new(Parameters::default()).latent(joints);
    let y_hat = task.forward(&Tensor::from_slice(&latent).view([1, 3])).unwrap();
    task.objective(&y_hat, &task.encode(obs).unwrap()).unwrap().loss.double_value(&[0])
}

/// Observes the tips that are given; the others are unobserved.
fn observe_tips(tips: [Option<[f64; 2]>; 3]) -> Observation {
    let rows = tips.map(|tip| tip.map_or([f64::NAN; 3], |[x, y]| [x, y, 0.0]));
    Observation::of_points(&Tensor::from_slice(rows.as_flattened()).view([1, 3, 3]))
}

fn apart(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn known_postures() {
    let arm = Arm::new(Parameters { lengths: [3.0, 2.0, 1.0], limit: 3.0 });
    let quarter = std::f64::consts::FRAC_PI_2;
    let straight = arm.forward([0.0; 3]);
    assert!(apart(straight.as_flattened(), &[3.0, 0.0, 5.0, 0.0, 6.0, 0.0]) < TOLERANCE, "{straight:?}");
    let bent = arm.forward([quarter, -quarter, -quarter]);
    assert!(apart(bent.as_flattened(), &[0.0, 3.0, 2.0, 3.0, 2.0, 2.0]) < TOLERANCE, "{bent:?}");
}

#[test]
fn tensors_agree_with_the_closed_form() {
    let (task, arm) = (load(&json!({})).unwrap(), Arm::new(Parameters::default()));
    for joints in grid() {
        let y_hat = task.forward(&Tensor::from_slice(&arm.latent(joints)).view([1, 3])).unwrap();
        let got = Vec::<f64>::try_from(y_hat.view(-1)).unwrap();
        let tips = arm.forward(joints).map(|[x, y]| [x, y, 0.0]);
        let expected = [joints.as_slice(), tips.as_flattened()].concat();
        assert!(apart(&got, &expected) < TOLERANCE, "{joints:?}: {got:?}, expected {expected:?}");
    }
}

#[test]
fn inverse_finds_both_elbows() {
    let arm = Arm::new(Parameters { limit: std::f64::consts::PI, ..Parameters::default() });
    for joints in grid() {
        let [_, _, tip] = arm.forward(joints);
        let heading: f64 = joints.iter().sum();
        let solutions = arm.inverse(tip, heading);
        assert_eq!(solutions.len(), 2, "{joints:?}: {solutions:?}");
        assert!(solutions.iter().any(|found| apart(found, &joints) < 1e-7), "{joints:?}: {solutions:?}");
        assert!(solutions[0][1] > 0.0 && solutions[1][1] < 0.0, "{solutions:?}");
        for found in solutions {
            assert!(apart(&arm.forward(found)[2], &tip) < TOLERANCE, "{found:?} misses {tip:?}");
        }
    }
}

#[test]
fn inverse_knows_its_reach() {
    let arm = Arm::new(Parameters::default());
    assert!(arm.inverse([0.71, 0.0], 0.0).is_empty(), "beyond the stretched arm");
    assert_eq!(arm.inverse([0.70, 0.0], 0.0).len(), 1, "the stretched arm is one solution");
    let tight = Arm::new(Parameters { limit: 0.5, ..Parameters::default() });
    assert!(tight.inverse([0.0, 0.3], 1.5).is_empty(), "beyond the joint limits");
}

#[test]
fn a_lone_tip_leaves_one_freedom() {
    let (task, arm) = (load(&json!({})).unwrap(), Arm::new(Parameters::default()));
    let tip = [0.35, 0.2];
    let headings = (0..60).map(|step| f64::from(step) * 0.1 - 3.0);
    let family: Vec<_> = headings.flat_map(|heading| arm.inverse(tip, heading)).collect();
    assert!(family.len() > 30, "only {} postures reach the tip", family.len());
    let obs = observe_tips([None, None, Some(tip)]);
    for posture in &family {
        assert!(loss(&*task, *posture, &obs) < 1e-12, "{posture:?} reaches the tip and must cost nothing");
    }
    let pair = arm.inverse(tip, 0.9);
    let wrist_too = observe_tips([None, Some(arm.forward(pair[0])[1]), Some(tip)]);
    let fitting = family.iter().filter(|posture| loss(&*task, **posture, &wrist_too) < 1e-12).count();
    assert_eq!(fitting, 2, "wrist and tip leave the elbow up or down");
}

#[test]
fn whole_turns_cost_nothing() {
    let task = load(&json!({})).unwrap();
    let joints = [0.4, -1.0, 2.0];
    let turned = joints.map(|angle| angle + std::f64::consts::TAU);
    let obs = |angles: &[f64; 3]| Observation::of_joints(&Tensor::from_slice(angles).view([1, 3]));
    assert!(loss(&*task, joints, &obs(&turned)) < 1e-20);
    // One sigma off in one joint costs one, up to the curvature of the chord.
    let off = loss(&*task, joints, &obs(&[0.45, -1.0, 2.0]));
    assert!((off - 1.0).abs() < 1e-3, "{off}");
}

#[test]
fn angles_stay_within_limits() {
    let task = load(&json!({"limit": 0.7})).unwrap();
    let y_hat = task.forward(&Tensor::from_slice(&[-1e9, 0.0, 1e9]).view([1, 3])).unwrap();
    let joints = Vec::<f64>::try_from(y_hat.narrow(1, 0, 3).view(-1)).unwrap();
    assert!(apart(&joints, &[-0.7, 0.0, 0.7]) < TOLERANCE, "{joints:?}");
    assert_eq!(task.spec().joints[2].upper, 0.7);
}

#[test]
fn parameters_change_the_fingerprint() {
    let of = |parameters| load(&parameters).unwrap().spec().fingerprint.clone();
    assert_eq!(of(json!({})), of(json!({"limit": 2.6})));
    assert_ne!(of(json!({})), of(json!({"limit": 2.5})));
    assert_ne!(of(json!({})), of(json!({"lengths": [0.3, 0.25, 0.16]})));
}

#[test]
fn wrong_parameters_are_refused_with_the_cure() {
    let unknown = refusal(&json!({"length": [1, 1, 1]}));
    assert!(unknown.contains("unknown parameter 'length'") && unknown.contains("'lengths'"), "{unknown}");
    for wrong in [json!("long"), json!([1.0, 1.0]), json!([1.0, 1.0, "x"]), json!([1.0, -1.0, 1.0]), json!([0, 1, 1])] {
        let text = refusal(&json!({"lengths": wrong.clone()}));
        assert!(
            text.contains("lengths") && text.contains(&wrong.to_string()) && text.contains("0.01 to 100 m"),
            "{text}"
        );
    }
    for wrong in [json!(true), json!(0.0), json!(3.2), json!(null)] {
        let text = refusal(&json!({"limit": wrong}));
        assert!(text.contains("limit") && text.contains("0.1 to 3.1416 rad"), "{text}");
    }
}
