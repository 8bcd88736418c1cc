//! Clouds without names: what of one is held against a robot or a body.

use thalweg_task::{PointsSpec, thinned};

use super::Decoded;
use super::bounds::COORDINATE;
use super::layout::find_axes;
use super::points::{CloudMessage, check_frame, check_layout, check_most, with_row_step};
use super::refusal::{Cause, Refusal};
use super::text::escaped;

/// Points of a message that are looked at; of more, every n-th. Ten times what is kept of a scene cropped to a tenth.
const LOOKED_AT: usize = 1 << 15;

/// Least and greatest x, y and z of the points that count, metres, in the frame of the cloud.
pub type CloudBox = [f64; 6];

/// A box around everything that is read.
pub const WHOLE: CloudBox = [
    COORDINATE.least,
    COORDINATE.least,
    COORDINATE.least,
    COORDINATE.greatest,
    COORDINATE.greatest,
    COORDINATE.greatest,
];

/// Decodes a cloud, crops it to a box, and thins it to as many points as the task observes.
///
/// Returns `[cloud, 3]`, metres, NaN behind the last one, or `None` for an empty cloud. Points that are not finite, or at
/// exactly 0 0 0, were not seen. Of a cloud of which nothing was seen in the box everything is NaN, with a word.
///
/// # Errors
/// As [`super::decode_points`], but that a cloud may have any number of points that is read.
pub fn decode_cloud(
    message: &CloudMessage<'_>,
    spec: &PointsSpec,
    within: &CloudBox,
) -> Result<Option<Decoded>, Refusal> {
    let count = u64::from(message.width) * u64::from(message.height);
    if count == 0 && message.data.is_empty() {
        return Ok(None);
    }
    check_frame(message, spec)?;
    check_most(count)?;
    let (message, notice) = with_row_step(message);
    check_layout(&message)?;
    let axes = find_axes(&message)?;
    let read = |place: usize| axes.map(|axis| axis.read(message.point(place), message.is_bigendian));
    let is_seen = |point: &[f64; 3]| point.iter().all(|axis| axis.is_finite()) && point != &[0.0; 3];
    // A cloud of no columns may have bytes.
    let step = (count as usize).div_ceil(LOOKED_AT).max(1);
    let seen: Vec<[f64; 3]> = (0..count as usize).step_by(step).map(read).filter(is_seen).collect();
    check_unit(&seen)?;
    let holds = |point: &&[f64; 3]| (0..3).all(|axis| within[axis] <= point[axis] && point[axis] <= within[axis + 3]);
    let inside: Vec<[f64; 3]> = seen.iter().filter(holds).copied().collect();
    let mut notices: Vec<Refusal> = notice.into_iter().collect();
    notices.extend(inside.is_empty().then(|| nothing(seen.first(), count, within)));
    let mut values: Vec<f32> = thinned(&inside, spec.cloud).as_flattened().iter().map(|value| *value as f32).collect();
    values.resize(3 * spec.cloud, f32::NAN);
    Ok(Some(Decoded { values, confidence: Vec::new(), notices }))
}

/// Refuses a cloud in another frame than points that are seen beside it; a frame without a name is any.
pub(super) fn check_one_frame(cloud: &str, points: &str) -> Result<(), Refusal> {
    if cloud.is_empty() || points.is_empty() || cloud == points {
        return Ok(());
    }
    let text = format!("got a cloud in frame '{}'; expected '{}', that of points", escaped(cloud), escaped(points));
    Err(Refusal::new(Cause::WrongFrame, text))
}

/// Refuses a cloud of which more than half lies where nothing can be: then its unit is wrong.
fn check_unit(seen: &[[f64; 3]]) -> Result<(), Refusal> {
    let is_far = |point: &&[f64; 3]| !point.iter().all(|axis| COORDINATE.holds(*axis));
    let far = seen.iter().filter(is_far).count();
    if far * 2 <= seen.len() {
        return Ok(());
    }
    let [x, y, z] = seen.iter().find(is_far).copied().unwrap_or_default();
    let text = format!(
        "got {far} of {} points far away, first {x} {y} {z}; expected {:?} to {:?} m; not used; are these millimetres?",
        seen.len(),
        COORDINATE.least,
        COORDINATE.greatest
    );
    Err(Refusal::new(Cause::OutOfLimits, text))
}

/// Says why nothing of a cloud is left; `seen` is a point of it, where there is one.
fn nothing(seen: Option<&[f64; 3]>, count: u64, [a, b, c, d, e, f]: &CloudBox) -> Refusal {
    let got = match seen {
        Some([x, y, z]) => format!("0 of {count} points in the box, first {x} {y} {z}"),
        None => format!("0 of {count} points that are finite and not 0 0 0"),
    };
    let text = format!("got {got}; expected some within {a} {b} {c} to {d} {e} {f} m (input.cloud_box)");
    Refusal::new(Cause::NothingSeen, text)
}
