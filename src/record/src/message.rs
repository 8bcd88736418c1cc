//! Solves as messages, and back.

use std::time::Duration;

use super::cdr::{Decoder, Encoder};
use super::solve::{Before, Person, Setup, Solve, Trace, Warm};
use thalweg_engine::{Answer, Leader, Statistics, StopReason};
use thalweg_task::limits::{CHANNELS, HYPOTHESES, IMAGE_SIDE, JOINTS, POINTS, SOLVE_STEPS};
use thalweg_task::{ExpectedNumbers, Pixels, Root, Seen};

const SECOND: i64 = 1_000_000_000;
/// sensor_msgs/PointField.FLOAT32.
const FLOAT32: u8 = 7;
/// Bytes of a number.
const NUMBER: u32 = 4;

/// Most numbers of an image that was observed: two million pixels of four channels; tasks see far smaller ones.
const IMAGE_VALUES: usize = 1 << 23;

/// A joint state, as any bag holds it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JointReading {
    /// Seconds of the stamp.
    pub sec: i32,
    /// Nanoseconds of the stamp.
    pub nanosec: u32,
    /// Frame.
    pub frame_id: String,
    /// Names of the joints.
    pub names: Vec<String>,
    /// Positions, radians or metres.
    pub positions: Vec<f64>,
    /// Whether there are velocities or efforts.
    pub has_other_fields: bool,
}

fn header(encoder: &mut Encoder, solve: &Solve) {
    time(encoder, solve.stamp_nanos);
    encoder.text(&solve.frame_id);
}

/// A stamp; what does not fit is cut to what does.
fn time(encoder: &mut Encoder, nanos: i64) {
    let seconds = nanos.div_euclid(SECOND);
    encoder.i32(i32::try_from(seconds).unwrap_or(if seconds < 0 { i32::MIN } else { i32::MAX }));
    encoder.u32(u32::try_from(nanos.rem_euclid(SECOND)).unwrap_or(0));
}

fn read_time(decoder: &mut Decoder<'_>) -> Option<i64> {
    Some(i64::from(decoder.i32()?) * SECOND + i64::from(decoder.u32()?))
}

fn joint_state<'a>(solve: &Solve, joints: impl Iterator<Item = (&'a str, f64)>) -> Vec<u8> {
    let (names, positions): (Vec<&str>, Vec<f64>) = joints.unzip();
    let mut encoder = Encoder::new();
    header(&mut encoder, solve);
    encoder.length(names.len());
    names.iter().for_each(|name| encoder.text(name));
    encoder.f64s(&positions);
    encoder.f64s(&[]);
    encoder.f64s(&[]);
    encoder.finish()
}

/// The joints that were seen, sensor_msgs/JointState.
pub(super) fn observed_joints(solve: &Solve, setup: &Setup) -> Vec<u8> {
    let joints = setup.joints.iter().map(String::as_str).zip(solve.seen.joints.iter().copied());
    joint_state(solve, joints.filter(|(_, position)| !position.is_nan()))
}

/// All joints of the best hypothesis, sensor_msgs/JointState.
pub(super) fn reconstruction(solve: &Solve, setup: &Setup) -> Vec<u8> {
    let best = solve.answer.joints.iter().flatten();
    joint_state(solve, setup.joints.iter().map(String::as_str).zip(best.copied()))
}

/// Reads a sensor_msgs/JointState.
pub(super) fn read_joint_state(bytes: &[u8]) -> Option<JointReading> {
    let mut decoder = Decoder::new(bytes)?;
    let (sec, nanosec, frame_id) = (decoder.i32()?, decoder.u32()?, decoder.text()?);
    let (names, positions) = (decoder.texts(JOINTS)?, decoder.f64s()?);
    let has_other_fields = !(decoder.f64s()?.is_empty() && decoder.f64s()?.is_empty());
    Some(JointReading { sec, nanosec, frame_id, names, positions, has_other_fields })
}

