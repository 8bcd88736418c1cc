//! Which numbers stand for the positions of a robot's joints, and how much each counts.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};
use thalweg_task::{Masked, Target, numbers};

use crate::urdf::{Mimic, Motion, Robot};

/// Range of positions below which a joint never moves, rad: encoder noise. A guess.
pub const STILL_ANGLE: f64 = 0.01;
/// The same of a joint that slides, m.
pub const STILL_LENGTH: f64 = 0.001;
/// What the spread of a typical joint counts in residuals. The joints of people spread by about so many radians, and
/// what weighs priors and starts by default was chosen on people.
pub const TYPICAL: f64 = 0.35;
/// Most that sine and cosine of a joint that turns without end count: as a typical joint.
const MOST_OF_CIRCLE: f64 = 0.5;
/// Bounds of what the layers give, in spreads: nearer limits than these bind, and 32 bit floats keep their digits.
const BOUND: f64 = 20.0;

/// What becomes of a joint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Its positions are learned.
    Learned,
    /// It never moved in the data: it stays where it was.
    Constant,
    /// It follows another joint.
    Follower,
}

/// One joint that moves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JointLayout {
    /// Its name in the URDF.
    pub name: String,
    /// What becomes of it.
    pub role: Role,
    /// Mean position in the data, rad or m; of a constant, where it stays.
    pub mean: f64,
    /// Standard deviation of positions in the data, rad or m, above zero.
    pub spread: f64,
    /// What an error of one spread counts in residuals.
    pub weight: f64,
}

/// All joints that move, in the order of the URDF.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    /// The joints.
    pub joints: Vec<JointLayout>,
}

/// How a number stands for a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// `(position - mean) / spread`.
    Scaled,
    /// The sine, for joints that turn without end.
    Sine,
    /// The cosine.
    Cosine,
}

/// One of the numbers Y that F gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Place of the joint among those that move.
    pub joint: usize,
    /// How it stands for the position.
    pub part: Part,
    /// Mean of the joint, rad or m.
    pub mean: f64,
    /// Spread of the joint.
    pub spread: f64,
    /// Weight of its residual.
    pub weight: f64,
    /// Least and greatest value.
    pub bounds: [f64; 2],
    /// The learned numbers R that it is a sum of, each with its factor.
    pub sum: Vec<(usize, f64)>,
}

/// Why there is no layout.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// No joint moves in the data.
    #[error("no joint moves in the data; expected at least one that moves by {STILL_ANGLE} rad or {STILL_LENGTH} m")]
    Still,
}

/// Least and greatest position of a joint, mimic or not.
#[must_use]
pub fn limits(robot: &Robot, joint: usize) -> [f64; 2] {
    let of = &robot.joints[joint];
    let own = [of.lower, of.upper];
    let Some(Mimic { source, multiplier, offset }) = of.mimic else { return own };
    let source = &robot.joints[source];
    if of.motion == Motion::Spin || source.motion == Motion::Spin {
        return if of.lower < of.upper { own } else { [-PI, PI] };
    }
    let ends = [source.lower, source.upper].map(|end| multiplier.mul_add(end, offset));
    let image = [ends[0].min(ends[1]), ends[0].max(ends[1])];
    let both = [image[0].max(own[0]), image[1].min(own[1])];
    if own[0] < own[1] && both[0] < both[1] { both } else { image }
}

impl Layout {
    /// Measures positions `[N, J]` of the joints that move, in the order of the URDF; `seen`: whether there were any of
    /// a joint.
    ///
    /// # Errors
    /// [`LayoutError::Still`].
    pub fn of(robot: &Robot, positions: &Tensor, seen: &[bool]) -> Result<Self, LayoutError> {
        let moving = robot.moving();
        let mut joints: Vec<JointLayout> = moving
            .iter()
            .enumerate()
            .map(|(place, &joint)| measured(robot, joint, seen[place].then(|| positions.select(1, place as i64))))
            .collect();
        weigh(robot, &moving, &mut joints)?;
        Ok(Self { joints })
    }

    /// Whether it is one of this robot.
    #[must_use]
    pub fn fits(&self, robot: &Robot) -> bool {
        let moving = robot.moving();
        let is_follower = |joint: usize| robot.joints[joint].mimic.is_some();
        let fits = |(of, &joint): (&JointLayout, &usize)| {
            let numbers = [of.mean, of.spread, of.weight];
            of.name == robot.joints[joint].name
                && (of.role == Role::Follower) == is_follower(joint)
                && numbers.iter().all(|number| number.is_finite())
                && of.spread > 0.0
                && of.weight > 0.0
        };
        self.joints.len() == moving.len() && self.joints.iter().zip(&moving).all(fits)
    }

    /// Places of the joints with a role.
    #[must_use]
    pub fn with(&self, role: Role) -> Vec<usize> {
        (0..self.joints.len()).filter(|&place| self.joints[place].role == role).collect()
    }

