//! Point clouds: from the bytes of a message to the points that a task names.

use thalweg_task::{PointsSpec, Tracker};

use super::Decoded;
use super::bounds::{POINT_STEP, POINTS};
use super::keypoints::{Reading, judge_keypoints};
use super::layout::{Axis, find_axes, find_pixel_axes, find_scalar};
use super::places::judge_places;
use super::refusal::{Cause, Refusal};
use super::stamp::Stamp;
use super::text::escaped;

/// A `sensor_msgs/PointField`, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    /// Name: `x`, `y`, `z`, `intensity`, ...
    pub name: &'a str,
    /// Bytes from the start of the point.
    pub offset: u32,
    /// Number of the type: 7 is FLOAT32, 8 is FLOAT64.
    pub datatype: u8,
    /// Number of elements.
    pub count: u32,
}

/// A `sensor_msgs/PointCloud2`, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct CloudMessage<'a> {
    /// When it was measured.
    pub stamp: Stamp,
    /// Frame of the positions; empty means the task's.
    pub frame_id: &'a str,
    /// Rows; 1 for a cloud without order.
    pub height: u32,
    /// Points in a row.
    pub width: u32,
    /// What a point consists of.
    pub fields: &'a [Field<'a>],
    /// Whether numbers have the most significant byte first.
    pub is_bigendian: bool,
    /// Bytes from one point to the next.
    pub point_step: u32,
    /// Bytes from one row to the next.
    pub row_step: u32,
    /// The points.
    pub data: &'a [u8],
}

impl CloudMessage<'_> {
    /// The data from a point on, by its place, row after row. Within the data where [`check_layout`] has let the message
    /// through, which compares all of these numbers with its length.
    pub(super) fn point(&self, place: usize) -> &[u8] {
        let width = self.width as usize;
        &self.data[place / width * self.row_step as usize + place % width * self.point_step as usize..]
    }
}

/// Decodes the points that `spec` names, in its order.
///
/// Returns `[P, 3]`, point by point, metres, or `None` for an empty cloud (P11). A point is NaN,
/// unobserved, when any of its coordinates is not finite, whatever `is_dense` said (P8), or is farther
/// away than anything can be; so are several points at exactly 0 0 0. A cloud of one row needs no `row_step`.
///
/// # Errors
/// [`Cause::WrongFrame`], [`Cause::BadLayout`], [`Cause::MissingField`],
/// [`Cause::TooManyPoints`] or [`Cause::WrongCount`], before anything is allocated; [`Cause::OutOfLimits`] when most
/// points are too far away.
pub fn decode_points(message: &CloudMessage<'_>, spec: &PointsSpec) -> Result<Option<Decoded>, Refusal> {
    let count = u64::from(message.width) * u64::from(message.height);
    if count == 0 && message.data.is_empty() {
        return Ok(None);
    }
    if let Some(tracker) = &spec.tracker {
        let (readings, notice) = read_keypoints(message, tracker, spec, false)?;
        let mut decoded = judge_keypoints(&readings, tracker, spec)?;
        decoded.notices.extend(notice);
        return Ok(Some(decoded));
    }
    check_frame(message, spec)?;
    let (message, notice) = with_row_step(message);
    check_layout(&message)?;
    check_count(count, spec)?;
    let axes = find_axes(&message)?;
    let read = |place: usize| axes.map(|axis| axis.read(message.point(place), message.is_bigendian));
    let mut decoded = judge_places((0..spec.names.len()).map(read).collect(), &spec.names)?;
    decoded.notices.extend(notice);
    Ok(Some(decoded))
}

/// Names of the field that numbers points, the first that is there.
const NUMBERS: [&str; 3] = ["id", "label", "keypoint_id"];
/// Names of the field that numbers people, the first that is there.
const BODIES: [&str; 4] = ["body_id", "person_id", "person", "track_id"];

/// Reads the points of a cloud as a tracker sends them, of any number of people, and what is worth a word about it; with
/// `are_pixels` their third number is zero.
///
/// # Errors
/// As [`decode_points`].
pub(super) fn read_keypoints(
    message: &CloudMessage<'_>,
    tracker: &Tracker,
    spec: &PointsSpec,
    are_pixels: bool,
) -> Result<(Vec<Reading>, Option<Refusal>), Refusal> {
    let count = u64::from(message.width) * u64::from(message.height);
    if count == 0 && message.data.is_empty() {
        return Ok((Vec::new(), None));
    }
    check_frame(message, spec)?;
    let (message, notice) = with_row_step(message);
    check_layout(&message)?;
    check_most(count)?;
    let count = count as usize;
    let readings = if are_pixels {
        readings(&message, tracker, count, &find_pixel_axes(&message)?)
    } else {
        readings(&message, tracker, count, &find_axes(&message)?)
    };
    Ok((readings?, notice))
}

