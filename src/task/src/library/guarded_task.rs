//! A task whose panics are errors.

use std::path::Path;

use tch::Tensor;

use super::caught;
use crate::{DenseForm, Objective, Observation, Reconstruction, Result, Root, Target, Task, TaskSpec, guarded};

/// Runs a task of a library on the library's side of the border.
pub(super) struct GuardedTask {
    /// Taken when it is dropped.
    task: Option<Box<dyn Task>>,
    spec: TaskSpec,
}

impl GuardedTask {
    pub(super) fn new(task: Box<dyn Task>) -> Self {
        Self { spec: task.spec().clone(), task: Some(task) }
    }

    fn task(&self) -> &dyn Task {
        self.task.as_deref().expect("it is taken when it is dropped, and not before")
    }

    /// What a task says of itself; nothing where that panics.
    fn said<'a, T>(&'a self, of: impl FnOnce(&'a dyn Task) -> Option<T>) -> Option<T> {
        guarded(|| of(self.task())).ok().flatten()
    }
}

impl Task for GuardedTask {
    fn spec(&self) -> &TaskSpec {
        &self.spec
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        caught(|| self.task().forward(x))
    }

    fn encode(&self, obs: &Observation) -> Result<Target> {
        caught(|| self.task().encode(obs))
    }

    fn objective(&self, y_hat: &Tensor, target: &Target) -> Result<Objective> {
        caught(|| self.task().objective(y_hat, target))
    }

    fn render(&self, y_hat: &Tensor) -> Result<Reconstruction> {
        caught(|| self.task().render(y_hat))
    }

    fn render_seen(&self, y_hat: &Tensor, target: &Target) -> Result<Reconstruction> {
        caught(|| self.task().render_seen(y_hat, target))
    }

    fn points_of(&self, joints: &Tensor) -> Result<Option<Tensor>> {
        caught(|| self.task().points_of(joints))
    }

    fn roots(&self, y_hat: &Tensor, target: &Target) -> Result<Vec<Root>> {
        caught(|| self.task().roots(y_hat, target))
    }

    fn dense(&self) -> Option<DenseForm<'_>> {
        self.said(Task::dense)
    }

    fn folder(&self) -> Option<&Path> {
        self.said(Task::folder)
    }

    fn robot_description(&self) -> Option<&str> {
        self.said(Task::robot_description)
    }
}

impl Drop for GuardedTask {
    fn drop(&mut self) {
        // What panics while it is dropped is gone all the same.
        drop(guarded(|| drop(self.task.take())));
    }
}
