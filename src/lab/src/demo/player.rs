//! Plays a motion to the arms, frame by frame: the one loop over observations.

use std::time::{Duration, Instant};

use crate::eval::metrics::{PoseErrors, Visibility};
use anyhow::Context;
use tch::{Device, Kind, Tensor};
use thalweg::clock::SystemClock;
use thalweg::motion::Motion;
use thalweg_body_pose::{Body, rotations_from_angles, skeleton};
use thalweg_engine::Budget;
use thalweg_task::{Observation, Task};

use super::arm::{Answer, Arm};
use super::measurement::Measurement;

/// Solves of the first frame that are not counted: libtorch allocates, and the engine learns how
/// long a step takes. A guess.
const WARM_UP: u32 = 5;

/// Seconds that everything is seen at first, as a robot sees it before something drops out.
const SHOWN: f64 = 1.0;
/// Share of the frames that it is at most.
const MOST_SHOWN: i64 = 3;

/// A pass over the motion with the same joints hidden, but for the first frames.
pub(super) struct Phase {
    /// The group of joints that is hidden.
    pub(super) group: &'static str,
    /// Its joints, as places in `skeleton::NAMES`.
    pub(super) hidden: Vec<usize>,
    /// Frames in which everything is seen.
    pub(super) shown: i64,
    visibility: Visibility,
}

impl Phase {
    pub(super) fn hiding(group: &'static str, shown: i64) -> anyhow::Result<Self> {
        let hidden = skeleton::group(group).with_context(|| format!("no group of joints named {group}"))?;
        let visibility = Visibility::hiding(&hidden);
        Ok(Self { group, hidden, shown, visibility })
    }
}

/// One frame, answered and measured.
pub(super) struct Moment<'a> {
    pub(super) phase: &'a Phase,
    /// Number of the frame.
    pub(super) index: i64,
    /// `[1, 21, 3, 3]`.
    pub(super) truth: &'a Tensor,
    /// One for each arm, in their order.
    pub(super) answers: &'a [Answer],
    pub(super) measurements: &'a [Measurement],
    /// Whether the frame was begun later than the frame clock said.
    pub(super) is_late: bool,
}

/// A motion and the time that each arm has for a frame of it.
pub(super) struct Player {
    task: Box<dyn Task>,
    motion: Motion,
    budget: Budget,
    body: Body,
    clock: SystemClock,
}

impl Player {
    pub(super) fn new(task: Box<dyn Task>, motion: Motion, budget: Budget) -> Self {
        let body = Body::new(Kind::Float, Device::Cpu);
        Self { task, motion, budget, body, clock: SystemClock::default() }
    }

    pub(super) fn frames(&self) -> i64 {
        self.motion.frames()
    }

    pub(super) fn fps(&self) -> f64 {
        self.motion.fps
    }

    /// How many of `frames` show everything.
    pub(super) fn shown(&self, frames: i64) -> i64 {
        ((SHOWN * self.motion.fps).round() as i64).min(frames / MOST_SHOWN)
    }

    pub(super) fn fingerprint(&self) -> &str {
        &self.task.spec().fingerprint
    }

    pub(super) fn task(&self) -> &dyn Task {
        self.task.as_ref()
    }