/// Reads points with their numbers and with how sure the tracker is, where there are fields for that.
fn readings(
    message: &CloudMessage<'_>,
    tracker: &Tracker,
    count: usize,
    axes: &[Axis],
) -> Result<Vec<Reading>, Refusal> {
    let number = NUMBERS.iter().find_map(|name| find_scalar(message, name).transpose()).transpose()?;
    let body = BODIES.iter().find_map(|name| find_scalar(message, name).transpose()).transpose()?;
    let confidence = tracker.confidence.as_deref().map(|name| find_scalar(message, name)).transpose()?.flatten();
    let read = |place: usize| {
        let (point, is_bigendian) = (message.point(place), message.is_bigendian);
        Reading {
            id: number.map(|field| field.read(point, is_bigendian) as i64),
            body: body
                .map(|field| field.read(point, is_bigendian))
                .filter(|body| body.is_finite())
                .map(|body| body as i64),
            place: std::array::from_fn(|axis| axes.get(axis).map_or(0.0, |axis| axis.read(point, is_bigendian))),
            confidence: confidence.map(|field| field.read(point, is_bigendian)),
            is_ray: false,
        }
    };
    Ok((0..count).map(read).collect())
}

pub(super) fn check_most(got: u64) -> Result<(), Refusal> {
    if got as f64 <= POINTS.greatest {
        return Ok(());
    }
    let text = format!("got {got} points; expected at most {}", POINTS.greatest);
    Err(Refusal::new(Cause::TooManyPoints, text))
}

/// Fills in a `row_step` of 0 where there is one row, which needs none: drivers leave it out.
pub(super) fn with_row_step<'a>(message: &CloudMessage<'a>) -> (CloudMessage<'a>, Option<Refusal>) {
    let &CloudMessage { height, width, point_step, row_step, .. } = message;
    match width.checked_mul(point_step) {
        Some(row) if row_step == 0 && height == 1 && row > 0 => {
            let text =
                format!("got row_step 0 in a cloud of one row; expected width {width} x point_step {point_step}; used");
            (CloudMessage { row_step: row, ..*message }, Some(Refusal::notice(Cause::BadLayout, text)))
        }
        _ => (*message, None),
    }
}

/// Nothing is transformed: the frame is the task's, or unnamed (P12).
pub(super) fn check_frame(message: &CloudMessage<'_>, spec: &PointsSpec) -> Result<(), Refusal> {
    let (got, expected) = (message.frame_id, spec.frame.as_str());
    if got.is_empty() || expected.is_empty() || got == expected {
        return Ok(());
    }
    let text = format!("got points in frame '{}'; expected frame '{}'", escaped(got), escaped(expected));
    Err(Refusal::new(Cause::WrongFrame, text))
}

/// Checks steps and bytes against each other (P1, P5, P9).
pub(super) fn check_layout(message: &CloudMessage<'_>) -> Result<(), Refusal> {
    let &CloudMessage { height, width, point_step, row_step, data, .. } = message;
    let refuse = |text: String| Err(Refusal::new(Cause::BadLayout, text));
    if !POINT_STEP.holds(f64::from(point_step)) {
        let (least, greatest) = (POINT_STEP.least, POINT_STEP.greatest);
        return refuse(format!("got point_step {point_step}; expected the bytes of a point, {least} to {greatest}"));
    }
    let row = u128::from(width) * u128::from(point_step);
    if u128::from(row_step) < row {
        return refuse(format!(
            "got row_step {row_step} < width {width} x point_step {point_step}; expected at least {row}"
        ));
    }
    let whole = u128::from(row_step) * u128::from(height);
    let least = whole.saturating_sub(u128::from(row_step)) + row;
    let got = data.len() as u128;
    if got != whole && got != least {
        return refuse(format!("got {got} B of data; expected row_step {row_step} x height {height} = {whole} B"));
    }
    Ok(())
}

fn check_count(got: u64, spec: &PointsSpec) -> Result<(), Refusal> {
    let expected = spec.names.len() as u64;
    if got == expected {
        return Ok(());
    }
    let cause = if got as f64 > POINTS.greatest { Cause::TooManyPoints } else { Cause::WrongCount };
    Err(Refusal::new(cause, format!("got {got} points; expected {expected}, those that the task names")))
}
