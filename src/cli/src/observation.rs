//! Observations as JSON: read with suspicion, every refusal in one sentence.

mod error;
mod form;

use std::io::{ErrorKind, Read};
use std::ops::RangeInclusive;
use std::path::Path;

use serde_json::Value;
use tch::Tensor;
use thalweg::{BRIGHTNESS, GREATEST_COORDINATE, GREATEST_SLOPE, JointRange};
use thalweg_nn::files;
use thalweg_task::{ImageSpec, Masked, Observation, PointsSpec, TaskError, TaskSpec, nearest, thinned};

pub use error::ObservationError;
use form::{Entries, ImageForm, ObservationForm};

type Result<T> = std::result::Result<T, ObservationError>;

/// Largest observation that is read, bytes: an image of some megapixels. Its text, and its numbers, are all that is kept.
const SIZE_LIMIT: u64 = 16 << 20;

/// The latest stamp, nanoseconds: ROS time has 31 bits of seconds.
const LATEST: i64 = i32::MAX as i64 * 1_000_000_000 + 999_999_999;

/// What stands for standard input in place of a path.
const STANDARD_INPUT: &str = "-";

/// Names where an observation comes from, for messages.
pub(crate) fn name_of(path: &Path) -> String {
    if path.as_os_str() == STANDARD_INPUT { "standard input".to_owned() } else { path.display().to_string() }
}

/// Reads an observation of one row from a file, or from standard input when the path is `-`.
///
/// # Errors
/// [`ObservationError`].
pub(crate) fn read(path: &Path, spec: &TaskSpec) -> Result<Observation> {
    let too_large = || ObservationError::Large { limit: SIZE_LIMIT };
    let text = if path.as_os_str() == STANDARD_INPUT {
        let mut text = String::new();
        let read = std::io::stdin().lock().take(SIZE_LIMIT + 1).read_to_string(&mut text);
        if read.map_err(ObservationError::Io)? as u64 > SIZE_LIMIT { Err(too_large()) } else { Ok(text) }
    } else {
        files::read_text(path, SIZE_LIMIT).map_err(|error| match error.kind() {
            ErrorKind::FileTooLarge => too_large(),
            _ => ObservationError::Io(error),
        })
    };
    parse(&text?, spec)
}

/// Reads an observation of one row from JSON.
///
/// Values come as the task computes, so that what is too large for it is refused here.
///
/// # Errors
/// [`ObservationError`].
pub fn parse(text: &str, spec: &TaskSpec) -> Result<Observation> {
    // serde would take a list for the fields in their order.
    if text.trim_start().starts_with('[') {
        let error = serde::de::Error::custom("got a list, expected an object");
        return Err(ObservationError::NotAnObservation(error));
    }
    let form: ObservationForm = serde_json::from_str(text).map_err(|error| ObservationError::of_json(error, text))?;
    if !(0..=LATEST).contains(&form.stamp_nanos) {
        let (what, got) = ("stamp_nanos".to_owned(), form.stamp_nanos.to_string());
        return Err(ObservationError::Value { what, got, expected: "nanoseconds since 1970, below 2^31 s" });
    }
    let read_joints = |entries: &Entries| joints(entries, spec);
    let obs = Observation {
        stamp_nanos: form.stamp_nanos,
        joints: form.joints.as_ref().map(read_joints).transpose()?,
        image: form.image.as_ref().map(|image| pixels(image, spec)).transpose()?,
        points: points([form.points.as_ref(), form.rays.as_ref()], form.cloud.as_deref(), spec)?,
        ..Observation::default()
    };
    if obs.observed() == 0 {
        let (task, observes) = (spec.name.clone(), spec.observes().to_string());
        return Err(ObservationError::Nothing { task, observes });
    }
    Ok(obs)
}

/// Refuses a kind that the task does not observe.
fn shape(spec: &TaskSpec, kind: &'static str) -> Result<Vec<i64>> {
    let (task, observes) = (spec.name.clone(), spec.observes().to_string());
    Ok(spec.shape_of(kind).ok_or(TaskError::NotObserved { task, kind, observes })?)
}

fn masked(values: &[f64], shape: &[i64], spec: &TaskSpec) -> Masked {
    let shape = [&[1], shape].concat();
    Masked::new(&Tensor::from_slice(values).reshape(shape).to_kind(spec.kind).to_device(spec.device))
}

