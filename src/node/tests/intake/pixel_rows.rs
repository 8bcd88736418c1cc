//! Keypoints in the image of a camera: rows C1 to C6.

use thalweg_node::intake::{
    CameraMessage, Cause, Input, Intake, IntakeConfig, PeopleConfig, PixelUnit, Reading, Taken, read_skeleton,
};
use thalweg_record::cdr::Encoder;
use thalweg_task::{Keypoint, PointsSpec, TaskSpec, Tracker, numbers};

use crate::messages::{Cloud, NOW, SECOND, at, causes, points_spec, task_spec};

/// A camera of 640 x 480 pixels; [320, 240] is its middle, and 500 pixels are one.
pub(crate) fn camera(frame_id: &str) -> CameraMessage<'_> {
    CameraMessage {
        stamp: at(NOW),
        frame_id,
        height: 480,
        width: 640,
        distortion_model: "plumb_bob",
        d: &[0.0; 5],
        k: [500.0, 0.0, 320.0, 0.0, 500.0, 240.0, 0.0, 0.0, 1.0],
        r: [0.0; 9],
        p: [0.0; 12],
        binning: [0; 2],
        roi: [0; 4],
    }
}

fn spec() -> TaskSpec {
    let keypoint = |id: u32| Keypoint { name: format!("k{id}"), id, point: Some(id as usize) };
    let tracker = Tracker {
        keypoints: (0..6).map(keypoint).collect(),
        // Of places, not of pixels.
        axes: [[0.001, 0.0, 0.0], [0.0, 0.0, 0.001], [0.0, 0.001, 0.0]],
        zeros_are_unseen: true,
        confidence: Some("score".into()),
        confidence_range: [0.5, 1.0],
        ids_per_body: 100,
    };
    let points = PointsSpec { frame: String::new(), tracker: Some(tracker), rays: true, ..points_spec(6) };
    TaskSpec { points: Some(points), ..task_spec() }
}

fn intake(people: usize) -> Intake {
    let people = PeopleConfig { most: people, ..PeopleConfig::default() };
    Intake::new(&spec(), IntakeConfig { people, are_pixels: true, ..IntakeConfig::default() })
}

/// A cloud of keypoints: u, v, number, score.
fn pixels(names: [&str; 4], points: &[[f32; 4]]) -> Cloud {
    let mut cloud = Cloud::new(&vec![[0.0; 3]; points.len()]);
    cloud.frame_id = "camera".into();
    cloud.fields = names.iter().zip([0, 4, 8, 12]).map(|(name, at)| (name.to_string(), at, 7, 1)).collect();
    (cloud.point_step, cloud.row_step) = (16, 16 * cloud.width);
    cloud.data = points.iter().flatten().flat_map(|value| value.to_le_bytes()).collect();
    cloud
}

const NAMES: [&str; 4] = ["x", "y", "id", "score"];

/// Six keypoints of a person, of which one lies at zero and one is doubtful.
const PERSON: [[f32; 4]; 6] = [
    [320.0, 240.0, 0.0, 1.0],
    [420.0, 240.0, 1.0, 0.75],
    [320.0, 340.0, 2.0, 1.0],
    [0.0, 0.0, 3.0, 1.0],
    [100.0, 100.0, 4.0, 0.1],
    [300.0, 120.0, 5.0, 1.0],
];

fn take(intake: &mut Intake, cloud: &Cloud, now: i64) -> Taken {
    let mut cloud = cloud.clone();
    cloud.stamp = at(now);
    intake.take_points(&cloud.message(&cloud.fields()), now)
}

fn refused(taken: &Taken, cause: Cause, text: &str) {
    assert_eq!((taken.used, causes(taken)), (0, vec![cause]), "{taken:?}");
    assert!(taken.refusals[0].text.contains(text), "{}, expected {text}", taken.refusals[0].text);
}

fn seen(intake: &mut Intake, now: i64) -> Vec<[f32; 3]> {
    let (obs, _) = intake.observation(now).expect("seen");
    numbers::<f32>(&obs.points.expect("points").with_nan()).as_chunks().0.to_vec()
}

