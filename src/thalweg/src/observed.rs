//! What was seen of one moment, by name.

use std::sync::Arc;

use tch::Tensor;
use thalweg_task::{ImageSpec, Observation, Pixels, PointsSpec, TaskError, TaskSpec, nearest, thinned};

use crate::error::Error;
use crate::position::{BRIGHTNESS, GREATEST_COORDINATE, GREATEST_SLOPE, JointRange};

/// What was seen of one moment; everything that is not named is unobserved.
///
/// ```
/// # fn main() -> Result<(), thalweg::Error> {
/// let engine = thalweg::load("planar_arm")?.build()?;
/// let seen = engine.observe().joint("joint_1", 0.4)?.point("tip_3", [0.4, 0.2, 0.0])?;
/// let wrong = engine.observe().joint("joint_9", 0.4).expect_err("there is none");
/// assert_eq!(wrong.to_string(), "unknown joint 'joint_9'; the nearest known name is 'joint_1'");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Observed {
    spec: Arc<TaskSpec>,
    stamp_nanos: i64,
    /// `[J]`, NaN where unobserved; empty as long as no joint was.
    joints: Vec<f32>,
    /// `[P]`, NaN where unobserved; empty as long as no point was.
    points: Vec<[f32; 3]>,
    image: Option<Pixels>,
}

impl Observed {
    pub(crate) fn nothing(spec: Arc<TaskSpec>) -> Self {
        Self { spec, stamp_nanos: 0, joints: Vec::new(), points: Vec::new(), image: None }
    }

    /// Says when it was seen, nanoseconds on the source's clock.
    #[must_use]
    pub fn stamp_nanos(mut self, stamp_nanos: i64) -> Self {
        self.stamp_nanos = stamp_nanos;
        self
    }

    /// Adds a joint position, radians or metres.
    ///
    /// As the node does, it turns an angle by whole turns into the limits of its joint, clamps what is beyond them by
    /// less than 0.001, and takes what is farther beyond as it is.
    ///
    /// # Errors
    /// [`TaskError::UnknownName`] with the nearest name, [`TaskError::NotObserved`], [`Error::Value`] or
    /// [`Error::Twice`].
    pub fn joint(mut self, name: &str, position: f64) -> Result<Self, Error> {
        self.expect("joints")?;
        let place = self.spec.joint_index(name)?;
        let refuse = |expected: String| Error::Value { what: joint(name), got: format!("{position:?}"), expected };
        let used = JointRange::of(&self.spec.joints[place]).judge(position).map_err(|bad| refuse(bad.to_string()))?;
        self.joints.resize(self.spec.joints.len(), f32::NAN);
        if !std::mem::replace(&mut self.joints[place], used.value).is_nan() {
            return Err(Error::Twice { what: joint(name) });
        }
        Ok(self)
    }

