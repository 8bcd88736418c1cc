//! Frames of all recordings: positions of one robot's joints, moment by moment.

use std::collections::HashMap;
use std::fmt::Write;
use std::path::PathBuf;

use thalweg_robot::Robot;
use thalweg_robot::layout::limits;
use thalweg_robot::urdf::Motion;
use thalweg_task::nearest;

use super::AdoptError;

/// Silence after which another clip begins, ns: half a second.
pub(super) const GAP: i64 = 500_000_000;
/// Least time between two frames, ns: more than 50 a second tell little more, and ten hours must fit into memory.
const LEAST_TIME: i64 = 19_000_000;
/// Share of positions beyond limits at which the unit is in doubt.
const DOUBTFUL: f64 = 0.2;
/// Overshoot of limits that is no doubt, rad.
const OVERSHOOT: f64 = 0.05;
/// Fewest positions of a joint that tell its unit.
const TELLING: usize = 20;

/// A piece of a recording without gaps.
#[derive(Clone, Debug)]
pub(super) struct Clip {
    /// The file, and what it calls the clip.
    pub(super) name: String,
    /// Its frames.
    pub(super) rows: std::ops::Range<usize>,
}

/// All frames.
#[derive(Debug)]
pub(super) struct Frames {
    names: HashMap<String, usize>,
    /// Whether a joint turns: its unit may be degrees.
    turns: Vec<bool>,
    /// Number J of joints that move.
    pub(super) joints: usize,
    /// `[N, J]`, rad or m, NaN where nothing was read.
    pub(super) values: Vec<f32>,
    /// Time of each frame, ns.
    pub(super) nanos: Vec<i64>,
    /// The clips, which follow each other.
    pub(super) clips: Vec<Clip>,
    /// Positions that are not finite.
    pub(super) not_finite: u64,
    /// Names in the data that are no joint of the URDF that moves, and how often they came.
    pub(super) unknown: HashMap<String, u64>,
    /// The last position of each joint, and its time.
    latest: Vec<(f32, i64)>,
    is_open: bool,
}

/// Most names that are told.
const LISTED: usize = 12;
/// Most names that are kept: a bag can have any number.
const MOST_NAMES: usize = 10_000;

impl Frames {
    pub(super) fn of(robot: &Robot) -> Self {
        let moving = robot.moving();
        let names = moving.iter().enumerate().map(|(place, &joint)| (robot.joints[joint].name.clone(), place));
        let turns = moving.iter().map(|&joint| robot.joints[joint].motion != Motion::Slide).collect();
        Self {
            names: names.collect(),
            turns,
            joints: moving.len(),
            values: Vec::new(),
            nanos: Vec::new(),
            clips: Vec::new(),
            not_finite: 0,
            unknown: HashMap::new(),
            latest: vec![(f32::NAN, 0); moving.len()],
            is_open: false,
        }
    }

    /// Place of a joint by its name, and a count of those that are none.
    pub(super) fn place(&mut self, name: &str) -> Option<usize> {
        let place = self.names.get(name).copied();
        if place.is_none() && (self.unknown.contains_key(name) || self.unknown.len() < MOST_NAMES) {
            *self.unknown.entry(name.to_owned()).or_default() += 1;
        }
        place
    }

    /// Ends the clip.
    pub(super) fn cut(&mut self) {
        self.is_open = false;
        self.latest.fill((f32::NAN, 0));
    }

    /// Takes positions of some joints at a time, ns; `clip` names what begins here if nothing is going on.
    pub(super) fn take(&mut self, nanos: i64, positions: impl Iterator<Item = (usize, f64)>, clip: &str) {
        let last = self.nanos.last().copied().filter(|_| self.is_open);
        if last.is_some_and(|last| nanos < last || nanos.saturating_sub(last) > GAP) {
            self.cut();
        }
        for (place, position) in positions {
            if position.is_finite() && (position as f32).is_finite() {
                self.latest[place] = (position as f32, nanos);
            } else {
                self.not_finite += 1;
            }
        }
        let last = last.filter(|_| self.is_open);
        let is_near = last.is_some_and(|last| nanos - last < LEAST_TIME);
        let fresh = |(value, since): &(f32, i64)| if nanos.saturating_sub(*since) <= GAP { *value } else { f32::NAN };
        let row: Vec<f32> = self.latest.iter().map(fresh).collect();
        if row.iter().all(|value| value.is_nan()) {
            return;
        }
        if is_near {
            // Of several publishers each brings a part: the frame is complete with the last of them.
            self.complete(&row);
            return;
        }
        let next = self.nanos.len();
        match self.clips.last_mut().filter(|_| self.is_open) {
            Some(clip) => clip.rows.end = next + 1,
            None => self.clips.push(Clip { name: clip.to_owned(), rows: next..next + 1 }),
        }
        self.is_open = true;
        self.values.extend(row);
        self.nanos.push(nanos);
    }

