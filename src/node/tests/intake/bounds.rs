//! Every bound of the table, at its ends, beside them, and at the numbers that break arithmetic.

use thalweg_node::intake::{
    BOUNDS, Bound, Camera, CameraMessage, Cause, Intake, IntakeConfig, JointBoard, JointConfig, Stamp, decode_image,
    decode_points,
};
use thalweg_tests::numbers::ODD;

use crate::messages::{Cloud, Joints, NOW, Picture, at, image_spec, joint_specs, points_spec, task_spec};
use crate::pixel_rows::camera;

/// Points of FLOAT64.
fn doubles(points: &[[f64; 3]]) -> Cloud {
    let mut cloud = Cloud::new(&vec![[0.0; 3]; points.len()]);
    for (place, field) in (0..).zip(&mut cloud.fields) {
        (field.1, field.2) = (8 * place, 8);
    }
    (cloud.point_step, cloud.row_step) = (24, 24 * cloud.width);
    cloud.data = points.iter().flatten().flat_map(|value| value.to_le_bytes()).collect();
    cloud
}

/// Whether a point with this coordinate is used; its neighbour always is, and nothing infinite leaves.
fn takes_coordinate(cloud: &Cloud) -> bool {
    let decoded = decode_points(&cloud.message(&cloud.fields()), &points_spec(2)).expect("used").expect("not empty");
    let [bad, good] = [&decoded.values[..3], &decoded.values[3..]];
    assert_eq!(good, [0.1, 0.2, 0.3]);
    assert!(bad.iter().all(|value| value.is_nan()) || bad.iter().all(|value| value.is_finite()), "{bad:?}");
    bad[0].is_finite()
}

/// Whether a joint of three with this position is used; the others always are.
fn takes_position(joint: usize, position: f64) -> bool {
    let mut positions = [0.1, 0.2, 0.3];
    positions[joint] = position;
    let mut board = JointBoard::new(&joint_specs(), JointConfig::default());
    let taken = board.take(&Joints::new(&["hip", "knee", "lift"], &positions).message(), NOW);
    let snapshot = board.snapshot(NOW).expect("observed");
    assert!(snapshot.positions.iter().all(|value| !value.is_infinite()), "{position}: {snapshot:?}");
    assert!(taken.used >= 2, "{position}");
    taken.used == 3
}

fn takes_brightness(value: f64) -> bool {
    let data = (value as f32).to_le_bytes();
    let decoded = decode_image(&Picture::new("32FC1", 1, 1, &data).message(), &image_spec(1, 1, 1)).expect("used");
    assert!(decoded.values[0].is_nan() || (0.0..=1.0).contains(&decoded.values[0]), "{value}");
    !decoded.values[0].is_nan()
}

fn takes_stamp(stamp: Stamp, now: i64) -> bool {
    let mut board = JointBoard::new(&joint_specs(), JointConfig::default());
    board.take(&Joints::new(&["hip"], &[0.1]).stamped(stamp).message(), now).used == 1
}

/// An image of one row or one column, by turns.
fn takes_side(side: u32) -> bool {
    let [wide, tall] = [(1, side), (side, 1)].map(|(height, width)| {
        let mut picture = Picture::new("mono8", height, width, &vec![7; side.min(1 << 17) as usize]);
        picture.step = width;
        decode_image(&picture.message(), &image_spec(1, 1, 1)).is_ok()
    });
    assert_eq!(wide, tall, "{side}");
    wide
}

fn takes_points(count: u32) -> bool {
    let count = count.min(1 << 21);
    let cloud = Cloud::new(&vec![[0.5; 3]; count as usize]);
    let decoded = decode_points(&cloud.message(&cloud.fields()), &points_spec(count as usize));
    let is_many = decode_points(&cloud.message(&cloud.fields()), &points_spec(2)).err();
    if count > 1_000_000 {
        assert_eq!(is_many.map(|refusal| refusal.cause), Some(Cause::TooManyPoints));
        return false;
    }
    decoded.is_ok_and(|decoded| decoded.is_some())
}

fn takes_step(step: u32) -> bool {
    let mut cloud = Cloud::new(&[[0.5; 3]]);
    cloud.fields.truncate(if step < 12 { 0 } else { 3 });
    (cloud.point_step, cloud.row_step) = (step, step);
    cloud.data.resize(step.min(1 << 17) as usize, 0);
    match decode_points(&cloud.message(&cloud.fields()), &points_spec(1)) {
        Ok(_) => true,
        Err(refusal) => refusal.cause == Cause::MissingField,
    }
}

fn takes_fields(count: u32) -> bool {
    let mut cloud = Cloud::new(&[[0.5; 3]]);
    cloud.fields.resize(count.min(1 << 17) as usize, ("ring".into(), 12, 2, 1));
    (cloud.point_step, cloud.row_step) = (13, 13);
    cloud.data.push(0);
    decode_points(&cloud.message(&cloud.fields()), &points_spec(1)).is_ok()
}