/// Puts joints that were seen into their places.
pub(super) fn seen_joints(reading: &JointReading, setup: &Setup) -> Vec<f64> {
    let mut joints = vec![f64::NAN; setup.joints.len()];
    // Names mostly come in the order of the joints: the search goes on where the last one was found.
    let mut next = 0;
    for (name, position) in reading.names.iter().zip(&reading.positions) {
        let (before, behind) = setup.joints.split_at(next);
        let found = behind.iter().chain(before).position(|joint| joint == name);
        if let Some(found) = found {
            let place = (next + found) % joints.len();
            joints[place] = *position;
            next = place + 1;
        }
    }
    joints
}

/// The points that were seen, sensor_msgs/PointCloud2; NaN is unobserved.
pub(super) fn observed_points(solve: &Solve) -> Vec<u8> {
    let (points, confidence, mut encoder) = (&solve.seen.points, &solve.seen.confidence, Encoder::new());
    let names: &[&str] = if confidence.is_empty() { &["x", "y", "z"] } else { &["x", "y", "z", CONFIDENCE] };
    let step = NUMBER * names.len() as u32;
    let count = u32::try_from(points.len()).unwrap_or(u32::MAX);
    header(&mut encoder, solve);
    encoder.u32(1);
    encoder.u32(count);
    encoder.length(names.len());
    for (place, name) in (0..).zip(names) {
        encoder.text(name);
        encoder.u32(place * NUMBER);
        encoder.u8(FLOAT32);
        encoder.u32(1);
    }
    encoder.u8(0);
    encoder.u32(step);
    encoder.u32(count.saturating_mul(step));
    if confidence.is_empty() {
        encoder.bytes(&flat(points.as_flattened()));
    } else {
        let points = points.iter().zip(confidence).map(|([x, y, z], counts)| [*x, *y, *z, *counts]);
        encoder.bytes(&flat(points.collect::<Vec<_>>().as_flattened()));
    }
    encoder.u8(u8::from(points.as_flattened().iter().all(|value| value.is_finite())));
    encoder.finish()
}

/// Field of a point that says how much it counts.
const CONFIDENCE: &str = "confidence";

/// Reads points as [`observed_points`] wrote them, and how much each counts.
pub(super) fn read_points(bytes: &[u8]) -> Option<(Vec<[f32; 3]>, Vec<f32>)> {
    let mut decoder = Decoder::new(bytes)?;
    read_time(&mut decoder)?;
    decoder.text()?;
    decoder.u32()?;
    decoder.u32()?;
    let fields = decoder.length()?.min(4);
    for _ in 0..fields {
        decoder.text()?;
        decoder.u32()?;
        decoder.u8()?;
        decoder.u32()?;
    }
    decoder.u8()?;
    decoder.u32()?;
    decoder.u32()?;
    let numbers = numbers(decoder.bytes()?, 4 * POINTS as usize)?;
    if fields < 4 {
        return Some((numbers.as_chunks().0.to_vec(), Vec::new()))
            .filter(|(points, _)| points.len() <= POINTS as usize);
    }
    let points = numbers.as_chunks::<4>().0;
    let is_share = points.iter().all(|point| (0.0..=1.0).contains(&point[3]));
    let (places, confidence) = points.iter().map(|[x, y, z, counts]| ([*x, *y, *z], *counts)).unzip();
    is_share.then_some((places, confidence))
}

/// The image that was seen, sensor_msgs/Image of 32-bit floats; NaN is unobserved.
pub(super) fn observed_image(solve: &Solve, image: &Pixels) -> Vec<u8> {
    let mut encoder = Encoder::new();
    header(&mut encoder, solve);
    encoder.u32(image.height);
    encoder.u32(image.width);
    encoder.text(&format!("32FC{}", image.channels));
    encoder.u8(0);
    encoder.u32(image.width.saturating_mul(image.channels).saturating_mul(NUMBER));
    encoder.bytes(&flat(&interleaved(image, true)));
    encoder.finish()
}

/// The image of the best hypothesis, sensor_msgs/Image, as it is published.
pub(super) fn found_image(solve: &Solve, image: &Pixels) -> Vec<u8> {
    let mut encoder = Encoder::new();
    header(&mut encoder, solve);
    encoder.u32(image.height);
    encoder.u32(image.width);
    encoder.text(image.encoding());
    encoder.u8(0);
    encoder.u32(image.width.saturating_mul(image.channels));
    encoder.bytes(&image.to_bytes());
    encoder.finish()
}

