//! Where the node stands: its state of the lifecycle, what is loaded, what went wrong last.

use std::sync::{Arc, Mutex, MutexGuard};

use thalweg::Loaded;
use thalweg_node::lifecycle::State;
use thalweg_task::lock;
use tokio::sync::Notify;

/// Where the node stands; shared by all that depends on it.
#[derive(Debug)]
pub(crate) struct NodeState {
    state: Mutex<State>,
    loaded: Mutex<Option<Loaded>>,
    last_error: Mutex<Option<String>>,
    /// Wakes diagnostics before their time, when a new kind of trouble appears.
    alarm: Arc<Notify>,
}

impl NodeState {
    /// Begins unconfigured.
    pub(crate) fn new(alarm: Arc<Notify>) -> Self {
        Self { state: Mutex::new(State::Unconfigured), loaded: Mutex::new(None), last_error: Mutex::new(None), alarm }
    }

    pub(crate) fn state(&self) -> State {
        *lock(&self.state)
    }

    /// Whether input is read, or is just being opened.
    pub(crate) fn is_opened(&self) -> bool {
        matches!(self.state(), State::Activating | State::Active)
    }

    pub(crate) fn set(&self, state: State) {
        *lock(&self.state) = state;
        self.alarm.notify_one();
    }

    /// What is loaded; none before configuring.
    pub(crate) fn loaded(&self) -> MutexGuard<'_, Option<Loaded>> {
        lock(&self.loaded)
    }

    pub(crate) fn note_error(&self, why: &str) {
        *lock(&self.last_error) = Some(why.to_owned());
        self.alarm.notify_one();
    }

    /// What went wrong last in a transition.
    pub(crate) fn last_error(&self) -> Option<String> {
        lock(&self.last_error).clone()
    }

    pub(crate) fn clear_error(&self) {
        *lock(&self.last_error) = None;
    }
}
