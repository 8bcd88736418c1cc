//! What a node sees and finds, for those who only look: a window, for instance.
//!
//! Free of ROS types.

mod crowd;
mod told;

use std::sync::Arc;
use std::time::Duration;

use thalweg_engine::Answer;
use thalweg_task::{Pixels, Root};

pub use crowd::Crowd;
pub use told::{present, read_body, write_body};

/// A solved observation and what was seen of it, as it is drawn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ShownAnswer {
    /// Stamp of the observation, nanoseconds.
    pub stamp_nanos: i64,
    /// Names of the joints, J.
    pub names: Arc<[String]>,
    /// What was found, as far as it is known: fewer joints than [`ShownAnswer::hypotheses`] where not all are followed,
    /// no weights and losses where nobody tells them.
    pub answer: Answer,
    /// `[J]`, whether a joint was observed.
    pub observed: Vec<bool>,
    /// Number K of hypotheses that were solved.
    pub hypotheses: usize,
    /// Points that were seen, metres in the root's frame.
    pub points: Arc<[[f32; 3]]>,
    /// The image that was seen; NaN is unobserved.
    pub image: Option<Arc<Pixels>>,
    /// Time from the observation to its answer, where that is known.
    pub latency: Option<Duration>,
    /// Messages and parts of messages that were refused so far.
    pub refusals: u64,
    /// Everybody who is there, in the order in which they came; nobody where people are not told apart. All else of this
    /// is of one of them.
    pub people: Arc<[ShownPerson]>,
}

/// One of several people, as they are drawn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ShownPerson {
    /// Their identity.
    pub id: Arc<str>,
    /// Number of their arrival.
    pub arrival: u64,
    /// `[J]`, joints of the best hypothesis, radians, in the order of [`ShownAnswer::names`].
    pub joints: Vec<f64>,
    /// `[J]`, whether a joint was observed.
    pub observed: Vec<bool>,
    /// Where they stand, in the frame of the points; none where that is not found out.
    pub root: Option<Root>,
}

/// The most people that are shown: a node follows no more.
pub const MOST_PEOPLE: usize = 16;

/// The most hypotheses that are followed: more cannot be told apart.
pub const MOST_HYPOTHESES: usize = 32;

/// The most points of a cloud that are passed on; of more, every n-th.
pub const MOST_POINTS: usize = 20_000;