/// Text, std_msgs/String.
pub(super) fn text(text: &str) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.text(text);
    encoder.finish()
}

/// Reads an image as [`observed_image`] wrote it.
pub(super) fn read_image(bytes: &[u8]) -> Option<Pixels> {
    let mut decoder = Decoder::new(bytes)?;
    read_time(&mut decoder)?;
    decoder.text()?;
    let (height, width) = (decoder.u32()?, decoder.u32()?);
    let channels: u32 = decoder.text()?.strip_prefix("32FC")?.parse().ok()?;
    decoder.u8()?;
    decoder.u32()?;
    let is_image =
        (1..=CHANNELS).contains(&channels) && [height, width].iter().all(|side| (1..=IMAGE_SIDE).contains(side));
    let expected = is_image.then(|| u64::from(height) * u64::from(width) * u64::from(channels))?;
    let data = numbers(decoder.bytes()?, IMAGE_VALUES)?;
    let image = (expected == data.len() as u64).then_some(Pixels { channels, height, width, data })?;
    let data = interleaved(&image, false);
    Some(Pixels { data, ..image })
}

/// From `[C, H, W]` to `[H, W, C]`, or back.
fn interleaved(image: &Pixels, forth: bool) -> Vec<f32> {
    let (channels, pixels) = (image.channels as usize, image.height as usize * image.width as usize);
    let (rows, columns) = if forth { (pixels, channels) } else { (channels, pixels) };
    let place = |row: usize, column: usize| column * rows + row;
    (0..rows).flat_map(|row| (0..columns).map(move |column| image.data[place(row, column)])).collect()
}

