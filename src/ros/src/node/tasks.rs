//! Asynchronous tasks under watch: one that panics ends the node, never a half-alive process.

use std::future::Future;
use std::sync::Mutex;
use thalweg_task::lock;

use tokio::task::{AbortHandle, JoinSet};

/// The tasks of a node.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    running: Mutex<JoinSet<()>>,
}

impl Tasks {
    /// Starts a task on the runtime of the caller.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        lock(&self.running).spawn(task)
    }

    /// Whether a task has panicked since the last call.
    pub(crate) fn has_panicked(&self) -> bool {
        let mut running = lock(&self.running);
        let mut panicked = false;
        while let Some(ended) = running.try_join_next() {
            panicked |= ended.is_err_and(|error| error.is_panic());
        }
        panicked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn s4_a_task_that_panics_is_noticed_and_one_that_ends_is_not() {
        let tasks = Tasks::default();
        tasks.spawn(async {});
        tasks.spawn(std::future::pending()).abort();
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        assert!(!tasks.has_panicked());
        tasks.spawn(async { panic!("as a test does") });
        while !tasks.has_panicked() {
            tokio::task::yield_now().await;
        }
        assert!(!tasks.has_panicked(), "told once");
    }
}