    /// Shows the first frames to all arms, which take turns at going first.
    ///
    /// The arms start cold. With `paced` a frame does not begin before its time.
    pub(super) fn play(
        &self,
        phase: &Phase,
        arms: &mut [Arm],
        frames: i64,
        paced: bool,
        show: &mut dyn FnMut(&Moment<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.warm_up(phase, arms)?;
        let period = Duration::from_secs_f64(1.0 / self.motion.fps);
        let mut due = Instant::now();
        for index in 0..frames {
            let is_late = paced && wait(due, period);
            due += period;
            let (obs, truth) = self.observe(phase, index)?;
            let answers = self.ask(arms, &obs, index as usize)?;
            let measurements: Vec<_> = answers.iter().map(|answer| self.measure(phase, answer, &truth)).collect();
            show(&Moment { phase, index, truth: &truth, answers: &answers, measurements: &measurements, is_late })?;
        }
        Ok(())
    }

    /// Compares an answer with the truth `[1, 21, 3, 3]`.
    pub(super) fn measure(&self, phase: &Phase, answer: &Answer, truth: &Tensor) -> Measurement {
        let errors = PoseErrors::measure(&self.body, &phase.visibility, &answer.rotations, truth);
        Measurement::new(answer, errors)
    }

    fn warm_up(&self, phase: &Phase, arms: &mut [Arm]) -> anyhow::Result<()> {
        let (obs, _) = self.observe(phase, phase.shown)?;
        for turn in 0..WARM_UP {
            self.ask(arms, &obs, turn as usize)?;
        }
        arms.iter_mut().for_each(Arm::reset);
        Ok(())
    }

    /// Lets each arm solve, in the order of the turn; answers come in the arms' own order.
    fn ask(&self, arms: &mut [Arm], obs: &Observation, turn: usize) -> anyhow::Result<Vec<Answer>> {
        let first = turn % arms.len();
        let mut answers = Vec::with_capacity(arms.len());
        for arm in order(arms.len(), first) {
            answers.push(arms[arm].solve(obs, &self.budget, &self.clock)?);
        }
        answers.rotate_right(first);
        Ok(answers)
    }

    /// The angles of a frame, the hidden ones masked, and its rotations `[1, 21, 3, 3]`.
    fn observe(&self, phase: &Phase, index: i64) -> anyhow::Result<(Observation, Tensor)> {
        let _no_grad = tch::no_grad_guard();
        let truth = rotations_from_angles(&self.motion.frame(index));
        let mut obs = self.motion.observation(index);
        if index >= phase.shown {
            obs.joints = obs.joints.map(|joints| joints.hide(&phase.visibility.mask()));
        }
        Ok((obs, truth))
    }
}

/// One frame as messages show it, and what was there.
#[cfg(feature = "ros")]
pub(super) struct Frame {
    /// The joints that are seen.
    pub(super) names: Vec<String>,
    /// Position of each, radians.
    pub(super) positions: Vec<f64>,
    /// The same as an observation.
    pub(super) obs: Observation,
    /// `[1, 21, 3, 3]`.
    pub(super) truth: Tensor,
}

#[cfg(feature = "ros")]
impl Player {
    /// The joints that answers must have.
    pub(super) fn joints(&self) -> &[thalweg_task::JointSpec] {
        &self.task.spec().joints
    }

    /// All frames of a phase, before any is due.
    pub(super) fn frames_of(&self, phase: &Phase, count: i64) -> anyhow::Result<Vec<Frame>> {
        (0..count).map(|index| self.frame(phase, index)).collect()
    }

    fn frame(&self, phase: &Phase, index: i64) -> anyhow::Result<Frame> {
        let (obs, truth) = self.observe(phase, index)?;
        let angles = obs.joints.as_ref().context("body_pose observes joints")?.with_nan().to_kind(Kind::Double);
        let angles: Vec<f64> = Vec::try_from(angles.view(-1))?;
        let seen = self.joints().iter().zip(angles).filter(|(_, angle)| !angle.is_nan());
        let (names, positions) = seen.map(|(joint, angle)| (joint.name.clone(), angle)).unzip();
        Ok(Frame { names, positions, obs, truth })
    }

    /// What the best of `rotations`, `[K, 21, 3, 3]`, leaves unexplained of what was seen.
    pub(super) fn loss(&self, obs: &Observation, rotations: &Tensor) -> anyhow::Result<f64> {
        let _no_grad = tch::no_grad_guard();
        let objective = self.task.objective(&rotations.narrow(0, 0, 1), &self.task.encode(obs)?)?;
        Ok(objective.loss.double_value(&[0]))
    }
}

/// Sleeps until a frame is due; says whether that was more than a frame ago.
pub(super) fn wait(due: Instant, period: Duration) -> bool {
    let now = Instant::now();
    std::thread::sleep(due.saturating_duration_since(now));
    now.saturating_duration_since(due) > period
}

/// All places from `first` on, then those before it.
fn order(count: usize, first: usize) -> impl Iterator<Item = usize> {
    (first..count).chain(0..first)
}

#[cfg(test)]
mod tests {
    use super::order;

    #[test]
    fn answers_in_turn_are_brought_back_into_the_order_of_the_arms() {
        for first in 0..5 {
            let mut answers: Vec<usize> = order(5, first).collect();
            assert_eq!(answers[0], first);
            answers.rotate_right(first);
            assert_eq!(answers, [0, 1, 2, 3, 4]);
        }
    }
}
