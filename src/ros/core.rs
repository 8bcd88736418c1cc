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
    store: Mutex<Store>,
    time_seed: u64,
    state: Mutex<State>,
    loaded: Mutex<Option<Loaded>>,
    last_error: Mutex<Option<String>>,
    last_refusal: Mutex<Option<String>>,
}

/// What a core is made of.
pub(crate) struct Parts {
    pub(crate) name: String,
    pub(crate) full_name: String,
    pub(crate) names: Names,
    pub(crate) executor: Executor,
    pub(crate) time: Arc<RosTime>,
    pub(crate) inputs: Arc<Inputs>,
    pub(crate) output: Arc<Output>,
    pub(crate) solver: Arc<Solver>,
    pub(crate) alarm: Arc<Notify>,
    pub(crate) store: Store,
}

impl Core {
    pub(crate) fn new(parts: Parts) -> Self {
        let time_seed = u64::try_from(parts.time.now_nanos()).unwrap_or(0);
        Self {
            name: parts.name,
            full_name: parts.full_name,
            names: parts.names,
            executor: parts.executor,
            time: parts.time,
            inputs: parts.inputs,
            output: parts.output,
            solver: parts.solver,
            alarm: parts.alarm,
            changed: Notify::new(),
            store: Mutex::new(parts.store),
            time_seed,
            state: Mutex::new(State::Unconfigured),
            loaded: Mutex::new(None),
            last_error: Mutex::new(None),
            last_refusal: Mutex::new(None),
        }
    }

    /// The parameters as they are now.
    ///
    /// # Errors
    /// When the store was declared with another table: a bug.
    pub(crate) fn settings(&self) -> Result<Settings, ParameterError> {
        Settings::read(&lock(&self.store), self.time_seed)
    }

    pub(crate) fn state(&self) -> State {
        *lock(&self.state)
    }

    pub(crate) fn set_state(&self, state: State) {
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

    /// The parameter that was refused since the last call.
    pub(crate) fn take_refusal(&self) -> Option<String> {
        lock(&self.last_refusal).take()
    }
}

impl Host for Core {
    fn store(&self) -> &Mutex<Store> {
        &self.store
    }

    fn is_unconfigured(&self) -> bool {
        self.state() == State::Unconfigured
    }

    fn changed(&self, _changes: &[(String, ParameterValue)]) {
        self.changed.notify_one();
    }

    fn refused(&self, error: &ParameterError) {
        *lock(&self.last_refusal) = Some(error.to_string());
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
