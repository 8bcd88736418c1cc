//! How well hidden joints are found on held-out frames, beside the simplest rivals.

mod table;

use std::path::Path;

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::IteratorRandom;
use serde_json::Value;
use tch::{Kind, Tensor};
use thalweg::{Builder, Inverter, Registry};
use thalweg_robot::RobotTask;
use thalweg_robot::kinematics::{Branch, branches, frames};
use thalweg_robot::layout::{Column, Role, limits, positions};
use thalweg_robot::urdf::Motion;
use thalweg_task::{LoadOptions, Observation, Task};

use super::division::{Divided, Piece};
use super::rivals::Rivals;
use super::training::absolute;

pub(super) use table::Judgement;
use table::{Errors, Row};

/// Steps of a solve: about what the node's 8 ms give.
const STEPS: u32 = 20;
/// Age of the last value in the table of single frames, seconds.
const AGE: f64 = 0.5;
/// Frames for each gap, and those of a quick look.
const FRAMES: [usize; 2] = [300, 60];
/// Lengths of dropouts, seconds.
const DROPOUTS: [f64; 4] = [0.1, 0.5, 2.0, 10.0];
/// Dropouts of each length and gap, and those of a quick look.
const WINDOWS: [usize; 2] = [12, 3];
/// Frames before a dropout that are seen whole.
const BEFORE: usize = 5;
/// Time in which a velocity is forgotten, seconds: about that of a movement. A guess.
const FORGOTTEN: f64 = 0.2;
/// Seed of gaps.
const SEED: u64 = 7;

/// Methods in the order of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Thalweg,
    FromZero,
    Gaussian,
    Nearest,
    Hold,
    Velocity,
}

/// Draws joints.
type Draw = Box<dyn Fn(&mut StdRng) -> Vec<usize>>;

/// A kind of gap: joints that are hidden, the same in every frame, or drawn for each.
struct Gap {
    name: String,
    hidden: Draw,
}

struct Judge<'a> {
    task: RobotTask,
    /// Places of joints that are learned.
    learned: Vec<usize>,
    columns: Vec<Column>,
    rivals: Rivals,
    cold: Inverter,
    warm: Inverter,
    zero: Inverter,
    divided: &'a Divided,
}

impl Judgement {
    /// Judges the model in a folder.
    pub(super) fn of(folder: &Path, registry: &Registry, divided: &Divided, quick: bool) -> anyhow::Result<Self> {
        let mut judge = Judge::of(folder, registry, divided)?;
        let (frames, windows) = (FRAMES[usize::from(quick)], WINDOWS[usize::from(quick)]);
        let gaps = judge.gaps();
        let mut told = Self::default();
        for gap in &gaps {
            told.frames.extend(judge.frames(gap, &divided.test, frames)?);
            told.others.extend(judge.frames(gap, &divided.other, frames)?);
        }
        for gap in gaps.iter().take(STREAMED) {
            for length in DROPOUTS {
                told.streams.extend(judge.streams(gap, length, windows)?);
            }
        }
        Ok(told)
    }
}

/// Gaps that are judged in streams: the first ones, which are branches.
const STREAMED: usize = 5;

impl<'a> Judge<'a> {
    fn of(folder: &Path, registry: &Registry, divided: &'a Divided) -> anyhow::Result<Self> {
        let path = absolute(folder).display().to_string();
        let mut options = LoadOptions::default();
        options.parameters.insert("model".to_owned(), Value::String(path.clone()));
        let task = RobotTask::load(&options)?;
        let open = || -> anyhow::Result<Builder> {
            Ok(registry.open(thalweg_robot::ENTRY.name)?.parameter("model", path.clone()).steps(STEPS))
        };
        let columns = task.model().layout.learned(&task.model().robot);
        Ok(Self {
            learned: task.model().layout.with(Role::Learned),
            rivals: Rivals::of(columns.clone(), &divided.training),
            columns,
            cold: open()?.warm_start(false).build()?,
            warm: open()?.build()?,
            zero: open()?.landscape("identity").start("none").hypotheses(1).warm_start(false).build()?,
            task,
            divided,
        })
    }

    fn branches(&self) -> Vec<Branch> {
        branches(&self.task.model().robot, &self.task.model().layout.with(Role::Constant))
    }

