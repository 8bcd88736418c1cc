//! The inputs of one task, joined.

use std::time::Duration;

use tch::Tensor;
use thalweg_task::{ImageSpec, JointConvention, Kinds, Masked, Observation, PointsSpec, TaskSpec};

use super::camera::{Camera, CameraMessage};
use super::channel::{Channel, Input};
use super::clouds::{CloudBox, WHOLE, check_one_frame, decode_cloud};
use super::contradiction::BodyFlips;
use super::convention::translated;
use super::image::{ImageConfig, ImageMessage, ImageReader};
use super::joints::{JointBoard, JointConfig, JointMessage};
use super::keypoints::{Reading, judge_keypoints};
use super::latest::{Header, Held, Latest};
use super::people::{People, PeopleConfig, Person};
use super::pixels::{PixelUnit, rays};
use super::points::{CloudMessage, decode_points, read_keypoints};
use super::provenance::{Provenance, provenance};
use super::refusal::{Cause, Refusal};
use super::stamp::Stamp;
use super::text::escaped;
use super::{Decoded, Taken};

/// How input is taken; the parameters `input.*`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IntakeConfig {
    /// How joints are taken; images and points share `accept_zero_stamp`.
    pub joints: JointConfig,
    /// How images are read.
    pub images: ImageConfig,
    /// Age, since it was received, at which an image or a cloud falls out.
    pub stale_timeout: Duration,
    /// How many people are followed.
    pub people: PeopleConfig,
    /// Where points of a cloud without names count.
    pub cloud_box: CloudBox,
    /// Whether points of a cloud with names are pixels in the image of a camera.
    pub are_pixels: bool,
    /// Whether pixels are those of its rectified image.
    pub is_rectified: bool,
}

impl Default for IntakeConfig {
    fn default() -> Self {
        let (joints, images) = (JointConfig::default(), ImageConfig::default());
        let (people, cloud_box) = (PeopleConfig::default(), WHOLE);
        let (are_pixels, is_rectified) = (false, false);
        Self { joints, images, stale_timeout: Duration::from_secs(1), people, cloud_box, are_pixels, is_rectified }
    }
}

/// Everything that arrives for one task.
#[derive(Debug)]
pub struct Intake {
    config: IntakeConfig,
    kinds: Kinds,
    joints: usize,
    image_spec: Option<ImageSpec>,
    points_spec: Option<PointsSpec>,
    board: JointBoard,
    convention: Option<(JointConvention, Vec<String>)>,
    image: Latest,
    points: Latest,
    /// Where the tracker's last points came: their frame, and whether it contradicts itself.
    tracked: (Option<String>, BodyFlips),
    /// In whose image points are, by the last description that could be used.
    camera: Option<Camera>,
    cloud: Latest,
    /// Frame of the last cloud, where any will do.
    cloud_frame: Option<String>,
    channels: [Channel; Input::ALL.len()],
    revision: u64,
    /// Where people are told apart: what came of each.
    people: Option<Box<People>>,
}

impl Intake {
    /// Prepares to take what the task observes.
    #[must_use]
    pub fn new(spec: &TaskSpec, config: IntakeConfig) -> Self {
        Self {
            config,
            kinds: spec.observes(),
            joints: spec.joints.len(),
            image_spec: spec.image,
            points_spec: spec.points.clone(),
            board: JointBoard::new(&spec.joints, config.joints),
            convention: spec
                .convention
                .clone()
                .map(|convention| (convention, spec.joints.iter().map(|joint| joint.name.clone()).collect())),
            image: Latest::default(),
            points: Latest::default(),
            tracked: (None, BodyFlips::default()),
            camera: None,
            cloud: Latest::default(),
            cloud_frame: None,
            channels: Default::default(),
            revision: 0,
            people: (config.people.most > 1).then(|| Box::new(People::new(spec, config))),
        }
    }

    /// The number of the task's joints.
    #[must_use]
    pub fn joints(&self) -> usize {
        self.joints
    }

    /// The kinds of data that are taken.
    #[must_use]
    pub fn kinds(&self) -> Kinds {
        self.kinds
    }