/// Places joints by name; `{"name": [..], "position": [..]}` is read like `sensor_msgs/JointState`.
fn joints(entries: &Entries, spec: &TaskSpec) -> Result<Masked> {
    let shape = shape(spec, "joints")?;
    let mut values = vec![f64::NAN; spec.joints.len()];
    let mut given = vec![false; values.len()];
    for (name, value) in entries.as_joint_state()?.unwrap_or_else(|| entries.pairs()) {
        let place = spec.joint_index(name)?;
        if std::mem::replace(&mut given[place], true) {
            return Err(ObservationError::Twice { kind: "joint", name: name.to_owned() });
        }
        values[place] = position(value, name, &JointRange::of(&spec.joints[place]))?;
    }
    Ok(masked(&values, &shape, spec))
}

/// Places points by name, each `[x, y, z]` or null, rays, each `[x, y]` or null, and behind them a cloud.
fn points(
    [entries, rays]: [Option<&Entries>; 2],
    cloud: Option<&[[f64; 3]]>,
    spec: &TaskSpec,
) -> Result<Option<Masked>> {
    if entries.is_none() && rays.is_none() && cloud.is_none() {
        return Ok(None);
    }
    let shape = shape(spec, "points")?;
    let of = spec.points.as_ref();
    let names = of.map_or(&[][..], |points| &points.names);
    let mut values = vec![[f64::NAN; 3]; of.map_or(0, PointsSpec::count)];
    let mut given = vec![false; names.len()];
    if let Some((name, value)) =
        rays.filter(|_| !of.is_some_and(|of| of.rays)).and_then(|rays| rays.pairs().first().copied())
    {
        let (what, expected) = (format!("ray '{name}'"), "none: the task reads no rays");
        return Err(ObservationError::Value { what, got: value.to_string(), expected });
    }
    let places = entries.into_iter().flat_map(Entries::pairs).map(|(name, value)| (name, value, false));
    let rays = rays.into_iter().flat_map(Entries::pairs).map(|(name, value)| (name, value, true));
    for (name, value, is_ray) in places.chain(rays) {
        let place = of.and_then(|points| points.index(name)).ok_or_else(|| unknown_point(name, names))?;
        if std::mem::replace(&mut given[place], true) {
            return Err(ObservationError::Twice { kind: "point", name: name.to_owned() });
        }
        values[place] = if is_ray { ray(name, value)? } else { point(name, value, of.is_some_and(|of| of.rays))? };
    }
    if let Some(cloud) = cloud {
        place_cloud(cloud, &mut values[names.len()..])?;
    }
    Ok(Some(masked(values.as_flattened(), &shape, spec)))
}

/// Puts a cloud, thinned, where there is room for it.
fn place_cloud(cloud: &[[f64; 3]], room: &mut [[f64; 3]]) -> Result<()> {
    let refuse = |got: String, expected| ObservationError::Value { what: "cloud".to_owned(), got, expected };
    if room.is_empty() {
        return Err(refuse(format!("{} points", cloud.len()), "none: the task observes no cloud"));
    }
    let is_far = |point: &&[f64; 3]| point.iter().any(|axis| axis.abs() > GREATEST_COORDINATE);
    if let Some(far) = cloud.iter().find(is_far) {
        return Err(refuse(format!("{far:?}"), A_COORDINATE));
    }
    let few = thinned(cloud, room.len());
    room.iter_mut().zip(few).for_each(|(place, point)| *place = point);
    Ok(())
}

fn unknown_point(name: &str, names: &[String]) -> TaskError {
    let hint = nearest(name, names.iter().map(String::as_str));
    TaskError::UnknownName { kind: "point", name: name.to_owned(), hint }
}

fn ray(name: &str, value: &Value) -> Result<[f64; 3]> {
    if value.is_null() {
        return Ok([f64::NAN; 3]);
    }
    let Some([x, y]) = value.as_array().map(Vec::as_slice) else {
        let expected = "[x / z, y / z] or null";
        return Err(ObservationError::Value { what: format!("ray '{name}'"), got: value.to_string(), expected });
    };
    let range = -GREATEST_SLOPE..=GREATEST_SLOPE;
    let axis = |value: &Value, axis| {
        let what = || format!("ray '{name}', {axis}");
        let slope = within(value, &range, A_SLOPE, what)?;
        // One without the other is no ray.
        if slope.is_nan() {
            return Err(ObservationError::Value { what: what(), got: value.to_string(), expected: A_SLOPE });
        }
        Ok(slope)
    };
    Ok([axis(x, "x / z")?, axis(y, "y / z")?, f64::NAN])
}

