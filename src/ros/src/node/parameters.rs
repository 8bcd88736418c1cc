//! The node's parameters: their values, a typed snapshot of them, and the services that change them.

mod messages;
mod services;

use std::sync::{Arc, Mutex, MutexGuard};

use r2r::rcl_interfaces::msg::ParameterEvent;
use r2r::{Publisher, QosProfile};
use thalweg_node::lifecycle::State;
use thalweg_node::parameters::{Durability, History, ParameterError, QosOverride, Reliability, Roots, Settings, Store};
use thalweg_node::solver::setup;
use thalweg_record::Setup;
use thalweg_task::{ParameterValue, lock};
use tokio::sync::Notify;

use super::inputs::overridden;
use super::state::NodeState;
use super::time::RosTime;
use messages::{clean, parameter};

pub(crate) use services::serve;

/// What outputs have unless the user says otherwise, as the table has it.
const DEFAULT_QOS: QosOverride = QosOverride {
    reliability: Reliability::Reliable,
    depth: 10,
    history: History::KeepLast,
    durability: Durability::Volatile,
};

/// The parameters of a running node.
#[derive(Debug)]
pub(crate) struct Parameters {
    store: Mutex<Store>,
    /// What the store holds, typed; replaced with each change.
    settings: Mutex<Arc<Settings>>,
    time_seed: u64,
    full_name: String,
    state: Arc<NodeState>,
    time: Arc<RosTime>,
    last_refusal: Mutex<Option<String>>,
    /// Wakes diagnostics when something was refused.
    alarm: Arc<Notify>,
    /// Wakes whoever applies parameters that have changed.
    changed: Notify,
    /// `/parameter_events`, once the services are open; locked from a change to its event, so that events come in the
    /// order of changes.
    events: Mutex<Option<Publisher<ParameterEvent>>>,
}

impl Parameters {
    /// Takes declared parameters; the time of now stands in for a seed that is to come from the time.
    ///
    /// # Errors
    /// When the store was declared with another table: a bug.
    pub(crate) fn new(
        store: Store,
        full_name: &str,
        state: &Arc<NodeState>,
        time: &Arc<RosTime>,
        alarm: &Arc<Notify>,
    ) -> Result<Self, ParameterError> {
        let time_seed = u64::try_from(time.now_nanos()).unwrap_or(0);
        let settings = Mutex::new(Arc::new(Settings::read(&store, time_seed)?));
        let (store, last_refusal) = (Mutex::new(store), Mutex::new(None));
        let (changed, events) = (Notify::new(), Mutex::new(None));
        let (state, time, alarm) = (Arc::clone(state), Arc::clone(time), Arc::clone(alarm));
        let full_name = full_name.to_owned();
        Ok(Self { store, settings, time_seed, full_name, state, time, last_refusal, alarm, changed, events })
    }

    /// The parameters as they are now.
    pub(crate) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&lock(&self.settings))
    }

    /// The quality of service of an output, by its full name, as the user overrides it.
    pub(crate) fn qos_of(&self, output: &str, own: QosProfile) -> QosProfile {
        let settings = self.settings();
        let user = settings.qos_of_outputs.get(output);
        // What nobody has changed stays as the middleware names it.
        overridden(user.filter(|user| **user != DEFAULT_QOS), own)
    }

    /// What the solves of this node have in common; none while nothing is loaded.
    pub(crate) fn recording_setup(&self) -> Option<Setup> {
        let seed = self.settings().seed;
        let store = lock(&self.store);
        self.state.loaded().as_ref().map(|loaded| setup(loaded, &self.full_name, &store, seed))
    }

    /// Where paths may lead.
    pub(crate) fn roots(&self) -> Option<Roots> {
        self.store().roots().cloned()
    }

    /// Waits until a parameter has changed since the last call.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// The parameter that was refused since the last call.
    pub(crate) fn take_refusal(&self) -> Option<String> {
        lock(&self.last_refusal).take()
    }

    /// How many requests were refused, and how many values were changed.
    pub(crate) fn counts(&self) -> [u64; 2] {
        let store = lock(&self.store);
        [store.refusals(), store.changes()]
    }

    /// Sets all of these or none, tells the node and the world.
    ///
    /// # Errors
    /// As [`Store::set`].
    pub(crate) fn set(&self, changes: &[(String, ParameterValue)]) -> Result<(), ParameterError> {
        let events = lock(&self.events);
        let is_unconfigured = self.state.state() == State::Unconfigured;
        let changed = self.store().set(changes, is_unconfigured)?;
        if !changed.is_empty() {
            self.renew_settings()?;
            self.changed.notify_one();
            let changed_parameters = changed.iter().map(|(name, value)| parameter(name, value)).collect();
            self.publish(events.as_ref(), ParameterEvent { changed_parameters, ..ParameterEvent::default() });
        }
        Ok(())
    }

    fn renew_settings(&self) -> Result<(), ParameterError> {
        let settings = Settings::read(&self.store(), self.time_seed)?;
        *lock(&self.settings) = Arc::new(settings);
        Ok(())
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        lock(&self.store)
    }

    /// Hears of a refusal.
    fn note_refusal(&self, error: &ParameterError) {
        *lock(&self.last_refusal) = Some(error.to_string());
        self.alarm.notify_one();
    }

    /// Publishes all parameters as new.
    fn announce(&self) {
        let events = lock(&self.events);
        let store = self.store();
        let all = store.names().filter_map(|name| Some(parameter(name, store.get(name)?)));
        let event = ParameterEvent { new_parameters: all.collect(), ..ParameterEvent::default() };
        drop(store);
        self.publish(events.as_ref(), event);
    }

    fn publish(&self, events: Option<&Publisher<ParameterEvent>>, event: ParameterEvent) {
        let Some(events) = events else { return };
        let event = ParameterEvent { stamp: self.time.stamp(), node: clean(&self.full_name), ..event };
        if let Err(error) = events.publish(&event) {
            tracing::debug!(%error, "a parameter event could not be published");
        }
    }
}
