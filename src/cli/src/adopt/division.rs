//! What is learned from, what is chosen on, and what is judged by: divided by time, never frame by frame.

use std::collections::BTreeSet;

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::IteratorRandom;
use tch::{Kind, Tensor};
use thalweg_robot::layout::{Role, features};
use thalweg_robot::mirror::Mirror;
use thalweg_robot::urdf::Motion;
use thalweg_robot::{Layout, Robot, within_limits};
use thalweg_task::numbers;

use super::AdoptError;
use super::frames::{Clip, Frames};
use super::rivals::Rivals;

/// Names of clips from which on clips are divided, not time within them.
const ENOUGH_CLIPS: usize = 10;
/// Parts of the time where there are fewer clips.
const PARTS: usize = 20;
/// Frames between parts that nobody gets: a second at 50 Hz, for neighbours are alike.
const MARGIN: usize = 50;
/// Fewest frames to learn from: with fewer, what is learned is what was seen.
const LEAST_TRAINING: usize = 200;
/// Fewest frames to choose on, and to judge by.
const LEAST_HELD_OUT: usize = 20;
/// Most frames that are learned from, evenly chosen.
const MOST_TRAINING: usize = 150_000;
/// Most frames that are chosen on.
const MOST_VALIDATION: usize = 5_000;
/// Movement of any joint below which a frame is like the one before, rad or m.
const LIKE: f32 = 0.005;

/// Most frames that tell how joints move in time: an hour at 50 Hz tells as much as ten.
const MOST_MOTION: usize = 180_000;

/// A piece without gaps.
#[derive(Debug)]
pub(super) struct Piece {
    /// Times, ns.
    pub(super) nanos: Vec<i64>,
    /// Positions `[T, J]`.
    pub(super) positions: Tensor,
}

/// The parts.
#[derive(Debug)]
pub(super) struct Divided {
    /// `[N, J]`, thinned, with mirror images; joints that nobody saw are zero.
    pub(super) training: Tensor,
    /// `[V, J]`, thinned.
    pub(super) validation: Tensor,
    /// What is learned from as it was recorded, frame after frame, the first `MOST_MOTION` of it.
    pub(super) motion: Vec<Piece>,
    /// To judge by: of the same kinds of motion.
    pub(super) test: Vec<Piece>,
    /// To judge by: what `--hold-out` names.
    pub(super) other: Vec<Piece>,
    /// Whether a joint was seen at all.
    pub(super) seen: Vec<bool>,
    /// Frames that lack a joint.
    pub(super) dropped: usize,
    /// Frames that are like the one before.
    pub(super) thinned: usize,
    /// Pairs of joints that are mirror images of each other; zero where nothing was mirrored.
    pub(super) mirrored: usize,
    /// Minutes of what was recorded.
    pub(super) minutes: f64,
    /// How it was divided, in words.
    pub(super) how: String,
}

/// What a row is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Training,
    Validation,
    Test,
    Other,
    Nothing,
}

