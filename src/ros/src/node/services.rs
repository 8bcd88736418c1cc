//! Services of the node: how they are opened, and answered one request after the other.

use futures::stream::{Stream, StreamExt};
use r2r::std_srvs::srv::Trigger;
use r2r::{QosProfile, ServiceRequest, WrappedServiceTypeSupport};
use thalweg_task::printable;

use super::executor::Executor;

/// Opens a service of the node.
///
/// # Errors
/// What rcl says, or that the ROS thread has ended.
pub(super) async fn open<S: WrappedServiceTypeSupport + 'static>(
    executor: &Executor,
    name: &'static str,
) -> anyhow::Result<impl Stream<Item = ServiceRequest<S>> + Unpin + Send + use<S>>
where
    S::Request: Send,
{
    Ok(executor.with(move |node| node.create_service::<S>(name, QosProfile::services_default())).await??)
}

/// Answers every request alike, in order; a client that has gone away is no trouble of ours.
pub(super) async fn answer<S>(
    mut requests: impl Stream<Item = ServiceRequest<S>> + Unpin,
    respond: impl Fn() -> S::Response,
) where
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
        if let Err(error) = request.respond(Trigger::Response { success, message: printable(&message).into_owned() }) {
            tracing::debug!("an answer did not go out: {error}");
        }
    }
}
