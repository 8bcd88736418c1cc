//! Drives the lifecycle: one transition at a time, each with its work and its events.

mod services;
mod transitions;

use std::sync::{Arc, Mutex};
use thalweg_task::lock;

use r2r::lifecycle_msgs::msg::{State as StateMessage, Transition as TransitionMessage, TransitionEvent};
use r2r::{Publisher, QosProfile};

pub(crate) use services::serve;
use thalweg_node::lifecycle::{Outcome, State, Transition, TransitionError, after, asked};
pub(crate) use transitions::Transitions;

/// The lifecycle of one node.
#[derive(Debug)]
pub(crate) struct Controller {
    transitions: Arc<Transitions>,
    /// Held during a transition, so that they come one after the other.
    gate: tokio::sync::Mutex<()>,
    events: Mutex<Publisher<TransitionEvent>>,
}

impl Controller {
    /// Advertises `~/transition_event`.
    ///
    /// # Errors
    /// What rcl says, or that the ROS thread has ended.
    pub(crate) async fn new(transitions: Arc<Transitions>) -> anyhow::Result<Self> {
        let create = |node: &mut r2r::Node| node.create_publisher("~/transition_event", QosProfile::default());
        let events = transitions.0.executor.with(create).await??;
        Ok(Self { transitions, gate: tokio::sync::Mutex::new(()), events: Mutex::new(events) })
    }

    /// Takes the transition that a client asks for, and says whether its work succeeded.
    ///
    /// # Errors
    /// [`TransitionError`] when there is no such transition from here.
    pub(crate) async fn request(&self, id: u8, label: &str) -> Result<bool, TransitionError> {
        let _gate = self.gate.lock().await;
        let transition = asked(self.transitions.0.state.state(), id, label)?;
        Ok(self.take(transition).await == Outcome::Success)
    }

    /// Gives up after the solver did: an active node goes to error processing.
    pub(crate) async fn fail(&self, why: &str) {
        let _gate = self.gate.lock().await;
        tracing::error!("{why}");
        self.transitions.0.state.note_error(why);
        if self.transitions.0.state.state() == State::Active {
            // rcl_lifecycle has no way from active to error processing but through a transition.
            self.enter(State::Active, State::Deactivating, 4, "deactivate");
            if let Some(transition) = after(State::Deactivating, Outcome::Error) {
                self.enter(transition.from, transition.to, transition.id, transition.label);
            }
            self.process_error().await;
        }
    }

    async fn take(&self, transition: &Transition) -> Outcome {
        self.enter(transition.from, transition.to, transition.id, transition.label);
        let outcome = match self.transitions.perform(transition.to).await {
            Ok(()) => Outcome::Success,
            Err(error) => {
                let text = format!("{}: {error:#}", transition.label);
                tracing::error!("{text}");
                self.transitions.0.state.note_error(&text);
                Outcome::Error
            }
        };
        if let Some(end) = after(transition.to, outcome) {
            tracing::info!("{}: {} -> {}", transition.label, transition.from, end.to);
            self.enter(end.from, end.to, end.id, end.label);
            if end.to == State::ErrorProcessing {
                self.process_error().await;
            }
        }
        outcome
    }

    /// Drops everything; what cannot be dropped ends the node's life.
    async fn process_error(&self) {
        let outcome = match self.transitions.perform(State::ErrorProcessing).await {
            Ok(()) => Outcome::Success,
            Err(error) => {
                tracing::error!("error processing: {error:#}");
                Outcome::Failure
            }
        };
        if let Some(end) = after(State::ErrorProcessing, outcome) {
            tracing::info!("{}: {} -> {}", end.label, end.from, end.to);
            self.enter(end.from, end.to, end.id, end.label);
        }
    }

    fn enter(&self, from: State, to: State, id: u8, label: &str) {
        self.transitions.0.state.set(to);
        let event = TransitionEvent {
            timestamp: u64::try_from(self.transitions.0.time.now_nanos()).unwrap_or(0),
            transition: TransitionMessage { id, label: label.to_owned() },
            start_state: state_message(from),
            goal_state: state_message(to),
        };
        let result = lock(&self.events).publish(&event);
        if let Err(error) = result {
            tracing::debug!("transition_event: {error}");
        }
    }
}

/// A state as a message.
fn state_message(state: State) -> StateMessage {
    StateMessage { id: state.id(), label: state.label().to_owned() }
}
