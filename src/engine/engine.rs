//! The engine: one task, one landscape, one observation after the other.

use std::fmt;

use tch::Tensor;
use thalweg_task::{Observation, Target, Task};

use super::budget::{Budget, Clock, Pace};
use super::config::EngineConfig;
use super::error::EngineError;
use super::evaluation::{Problem, guarded, row_index};
use super::hypotheses::{Hypotheses, Status};
use super::observer::{Cadence, Event, Observer, Observers};
use super::sampler::Sampler;
use super::solution::{Solution, StopReason, rank};
use crate::landscape::Landscape;

/// Inverts one task on one landscape, anytime.
///
/// After [`Engine::begin`] there is always a solution, and [`Engine::refine`] never makes it
/// worse. Numeric trouble is a [`Status`] and a count, never an error.
pub struct Engine {
    task: Box<dyn Task>,
    landscape: Landscape,
    config: EngineConfig,
    sampler: Sampler,
    session: Option<Session>,
    warm: Option<Warm>,
    observers: Observers,
    pace: Pace,
}

/// One observation and the descent towards it.
struct Session {
    target: Target,
    stamp_nanos: i64,
    hypotheses: Hypotheses,
    stop: Option<StopReason>,
    /// Ranked on demand: sorting tensors after each step would cost more than it is read.
    solution: Option<Solution>,
}

/// What the next observation starts from: the last one's best points `[K, Z]` and their losses.
struct Warm {
    z: Tensor,
    loss: Vec<f64>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { task, landscape, config, .. } = self;
        let mut text = f.debug_struct("Engine");
        text.field("task", &task.spec().name).field("landscape", &landscape.id()).field("config", config);
        text.finish_non_exhaustive()
    }
}

impl Engine {
    /// Joins a task, a landscape and a way to search.
    ///
    /// # Errors
    /// [`EngineError`] when an option lies outside its range, the landscape does not fit the
    /// task, or the optimizer needs residuals that the task does not give.
    pub fn new(task: Box<dyn Task>, landscape: Landscape, config: EngineConfig) -> Result<Self, EngineError> {
        config.validate()?;
        check_landscape(task.as_ref(), &landscape)?;
        let spec = task.spec();
        if config.optimizer.needs_residual() && !spec.residual {
            return Err(EngineError::NoResidual { task: spec.name.clone() });
        }
        let sampler = Sampler::new(config.seed, spec.kind, spec.device);
        let (observers, pace) = (Observers::default(), Pace::default());
        Ok(Self { task, landscape, config, sampler, session: None, warm: None, observers, pace })
    }

    /// The task.
    #[must_use]
    pub fn task(&self) -> &dyn Task {
        self.task.as_ref()
    }

    /// The landscape.
    #[must_use]
    pub fn landscape(&self) -> &Landscape {
        &self.landscape
    }

    /// The options.
    #[must_use]
    pub fn config(&self) -> &EngineConfig {
        &self.config
    }

    /// Adds an observer. To read it later, hand in a clone of an `Arc<Mutex<..>>`.
    pub fn add_observer(&mut self, cadence: Cadence, observer: Box<dyn Observer>) {
        self.observers.add(cadence, observer);
    }

    /// Forgets what the next observation would start from, and the present solution.
    pub fn reset(&mut self) {
        (self.session, self.warm) = (None, None);
    }

    /// Changes the number of hypotheses for the observations to come.
    ///
    /// The warm start is kept: the best points go on, missing ones are drawn. The present solution
    /// ends.
    ///
    /// # Errors
    /// [`EngineError::Option`] when it is zero or not above `fresh`; nothing is changed then.
    pub fn set_hypotheses(&mut self, hypotheses: usize) -> Result<(), EngineError> {
        self.set_population(hypotheses, self.config.fresh)
    }

    /// Changes the number of hypotheses, and how many of them are drawn anew, both at once.
    ///
    /// # Errors
    /// As [`Engine::set_hypotheses`].
    pub fn set_population(&mut self, hypotheses: usize, fresh: usize) -> Result<(), EngineError> {
        let config = EngineConfig { hypotheses, fresh, ..self.config.clone() };
        config.validate()?;
        self.end_session();
        (self.config, self.pace) = (config, Pace::default());
        Ok(())
    }

