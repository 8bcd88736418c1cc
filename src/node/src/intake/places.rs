//! Which points of a cloud can have been seen where it says.

use super::Decoded;
use super::bounds::COORDINATE;
use super::refusal::{Cause, Refusal};
use super::text::escaped;

/// Points at exactly 0 0 0 from which on they mean "not seen", as trackers write it (OpenPose, MediaPipe).
///
/// Two: one may be the origin of the frame itself, as the pelvis is; two names are never at one place to the last bit.
const SENTINELS: usize = 2;

/// Makes values of points, metres, of as many names: `[P, 3]`, NaN where a point is not finite, lies outside
/// [`COORDINATE`], or stands for "not seen".
///
/// # Errors
/// [`Cause::OutOfLimits`] when more than half of the points lie outside: then the unit is wrong for all of them.
pub(super) fn judge_places(mut points: Vec<[f64; 3]>, names: &[String]) -> Result<Decoded, Refusal> {
    let mut notices = Vec::new();
    let zeros = places(&points, |point| point.iter().all(|value| *value == 0.0));
    if zeros.len() >= SENTINELS {
        notices.push(refusal(Cause::ZeroPoint, &points, names, &zeros));
        hide(&mut points, &zeros);
    }
    let seen = points.iter().filter(|point| is_finite(point)).count();
    let beyond = places(&points, |point| is_finite(point) && !point.iter().all(|value| COORDINATE.holds(*value)));
    if beyond.len() * 2 > seen && seen > 1 {
        let mut refusal = refusal(Cause::OutOfLimits, &points, names, &beyond);
        refusal.text.push_str(", nor is any other; are these millimetres?");
        return Err(refusal);
    }
    let fits = |place: &usize| points[*place].iter().all(|value| (*value as f32).is_finite());
    let (far, overflown): (Vec<_>, Vec<_>) = beyond.iter().partition(|place| fits(place));
    for (cause, group) in [(Cause::OutOfLimits, far), (Cause::Overflow, overflown)] {
        if !group.is_empty() {
            notices.push(refusal(cause, &points, names, &group));
        }
    }
    hide(&mut points, &beyond);
    let values =
        points.iter().flat_map(|point| if is_finite(point) { point.map(|value| value as f32) } else { HIDDEN });
    Ok(Decoded { values: values.collect(), confidence: Vec::new(), notices })
}

/// A point that is unobserved.
const HIDDEN: [f32; 3] = [f32::NAN; 3];

fn is_finite(point: &[f64; 3]) -> bool {
    point.iter().all(|value| value.is_finite())
}

fn places(points: &[[f64; 3]], is: impl Fn(&[f64; 3]) -> bool) -> Vec<usize> {
    points.iter().enumerate().filter(|(_, point)| is(point)).map(|(place, _)| place).collect()
}

fn hide(points: &mut [[f64; 3]], places: &[usize]) {
    for place in places {
        points[*place] = [f64::NAN; 3];
    }
}

/// Says what is wrong with the points at `which`, of which there is one at least.
fn refusal(cause: Cause, points: &[[f64; 3]], names: &[String], which: &[usize]) -> Refusal {
    let first = which.first().copied().unwrap_or_default();
    let (name, [x, y, z]) = (names.get(first).map_or("?", String::as_str), points[first].map(shown));
    let expected = match cause {
        Cause::ZeroPoint => "NaN for what was not seen; they are unobserved".to_owned(),
        Cause::Overflow => "metres that fit a 32 bit float; not used".to_owned(),
        _ => format!("{:?} to {:?} m; not used", COORDINATE.least, COORDINATE.greatest),
    };
    let (count, all, name) = (which.len(), points.len(), escaped(name));
    Refusal::new(cause, format!("{count} of {all} points, first '{name}': got {x} {y} {z}; expected {expected}"))
}

/// A coordinate in as many digits as a 32 bit float has, where it fits one.
fn shown(value: f64) -> String {
    let short = value as f32;
    if short.is_finite() { format!("{short:?}") } else { format!("{value:?}") }
}
