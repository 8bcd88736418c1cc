//! The importers on the real motion capture; skipped where that is not at hand.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests open files")]

use std::collections::BTreeSet;
use std::f64::consts::PI;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use nalgebra::{Matrix3, RowVector3, UnitQuaternion, Vector3};
use npyz::WriterBuilder;
use npyz::npz::{NpzArchive, NpzWriter};
use thalweg_body_pose::dataset::{Clip, Dataset, DatasetError, Source, Split};
use thalweg_body_pose::kinematics::{forward, from_axis_angle, split};
use thalweg_body_pose::skeleton::{AXIS_ORDERS, JOINTS, LIMITS, NAMES, joint_index};

/// The motion capture, or `None` with a line that says why.
fn folder() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("THALWEG_DATA").map_or_else(beside, PathBuf::from).join("mocap");
    if folder.is_dir() {
        return Some(folder);
    }
    // Past the test harness, which swallows what a passing test prints: nobody is to take this for a test.
    writeln!(std::io::stderr(), "skipped: no mocap data at {}", folder.display()).expect("stderr is open");
    None
}

fn dataset() -> Option<&'static Dataset> {
    static DATASET: OnceLock<Dataset> = OnceLock::new();
    let folder = folder()?;
    Some(DATASET.get_or_init(|| Dataset::load(&folder).expect("the data is whole")))
}

fn joint(name: &str) -> usize {
    joint_index(name).expect("a joint of the body")
}

fn poses(dataset: &Dataset) -> impl Iterator<Item = &[[f32; 3]; JOINTS]> {
    dataset.clips.iter().flat_map(|clip| &clip.poses)
}

fn fraction(hits: usize, of: usize) -> f64 {
    hits as f64 / of as f64
}

#[test]
fn every_clip_arrives_and_has_one_split() {
    let Some(dataset) = dataset() else { return };
    let clips = |source| Split::ALL.map(|split| dataset.count(source, split).0);
    assert_eq!(clips(Source::Cmu), [64, 6, 23, 3]);
    assert_eq!(clips(Source::Asap), [34, 5, 5, 7]);
    assert_eq!(clips(Source::ReactIdle), [15, 1, 6, 0]);
    let frames = |source| Split::ALL.map(|split| dataset.count(source, split).1).iter().sum::<usize>();
    assert_eq!(frames(Source::Asap), 7426, "every frame of the file");
    assert_eq!(frames(Source::ReactIdle), 16_837);
    assert_eq!(frames(Source::Cmu), 16_980);
    let names: BTreeSet<_> = dataset.clips.iter().map(|clip| (format!("{:?}", clip.source), &clip.name)).collect();
    assert_eq!(names.len(), dataset.clips.len(), "a clip came twice");
}

#[test]
fn poses_are_finite_and_canonical() {
    let Some(dataset) = dataset() else { return };
    for clip in &dataset.clips {
        for vector in clip.poses.as_flattened() {
            let angle = Vector3::from(*vector).cast::<f64>().norm();
            assert!(angle <= PI + 1e-5, "{}: {angle} rad", clip.name);
        }
    }
    let flat = dataset.poses(Split::Test);
    let frames: usize = Source::ALL.map(|source| dataset.count(source, Split::Test).1).iter().sum();
    assert_eq!(flat.len(), frames * 3 * JOINTS);
}

/// The 96 equal first frames of CMU are no motion.
#[test]
fn calibration_poses_are_left_out_and_counted() {
    let Some(dataset) = dataset() else { return };
    for clip in &dataset.clips {
        let expected = (usize::from(clip.source == Source::Cmu), 0);
        assert_eq!((clip.calibration, clip.not_finite), expected, "{}", clip.name);
    }
}

#[test]
fn held_out_actions_are_in_no_other_split() {
    let Some(dataset) = dataset() else { return };
    for clip in &dataset.clips {
        let held_out = ["washwindow", "directing_traffic", "kick_", "single_foot_balance"];
        let expected = held_out.iter().any(|action| clip.name.contains(action));
        assert_eq!(clip.split == Split::OutOfDistribution, expected, "{}", clip.name);
    }
}