    /// Adds joint positions, radians or metres, by name.
    ///
    /// # Errors
    /// As [`Observed::joint`], about the first one that is refused.
    pub fn joints<'a>(self, positions: impl IntoIterator<Item = (&'a str, f64)>) -> Result<Self, Error> {
        positions.into_iter().try_fold(self, |seen, (name, position)| seen.joint(name, position))
    }

    /// Adds a point, metres in the task's frame.
    ///
    /// # Errors
    /// As [`Observed::joint`].
    pub fn point(self, name: &str, position: [f64; 3]) -> Result<Self, Error> {
        self.expect("points")?;
        let what = format!("point '{name}'");
        if !position.iter().all(|axis| (-GREATEST_COORDINATE..=GREATEST_COORDINATE).contains(axis)) {
            let expected = format!("three numbers within {GREATEST_COORDINATE} m");
            return Err(Error::Value { what, got: format!("{position:?}"), expected });
        }
        self.put(name, what, position.map(|axis| axis as f32))
    }

    /// Adds a point that a camera saw in a direction: x / z and y / z in the camera's frame, which has x to the right, y down
    /// and z forward. For a pixel (u, v) of an image without distortion that is `(u - cx) / fx` and `(v - cy) / fy`.
    ///
    /// # Errors
    /// As [`Observed::joint`]; [`Error::Value`] also when the task reads no rays.
    pub fn ray(self, name: &str, direction: [f64; 2]) -> Result<Self, Error> {
        self.expect("points")?;
        let (what, got) = (format!("ray '{name}'"), || format!("{direction:?}"));
        if !self.spec.points.as_ref().is_some_and(|points| points.rays) {
            return Err(Error::Value { what, got: got(), expected: "none: the task reads no rays".to_owned() });
        }
        if !direction.iter().all(|slope| (-GREATEST_SLOPE..=GREATEST_SLOPE).contains(slope)) {
            let expected = format!("two numbers within {GREATEST_SLOPE}, x / z and y / z");
            return Err(Error::Value { what, got: got(), expected });
        }
        self.put(name, what, [direction[0] as f32, direction[1] as f32, f32::NAN])
    }

    /// Puts what was seen of a point in its place.
    fn put(mut self, name: &str, what: String, value: [f32; 3]) -> Result<Self, Error> {
        let names = self.spec.points.as_ref().map_or(&[][..], |points| &points.names);
        let unknown = || {
            let hint = nearest(name, names.iter().map(String::as_str));
            TaskError::UnknownName { kind: "point", name: name.to_owned(), hint }
        };
        let place = self.spec.points.as_ref().and_then(|points| points.index(name)).ok_or_else(unknown)?;
        self.make_room();
        if !std::mem::replace(&mut self.points[place], value)[0].is_nan() {
            return Err(Error::Twice { what });
        }
        Ok(self)
    }

    /// Adds a cloud of points, metres in the task's frame, and takes the place of one that was there; points that are not
    /// finite are left out, and too many are thinned.
    ///
    /// # Errors
    /// [`Error::Value`] when the task observes no cloud, or a point lies too far away.
    pub fn cloud(mut self, points: &[[f64; 3]]) -> Result<Self, Error> {
        self.expect("points")?;
        let refused = |got: String, expected: String| Error::Value { what: "cloud".to_owned(), got, expected };
        let (names, most) = self.spec.points.as_ref().map_or((0, 0), |points| (points.names.len(), points.cloud));
        if most == 0 {
            return Err(refused(format!("{} points", points.len()), "none: the task observes no cloud".to_owned()));
        }
        let is_far = |point: &&[f64; 3]| point.iter().any(|axis| axis.is_finite() && axis.abs() > GREATEST_COORDINATE);
        if let Some(far) = points.iter().find(is_far) {
            return Err(refused(format!("{far:?}"), format!("three numbers within {GREATEST_COORDINATE} m")));
        }
        self.make_room();
        let room = &mut self.points[names..];
        room.fill([f32::NAN; 3]);
        let few = thinned(points, most);
        room.iter_mut().zip(few).for_each(|(place, point)| *place = point.map(|axis| axis as f32));
        Ok(self)
    }

    /// As many points as the task observes, unobserved where nothing was added.
    fn make_room(&mut self) {
        let count = self.spec.points.as_ref().map_or(0, PointsSpec::count);
        self.points.resize(count, [f32::NAN; 3]);
    }

    /// Adds an image, black 0, white 1; NaN is unobserved.
    ///
    /// # Errors
    /// [`TaskError::NotObserved`], [`Error::Value`] about another size or a value that is infinite, [`Error::Twice`].
    pub fn image(mut self, image: Pixels) -> Result<Self, Error> {
        self.expect("image")?;
        let size = |spec: ImageSpec| format!("{} x {} pixels of {} channel(s)", spec.height, spec.width, spec.channels);
        let got = ImageSpec {
            channels: i64::from(image.channels),
            height: i64::from(image.height),
            width: i64::from(image.width),
        };
        let refuse = |got: String, expected: String| Error::Value { what: "image".to_owned(), got, expected };
        if let Some(expected) = self.spec.image.filter(|expected| *expected != got) {
            return Err(refuse(size(got), size(expected)));
        }
        let values = got.channels * got.height * got.width;
        if image.data.len() as i64 != values {
            return Err(refuse(format!("{} values", image.data.len()), format!("{values}, one for each sample")));
        }
        let is_brightness = |value: f32| value.is_nan() || BRIGHTNESS.contains(&f64::from(value));
        if let Some(value) = image.data.iter().find(|value| !is_brightness(**value)) {
            return Err(refuse(value.to_string(), "numbers from 0 to 1, or NaN where unobserved".to_owned()));
        }
        if self.image.replace(image).is_some() {
            return Err(Error::Twice { what: "image".to_owned() });
        }
        Ok(self)
    }

    /// Refuses a kind that the task does not observe.
    fn expect(&self, kind: &'static str) -> Result<(), TaskError> {
        let refuse = || TaskError::NotObserved {
            task: self.spec.name.clone(),
            kind,
            observes: self.spec.observes().to_string(),
        };
        self.spec.shape_of(kind).map(drop).ok_or_else(refuse)
    }

    /// The observation of one row that the engine reads.
    ///
    /// Joints `[1, J]`, image `[1, C, H, W]`, points `[1, P, 3]`, 32 bit floats on the CPU.
    #[must_use]
    pub fn observation(&self) -> Observation {
        Self::rows(std::slice::from_ref(self))
    }

    /// The observation of one row for each moment; the stamp is that of the first.
    ///
    /// What a row lacks and another has is unobserved there.
    pub(crate) fn rows(rows: &[Self]) -> Observation {
        let mut obs =
            Observation { stamp_nanos: rows.first().map_or(0, |row| row.stamp_nanos), ..Observation::default() };
        let Some(spec) = rows.first().map(|row| &row.spec) else { return obs };
        let all = |length: usize, of: &dyn Fn(&Self) -> &[f32]| -> Vec<f32> {
            let filled = |row| match of(row) {
                [] => vec![f32::NAN; length],
                seen => seen.to_vec(),
            };
            rows.iter().flat_map(filled).collect()
        };
        let count = rows.len() as i64;
        if rows.iter().any(|row| !row.joints.is_empty()) {
            let values = all(spec.joints.len(), &|row| &row.joints);
            obs.joints = Observation::of_joints(&Tensor::from_slice(&values).view([count, -1])).joints;
        }
        if rows.iter().any(|row| !row.points.is_empty()) {
            let length = spec.points.as_ref().map_or(0, |points| 3 * points.count());
            let values = all(length, &|row| row.points.as_flattened());
            obs.points = Observation::of_points(&Tensor::from_slice(&values).view([count, -1, 3])).points;
        }
        if let (Some(ImageSpec { channels, height, width }), true) =
            (spec.image, rows.iter().any(|row| row.image.is_some()))
        {
            let values =
                all((channels * height * width) as usize, &|row| row.image.as_ref().map_or(&[], |image| &image.data));
            let pixels = Tensor::from_slice(&values).view([count, channels, height, width]);
            obs.image = Observation::of_image(&pixels).image;
        }
        obs
    }
}

fn joint(name: &str) -> String {
    format!("joint '{name}'")
}
