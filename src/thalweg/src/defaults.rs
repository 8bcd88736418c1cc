//! What holds where nobody says otherwise: for library, node, command line, window and demo alike.
//!
//! How to search is [`EngineConfig::default`](thalweg_engine::EngineConfig) and
//! [`AdamConfig::default`](thalweg_engine::AdamConfig); here is what the engine knows nothing of.

use std::time::Duration;

use thalweg_engine::Budget;

/// Task that is solved.
pub const TASK: &str = "body_pose";

/// Time that a task may take to load: the largest that ship take a second, on a slow disk perhaps ten.
pub const LOAD_TIMEOUT: Duration = Duration::from_secs(60);

/// Time that one solve may take: what is left of a 100 Hz period beside reading and publishing.
pub const DEADLINE: Duration = Duration::from_millis(8);

/// Relative decrease of the best loss below which a solve ends: with Levenberg-Marquardt a step that gains less than this
/// changes no joint that anybody sees (docs/streams.md).
pub const TOLERANCE: f64 = 0.03;

/// When a solve ends: by [`DEADLINE`], or by [`TOLERANCE`] before it.
#[must_use]
pub fn budget() -> Budget {
    Budget { deadline: Some(DEADLINE), tolerance: Some(TOLERANCE), ..Budget::default() }
}
