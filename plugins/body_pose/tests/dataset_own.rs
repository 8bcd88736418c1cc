//! A user's own motion: texts as other programs write them, and broken ones.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests touch files")]

use std::fs;
use std::io::Write;
use std::path::Path;

use nalgebra::Vector3;
use thalweg_body_pose::dataset::{Dataset, Source, Split};
use thalweg_body_pose::skeleton::{JOINTS, joint_index};

/// A joint: depth, name, offset.
type Row = (usize, &'static str, [f64; 3]);

/// A person of 3ds Max, metres.
const PERSON: [Row; 18] = [
    (0, "Bip01", [0.0, 1.0, 0.0]),
    (1, "Bip01 Spine", [0.0, 0.1, 0.0]),
    (2, "Bip01 Spine1", [0.0, 0.2, 0.0]),
    (3, "Bip01 Neck", [0.0, 0.2, 0.0]),
    (4, "Bip01 Head", [0.0, 0.1, 0.0]),
    (3, "Bip01 L Clavicle", [0.05, 0.15, 0.0]),
    (4, "Bip01 L UpperArm", [0.15, 0.0, 0.0]),
    (5, "Bip01 L Forearm", [0.3, 0.0, 0.0]),
    (6, "Bip01 L Hand", [0.25, 0.0, 0.0]),
    (3, "Bip01 R Clavicle", [-0.05, 0.15, 0.0]),
    (4, "Bip01 R UpperArm", [-0.15, 0.0, 0.0]),
    (5, "Bip01 R Forearm", [-0.3, 0.0, 0.0]),
    (1, "Bip01 L Thigh", [0.1, -0.05, 0.0]),
    (2, "Bip01 L Calf", [0.0, -0.4, 0.0]),
    (3, "Bip01 L Foot", [0.0, -0.4, 0.0]),
    (1, "Bip01 R Thigh", [-0.1, -0.05, 0.0]),
    (2, "Bip01 R Calf", [0.0, -0.4, 0.0]),
    (3, "Bip01 R Foot", [0.0, -0.4, 0.0]),
];

/// Writes a person whose left calf is bent by the angles, degrees, one a frame; `unit` metres are one.
fn bvh(unit: f64, every_joint_moves: bool, angles: &[&str]) -> String {
    let mut text = String::from("HIERARCHY\n");
    for (index, (depth, name, [x, y, z])) in PERSON.into_iter().enumerate() {
        let keyword = if index == 0 { "ROOT" } else { "JOINT" };
        let places = if every_joint_moves || index == 0 { "6 Xposition Yposition Zposition" } else { "3" };
        text += &format!("{keyword} {name}\n{{\nOFFSET {} {} {}\n", x / unit, y / unit, z / unit);
        text += &format!("CHANNELS {places} Zrotation Yrotation Xrotation\n");
        let next = PERSON.get(index + 1).map_or(0, |next| next.0);
        if next <= depth {
            text += "End Site\n{\nOFFSET 0.1 0 0\n}\n";
        }
        text += &"}\n".repeat(depth + 1 - next.min(depth + 1));
    }
    text += &format!("MOTION\nFrames: {}\nFrame Time: 0.033333\n", angles.len());
    for angle in angles {
        let row = |(index, (_, name, offset)): (usize, &Row)| {
            let turn = if *name == "Bip01 L Calf" { format!("0 0 {angle}") } else { "0 0 0".to_owned() };
            let place = offset.map(|value| (value / unit).to_string()).join(" ");
            if every_joint_moves || index == 0 { format!("{place} {turn}") } else { turn }
        };
        text += &(PERSON.iter().enumerate().map(row).collect::<Vec<_>>().join(" ") + "\n");
    }
    text
}

fn expect_knee(pose: &[[f32; 3]; JOINTS], degrees: f64) {
    let knee = joint_index("left_knee").expect("a joint");
    for (joint, vector) in pose.iter().enumerate() {
        let wanted = Vector3::new(if joint == knee { degrees.to_radians() as f32 } else { 0.0 }, 0.0, 0.0);
        // A foot without toes goes with the shank; all else is at rest.
        assert!((Vector3::from(*vector) - wanted).norm() < 1e-4, "joint {joint}: {vector:?}");
    }
}

#[test]
fn units_and_channels_do_not_matter() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (unit, every_joint_moves) in [(1.0, false), (0.01, false), (0.0254, true)] {
        let path = folder.path().join("take.BVH");
        fs::write(&path, bvh(unit, every_joint_moves, &["0", "50"]).replace('\n', "\r\n")).expect("writable");
        let dataset = Dataset::load_own(&path).expect("readable");
        assert!(dataset.refused.is_empty(), "{:?}", dataset.refused);
        let [clip] = &dataset.clips[..] else { panic!("one clip, not {}", dataset.clips.len()) };
        assert_eq!((clip.name.as_str(), clip.source, clip.poses.len()), ("take", Source::Own, 2));
        expect_knee(&clip.poses[0], 0.0);
        expect_knee(&clip.poses[1], 50.0);
    }
}