/// Nobody stands idle in two splits: 003_genuine is the performer of 002.
#[test]
fn performers_are_in_one_split() {
    let Some(dataset) = dataset() else { return };
    let idle = dataset.of_source(Source::ReactIdle);
    let performer = |clip: &Clip| clip.name[..3].replace("003", "002");
    for clip in &idle.clips {
        let other = idle.clips.iter().find(|other| performer(other) == performer(clip) && other.split != clip.split);
        assert!(other.is_none(), "{} and {}", clip.name, other.map_or("", |other| &other.name));
    }
}

/// No test clip is a copy of a training clip, mirrored ones included: a copy would be at zero.
#[test]
fn no_held_out_clip_repeats_a_training_clip() {
    let Some(dataset) = dataset() else { return };
    let training: Vec<&[[f32; 3]; JOINTS]> = dataset.of_split(Split::Train).flat_map(|clip| &clip.poses).collect();
    for clip in dataset.clips.iter().filter(|clip| clip.split != Split::Train) {
        let stride = clip.poses.len().div_ceil(5);
        let samples: Vec<_> = clip.poses.iter().step_by(stride).flat_map(|pose| [*pose, mirrored(pose)]).collect();
        for reflected in [0, 1] {
            let mut distances: Vec<f64> =
                samples.iter().skip(reflected).step_by(2).map(|pose| nearest_degrees(pose, &training)).collect();
            distances.sort_by(f64::total_cmp);
            let median = distances[distances.len() / 2];
            assert!(median > 1.5, "{} is {median} degrees (root mean square) from training", clip.name);
        }
    }
}

fn nearest_degrees(pose: &[[f32; 3]; JOINTS], among: &[&[[f32; 3]; JOINTS]]) -> f64 {
    let square = |other: &[[f32; 3]; JOINTS]| -> f32 {
        pose.as_flattened().iter().zip(other.as_flattened()).map(|(a, b)| (a - b) * (a - b)).sum()
    };
    let nearest = among.iter().map(|other| square(other)).fold(f32::INFINITY, f32::min);
    f64::from(nearest / JOINTS as f32).sqrt().to_degrees()
}

/// Left and right change places; turns about y and z change sign.
fn mirrored(pose: &[[f32; 3]; JOINTS]) -> [[f32; 3]; JOINTS] {
    std::array::from_fn(|index| {
        let name = NAMES[index];
        let other = name.strip_prefix("left").map(|rest| format!("right{rest}"));
        let other = other.or_else(|| name.strip_prefix("right").map(|rest| format!("left{rest}")));
        let [x, y, z] = pose[other.map_or(index, |other| joint(&other))];
        [x, -y, -z]
    })
}

/// Counts how often something holds, where it can be told.
#[derive(Default)]
struct Share {
    hits: usize,
    of: usize,
}

impl Share {
    fn add(&mut self, hit: bool) {
        self.hits += usize::from(hit);
        self.of += 1;
    }

    /// Adds a bone's direction in its parent's frame, where it is bent from `straight` by more
    /// than 25 degrees: does it lean as it should along z?
    fn add_bend(&mut self, bone: Vector3<f64>, straight: Vector3<f64>, forward: f64) {
        if bone.angle(&straight) > 25f64.to_radians() {
            self.add(bone.z * forward > 0.0);
        }
    }
}

/// Knees bend backward, elbows forward, toes look forward, left is left: what a wrong axis or a
/// transposed rotation would break.
#[test]
fn bodies_look_like_people() {
    let Some(dataset) = dataset() else { return };
    for source in Source::ALL {
        let [mut knees, mut elbows, mut toes, mut sides, mut upright]: [Share; 5] = Default::default();
        for pose in poses(&dataset.of_source(source)) {
            let posture = forward(&from_axis_angle(pose));
            let place = |name: &str| posture.positions[joint(name) + 1];
            let seen_from = |name: &str, from: &str, to: &str| {
                posture.orientations[joint(name) + 1].inverse() * (place(to) - place(from))
            };
            knees.add_bend(seen_from("left_hip", "left_knee", "left_ankle"), -Vector3::y(), -1.0);
            knees.add_bend(seen_from("right_hip", "right_knee", "right_ankle"), -Vector3::y(), -1.0);
            elbows.add_bend(seen_from("left_shoulder", "left_elbow", "left_wrist"), Vector3::x(), 1.0);
            elbows.add_bend(seen_from("right_shoulder", "right_elbow", "right_wrist"), -Vector3::x(), 1.0);
            toes.add(seen_from("left_knee", "left_ankle", "left_foot").z > 0.0);
            sides.add(place("left_shoulder").x > place("right_shoulder").x);
            upright.add(place("head").y > 0.2 && place("left_ankle").y < 0.0);
        }
        for (what, share) in
            [("knees", knees), ("elbows", elbows), ("toes", toes), ("sides", sides), ("upright", upright)]
        {
            assert!(share.of > 100, "{source:?}, {what}: only {} cases", share.of);
            let hits = fraction(share.hits, share.of);
            assert!(hits > 0.97, "{source:?}, {what}: {hits} of {}", share.of);
        }
    }
}

