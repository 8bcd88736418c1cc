//! Whether a GPU is worth it: what `device: auto` measures before it loads an engine.
//!
//! Both sides solve the same short stream of observations, which the task makes itself, with warm starts, each as it would
//! be run: natively within the plan's budget and by the plan's optimizer, as a rule Levenberg-Marquardt; on the GPU by Adam,
//! without a deadline, with as many steps as it takes until the losses are those that the processor reached. The GPU is
//! taken where it is there in less time. All of it runs on a thread of its own, which is left behind where a driver hangs.

mod search;

use std::fmt;
use std::sync::Mutex;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread::Builder;
use std::time::Duration;

use tch::{Device, Kind, Tensor};
use thalweg_engine::gpu::{AdapterReport, GpuChoice, GpuError, find};
use thalweg_engine::{Backend, Budget, Clock, Engine, EngineError, Memory};
use thalweg_task::{Observation, Task, TaskError, guarded, lock, panic_line};

use crate::clock::SystemClock;
use crate::plan::{LoadError, Plan};
use search::{End, Found, Side, search};

/// How long solves are timed, on both sides together.
const MEASURED: Duration = Duration::from_secs(1);
/// How long all of it may take: a driver is loaded, and a shader compiled, beside solves.
const PATIENCE: Duration = Duration::from_secs(10);
/// Turns of the same stream, of which the fastest counts: what else the machine does can only add to it.
const ROUNDS: usize = 5;
/// Observations of a stream; the first one, which has no warm start, is solved and not counted.
const FRAMES: i64 = 5;
/// Nanoseconds between two of them, and how far the waves have gone on by then, radians.
const PERIOD: (i64, f64) = (10_000_000, 0.05);
/// The most steps that are tried where a budget has no limit of its own. A guess: more than a deadline leaves time for.
const MOST_STEPS: u32 = 512;

/// What a comparison of a GPU with the processor has found; displayed, it is a sentence.
#[derive(Clone, Debug, PartialEq)]
pub enum GpuTrial {
    /// Both were timed.
    Measured(Measured),
    /// They could not be: the processor is taken.
    Failed(GpuTrialError),
}

/// Times of both sides.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// The GPU.
    pub adapter: AdapterReport,
    /// Number K of hypotheses.
    pub hypotheses: usize,
    /// How hypotheses move natively.
    pub method: &'static str,
    /// Time of a solve natively.
    pub native: Duration,
    /// Time of a solve on the GPU.
    pub gpu: Duration,
    /// Steps of that solve.
    pub steps: u32,
    /// Mean of the losses natively, and on the GPU after so many steps.
    pub losses: [f64; 2],
    /// Whether the GPU reaches the loss of the processor, and in less time.
    pub is_faster: bool,
    /// How the search for the number of steps ended.
    end: End,
}

/// Why nothing could be compared.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum GpuTrialError {
    /// There is no GPU, or it is of no use.
    #[error(transparent)]
    Gpu(#[from] GpuError),
    /// The task does not run natively, so nothing of it would run on a GPU.
    #[error("task {task} is no dense layers in single precision on the processor")]
    NotDense {
        /// Name of the task.
        task: String,
    },
    /// The descent stays on the processor.
    #[error("a descent of task {task} by {method} stays on the processor")]
    NotThere {
        /// Name of the task.
        task: String,
        /// How hypotheses move.
        method: &'static str,
    },
    /// An engine for it cannot be loaded.
    #[error("{0}")]
    Load(String),
    /// The task's own observation cannot be solved.
    #[error("no solve of what the task itself makes: {0}")]
    Solve(String),
    /// It takes too long.
    #[error("no answer within {seconds} s; the thread that waits for the driver is left behind")]
    Late {
        /// How long was waited.
        seconds: u64,
    },
    /// It panicked.
    #[error("the comparison failed: {0}")]
    Panicked(String),
}

impl From<LoadError> for GpuTrialError {
    fn from(error: LoadError) -> Self {
        Self::Load(error.to_string())
    }
}

impl From<EngineError> for GpuTrialError {
    fn from(error: EngineError) -> Self {
        Self::Solve(error.to_string())
    }
}

impl From<TaskError> for GpuTrialError {
    fn from(error: TaskError) -> Self {
        Self::Solve(error.to_string())
    }
}

impl GpuTrial {
    /// Whether the GPU is to be taken.
    #[must_use]
    pub fn is_faster(&self) -> bool {
        matches!(self, Self::Measured(Measured { is_faster: true, .. }))
    }
}