fn flat(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Numbers, no more than `most`.
fn numbers(bytes: &[u8], most: usize) -> Option<Vec<f32>> {
    let numbers = bytes.as_chunks().0;
    (numbers.len() <= most).then(|| numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

/// What was found, thalweg/Solve.
pub(super) fn solve(solve: &Solve, before: &Before) -> Vec<u8> {
    let mut encoder = Encoder::new();
    header(&mut encoder, solve);
    encoder.u64(solve.index);
    time(&mut encoder, solve.received_nanos);
    let Answer {
        joints,
        points,
        roots,
        weights,
        losses,
        landscape,
        start,
        statistics,
        stop,
        took,
        deviation: _,
        images: _,
        labels: _,
    } = &solve.answer;
    let Statistics { steps, evaluations, diverged } = *statistics;
    let hypotheses = u32::try_from(losses.len()).unwrap_or(u32::MAX);
    [hypotheses, solve.fresh, steps, evaluations, diverged].into_iter().for_each(|value| encoder.u32(value));
    time(&mut encoder, i64::try_from(took.as_nanos()).unwrap_or(i64::MAX));
    encoder.text(landscape);
    encoder.text(start);
    encoder.text(stop.map_or("", StopReason::name));
    let (name, warm) = match before {
        Before::Cold => ("cold", None),
        Before::Chained => ("chained", None),
        Before::Warm(warm) => ("warm", Some(warm)),
    };
    encoder.text(name);
    encoder.f32s(warm.map_or(&[], |warm| &warm.z));
    encoder.f64s(warm.map_or(&[], |warm| &warm.loss));
    encoder.f32s(&solve.z);
    let (joints, points) = (joints.concat(), points.concat().concat());
    [losses, weights, &joints, &points].into_iter().for_each(|values| encoder.f64s(values));
    let nothing = ExpectedNumbers::default();
    let expected = solve.seen.expected.as_ref();
    let ExpectedNumbers { positions, weights, elapsed } = expected.unwrap_or(&nothing);
    let elapsed: &[f64] = if expected.is_some() { &[*elapsed] } else { &[] };
    let leader = warm.and_then(|warm| warm.leader).map(|Leader { row, behind }| [row as f64, behind]);
    let leader: &[f64] = leader.as_ref().map_or(&[], |leader| leader);
    let offset: &[f64] = warm.and_then(|warm| warm.offset.as_deref()).unwrap_or(&[]);
    [positions, weights, elapsed, leader, offset].into_iter().for_each(|values| encoder.f64s(values));
    let before = solve.seen.root.as_ref().map(Root::numbers);
    encoder.f64s(before.as_ref().map_or(&[], |numbers| numbers));
    encoder.f64s(&roots.iter().flat_map(Root::numbers).collect::<Vec<_>>());
    encoder.f32s(warm.map_or(&[], |warm| &warm.linearised));
    encoder.text(solve.person.as_ref().map_or("", |person| &person.id));
    encoder.u64(solve.person.as_ref().map_or(0, |person| person.arrival));
    encoder.finish()
}

/// Reads what [`solve`] wrote; refuses what no node can do.
pub(super) fn read_solve(bytes: &[u8]) -> Option<Solve> {
    let mut decoder = Decoder::new(bytes)?;
    let decoder = &mut decoder;
    let (stamp_nanos, frame_id) = (read_time(decoder)?, decoder.text()?);
    let (index, received_nanos) = (decoder.u64()?, read_time(decoder)?);
    // Before anything is held of them.
    let hypotheses = decoder.length().filter(|count| (1..=HYPOTHESES as usize).contains(count))?;
    let fresh = decoder.u32()?;
    let statistics = Statistics { steps: decoder.u32()?, evaluations: decoder.u32()?, diverged: decoder.u32()? };
    let took = Duration::from_nanos(u64::try_from(read_time(decoder)?).ok()?);
    let (landscape, start, stop) = (decoder.text()?, decoder.text()?, StopReason::named(&decoder.text()?));
    let before = decoder.text()?;
    let mut warm = Warm { z: decoder.f32s()?, loss: decoder.f64s()?, ..Warm::default() };
    let z = decoder.f32s()?;
    let (losses, weights) = (decoder.f64s()?, decoder.f64s()?);
    let (joints, points) = (decoder.f64s()?, decoder.f64s()?);
    // Recordings of before 0.3 end here.
    let (expected, leader, offset) = if decoder.is_empty() { TimeParts::default() } else { read_time_parts(decoder)? };
    (warm.leader, warm.offset) = (leader, offset);
    // And those of before keypoints here.
    let (root, roots) =
        if decoder.is_empty() { (Vec::new(), Vec::new()) } else { (read_roots(decoder)?, read_roots(decoder)?) };
    // And those of before derivatives were carried on, here.
    warm.linearised = if decoder.is_empty() { Vec::new() } else { decoder.f32s()? };
    // And those of before people were told apart, here.
    let person = if decoder.is_empty() { None } else { read_person(decoder)? };
    let before = match before.as_str() {
        "cold" => Before::Cold,
        "chained" => Before::Chained,
        "warm" => Before::Warm(warm),
        _ => return None,
    };
    let rows = hypotheses.max(1);
    let is_possible = fresh < HYPOTHESES
        && statistics.steps <= SOLVE_STEPS
        // Observations are numbered from 1, and there is a next one.
        && (1..u64::MAX).contains(&index)
        && is_memory(&before, z.len() / rows);
    let is_whole = is_possible
        && losses.len() == hypotheses
        && [z.len(), weights.len(), joints.len()].iter().all(|length| length.is_multiple_of(rows))
        && joints.len() <= rows * JOINTS as usize
        && points.len().is_multiple_of(3 * rows)
        && root.len() <= 1
        && (roots.is_empty() || roots.len() == rows);
    let split = |values: &[f64]| values.chunks((values.len() / rows).max(1)).map(<[f64]>::to_vec).collect::<Vec<_>>();
    let points = split(&points).iter().map(|row| row.as_chunks().0.to_vec()).collect();
    let (joints, images) = (split(&joints), Vec::new());
    let answer = Answer {
        joints,
        points,
        roots,
        images,
        weights,
        losses,
        landscape,
        start,
        statistics,
        stop,
        took,
        ..Answer::default()
    };
    let (seen, trace) = (Seen { expected, root: root.first().copied(), ..Seen::default() }, None);
    is_whole.then_some(Solve {
        index,
        person,
        stamp_nanos,
        frame_id,
        received_nanos,
        seen,
        before,
        fresh,
        z,
        answer,
        trace,
        label: None,
    })
}

/// Reads of whom a solve is, nobody in particular perhaps; refuses what is no identity.
fn read_person(decoder: &mut Decoder<'_>) -> Option<Option<Person>> {
    let person = Person { id: decoder.text()?, arrival: decoder.u64()? };
    if person.id.is_empty() { Some(None) } else { person.is_named().then_some(Some(person)) }
}

/// Reads roots; refuses what is none.
fn read_roots(decoder: &mut Decoder<'_>) -> Option<Vec<Root>> {
    let numbers = decoder.f64s()?;
    let (roots, rest) = numbers.as_chunks();
    let is_possible = rest.is_empty() && roots.len() <= HYPOTHESES as usize;
    roots.iter().map(Root::of_numbers).collect::<Option<Vec<_>>>().filter(|_| is_possible)
}

/// What was expected, which row came first, and its offset: none of them where time did not count.
type TimeParts = (Option<ExpectedNumbers>, Option<Leader>, Option<Vec<f64>>);

/// Reads the end of [`solve`].
fn read_time_parts(decoder: &mut Decoder<'_>) -> Option<TimeParts> {
    let (positions, weights) = (decoder.f64s()?, decoder.f64s()?);
    let (elapsed, leader) = (decoder.f64s()?, decoder.f64s()?);
    let offset = if decoder.is_empty() { Vec::new() } else { decoder.f64s()? };
    let is_weight = |weight: &f64| (0.0..=1.0).contains(weight);
    let is_possible = positions.len() == weights.len()
        && positions.len() <= JOINTS as usize
        && offset.len() <= JOINTS as usize
        && positions.iter().chain(&offset).all(|position| position.is_finite())
        && weights.iter().all(is_weight);
    if !is_possible {
        return None;
    }
    let expected = match elapsed[..] {
        [] => None,
        [elapsed] if SECONDS.contains(&elapsed) => Some(ExpectedNumbers { positions, weights, elapsed }),
        _ => return None,
    };
    let leader = match leader[..] {
        [] => None,
        [row, behind] if (0.0..f64::from(HYPOTHESES)).contains(&row) && SECONDS.contains(&behind) => {
            Some(Leader { row: row as usize, behind })
        }
        _ => return None,
    };
    Some((expected, leader, Some(offset).filter(|offset| !offset.is_empty())))
}

/// Seconds that may pass between two frames of a stream.
const SECONDS: std::ops::RangeInclusive<f64> = 0.0..=1e3;

/// Whether rows ended in points of `dim` numbers, each with a loss.
fn is_memory(before: &Before, dim: usize) -> bool {
    let Before::Warm(Warm { z, loss, linearised, .. }) = before else { return true };
    let is_whole = |points: &[f32]| points.len() == loss.len() * dim;
    (1..=HYPOTHESES as usize).contains(&loss.len()) && is_whole(z) && (linearised.is_empty() || is_whole(linearised))
}

/// The steps of a solve, thalweg/Descent.
pub(super) fn descent(solve: &Solve, trace: &Trace) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.u64(solve.index);
    let hypotheses = solve.answer.losses.len();
    encoder.length(trace.loss.len() / hypotheses.max(1));
    encoder.length(hypotheses);
    encoder.f32s(&trace.z);
    encoder.f64s(&trace.loss);
    encoder.finish()
}

/// Reads what [`descent`] wrote: the number of the solve, and its steps.
pub(super) fn read_descent(bytes: &[u8]) -> Option<(u64, Trace)> {
    let mut decoder = Decoder::new(bytes)?;
    let (index, points, hypotheses) = (decoder.u64()?, decoder.length()?, decoder.length()?);
    let trace = Trace { z: decoder.f32s()?, loss: decoder.f64s()? };
    let is_whole = points.checked_mul(hypotheses) == Some(trace.loss.len())
        && points <= SOLVE_STEPS as usize + 1
        && hypotheses <= HYPOTHESES as usize;
    (is_whole && trace.z.len().is_multiple_of(trace.loss.len().max(1))).then_some((index, trace))
}
