//! What a node sees and finds, for those who only look: a window, for instance.
//!
//! Free of ROS types; [`follow`] needs the feature `ros`, the rest does not.

use std::sync::Arc;
use std::time::Duration;

use crate::record::Pixels;

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

/// What keeps a stream of sights open; it ends when this is dropped.
#[derive(Debug)]
pub struct Watch {
    #[cfg(feature = "ros")]
    _ears: crate::ros::watch::Ears,
}

/// Follows a node by its topics; `take` gets each sight on a thread of its own and must not wait.
///
/// `target`: the node's name, relative to the namespace, or absolute. Reads the command line for what
/// rcl reads there.
///
/// # Errors
/// What rcl says; without the feature `ros`, that this program was built without it.
pub fn follow(target: &str, take: impl FnMut(Sight) + Send + 'static) -> anyhow::Result<Watch> {
    #[cfg(feature = "ros")]
    return Ok(Watch { _ears: crate::ros::watch::Ears::open(target, take)? });
    #[cfg(not(feature = "ros"))]
    {
        let _unused = (target, take);
        anyhow::bail!("this program was built without ROS 2: show a recording or the demo, or build it with ROS 2")
    }
}