    /// The numbers R that are learned: of each learned joint one, or sine and cosine.
    #[must_use]
    pub fn learned(&self, robot: &Robot) -> Vec<Column> {
        let moving = robot.moving();
        let mut columns: Vec<Column> = Vec::new();
        for place in self.with(Role::Learned) {
            let JointLayout { mean, spread, weight, .. } = self.joints[place];
            let bounds = limits(robot, moving[place]).map(|limit| ((limit - mean) / spread).clamp(-BOUND, BOUND));
            let is_circle = robot.joints[moving[place]].motion == Motion::Spin;
            let parts: &[Part] = if is_circle { &[Part::Sine, Part::Cosine] } else { &[Part::Scaled] };
            for &part in parts {
                let bounds = if is_circle { [-BOUND, BOUND] } else { bounds };
                let sum = vec![(columns.len(), 1.0)];
                columns.push(Column { joint: place, part, mean, spread, weight, bounds, sum });
            }
        }
        columns
    }

    /// The numbers Y that F gives: what is learned, and what follows it linearly.
    #[must_use]
    pub fn columns(&self, robot: &Robot) -> Vec<Column> {
        let mut columns = self.learned(robot);
        let moving = robot.moving();
        let learned = columns.clone();
        for place in self.with(Role::Follower) {
            let joint = &robot.joints[moving[place]];
            let Some(mimic) = joint.mimic else { continue };
            let of_source: Vec<&Column> =
                learned.iter().filter(|column| moving[column.joint] == mimic.source).collect();
            let limits = limits(robot, moving[place]);
            columns.extend(following(place, joint.motion, &mimic, &of_source, limits));
        }
        columns
    }
}

/// The columns of a joint that follows those of another, where that is linear.
fn following(place: usize, motion: Motion, mimic: &Mimic, source: &[&Column], limits: [f64; 2]) -> Vec<Column> {
    let Mimic { multiplier, offset, .. } = *mimic;
    match (source, motion) {
        ([of], Motion::Turn | Motion::Slide) => {
            let (mean, spread) = (multiplier.mul_add(of.mean, offset), multiplier.abs() * of.spread);
            let bounds = limits.map(|limit| ((limit - mean) / spread).clamp(-BOUND, BOUND));
            let sum = vec![(of.sum[0].0, multiplier.signum())];
            vec![Column { joint: place, part: Part::Scaled, mean, spread, weight: of.weight, bounds, sum }]
        }
        ([sine, cosine], Motion::Spin) if multiplier.abs() == 1.0 => {
            let (s, c) = (sine.sum[0].0, cosine.sum[0].0);
            let column = |part, sum| Column { joint: place, part, mean: 0.0, spread: 1.0, sum, ..(*sine).clone() };
            vec![
                column(Part::Sine, vec![(s, multiplier * offset.cos()), (c, offset.sin())]),
                column(Part::Cosine, vec![(c, offset.cos()), (s, -multiplier * offset.sin())]),
            ]
        }
        _ => Vec::new(),
    }
}

/// What the data tell of one joint.
fn measured(robot: &Robot, joint: usize, positions: Option<Tensor>) -> JointLayout {
    let of = &robot.joints[joint];
    let name = of.name.clone();
    if of.mimic.is_some() {
        return JointLayout { name, role: Role::Follower, mean: 0.0, spread: 1.0, weight: TYPICAL };
    }
    let [lower, upper] = limits(robot, joint);
    let stays = |mean: f64| {
        let mean = mean.clamp(lower, upper);
        JointLayout { name: name.clone(), role: Role::Constant, mean, spread: 1.0, weight: TYPICAL }
    };
    let Some(positions) = positions else { return stays(0.0) };
    let positions = positions.to_kind(Kind::Double);
    let mean = positions.mean(Kind::Double).double_value(&[]);
    let (range, still) = match of.motion {
        Motion::Slide => (range_of(&positions), STILL_LENGTH),
        Motion::Spin => (range_of(&positions.sin()).max(range_of(&positions.cos())), STILL_ANGLE),
        _ => (range_of(&positions), STILL_ANGLE),
    };
    if range < still {
        let turned = if of.motion == Motion::Spin { mean.sin().atan2(mean.cos()) } else { mean };
        return stays(turned);
    }
    if of.motion == Motion::Spin {
        return JointLayout { name, role: Role::Learned, mean: 0.0, spread: 1.0, weight: TYPICAL };
    }
    let spread = positions.std(false).double_value(&[]).max(still / 4.0);
    JointLayout { name, role: Role::Learned, mean, spread, weight: TYPICAL }
}

/// Range of all but a thousandth at either end.
#[must_use]
pub fn range_of(values: &Tensor) -> f64 {
    let count = values.numel();
    let (sorted, _) = values.view(-1).sort(0, false);
    let cut = (count / 1000) as i64;
    (sorted.get(count as i64 - 1 - cut) - sorted.get(cut)).double_value(&[])
}

