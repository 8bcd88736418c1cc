//! What the parts of the node share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use r2r::builtin_interfaces::msg::Time;
use thalweg_task::ParameterValue;
use tokio::sync::Notify;

use super::executor::Executor;
use super::input::Inputs;
use super::names::Names;
use super::output::Output;
use super::parameters::Host;
use super::time::RosTime;
use crate::lifecycle::State;
use crate::parameters::{ParameterError, Settings, Store};
use crate::solver::{Loaded, Solver};

/// One running node.
#[derive(Debug)]
pub(crate) struct Core {
    /// Name of the node, without its namespace.
    pub(crate) name: String,
    /// Name with namespace.
    pub(crate) full_name: String,
    pub(crate) names: Names,
    pub(crate) executor: Executor,
    pub(crate) time: Arc<RosTime>,
    pub(crate) inputs: Arc<Inputs>,
    pub(crate) output: Arc<Output>,
    pub(crate) solver: Arc<Solver>,
    /// Wakes diagnostics before their time, when a new kind of trouble appears.
    pub(crate) alarm: Arc<Notify>,
    /// Wakes whoever applies parameters that have changed.
    pub(crate) changed: Notify,
    pub(crate) notes: Notes,
}

/// What changes while a node runs.
#[derive(Debug)]
pub(crate) struct Notes {
    store: Mutex<Store>,
    time_seed: u64,
    state: Mutex<State>,
    loaded: Mutex<Option<Loaded>>,
    last_error: Mutex<Option<String>>,
    last_refusal: Mutex<Option<String>>,
}

impl Notes {
    /// Begins unconfigured. `time_seed` stands in for a seed that is to come from the time.
    pub(crate) fn new(store: Store, time_seed: u64) -> Self {
        Self {
            store: Mutex::new(store),
            time_seed,
            state: Mutex::new(State::Unconfigured),
            loaded: Mutex::new(None),
            last_error: Mutex::new(None),
            last_refusal: Mutex::new(None),
        }
    }
}

impl Core {
    /// The parameters as they are now.
    ///
    /// # Errors
    /// When the store was declared with another table: a bug.
    pub(crate) fn settings(&self) -> Result<Settings, ParameterError> {
        Settings::read(&lock(&self.notes.store), self.notes.time_seed)
    }

    pub(crate) fn state(&self) -> State {
        *lock(&self.notes.state)
    }

    pub(crate) fn set_state(&self, state: State) {
        *lock(&self.notes.state) = state;
        self.alarm.notify_one();
    }

    /// What is loaded; none before configuring.
    pub(crate) fn loaded(&self) -> MutexGuard<'_, Option<Loaded>> {
        lock(&self.notes.loaded)
    }

    pub(crate) fn note_error(&self, why: &str) {
        *lock(&self.notes.last_error) = Some(why.to_owned());
        self.alarm.notify_one();
    }

    /// What went wrong last in a transition.
    pub(crate) fn last_error(&self) -> Option<String> {
        lock(&self.notes.last_error).clone()
    }

    pub(crate) fn clear_error(&self) {
        *lock(&self.notes.last_error) = None;
    }

    /// The parameter that was refused since the last call.
    pub(crate) fn take_refusal(&self) -> Option<String> {
        lock(&self.notes.last_refusal).take()
    }
}

impl Host for Core {
    fn store(&self) -> &Mutex<Store> {
        &self.notes.store
    }

    fn is_unconfigured(&self) -> bool {
        self.state() == State::Unconfigured
    }

    fn changed(&self, _changes: &[(String, ParameterValue)]) {
        self.changed.notify_one();
    }

    fn refused(&self, error: &ParameterError) {
        *lock(&self.notes.last_refusal) = Some(error.to_string());
        self.alarm.notify_one();
    }

    fn now(&self) -> Time {
        self.time.stamp()
    }

    fn full_name(&self) -> String {
        self.full_name.clone()
    }
}

/// Every critical section here is one assignment or one read: a panic leaves nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
