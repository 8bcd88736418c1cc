//! Observations as JSON: read with suspicion, every refusal in one sentence.

mod error;
mod form;

use std::io::{ErrorKind, Read};
use std::path::Path;

use serde_json::Value;
use tch::Tensor;
use thalweg_nn::files;
use thalweg_task::{ImageSpec, Masked, Observation, TaskError, TaskSpec, nearest};

pub(crate) use error::ObservationError;
use form::{Entries, ImageForm, ObservationForm};

type Result<T> = std::result::Result<T, ObservationError>;

/// Largest observation that is read, bytes: an image of some megapixels.
const SIZE_LIMIT: u64 = 256 << 20;

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
pub(crate) fn parse(text: &str, spec: &TaskSpec) -> Result<Observation> {
    // serde would take a list for the fields in their order.
    if text.trim_start().starts_with('[') {
        let error = serde::de::Error::custom("got a list, expected an object");
        return Err(ObservationError::NotAnObservation(error));
    }
    let form: ObservationForm = serde_json::from_str(text).map_err(|error| ObservationError::of_json(error, text))?;
    let read_joints = |entries: &Entries| joints(entries, spec);
    let obs = Observation {
        stamp_nanos: form.stamp_nanos,
        joints: form.joints.as_ref().map(read_joints).transpose()?,
        image: form.image.as_ref().map(|image| pixels(image, spec)).transpose()?,
        points: form.points.as_ref().map(|entries| points(entries, spec)).transpose()?,
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
        values[place] = number(value, || format!("joint '{name}'"))?;
    }
    Ok(masked(&values, &shape, spec))
}

/// Places points by name, each `[x, y, z]` or null.
fn points(entries: &Entries, spec: &TaskSpec) -> Result<Masked> {
    let shape = shape(spec, "points")?;
    let names = spec.points.as_ref().map_or(&[][..], |points| &points.names);
    let mut values = vec![[f64::NAN; 3]; names.len()];
    let mut given = vec![false; names.len()];
    for (name, value) in entries.pairs() {
        let place = names.iter().position(|known| known == name).ok_or_else(|| unknown_point(name, names))?;
        if std::mem::replace(&mut given[place], true) {
            return Err(ObservationError::Twice { kind: "point", name: name.to_owned() });
        }
        values[place] = point(name, value)?;
    }
    Ok(masked(values.as_flattened(), &shape, spec))
}

fn unknown_point(name: &str, names: &[String]) -> TaskError {
    let hint = nearest(name, names.iter().map(String::as_str));
    TaskError::UnknownName { kind: "point", name: name.to_owned(), hint }
}

fn point(name: &str, value: &Value) -> Result<[f64; 3]> {
    if value.is_null() {
        return Ok([f64::NAN; 3]);
    }
    let Some([x, y, z]) = value.as_array().map(Vec::as_slice) else {
        let expected = "[x, y, z] or null";
        return Err(ObservationError::Value { what: format!("point '{name}'"), got: value.to_string(), expected });
    };
    let axis = |value, axis| number(value, || format!("point '{name}', {axis}"));
    Ok([axis(x, "x")?, axis(y, "y")?, axis(z, "z")?])
}

/// Takes pixels row by row, channels last, and puts channels first.
fn pixels(image: &ImageForm, spec: &TaskSpec) -> Result<Masked> {
    shape(spec, "image")?;
    let ImageForm { height, width, channels, ref pixels } = *image;
    let got = ImageSpec { channels, height, width };
    if let Some(expected) = spec.image.filter(|expected| *expected != got) {
        return Err(ObservationError::Image { got, expected });
    }
    let expected = height * width * channels;
    if pixels.len() as i64 != expected {
        return Err(ObservationError::Pixels { got: pixels.len(), expected });
    }
    let read = |(index, value)| number(value, || format!("pixel {index}"));
    let values = pixels.iter().enumerate().map(read).collect::<Result<Vec<f64>>>()?;
    let channels_last = Tensor::from_slice(&values).view([height, width, channels]);
    let channels_first = channels_last.permute([2, 0, 1]).unsqueeze(0).contiguous();
    Ok(Masked::new(&channels_first.to_kind(spec.kind).to_device(spec.device)))
}

/// Reads a number; null is unobserved.
///
/// Bounded by f32, in which tasks compute: beyond, it would turn infinite.
fn number(value: &Value, what: impl Fn() -> String) -> Result<f64> {
    if value.is_null() {
        return Ok(f64::NAN);
    }
    value.as_f64().filter(|number| (*number as f32).is_finite()).ok_or_else(|| ObservationError::Value {
        what: what(),
        got: value.to_string(),
        expected: "a number below 3.4e38, or null",
    })
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
            points: Some(PointsSpec { names: vec!["tip".to_owned()], frame: "base".to_owned() }),
            skeleton: None,
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
            sentence(r#"{"image": {"height": 1, "width": 2, "channels": 2, "pixels": [1, 2, "3", 4]}}"#),
            "pixel 2: got \"3\", expected a number below 3.4e38, or null"
        );
    }
}
