//! Messages as bytes: what any peer on the graph may send.

use tch::{Device, Kind};
use thalweg_node::intake::wire::{
    clock_of, read_markers, read_poses, stamp_of, with_camera, with_compressed, with_image, with_joints, with_points,
};
use thalweg_node::intake::{
    ColourKey, CompressedMessage, Decoded, Fit, ImageConfig, ImageReader, Intake, IntakeConfig, Mask, People,
    PeopleConfig, PixelUnit, Refusal, Stamp, Taken, read_objects, read_skeleton,
};
use thalweg_task::{ImageSpec, JointSpec, Keypoint, Observation, PointsSpec, TaskSpec, Tracker, numbers};

/// The time at which everything comes, nanoseconds; seeds have stamps near it.
pub(crate) const NOW: i64 = 1_700_000_000_000_000_000;

/// Pixels of a compressed image that are decoded: fewer than a node takes, for the time of many executions.
const MAX_PIXELS: u64 = 1 << 18;

/// A task that observes everything.
pub(crate) fn spec() -> TaskSpec {
    let joint = |name: &str, unit: &str| JointSpec { name: name.into(), unit: unit.into(), lower: -1.0, upper: 2.5 };
    TaskSpec {
        name: "all".into(),
        latent: 2,
        output: vec![2],
        joints: vec![joint("hip", "rad"), joint("knee", "rad"), joint("lift", "m")],
        groups: Vec::new(),
        reads_joints: true,
        image: Some(ImageSpec { channels: 3, height: 6, width: 8 }),
        points: Some(PointsSpec {
            names: vec!["a".into(), "b".into()],
            frame: "base".into(),
            tracker: None,
            cloud: 0,
            rays: false,
        }),
        skeleton: None,
        classes: Vec::new(),
        convention: None,
        residual: true,
        fingerprint: "all-1".into(),
        device: Device::Cpu,
        kind: Kind::Float,
    }
}

fn intake() -> Intake {
    Intake::new(&spec(), IntakeConfig::default())
}

/// Whatever was refused, what is left for the solver is finite.
fn expect_finite(intake: &mut Intake) {
    let due = intake.people_mut().map(People::due).unwrap_or_default();
    let of_people: Vec<_> = due.iter().filter_map(|person| intake.observation_of(person, NOW)).collect();
    for (obs, _) in intake.observation(NOW).into_iter().chain(of_people) {
        expect_finite_in(&obs);
    }
}

fn expect_finite_in(obs: &Observation) {
    for (kind, masked) in obs.fields() {
        let values: Vec<f32> = numbers(masked.value());
        assert!(values.iter().all(|value| value.is_finite()), "{kind}: {values:?}");
    }
    obs.validate(&spec()).expect("what the intake gives is an observation of the task");
}

/// What is told is text that a log can hold: one line, of a bounded length.
fn expect_telling(refusals: &[Refusal]) {
    for Refusal { text, .. } in refusals {
        assert!(!text.is_empty() && text.len() < 4096 && !text.contains(char::is_control), "{text:?}");
    }
}

fn expect_sound(mut intake: Intake, taken: Result<Taken, Refusal>) -> bool {
    expect_finite(&mut intake);
    match taken {
        Ok(taken) => {
            expect_telling(&taken.refusals);
            taken.used > 0
        }
        Err(refusal) => {
            expect_telling(&[refusal]);
            false
        }
    }
}

/// `sensor_msgs/JointState`.
pub(crate) fn joints(bytes: &[u8]) -> bool {
    let mut intake = intake();
    let taken = with_joints(bytes, |message| {
        intake.take_joints(message, NOW + 1);
        intake.take_joints(message, NOW)
    });
    expect_sound(intake, taken)
}

/// `sensor_msgs/PointCloud2`.
pub(crate) fn points(bytes: &[u8]) -> bool {
    let mut intake = intake();
    let taken = with_points(bytes, |message| intake.take_points(message, NOW));
    let is_used = expect_sound(intake, taken);
    let is_cloud = cloud(bytes);
    let are_pixels = pixels(bytes);
    keypoints(bytes) || is_cloud || is_used || are_pixels
}