    /// Fills gaps of the last frame.
    fn complete(&mut self, row: &[f32]) {
        let from = self.values.len() - self.joints;
        for (value, new) in self.values[from..].iter_mut().zip(row) {
            if value.is_nan() {
                *value = *new;
            }
        }
    }

    /// Refuses recordings without a position of any joint, with the nearest names.
    pub(super) fn expect_some(&self, paths: &[PathBuf]) -> Result<(), AdoptError> {
        if !self.nanos.is_empty() {
            return Ok(());
        }
        let mut came: Vec<&String> = self.unknown.keys().collect();
        came.sort();
        let Some(first) = came.first() else { return Err(AdoptError::Empty(paths.to_vec())) };
        let listed = came.iter().take(LISTED).map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
        let hint = nearest(first, self.names.keys().map(String::as_str));
        let why = format!("no joint of the URDF is among its joints {listed}; '{first}' is unknown{hint}");
        Err(AdoptError::data(paths.first().map_or(std::path::Path::new(""), PathBuf::as_path), why))
    }

    /// Turns degrees into radians where they are said to be, and refuses what looks like them otherwise.
    pub(super) fn settle_units(&mut self, robot: &Robot, degrees: bool, radians: bool) -> Result<(), AdoptError> {
        if degrees {
            let turns = self.turns.clone();
            for row in self.values.chunks_exact_mut(self.joints) {
                row.iter_mut()
                    .zip(&turns)
                    .filter(|(_, turns)| **turns)
                    .for_each(|(value, _)| *value = value.to_radians());
            }
            return Ok(());
        }
        if radians {
            return Ok(());
        }
        for (place, &joint) in robot.moving().iter().enumerate() {
            let of = &robot.joints[joint];
            if of.motion == Motion::Turn {
                self.judge_unit(place, &of.name, limits(robot, joint))?;
            }
        }
        Ok(())
    }

    fn judge_unit(&self, place: usize, name: &str, [lower, upper]: [f64; 2]) -> Result<(), AdoptError> {
        let column = self.values.iter().skip(place).step_by(self.joints);
        let values: Vec<f64> = column.filter(|value| value.is_finite()).map(|value| f64::from(*value)).collect();
        let beyond = |value: f64| value < lower - OVERSHOOT || value > upper + OVERSHOOT;
        let share = values.iter().filter(|value| beyond(**value)).count() as f64 / values.len().max(1) as f64;
        let as_degrees = values.iter().filter(|value| !beyond(value.to_radians())).count() as f64;
        let fits_degrees = as_degrees >= 0.99 * values.len() as f64;
        // A joint that overshoots its limits a little in radians fits in degrees, too.
        let is_far = values.iter().any(|value| value.abs() > std::f64::consts::TAU);
        if values.len() < TELLING || share < DOUBTFUL || !fits_degrees || !is_far {
            return Ok(());
        }
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let greatest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let joint = name.to_owned();
        Err(AdoptError::Degrees { joint, share: share * 100.0, lower, upper, least, greatest })
    }

    /// Length of all clips, seconds.
    pub(super) fn seconds(&self) -> f64 {
        let of = |clip: &Clip| (self.nanos[clip.rows.end - 1] - self.nanos[clip.rows.start]) as f64 / 1e9;
        self.clips.iter().map(of).sum()
    }

    /// What there is, in a line or two.
    pub(super) fn summary(&self, robot: &Robot) -> String {
        let mut text = format!(
            "{}: {} joints that move; {} frames in {} clips, {:.1} minutes\n",
            robot.name,
            self.joints,
            self.nanos.len(),
            self.clips.len(),
            self.seconds() / 60.0
        );
        if self.not_finite > 0 {
            writeln!(text, "dropped {} positions that are not finite", self.not_finite).unwrap_or_default();
        }
        if !self.unknown.is_empty() {
            let mut names: Vec<&str> = self.unknown.keys().map(String::as_str).collect();
            names.sort_unstable();
            let more = if names.len() > LISTED { ", .." } else { "" };
            let names = names[..names.len().min(LISTED)].join(", ");
            writeln!(text, "not joints of the URDF that move, left out: {names}{more}").unwrap_or_default();
        }
        text
    }
}