    /// Changes the landscape for the observations to come.
    ///
    /// Forgets the warm start, for its points mean something else on another landscape.
    ///
    /// # Errors
    /// [`EngineError::Latent`] or [`EngineError::ElementType`]; nothing is changed then.
    pub fn set_landscape(&mut self, landscape: Landscape) -> Result<(), EngineError> {
        check_landscape(self.task.as_ref(), &landscape)?;
        self.reset();
        (self.landscape, self.pace) = (landscape, Pace::default());
        Ok(())
    }

    /// Takes an observation and evaluates where to start from.
    ///
    /// With one row, all hypotheses explain it; they start from the last best points, ranked, the
    /// worst `fresh` drawn anew. With K rows, each hypothesis explains its own; rows keep
    /// their order, and none is drawn anew after the first observation. Points without a finite loss
    /// are drawn again, a bounded number of times.
    ///
    /// # Errors
    /// [`EngineError`] when the observation is refused, the task fails, or no point is finite.
    /// There is no solution then; the warm start stays.
    pub fn begin(&mut self, obs: &Observation) -> Result<(), EngineError> {
        let _no_grad = tch::no_grad_guard();
        let target = self.encode(obs)?;
        let z = self.starting_points(is_shared(&target));
        self.start(target, obs.stamp_nanos, &z)
    }

    /// Takes an observation and starts from given points `z`, `[K, Z]`.
    ///
    /// # Errors
    /// As [`Engine::begin`], and [`EngineError::Start`] when `z` has another shape.
    pub fn begin_from(&mut self, obs: &Observation, z: &Tensor) -> Result<(), EngineError> {
        let _no_grad = tch::no_grad_guard();
        let expected = vec![self.config.hypotheses as i64, self.landscape.dim()];
        if z.size() != expected {
            return Err(EngineError::Start { expected, got: z.size() });
        }
        let target = self.encode(obs)?;
        let spec = self.task.spec();
        let z = z.detach().to_kind(spec.kind).to_device(spec.device);
        self.start(target, obs.stamp_nanos, &z)
    }

    /// Does one step of the optimizer for all hypotheses.
    ///
    /// A row whose loss or gradient is no longer finite is counted, started afresh, and does not
    /// touch the others.
    ///
    /// # Errors
    /// [`EngineError::NotBegun`] without an observation; [`EngineError::Task`] or
    /// [`EngineError::TaskPanicked`] when the task fails: the solution is then what it was.
    pub fn refine(&mut self) -> Result<Status, EngineError> {
        let _no_grad = tch::no_grad_guard();
        let Self { task, landscape, config, sampler, session, observers, .. } = self;
        let session = session.as_mut().ok_or(EngineError::NotBegun)?;
        let z_before = session.hypotheses.current.point.z.shallow_clone();
        let score = session.score();
        let problem = problem(task.as_ref(), landscape, &session.target, config);
        let status = session.hypotheses.step(&problem, sampler)?;
        (session.solution, session.stop) = (None, None);
        let Hypotheses { current, best, statistics, .. } = &session.hypotheses;
        let (index, loss, best) = (statistics.steps, &current.point.loss, &best.loss);
        let event = Event::Step { index, z_before: &z_before, z: &current.point.z, loss, best, status };
        observers.notify(&event, session.score() < score);
        Ok(status)
    }

    /// The best points so far; none before the first observation.
    ///
    /// Ranked when asked for, and kept until the next step.
    pub fn solution(&mut self) -> Option<&Solution> {
        let _no_grad = tch::no_grad_guard();
        let landscape = self.landscape.id();
        self.session.as_mut().map(|session| session.solution(landscape))
    }

    /// Takes an observation and refines until the budget ends: the loop over steps.
    ///
    /// # Errors
    /// [`EngineError::EmptyBudget`], [`EngineError::Option`], or as [`Engine::begin`] and
    /// [`Engine::refine`].
    pub fn solve(&mut self, obs: &Observation, budget: &Budget, clock: &dyn Clock) -> Result<&Solution, EngineError> {
        budget.validate()?;
        let start = clock.now();
        self.begin(obs)?;
        let begin = clock.now().saturating_sub(start);
        let mut scores = vec![self.score()];
        let stop = loop {
            let before = clock.now();
            let ready = before.saturating_sub(start) + self.pace.expected(begin);
            if let Some(stop) = budget.stop(&scores, ready) {
                break stop;
            }
            let status = self.refine()?;
            self.pace.record(clock.now().saturating_sub(before));
            scores.push(self.score());
            if status == Status::Converged {
                break StopReason::Converged;
            }
        };
        // Only where it was the expectation that forbade the step, and not begin alone.
        if stop == StopReason::Deadline && scores.len() == 1 && budget.deadline.is_some_and(|limit| begin < limit) {
            self.pace.relieve();
        }
        self.finish(stop)
    }