/// As rigs of Blender and ones that end at the neck have it.
#[test]
fn a_head_by_another_name_or_none_is_borne() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for name in ["face", "Bip01 Crown"] {
        let path = folder.path().join("take.bvh");
        fs::write(&path, bvh(1.0, false, &["0", "50"]).replace("Bip01 Head", name)).expect("writable");
        let dataset = Dataset::load_own(&path).expect("readable");
        assert!(dataset.refused.is_empty(), "{name}: {:?}", dataset.refused);
        expect_knee(&dataset.clips[0].poses[1], 50.0);
    }
}

#[test]
fn one_bad_clip_is_told_and_the_others_are_read() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = fs::File::create(folder.path().join("takes.zip")).expect("writable");
    let mut archive = zip::ZipWriter::new(file);
    let good = bvh(1.0, false, &["10", "nan", "20"]);
    let entries = [
        ("a/good.bvh", good.clone()),
        ("a/GLUED.BVH", good.replace("0 0 10 0", "0 0 10.0-7.5 0")),
        ("a/cut.bvh", good[..good.len() - 40].to_owned()),
        ("a/thing.bvh", good.replace("Bip01 L Calf", "Wheel")),
        ("__MACOSX/a/._good.bvh", "\u{0}\u{5}".to_owned()),
        ("notes.txt", "nothing".to_owned()),
    ];
    for (name, text) in entries {
        archive.start_file(name, zip::write::SimpleFileOptions::default()).expect("begins");
        archive.write_all(text.as_bytes()).expect("writable");
    }
    archive.finish().expect("writable");
    let dataset = Dataset::load_own(&folder.path().join("takes.zip")).expect("readable");
    let [clip] = &dataset.clips[..] else { panic!("one clip, not {}", dataset.clips.len()) };
    assert_eq!((clip.name.as_str(), clip.poses.len(), clip.not_finite), ("a/good", 2, 1));
    let told: Vec<String> = dataset.refused.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    for words in ["a/GLUED.BVH, line", "got '10.0-7.5'", "a/cut.bvh, line", "a/thing.bvh: joint 'knee' is missing"] {
        assert!(told.iter().any(|line| line.contains(words)), "{words}: {told:?}");
    }
}

/// A training on motion of one's own: all places count, one clip is kept for validation, and a place without motion is named.
#[test]
fn motion_of_several_places_is_trained_on_together() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let takes = folder.path().join("takes");
    fs::create_dir(&takes).expect("writable");
    let mut paths = vec![takes.clone()];
    for number in 0..6 {
        let angles = [number.to_string(), "20".to_owned()];
        let text = bvh(1.0, false, &angles.each_ref().map(String::as_str));
        let path =
            if number < 4 { takes.join(format!("{number}.bvh")) } else { folder.path().join(format!("{number}.bvh")) };
        fs::write(&path, text).expect("writable");
        if number >= 4 {
            paths.push(path);
        }
    }
    let dataset = Dataset::load_from(&paths).expect("readable");
    let count = |split| dataset.of_split(split).count();
    assert_eq!(dataset.clips.len(), 6);
    assert!((1..=2).contains(&count(Split::Validation)), "{}", count(Split::Validation));
    assert_eq!(count(Split::Train) + count(Split::Validation), 6);
    fs::write(folder.path().join("notes.txt"), "nothing").expect("writable");
    paths.push(folder.path().join("notes.txt"));
    let error = Dataset::load_from(&paths).expect_err("no motion").to_string();
    assert!(error.contains("notes.txt: expected motion capture") && error.ends_with("found none"), "{error}");
}

/// A person of Acclaim: bone, parent, direction, length, axis, degrees of freedom.
const ASF_BONES: &str = "lhipjoint root 1 -0.4 0 1 0 0
lfemur lhipjoint 0.34 -0.94 0 7 20 rx,ry,rz
ltibia lfemur 0.34 -0.94 0 7 20 rx
rhipjoint root -1 -0.4 0 1 0 0
rfemur rhipjoint -0.34 -0.94 0 7 -20 rx,ry,rz
rtibia rfemur -0.34 -0.94 0 7 -20 rx
lowerback root 0 1 0 2 0 rx,ry,rz
thorax lowerback 0 1 0 2 0 rx,ry,rz
head thorax 0 1 0 3 0 rx,ry,rz
lhumerus thorax 1 0 0 5 0 rx,ry,rz
lradius lhumerus 1 0 0 3 0 0
rhumerus thorax -1 0 0 5 0 rx,ry,rz
rradius rhumerus -1 0 0 3 0 0";

