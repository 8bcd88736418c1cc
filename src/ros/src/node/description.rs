//! Listens to `robot_description`: a model of another robot must not complete this one's joints.

use std::sync::Mutex;

use futures::StreamExt;
use futures::future::AbortHandle;
use r2r::{Node, QosProfile};
use thalweg_node::description::{DescriptionError, compare};
use thalweg_node::intake::wire::text_of;
use thalweg_task::lock;
use tokio::sync::mpsc;

use super::executor::Executor;

/// Compares what is published with the model's own description.
#[derive(Debug)]
pub(crate) struct DescriptionCheck {
    executor: Executor,
    /// Hears that the robot is another one.
    gave_up: mpsc::UnboundedSender<String>,
    following: Mutex<Option<AbortHandle>>,
}

impl DescriptionCheck {
    pub(crate) fn new(executor: &Executor, gave_up: mpsc::UnboundedSender<String>) -> Self {
        Self { executor: executor.clone(), gave_up, following: Mutex::new(None) }
    }

    /// Listens until [`DescriptionCheck::close`], and compares each description with `model`.
    ///
    /// # Errors
    /// What rcl says, or that the ROS thread has ended.
    pub(crate) async fn open(&self, model: String) -> anyhow::Result<()> {
        self.close();
        let latched = QosProfile::default().keep_last(1).transient_local();
        let subscribe = move |node: &mut Node| node.subscribe_raw("robot_description", "std_msgs/msg/String", latched);
        let mut messages = self.executor.with(subscribe).await??;
        let gave_up = self.gave_up.clone();
        let task = self.executor.attend_abortable(async move {
            while let Some(bytes) = messages.next().await {
                let Some(robot) = text_of(&bytes) else {
                    tracing::warn!("robot_description: got {} bytes that are no std_msgs/String", bytes.len());
                    continue;
                };
                match compare(&model, &robot) {
                    Ok(()) => tracing::debug!("robot_description is that of the model"),
                    Err(error @ DescriptionError::Unreadable(_)) => tracing::warn!("{error}"),
                    Err(error) => drop(gave_up.send(format!("{error} (input.robot_description)"))),
                }
            }
        });
        *lock(&self.following) = Some(task);
        Ok(())
    }

    /// Listens no longer.
    pub(crate) fn close(&self) {
        if let Some(task) = lock(&self.following).take() {
            task.abort();
        }
    }
}