#[test]
fn pixels_become_rays_by_the_camera() {
    for names in [NAMES, ["u", "v", "label", "score"]] {
        let mut intake = intake(1);
        assert_eq!(intake.take_camera(&camera("camera"), NOW).used, 1);
        assert_eq!((intake.revision(), intake.channel(Input::Camera).used), (0, 1), "a camera is nothing to solve");
        let taken = take(&mut intake, &pixels(names, &PERSON), NOW);
        assert_eq!((taken.used, causes(&taken)), (8, Vec::new()), "{taken:?}");
        let found = seen(&mut intake, NOW);
        assert_eq!(
            found.iter().map(|ray| [ray[0], ray[1]]).collect::<Vec<_>>()[..3],
            [[0.0, 0.0], [0.2, 0.0], [0.0, 0.2]]
        );
        assert!(found[3][0].is_nan() && found[4][0].is_nan(), "not seen, by the table's conventions: {found:?}");
        assert!((found[5][0] + 0.04).abs() < 1e-6 && (found[5][1] + 0.24).abs() < 1e-6);
        assert!(found.iter().all(|ray| ray[2].is_nan()), "a ray has no depth");
        let (obs, provenance) = intake.observation(NOW).expect("seen");
        assert_eq!(numbers::<f32>(&obs.confidence.expect("given"))[..3], [1.0, 0.75, 1.0]);
        assert_eq!(provenance.points_frame.as_deref(), Some("camera"));
        obs.points.iter().for_each(|points| assert_eq!(points.infinite(), 0));
    }
}

#[test]
fn c1_pixels_without_a_camera_are_refused_until_one_comes() {
    let mut intake = intake(1);
    let cloud = pixels(NAMES, &PERSON);
    refused(
        &take(&mut intake, &cloud, NOW),
        Cause::NoCamera,
        "expected sensor_msgs/CameraInfo of that camera on camera_info",
    );
    intake.take_camera(&camera("camera"), NOW);
    assert_eq!(take(&mut intake, &cloud, NOW + SECOND).used, 8);
    // What is described once holds, also over a jump of the clock.
    intake.clear();
    assert_eq!(take(&mut intake, &cloud, NOW + 2 * SECOND).used, 8);
    let nobody = pixels(NAMES, &[]);
    assert!(
        take(&mut intake, &nobody, NOW + 3 * SECOND).is_heartbeat && intake.observation(NOW + 3 * SECOND).is_none()
    );
}

#[test]
fn c2_c3_a_camera_that_is_none_is_refused_and_the_one_of_before_holds() {
    let mut intake = intake(1);
    let uncalibrated = CameraMessage { k: [0.0; 9], ..camera("camera") };
    refused(&intake.take_camera(&uncalibrated, NOW), Cause::Uncalibrated, "a K of zeros");
    let cloud = pixels(NAMES, &PERSON);
    refused(&take(&mut intake, &cloud, NOW), Cause::NoCamera, "no camera_info that can be used");
    intake.take_camera(&camera("camera"), NOW);
    let other = CameraMessage { distortion_model: "fov\u{1b}", d: &[1.0], ..camera("camera") };
    refused(&intake.take_camera(&other, NOW), Cause::UnknownDistortion, "got distortion 'fov\\u{1b}'");
    let none = CameraMessage { width: 0, ..camera("camera") };
    refused(&intake.take_camera(&none, NOW), Cause::BadCamera, "0 x 480 pixels");
    assert_eq!(take(&mut intake, &cloud, NOW).used, 8);
}

#[test]
fn c4_pixels_of_another_camera_are_refused() {
    let mut intake = intake(1);
    intake.take_camera(&camera("left"), NOW);
    let mut cloud = pixels(NAMES, &PERSON);
    refused(&take(&mut intake, &cloud, NOW), Cause::WrongFrame, "image of frame 'camera', and camera_info of 'left'");
    cloud.frame_id.clear();
    assert_eq!(take(&mut intake, &cloud, NOW).used, 8);
    assert_eq!(intake.observation(NOW).expect("seen").1.points_frame.as_deref(), Some("left"));
}

