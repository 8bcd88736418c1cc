//! The newest position of every joint, merged from whoever publishes some of them.

use std::time::Duration;

use thalweg_task::JointSpec;

use super::contradiction::Flips;
use super::findings::Findings;
use super::position::{Range, Verdict};
use super::refusal::{Cause, Refusal};
use super::sources::{Source, Sources};
use super::stamp::{Stamp, judge};
use super::{Taken, judge_frame};

/// A `sensor_msgs/JointState`, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct JointMessage<'a> {
    /// When it was measured.
    pub stamp: Stamp,
    /// Frame of the message; joints need none.
    pub frame_id: &'a str,
    /// Names of the joints.
    pub names: &'a [String],
    /// Positions in the order of the names, radians or metres.
    pub positions: &'a [f64],
    /// Whether velocities or efforts came.
    pub has_other_fields: bool,
}

/// How joints are taken; the parameters `input.*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JointConfig {
    /// Age, since it was received, at which a position falls out.
    pub timeout: Duration,
    /// Most joints that one message may have.
    pub max_joints: usize,
    /// Whether a zero stamp means now.
    pub accept_zero_stamp: bool,
}

impl Default for JointConfig {
    fn default() -> Self {
        Self { timeout: Duration::from_millis(500), max_joints: 4096, accept_zero_stamp: true }
    }
}

/// The positions that hold at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// Newest stamp among the positions, nanoseconds.
    pub stamp_nanos: i64,
    /// Frame of the message that was used last; empty when it had none.
    pub frame_id: String,
    /// One position for each joint of the task, radians or metres; NaN where unobserved.
    pub positions: Vec<f32>,
    /// When each was measured, nanoseconds.
    pub stamps: Vec<i64>,
    /// Each as it came in the message, before it was wrapped or clamped; NaN where unobserved.
    pub given: Vec<f64>,
    /// When the newest position was received, nanoseconds.
    pub received_nanos: i64,
    /// When the oldest position was received, nanoseconds.
    pub oldest_nanos: i64,
    /// How many joints are observed.
    pub observed: usize,
    /// How many joints were observed once and are too old now.
    pub stale: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Freshness {
    #[default]
    Unseen,
    Fresh,
    Stale,
}

/// What is known of one joint.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    freshness: Freshness,
    position: f32,
    /// As it came.
    given: f64,
    stamp: i64,
    received: i64,
    source: u64,
    flips: Flips,
}

/// Merges joint messages, position by position.
///
/// Messages do not say who sent them, so the list of names stands for the publisher. A joint whose
/// newest position is refused is unobserved, unless another publisher gave the position it has.
#[derive(Debug)]
pub struct JointBoard {
    config: JointConfig,
    ranges: Vec<Range>,
    names: Vec<String>,
    slots: Vec<Slot>,
    sources: Sources,
    frame_id: String,
    zero_stamp_told: bool,
}

impl JointBoard {
    /// Prepares to merge positions of `joints`.
    #[must_use]
    pub fn new(joints: &[JointSpec], config: JointConfig) -> Self {
        Self {
            config,
            ranges: joints.iter().map(Range::of).collect(),
            names: joints.iter().map(|joint| joint.name.clone()).collect(),
            slots: vec![Slot::default(); joints.len()],
            sources: Sources::new(joints),
            frame_id: String::new(),
            zero_stamp_told: false,
        }
    }

    /// Changes how joints are taken, from the next message on.
    pub fn configure(&mut self, config: JointConfig) {
        self.config = config;
    }

    /// Forgets positions and stamps, as after a jump of the clock; what was told once is not told again.
    pub fn clear(&mut self) {
        self.slots.fill(Slot::default());
        self.sources.clear();
        self.frame_id.clear();
    }

    /// Names that are no joints of the task, in alphabetical order, at most 256.
    pub fn unknown_names(&self) -> impl Iterator<Item = &str> {
        self.sources.unknown()
    }

    /// Takes one message: the good part is used, the rest is refused with a reason.
    ///
    /// `now_nanos`: ROS time. At most one refusal for each cause.
    pub fn take(&mut self, message: &JointMessage<'_>, now_nanos: i64) -> Taken {
        let mut taken = Taken::default();
        match self.check_structure(message) {
            Ok(true) => {
                if let Err(refusal) = self.merge(message, now_nanos, &mut taken) {
                    taken.refusals.push(refusal);
                }
            }
            Ok(false) => taken.is_heartbeat = true,
            Err(refusal) => taken.refusals.push(refusal),
        }
        taken
    }

    /// Tells whether there are positions to use; an empty message has none (J2, J3, J4, J7, J16).
    fn check_structure(&self, message: &JointMessage<'_>) -> Result<bool, Refusal> {
        let (names, positions, most) = (message.names.len(), message.positions.len(), self.config.max_joints);
        let refuse = |cause, text: String| Err(Refusal::new(cause, text));
        match (names, positions) {
            _ if names.max(positions) > most => {
                let text = format!("got {} joints; expected at most {most} (input.max_joints)", names.max(positions));
                refuse(Cause::TooManyJoints, text)
            }
            (0, 0) if !message.has_other_fields => Ok(false),
            (0, _) => {
                refuse(Cause::NoNames, format!("got {positions} positions and no names; expected one name for each"))
            }
            (_, 0) => refuse(
                Cause::NoPositions,
                format!("got {names} names and no positions; expected one position for each"),
            ),
            _ if names != positions => {
                refuse(Cause::LengthMismatch, format!("got {names} names and {positions} positions; expected as many"))
            }
            _ => Ok(true),
        }
    }

