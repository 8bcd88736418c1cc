//! The engine: one task, one landscape, one observation after the other.

mod accelerator;
mod roots;
mod solving;

use std::fmt;

use tch::Tensor;
use thalweg_task::{Observation, Target, Task};

use super::backend::{Backend, prepare};
use super::budget::Pace;
use super::config::EngineConfig;
use super::descent::{Beginning, Descent, Ground};
use super::error::EngineError;
use super::evaluation::{guarded, row_index};
use super::hypotheses::Status;
use super::leader::Leader;
use super::memory::{Memory, Spare, WarmStart};
use super::native::{Native, NativeDescent};
use super::observer::{Cadence, Event, Observer, Observers};
use super::optimizer::Optimizer;
use super::own_steps::OwnSteps;
use super::prior::Prior;
use super::proposal::Proposer;
use super::report::{Reading, Report};
use super::sampler::Sampler;
use super::solution::{Solution, StopReason, rank};
use crate::landscape::{Landscape, check_landscape};
use crate::start::Start;
use accelerator::Accelerator;

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
    memory: Memory,
    observers: Observers,
    pace: Pace,
    /// Proposes where to begin; none where points are drawn.
    start: Option<Start>,
    /// Goes the steps of a start that is a landscape.
    proposer: Option<Proposer>,
    /// What runs in libtorch's place; none where only that will do.
    native: Option<Native>,
    /// The last native descent, whose memory the next one takes over.
    spare: Option<Box<NativeDescent>>,
    /// What runs in place of both; none where no GPU was given.
    accelerator: Option<Accelerator>,
    /// How many steps a GPU may do at once.
    ahead: u32,
}