#[test]
fn c5_pixels_of_a_larger_image_are_refused_and_few_outside_are_unseen() {
    let mut intake = intake(1);
    intake.take_camera(&camera("camera"), NOW);
    let large = PERSON.map(|[u, v, id, score]| [3.0 * u, 3.0 * v, id, score]);
    refused(
        &take(&mut intake, &pixels(NAMES, &large), NOW),
        Cause::OutOfLimits,
        "outside of an image of 640 x 480 pixels",
    );
    assert!(intake.observation(NOW).is_none());
    let mut few = PERSON;
    few[1][0] = 700.0;
    let taken = take(&mut intake, &pixels(NAMES, &few), NOW);
    assert_eq!((taken.used, causes(&taken)), (6, vec![Cause::OutOfLimits]));
    assert!(seen(&mut intake, NOW)[1][0].is_nan());
    assert_eq!(intake.channel(Input::Points).used, 1);
}

#[test]
fn c6_shares_of_the_image_are_no_pixels() {
    let mut intake = intake(1);
    intake.take_camera(&camera("camera"), NOW);
    let mut shares = PERSON.map(|[u, v, id, _]| [u / 640.0, v / 480.0, id, 1.0]);
    shares[3] = [0.4, 0.5, 3.0, 1.0];
    let taken = take(&mut intake, &pixels(NAMES, &shares), NOW);
    refused(&taken, Cause::OutOfLimits, "are these shares of width and height?");
    let three = pixels(["x", "z", "id", "score"], &PERSON);
    refused(&take(&mut intake, &three, NOW), Cause::MissingField, "expected x and y, or u and v");
}

#[test]
fn several_people_in_one_image_are_told_apart() {
    let mut intake = intake(3);
    intake.take_camera(&camera("camera"), NOW);
    let of = |body: f32, by: f32| PERSON.map(|[u, v, id, score]| [u + by, v, 100.0 * body + id, score]);
    let both = [of(3.0, 0.0), of(7.0, 50.0)].concat();
    assert_eq!(take(&mut intake, &pixels(NAMES, &both), NOW).used, 18, "what was at zero is not any more");
    let there = intake.people().expect("told apart").there();
    assert_eq!(there.iter().map(|person| person.id.as_ref()).collect::<Vec<_>>(), ["b3", "b7"]);
    let (obs, _) = intake.observation_of(&there[1], NOW).expect("seen");
    assert_eq!(numbers::<f32>(obs.points.expect("points").value())[0], 0.1);
}

/// `hri_msgs/Skeleton2D`.
fn skeleton(points: &[[f32; 3]]) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.i32((NOW / SECOND) as i32);
    encoder.u32(0);
    encoder.text("camera");
    points.as_flattened().iter().for_each(|value| encoder.u32(value.to_bits()));
    encoder.finish()
}

#[test]
fn a_skeleton_of_ros4hri_is_read_by_the_text_of_its_type() {
    let mut points = [[0.5, 0.5, 0.9]; 18];
    (points[1], points[2], points[3]) = ([0.75, 0.5, 1.0], [0.5, 0.75, 0.2], [0.0, 0.0, 0.0]);
    let bytes = skeleton(&points);
    let (stamp, frame_id, readings) = read_skeleton(&bytes).expect("a skeleton");
    assert_eq!((stamp, frame_id.as_str(), readings.len()), (at(NOW), "camera", 18));
    assert_eq!((readings[17].id, readings[2].confidence), (Some(17), Some(f64::from(0.2_f32))));
    for length in 0..bytes.len() {
        assert_eq!(read_skeleton(&bytes[..length]).expect_err("cut").cause, Cause::Undecodable, "at {length}");
    }
    let mut intake = intake(1);
    let of_table: Vec<Reading> = readings.into_iter().take(6).collect();
    let refusal = intake.take_pixels((stamp, &frame_id), &of_table, PixelUnit::Shares, NOW);
    refused(&refusal, Cause::NoCamera, "no camera_info");
    intake.take_camera(&camera("camera"), NOW);
    assert_eq!(intake.take_pixels((stamp, &frame_id), &of_table, PixelUnit::Shares, NOW).used, 8);
    let found = seen(&mut intake, NOW);
    assert_eq!([found[0][0], found[0][1], found[1][0], found[1][1]], [0.0, 0.0, 0.32, 0.0]);
    assert!(found[2][0].is_nan() && found[3][0].is_nan(), "doubtful, and at zero");
}