/// Weighs joints against each other: angles by radians, so that the typical joint counts as [`TYPICAL`], lengths alike.
fn weigh(robot: &Robot, moving: &[usize], joints: &mut [JointLayout]) -> Result<(), LayoutError> {
    let is_learned = |joint: &JointLayout| joint.role == Role::Learned;
    if !joints.iter().any(is_learned) {
        return Err(LayoutError::Still);
    }
    let motion = |place: usize| robot.joints[moving[place]].motion;
    let turning =
        joints.iter().enumerate().filter(|(place, joint)| is_learned(joint) && motion(*place) == Motion::Turn);
    let squares: Vec<f64> = turning.map(|(_, joint)| joint.spread * joint.spread).collect();
    let typical = (!squares.is_empty()).then(|| (squares.iter().sum::<f64>() / squares.len() as f64).sqrt());
    for (place, joint) in joints.iter_mut().enumerate().filter(|(_, joint)| is_learned(joint)) {
        joint.weight = match (motion(place), typical) {
            (Motion::Turn, Some(typical)) => TYPICAL * joint.spread / typical,
            (Motion::Spin, typical) => {
                typical.map_or(MOST_OF_CIRCLE, |typical| (TYPICAL / typical).min(MOST_OF_CIRCLE))
            }
            _ => TYPICAL,
        };
    }
    Ok(())
}

/// Turns positions `[N, J]` into columns, `[N, C]`.
pub fn features(columns: &[Column], positions: &Tensor) -> Tensor {
    let column = |column: &Column| {
        let position = positions.select(1, column.joint as i64);
        match column.part {
            Part::Scaled => (position - column.mean) / column.spread,
            Part::Sine => position.sin(),
            Part::Cosine => position.cos(),
        }
    };
    Tensor::stack(&columns.iter().map(column).collect::<Vec<_>>(), 1)
}

/// Brings observed positions `[O, J]` into the layout of F's output: values and weights `[O, Y]`.
///
/// Number by number: a few joints cost a few microseconds so, as tensors a hundred.
#[must_use]
pub fn encode(columns: &[Column], joints: &Masked) -> Target {
    let kind = joints.value().kind();
    let (positions, seen): (Vec<f64>, Vec<f64>) =
        (numbers(joints.value()), numbers(&joints.observed().to_kind(Kind::Double)));
    let width = joints.value().size().get(1).map_or(1, |width| (*width).max(1) as usize);
    let count = positions.len() / width * columns.len();
    let (mut value, mut weight) = (Vec::with_capacity(count), Vec::with_capacity(count));
    for (positions, seen) in positions.chunks_exact(width).zip(seen.chunks_exact(width)) {
        for column in columns {
            let (position, is_seen) = (positions[column.joint], seen[column.joint] != 0.0);
            let number = match column.part {
                Part::Scaled => (position - column.mean) / column.spread,
                Part::Sine => position.sin(),
                Part::Cosine => position.cos(),
            };
            value.push(if is_seen { number } else { 0.0 });
            weight.push(if is_seen { column.weight } else { 0.0 });
        }
    }
    let device = joints.value().device();
    let tensor =
        |values: &[f64]| Tensor::from_slice(values).view([-1, columns.len() as i64]).to_kind(kind).to_device(device);
    Target { value: tensor(&value), weight: tensor(&weight) }
}

/// Positions of all joints that move, one row of F's output: learned ones, those that follow, constants.
#[must_use]
pub fn positions(robot: &Robot, layout: &Layout, columns: &[Column], output: &[f64]) -> Vec<f64> {
    let moving = robot.moving();
    let mut positions: Vec<Option<f64>> = vec![None; moving.len()];
    let mut sine = 0.0;
    for (column, number) in columns.iter().zip(output) {
        match column.part {
            Part::Scaled => positions[column.joint] = Some(number.mul_add(column.spread, column.mean)),
            Part::Sine => sine = *number,
            Part::Cosine => positions[column.joint] = Some(sine.atan2(*number)),
        }
    }
    for place in layout.with(Role::Constant) {
        positions[place] = Some(layout.joints[place].mean);
    }
    let known = positions.clone();
    for place in layout.with(Role::Follower).into_iter().filter(|&place| known[place].is_none()) {
        let source = robot.joints[moving[place]].mimic.and_then(|mimic| {
            let of = moving.iter().position(|&joint| joint == mimic.source)?;
            Some(mimic.multiplier.mul_add(known[of]?, mimic.offset))
        });
        positions[place] = source;
    }
    let within = |(place, position): (usize, Option<f64>)| {
        let [lower, upper] = limits(robot, moving[place]);
        let position = position.unwrap_or(0.0);
        let is_circle = robot.joints[moving[place]].motion == Motion::Spin;
        let turned = if is_circle { position.sin().atan2(position.cos()) } else { position };
        turned.clamp(lower, upper)
    };
    positions.into_iter().enumerate().map(within).collect()
}
