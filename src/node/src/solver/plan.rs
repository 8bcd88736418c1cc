//! What the engine thread is asked to do.

use std::path::PathBuf;
use std::time::Duration;

use thalweg::{LoadError, Plan};
use thalweg_engine::landscape::LandscapeError;
use thalweg_engine::{Budget, EngineError};

/// What is to be loaded, and how to use it at first.
#[derive(Clone, Debug)]
pub struct Assignment {
    /// What is fixed while the node is configured.
    pub plan: Plan,
    /// What may change later.
    pub tuning: Tuning,
}

/// What may change between two solves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tuning {
    /// Number K of hypotheses.
    pub hypotheses: usize,
    /// How many of them are drawn anew at a warm start.
    pub fresh: usize,
    /// When a solve ends.
    pub budget: Budget,
    /// Least time between two solves; zero: every observation is solved as soon as possible.
    pub period: Duration,
}

/// Why the engine thread cannot do what it is asked.
#[derive(Debug, thiserror::Error)]
pub enum SolverError {
    /// There is no engine.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A landscape does not fit.
    #[error(transparent)]
    Landscape(#[from] LandscapeError),
    /// The engine refuses it.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A landscape fits, and does not work.
    #[error("landscape {}: {why}", path.display())]
    Trial {
        /// Its file.
        path: PathBuf,
        /// What its trial showed.
        why: String,
    },
    /// Nothing is loaded that a landscape could be for.
    #[error("nothing is loaded: a landscape can be reloaded in the states inactive and active")]
    NothingLoaded,
    /// Loading panicked, as libtorch does where it runs out of memory.
    #[error("loading failed: {0}")]
    Panicked(String),
    /// Loading takes too long.
    #[error(
        "task {task} is not loaded after {} s (load_timeout): it hangs, or reads a slow disk; the thread that loads it is \
         left behind",
        after.as_secs_f64()
    )]
    Hangs {
        /// The task.
        task: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// There is no thread to load on.
    #[error("no thread to load on: {0}")]
    NoThread(std::io::Error),
    /// The engine thread has ended.
    #[error("the engine thread has ended")]
    Gone,
}