    /// How many keypoints the tracker's table has; none without one.
    #[must_use]
    pub fn keypoints(&self) -> Option<usize> {
        self.points_spec.as_ref()?.tracker.as_ref().map(|tracker| tracker.keypoints.len())
    }

    /// Changes how input is taken, from the next message on.
    pub fn configure(&mut self, config: IntakeConfig) {
        self.config = config;
        self.board.configure(config.joints);
        self.people.iter_mut().for_each(|people| people.configure(config));
    }

    /// Forgets what was observed, as after a jump of the clock; counters and notices told once stay.
    pub fn clear(&mut self) {
        self.board.clear();
        self.image.clear();
        self.points.clear();
        self.tracked = (None, BodyFlips::default());
        self.people.iter_mut().for_each(|people| people.clear());
        self.cloud.clear();
        self.cloud_frame = None;
        self.channels.iter_mut().for_each(|channel| channel.last_nanos = None);
    }

    /// What an input has seen.
    #[must_use]
    pub fn channel(&self, input: Input) -> &Channel {
        &self.channels[input as usize]
    }

    /// What an input has seen, to report its refusals ([`super::Tally::since_last`]).
    pub fn channel_mut(&mut self, input: Input) -> &mut Channel {
        &mut self.channels[input as usize]
    }

    /// Rises with every message of which something was used.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Names that are no joints of the task, in alphabetical order, at most 256.
    pub fn unknown_names(&self) -> impl Iterator<Item = &str> {
        self.board.unknown_names()
    }

    /// Who is there, where people are told apart.
    #[must_use]
    pub fn people(&self) -> Option<&People> {
        self.people.as_deref()
    }

    /// Who is there, where people are told apart, to forget who was silent for too long ([`People::expire`]).
    pub fn people_mut(&mut self) -> Option<&mut People> {
        self.people.as_deref_mut()
    }

    /// Takes joint positions at ROS time `now_nanos`; a task that reads none ignores them.
    pub fn take_joints(&mut self, message: &JointMessage<'_>, now_nanos: i64) -> Taken {
        if !self.kinds.joints {
            return self.count(Input::Joints, Taken::default(), now_nanos);
        }
        if let Some(people) = &mut self.people {
            let taken = people.take_joints(message, &mut self.board, now_nanos);
            return self.count(Input::Joints, taken, now_nanos);
        }
        let translated = self.convention.as_ref().and_then(|(convention, own)| translated(message, convention, own));
        let taken = match &translated {
            Some((names, positions)) => self.board.take(&JointMessage { names, positions, ..*message }, now_nanos),
            None => self.board.take(message, now_nanos),
        };
        self.count(Input::Joints, taken, now_nanos)
    }

    /// Takes an image at ROS time `now_nanos`; a task that reads none ignores it.
    pub fn take_image(&mut self, message: &ImageMessage<'_>, now_nanos: i64) -> Taken {
        let Some(reader) = self.image_reader() else {
            return self.count(Input::Image, Taken::default(), now_nanos);
        };
        self.put_image(Input::Image, (message.stamp, message.frame_id), reader.read(message, None), now_nanos)
    }

    /// What reads images for the task: large ones take long, and should be read before the intake is locked.
    #[must_use]
    pub fn image_reader(&self) -> Option<ImageReader> {
        self.image_spec.map(|spec| ImageReader::new(spec, self.config.images))
    }

    /// Takes what [`Intake::image_reader`] made of an image with this stamp and frame that was received at ROS time
    /// `now_nanos`.
    pub fn put_image(
        &mut self,
        input: Input,
        (stamp, frame_id): (Stamp, &str),
        decoded: Result<Decoded, Refusal>,
        now_nanos: i64,
    ) -> Taken {
        let header = self.header(stamp, frame_id, now_nanos);
        let taken = self.image.take(header, || decoded.map(Some));
        self.count(input, taken, now_nanos)
    }

    /// Counts a mask that was received at ROS time `now_nanos`, and was used or not.
    pub fn note_mask(&mut self, used: bool, now_nanos: i64) {
        let channel = self.channel_mut(Input::Mask);
        channel.seen += 1;
        channel.used += u64::from(used);
        channel.last_nanos = Some(now_nanos);
    }

