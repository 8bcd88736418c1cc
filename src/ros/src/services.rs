//! The services of a managed node, as rclcpp_lifecycle offers them.

use std::sync::Arc;

use futures::stream::{Stream, StreamExt};
use r2r::lifecycle_msgs::msg::{Transition as TransitionMessage, TransitionDescription};
use r2r::lifecycle_msgs::srv::{ChangeState, GetAvailableStates, GetAvailableTransitions, GetState};
use r2r::std_srvs::srv::Trigger;
use r2r::{QosProfile, ServiceRequest, WrappedServiceTypeSupport};

use super::controller::{Controller, state_message};
use super::core::Core;
use super::tasks::Tasks;
use thalweg_node::intake::clean;
use thalweg_node::lifecycle::{STATES, TRANSITIONS, Transition};

/// Offers all of them.
///
/// # Errors
/// What rcl says, or that the ROS thread has ended.
pub(crate) async fn serve(core: &Arc<Core>, controller: &Arc<Controller>, tasks: &Tasks) -> anyhow::Result<()> {
    let requests = open::<ChangeState::Service>(core, "~/change_state").await?;
    tasks.spawn(change_state(requests, Arc::clone(controller)));
    let state = Arc::clone(core);
    let requests = open::<GetState::Service>(core, "~/get_state").await?;
    tasks.spawn(answer(requests, move || GetState::Response { current_state: state_message(state.state()) }));
    let requests = open::<GetAvailableStates::Service>(core, "~/get_available_states").await?;
    let available_states = STATES.map(state_message).to_vec();
    tasks.spawn(answer(requests, move || GetAvailableStates::Response { available_states: available_states.clone() }));
    let state = Arc::clone(core);
    let requests = open::<GetAvailableTransitions::Service>(core, "~/get_available_transitions").await?;
    tasks.spawn(answer(requests, move || describe(state.state().transitions())));
    let requests = open::<GetAvailableTransitions::Service>(core, "~/get_transition_graph").await?;
    tasks.spawn(answer(requests, || describe(TRANSITIONS.iter())));
    Ok(())
}

pub(super) async fn open<S: WrappedServiceTypeSupport + 'static>(
    core: &Core,
    name: &'static str,
) -> anyhow::Result<impl Stream<Item = ServiceRequest<S>> + Unpin + Send + use<S>>
where
    S::Request: Send,
{
    Ok(core.executor.with(move |node| node.create_service::<S>(name, QosProfile::services_default())).await??)
}

/// Answers every request alike, in order; a client that has gone away is no trouble of ours.
async fn answer<S>(mut requests: impl Stream<Item = ServiceRequest<S>> + Unpin, respond: impl Fn() -> S::Response)
where
    S: WrappedServiceTypeSupport + 'static,
{
    while let Some(request) = requests.next().await {
        if let Err(error) = request.respond(respond()) {
            tracing::debug!("an answer did not go out: {error}");
        }
    }
}

/// Does what is asked for, one request after the other, and answers with what came of it.
pub(super) async fn trigger<F: Future<Output = Result<String, String>>>(
    mut requests: impl Stream<Item = ServiceRequest<Trigger::Service>> + Unpin,
    act: impl Fn() -> F,
) {
    while let Some(request) = requests.next().await {
        let (success, message) = match act().await {
            Ok(message) => (true, message),
            Err(message) => (false, message),
        };
        if let Err(error) = request.respond(Trigger::Response { success, message: clean(&message).into_owned() }) {
            tracing::debug!("an answer did not go out: {error}");
        }
    }
}

async fn change_state(
    mut requests: impl Stream<Item = ServiceRequest<ChangeState::Service>> + Unpin,
    controller: Arc<Controller>,
) {
    while let Some(request) = requests.next().await {
        let TransitionMessage { id, label } = &request.message.transition;
        let success = controller.request(*id, label).await.unwrap_or_else(|error| {
            tracing::warn!("change_state: {error}");
            false
        });
        if let Err(error) = request.respond(ChangeState::Response { success }) {
            tracing::debug!("an answer did not go out: {error}");
        }
    }
}

fn describe<'a>(transitions: impl Iterator<Item = &'a Transition>) -> GetAvailableTransitions::Response {
    let describe = |transition: &Transition| TransitionDescription {
        transition: TransitionMessage { id: transition.id, label: transition.label.to_owned() },
        start_state: state_message(transition.from),
        goal_state: state_message(transition.to),
    };
    GetAvailableTransitions::Response { available_transitions: transitions.map(describe).collect() }
}