    fn encode(&mut self, obs: &Observation) -> Result<Target, EngineError> {
        self.end_session();
        let target = guarded(self.task.as_ref(), || Ok(self.task.encode(obs)?))?;
        let (rows, hypotheses) = (target.value.size()[0], self.config.hypotheses);
        if rows != 1 && rows != hypotheses as i64 {
            return Err(EngineError::Rows { rows, hypotheses });
        }
        Ok(target)
    }

    fn start(&mut self, target: Target, stamp_nanos: i64, z: &Tensor) -> Result<(), EngineError> {
        let problem = problem(self.task.as_ref(), &self.landscape, &target, &self.config);
        let hypotheses = Hypotheses::start(&problem, z, &self.config.optimizer, &mut self.sampler)?;
        let point = &hypotheses.current.point;
        self.observers.notify(&Event::Begin { stamp_nanos, z: &point.z, loss: &point.loss }, true);
        self.session = Some(Session { target, stamp_nanos, hypotheses, stop: None, solution: None });
        Ok(())
    }

    /// Keeps the best points of the present observation for the next one.
    fn end_session(&mut self) {
        if let Some(session) = self.session.take() {
            let best = session.hypotheses.best;
            self.warm = Some(Warm { z: best.z, loss: best.loss });
        }
    }

    fn starting_points(&mut self, shared: bool) -> Tensor {
        let (hypotheses, dim) = (self.config.hypotheses, self.landscape.dim());
        let Some(warm) = self.warm.as_ref().filter(|_| self.config.warm_start) else {
            return self.sampler.draw(hypotheses, dim);
        };
        if !shared && warm.loss.len() == hypotheses {
            return warm.z.shallow_clone();
        }
        let mut order = rank(&warm.loss);
        order.truncate(hypotheses - self.config.fresh);
        let kept = warm.z.index_select(0, &row_index(&order, warm.z.device()));
        Tensor::cat(&[kept, self.sampler.draw(hypotheses - order.len(), dim)], 0)
    }

    fn score(&self) -> f64 {
        self.session.as_ref().map_or(f64::INFINITY, Session::score)
    }

    fn finish(&mut self, stop: StopReason) -> Result<&Solution, EngineError> {
        let session = self.session.as_mut().ok_or(EngineError::NotBegun)?;
        (session.stop, session.solution) = (Some(stop), None);
        let _no_grad = tch::no_grad_guard();
        let solution = session.solution(self.landscape.id());
        self.observers.notify(&Event::End { solution }, true);
        Ok(solution)
    }
}

impl Session {
    /// The best loss: the least when all rows share the observation, the mean of the rows' best otherwise.
    fn score(&self) -> f64 {
        let loss = &self.hypotheses.best.loss;
        if is_shared(&self.target) {
            return loss.iter().copied().fold(f64::INFINITY, f64::min);
        }
        loss.iter().sum::<f64>() / loss.len() as f64
    }

    fn solution(&mut self, landscape: &str) -> &Solution {
        let Self { target, stamp_nanos, hypotheses, stop, solution } = self;
        solution.get_or_insert_with(|| {
            let Hypotheses { best, statistics, .. } = hypotheses;
            let point = if is_shared(target) { best.select(&rank(&best.loss)) } else { best.clone() };
            Solution::new(point, *statistics, *stamp_nanos, landscape.to_owned(), *stop)
        })
    }
}

/// Whether one observation is explained by all hypotheses.
fn is_shared(target: &Target) -> bool {
    target.value.size()[0] == 1
}

fn problem<'a>(task: &'a dyn Task, landscape: &'a Landscape, target: &'a Target, config: &EngineConfig) -> Problem<'a> {
    let keep_residual = config.optimizer.needs_residual();
    Problem { task, landscape, target, prior_weight: config.prior_weight, keep_residual }
}

fn check_landscape(task: &dyn Task, landscape: &Landscape) -> Result<(), EngineError> {
    let (spec, id, name) = (task.spec(), landscape.id().to_owned(), task.spec().name.clone());
    if landscape.latent() != spec.latent {
        let (expected, got) = (spec.latent, landscape.latent());
        return Err(EngineError::Latent { landscape: id, task: name, expected, got });
    }
    let expected = (spec.kind, spec.device);
    match landscape.kind_and_device() {
        Some(got) if got != expected => Err(EngineError::ElementType { landscape: id, task: name, expected, got }),
        _ => Ok(()),
    }
}