    /// Takes points at ROS time `now_nanos`; a task that reads none ignores them.
    pub fn take_points(&mut self, message: &CloudMessage<'_>, now_nanos: i64) -> Taken {
        if let Some(spec @ PointsSpec { tracker: Some(tracker), .. }) =
            self.points_spec.as_ref().filter(|_| self.config.are_pixels)
        {
            let taken = match read_keypoints(message, tracker, spec, true) {
                Ok((readings, notice)) => {
                    let header = (message.stamp, message.frame_id);
                    let mut taken = self.judge_pixels(header, &readings, PixelUnit::Pixels, now_nanos);
                    taken.refusals.extend(notice);
                    taken
                }
                Err(refusal) => Taken { refusals: vec![refusal], ..Taken::default() },
            };
            return self.count(Input::Points, taken, now_nanos);
        }
        if let Some(people) = &mut self.people {
            let taken = people.take_points(message, now_nanos);
            return self.count(Input::Points, taken, now_nanos);
        }
        let header = self.header(message.stamp, message.frame_id, now_nanos);
        let taken = match &self.points_spec {
            Some(spec) => self.points.take(header, || decode_points(message, spec)),
            None => Taken::default(),
        };
        let taken = self.watch_tracker(taken);
        self.count(Input::Points, taken, now_nanos)
    }

    /// Takes a cloud without names at ROS time `now_nanos`; a task that observes none ignores it.
    pub fn take_cloud(&mut self, message: &CloudMessage<'_>, now_nanos: i64) -> Taken {
        let header = self.header(message.stamp, message.frame_id, now_nanos);
        let taken = match self.points_spec.as_ref().filter(|spec| spec.cloud > 0) {
            Some(spec) => {
                let points = self.points.holding(now_nanos, self.config.stale_timeout);
                let frame = points.filter(|_| spec.frame.is_empty()).map_or("", |points| points.frame_id.as_str());
                self.cloud.take(header, || {
                    check_one_frame(message.frame_id, frame)?;
                    decode_cloud(message, spec, &self.config.cloud_box)
                })
            }
            None => Taken::default(),
        };
        let taken = self.watch_cloud(taken);
        self.count(Input::Cloud, taken, now_nanos)
    }

    /// Notices that clouds come in another frame than before, where any will do.
    fn watch_cloud(&mut self, mut taken: Taken) -> Taken {
        let is_any = self.points_spec.as_ref().is_some_and(|spec| spec.frame.is_empty());
        let Some(held) = self.cloud.last().filter(|_| is_any && taken.used > 0) else { return taken };
        let before = self.cloud_frame.replace(held.frame_id.clone());
        if let Some(before) = before.filter(|before| *before != held.frame_id) {
            let text = format!(
                "got a cloud in frame '{}', in '{}' before; expected one frame; used, and where the body stood is forgotten",
                escaped(&held.frame_id),
                escaped(&before)
            );
            taken.refusals.push(Refusal::notice(Cause::ChangedFrame, text));
        }
        taken
    }

    /// Takes the description of a camera at ROS time `now_nanos`; it holds until another one comes.
    pub fn take_camera(&mut self, message: &CameraMessage<'_>, now_nanos: i64) -> Taken {
        let taken = match Camera::of(message, self.config.is_rectified) {
            Ok(camera) => {
                self.camera = Some(camera);
                Taken { used: 1, ..Taken::default() }
            }
            Err(refusal) => Taken { refusals: vec![refusal], ..Taken::default() },
        };
        self.count(Input::Camera, taken, now_nanos)
    }

    /// As [`Intake::take_keypoints`], of keypoints in the image of the camera that was described last.
    pub fn take_pixels(
        &mut self,
        header: (Stamp, &str),
        readings: &[Reading],
        unit: PixelUnit,
        now_nanos: i64,
    ) -> Taken {
        let taken = self.judge_pixels(header, readings, unit, now_nanos);
        self.count(Input::Points, taken, now_nanos)
    }