fn point(name: &str, value: &Value, has_rays: bool) -> Result<[f64; 3]> {
    if value.is_null() {
        return Ok([f64::NAN; 3]);
    }
    let Some([x, y, z]) = value.as_array().map(Vec::as_slice) else {
        let expected = "[x, y, z] or null";
        return Err(ObservationError::Value { what: format!("point '{name}'"), got: value.to_string(), expected });
    };
    let range = -GREATEST_COORDINATE..=GREATEST_COORDINATE;
    let axis = |value, axis| within(value, &range, A_COORDINATE, || format!("point '{name}', {axis}"));
    let place = [axis(x, "x")?, axis(y, "y")?, axis(z, "z")?];
    // Without a depth it would be a ray.
    Ok(if has_rays && place.iter().any(|axis| axis.is_nan()) { [f64::NAN; 3] } else { place })
}

/// Takes pixels row by row, channels last, and puts channels first.
fn pixels(image: &ImageForm, spec: &TaskSpec) -> Result<Masked> {
    shape(spec, "image")?;
    let ImageForm { height, width, channels, ref pixels } = *image;
    let got = ImageSpec { channels, height, width };
    if let Some(expected) = spec.image.filter(|expected| *expected != got) {
        return Err(ObservationError::Image { got, expected });
    }
    let (expected, values) = (height * width * channels, &pixels.values);
    if values.len() as i64 != expected {
        return Err(ObservationError::Pixels { got: values.len(), expected });
    }
    let refuse = |index, got| ObservationError::Value { what: format!("pixel {index}"), got, expected: A_BRIGHTNESS };
    if let Some((index, got)) = &pixels.bad {
        return Err(refuse(*index, got.clone()));
    }
    let is_brightness = |value: f64| value.is_nan() || BRIGHTNESS.contains(&value);
    if let Some((index, value)) = values.iter().enumerate().find(|(_, value)| !is_brightness(**value)) {
        return Err(refuse(index, value.to_string()));
    }
    let clamped: Vec<f64> = values.iter().map(|value| value.clamp(0.0, 1.0)).collect();
    let channels_last = Tensor::from_slice(&clamped).view([height, width, channels]);
    let channels_first = channels_last.permute([2, 0, 1]).unsqueeze(0).contiguous();
    Ok(Masked::new(&channels_first.to_kind(spec.kind).to_device(spec.device)))
}

/// What a position may be.
const A_POSITION: &str = "an angle within 10,000 turns, a slide within 1000 m, or null";
/// What a coordinate may be.
const A_COORDINATE: &str = "a number within 100 m, or null";
/// What x / z and y / z may be.
const A_SLOPE: &str = "a number within 10";
/// What a pixel may be.
const A_BRIGHTNESS: &str = "a number from 0 to 1, or null";

/// Reads a position as library and node do; null is unobserved.
fn position(value: &Value, name: &str, range: &JointRange) -> Result<f64> {
    let judged = value.as_f64().and_then(|position| range.judge(position).ok());
    match judged {
        _ if value.is_null() => Ok(f64::NAN),
        Some(position) => Ok(f64::from(position.value)),
        None => {
            let what = format!("joint '{name}'");
            Err(ObservationError::Value { what, got: value.to_string(), expected: A_POSITION })
        }
    }
}