/// One observation and the descent towards it.
struct Session {
    target: Target,
    /// Whether one observation is explained by all hypotheses.
    is_shared: bool,
    prior: Prior,
    /// The landscape's own steps, where the descent began with them.
    own: Option<OwnSteps>,
    stamp_nanos: i64,
    /// What is said of joints.
    reading: Reading,
    /// See [`Memory::offset`]; none until the answer is made.
    offset: Option<Vec<f64>>,
    /// The leader of before, and the seconds since, where rows go on as the same hypotheses.
    lead: Option<(Option<Leader>, f64)>,
    descent: Descent,
    stop: Option<StopReason>,
    /// Ranked on demand: sorting tensors after each step would cost more than it is read.
    solution: Option<Solution>,
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
        let build = || Native::new(task.as_ref(), &landscape, config.threads);
        let native = prepare(config.backend, task.as_ref(), build)?;
        let (session, memory, spare, start, proposer) = (None, Memory::default(), None, None, None);
        let (accelerator, ahead) = (None, 0);
        Ok(Self {
            task,
            landscape,
            config,
            sampler,
            session,
            memory,
            observers,
            pace,
            start,
            proposer,
            native,
            spare,
            accelerator,
            ahead,
        })
    }

    /// The backend of the present descent; before any, the one that is to be expected.
    ///
    /// A target of a form that the task has not described is left to libtorch.
    #[must_use]
    pub fn backend(&self) -> Backend {
        match (&self.session, &self.native) {
            (Some(session), _) => session.descent.backend(),
            (None, _) if self.gpu_model().is_some() => Backend::Gpu,
            (None, Some(_)) => Backend::Fused,
            (None, None) => Backend::Tch,
        }
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

    /// Lets go of all observers.
    pub fn clear_observers(&mut self) {
        self.observers.clear();
    }

    /// Forgets what the next observation would start from, and the present solution.
    pub fn reset(&mut self) {
        let index = self.memory.index;
        (self.session, self.memory) = (None, Memory { index, ..Memory::default() });
    }

    /// Takes out what the next observation would start from: give it back by [`Engine::recall`]. The present solution
    /// ends.
    #[must_use]
    pub fn take_memory(&mut self) -> Memory {
        self.end_session();
        // Without it, what the memory's points are linearised by would be found anew.
        self.memory.spare = self.spare.take().filter(|_| self.memory.linearised.is_some()).map(Spare);
        std::mem::take(&mut self.memory)
    }

    /// Goes back, or forward, to what an engine remembered; the present solution ends.
    ///
    /// The next observation gets the number after `memory.index`.
    ///
    /// # Errors
    /// [`EngineError::Start`] when the points have another dimension than the landscape, or their number is not
    /// that of the losses; nothing is changed then.
    pub fn recall(&mut self, memory: Memory) -> Result<(), EngineError> {
        let mut memory = memory;
        let (spec, dim) = (self.task.spec(), self.landscape.dim());
        if let Some(warm) = &mut memory.warm {
            let expected = vec![warm.loss.len() as i64, dim];
            for z in [Some(&mut warm.z), memory.linearised.as_mut()].into_iter().flatten() {
                if z.size() != expected {
                    return Err(EngineError::Start { expected, got: z.size() });
                }
                *z = z.detach().to_kind(spec.kind).to_device(spec.device);
            }
        }
        if let Some(Spare(spare)) = memory.spare.take() {
            self.spare = Some(spare);
        }
        (self.session, self.memory) = (None, memory);
        Ok(())
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

    /// Lets a start propose where hypotheses begin, from the next observation on.
    ///
    /// Hypothesis k begins at what the start proposes for code k, or where it ended at the last
    /// observation, whichever is better; it is pulled to the proposal by
    /// [`EngineConfig::start_weight`]. The present solution ends.
    ///
    /// # Errors
    /// [`EngineError::StartDimension`] when it proposes for a landscape of another dimension, or what the task meets at
    /// the start's examples; nothing is changed then.
    pub fn set_start(&mut self, start: Start) -> Result<(), EngineError> {
        let (expected, got) = (self.landscape.dim(), start.dim());
        if expected != got {
            return Err(EngineError::StartDimension { landscape: self.landscape.id().to_owned(), expected, got });
        }
        self.proposer = match start.landscape() {
            Some(landscape) => {
                check_landscape(self.task.as_ref(), landscape)?;
                let native = self.native.as_ref().and_then(|native| native.with_landscape(landscape));
                Some(Proposer::new((self.task.as_ref(), landscape), native, &self.config, self.proposer.as_mut())?)
            }
            None => None,
        };
        self.reset();
        (self.start, self.pace) = (Some(start), Pace::default());
        self.accelerate();
        Ok(())
    }

    /// The start, where there is one.
    #[must_use]
    pub fn start(&self) -> Option<&Start> {
        self.start.as_ref()
    }

    /// Changes how `z` moves for the observations to come; the present solution ends.
    ///
    /// # Errors
    /// [`EngineError::Option`] or [`EngineError::NoResidual`]; nothing is changed then.
    pub fn set_optimizer(&mut self, optimizer: Optimizer) -> Result<(), EngineError> {
        optimizer.validate()?;
        if optimizer.needs_residual() && !self.task.spec().residual {
            return Err(EngineError::NoResidual { task: self.task.spec().name.clone() });
        }
        self.end_session();
        (self.config.optimizer, self.pace) = (optimizer, Pace::default());
        Ok(())
    }

    /// Changes the landscape for the observations to come.
    ///
    /// Forgets the warm start, for its points mean something else on another landscape, and the
    /// start, which was made for one landscape.
    ///
    /// # Errors
    /// [`EngineError::Latent`], [`EngineError::ElementType`] or [`EngineError::NotFused`]; nothing is changed then.
    pub fn set_landscape(&mut self, landscape: Landscape) -> Result<(), EngineError> {
        check_landscape(self.task.as_ref(), &landscape)?;
        let build = || Ok(self.native.as_ref().and_then(|native| native.with_landscape(&landscape)));
        let native = prepare(self.config.backend, self.task.as_ref(), build)?;
        self.reset();
        (self.landscape, self.pace, self.native, self.spare) = (landscape, Pace::default(), native, None);
        (self.start, self.proposer) = (None, None);
        self.accelerate();
        Ok(())
    }

    /// Puts a landscape in place of the one that is in use: of the start, where that goes the steps of one and the new one
    /// has steps, too; else as [`Engine::set_landscape`].
    ///
    /// # Errors
    /// As [`Engine::set_landscape`] and [`Engine::set_start`]; nothing is changed then.
    pub fn replace_landscape(&mut self, landscape: Landscape) -> Result<(), EngineError> {
        if self.start.as_ref().is_some_and(|start| start.landscape().is_some())
            && let Ok(start) = Start::of_steps(landscape.shallow_clone())
        {
            return self.set_start(start);
        }
        self.set_landscape(landscape)
    }

    /// Takes an observation and evaluates where to start from.
    ///
    /// With one row, all hypotheses explain it; they start from the last best points, ranked, the
    /// worst `fresh` drawn anew. With K rows, each hypothesis explains its own; rows keep
    /// their order, and none is drawn anew after the first observation. Points without a finite loss
    /// are drawn again, a bounded number of times. Where the landscape has steps of its own, a cold descent begins with
    /// those.
    ///
    /// # Errors
    /// [`EngineError`] when the observation is refused, the task fails, or no point is finite.
    /// There is no solution then; the warm start stays.
    pub fn begin(&mut self, obs: &Observation) -> Result<(), EngineError> {
        let _no_grad = tch::no_grad_guard();
        let target = self.encode(obs)?;
        if let Some(start) = &self.start {
            let codes = start.codes(self.config.hypotheses, self.task.spec());
            // Each row's own observation gets the code of least expected error.
            let codes = if is_shared(&target) { codes } else { codes.zeros_like() };
            return self.begin_proposed(obs, target, &codes);
        }
        let own = self.own_steps(obs, is_shared(&target));
        let z = own.as_ref().map_or_else(|| self.starting_points(is_shared(&target)), OwnSteps::origin);
        let prior = Prior::standard(self.config.prior_weight, self.task.spec());
        self.descend_from((target, prior), obs, own, Beginning::at(&z))?;
        self.announce(obs);
        Ok(())
    }

    /// Takes an observation and starts, cold, from what the start proposes for given codes, `[K, C]`; without a start,
    /// with the landscape's own steps for these codes.
    ///
    /// # Errors
    /// As [`Engine::begin`], and [`EngineError::NoStart`] or [`EngineError::Codes`].
    pub fn begin_with_codes(&mut self, obs: &Observation, codes: &Tensor) -> Result<(), EngineError> {
        let _no_grad = tch::no_grad_guard();
        let of_landscape = || self.landscape.steps().map(|steps| steps.codes().size()[0]);
        let code = self.start.as_ref().map(Start::code).or_else(of_landscape).ok_or(EngineError::NoStart)?;
        let expected = vec![self.config.hypotheses as i64, code];
        if codes.size() != expected {
            return Err(EngineError::Codes { expected, got: codes.size() });
        }
        let spec = self.task.spec();
        let codes = codes.detach().to_kind(spec.kind).to_device(spec.device);
        let target = self.encode(obs)?;
        self.memory = Memory { index: self.memory.index, ..Memory::default() };
        if self.start.is_some() {
            return self.begin_proposed(obs, target, &codes);
        }
        let own = self.landscape.steps().map(|steps| OwnSteps::new(steps, &codes, obs)).ok_or(EngineError::NoStart)?;
        let (z, prior) = (own.origin(), Prior::standard(self.config.prior_weight, self.task.spec()));
        self.descend_from((target, prior), obs, Some(own), Beginning::at(&z))?;
        self.announce(obs);
        Ok(())
    }

    /// The landscape's own steps, with which a cold descent begins.
    fn own_steps(&self, obs: &Observation, shared: bool) -> Option<OwnSteps> {
        if self.config.warm_start && self.memory.warm.is_some() {
            return None;
        }
        let steps = self.landscape.steps()?;
        let codes = steps.code_of_each(self.config.hypotheses);
        Some(OwnSteps::new(steps, &if shared { codes } else { codes.zeros_like() }, obs))
    }

    /// Starts from what is proposed for `codes`, `[K, C]`, or from the last best points, row by row.
    fn begin_proposed(&mut self, obs: &Observation, target: Target, codes: &Tensor) -> Result<(), EngineError> {
        let Some(start) = &self.start else { return Err(EngineError::NoStart) };
        let (spec, config, sampler) = (self.task.spec(), &self.config, &mut self.sampler);
        let z = match (start.landscape(), &mut self.proposer) {
            (Some(theta), Some(proposer)) => {
                proposer.propose((self.task.as_ref(), theta), (obs, &target), codes, sampler)?
            }
            _ => guarded(self.task.as_ref(), || start.propose(obs, spec, codes).ok_or(EngineError::NoStart))?,
        };
        let warm = self.memory.warm.as_ref().filter(|_| config.warm_start).map(|warm| over(&warm.z, &z));
        let elapsed = obs.expected.as_ref().map(|expected| expected.elapsed).filter(|_| is_shared(&target));
        let prior = guarded(self.task.as_ref(), || {
            let mut centre = self.landscape.map(&z);
            if let (Some(warm), Some(elapsed)) = (&warm, elapsed) {
                let share = (-elapsed / config.continuity.max(f64::MIN_POSITIVE)).exp();
                centre = &centre + (self.landscape.map(warm) - &centre) * share;
            }
            Ok(Prior::around(&centre, codes, config.start_weight, obs, spec))
        })?;
        self.descend_from((target, prior), obs, None, Beginning { warm: warm.as_ref(), ..Beginning::at(&z) })?;
        if let (Some(session), Some(elapsed)) = (self.session.as_mut(), elapsed) {
            session.lead = Some((self.memory.leader, elapsed));
        }
        self.announce(obs);
        Ok(())
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
        let prior = Prior::standard(self.config.prior_weight, spec);
        self.memory.linearised = None;
        self.descend_from((target, prior), obs, None, Beginning::at(&z))?;
        self.announce(obs);
        Ok(())
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
        let Self { task, landscape, config, sampler, session, observers, native, ahead, .. } = self;
        let session = session.as_mut().ok_or(EngineError::NotBegun)?;
        // Tensors are made for those who look only.
        let z_before = observers.see_steps().then(|| session.descent.z());
        let score = session.score();
        let Session { target, prior, own, descent, .. } = session;
        let ground = Ground { task: task.as_ref(), landscape, config, native: native.as_ref(), gpu: None };
        let status = ground.step(descent, (target, prior), own, (*ahead, sampler))?;
        (session.solution, session.stop) = (None, None);
        if let Some(z_before) = &z_before {
            let descent = &session.descent;
            let (index, z) = (descent.statistics().steps, descent.z());
            let (loss, best) = (descent.loss(), descent.best_loss());
            let event = Event::Step { index, z_before, z: &z, loss, best, status };
            observers.notify(&event, session.score() < score);
        }
        Ok(status)
    }

    /// The best points so far; none before the first observation.
    ///
    /// Ranked when asked for, and kept until the next step.
    pub fn solution(&mut self) -> Option<&Solution> {
        let _no_grad = tch::no_grad_guard();
        let (landscape, output) = (self.landscape.id(), &self.task.spec().output);
        self.session.as_mut().map(|session| session.solution(landscape, output))
    }

    /// Reports joints `found`, `[K][J]`, of the present solution: with what time makes likely, where that is known.
    pub(crate) fn report(&mut self, found: Vec<Vec<f64>>) -> Report {
        let before = self.memory.offset.as_deref();
        let Some(session) = self.session.as_mut().filter(|session| session.is_shared) else {
            return Report { joints: found, ..Report::default() };
        };
        let report = session.reading.report(found, before, &self.config.report, self.task.spec());
        session.offset.clone_from(&report.offset);
        report
    }

    fn encode(&mut self, obs: &Observation) -> Result<Target, EngineError> {
        self.end_session();
        let target = guarded(self.task.as_ref(), || Ok(self.task.encode(obs)?))?;
        let (rows, hypotheses) = (target.value.size()[0], self.config.hypotheses);
        if rows != 1 && rows != hypotheses as i64 {
            return Err(EngineError::Rows { rows, hypotheses });
        }
        self.memory.index += 1;
        self.sampler.begin(self.memory.index);
        Ok(target)
    }

    fn descend_from(
        &mut self,
        (target, prior): (Target, Prior),
        obs: &Observation,
        own: Option<OwnSteps>,
        beginning: Beginning<'_>,
    ) -> Result<(), EngineError> {
        let Self { task, landscape, config, sampler, native, spare, accelerator, ahead, memory, .. } = self;
        let linearised = memory.linearised.as_ref().filter(|_| config.warm_start);
        let beginning = Beginning { own: own.as_ref(), linearised, ..beginning };
        let gpu = accelerator.as_ref().and_then(Accelerator::model).map(|model| (model, *ahead));
        let ground = Ground { task: task.as_ref(), landscape, config, native: native.as_ref(), gpu };
        let descent = ground.descend((&target, &prior), beginning, spare.take(), sampler)?;
        let (is_shared, lead, stop, solution) = (is_shared(&target), None, None, None);
        let (stamp_nanos, reading, offset) = (obs.stamp_nanos, Reading::of(obs), None);
        let session =
            Session { target, is_shared, prior, own, stamp_nanos, reading, offset, lead, descent, stop, solution };
        self.session = Some(session);
        Ok(())
    }

    /// Tells observers where the descent begins.
    fn announce(&mut self, obs: &Observation) {
        let Self { session, observers, memory, .. } = self;
        if let (Some(Session { descent, .. }), false) = (session, observers.is_empty()) {
            observers.notify(&Event::Begin { obs, memory, z: &descent.z(), loss: descent.loss() }, true);
        }
    }

    /// Keeps the best points of the present observation for the next one.
    fn end_session(&mut self) {
        if let Some(session) = self.session.take() {
            self.memory.leader = Leader::of(session.lead, session.descent.best_loss());
            self.memory.offset = session.offset;
            self.memory.linearised = session.descent.linearised();
            self.memory.warm =
                Some(WarmStart { z: session.descent.best_z(), loss: session.descent.best_loss().to_vec() });
            if let Descent::Fused(descent) = session.descent {
                self.spare = Some(descent);
            }
        }
    }

    fn starting_points(&mut self, shared: bool) -> Tensor {
        let (hypotheses, dim) = (self.config.hypotheses, self.landscape.dim());
        let Some(warm) = self.memory.warm.as_ref().filter(|_| self.config.warm_start) else {
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
}

impl Session {
    /// The best loss: the least when all rows share the observation, the mean of the rows' best otherwise.
    fn score(&self) -> f64 {
        let loss = self.descent.best_loss();
        if self.is_shared {
            return loss.iter().copied().fold(f64::INFINITY, f64::min);
        }
        loss.iter().sum::<f64>() / loss.len() as f64
    }

    fn solution(&mut self, landscape: &str, output: &[i64]) -> &Solution {
        let leader = Leader::of(self.lead, self.descent.best_loss());
        let Self { is_shared, stamp_nanos, descent, stop, solution, .. } = self;
        solution.get_or_insert_with(|| {
            let best = descent.best(output);
            let order = || leader.map_or_else(|| rank(&best.loss), |leader| leader.order(&best.loss));
            let point = if *is_shared { best.select(&order()) } else { best };
            Solution::new(point, descent.statistics(), *stamp_nanos, landscape.to_owned(), *stop)
        })
    }
}

/// Whether one observation is explained by all hypotheses.
pub(crate) fn is_shared(target: &Target) -> bool {
    target.value.size()[0] == 1
}

/// Puts the rows of `kept`, `[N, Z]`, over the first rows of `z`, `[K, Z]`.
fn over(kept: &Tensor, z: &Tensor) -> Tensor {
    let (have, want) = (kept.size()[0], z.size()[0]);
    let kept = kept.narrow(0, 0, have.min(want));
    Tensor::cat(&[&kept, &z.narrow(0, have.min(want), want - have.min(want))], 0)
}
