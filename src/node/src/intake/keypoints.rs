//! What a tracker of bodies sends: points with its own numbers, in its own axes and unit, by its own words for "not seen".

use thalweg_task::{Keypoint, PointsSpec, Tracker};

use super::Decoded;
use super::places::judge_places;
use super::refusal::{Cause, Refusal};
use super::text::escaped;

/// A point as it came.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// The tracker's number of it; none where points come in the order of the table.
    pub id: Option<i64>,
    /// The tracker's number of the person; none where that is in `id`, or is not said.
    pub body: Option<i64>,
    /// In the tracker's axes and unit; of a ray x / z and y / z in the camera's frame, and a third number that is not read.
    pub place: [f64; 3],
    /// How sure the tracker is, in its own unit; none where it does not say.
    pub confidence: Option<f64>,
    /// Whether it is a ray.
    pub is_ray: bool,
}

/// Points of which the extent is judged, at least: of a hand alone little is known.
const JUDGED: usize = 5;
/// Extent of a body of which so many points are seen, metres, from the crouched child to the giant with raised arms.
const EXTENT: std::ops::RangeInclusive<f64> = 0.05..=5.0;

/// Brings the points of a message into the order and the frame of `spec`: `[P, 3]`, metres, NaN where unobserved, and how
/// much each counts. Of a ray the third number alone is NaN.
///
/// Where numbers tell several people apart, the one with the least number is taken, and that is noticed; so are numbers
/// that are none of the table's.
///
/// # Errors
/// [`Cause::WrongCount`] when points come without numbers and are not as many as in the table; [`Cause::OutOfLimits`] when
/// they lie where no body can be, or are no body's size.
pub fn judge_keypoints(readings: &[Reading], tracker: &Tracker, spec: &PointsSpec) -> Result<Decoded, Refusal> {
    let mut notices = Vec::new();
    let numbered = numbered(readings, tracker, &mut notices)?;
    let mut places = vec![[f64::NAN; 3]; spec.names.len()];
    let mut confidence = vec![1.0; spec.names.len()];
    let mut twice = None;
    for (reading, keypoint) in numbered {
        let Some(point) = keypoint.point else { continue };
        let Some((place, counts)) = seen(reading, tracker) else { continue };
        if places[point][0].is_nan() {
            (places[point], confidence[point]) = (place, counts as f32);
        } else {
            twice.get_or_insert(keypoint);
        }
    }
    notices.extend(twice.map(|Keypoint { name, id, .. }| {
        let text = format!("got keypoint '{}' ({id}) twice; expected once; the first counts", escaped(name));
        Refusal::notice(Cause::UnknownKeypoint, text)
    }));
    let mut decoded = if readings.iter().any(|reading| reading.is_ray) {
        let values = places.as_flattened().iter().map(|value| *value as f32).collect();
        Decoded { values, confidence: Vec::new(), notices: Vec::new() }
    } else {
        check_extent(&places)?;
        judge_places(places, &spec.names)?
    };
    decoded.notices.extend(notices);
    decoded.confidence = if tracker.confidence.is_some() { confidence } else { Vec::new() };
    Ok(decoded)
}

/// The number of the person whose reading it is; none where nothing says so.
pub(super) fn body_of(reading: &Reading, tracker: &Tracker) -> Option<i64> {
    let per_body = i64::from(tracker.ids_per_body);
    reading.body.or_else(|| reading.id.filter(|_| per_body > 0).map(|id| id.div_euclid(per_body)))
}