    fn judge_pixels(
        &mut self,
        (stamp, frame_id): (Stamp, &str),
        readings: &[Reading],
        unit: PixelUnit,
        now_nanos: i64,
    ) -> Taken {
        let Some(PointsSpec { tracker: Some(tracker), rays: true, .. }) = &self.points_spec else {
            return self.judge_keypoints(stamp, frame_id, readings, now_nanos);
        };
        if readings.is_empty() {
            return self.judge_keypoints(stamp, frame_id, readings, now_nanos);
        }
        let judged = self.camera_of(frame_id).and_then(|camera| {
            let (rays, notice) = rays(readings, unit, camera, tracker)?;
            let own = camera.frame_id.as_str();
            Ok((if own.is_empty() { frame_id } else { own }.to_owned(), rays, notice))
        });
        match judged {
            Ok((frame_id, rays, notice)) => {
                let mut taken = self.judge_keypoints(stamp, &frame_id, &rays, now_nanos);
                taken.refusals.extend(notice);
                taken
            }
            Err(refusal) => Taken { refusals: vec![refusal], ..Taken::default() },
        }
    }

    /// The camera that took an image with this frame.
    fn camera_of(&self, frame_id: &str) -> Result<&Camera, Refusal> {
        let Some(camera) = &self.camera else {
            let text = "got keypoints in pixels and no camera_info that can be used; expected sensor_msgs/CameraInfo of that \
                        camera on camera_info before them";
            return Err(Refusal::new(Cause::NoCamera, text));
        };
        let own = camera.frame_id.as_str();
        if own.is_empty() || frame_id.is_empty() || own == frame_id {
            return Ok(camera);
        }
        let text = format!(
            "got keypoints in the image of frame '{}', and camera_info of '{}'; expected those of one camera",
            escaped(frame_id),
            escaped(own)
        );
        Err(Refusal::new(Cause::WrongFrame, text))
    }

    /// As [`Intake::take_points`], of keypoints that are no cloud; a task without a tracker refuses them.
    pub fn take_keypoints(&mut self, stamp: Stamp, frame_id: &str, readings: &[Reading], now_nanos: i64) -> Taken {
        let taken = self.judge_keypoints(stamp, frame_id, readings, now_nanos);
        self.count(Input::Points, taken, now_nanos)
    }

    fn judge_keypoints(&mut self, stamp: Stamp, frame_id: &str, readings: &[Reading], now_nanos: i64) -> Taken {
        if let Some(people) = &mut self.people {
            return people.take_keypoints(stamp, frame_id, readings, now_nanos);
        }
        let header = self.header(stamp, frame_id, now_nanos);
        let taken = match &self.points_spec {
            Some(PointsSpec { tracker: None, .. }) => {
                let text = "got markers or poses; expected a table of keypoints to read them by (body_pose.keypoints)";
                let refusals = vec![Refusal::new(Cause::UnknownKeypoint, text)];
                Taken { refusals, ..Taken::default() }
            }
            Some(spec @ PointsSpec { tracker: Some(tracker), .. }) => self.points.take(header, || {
                let judged = || judge_keypoints(readings, tracker, spec);
                if readings.is_empty() { Ok(None) } else { judged().map(Some) }
            }),
            None => Taken::default(),
        };
        self.watch_tracker(taken)
    }

    /// Notices that a tracker's points come in another frame than before, or of two bodies in turn.
    fn watch_tracker(&mut self, mut taken: Taken) -> Taken {
        let is_tracked = self.keypoints().is_some() && taken.used > 0;
        let Some(held) = self.points.last().filter(|_| is_tracked) else { return taken };
        let (frame, flips) = &mut self.tracked;
        if let Some(before) = frame.replace(held.frame_id.clone()).filter(|before| *before != held.frame_id) {
            let (before, now) = (escaped(&before), escaped(&held.frame_id));
            let text = format!(
                "got points in frame '{now}', in '{before}' before; expected one frame of one tracker; used, and where \
                 the body stood is forgotten"
            );
            taken.refusals.push(Refusal::notice(Cause::ChangedFrame, text));
        }
        if let Some(jump) = flips.contradict(&held.values) {
            let text = format!(
                "got a body that goes to and fro by {jump:.2} m from message to message; expected one tracker, which sees \
                 one person under one number; used"
            );
            taken.refusals.push(Refusal::notice(Cause::Contradiction, text));
        }
        taken
    }

