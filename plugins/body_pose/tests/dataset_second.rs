//! The second division of the motion capture; skipped where that is not at hand.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests touch files")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use nalgebra::Vector3;
use thalweg_body_pose::dataset::overlap::leaks;
use thalweg_body_pose::dataset::{Clip, Dataset, Division, Source, Split, assign, table};
use thalweg_body_pose::kinematics::{forward, from_axis_angle};
use thalweg_body_pose::skeleton::{JOINTS, joint_index};

/// Every fifth test frame is compared with all of training: six a second.
const STRIDE: usize = 5;

fn folder() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("THALWEG_DATA").map_or_else(beside, PathBuf::from).join("mocap");
    if folder.join("cmu_more.npz").is_file() {
        return Some(folder);
    }
    writeln!(std::io::stderr(), "skipped: no cmu_more.npz at {}", folder.display()).expect("stderr is open");
    None
}

fn undivided() -> Option<&'static Dataset> {
    static DATASET: OnceLock<Dataset> = OnceLock::new();
    let folder = folder()?;
    Some(DATASET.get_or_init(|| Dataset::load_undivided(&folder).expect("the data is whole")))
}

fn second() -> Option<Dataset> {
    folder().map(|folder| Dataset::load_divided(&folder, Division::Second).expect("the data is whole"))
}

#[test]
fn all_clips_of_the_new_sources_arrive() {
    let Some(dataset) = undivided() else { return };
    let count = |source| {
        let clips: Vec<&Clip> = dataset.clips.iter().filter(|clip| clip.source == source).collect();
        (clips.len(), clips.iter().map(|clip| clip.poses.len()).sum::<usize>())
    };
    assert_eq!(count(Source::CmuMore), (453, 117_556));
    assert_eq!(count(Source::Mesh2Motion), (86, 4415));
}

fn share_where(dataset: &Dataset, words: &[&str], holds: impl Fn(&[Vector3<f64>]) -> bool) -> f64 {
    let clips = dataset
        .clips
        .iter()
        .filter(|clip| clip.source == Source::Mesh2Motion && words.iter().any(|word| clip.name.starts_with(word)));
    let poses: Vec<&[[f32; 3]; JOINTS]> = clips.flat_map(|clip| &clip.poses).collect();
    let hits = poses.iter().filter(|pose| holds(&forward(&from_axis_angle(pose)).positions)).count();
    hits as f64 / poses.len() as f64
}

fn place(places: &[Vector3<f64>], joint: &str) -> Vector3<f64> {
    places[joint_index(joint).expect("a joint") + 1]
}

/// What a wrong axis would break: who sits has the knees before the hips, who stands below them.
#[test]
fn keyframed_people_sit_and_stand() {
    let Some(dataset) = undivided() else { return };
    let sits = |places: &[Vector3<f64>]| place(places, "left_knee").z > 0.2 && place(places, "right_knee").z > 0.2;
    let stands = |places: &[Vector3<f64>]| place(places, "left_ankle").y < -0.7 && place(places, "head").y > 0.35;
    let sides = |places: &[Vector3<f64>]| place(places, "left_shoulder").x > place(places, "right_shoulder").x;
    let sitting = share_where(dataset, &["Sitting_Idle", "Sitting_Talking"], sits);
    let standing = share_where(dataset, &["Idle_Loop", "Idle_Talking", "Walk", "T-Pose"], stands);
    let sided = share_where(dataset, &[""], sides);
    assert!(sitting > 0.99 && standing > 0.95 && sided > 0.97, "{sitting} {standing} {sided}");
}

#[test]
fn a_t_pose_is_nearly_our_rest_pose() {
    let Some(dataset) = undivided() else { return };
    let clip = dataset.clips.iter().find(|clip| clip.name == "T-Pose").expect("there is one");
    for (joint, vector) in clip.poses[0].iter().enumerate() {
        let degrees = f64::from(Vector3::from(*vector).norm()).to_degrees();
        assert!(degrees < 25.0, "joint {joint}: {degrees} degrees");
    }
}

/// Trials that both archives hold are the same poses, to the rounding of 16 bits.
#[test]
fn exact_trials_repeat_the_first_archive() {
    let Some(dataset) = undivided() else { return };
    let find = |name: &str| dataset.clips.iter().find(|clip| clip.name == name).expect("a known clip");
    let (old, new) = (find("test/walking/walking_1"), find("35_01"));
    let distance = |a: &[[f32; 3]; JOINTS], b: &[[f32; 3]; JOINTS]| {
        let pairs = from_axis_angle(a).into_iter().zip(from_axis_angle(b));
        pairs.map(|(a, b)| a.angle_to(&b)).sum::<f64>().to_degrees() / JOINTS as f64
    };
    let nearest = new.poses.iter().map(|pose| distance(&old.poses[10], pose)).fold(f64::INFINITY, f64::min);
    assert!(nearest < 1.0, "{nearest} degrees");
}

/// With THALWEG_WRITE=1 the table is written anew.
#[test]
fn the_table_is_what_the_rule_gives() {
    let Some(dataset) = undivided() else { return };
    let rule = table(&dataset.clips, &assign(&dataset.clips));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/dataset/second.tsv");
    if std::env::var_os("THALWEG_WRITE").is_some() {
        std::fs::write(&path, &rule).expect("writable");
    }
    let written = std::fs::read_to_string(path).expect("it is there");
    for (rule, written) in rule.lines().zip(written.lines()) {
        assert_eq!(rule, written);
    }
    assert_eq!(rule.lines().count(), written.lines().count());
}

#[test]
fn old_test_clips_stay_test_clips() {
    let (Some(first), Some(second)) = (undivided(), second()) else { return };
    for (old, new) in first.clips.iter().zip(&second.clips) {
        assert_eq!(old.name, new.name);
        if Source::ALL.contains(&old.source) && old.split.is_test() {
            assert_eq!(old.split, new.split, "{}", old.name);
        }
    }
}

/// Nobody who is unseen is seen.
#[test]
fn unseen_people_are_in_no_other_set() {
    let Some(dataset) = second() else { return };
    let mut unseen = 0;
    for clip in dataset.of_split(Split::Unseen) {
        unseen += 1;
        assert!(clip.subject.is_some(), "{}", clip.name);
        let cmu = |other: &&Clip| matches!(other.source, Source::Cmu | Source::CmuMore);
        let others = dataset.clips.iter().filter(cmu).filter(|other| other.subject == clip.subject);
        others.for_each(|other| assert!(matches!(other.split, Split::Unseen | Split::LeftOut), "{}", other.name));
    }
    assert!(unseen >= 20, "only {unseen} clips");
}

/// Test frames within a degree of a training frame of the same person would make figures look better than they are.
#[test]
fn no_test_frame_is_nearly_a_training_frame() {
    let Some(mut dataset) = second() else { return };
    let found = leaks(&dataset.clips, STRIDE);
    assert!(found.is_empty(), "{} leaks, such as {:?}", found.len(), &found[..found.len().min(5)]);
    let planted = dataset.clips.iter().find(|clip| clip.split == Split::Unseen).expect("there are some").poses[STRIDE];
    let training =
        dataset.clips.iter_mut().rev().find(|clip| clip.source == Source::CmuMore && clip.split == Split::Train);
    let training = training.expect("there is one");
    training.subject = None;
    training.poses.push(planted);
    assert!(!leaks(&dataset.clips, STRIDE).is_empty(), "the planted leak is not found");
}
