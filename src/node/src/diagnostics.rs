//! What the node says of its own health: levels, statuses, and the numbers behind them.
//!
//! Names, keys and sentences are those of ROS's `diagnostic_updater`, so that its users read on.
//! Nothing here knows ROS; `src/ros` publishes it.

mod footprint;
mod frequency;
mod status;

pub use footprint::Footprint;
pub use frequency::FrequencyWindow;
pub use status::{Level, Status};
