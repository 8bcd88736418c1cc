//! What a node sees and finds, for those who only look: a window, for instance.
//!
//! Free of ROS types.

use std::sync::Arc;
use std::time::Duration;

use thalweg_engine::Answer;
use thalweg_task::Pixels;

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
}

/// The most hypotheses that are followed: more cannot be told apart.
pub const MOST_HYPOTHESES: usize = 32;

/// The most points of a cloud that are passed on; of more, every n-th.
pub const MOST_POINTS: usize = 20_000;