    /// Branches, then joints drawn for each frame, then all but the tips.
    fn gaps(&self) -> Vec<Gap> {
        let learned = self.learned.clone();
        let fixed = |name: String, joints: Vec<usize>| {
            let joints: Vec<usize> = joints.into_iter().filter(|joint| learned.contains(joint)).collect();
            Gap { name, hidden: Box::new(move |_| joints.clone()) }
        };
        let drawn = |name: String, count: usize| {
            let learned = learned.clone();
            let hidden = move |random: &mut StdRng| learned.iter().copied().choose_multiple(random, count);
            Gap { name, hidden: Box::new(hidden) }
        };
        let is_part = |branch: &Branch| branch.joints.len() > 1 && branch.joints.len() < learned.len();
        let mut gaps: Vec<Gap> = self
            .branches()
            .into_iter()
            .filter(is_part)
            .map(|branch| fixed(branch.name.trim_end_matches("_branch").to_owned(), branch.joints))
            .collect();
        gaps.push(drawn("one joint".to_owned(), 1));
        if learned.len() >= 6 {
            gaps.push(drawn("three joints".to_owned(), 3));
        }
        let third = learned.len().div_ceil(3);
        if learned.len() > 2 && third != 1 {
            gaps.push(drawn(format!("a third ({third} joints)"), third));
        }
        let inner = self.task.spec().groups.iter().find(|group| group.name == "end_effectors_only");
        gaps.extend(inner.map(|group| fixed("all but the tips".to_owned(), group.joints.clone())));
        gaps.retain(|gap| {
            let count = (gap.hidden)(&mut StdRng::seed_from_u64(SEED)).len();
            count > 0 && count < learned.len()
        });
        gaps
    }

    /// Judges single frames, spread evenly over pieces; none where there are no pieces.
    fn frames(&mut self, gap: &Gap, pieces: &[Piece], most: usize) -> anyhow::Result<Option<Row>> {
        let candidates: Vec<(usize, usize, usize)> = pieces
            .iter()
            .enumerate()
            .flat_map(|(piece, of)| (0..of.nanos.len()).filter_map(move |at| Some((piece, at, before(of, at, AGE)?))))
            .collect();
        let count = candidates.len().min(most);
        let mut random = StdRng::seed_from_u64(SEED);
        let mut row = Row::new(
            gap.name.clone(),
            vec![Method::Thalweg, Method::FromZero, Method::Gaussian, Method::Nearest, Method::Hold],
        );
        for number in 0..count {
            let (piece, at, earlier) = candidates[number * candidates.len() / count];
            let truth = positions_at(&pieces[piece], at);
            let hidden = self.mask(&(gap.hidden)(&mut random));
            let past = Past { last: positions_at(&pieces[piece], earlier), velocity: None, age: AGE, now: None };
            for method in row.methods.clone() {
                let found = self.complete(method, &truth, &hidden, &past)?;
                let errors = self.errors(&truth, &found, &hidden);
                row.add(method, errors);
            }
        }
        Ok((count > 0).then_some(row))
    }

    /// Judges a stream in which joints fall silent for so many seconds; none where no piece is as long.
    fn streams(&mut self, gap: &Gap, length: f64, most: usize) -> anyhow::Result<Option<Row>> {
        let divided = self.divided;
        let mut starts: Vec<(usize, usize, usize)> = Vec::new();
        for (number, piece) in divided.test.iter().enumerate() {
            let mut from = BEFORE;
            while let Some(to) = after(piece, from, length) {
                starts.push((number, from, to));
                from = to + BEFORE;
            }
        }
        let count = starts.len().min(most);
        let mut random = StdRng::seed_from_u64(SEED);
        let methods = vec![Method::Thalweg, Method::Gaussian, Method::Nearest, Method::Hold, Method::Velocity];
        let mut row = Row::new(format!("{}, {length} s", gap.name), methods);
        for window in 0..count {
            let (number, from, to) = starts[window * starts.len() / count];
            let piece = &divided.test[number];
            let hidden = self.mask(&(gap.hidden)(&mut random));
            self.warm.reset();
            for at in from - BEFORE..from {
                self.solve(&positions_at(piece, at), &vec![false; hidden.len()], Some(piece.nanos[at]))?;
            }
            let last = positions_at(piece, from - 1);
            let velocity = velocity(piece, from - 1);
            for at in from..=to {
                let truth = positions_at(piece, at);
                let age = (piece.nanos[at] - piece.nanos[from - 1]) as f64 / 1e9;
                let now = Some(piece.nanos[at]);
                let past = Past { last: last.clone(), velocity: Some(velocity.clone()), age, now };
                for method in row.methods.clone() {
                    let found = self.complete(method, &truth, &hidden, &past)?;
                    let errors = self.errors(&truth, &found, &hidden);
                    row.add(method, errors);
                }
            }
        }
        Ok((count > 0).then_some(row))
    }