impl Divided {
    /// Divides frames.
    ///
    /// # Errors
    /// [`AdoptError::HoldOut`], [`AdoptError::TooFew`].
    pub(super) fn of(
        robot: &Robot,
        frames: &Frames,
        hold_out: &[String],
        may_mirror: bool,
    ) -> Result<Self, AdoptError> {
        expect_clips(frames, hold_out)?;
        let is_other = |clip: &Clip| hold_out.iter().any(|text| clip.name.contains(text.as_str()));
        let (mut uses, how) = assign(frames, &is_other);
        let rows = |joint: usize| frames.values.iter().skip(joint).step_by(frames.joints);
        let seen: Vec<bool> = (0..frames.joints)
            .map(|joint| rows(joint).zip(&uses).any(|(value, of)| *of != Use::Other && !value.is_nan()))
            .collect();
        let row = |row: usize| &frames.values[row * frames.joints..(row + 1) * frames.joints];
        let is_whole = |values: &[f32]| values.iter().zip(&seen).all(|(value, seen)| !seen || !value.is_nan());
        let mut dropped = 0;
        for (place, of) in uses.iter_mut().enumerate().filter(|(_, of)| **of != Use::Nothing) {
            if !is_whole(row(place)) {
                *of = Use::Nothing;
                dropped += 1;
            }
        }
        let completed = |rows: &[usize]| complete(robot, &seen, rows.iter().map(|&place| row(place)), frames.joints);
        let (training, thinned) = thin(frames, &uses, Use::Training, MOST_TRAINING);
        let (validation, _) = thin(frames, &uses, Use::Validation, MOST_VALIDATION);
        let test = pieces(frames, &uses, Use::Test, &completed);
        let other = pieces(frames, &uses, Use::Other, &completed);
        let mut left = MOST_MOTION;
        let mut motion = pieces(frames, &uses, Use::Training, &completed);
        motion.retain(|piece| {
            let fits = piece.nanos.len() <= left;
            left -= if fits { piece.nanos.len() } else { 0 };
            fits
        });
        let count = |pieces: &[Piece]| pieces.iter().map(|piece| piece.nanos.len()).sum::<usize>();
        for (got, expected) in
            [(training.len(), LEAST_TRAINING), (validation.len(), LEAST_HELD_OUT), (count(&test), LEAST_HELD_OUT)]
        {
            if got < expected {
                return Err(AdoptError::TooFew { got, dropped, expected });
            }
        }
        let (training, validation) = (completed(&training), completed(&validation));
        let mirror = Mirror::of(robot).filter(|mirror| may_mirror && mirror.fits(&seen));
        let both = mirror.map(|mirror| {
            let images = within_limits(robot, &mirror.apply(&training));
            (Tensor::cat(&[&training, &images], 0), mirror.pairs())
        });
        // A robot that is its own mirror image need not be used as one: validation frames tell.
        let both = both.filter(|(both, _)| is_better(robot, &seen, (both, &training), &validation));
        let (training, mirrored) = both.unwrap_or((training, 0));
        let minutes = frames.seconds() / 60.0;
        Ok(Self { training, validation, motion, test, other, seen, dropped, thinned, mirrored, minutes, how })
    }

    /// Frames to judge by.
    pub(super) fn judged(&self) -> usize {
        self.test.iter().map(|piece| piece.nanos.len()).sum()
    }
}

/// Seed of the gaps by which mirror images are chosen.
const SEED: u64 = 0x6d69_7272;

/// Whether the conditional Gaussian of `both` finds a random third of the joints of validation frames better than
/// that of `training` alone.
fn is_better(robot: &Robot, seen: &[bool], (both, training): (&Tensor, &Tensor), validation: &Tensor) -> bool {
    let Ok(layout) = Layout::of(robot, training, seen) else { return false };
    let columns = layout.learned(robot);
    let learned = layout.with(Role::Learned);
    let error = |training: &Tensor| {
        let rivals = Rivals::of(columns.clone(), training);
        let mut random = StdRng::seed_from_u64(SEED);
        let (count, most) = (validation.size()[0], validation.size()[0].min(200));
        let of_row = |row: i64| {
            let truth: Vec<f64> = numbers(&validation.get(row * count / most));
            let gone = learned.iter().copied().choose_multiple(&mut random, learned.len().div_ceil(3));
            let hidden: Vec<bool> = (0..truth.len()).map(|place| gone.contains(&place)).collect();
            let wanted: Vec<f64> = numbers(&features(&columns, &Tensor::from_slice(&truth).view([1, -1])));
            let found = rivals.gaussian(&truth, &hidden);
            let off = found.iter().zip(&wanted).zip(&columns).map(|((a, b), column)| ((a - b) * column.weight).powi(2));
            off.sum::<f64>()
        };
        (0..most).map(of_row).sum::<f64>()
    };
    learned.len() > 1 && error(both) < error(training)
}

fn expect_clips(frames: &Frames, hold_out: &[String]) -> Result<(), AdoptError> {
    /// Most names that are told.
    const LISTED: usize = 10;
    for text in hold_out {
        if !frames.clips.iter().any(|clip| clip.name.contains(text.as_str())) {
            let names: BTreeSet<&str> = frames.clips.iter().map(|clip| clip.name.as_str()).collect();
            let listed = names.into_iter().take(LISTED).collect::<Vec<_>>().join(", ");
            return Err(AdoptError::HoldOut(text.clone(), listed));
        }
    }
    Ok(())
}