/// Whether a camera with this principal point is one.
fn takes_camera(value: f64) -> bool {
    let plain = camera("camera");
    let mut k = plain.k;
    k[2] = value;
    Camera::of(&CameraMessage { k, ..plain }, false).is_ok()
}

/// Whether the number is taken where the bound says; `None` where the field cannot hold it.
fn takes(bound: &Bound, value: f64) -> Option<bool> {
    let whole = |least: f64, most: f64| ((least..=most).contains(&value) && value.fract() == 0.0).then_some(value);
    let count = || whole(0.0, f64::from(u32::MAX)).map(|value| value as u32);
    match bound.name {
        "point coordinate" => {
            let good = [0.1, 0.2, 0.3];
            Some(takes_coordinate(&doubles(&[[value, 0.2, 0.3], good])))
        }
        "joint angle" => Some(takes_position(0, value)),
        "joint length" => Some(takes_position(2, value)),
        "brightness" => (value as f32 as f64 == value || !value.is_finite()).then(|| takes_brightness(value)),
        "stamp seconds" => whole(f64::from(i32::MIN), f64::from(i32::MAX))
            .map(|value| takes_stamp(Stamp { sec: value as i32, nanosec: 1 }, i64::from(value as i32) * 1_000_000_000)),
        "stamp nanoseconds" => count().map(|nanosec| takes_stamp(Stamp { sec: 1_700_000_000, nanosec }, NOW)),
        "stamp ahead of now" => {
            let ahead = whole(-1e9, 3e8)? as i64;
            Some(takes_stamp(at(NOW + ahead * 1_000_000_000), NOW))
        }
        "image side" => count().map(takes_side),
        "points of a cloud" => count().map(takes_points),
        "point_step" => count().map(takes_step),
        "fields of a point" => count().map(takes_fields),
        "number of a camera_info" => Some(takes_camera(value)),
        other => panic!("no test walks the bound '{other}'"),
    }
}

#[test]
fn every_bound_is_held_at_its_ends_beside_them_and_at_odd_numbers() {
    for bound in &BOUNDS {
        let ends = [bound.least, bound.greatest];
        let near = ends.iter().flat_map(|end| [*end, end.next_up(), end.next_down(), end + 1.0, end - 1.0]);
        let mut walked = [0, 0];
        for value in near.chain(ODD) {
            if let Some(is_taken) = takes(bound, value) {
                assert_eq!(is_taken, bound.holds(value), "{} of {value:?} {}", bound.name, bound.unit);
                walked[usize::from(is_taken)] += 1;
            }
        }
        assert!(walked.iter().all(|count| *count > 0), "{}: {walked:?} refused and taken", bound.name);
        assert!(bound.least < bound.greatest && !bound.unit.is_empty() && !bound.why.is_empty());
    }
}

#[test]
fn coordinates_of_32_bit_are_bounded_as_those_of_64() {
    for value in [1e19_f32, f32::MAX, f32::MIN, 100.0_f32.next_up(), f32::INFINITY, f32::NAN] {
        assert!(!takes_coordinate(&Cloud::new(&[[value, 0.2, 0.3], [0.1, 0.2, 0.3]])), "{value}");
    }
    for value in [100.0, -100.0, -0.0, f32::MIN_POSITIVE / 4.0] {
        assert!(takes_coordinate(&Cloud::new(&[[value, 0.2, 0.3], [0.1, 0.2, 0.3]])), "{value}");
    }
}

#[test]
fn brightness_is_bounded_to_the_last_bit() {
    let bound = BOUNDS.iter().find(|bound| bound.name == "brightness").expect("in the table");
    for end in [bound.least as f32, bound.greatest as f32] {
        for value in [end.next_down(), end, end.next_up()].map(f64::from) {
            assert_eq!(takes_brightness(value), bound.holds(value), "{value}");
        }
    }
}

#[test]
fn sizes_of_clouds_and_images_never_overflow() {
    let extremes = [0, 1, 2, 3, 12, 65535, 65536, 1 << 31, u32::MAX - 1, u32::MAX];
    let mut intake = Intake::new(&task_spec(), IntakeConfig::default());
    for height in extremes {
        for width in extremes {
            for step in extremes {
                for encoding in ["mono8", "32FC3", "yuyv", "nv12", "bayer_rggb16"] {
                    let mut picture = Picture::new(encoding, 1, 1, &[1; 24]);
                    (picture.height, picture.width, picture.step) = (height, width, step);
                    intake.take_image(&picture.message(), NOW);
                }
                for row_step in extremes {
                    let mut cloud = Cloud::new(&[[0.5; 3]; 2]);
                    (cloud.height, cloud.width, cloud.point_step, cloud.row_step) = (height, width, step, row_step);
                    intake.take_points(&cloud.message(&cloud.fields()), NOW);
                    cloud.fields[1] = ("y".into(), step, 8, row_step);
                    intake.take_points(&cloud.message(&cloud.fields()), NOW);
                }
            }
        }
    }
}
