//! Services of the node, called from the other side.

use std::time::Duration;

use anyhow::Context as _;
use r2r::std_srvs::srv::Trigger;
use r2r::{Node, QosProfile};

use super::Peer;
use super::link::Link;

impl Peer {
    /// Calls a `std_srvs/Trigger` service and gives what it answers: whether it succeeded, and its message.
    ///
    /// # Errors
    /// What rcl says, and when nobody answers in time.
    pub fn trigger(&self, service: &str, longest: Duration) -> anyhow::Result<(bool, String)> {
        self.link.trigger(service, longest)
    }
}

impl Link {
    fn trigger(&self, service: &str, longest: Duration) -> anyhow::Result<(bool, String)> {
        let name = service.to_owned();
        let create = move |node: &mut Node| {
            let client = node.create_client::<Trigger::Service>(&name, QosProfile::services_default())?;
            let available = Node::is_available(&client)?;
            r2r::Result::Ok((client, available))
        };
        let (client, available) = self.with(create)?.with_context(|| format!("cannot call {service}"))?;
        let answer = async {
            available.await?;
            client.request(&Trigger::Request {})?.await
        };
        let answer = self.block_on(async { tokio::time::timeout(longest, answer).await })?;
        let answer = answer.with_context(|| format!("{service} did not answer within {} s", longest.as_secs()))?;
        let answer = answer.with_context(|| format!("{service} failed"))?;
        Ok((answer.success, answer.message))
    }
}