/// Reads a number within a range; null is unobserved.
fn within(
    value: &Value,
    range: &RangeInclusive<f64>,
    expected: &'static str,
    what: impl Fn() -> String,
) -> Result<f64> {
    if value.is_null() {
        return Ok(f64::NAN);
    }
    let refuse = || ObservationError::Value { what: what(), got: value.to_string(), expected };
    value.as_f64().filter(|number| range.contains(number)).ok_or_else(refuse)
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};
    use thalweg_task::{JointSpec, PointsSpec};

    use super::*;

    fn spec(image: Option<ImageSpec>) -> TaskSpec {
        let joint = |name: &str| JointSpec { name: name.to_owned(), unit: "rad".to_owned(), lower: -1.0, upper: 1.0 };
        TaskSpec {
            name: "test".to_owned(),
            latent: 1,
            output: vec![1],
            joints: vec![joint("hip"), joint("knee")],
            groups: Vec::new(),
            reads_joints: true,
            image,
            points: Some(PointsSpec {
                names: vec!["tip".to_owned()],
                frame: "base".to_owned(),
                tracker: None,
                cloud: 0,
                rays: false,
            }),
            skeleton: None,
            classes: Vec::new(),
            convention: None,
            residual: true,
            fingerprint: "test".to_owned(),
            device: Device::Cpu,
            kind: Kind::Float,
        }
    }

    fn values(field: Option<Masked>) -> Vec<f32> {
        let flat = field.expect("the kind was given").with_nan().flatten(0, -1);
        Vec::try_from(&flat).expect("values are f32")
    }

    fn image_spec() -> TaskSpec {
        spec(Some(ImageSpec { channels: 2, height: 1, width: 2 }))
    }

    #[test]
    fn values_find_their_places() {
        let text = r#"{"stamp_nanos": 7, "joints": {"knee": 0.5, "hip": null}, "points": {"tip": [1, null, 3]}}"#;
        let obs = parse(text, &spec(None)).expect("it is sound");
        assert_eq!(obs.stamp_nanos, 7);
        assert!(matches!(values(obs.joints)[..], [hip, 0.5] if hip.is_nan()));
        assert!(matches!(values(obs.points)[..], [1.0, y, 3.0] if y.is_nan()));
    }

    #[test]
    fn a_cloud_stands_behind_the_points_that_have_names() {
        let points = |cloud| spec(None).points.map(|points| PointsSpec { cloud, ..points });
        let seeing = |cloud| TaskSpec { points: points(cloud), ..spec(None) };
        let text = r#"{"points": {"tip": [1, 2, 3]}, "cloud": [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]]}"#;
        let found = values(parse(text, &seeing(3)).expect("it is sound").points);
        assert_eq!(found[..9], [1.0, 2.0, 3.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6]);
        assert!(found.len() == 12 && found[9..].iter().all(|value| value.is_nan()));
        let refused = |text: &str, cloud| parse(text, &seeing(cloud)).expect_err("refused").to_string();
        assert!(refused(text, 0).contains("the task observes no cloud"));
        assert!(refused(r#"{"cloud": [[0, 0, 101]]}"#, 3).contains("cloud"));
        assert!(!refused(r#"{"cloud": [[0, 0]]}"#, 3).is_empty());
    }

    #[test]
    fn a_ray_is_a_point_without_a_depth() {
        let points = |rays| spec(None).points.map(|points| PointsSpec { rays, ..points });
        let seeing = |rays| TaskSpec { points: points(rays), ..spec(None) };
        let found = values(parse(r#"{"rays": {"tip": [0.1, -0.2]}}"#, &seeing(true)).expect("it is sound").points);
        assert!(matches!(found[..], [0.1, -0.2, z] if z.is_nan()), "{found:?}");
        // A place of which a coordinate is missing must not become one.
        let half = r#"{"joints": {"hip": 0}, "points": {"tip": [1, 2, null]}}"#;
        let found = values(parse(half, &seeing(true)).expect("it is sound").points);
        assert!(found.iter().all(|value| value.is_nan()), "{found:?}");
        let refused = |text: &str, rays| parse(text, &seeing(rays)).expect_err("refused").to_string();
        assert!(refused(r#"{"rays": {"tip": [0.1, 0.2]}}"#, false).contains("the task reads no rays"));
        for bad in ["[0.1, 11]", "[0.1, null]", "[0.1, 0.2, 0.3]", "0.1"] {
            let text = format!(r#"{{"rays": {{"tip": {bad}}}}}"#);
            assert!(refused(&text, true).contains("ray 'tip'"), "{bad}");
        }
        let both = r#"{"points": {"tip": [1, 2, 3]}, "rays": {"tip": [0.1, 0.2]}}"#;
        assert!(refused(both, true).contains("tip"), "{}", refused(both, true));
    }

    #[test]
    fn both_forms_of_joints_are_the_same() {
        let by_name = parse(r#"{"joints": {"knee": 0.5, "hip": 2}}"#, &spec(None)).expect("it is sound");
        let listed = r#"{"joints": {"position": [0.5, 2], "name": ["knee", "hip"]}}"#;
        let listed = parse(listed, &spec(None)).expect("it is sound");
        assert_eq!(values(by_name.joints), values(listed.joints));
    }

    #[test]
    fn channels_come_first() {
        let text = r#"{"image": {"height": 1, "width": 2, "channels": 2, "pixels": [0.1, 0.2, 0.3, null]}}"#;
        let obs = parse(text, &image_spec()).expect("it is sound");
        assert_eq!(obs.image.as_ref().map(|image| image.value().size()), Some(vec![1, 2, 1, 2]));
        assert!(matches!(values(obs.image)[..], [0.1, 0.3, 0.2, last] if last.is_nan()));
    }

    /// The bounds of messages, at their ends and beside them; the next number of all would be read as the end itself.
    #[test]
    fn numbers_are_held_to_the_bounds_of_messages() {
        let takes = |text: String| parse(&text, &spec(None)).is_ok();
        let (angle, far) = (thalweg::GREATEST_ANGLE, GREATEST_COORDINATE);
        let above = |end: f64| end * (1.0 + 1e-12);
        for (end, is_taken) in [(angle, true), (above(angle), false), (-angle, true), (1e19, false), (1e308, false)] {
            assert_eq!(takes(format!(r#"{{"joints": {{"hip": {end:e}}}}}"#)), is_taken, "{end:e}");
        }
        for (end, is_taken) in [(far, true), (above(far), false), (-far, true), (1e19, false), (5e-324, true)] {
            assert_eq!(takes(format!(r#"{{"points": {{"tip": [0, {end:e}, 0]}}}}"#)), is_taken, "{end:e}");
        }
        for (stamp, is_taken) in [(0, true), (LATEST, true), (LATEST + 1, false), (-1, false), (i64::MAX, false)] {
            assert_eq!(takes(format!(r#"{{"stamp_nanos": {stamp}, "joints": {{"hip": 0}}}}"#)), is_taken, "{stamp}");
        }
    }

    /// What is no observation costs no more than its text.
    #[test]
    fn long_lists_are_refused() {
        let sentence = |text: String| parse(&text, &spec(None)).expect_err("it is too long").to_string();
        let list = |count| vec!["0"; count].join(",");
        let entries = (0..70_000).map(|index| format!("\"{index}\":0")).collect::<Vec<_>>().join(",");
        let cases = [
            format!(r#"{{"joints": {{"name": [{}]}}}}"#, list(70_000)),
            format!(r#"{{"joints": {{{entries}}}}}"#),
            format!(r#"{{"image": {{"height": 1, "width": 1, "channels": 1, "pixels": [{}]}}}}"#, list(4_200_000)),
        ];
        for case in cases {
            assert!(sentence(case).contains("not an observation: more than "));
        }
        let nested = format!(r#"{{"joints": {{"hip": [{}]}}}}"#, ["[0,[0]]"; 3].join(","));
        assert!(sentence(nested).contains("joint 'hip': got [\"a list\""));
    }

    #[test]
    fn wrong_images_are_refused() {
        let sentence = |text| parse(text, &image_spec()).expect_err("it is wrong").to_string();
        assert_eq!(
            sentence(r#"{"image": {"height": 2, "width": 2, "channels": 2, "pixels": []}}"#),
            "image: got height 2, width 2, channels 2; expected height 1, width 2, channels 2"
        );
        assert_eq!(
            sentence(r#"{"image": {"height": 1, "width": 2, "channels": 2, "pixels": [1]}}"#),
            "image: got 1 pixel values, expected height x width x channels = 4"
        );
        assert_eq!(
            sentence(r#"{"image": {"height": 1, "width": 2, "channels": 2, "pixels": [1, 0, 0.5, 1e19]}}"#),
            "pixel 3: got 10000000000000000000, expected a number from 0 to 1, or null"
        );
        assert_eq!(
            sentence(r#"{"image": {"height": 1, "width": 2, "channels": 2, "pixels": [1, 0, "3", 4]}}"#),
            "pixel 2: got \"3\", expected a number from 0 to 1, or null"
        );
    }
}
