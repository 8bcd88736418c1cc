//! A task's description, as data.

use tch::{Device, Kind};
use thalweg_task::{ImageSpec, JointSpec, Kinds, PointsSpec, TaskSpec, nearest};

/// A description that observes all three kinds.
pub(crate) fn describe() -> TaskSpec {
    let joint = |name: &str| JointSpec { name: name.to_owned(), unit: "rad".to_owned(), lower: -1.0, upper: 1.0 };
    TaskSpec {
        name: "example".to_owned(),
        latent: 4,
        output: vec![2, 3],
        joints: vec![joint("elbow"), joint("wrist")],
        groups: Vec::new(),
        reads_joints: true,
        image: Some(ImageSpec { channels: 3, height: 4, width: 5 }),
        points: Some(PointsSpec {
            names: vec!["tip".to_owned()],
            frame: "base_link".to_owned(),
            tracker: None,
            cloud: 0,
            rays: false,
        }),
        skeleton: None,
        classes: Vec::new(),
        convention: None,
        residual: true,
        fingerprint: "1".to_owned(),
        device: Device::Cpu,
        kind: Kind::Float,
    }
}

#[test]
fn kinds_read_as_a_list() {
    let kinds = |joints, image, points| Kinds { joints, image, points }.to_string();
    assert_eq!(kinds(true, true, true), "joints, image, points");
    assert_eq!(kinds(false, false, true), "points");
    assert_eq!(kinds(false, false, false), "nothing");
}

#[test]
fn shapes_of_what_is_observed() {
    let mut spec = describe();
    assert_eq!(spec.shape_of("joints"), Some(vec![2]));
    assert_eq!(spec.shape_of("image"), Some(vec![3, 4, 5]));
    assert_eq!(spec.shape_of("points"), Some(vec![1, 3]));
    assert_eq!(spec.shape_of("label"), None);
    spec.reads_joints = false;
    spec.image = None;
    assert_eq!((spec.shape_of("joints"), spec.shape_of("image")), (None, None), "written is not read");
    assert_eq!(spec.observes(), Kinds { joints: false, image: false, points: true });
}

#[test]
fn joints_are_found_by_name_or_the_nearest_is_told() {
    let spec = describe();
    assert_eq!(spec.joint_index("wrist").unwrap(), 1);
    let text = spec.joint_index("elbwo").unwrap_err().to_string();
    assert_eq!(text, "unknown joint 'elbwo'; the nearest known name is 'elbow'");
    let bare = TaskSpec { joints: vec![], ..spec };
    assert_eq!(bare.joint_index("elbow").unwrap_err().to_string(), "unknown joint 'elbow'");
}

#[test]
fn nearest_counts_edits() {
    // Distances of "kitten" by hand: sitting 3, mitten 1, knitting 3, the empty word 6.
    let known = ["sitting", "mitten", "knitting", ""];
    assert_eq!(nearest("kitten", known.into_iter()), "; the nearest known name is 'mitten'");
    assert_eq!(nearest("", ["ab", "c"].into_iter()), "; the nearest known name is 'c'");
    assert_eq!(nearest("x", std::iter::empty()), "");
}

#[test]
fn a_description_survives_json() {
    let spec = describe();
    let text = serde_json::to_string(&spec).unwrap();
    assert_eq!(serde_json::from_str::<TaskSpec>(&text).unwrap(), spec);
}