    fn header<'a>(&self, stamp: Stamp, frame_id: &'a str, now: i64) -> Header<'a> {
        Header { stamp, frame_id, now, accept_zero_stamp: self.config.joints.accept_zero_stamp }
    }

    fn count(&mut self, input: Input, taken: Taken, now_nanos: i64) -> Taken {
        let channel = self.channel_mut(input);
        channel.seen += 1;
        channel.used += u64::from(taken.used > 0);
        channel.last_nanos = Some(now_nanos);
        channel.noticed += u64::from(taken.used > 0 && taken.refusals.iter().any(|refusal| refusal.is_used));
        taken.refusals.iter().for_each(|refusal| channel.tally.add(refusal));
        // A camera alone is nothing to solve.
        self.revision += u64::from(taken.used > 0 && input != Input::Camera);
        taken
    }

    /// Gives what is observed of somebody at `now_nanos`, as [`Intake::observation`]; none where they are gone.
    pub fn observation_of(&mut self, person: &Person, now_nanos: i64) -> Option<(Observation, Provenance)> {
        self.people.as_mut()?.observation(person, now_nanos)
    }

    /// Gives what is observed at `now_nanos`, or `None` when nothing is; where people are told apart, nothing is of nobody.
    ///
    /// Joints `[1, J]`, image `[1, C, H, W]`, points `[1, P, 3]`, 32 bit floats on the CPU.
    pub fn observation(&mut self, now_nanos: i64) -> Option<(Observation, Provenance)> {
        if let Some(refusal) = self.board.expire(now_nanos) {
            self.channel_mut(Input::Joints).tally.add(&refusal);
        }
        let timeout = self.config.stale_timeout;
        let joints = self.board.snapshot(now_nanos);
        let image = self.image.holding(now_nanos, timeout);
        let points = self.points.holding(now_nanos, timeout);
        let is_any = self.points_spec.as_ref().is_some_and(|spec| spec.frame.is_empty());
        // Points with names say more; beside them a cloud of another frame would stand elsewhere.
        let is_apart = |cloud: &&Held| {
            is_any && points.is_some_and(|points| check_one_frame(&cloud.frame_id, &points.frame_id).is_err())
        };
        let cloud = self.cloud.holding(now_nanos, timeout).filter(|cloud| !is_apart(cloud));
        let provenance = provenance(self.joints, joints.as_ref(), [image, points, cloud])?;
        let mut obs = Observation { stamp_nanos: provenance.stamp_nanos, ..Observation::default() };
        if let Some(snapshot) = joints {
            obs.joints = Some(Masked::of_numbers(&snapshot.positions, &[1, -1]));
        }
        if let (Some(held), Some(ImageSpec { channels, height, width })) = (image, self.image_spec) {
            obs.image = Observation::of_image(&tensor(&held.values, &[1, channels, height, width])).image;
        }
        if let (Some(spec), true) = (&self.points_spec, points.is_some() || cloud.is_some()) {
            let (values, confidence) = together(points, cloud, spec);
            obs.points = Some(Masked::of_numbers(&values, &[1, -1, 3]));
            obs.confidence = (!confidence.is_empty()).then(|| tensor(&confidence, &[1, -1]));
        }
        Some((obs, provenance))
    }
}

/// Points that have names and a cloud, `[P, 3]`, NaN where there is none of either, and how much each counts.
fn together(points: Option<&Held>, cloud: Option<&Held>, spec: &PointsSpec) -> (Vec<f32>, Vec<f32>) {
    let mut values = points.map_or_else(|| vec![f32::NAN; 3 * spec.names.len()], |held| held.values.clone());
    cloud.into_iter().for_each(|held| values.extend_from_slice(&held.values));
    values.resize(3 * spec.count(), f32::NAN);
    let mut confidence = points.map_or_else(Vec::new, |held| held.confidence.clone());
    if !confidence.is_empty() {
        confidence.resize(spec.count(), 1.0);
    }
    (values, confidence)
}

/// A tensor of `shape`, of which the values are a whole number of rows by construction.
fn tensor(values: &[f32], shape: &[i64]) -> Tensor {
    Tensor::from_slice(values).view(shape)
}
