//! What a node sees and finds, for those who only look: a window, for instance.
//!
//! Free of ROS types.

use std::sync::Arc;
use std::time::Duration;

use thalweg_task::Pixels;

/// One solved observation, as a picture needs it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sight {
    /// Stamp of the observation, nanoseconds.
    pub stamp_nanos: i64,
    /// Names of the joints, J.
    pub names: Arc<[String]>,
    /// Joint positions `[K][J]`, radians or metres, best hypothesis first; fewer than
    /// [`Sight::hypotheses`] where not all are followed.
    pub joints: Vec<Vec<f64>>,
    /// `[J]`, whether a joint was observed.
    pub observed: Vec<bool>,
    /// Number K of hypotheses that were solved.
    pub hypotheses: usize,
    /// `[K]`, sums to one; empty when it is not known.
    pub weights: Vec<f64>,
    /// `[K]`, rising; empty when it is not known.
    pub losses: Vec<f64>,
    /// Points that were seen, metres in the root's frame.
    pub points: Arc<[[f32; 3]]>,
    /// The image that was seen; NaN is unobserved.
    pub image: Option<Arc<Pixels>>,
    /// What each hypothesis says the image is, best first.
    pub images: Vec<Arc<Pixels>>,
    /// Steps of the descent.
    pub steps: u32,
    /// Time that the budget ruled over.
    pub took: Duration,
    /// Time from the observation to its answer, where that is known.
    pub latency: Option<Duration>,
    /// Identity of the landscape.
    pub theta: String,
    /// Messages and parts of messages that were refused so far.
    pub refusals: u64,
}

/// The most hypotheses that are followed: more cannot be told apart.
pub const MOST_HYPOTHESES: usize = 32;

/// The most points of a cloud that are passed on; of more, every n-th.
pub const MOST_POINTS: usize = 20_000;