impl fmt::Display for GpuTrial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Measured(measured) => measured.fmt(f),
            Self::Failed(error) => write!(f, "cpu, for nothing could be compared: {error}"),
        }
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { adapter, hypotheses, method, native, gpu, steps, losses, is_faster, end } = self;
        let millis = |time: &Duration| time.as_secs_f64() * 1e3;
        let chosen = if *is_faster { "gpu" } else { "cpu" };
        let (native, gpu) = (millis(native), millis(gpu));
        write!(f, "{chosen}: with K = {hypotheses} the processor takes {native:.2} ms for a solve by {method}, ")?;
        let count = if *steps == 1 { "one step".to_owned() } else { format!("{steps} steps") };
        write!(f, "{adapter} {gpu:.2} ms for {count} of adam")?;
        let [native, gpu] = losses;
        match end {
            End::Reached => write!(f, " to the same loss"),
            End::Slower | End::OutOfSteps => write!(f, ", whose loss is {gpu:.3e} in place of {native:.3e}"),
            End::OutOfTime => write!(f, ", after which the time of the comparison was over"),
        }
    }
}

/// What was measured in this process, by adapter and all that a solve depends on.
static KNOWN: Mutex<Vec<(AdapterReport, String, Measured)>> = Mutex::new(Vec::new());

impl Plan {
    /// Finds out whether a GPU reaches the losses that the processor does in less time, for this task, landscape, start,
    /// optimizer, budget and number of hypotheses: as is said in docs/performance.md. It takes about a second, ten at the
    /// most, or nothing where this process has measured the same before.
    #[must_use]
    pub fn compare_gpu(&self, choice: &GpuChoice) -> GpuTrial {
        let (reply, answer) = channel();
        let (plan, choice) = (self.clone(), choice.clone());
        let compare = move || {
            // Unwind safe: what was being built is dropped.
            let result = guarded(|| compare(&plan, &choice));
            let panicked = |panic| GpuTrialError::Panicked(panic_line(Box::as_ref(&panic)).to_owned());
            // Nobody waits any longer for what took too long.
            drop(reply.send(result.map_err(panicked).flatten()));
        };
        if let Err(error) = Builder::new().name("compare".to_owned()).spawn(compare) {
            return GpuTrial::Failed(GpuTrialError::Load(format!("no thread: {error}")));
        }
        match answer.recv_timeout(PATIENCE) {
            Ok(Ok(measured)) => GpuTrial::Measured(measured),
            Ok(Err(error)) => GpuTrial::Failed(error),
            Err(RecvTimeoutError::Timeout) => GpuTrial::Failed(GpuTrialError::Late { seconds: PATIENCE.as_secs() }),
            Err(RecvTimeoutError::Disconnected) => {
                GpuTrial::Failed(GpuTrialError::Panicked("its thread has ended".to_owned()))
            }
        }
    }

    /// The comparison that this plan asks for, told to the log; none where it does not leave the device open, or libtorch
    /// computes elsewhere than on the processor.
    pub(crate) fn compare_automatic(&self) -> Option<GpuTrial> {
        let choice = self.gpu.as_ref().filter(|_| self.automatic_gpu && self.options.device == Device::Cpu)?;
        let trial = self.compare_gpu(choice);
        match &trial {
            GpuTrial::Measured(_) | GpuTrial::Failed(GpuTrialError::Gpu(_) | GpuTrialError::NotDense { .. }) => {
                tracing::info!("device auto: {trial}");
            }
            GpuTrial::Failed(_) => tracing::warn!("device auto: {trial}"),
        }
        Some(trial)
    }
}

/// Measures, or remembers what was measured.
fn compare(plan: &Plan, choice: &GpuChoice) -> Result<Measured, GpuTrialError> {
    let adapter = find(choice)?;
    let (native, loaded) = Plan { gpu: None, ..plan.clone() }.load()?;
    if native.backend() != Backend::Fused {
        return Err(GpuTrialError::NotDense { task: loaded.spec.name });
    }
    let (models, engine) = ((&loaded.spec, &loaded.landscape_id, &loaded.start_id), &plan.engine);
    let models = (&models.0.name, &models.0.fingerprint, models.1, models.2);
    let what = format!("{models:?} {engine:?} {:?} {} {}", plan.budget, plan.automatic_optimizer, plan.threads);
    let is_same = |known: &&(AdapterReport, String, Measured)| known.0 == adapter && known.1 == what;
    if let Some((_, _, measured)) = lock(&KNOWN).iter().find(is_same) {
        return Ok(measured.clone());
    }
    let (on_gpu, there) = Plan { automatic_gpu: false, gpu: Some(choice.clone()), ..plan.clone() }.load()?;
    if let Some(trouble) = there.gpu_trouble {
        return Err(trouble.into());
    }
    let frames = stream(native.task())?;
    let measured = measure((native, on_gpu), &frames, plan, &adapter)?;
    lock(&KNOWN).push((adapter, what, measured.clone()));
    Ok(measured)
}