/// What each frame is for, and how that was decided.
fn assign(frames: &Frames, is_other: &dyn Fn(&Clip) -> bool) -> (Vec<Use>, String) {
    let mut uses = vec![Use::Nothing; frames.nanos.len()];
    let ours: Vec<&Clip> = frames.clips.iter().filter(|clip| !is_other(clip)).collect();
    frames.clips.iter().filter(|clip| is_other(clip)).for_each(|clip| uses[clip.rows.clone()].fill(Use::Other));
    let names: BTreeSet<&str> = ours.iter().map(|clip| clip.name.as_str()).collect();
    if names.len() >= ENOUGH_CLIPS {
        let (mut test, mut chosen) = (0, 0);
        for (number, name) in names.iter().enumerate() {
            let of = match number % 12 {
                3 | 9 => Use::Test,
                5 => Use::Validation,
                _ => Use::Training,
            };
            test += usize::from(of == Use::Test);
            chosen += usize::from(of == Use::Validation);
            let mine = ours.iter().filter(|clip| clip.name == *name);
            mine.for_each(|clip| uses[clip.rows.clone()].fill(of));
        }
        return (uses, format!("by clip: {test} of {} to judge by, {chosen} to choose on", names.len()));
    }
    let rows: Vec<usize> = ours.iter().flat_map(|clip| clip.rows.clone()).collect();
    let part = rows.len().div_ceil(PARTS).max(1);
    let margin = MARGIN.min(part / 5);
    for (place, &row) in rows.iter().enumerate() {
        let of = |place: usize| match place / part {
            3 | 10 | 17 => Use::Test,
            6 | 13 => Use::Validation,
            _ => Use::Training,
        };
        let mine = of(place);
        let is_edge = of(place.saturating_sub(margin)) != mine || of((place + margin).min(rows.len() - 1)) != mine;
        uses[row] = if mine == Use::Training && is_edge { Use::Nothing } else { mine };
    }
    (uses, format!("by time: 3 of {PARTS} parts to judge by, 2 to choose on"))
}

/// Rows of a use that are not like the one before, at most so many; and how many are.
fn thin(frames: &Frames, uses: &[Use], of: Use, most: usize) -> (Vec<usize>, usize) {
    let row = |row: usize| &frames.values[row * frames.joints..(row + 1) * frames.joints];
    let (mut kept, mut thinned): (Vec<usize>, usize) = (Vec::new(), 0);
    for place in (0..uses.len()).filter(|&place| uses[place] == of) {
        let moved = |last: usize| row(last).iter().zip(row(place)).any(|(a, b)| (a - b).abs() > LIKE);
        if kept.last().is_none_or(|&last| moved(last)) {
            kept.push(place);
        } else {
            thinned += 1;
        }
    }
    if kept.len() > most {
        kept = (0..most).map(|number| kept[number * kept.len() / most]).collect();
    }
    (kept, thinned)
}

/// Pieces of a use without gaps.
fn pieces(frames: &Frames, uses: &[Use], of: Use, completed: &dyn Fn(&[usize]) -> Tensor) -> Vec<Piece> {
    let mut runs: Vec<Vec<usize>> = Vec::new();
    for clip in &frames.clips {
        let mut is_open = false;
        for row in clip.rows.clone() {
            if uses[row] != of {
                is_open = false;
                continue;
            }
            match runs.last_mut().filter(|_| is_open) {
                Some(run) => run.push(row),
                None => runs.push(vec![row]),
            }
            is_open = true;
        }
    }
    let piece = |rows: Vec<usize>| Piece {
        nanos: rows.iter().map(|&row| frames.nanos[row]).collect(),
        positions: completed(&rows),
    };
    runs.into_iter().map(piece).collect()
}

/// Positions `[N, J]` within limits; what nobody saw is zero, and mimic joints are where they follow to.
fn complete<'a>(robot: &Robot, seen: &[bool], rows: impl Iterator<Item = &'a [f32]>, joints: usize) -> Tensor {
    let moving = robot.moving();
    let mut values: Vec<f32> = Vec::new();
    for row in rows {
        let from = values.len();
        values.extend(row.iter().map(|value| if value.is_nan() { 0.0 } else { *value }));
        let row = &mut values[from..];
        for (place, &joint) in moving.iter().enumerate() {
            let Some(mimic) = robot.joints[joint].mimic else { continue };
            let source = moving.iter().position(|&other| other == mimic.source);
            if let Some(source) = source.filter(|&source| seen[source]) {
                let position = mimic.multiplier.mul_add(f64::from(row[source]), mimic.offset);
                let is_circle = robot.joints[joint].motion == Motion::Spin;
                row[place] = if is_circle { position.sin().atan2(position.cos()) } else { position } as f32;
            }
        }
    }
    let positions = Tensor::from_slice(&values).view([-1, joints as i64]).to_kind(Kind::Float);
    within_limits(robot, &positions)
}
