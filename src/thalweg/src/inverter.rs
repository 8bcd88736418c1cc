//! An engine with its task's names, its budget and a clock.

use std::sync::Arc;

use thalweg_engine::time::{Timeline, Watch};
use thalweg_engine::{Budget, Cadence, Clock, Engine, Observer};
use thalweg_task::{Masked, Observation, TaskSpec};

use crate::clock::SystemClock;
use crate::error::Error;
use crate::observed::Observed;
use crate::plan::Loaded;
use crate::solved::Solved;

/// Inverts one task: takes what was seen, gives hypotheses of what was there.
///
/// A solve starts warm, from where the last one ended. Where observations have stamps, joints that fall silent are expected
/// where time makes them likely ([`Timeline`]). The same seed and the same observations give the bits that a
/// node gives, where the budget is a number of steps.
#[derive(Debug)]
pub struct Inverter {
    engine: Engine,
    loaded: Loaded,
    spec: Arc<TaskSpec>,
    budget: Budget,
    clock: SystemClock,
    /// None where time does not count.
    timeline: Option<Timeline>,
    /// None where it is not known how joints fit each other.
    watch: Option<Watch>,
}

impl Inverter {
    pub(crate) fn new(
        (engine, loaded): (Engine, Loaded),
        (timeline, watch): (Option<Timeline>, Option<Watch>),
        budget: Budget,
    ) -> Self {
        let spec = Arc::new(loaded.spec.clone());
        Self { engine, loaded, spec, budget, clock: SystemClock::default(), timeline, watch }
    }

    /// Begins an observation, with nothing in it.
    #[must_use]
    pub fn observe(&self) -> Observed {
        Observed::nothing(Arc::clone(&self.spec))
    }

    /// Solves what was seen of one moment; hypotheses come best first.
    ///
    /// # Errors
    /// [`thalweg_task::TaskError::EmptyObservation`] when nothing was seen, or why the task cannot answer.
    pub fn solve(&mut self, seen: &Observed) -> Result<Solved, Error> {
        self.solve_observation(&seen.observation())
    }

    /// Solves one moment for each hypothesis; they come in the order of the moments.
    ///
    /// # Errors
    /// As [`Inverter::solve`], and [`thalweg_engine::EngineError::Rows`] when there are not as many as hypotheses.
    pub fn solve_each(&mut self, seen: &[Observed]) -> Result<Solved, Error> {
        self.solve_observation(&Observed::rows(seen))
    }

    /// Solves an observation of tensors, of one row or one for each hypothesis.
    ///
    /// # Errors
    /// As [`Inverter::solve_each`].
    pub fn solve_observation(&mut self, obs: &Observation) -> Result<Solved, Error> {
        let _no_grad = tch::no_grad_guard();
        let begin = self.clock.now();
        let mut obs = obs.shallow_clone();
        let readings = obs.joints.as_ref().map(Masked::shallow_clone);
        if let (Some(timeline), None) = (&mut self.timeline, &obs.expected) {
            timeline.expect(&mut obs, None);
        }
        if let (Some(watch), Some(readings), Some(joints)) = (&mut self.watch, &readings, &obs.joints) {
            watch.take_readings(obs.stamp_nanos, readings, joints);
        }
        self.engine.solve(&obs, &self.budget, &self.clock)?;
        let took = self.clock.now().saturating_sub(begin);
        Ok(Solved::of(&mut self.engine, Arc::clone(&self.spec), took)?)
    }

    /// Forgets where the next solve would start from.
    pub fn reset(&mut self) {
        self.engine.reset();
        self.timeline.iter_mut().for_each(Timeline::forget);
        self.watch.iter_mut().for_each(Watch::forget);
    }

    /// Which joints lie, from the observations so far, which need stamps; none where it is not known how joints fit each
    /// other.
    #[must_use]
    pub fn joint_watch(&self) -> Option<&Watch> {
        self.watch.as_ref()
    }

    /// What was seen of joints so far; none where time does not count.
    pub fn timeline_mut(&mut self) -> Option<&mut Timeline> {
        self.timeline.as_mut()
    }

    /// When a solve ends.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Changes when a solve ends, from the next one on.
    ///
    /// # Errors
    /// [`thalweg_engine::EngineError`] about a limit that makes no sense; nothing is changed then.
    pub fn set_budget(&mut self, budget: Budget) -> Result<(), Error> {
        budget.validate()?;
        self.budget = budget;
        Ok(())
    }

    /// Lets somebody watch descents; to read it later, hand in a clone of an `Arc<Mutex<..>>`.
    pub fn watch(&mut self, cadence: Cadence, observer: impl Observer + 'static) {
        self.engine.add_observer(cadence, Box::new(observer));
    }

    /// Describes the task.
    #[must_use]
    pub fn spec(&self) -> &TaskSpec {
        &self.spec
    }

    /// Says what was loaded: landscape, start, optimizer, backend.
    #[must_use]
    pub fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    /// The engine below.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The engine below, to change it.
    pub fn engine_mut(&mut self) -> &mut Engine {
        &mut self.engine
    }
}