/// The same bytes as a cloud without names.
fn cloud(bytes: &[u8]) -> bool {
    let task = TaskSpec { points: spec().points.map(|points| PointsSpec { cloud: 3, ..points }), ..spec() };
    let mut intake = Intake::new(&task, IntakeConfig::default());
    let taken = with_points(bytes, |message| intake.take_cloud(message, NOW));
    if let Some((obs, _)) = intake.observation(NOW) {
        obs.validate(&task).expect("what the intake gives is an observation of the task, all of it finite");
    }
    taken.is_ok_and(|taken| {
        expect_telling(&taken.refusals);
        taken.used > 0
    })
}

/// An intake of what a tracker sends: `a` and `b` by the numbers 1 and 2, in a left-handed frame.
fn of_tracker(people: usize) -> Intake {
    let keypoint = |id: u32, name: &str| Keypoint { name: name.into(), id, point: Some(id as usize - 1) };
    let tracker = Tracker {
        keypoints: vec![keypoint(1, "a"), keypoint(2, "b")],
        axes: [[0.001, 0.0, 0.0], [0.0, 0.0, 0.001], [0.0, 0.001, 0.0]],
        zeros_are_unseen: true,
        confidence: Some("intensity".into()),
        confidence_range: [0.5, 1.0],
        ids_per_body: 100,
    };
    let points =
        spec().points.map(|points| PointsSpec { frame: String::new(), tracker: Some(tracker), rays: true, ..points });
    let people = PeopleConfig { most: people, ..PeopleConfig::default() };
    Intake::new(&TaskSpec { points, ..spec() }, IntakeConfig { people, ..IntakeConfig::default() })
}

/// The same bytes as a tracker's, of one person and of several: a cloud, markers, poses, objects.
fn keypoints(bytes: &[u8]) -> bool {
    let mut is_used = false;
    for people in [1, 2] {
        let mut intake = of_tracker(people);
        let taken = with_points(bytes, |message| intake.take_points(message, NOW));
        is_used |= expect_sound(intake, taken);
        for read in [read_markers, read_poses, |bytes: &[u8]| read_objects(bytes, 18)] {
            let mut intake = of_tracker(people);
            let taken =
                read(bytes).map(|(stamp, frame_id, readings)| intake.take_keypoints(stamp, &frame_id, &readings, NOW));
            is_used |= expect_sound(intake, taken);
        }
    }
    is_used
}

/// `sensor_msgs/CameraInfo`, and keypoints in the image of that camera: all over it, and the same bytes as such.
pub(crate) fn camera(bytes: &[u8]) -> bool {
    let mut is_used = false;
    for is_rectified in [false, true] {
        let mut intake = of_tracker(1);
        intake.configure(IntakeConfig { are_pixels: true, is_rectified, ..IntakeConfig::default() });
        let taken = with_camera(bytes, |message| intake.take_camera(message, NOW));
        let is_camera = taken.as_ref().is_ok_and(|taken| taken.used > 0);
        for at in 0..25 {
            let place = [f64::from(at % 5) * 160.0, f64::from(at / 5) * 120.0, 0.0];
            let one =
                |id| thalweg_node::intake::Reading { id: Some(id), body: None, place, confidence: None, is_ray: false };
            let stamp = Stamp { sec: (NOW / 1_000_000_000) as i32, nanosec: at as u32 };
            for unit in [PixelUnit::Pixels, PixelUnit::Shares] {
                expect_telling(&intake.take_pixels((stamp, ""), &[one(1), one(2)], unit, NOW).refusals);
                expect_finite(&mut intake);
            }
        }
        is_used |= is_camera;
        expect_sound(intake, taken);
    }
    is_used
}