/// The limits hold 99.9 % of frames about each axis, and the axis orders stay off gimbal lock:
/// the figures that skeleton.rs states.
#[test]
fn limits_and_axis_orders_fit_the_data() {
    let Some(dataset) = dataset() else { return };
    let mut inside = [[0usize; 3]; JOINTS];
    let mut locked = [0usize; JOINTS];
    let mut frames = 0;
    for pose in poses(dataset) {
        frames += 1;
        for (index, rotation) in from_axis_angle(pose).iter().enumerate() {
            let angles = split(AXIS_ORDERS[index], rotation);
            locked[index] += usize::from(angles[AXIS_ORDERS[index].axes()[1]].abs() > 75f64.to_radians());
            for axis in 0..3 {
                let (lower, upper) = LIMITS[index][axis];
                inside[index][axis] += usize::from((lower..=upper).contains(&angles[axis]));
            }
        }
    }
    for index in 0..JOINTS {
        for (axis, hits) in inside[index].iter().enumerate() {
            let share = fraction(*hits, frames);
            assert!(share > 0.999, "{} axis {axis}: {share} inside", NAMES[index]);
        }
        let (name, share) = (NAMES[index], fraction(locked[index], frames));
        let allowed = if name.ends_with("shoulder") { 0.004 } else { 0.0 };
        assert!(share <= allowed, "{name}: {share} near gimbal lock");
    }
}

/// The source's own kinematics, read here a second time with the row vectors of its description.
struct CmuSource {
    parents: Vec<i64>,
    offsets: Vec<RowVector3<f64>>,
    rows: Vec<f32>,
    clip: Vec<i16>,
    names: Vec<String>,
}

impl CmuSource {
    fn load(folder: &Path) -> Self {
        let open = |name: &str| NpzArchive::open(folder.join(name)).expect("the data is whole");
        let (mut skeleton, mut motion) = (open("cmu38_skeleton.npz"), open("cmu_expmap.npz"));
        macro_rules! read {
            ($archive:expr, $name:literal) => {
                $archive.by_name($name).expect("readable").expect("there").into_vec().expect("of this type")
            };
        }
        let offsets: Vec<f64> = read!(skeleton, "offset");
        Self {
            parents: read!(skeleton, "parent"),
            offsets: offsets.chunks_exact(3).map(RowVector3::from_row_slice).collect(),
            rows: read!(motion, "X"),
            clip: read!(motion, "clip"),
            names: read!(motion, "names"),
        }
    }

    /// Places of the 38 joints, seen from the root.
    fn places(&self, row: usize) -> Vec<RowVector3<f64>> {
        let maps = &self.rows[row * 117 + 3..(row + 1) * 117];
        let (mut turns, mut places): (Vec<Matrix3<f64>>, Vec<RowVector3<f64>>) = (Vec::new(), Vec::new());
        for (index, map) in maps.chunks_exact(3).enumerate() {
            let turn = UnitQuaternion::from_scaled_axis(Vector3::from_column_slice(map).cast()).to_rotation_matrix();
            let Ok(parent) = usize::try_from(self.parents[index]) else {
                turns.push(turn.into_inner());
                places.push(RowVector3::zeros());
                continue;
            };
            places.push(self.offsets[index] * turns[parent] + places[parent]);
            turns.push(turn.into_inner() * turns[parent]);
        }
        places.iter().map(|place| place * turns[0].transpose()).collect()
    }
}