    /// Marks joints, and those that mimic them.
    fn mask(&self, joints: &[usize]) -> Vec<bool> {
        let robot = &self.task.model().robot;
        let moving = robot.moving();
        let is_hidden = |place: usize| {
            let source = robot.joints[moving[place]].mimic.map(|mimic| mimic.source);
            joints.contains(&place) || source.is_some_and(|source| joints.iter().any(|&joint| moving[joint] == source))
        };
        (0..moving.len()).map(is_hidden).collect()
    }

    fn complete(&mut self, method: Method, truth: &[f64], hidden: &[bool], past: &Past) -> anyhow::Result<Vec<f64>> {
        let model = self.task.model();
        let all = |numbers: Vec<f64>| positions(&model.robot, &model.layout, &self.columns, &numbers);
        Ok(match method {
            Method::Thalweg => self.solve(truth, hidden, past.now)?,
            Method::FromZero => self.solve_from_zero(truth, hidden)?,
            Method::Gaussian => all(self.rivals.gaussian(truth, hidden)),
            Method::Nearest => all(self.rivals.nearest(truth, hidden)),
            Method::Hold => past.last.clone(),
            Method::Velocity => self.extrapolate(past),
        })
    }

    /// Solves a frame of a stream at a time, ns, or a single frame.
    fn solve(&mut self, truth: &[f64], hidden: &[bool], now: Option<i64>) -> anyhow::Result<Vec<f64>> {
        let engine = if now.is_some() { &mut self.warm } else { &mut self.cold };
        let mut obs = seen(truth, hidden);
        // Recordings may begin at zero, which as a stamp says nothing about time.
        obs.stamp_nanos = now.map_or(0, |now| now.saturating_add(1_000_000_000));
        Ok(engine.solve_observation(&obs)?.best().joints().to_vec())
    }

    fn solve_from_zero(&mut self, truth: &[f64], hidden: &[bool]) -> anyhow::Result<Vec<f64>> {
        let _no_grad = tch::no_grad_guard();
        let zero = Tensor::zeros([1, self.task.spec().latent], (Kind::Float, tch::Device::Cpu));
        let engine = self.zero.engine_mut();
        engine.begin_from(&seen(truth, hidden), &zero)?;
        for _ in 0..STEPS {
            engine.refine()?;
        }
        let y_hat = engine.solution().map(|solution| solution.y_hat.shallow_clone());
        let joints = y_hat.and_then(|y_hat| self.task.render(&y_hat).ok()?.joints);
        Ok(joints.map_or_else(Vec::new, |joints| thalweg_task::numbers(&joints)))
    }

    /// The last position and what its velocity, forgotten along an exponential, adds to it.
    fn extrapolate(&self, past: &Past) -> Vec<f64> {
        let robot = &self.task.model().robot;
        let reach = FORGOTTEN * (1.0 - (-past.age / FORGOTTEN).exp());
        let moving = robot.moving();
        let each = |(place, last): (usize, &f64)| {
            let velocity = past.velocity.as_ref().map_or(0.0, |velocity| velocity[place]);
            let [lower, upper] = limits(robot, moving[place]);
            let is_circle = robot.joints[moving[place]].motion == Motion::Spin;
            let position = velocity.mul_add(reach, *last);
            if is_circle { position } else { position.clamp(lower, upper) }
        };
        past.last.iter().enumerate().map(each).collect()
    }