/// Finds out which keypoint each reading is.
fn numbered<'a>(
    readings: &'a [Reading],
    tracker: &'a Tracker,
    notices: &mut Vec<Refusal>,
) -> Result<Vec<(&'a Reading, &'a Keypoint)>, Refusal> {
    let keypoints = &tracker.keypoints;
    let per_body = i64::from(tracker.ids_per_body);
    let bodies: std::collections::BTreeSet<Option<i64>> =
        readings.iter().map(|reading| body_of(reading, tracker)).collect();
    let first = bodies.first().copied().flatten();
    if bodies.len() > 1 {
        let (count, first) = (bodies.len(), first.map_or_else(|| "none".to_owned(), |first| first.to_string()));
        let text =
            format!("got {count} people; expected one (input.people); the one with the least number, {first}, counts");
        notices.push(Refusal::notice(Cause::SeveralPeople, text));
    }
    let of_first: Vec<&Reading> = readings.iter().filter(|reading| body_of(reading, tracker) == first).collect();
    if of_first.iter().any(|reading| reading.id.is_none()) {
        let (got, expected) = (of_first.len(), keypoints.len());
        if got != expected {
            let text =
                format!("got {got} points; expected {expected}, those of the table of keypoints, or a field 'id'");
            return Err(Refusal::new(Cause::WrongCount, text));
        }
        return Ok(of_first.into_iter().zip(keypoints).collect());
    }
    let mut unknown = None;
    let mut found = Vec::with_capacity(keypoints.len());
    for (reading, id) in of_first.into_iter().filter_map(|reading| Some((reading, reading.id?))) {
        let own = if per_body > 0 { id.rem_euclid(per_body) } else { id };
        match keypoints.iter().find(|keypoint| i64::from(keypoint.id) == own) {
            Some(keypoint) => found.push((reading, keypoint)),
            None => drop(unknown.get_or_insert(own)),
        }
    }
    if let Some(id) = unknown {
        let text = format!("got keypoint number {id}; expected one of the {} of the table; not used", keypoints.len());
        if found.is_empty() {
            return Err(Refusal::new(Cause::UnknownKeypoint, text));
        }
        notices.push(Refusal::notice(Cause::UnknownKeypoint, text));
    }
    Ok(found)
}

/// Where a point is, metres in a right-handed frame, and how much it counts; none where it was not seen.
fn seen(reading: &Reading, tracker: &Tracker) -> Option<([f64; 3], f64)> {
    let Reading { place, confidence, is_ray, .. } = *reading;
    if is_ray {
        let [x, y, _] = place;
        let is_seen = x.is_finite() && y.is_finite();
        return Some(([x, y, f64::NAN], counts(confidence, tracker)?)).filter(|_| is_seen);
    }
    if !place.iter().all(|value| value.is_finite()) || (tracker.zeros_are_unseen && place == [0.0; 3]) {
        return None;
    }
    let turned = tracker.axes.map(|row| row.iter().zip(place).map(|(factor, value)| factor * value).sum());
    Some((turned, counts(confidence, tracker)?))
}

/// How much a point counts, from 0 to 1, by how sure the tracker is; none where it is too unsure.
fn counts(confidence: Option<f64>, tracker: &Tracker) -> Option<f64> {
    let [least, greatest] = tracker.confidence_range;
    match confidence.filter(|_| tracker.confidence.is_some()) {
        // NaN is below everything.
        Some(confidence) if confidence >= least => Some((confidence / greatest).min(1.0)),
        Some(_) => None,
        None => Some(1.0),
    }
}

/// Whether the tracker is sure enough of a point.
pub(super) fn is_sure(reading: &Reading, tracker: &Tracker) -> bool {
    counts(reading.confidence, tracker).is_some()
}

