//! `thalweg adopt`: a robot from its URDF and recordings, and what it refuses.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::tempdir;
use thalweg_engine::landscape::Landscape;
use thalweg_tests::robot::{JOINTS, URDF, positions, urdf};

use crate::{Run, read_solution, solve, thalweg};

/// A table of the first `joints` joints over so many seconds; angles in the unit that `turn` makes of radians.
fn table(folder: &Path, seconds: f64, joints: usize, turn: impl Fn(f64) -> f64) -> PathBuf {
    const FPS: f64 = 20.0;
    let mut text = format!("time,{},battery\n", JOINTS[..joints].join(","));
    for frame in 0..(seconds * FPS) as usize {
        let time = frame as f64 / FPS;
        write!(text, "{time}").unwrap();
        for (name, position) in JOINTS.iter().zip(positions(time)).take(joints) {
            let slides = matches!(*name, "lift" | "finger" | "finger_copy");
            write!(text, ",{}", if slides { position } else { turn(position) }).unwrap();
        }
        text += ",12.5\n";
    }
    let path = folder.join("motion.csv");
    fs::write(&path, text).unwrap();
    path
}

fn adopt(urdf: &Path, data: &Path, more: &[&str]) -> Run {
    let output = data.parent().unwrap().join("model");
    let paths = [urdf, data, &output].map(|path| path.to_str().unwrap().to_owned());
    let args = [&["adopt", paths[0].as_str(), &paths[1], "--output", &paths[2]], more].concat();
    thalweg(&args)
}

/// How far off, rad, `elbow` is a frame after it fell silent, with time or without.
fn error_after_silence(model: &Path, time: bool) -> f64 {
    const FRAMES: u32 = 40;
    let model = model.to_str().unwrap();
    let builder = thalweg::load("robot").unwrap().parameter("model", model).time(time).steps(5);
    let mut robot = builder.build().unwrap();
    let at = robot.spec().joints.iter().position(|joint| joint.name == "elbow").unwrap();
    let of = JOINTS.iter().position(|name| *name == "elbow").unwrap();
    for frame in 0..=FRAMES {
        let moment = f64::from(frame) / 20.0;
        let truth = positions(moment);
        let is_seen = |name: &str| frame < FRAMES || name != "elbow";
        let seen = JOINTS.iter().copied().zip(truth).filter(|(name, _)| is_seen(name));
        let seen = robot.observe().joints(seen).unwrap().stamp_nanos((1e9 + moment * 1e9) as i64);
        let off = (robot.solve(&seen).unwrap().best().joints()[at] - truth[of]).abs();
        if frame == FRAMES {
            return off;
        }
    }
    unreachable!("the last frame returns")
}

/// An elbow that stands still while the others move is named within seconds, and no joint is before.
fn stuck_is_found(model: &Path) {
    let mut robot =
        thalweg::load("robot").unwrap().parameter("model", model.to_str().unwrap()).steps(1).build().unwrap();
    let elbow = robot.spec().joint_index("elbow").unwrap();
    let mut suspects = Vec::new();
    for frame in 0..1200 {
        let moment = f64::from(frame) / 20.0;
        let mut truth = positions(moment);
        if frame >= 800 {
            truth[4] = positions(40.0)[4];
        }
        let seen = robot.observe().joints(JOINTS.iter().copied().zip(truth)).unwrap();
        robot.solve(&seen.stamp_nanos((1e9 + moment * 1e9) as i64)).unwrap();
        suspects = robot.joint_watch().unwrap().suspects();
        assert!(frame >= 800 || suspects.is_empty(), "{suspects:?} at frame {frame}");
        if !suspects.is_empty() {
            break;
        }
    }
    assert_eq!(suspects.first().map(|suspect| suspect.joint), Some(elbow), "{suspects:?}");
}

fn refused(run: &Run, expected: &str) {
    assert_eq!(run.code, 3, "{}", run.err);
    let last = run.err.lines().last().unwrap_or_default();
    assert!(last.starts_with("error: ") && last.contains(expected), "{}\nexpected: {expected}", run.err);
}

