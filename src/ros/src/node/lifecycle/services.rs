//! The services of a managed node, as rclcpp_lifecycle offers them.

use std::sync::Arc;

use futures::stream::{Stream, StreamExt};
use r2r::ServiceRequest;
use r2r::lifecycle_msgs::msg::{Transition as TransitionMessage, TransitionDescription};
use r2r::lifecycle_msgs::srv::{ChangeState, GetAvailableStates, GetAvailableTransitions, GetState};
use thalweg_node::lifecycle::{STATES, TRANSITIONS, Transition};

use super::{Controller, state_message};
use crate::node::executor::Executor;
use crate::node::services::{answer, open};
use crate::node::state::NodeState;
use crate::node::tasks::Tasks;

/// Offers all of them.
///
/// # Errors
/// What rcl says, or that the ROS thread has ended.
pub(crate) async fn serve(
    executor: &Executor,
    state: &Arc<NodeState>,
    controller: &Arc<Controller>,
    tasks: &Tasks,
) -> anyhow::Result<()> {
    let requests = open::<ChangeState::Service>(executor, "~/change_state").await?;
    tasks.spawn(change_state(requests, Arc::clone(controller)));
    let host = Arc::clone(state);
    let requests = open::<GetState::Service>(executor, "~/get_state").await?;
    tasks.spawn(answer(requests, move || GetState::Response { current_state: state_message(host.state()) }));
    let requests = open::<GetAvailableStates::Service>(executor, "~/get_available_states").await?;
    let available_states = STATES.map(state_message).to_vec();
    tasks.spawn(answer(requests, move || GetAvailableStates::Response { available_states: available_states.clone() }));
    let host = Arc::clone(state);
    let requests = open::<GetAvailableTransitions::Service>(executor, "~/get_available_transitions").await?;
    tasks.spawn(answer(requests, move || describe(host.state().transitions())));
    let requests = open::<GetAvailableTransitions::Service>(executor, "~/get_transition_graph").await?;
    tasks.spawn(answer(requests, || describe(TRANSITIONS.iter())));
    Ok(())
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
