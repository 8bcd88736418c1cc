//! One solved observation, as it is recorded: plain numbers.

use serde::Serialize;

use thalweg_engine::{Answer, Leader};
use thalweg_task::Seen;

/// Longest identity of a person, bytes.
const IDENTITY_BYTES: usize = 64;

/// One solved observation: what was seen, what was found, and what is needed to find it again.
///
/// Tensors are flat, in row-major order; the engine's numbers are `f32` in a running node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Solve {
    /// Which observation of the engine, from 1: its random numbers come from the seed and this.
    pub index: u64,
    /// Of whom it is; none where people are not told apart.
    pub person: Option<Person>,
    /// Stamp of the observation, nanoseconds.
    pub stamp_nanos: i64,
    /// Frame of the observation; empty when it named none.
    pub frame_id: String,
    /// When the newest part of the observation was received, nanoseconds on the node's clock.
    pub received_nanos: i64,
    /// What was seen.
    pub seen: Seen,
    /// Where the engine came from.
    pub before: Before,
    /// How many hypotheses were drawn anew, of those that did not go on.
    pub fresh: u32,
    /// `[K, Z]`, best hypothesis first.
    pub z: Vec<f32>,
    /// What was found, best hypothesis first. Of its images only the first is written, for whoever looks; none is
    /// read back.
    pub answer: Answer,
    /// What was told of the image's class, where the task classifies. Written for whoever looks; not read back.
    pub label: Option<String>,
    /// Every step, where that was asked for.
    pub trace: Option<Trace>,
}

/// Somebody who is told apart from others, for one stay: each has observations, and a memory of the engine, of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Person {
    /// Letters, digits and underscores, no digit first: part of names of topics.
    pub id: String,
    /// Number of the arrival: another one where the same identity comes back after a silence.
    pub arrival: u64,
}

impl Person {
    /// Whether the identity can be part of the name of a topic, and is no longer than one of a node.
    #[must_use]
    pub fn is_named(&self) -> bool {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        (1..=IDENTITY_BYTES).contains(&self.id.len())
            && self.id.bytes().all(is_plain)
            && !self.id.starts_with(|first: char| first.is_ascii_digit())
    }
}

/// Where the engine came from when it took an observation.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Before {
    /// From nothing: the first observation, or the first after all were forgotten.
    #[default]
    Cold,
    /// From the end of the solve recorded just before this one.
    Chained,
    /// From the end of a solve that is not recorded.
    Warm(Warm),
}

/// Where rows ended at the last observation, in the engine's own order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Warm {
    /// `[K, Z]`, the K of then.
    pub z: Vec<f32>,
    /// `[K]`.
    pub loss: Vec<f64>,
    /// Which row came first; none where time did not count.
    pub leader: Option<Leader>,
    /// How far what was reported of each joint lay from what was expected, `[J]`; none where nothing was.
    pub offset: Option<Vec<f64>>,
    /// Where derivatives of F were found that still served, `[K, Z]`; empty where there were none.
    pub linearised: Vec<f32>,
}

/// The points of a descent `z_0 .. z_T`, in the order of rows that all steps keep.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    /// `[T + 1, K, Z]`.
    pub z: Vec<f32>,
    /// `[T + 1, K]`, loss of each row at that point.
    pub loss: Vec<f64>,
}

/// What all solves of a recording have in common; it is the metadata of each file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Setup {
    /// Full name of the node; its topics lie below it.
    pub node: String,
    /// Name of the task.
    pub task: String,
    /// Fingerprint of the task's forward model.
    pub fingerprint: String,
    /// Names of the task's joints, in their order.
    pub joints: Vec<String>,
    /// Identity of the landscape at the beginning; each solve names its own.
    pub theta: String,
    /// Identity of the amortised start at the beginning; empty when there was none.
    pub start: String,
    /// Seed of all random numbers.
    pub seed: u64,
    /// Method of descent, by its name.
    pub optimizer: String,
    /// What evaluated and stepped: fused or tch.
    pub backend: String,
    /// The node's parameters, resolved, as a JSON object.
    pub parameters: String,
    /// Version of this program.
    pub version: String,
}