fn asf() -> String {
    let mut text = String::from(
        ":version 1.10\n:name VICON\n:units\n  mass 1.0\n  length 0.45\n  angle deg\n:root\n  order TX TY TZ RX RY RZ\n  \
         axis XYZ\n  position 0 0 0\n  orientation 0 0 0\n:bonedata\n",
    );
    let (mut hierarchy, bones) = (String::from(":hierarchy\nbegin\n"), ASF_BONES.lines());
    for line in bones {
        let [name, parent, x, y, z, length, axis, rest @ ..] = &line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let freedoms = rest.last().map_or(String::new(), |rest| rest.replace(',', " "));
        text += &format!("begin\nid 1\nname {name}\ndirection {x} {y} {z}\nlength {length}\naxis 0 0 {axis} XYZ\n");
        text +=
            &(if freedoms.starts_with('r') { format!("dof {freedoms}\nlimits (-1 1)\nend\n") } else { "end\n".into() });
        hierarchy += &format!("{parent} {name}\n");
    }
    text + &hierarchy + "end\n"
}

fn write_takes(folder: &Path, asf: &str, amc: &str) -> Dataset {
    fs::write(folder.join("35.asf"), asf).expect("writable");
    fs::write(folder.join("35_01.amc"), amc).expect("writable");
    Dataset::load_own(folder).expect("readable")
}

/// The tibia's own x axis is tilted with it: a turn about it bends the knee backward, and nothing else.
#[test]
fn acclaims_knees_bend_about_the_bones_own_axis() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let amc: String =
        (1..=5).map(|frame| format!("{frame}\nroot 0 17 0 0 0 0\nltibia {}\n", 50 * (frame / 5))).collect();
    let text = format!("#!OML:ASF file\n:FULLY-SPECIFIED\n:DEGREES\n{amc}");
    let dataset = write_takes(folder.path(), &asf(), &text);
    assert!(dataset.refused.is_empty(), "{:?}", dataset.refused);
    let clip = &dataset.clips[0];
    assert_eq!((clip.name.as_str(), clip.poses.len(), clip.fps), ("35_01", 2, 30.0));
    expect_hips(&clip.poses[0], 0.0);
    expect_hips(&clip.poses[1], 50.0);
}

/// Thighs point out by twenty degrees at rest, the knee is bent by so much.
fn expect_hips(pose: &[[f32; 3]; JOINTS], degrees: f32) {
    let angle = |joint: &str| Vector3::from(pose[joint_index(joint).expect("a joint")]).norm().to_degrees();
    assert!((angle("left_hip") - 20.0).abs() < 0.2, "{}", angle("left_hip"));
    assert!((angle("left_knee") - degrees).abs() < 0.01, "{}", angle("left_knee"));
    assert!(pose[joint_index("left_knee").expect("a joint")][0] >= -1e-3);
    assert!(angle("spine2") < 1e-3 && angle("left_elbow") < 1e-3 && angle("right_knee") < 0.01);
}

#[test]
fn broken_acclaim_files_are_refused_with_line_and_words() {
    let amc = "1\nltibia 5\n";
    let cases = [
        (asf(), "1\nltibia 5 6\n", "35_01.amc, line 2: frame 1, ltibia: expected 1 values, got 2"),
        (asf(), "1\nwing 5\n", "line 2: expected the number of a frame or a bone of the skeleton, got 'wing'"),
        (asf(), "ltibia 5\n", "line 1: expected the number of a frame"),
        (asf(), "1\nltibia 5.0-3\n", "expected a number, got '5.0-3'"),
        (asf(), "", "got the end of the text"),
        (asf().replace("direction 0.34 -0.94 0", "direction 1e300 0 0"), amc, "at most 1000000"),
        (asf().replace("root lowerback", "roof lowerback"), amc, "got 'roof'"),
        (asf().replace("root lowerback", "root lowerback lowerback"), amc, "once, got 'lowerback'"),
        (asf().replace("name head", "name heel"), amc, "got 'head'"),
        (String::new(), amc, "35.asf, line"),
    ];
    for (asf, amc, words) in cases {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let dataset = write_takes(folder.path(), &asf, amc);
        let told = dataset.refused.first().map(ToString::to_string).unwrap_or_default();
        assert!(dataset.clips.is_empty() && told.contains(words), "{words}: {told}");
    }
}

#[test]
fn motion_without_its_skeleton_is_told() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("35_01.amc"), "1\n").expect("writable");
    let dataset = Dataset::load_own(folder.path()).expect("readable");
    assert!(dataset.refused[0].to_string().contains("ASF"), "{}", dataset.refused[0]);
}

#[test]
fn what_is_no_file_is_not_waited_for() {
    let error = Dataset::load_own(Path::new("/dev/null")).expect_err("it is a device").to_string();
    assert!(error.contains("expected a file or a folder"), "{error}");
}
