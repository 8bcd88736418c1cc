//! A node of our own on a thread of its own, for programs that are not asynchronous.

use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use futures::{Stream, StreamExt};
use r2r::{Context, Node, QosProfile, WrappedTypesupport};
use tokio::runtime::{Builder, Runtime};

use super::joints::JointWriter;
use crate::node::executor::Executor;
use crate::node::startup::quietly;

/// The longest that tasks may take to end when the link is cut.
const END: Duration = Duration::from_millis(100);

/// A node, and what drains its streams.
#[derive(Debug)]
pub(crate) struct Link {
    executor: Executor,
    spinning: Option<JoinHandle<()>>,
    runtime: Option<Runtime>,
}

impl Link {
    /// Joins the graph under a name.
    ///
    /// # Errors
    /// What rcl says; it reads the environment and this program's arguments.
    pub(crate) fn join(name: &str) -> anyhow::Result<Self> {
        let context = quietly(Context::create).context("ROS does not start")??;
        let node = Node::create(context, name, "").with_context(|| format!("cannot create node {name}"))?;
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("peer").enable_time().build()?;
        let (executor, spinning) = Executor::start(node)?;
        Ok(Self { executor, spinning: Some(spinning), runtime: Some(runtime) })
    }

    /// Does something with the node, and waits for it.
    ///
    /// # Errors
    /// That the thread of the node has ended.
    pub(crate) fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Node) -> T + Send + 'static,
    ) -> anyhow::Result<T> {
        Ok(self.runtime()?.block_on(self.executor.with(work))?)
    }

    /// Advertises joints, reliable, the last ten kept: as joint_state_broadcaster does.
    ///
    /// # Errors
    /// What rcl says.
    pub(crate) fn writer(&self, topic: &str) -> anyhow::Result<JointWriter> {
        let name = topic.to_owned();
        let create = move |node: &mut Node| node.create_publisher(&name, QosProfile::default());
        let publisher = self.with(create)?.with_context(|| format!("cannot advertise {topic}"))?;
        Ok(JointWriter::new(publisher))
    }

    /// Hands every message of a topic on, as soon as it is there.
    ///
    /// # Errors
    /// What rcl says.
    pub(crate) fn subscribe<M>(
        &self,
        topic: &str,
        qos: QosProfile,
        take: impl Fn(M) + Send + 'static,
    ) -> anyhow::Result<()>
    where
        M: WrappedTypesupport + Send + 'static,
    {
        let name = topic.to_owned();
        let subscribe = move |node: &mut Node| node.subscribe::<M>(&name, qos);
        let messages = self.with(subscribe)?.with_context(|| format!("cannot listen to {topic}"))?;
        self.runtime()?.spawn(drain(messages, take));
        // rcl complains about spinning a node that has nothing to wait for; now it has.
        self.executor.spin();
        Ok(())
    }

    /// Runs a task to its end, while the node spins.
    ///
    /// # Errors
    /// That the node has left.
    pub(super) fn block_on<T>(&self, task: impl Future<Output = T>) -> anyhow::Result<T> {
        Ok(self.runtime()?.block_on(task))
    }

    fn runtime(&self) -> anyhow::Result<&Runtime> {
        self.runtime.as_ref().context("the node has left")
    }
}

/// Leaves the graph.
impl Drop for Link {
    fn drop(&mut self) {
        self.executor.end();
        if let Some(thread) = self.spinning.take() {
            // A thread that has panicked has said so.
            drop(thread.join());
        }
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(END);
        }
    }
}

async fn drain<M>(mut messages: impl Stream<Item = M> + Unpin, take: impl Fn(M)) {
    while let Some(message) = messages.next().await {
        take(message);
    }
}