/// Limbs point where the source's limbs point, as seen from the pelvis, within 0.1 degrees.
#[test]
fn cmu_limbs_point_as_in_the_source() {
    let Some((dataset, folder)) = dataset().zip(folder()) else {
        return;
    };
    let source = CmuSource::load(&folder);
    let limbs = [
        ("hip", "knee", [2, 8]),
        ("knee", "ankle", [3, 9]),
        ("shoulder", "elbow", [21, 30]),
        ("elbow", "wrist", [22, 31]),
    ];
    let mut compared = 0;
    for (index, clip) in dataset.clips.iter().filter(|clip| clip.source == Source::Cmu).enumerate() {
        assert!(source.names[index].contains(&clip.name), "{} is not {}", source.names[index], clip.name);
        let first = source.clip.iter().position(|&of| usize::try_from(of) == Ok(index)).expect("a clip has frames");
        for frame in (0..clip.poses.len()).step_by(20) {
            let places = source.places(first + 1 + 4 * frame);
            let posture = forward(&from_axis_angle(&clip.poses[frame]));
            for (side, prefix) in ["left_", "right_"].into_iter().enumerate() {
                for (from, to, segments) in limbs {
                    let place = |name: &str| posture.positions[joint(&format!("{prefix}{name}")) + 1];
                    let wanted = (places[segments[side] + 1] - places[segments[side]]).transpose();
                    let angle = (place(to) - place(from)).angle(&wanted).to_degrees();
                    assert!(angle < 0.1, "{} frame {frame}, {prefix}{from}: {angle} degrees", clip.name);
                    compared += 1;
                }
            }
        }
    }
    assert!(compared > 5000, "only {compared} limbs were compared");
}

#[test]
fn a_missing_file_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let error = Dataset::load(folder.path()).expect_err("there is nothing").to_string();
    assert!(error.contains("cmu38_skeleton.npz"), "{error}");
}

fn write_array<T: npyz::AutoSerialize>(
    writer: &mut NpzWriter<std::io::BufWriter<fs::File>>,
    name: &str,
    shape: &[u64],
    values: Vec<T>,
) {
    let options = npyz::zip::write::FileOptions::default();
    let mut array =
        writer.array(name, options).expect("begins").default_dtype().shape(shape).begin_nd().expect("writable");
    array.extend(values).expect("writable");
    array.finish().expect("writable");
}

#[test]
fn a_wrong_shape_names_file_array_and_both_shapes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut writer = NpzWriter::create(folder.path().join("cmu38_skeleton.npz")).expect("writable");
    write_array(&mut writer, "offset", &[37, 3], vec![0.0f64; 111]);
    drop(writer);
    let error = Dataset::load(folder.path()).expect_err("one joint is missing");
    let DatasetError::Shape { array, ref got, .. } = error else { panic!("{error}") };
    assert_eq!((array, got.as_slice()), ("offset", &[37u64, 3][..]));
    let text = error.to_string();
    assert!(text.contains("cmu38_skeleton.npz") && text.contains("[38, 3]") && text.contains("[37, 3]"), "{text}");
}

#[test]
fn a_wrong_type_and_a_missing_array_are_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("cmu38_skeleton.npz");
    let mut writer = NpzWriter::create(&path).expect("writable");
    write_array(&mut writer, "offset", &[38, 3], vec![0.0f32; 114]);
    drop(writer);
    let error = Dataset::load(folder.path()).expect_err("f32 is not f64");
    assert!(matches!(error, DatasetError::ElementType { array: "offset", .. }), "{error}");
    let mut writer = NpzWriter::create(&path).expect("writable");
    write_array(&mut writer, "offset", &[38, 3], vec![0.0f64; 114]);
    drop(writer);
    let error = Dataset::load(folder.path()).expect_err("parent is missing");
    assert!(matches!(error, DatasetError::MissingArray { array: "parent", .. }), "{error}");
    assert!(error.to_string().contains("offset"), "does not say what is there: {error}");
}

/// Writes the names of clips, as text of at most 16 characters.
fn write_names(writer: &mut NpzWriter<std::io::BufWriter<fs::File>>, names: &[&str]) {
    let options = npyz::zip::write::FileOptions::default();
    let text = npyz::DType::Plain("<U16".parse().expect("a type of numpy"));
    let mut array = writer
        .array("names", options)
        .expect("begins")
        .dtype(text)
        .shape(&[names.len() as u64])
        .begin_nd()
        .expect("writable");
    array.extend(names.iter().map(|name| (*name).to_owned())).expect("writable");
    array.finish().expect("writable");
}