#[test]
fn a_robot_is_adopted_and_its_joints_are_completed() {
    let folder = tempdir().unwrap();
    // Neither the copy of the finger, which follows, nor the lamp is recorded.
    let data = table(folder.path(), 120.0, 6, |angle| angle);
    let run = adopt(&urdf(), &data, &["--quick", "--steps", "300", "--buffers", "4"]);
    assert_eq!(run.code, 0, "{}", run.err);
    for told in [
        "mixed: 8 joints that move",
        "| finger_copy | prismatic |",
        "follows finger",
        "not in the data: constant",
        "left out: battery",
        "which joint lies: limits of one false alarm an hour",
        "| | thalweg | range seen in training | Mahalanobis distance of a frame | of the last 300 frames | named first |",
        "| hidden | thalweg | LM from zero | conditional Gaussian | nearest frame | hold-last |",
    ] {
        assert!(run.out.contains(told), "no {told} in\n{}", run.out);
    }
    let model = folder.path().join("model");
    let mut files: Vec<String> =
        fs::read_dir(&model).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    let expected = [
        "README.md",
        "robot.launch.py",
        "robot.safetensors",
        "robot.urdf",
        "robot.yaml",
        "robot_motion.safetensors",
        "robot_surprise.safetensors",
        "robot_theta.safetensors",
    ];
    assert_eq!(files, expected);
    let [with, without] = [true, false].map(|time| error_after_silence(&model, time));
    assert!(with < 0.5 * without, "{with} with time, {without} without");
    stuck_is_found(&model);
    // Without training anew, F and theta stay as they are.
    let before = fs::read(model.join("robot_theta.safetensors")).unwrap();
    let again = adopt(&urdf(), &data, &["--quick", "--keep"]);
    assert_eq!(again.code, 0, "{}", again.err);
    assert_eq!(fs::read(model.join("robot_theta.safetensors")).unwrap(), before);
    let parameter = format!("model={}", model.display());
    let written = folder.path().join("solution.json");
    let more = ["--parameter", &parameter, "--output", written.to_str().unwrap()];
    let solved = solve("robot", r#"{"joints": {"lift": 0.4, "shoulder": 0.3}}"#, &more).passed();
    assert!(solved.out.contains("elbow"), "{}", solved.out);
    let text = read_solution(&written).to_string();
    JOINTS.iter().for_each(|name| assert!(text.contains(name), "no {name} in {text}"));
}

#[test]
fn what_cannot_be_learned_from_is_refused_in_a_sentence() {
    let folder = tempdir().unwrap();
    let at = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let data = table(folder.path(), 60.0, 8, |angle| angle);
    refused(&adopt(&at("arm.xacro", "<robot><xacro:arm/></robot>"), &data, &[]), "this is xacro, not URDF");
    refused(&adopt(&folder.path().join("none.urdf"), &data, &[]), "No such file");
    refused(&adopt(&urdf(), &at("other.csv", "shoulder_joint,elbow_joint\n0,1\n"), &[]), "the nearest known name is");
    refused(&adopt(&urdf(), &at("bare.csv", "1,2,3\n4,5,6\n"), &[]), "begins with numbers");
    refused(&adopt(&urdf(), &at("empty.csv", ""), &[]), "is empty");
    refused(&adopt(&urdf(), &at("short.csv", "lift,elbow\n0.1\n"), &[]), "line 2: 1 fields, expected 2");
    refused(&adopt(&urdf(), &at("text.npz", "no archive"), &[]), "no NumPy archive");
    refused(&adopt(&urdf(), &at("few.csv", "lift,elbow\n0.1,0.2\n0.2,0.3\n"), &[]), "frames to learn from");
    refused(&adopt(&urdf(), &data, &["--hold-out", "walk"]), "no clip has that in its name");
    let still = format!("lift,elbow\n{}", "0.1,0.2\n".repeat(2_000));
    refused(&adopt(&urdf(), &at("still.csv", &still), &[]), "frames to learn from");
    let recorded = thalweg_tests::recording::record(folder.path(), Landscape::identity(3), 12);
    refused(&adopt(&urdf(), &recorded, &[]), "no joint of the URDF is among its joints joint_1");
    refused(&adopt(&urdf(), &recorded, &["--topic", "/arm"]), "--topic /arm: has no joint states; found /");
}

#[test]
fn degrees_are_noticed_and_taken_when_told() {
    let folder = tempdir().unwrap();
    let data = table(folder.path(), 120.0, 8, f64::to_degrees);
    refused(&adopt(&urdf(), &data, &[]), "angles look like degrees");
    let run = adopt(&urdf(), &data, &["--degrees", "--quick", "--steps", "20", "--buffers", "1"]);
    assert_eq!(run.code, 0, "{}", run.err);
    assert!(URDF.contains("shoulder") && run.out.contains("| shoulder | revolute | 80."), "{}", run.out);
}