/// Refuses points that are together no body's size: then their unit is another than the table's.
fn check_extent(places: &[[f64; 3]]) -> Result<(), Refusal> {
    let seen: Vec<&[f64; 3]> = places.iter().filter(|place| !place[0].is_nan()).collect();
    let side = |axis: usize| {
        let range = seen.iter().map(|place| place[axis]);
        range.clone().fold(f64::NEG_INFINITY, f64::max) - range.fold(f64::INFINITY, f64::min)
    };
    let extent = (0..3).map(|axis| side(axis).powi(2)).sum::<f64>().sqrt();
    if seen.len() < JUDGED || EXTENT.contains(&extent) {
        return Ok(());
    }
    let (least, greatest) = (EXTENT.start(), EXTENT.end());
    let text = format!(
        "got {} keypoints that extend over {extent:.4} m; expected {least} to {greatest} m; is the unit that of the table?",
        seen.len()
    );
    Err(Refusal::new(Cause::OutOfLimits, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tracker() -> Tracker {
        let keypoint = |id: u32| Keypoint { name: format!("k{id}"), id, point: (id != 2).then_some(id as usize) };
        Tracker {
            keypoints: (0..8).map(keypoint).collect(),
            axes: [[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]],
            zeros_are_unseen: true,
            confidence: Some("score".into()),
            confidence_range: [0.5, 2.0],
            ids_per_body: 100,
        }
    }

    fn spec() -> PointsSpec {
        PointsSpec { names: (0..8).map(|at| format!("p{at}")).collect(), ..PointsSpec::default() }
    }

    fn reading(id: Option<i64>, at: f64) -> Reading {
        Reading { id, body: None, place: [at, 0.5, 1.0], confidence: None, is_ray: false }
    }

    fn judged(readings: &[Reading]) -> Result<Decoded, Refusal> {
        judge_keypoints(readings, &tracker(), &spec())
    }

    #[test]
    fn points_in_the_order_of_the_table_are_turned_into_its_axes() {
        let readings: Vec<Reading> = (0..8).map(|at| reading(None, 0.2 * f64::from(at))).collect();
        let decoded = judged(&readings).expect("used");
        assert_eq!(decoded.values[..3], [0.0, -1.0, 0.5]);
        assert!(decoded.values[6].is_nan(), "the third is not used");
        assert_eq!(decoded.confidence, [1.0; 8]);
        let refusal = judged(&readings[..7]).expect_err("one is missing");
        assert_eq!(refusal.cause, Cause::WrongCount);
        assert!(refusal.text.contains("got 7 points; expected 8"), "{}", refusal.text);
    }

    #[test]
    fn the_first_of_several_people_counts_and_what_is_unknown_is_told() {
        let readings =
            [reading(Some(301), 1.0), reading(Some(401), 2.0), reading(Some(377), 3.0), reading(Some(304), 1.5)];
        let decoded = judged(&readings).expect("used");
        assert_eq!((decoded.values[3], decoded.values[12]), (1.0, 1.5));
        let causes: Vec<Cause> = decoded.notices.iter().map(|notice| notice.cause).collect();
        assert_eq!(causes, [Cause::SeveralPeople, Cause::UnknownKeypoint]);
        let refusal = judged(&[reading(Some(99), 1.0)]).expect_err("nothing known");
        assert_eq!(refusal.cause, Cause::UnknownKeypoint);
    }

    #[test]
    fn what_was_not_seen_is_not_used_and_doubt_counts_less() {
        let sure = |confidence: f64| Reading { confidence: Some(confidence), ..reading(None, 1.0) };
        let mut readings = [sure(1.0); 8];
        (readings[0].confidence, readings[1].confidence) = (Some(0.4), Some(f64::NAN));
        readings[3].place = [0.0; 3];
        readings[4].place[1] = f64::INFINITY;
        readings[5].confidence = Some(9.0);
        let decoded = judged(&readings).expect("used");
        let seen: Vec<bool> = decoded.values.as_chunks::<3>().0.iter().map(|place| !place[0].is_nan()).collect();
        assert_eq!(seen, [false, false, false, false, false, true, true, true]);
        assert_eq!(decoded.confidence[5..], [1.0, 0.5, 0.5]);
    }

    #[test]
    fn another_unit_is_refused() {
        for factor in [0.001, 10.0] {
            let readings: Vec<Reading> = (0..8)
                .map(|at| Reading { place: [0.2 * factor * f64::from(at), 0.0, factor], ..reading(None, 0.0) })
                .collect();
            let refusal = judged(&readings).expect_err("no body's size");
            assert_eq!(refusal.cause, Cause::OutOfLimits);
            assert!(refusal.text.contains("is the unit that of the table?"), "{}", refusal.text);
        }
    }
}