/// The same bytes as keypoints in the image of a camera: a cloud, and a skeleton of ros4hri.
fn pixels(bytes: &[u8]) -> bool {
    let seeds = crate::seeds::camera();
    let described = || {
        let mut intake = of_tracker(1);
        intake.configure(IntakeConfig { are_pixels: true, ..IntakeConfig::default() });
        let taken = with_camera(&seeds[0].1, |message| intake.take_camera(message, NOW));
        assert!(taken.is_ok_and(|taken| taken.used > 0), "the camera is sound");
        intake
    };
    let mut intake = described();
    let taken = with_points(bytes, |message| intake.take_points(message, NOW));
    let is_cloud = expect_sound(intake, taken);
    let mut intake = described();
    let taken = read_skeleton(bytes)
        .map(|(stamp, frame_id, readings)| intake.take_pixels((stamp, &frame_id), &readings, PixelUnit::Shares, NOW));
    expect_sound(intake, taken) || is_cloud
}

/// Readers of images with every option: the node's defaults, and all that is not.
fn readers() -> [ImageReader; 2] {
    let image = spec().image.expect("the task observes one");
    let plain = ImageConfig { max_pixels: MAX_PIXELS, ..ImageConfig::default() };
    let key = Some(ColourKey { rgb: [0, 255, 0], tolerance: 16 });
    let other = ImageConfig { fit: Fit::Stretch, alpha: false, key, ..plain };
    [plain, other].map(|config| ImageReader::new(image, config))
}

fn expect_pixels(decoded: Result<Decoded, Refusal>) -> bool {
    match decoded {
        Ok(Decoded { values, notices, .. }) => {
            expect_telling(&notices);
            let is_pixel = |value: &f32| value.is_nan() || (0.0..=1.0).contains(value);
            assert!(values.len() == 3 * 6 * 8 && values.iter().all(is_pixel), "{values:?}");
            true
        }
        Err(refusal) => {
            expect_telling(&[refusal]);
            false
        }
    }
}

/// `sensor_msgs/Image`, and its stamp.
pub(crate) fn image(bytes: &[u8]) -> bool {
    drop(stamp_of(bytes));
    for reader in readers() {
        if let Ok(decoded) = with_image(bytes, |message| reader.read(message, None)) {
            expect_pixels(decoded);
        }
    }
    let mut intake = intake();
    let taken = with_image(bytes, |message| intake.take_image(message, NOW));
    expect_sound(intake, taken)
}

/// `sensor_msgs/Image` as a mask of a sound image.
pub(crate) fn mask(bytes: &[u8]) -> bool {
    let seeds = crate::seeds::image();
    let (_, image) = &seeds[0];
    let masked = with_image(bytes, |message| {
        let mask = Mask::of(message)?;
        readers().into_iter().for_each(|reader| {
            let decoded = with_image(image, |image| reader.read(image, Some(&mask)));
            expect_pixels(decoded.expect("the image is sound"));
        });
        Ok(())
    });
    match masked {
        Ok(Ok(())) => true,
        Err(refusal) | Ok(Err(refusal)) => {
            expect_telling(&[refusal]);
            false
        }
    }
}

/// `sensor_msgs/CompressedImage`.
pub(crate) fn compressed(bytes: &[u8]) -> bool {
    let read = |reader: ImageReader| {
        let read = with_compressed(bytes, |message| reader.read_compressed(message, None));
        expect_pixels(read.and_then(|decoded| decoded))
    };
    readers().map(read).contains(&true)
}

/// A PNG or JPEG file as the content of a sound message.
pub(crate) fn picture(bytes: &[u8]) -> bool {
    let message = CompressedMessage { stamp: Stamp { sec: 1, nanosec: 0 }, frame_id: "", format: "", data: bytes };
    expect_pixels(readers()[0].read_compressed(&message, None))
}

/// `rosgraph_msgs/Clock`.
pub(crate) fn clock(bytes: &[u8]) -> bool {
    let Some(stamp) = clock_of(bytes) else { return false };
    assert!(stamp.nanos().is_ok_and(|nanos| nanos >= 0), "{stamp:?}");
    true
}