    fn errors(&self, truth: &[f64], found: &[f64], hidden: &[bool]) -> Errors {
        let robot = &self.task.model().robot;
        let moving = robot.moving();
        let mut errors = Errors::default();
        for &place in self.learned.iter().filter(|&&place| hidden[place]) {
            let off = found[place] - truth[place];
            match robot.joints[moving[place]].motion {
                Motion::Slide => errors.slides.add(off.abs() * 1e3),
                Motion::Spin => errors.angles.add(off.sin().atan2(off.cos()).abs().to_degrees()),
                _ => errors.angles.add(off.abs().to_degrees()),
            }
        }
        let (there, here) = (frames(robot, truth), frames(robot, found));
        for link in self.tips(hidden) {
            errors.tips.add((there[link].translation.vector - here[link].translation.vector).norm() * 1e3);
        }
        errors
    }

    /// Links without links below, which a hidden joint moves; of those of one branch the farthest from its last joint.
    fn tips(&self, hidden: &[bool]) -> Vec<usize> {
        let robot = &self.task.model().robot;
        let moving = robot.moving();
        let rest = frames(robot, &vec![0.0; moving.len()]);
        let mut tips = Vec::new();
        for branch in self.branches().iter().filter(|branch| branch.is_tip) {
            let Some(&last) = branch.joints.iter().rfind(|&&place| robot.joints[moving[place]].mimic.is_none()) else {
                continue;
            };
            let above = ancestors(robot, robot.joints[moving[last]].child);
            if !moving.iter().enumerate().any(|(place, joint)| hidden[place] && above.contains(joint)) {
                continue;
            }
            let from = robot.joints[moving[last]].child;
            let below = (0..robot.links.len()).filter(|&link| {
                link == from || ancestors(robot, link).iter().any(|&joint| robot.joints[joint].child == from)
            });
            let far = |link: &usize| (rest[*link].translation.vector - rest[from].translation.vector).norm();
            tips.extend(below.max_by(|a, b| far(a).total_cmp(&far(b))));
        }
        tips
    }
}

/// What was known before a joint fell silent.
struct Past {
    last: Vec<f64>,
    /// Per second.
    velocity: Option<Vec<f64>>,
    /// Seconds.
    age: f64,
    /// The frame's time, ns; none of a single frame.
    now: Option<i64>,
}

/// Joints between a link and the root.
fn ancestors(robot: &thalweg_robot::Robot, link: usize) -> Vec<usize> {
    let (mut found, mut link) = (Vec::new(), link);
    while let Some(joint) = robot.joints.iter().position(|joint| joint.child == link) {
        found.push(joint);
        link = robot.joints[joint].parent;
    }
    found
}

fn positions_at(piece: &Piece, at: usize) -> Vec<f64> {
    thalweg_task::numbers(&piece.positions.get(at as i64))
}

fn velocity(piece: &Piece, at: usize) -> Vec<f64> {
    let earlier = at.saturating_sub(1);
    let seconds = ((piece.nanos[at] - piece.nanos[earlier]) as f64 / 1e9).max(1e-3);
    positions_at(piece, at).iter().zip(positions_at(piece, earlier)).map(|(now, then)| (now - then) / seconds).collect()
}

/// The last frame at least so many seconds earlier.
fn before(piece: &Piece, at: usize, seconds: f64) -> Option<usize> {
    let limit = piece.nanos[at] - (seconds * 1e9) as i64;
    piece.nanos[..at].partition_point(|nanos| *nanos <= limit).checked_sub(1)
}

/// The first frame at least so many seconds after the one before `from`.
fn after(piece: &Piece, from: usize, seconds: f64) -> Option<usize> {
    let limit = piece.nanos.get(from.checked_sub(1)?)? + (seconds * 1e9) as i64;
    let at = piece.nanos.partition_point(|nanos| *nanos < limit);
    (at >= from && at < piece.nanos.len()).then_some(at)
}

fn seen(truth: &[f64], hidden: &[bool]) -> Observation {
    let values: Vec<f32> =
        truth.iter().zip(hidden).map(|(value, hidden)| if *hidden { f32::NAN } else { *value as f32 }).collect();
    Observation::of_joints(&Tensor::from_slice(&values).view([1, -1]))
}
