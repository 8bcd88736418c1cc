//! Keypoints in an image: from pixels to rays, by the camera that took it.

use thalweg_task::Tracker;

use super::camera::Camera;
use super::keypoints::{Reading, is_sure};
use super::refusal::{Cause, Refusal};
use super::text::escaped;

/// What the two numbers of a keypoint in an image are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PixelUnit {
    /// Columns from the left and rows from the top.
    Pixels,
    /// Shares of the width and of the height.
    Shares,
}

/// Keypoints from which on their extent is judged.
const JUDGED: usize = 5;
/// Extent of so many, pixels, below which they are shares of the image: a body of five pixels tells nothing anyway.
const LEAST_EXTENT: f64 = 5.0;

/// Turns keypoints, `place` in pixels or shares and a third number that is not read, into rays. What was not seen by the
/// tracker's conventions stays unseen, and so does what lies outside of the image, or where the lens shows nothing, with a
/// word.
///
/// # Errors
/// [`Cause::OutOfLimits`] where most of them lie outside of the image, or all of them on a spot.
pub(super) fn rays(
    readings: &[Reading],
    unit: PixelUnit,
    camera: &Camera,
    tracker: &Tracker,
) -> Result<(Vec<Reading>, Option<Refusal>), Refusal> {
    let factor = if unit == PixelUnit::Shares { camera.size } else { [1.0; 2] };
    let pixel = |reading: &Reading| [reading.place[0] * factor[0], reading.place[1] * factor[1]];
    let is_seen = |reading: &&Reading| {
        let [u, v, _] = reading.place;
        let is_zero = tracker.zeros_are_unseen && u == 0.0 && v == 0.0;
        u.is_finite() && v.is_finite() && !is_zero && is_sure(reading, tracker)
    };
    let seen: Vec<&Reading> = readings.iter().filter(is_seen).collect();
    let outside: Vec<&&Reading> = seen.iter().filter(|reading| !camera.holds(pixel(reading))).collect();
    let [width, height] = camera.size;
    let told = |outside: &[&&Reading], more: &str| {
        let first = outside.first().map_or([f64::NAN; 2], |reading| pixel(reading));
        let text = format!(
            "got {} of {} keypoints outside of an image of {width} x {height} pixels, first at {:?} {:?}; expected pixels of \
             the image that camera_info describes; {more}",
            outside.len(),
            seen.len(),
            first[0] as f32,
            first[1] as f32
        );
        Refusal::new(Cause::OutOfLimits, text)
    };
    if outside.len() * 2 > seen.len() && seen.len() > 1 {
        return Err(told(&outside, "not used; is it that of another image, or of another size?"));
    }
    check_extent(&seen.iter().map(|reading| pixel(reading)).collect::<Vec<_>>())?;
    let mut notice = (!outside.is_empty()).then(|| told(&outside, "they are unobserved"));
    let mut ray = |reading: &Reading| {
        let unseen = [f64::NAN; 3];
        let at = pixel(reading);
        if !is_seen(&reading) || !camera.holds(at) {
            return unseen;
        }
        let Some([x, y]) = camera.ray(at) else {
            let (frame, [u, v]) = (escaped(&camera.frame_id), at.map(|entry| entry as f32));
            let text = format!(
                "got a keypoint at {u:?} {v:?}, where the lens of camera '{frame}' shows nothing before it; expected one \
                 that its distortion explains; it is unobserved"
            );
            notice.get_or_insert(Refusal::new(Cause::OutOfLimits, text));
            return unseen;
        };
        [x, y, f64::NAN]
    };
    let rays = readings.iter().map(|reading| Reading { place: ray(reading), is_ray: true, ..*reading }).collect();
    Ok((rays, notice))
}

/// Refuses pixels that are all on a spot: then they are shares of the image.
fn check_extent(seen: &[[f64; 2]]) -> Result<(), Refusal> {
    let side = |axis: usize| {
        let range = seen.iter().map(|pixel| pixel[axis]);
        range.clone().fold(f64::NEG_INFINITY, f64::max) - range.fold(f64::INFINITY, f64::min)
    };
    if seen.len() < JUDGED || side(0).hypot(side(1)) >= LEAST_EXTENT {
        return Ok(());
    }
    let text = format!(
        "got {} keypoints within {:.3} pixels; expected {LEAST_EXTENT} at least; are these shares of width and height?",
        seen.len(),
        side(0).hypot(side(1))
    );
    Err(Refusal::new(Cause::OutOfLimits, text))
}