/// Writes a whole folder of motion capture: one CMU clip of nine frames, one ASAP clip of `asap` rows, no idling.
///
/// `segments`: joints of CMU's motion; `asap_width`: numbers in a row of ASAP.
fn write_folder(folder: &Path, segments: u64, asap_width: u64, asap: &[f32]) {
    let create = |name: &str| NpzWriter::create(folder.join(name)).expect("writable");
    let mut skeleton = create("cmu38_skeleton.npz");
    write_array(&mut skeleton, "offset", &[38, 3], (0..114).map(|value| f64::from(value % 7) - 3.0).collect());
    write_array(&mut skeleton, "parent", &[38], (-1..37).collect::<Vec<i64>>());
    drop(skeleton);
    let mut cmu = create("cmu_expmap.npz");
    write_names(&mut cmu, &["train/walking/1"]);
    let width = 3 + 3 * segments;
    let mut frames: Vec<f32> = vec![0.1; 9 * width as usize];
    // Frames 1, 5, .. are taken; a value of frame 5 is missing.
    frames[5 * width as usize + 20] = f32::NAN;
    write_array(&mut cmu, "X", &[9, width], frames);
    write_array(&mut cmu, "clip", &[9], vec![0i16; 9]);
    write_array(&mut cmu, "split", &[9], vec![0u8; 9]);
    drop(cmu);
    let mut file = create("asap_smpl.npz");
    let rows = asap.len() as u64 / asap_width;
    write_names(&mut file, &["jump"]);
    write_array(&mut file, "poses", &[rows, asap_width], asap.to_vec());
    write_array(&mut file, "clip", &[rows], vec![0i32; rows as usize]);
    drop(file);
    let empty = zip::ZipWriter::new(fs::File::create(folder.join("reactidle-bvh.zip")).expect("writable"));
    empty.finish().expect("writable");
}

#[test]
fn poses_that_are_not_finite_are_left_out_and_counted() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut asap = vec![0.2f32; 4 * 72];
    (asap[72 + 5], asap[3 * 72 + 71]) = (f32::NAN, f32::INFINITY);
    write_folder(folder.path(), 38, 72, &asap);
    let dataset = Dataset::load(folder.path()).expect("the data is whole");
    let counts = |index: usize| {
        let clip: &Clip = &dataset.clips[index];
        (clip.poses.len(), clip.not_finite, clip.calibration)
    };
    // The last joints of SMPL are hands, which are not ours: what they hold does no harm.
    assert_eq!((counts(0), counts(1)), ((1, 1, 1), (3, 1, 0)));
    assert_eq!(Source::ALL.map(|source| dataset.not_finite(source)), [1, 1, 0]);
    let poses: Vec<f32> = Split::ALL.iter().flat_map(|split| dataset.poses(*split)).collect();
    assert!(poses.len() == 4 * 63 && poses.iter().all(|value| value.is_finite()));
}

#[test]
fn too_few_clips_are_counted() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_folder(folder.path(), 38, 72, &[f32::NAN; 72]);
    let dataset = Dataset::load(folder.path()).expect("the data is whole");
    let split = dataset.clips[0].split;
    dataset.expect_clips(split, 1).expect("CMU's clip has a pose");
    let error = dataset.expect_clips(split, 10).expect_err("there is one").to_string();
    assert_eq!(error, format!("the data has 1 {} clips with poses; expected at least 10", split.name()));
    // ASAP's only pose is not finite: its clip is empty, and does not count.
    assert!(dataset.clips[1].poses.is_empty());
    let total: usize = Split::ALL.iter().filter(|split| dataset.expect_clips(**split, 1).is_ok()).count();
    assert_eq!(total, 1);
}

#[test]
fn another_skeleton_is_refused_with_file_array_and_both_counts() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let refusal = || Dataset::load(folder.path()).expect_err("another skeleton").to_string();
    write_folder(folder.path(), 31, 72, &[0.0; 72]);
    let text = refusal();
    assert!(text.contains("cmu_expmap.npz: array 'X': expected 38 joints of 3 numbers after 3 others"), "{text}");
    assert!(text.ends_with("got rows of 96 numbers, which are 31 joints"), "{text}");
    write_folder(folder.path(), 38, 165, &[0.0; 165]);
    let text = refusal();
    assert!(text.contains("asap_smpl.npz: array 'poses': expected 24 joints of 3 numbers after 0 others"), "{text}");
    assert!(text.ends_with("got rows of 165 numbers, which are 55 joints"), "{text}");
    write_folder(folder.path(), 38, 64, &[0.0; 64]);
    assert!(refusal().ends_with("got rows of 64 numbers, which are no whole number of joints"));
}
