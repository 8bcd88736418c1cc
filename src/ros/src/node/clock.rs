//! What the node does when the time moves otherwise than it should: `/clock`, and steps of the system's clock.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::future::AbortHandle;
use r2r::builtin_interfaces::msg::Time;
use r2r::{Node, QosProfile};
use thalweg_node::parameters::QosOverride;
use thalweg_node::solver::Solver;
use thalweg_task::lock;
use tokio::sync::Notify;

use super::executor::Executor;
use super::inputs::{InputBuffer, clock_of, overridden};
use super::outputs::Outputs;
use super::time::{Jump, RosTime};

/// Difference between what the system's clock and a monotonic one moved that is a jump.
const CLOCK_STEP: Duration = Duration::from_secs(1);

/// What must be forgotten when time jumps, and who is to hear of it.
#[derive(Debug)]
pub(crate) struct Dependents {
    buffer: Arc<InputBuffer>,
    solver: Arc<Solver>,
    outputs: Arc<Outputs>,
    /// Wakes diagnostics.
    alarm: Arc<Notify>,
}

impl Dependents {
    pub(crate) fn new(
        buffer: &Arc<InputBuffer>,
        solver: &Arc<Solver>,
        outputs: &Arc<Outputs>,
        alarm: &Arc<Notify>,
    ) -> Self {
        let (buffer, solver) = (Arc::clone(buffer), Arc::clone(solver));
        Self { buffer, solver, outputs: Arc::clone(outputs), alarm: Arc::clone(alarm) }
    }
}

/// Follows `/clock` where that is asked for, and watches the system's clock.
#[derive(Debug)]
pub(crate) struct ClockFollower {
    executor: Executor,
    time: Arc<RosTime>,
    dependents: Dependents,
    /// As the user overrides it.
    qos: Option<QosOverride>,
    following: Mutex<Option<AbortHandle>>,
    /// System time and monotonic time at the last look.
    looked: Mutex<(i64, Instant)>,
}

impl ClockFollower {
    pub(crate) fn new(
        executor: &Executor,
        time: &Arc<RosTime>,
        dependents: Dependents,
        qos: Option<QosOverride>,
    ) -> Self {
        let looked = Mutex::new((time.now_nanos(), Instant::now()));
        let (executor, time) = (executor.clone(), Arc::clone(time));
        Self { executor, time, dependents, qos, following: Mutex::new(None), looked }
    }

    /// Follows `/clock`, or no longer.
    ///
    /// # Errors
    /// What rcl says, or that the ROS thread has ended.
    pub(crate) async fn follow(self: &Arc<Self>, follow: bool) -> anyhow::Result<()> {
        if follow == self.time.is_simulated() {
            return Ok(());
        }
        if let Some(task) = lock(&self.following).take() {
            task.abort();
        }
        self.time.simulate(follow);
        self.dependents.buffer.clear();
        self.dependents.solver.forget();
        if follow {
            let qos = overridden(self.qos.as_ref(), QosProfile::default().keep_last(1).best_effort());
            // As bytes, as all that comes in.
            let subscribe = move |node: &mut Node| node.subscribe_raw("/clock", "rosgraph_msgs/msg/Clock", qos);
            let mut ticks = self.executor.with(subscribe).await??;
            let follower = Arc::clone(self);
            let task = self.executor.attend_abortable(async move {
                while let Some(bytes) = ticks.next().await {
                    match clock_of(&bytes) {
                        Some(tick) => follower.tick(&tick),
                        None => follower.time.refuse(),
                    }
                }
            });
            *lock(&self.following) = Some(task);
        }
        Ok(())
    }

    fn tick(&self, tick: &Time) {
        let Dependents { buffer, solver, outputs, alarm } = &self.dependents;
        match self.time.tick(tick) {
            Some(Jump::Back(nanos)) => {
                buffer.clear();
                solver.forget();
                outputs.clear();
                alarm.notify_one();
                tracing::info!("time moved backwards by {:.3} s, state reset", nanos as f64 * 1e-9);
            }
            // What was received before is too old by now and falls out by itself.
            Some(Jump::Forward(nanos)) => {
                alarm.notify_one();
                tracing::info!("time moved forward by {:.3} s, stale input is dropped", nanos as f64 * 1e-9);
            }
            None => {}
        }
    }

    /// Looks at the system's clock: a step of it makes all ages wrong, and what was received before is forgotten (T1).
    pub(crate) fn watch_system(&self) {
        let now = (self.time.system_nanos(), Instant::now());
        let (system, monotonic) = std::mem::replace(&mut *lock(&self.looked), now);
        let elapsed = i64::try_from(now.1.saturating_duration_since(monotonic).as_nanos()).unwrap_or(i64::MAX);
        let step = now.0.saturating_sub(system).saturating_sub(elapsed);
        if step.unsigned_abs() > CLOCK_STEP.as_nanos() as u64 && !self.time.is_simulated() {
            tracing::warn!("the system's clock moved by {:.3} s, state reset", step as f64 * 1e-9);
            self.time.note_jump();
            self.dependents.buffer.clear();
            self.dependents.solver.forget();
        }
    }
}