    /// Judges stamp and names, then every position.
    fn merge(&mut self, message: &JointMessage<'_>, now: i64, taken: &mut Taken) -> Result<(), Refusal> {
        let judged = judge(message.stamp, now, self.config.accept_zero_stamp)?;
        let source = self.sources.find(message.names, &mut taken.unknown);
        taken.refusals.extend(source.order.admit(&judged, now)?);
        let told = judged.is_zero && std::mem::replace(&mut self.zero_stamp_told, true);
        taken.refusals.extend(judged.notice.filter(|_| !told));
        taken.refusals.extend_from_slice(&source.standing);
        let mut findings = Findings::default();
        let mut slots = Slots { slots: &mut self.slots, ranges: &self.ranges, stamp: judged.nanos, received: now };
        taken.used = slots.fill(source, message.positions, &mut findings);
        findings.report(message, &mut taken.refusals);
        if taken.used > 0 {
            let frame = judge_frame(message.frame_id).unwrap_or_else(|refusal| {
                taken.refusals.push(refusal);
                ""
            });
            frame.clone_into(&mut self.frame_id);
        }
        Ok(())
    }

    /// Lets positions fall out that are older than the timeout; says which, once (J17).
    pub fn expire(&mut self, now_nanos: i64) -> Option<Refusal> {
        let timeout = self.config.timeout.as_nanos();
        let (mut count, mut first) = (0, None);
        for (joint, slot) in self.slots.iter_mut().enumerate() {
            let age = slot.received.abs_diff(now_nanos);
            if slot.freshness == Freshness::Fresh && u128::from(age) > timeout {
                slot.freshness = Freshness::Stale;
                count += 1;
                first = first.or(Some((joint, age)));
            }
        }
        let (joint, age) = first?;
        let text = format!(
            "{count} joints fell out, first '{}'; got no position for {:.3} s; expected one within {:.3} s",
            self.names[joint],
            age as f64 * 1e-9,
            self.config.timeout.as_secs_f64()
        );
        Some(Refusal::new(Cause::StaleJoint, text))
    }

    /// Gives the positions that hold at `now_nanos`, or `None` when there is none.
    ///
    /// Call [`Self::expire`] before, to learn what fell out.
    pub fn snapshot(&mut self, now_nanos: i64) -> Option<Snapshot> {
        self.expire(now_nanos);
        let count = |freshness| self.slots.iter().filter(|slot| slot.freshness == freshness).count();
        let (observed, stale) = (count(Freshness::Fresh), count(Freshness::Stale));
        let fresh = || self.slots.iter().filter(|slot| slot.freshness == Freshness::Fresh);
        let position = |slot: &Slot| if slot.freshness == Freshness::Fresh { slot.position } else { f32::NAN };
        Some(Snapshot {
            stamp_nanos: fresh().map(|slot| slot.stamp).max()?,
            frame_id: self.frame_id.clone(),
            positions: self.slots.iter().map(position).collect(),
            stamps: self.slots.iter().map(|slot| slot.stamp).collect(),
            given: self.slots.iter().map(|slot| if position(slot).is_nan() { f64::NAN } else { slot.given }).collect(),
            received_nanos: fresh().map(|slot| slot.received).max()?,
            oldest_nanos: fresh().map(|slot| slot.received).min()?,
            observed,
            stale,
        })
    }
}

/// The slots while one message is written into them.
struct Slots<'a> {
    slots: &'a mut [Slot],
    ranges: &'a [Range],
    stamp: i64,
    received: i64,
}

impl Slots<'_> {
    /// Writes the positions of one message; returns how many.
    fn fill(&mut self, source: &Source, positions: &[f64], findings: &mut Findings) -> usize {
        let mut used = 0;
        for &(place, joint) in &source.places {
            let verdict = if source.contradicts_itself(place, positions) {
                Verdict::Refused(Cause::DuplicateJoint)
            } else {
                self.ranges[joint].judge(positions[place])
            };
            match verdict {
                Verdict::Used(position) => {
                    self.write(source.key, (joint, place), (position, positions[place]), findings)
                }
                Verdict::Beyond(position) => {
                    findings.note(Cause::OutOfLimits, place);
                    self.write(source.key, (joint, place), (position, positions[place]), findings);
                }
                Verdict::Refused(cause) => {
                    findings.note(cause, place);
                    self.forget(source.key, joint);
                    continue;
                }
            }
            used += 1;
        }
        used
    }

    fn write(
        &mut self,
        source: u64,
        (joint, place): (usize, usize),
        (position, given): (f32, f64),
        findings: &mut Findings,
    ) {
        let slot = &mut self.slots[joint];
        if slot.flips.contradicts(position) {
            findings.note(Cause::Contradiction, place);
        }
        let (stamp, received, flips) = (self.stamp, self.received, slot.flips);
        *slot = Slot { freshness: Freshness::Fresh, position, given, stamp, received, source, flips };
    }

    /// Makes a joint unobserved whose position came from the same source.
    fn forget(&mut self, source: u64, joint: usize) {
        let slot = &mut self.slots[joint];
        if slot.source == source {
            slot.freshness = Freshness::Unseen;
        }
    }
}