/// A motion of the task's own: waves of x, `[X]`, of which every fifth joint is hidden, three at a time.
fn stream(task: &dyn Task) -> Result<Vec<Observation>, GpuTrialError> {
    let spec = task.spec();
    let wave = |size: i64, pace: f64| Tensor::arange(size, (Kind::Double, Device::Cpu)) * pace;
    let x = (wave(FRAMES, PERIOD.1).unsqueeze(1) + wave(spec.latent, 1.3)).sin();
    let x = x.to_kind(spec.kind).to_device(spec.device);
    let seen = tch::no_grad(|| task.render(&task.forward(&x)?))?.as_observation(spec);
    let one = |frame: i64| {
        let mut obs = seen.select_rows(&Tensor::from_slice(&[frame]).to_device(spec.device));
        obs.stamp_nanos = (frame + 1) * PERIOD.0;
        if let Some(joints) = &obs.joints {
            let triple =
                Tensor::arange(joints.value().size()[1], (Kind::Int64, spec.device)).divide_scalar_mode(3, "floor");
            obs.joints = Some(joints.hide(&triple.remainder(5).ne(2)));
            // A node gets places from cameras, which not every robot has.
            obs.points = None;
        }
        obs
    };
    Ok((0..FRAMES).map(one).collect())
}

/// Solves a stream: the mean time and loss of a solve with a warm start.
fn run(engine: &mut Engine, frames: &[Observation], budget: &Budget) -> Result<Side, EngineError> {
    let (_no_grad, clock) = (tch::no_grad_guard(), SystemClock::default());
    // The same random numbers each time.
    engine.recall(Memory::default())?;
    let mut sum = Side { time: Duration::ZERO, loss: 0.0 };
    for (index, obs) in frames.iter().enumerate() {
        let begin = clock.now();
        let least = engine.solve(obs, budget, &clock)?.loss.first().copied().unwrap_or(f64::NAN);
        if index > 0 {
            sum = Side { time: sum.time + clock.now().saturating_sub(begin), loss: sum.loss + least };
        }
    }
    let count = u32::try_from(frames.len().saturating_sub(1)).unwrap_or(u32::MAX).max(1);
    Ok(Side { time: sum.time / count, loss: sum.loss / f64::from(count) })
}

/// The fastest of several turns, for which there is so much time, but one at least.
fn fastest(engine: &mut Engine, frames: &[Observation], budget: &Budget, time: Duration) -> Result<Side, EngineError> {
    let clock = SystemClock::default();
    let mut best = run(engine, frames, budget)?;
    for _ in 1..ROUNDS {
        if clock.now() >= time {
            break;
        }
        let one = run(engine, frames, budget)?;
        best = if one.time < best.time { one } else { best };
    }
    Ok(best)
}

fn measure(
    (mut native, mut on_gpu): (Engine, Engine),
    frames: &[Observation],
    plan: &Plan,
    adapter: &AdapterReport,
) -> Result<Measured, GpuTrialError> {
    // Steps are expected to cost what they did, and drivers compile at the first call.
    run(&mut native, frames, &plan.budget)?;
    run(&mut on_gpu, &frames[..1], &Budget::of_steps(1))?;
    let method = native.config().optimizer.name();
    if on_gpu.backend() != Backend::Gpu {
        on_gpu.gpu_trouble().map_or(Ok(()), Err)?;
        return Err(GpuTrialError::NotThere { task: plan.task.clone(), method });
    }
    let clock = SystemClock::default();
    let processor = fastest(&mut native, frames, &plan.budget, MEASURED / 4)?;
    let most = plan.budget.steps.unwrap_or(MOST_STEPS);
    let found = search(processor, most, |steps| {
        let left = MEASURED.saturating_sub(clock.now());
        if left.is_zero() {
            return Ok(None);
        }
        let budget = Budget { steps: Some(steps), deadline: None, ..plan.budget };
        fastest(&mut on_gpu, frames, &budget, left / 4).map(Some)
    })?;
    on_gpu.gpu_trouble().map_or(Ok(()), Err)?;
    let Found { steps, side, end } = found;
    Ok(Measured {
        adapter: adapter.clone(),
        hypotheses: plan.engine.hypotheses,
        method,
        native: processor.time,
        gpu: side.time,
        steps,
        losses: [processor.loss, side.loss],
        is_faster: end == End::Reached && side.is_faster_than(processor),
        end,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Registry;

    /// On the stream of a comparison Adam gets as low as Levenberg-Marquardt does, in many more steps: so it is the time of
    /// those that is compared. Here it takes them natively, where time is not asked.
    #[test]
    fn adam_gets_as_low_in_more_steps() {
        let plan = Plan { budget: Budget::of_tolerance(0.03), ..Plan::of(Registry::shipped(), "body_pose") };
        let (mut damped, loaded) = plan.load().unwrap();
        let (mut adam, _) = Plan { automatic_optimizer: false, ..plan.clone() }.load().unwrap();
        assert_eq!((loaded.optimizer, adam.config().optimizer.name()), ("levenberg_marquardt", "adam"));
        let frames = stream(damped.task()).unwrap();
        let patient = Side { time: Duration::MAX / 2, ..run(&mut damped, &frames, &plan.budget).unwrap() };
        let solved = |steps| run(&mut adam, &frames, &Budget { steps: Some(steps), ..plan.budget }).map(Some);
        let found = search(patient, MOST_STEPS, solved).unwrap();
        assert_eq!((found.steps, found.end), (128, End::Reached), "{found:?} {patient:?}");
        assert!(damped.solution().unwrap().statistics.steps < 10);
    }
}
