//! What the parts of the node share.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use thalweg_task::lock;

use r2r::builtin_interfaces::msg::Time;
use thalweg_task::ParameterValue;
use tokio::sync::Notify;

use super::executor::Executor;
use super::input::Inputs;
use super::names::Names;
use super::output::Output;
use super::parameters::{Host, Services};
use super::recording::Recordings;
use super::reload::Reloads;
use super::time::RosTime;
use thalweg::{Loaded, Registry};
use thalweg_node::lifecycle::State;
use thalweg_node::parameters::{ParameterError, Settings, Store};
use thalweg_node::solver::{Solver, setup};
use thalweg_record::Setup;

/// One running node.
#[derive(Debug)]
pub(crate) struct Core {
    /// Name of the node, without its namespace.
    pub(crate) name: String,
    /// Name with namespace.
    pub(crate) full_name: String,
    pub(crate) registry: Registry,
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
    pub(crate) recordings: Recordings,
    pub(crate) reloads: Reloads,
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
    /// Set once, when the services of parameters are open.
    services: OnceLock<Arc<Services>>,
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
            services: OnceLock::new(),
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

    /// What the solves of this node have in common; none while nothing is loaded.
    ///
    /// # Errors
    /// As [`Core::settings`].
    pub(crate) fn recording_setup(&self) -> Result<Option<Setup>, ParameterError> {
        let seed = self.settings()?.seed;
        let store = lock(&self.notes.store);
        Ok(self.loaded().as_ref().map(|loaded| setup(loaded, &self.full_name, &store, seed)))
    }

    /// Sets a parameter as a client would, and tells the world.
    ///
    /// # Errors
    /// [`ParameterError`] when the value is refused.
    pub(crate) fn set_parameter(&self, name: &str, value: ParameterValue) -> Result<(), ParameterError> {
        let change = (name.to_owned(), value);
        match self.notes.services.get() {
            Some(services) => services.assign(&[change]),
            None => lock(&self.notes.store).set(&[change], self.is_unconfigured()).map(drop),
        }
    }

    /// Hands over what tells the world of changed parameters.
    pub(crate) fn set_services(&self, services: Arc<Services>) {
        // Set once: this is called in one place.
        drop(self.notes.services.set(services));
    }

    pub(crate) fn state(&self) -> State {
        *lock(&self.notes.state)
    }

    /// Whether input is read, or is just being opened.
    pub(crate) fn is_opened(&self) -> bool {
        matches!(self.state(), State::Activating | State::Active)
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
