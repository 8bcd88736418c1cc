//! Loss against milliseconds: whole observations, one pose at a time, against the clock.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use thalweg_task::lock;

use crate::eval::lbfgs;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};
use thalweg_engine::{Cadence, Engine, Event, Observer, Status};
use thalweg_task::{Observation, Task};
use thalweg_task::{mean, percentile};

use super::arms::{Arm, Begin, Method, together};
use super::cases::{Case, Poses};
use super::descent::{Descent, Setting, drawn, evaluate};
use super::masks::NOTHING;
use super::store::Store;
use super::tuning;
use super::world::{Loss, World};

/// Budgets that are reported, milliseconds from the moment the observation is there.
pub(super) const BUDGETS_MS: [f64; 6] = [0.5, 1.0, 2.0, 5.0, 10.0, 20.0];
/// Validation poses on which rate and number of hypotheses are chosen, at most: each costs real time.
const VALIDATION: usize = 24;
const SEED: u64 = 1_000;

/// What may be chosen for a solve against the clock.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Candidate {
    pub(super) rate: f64,
    /// Number K of hypotheses of the solve.
    pub(super) hypotheses: usize,
}

/// One method at one budget on one test set, one value for each seed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Budgeted {
    pub(super) arm: String,
    pub(super) test: String,
    pub(super) budget_ms: f64,
    pub(super) candidate: Candidate,
    /// Mean of the best loss; before there is an answer, the loss of F at zero counts.
    pub(super) loss: Vec<f64>,
    /// Share of the poses that have an answer.
    pub(super) answered: Vec<f64>,
    /// Median time of one step, milliseconds.
    pub(super) step_ms: Vec<f64>,
}

/// Share of the poses below which a method counts as having no answer within a budget. A guess:
/// one pose in sixty-four may meet something else that the machine does.
const ANSWERED: f64 = 0.98;

impl Budgeted {
    /// Whether the budget is enough for an answer, as a rule.
    pub(super) fn has_answer(&self) -> bool {
        mean(&self.answered).is_some_and(|share| share >= ANSWERED)
    }
}

/// What is measured of one candidate: losses and answers at each budget, and the time of a step.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Measured {
    arm: String,
    candidate: Candidate,
    loss: Vec<f64>,
    answered: Vec<f64>,
    step_ms: f64,
}

fn arms(world: &World) -> Vec<&'static Arm> {
    world.arms(|arm| arm.is_curve())
}

/// How many blocks there will be.
pub(super) fn count(world: &World) -> usize {
    1 + world.tests.len() * world.sizes.seeds as usize
}

/// Chooses on validation poses, then measures.
///
/// Each method solves all poses, then the next one does, and so on for a few rounds: a node has one
/// engine too, whose weights stay in the caches. `rows` keeps what there is, should it end early.
pub(super) fn measure(world: &World, store: &mut Store, rows: &mut Vec<Budgeted>) -> anyhow::Result<()> {
    let budgets: Vec<f64> = BUDGETS_MS.into_iter().filter(|ms| *ms <= world.sizes.longest_ms).collect();
    let together = together(arms(world));
    let tuned = store.once(&format!("tuning of budgets/{together}"), || {
        let count = world.sizes.validation.min(VALIDATION);
        run(world, candidates(world), world.validation.sample(count, SEED), &budgets, SEED)
    })?;
    // The choice of each method at each budget.
    let mut choices = Vec::new();
    for arm in arms(world) {
        for (index, budget) in budgets.iter().enumerate() {
            let of_arm = tuned.iter().filter(|measured| measured.arm == arm.key);
            let best = of_arm.min_by(|a, b| a.loss[index].total_cmp(&b.loss[index]));
            choices.extend(best.map(|best| (arm, *budget, best.candidate)));
        }
    }
    for test in &world.tests {
        let seeds = world.sizes.all_seeds().map(|seed| {
            store.once(&format!("budgets/{}/seed {seed}/{together}", test.name), || {
                let mut chosen: Vec<_> = choices.iter().map(|(arm, _, candidate)| (*arm, *candidate)).collect();
                chosen.dedup_by(|a, b| a.0.key == b.0.key && a.1 == b.1);
                run(world, unique(&chosen), test.poses.sample(world.sizes.timed, seed), &budgets, seed)
            })
        });
        let seeds = seeds.collect::<anyhow::Result<Vec<_>>>()?;
        let row = |(arm, budget, candidate): &(&Arm, f64, Candidate)| {
            collect(&seeds, arm, test.name, &budgets, (*budget, *candidate))
        };
        rows.extend(choices.iter().map(row));
    }
    Ok(())
}

fn unique(chosen: &[(&'static Arm, Candidate)]) -> Vec<(&'static Arm, Candidate)> {
    let mut unique: Vec<(&'static Arm, Candidate)> = Vec::new();
    for (arm, candidate) in chosen {
        if !unique.iter().any(|(other, also)| other.key == arm.key && also == candidate) {
            unique.push((arm, *candidate));
        }
    }
    unique
}

fn collect(
    seeds: &[Vec<Measured>],
    arm: &Arm,
    test: &str,
    budgets: &[f64],
    (budget_ms, candidate): (f64, Candidate),
) -> Budgeted {
    let index = budgets.iter().position(|budget| *budget == budget_ms).unwrap_or(0);
    let of =
        |seed: &'_ Vec<Measured>| seed.iter().find(|one| one.arm == arm.key && one.candidate == candidate).cloned();
    let found: Vec<Measured> = seeds.iter().filter_map(of).collect();
    Budgeted {
        arm: arm.key.to_owned(),
        test: test.to_owned(),
        budget_ms,
        candidate,
        loss: found.iter().map(|one| one.loss[index]).collect(),
        answered: found.iter().map(|one| one.answered[index]).collect(),
        step_ms: found.iter().map(|one| one.step_ms).collect(),
    }
}

/// Every rate with every number of hypotheses; several starts are a number of hypotheses here.
fn candidates(world: &World) -> Vec<(&'static Arm, Candidate)> {
    let mut all = Vec::new();
    for arm in arms(world) {
        // Whole observations need no prior.
        let is_alone = matches!(arm.method, Method::Lbfgs | Method::Start) || arm.begin != Begin::Drawn;
        let populations = match arm.starts {
            1 if is_alone => vec![1],
            1 => world.sizes.populations.clone(),
            starts => vec![starts],
        };
        for setting in tuning::settings_without_prior(world, arm) {
            all.extend(populations.iter().map(|&hypotheses| (arm, Candidate { rate: setting.rate, hypotheses })));
        }
    }
    all
}

/// Solves all poses with one candidate after the other.
fn run(
    world: &World,
    candidates: Vec<(&'static Arm, Candidate)>,
    poses: Poses,
    budgets: &[f64],
    seed: u64,
) -> anyhow::Result<Vec<Measured>> {
    let case = Case::new(poses, NOTHING, seed)?;
    let task = world.task(Loss::AxisAngle)?;
    let mut solvers = candidates
        .into_iter()
        .map(|(arm, candidate)| Solver::new(world, arm, candidate, seed))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let limit = Duration::from_secs_f64(world.sizes.longest_ms / 1e3);
    let obs = case.observation();
    let rows: Vec<Observation> =
        (0..case.poses.count()).map(|pose| obs.select_rows(&Tensor::from_slice(&[pose]))).collect();
    let mut events: Vec<Vec<Vec<Events>>> = vec![vec![Vec::new(); rows.len()]; solvers.len()];
    // Rounds are far apart in time: what else the machine does seldom lasts so long.
    for _ in 0..world.sizes.rounds {
        for (solver, poses) in solvers.iter_mut().zip(&mut events) {
            for (pose, row) in rows.iter().enumerate() {
                poses[pose].push(solver.solve(world, row, seed << 32 | pose as u64, limit)?);
            }
        }
    }
    let zero = vec![0.0; task.spec().latent as usize];
    let at_zero = |row: &Observation| Ok(evaluate(task.as_ref(), &task.encode(row)?, &zero)?.0);
    let at_zero = rows.iter().map(at_zero).collect::<anyhow::Result<Vec<f64>>>()?;
    Ok(solvers.iter().zip(&events).map(|(solver, events)| solver.measured(events, &at_zero, budgets)).collect())
}

/// When, from the moment the observation is there, which loss was the best so far.
type Events = Vec<(Duration, f64)>;

/// One method that solves one pose after the other.
pub(super) struct Solver {
    arm: &'static Arm,
    candidate: Candidate,
    /// None where the method does not run through the engine.
    engine: Option<(Engine, Arc<Mutex<Watch>>)>,
    task: Box<dyn Task>,
}

impl Solver {
    fn new(world: &World, arm: &'static Arm, candidate: Candidate, seed: u64) -> anyhow::Result<Self> {
        let setting = Setting { rate: candidate.rate, prior_weight: 0.0, steps: 0 };
        let descent = Descent { world, arm, setting, loss: Loss::AxisAngle, seed };
        let engine = arm.is_engine().then(|| -> anyhow::Result<_> {
            let mut engine = descent.build(candidate.hypotheses, seed)?;
            let watch = Arc::new(Mutex::new(Watch { start: Instant::now(), events: Vec::new() }));
            engine.add_observer(Cadence::Always, Box::new(Arc::clone(&watch)));
            Ok((engine, watch))
        });
        Ok(Self { arm, candidate, engine: engine.transpose()?, task: world.task(Loss::AxisAngle)? })
    }

    /// Solves until the time is over, the beginning included; where it starts depends on `seed` alone.
    fn solve(&mut self, world: &World, obs: &Observation, seed: u64, limit: Duration) -> anyhow::Result<Events> {
        let Some((engine, watch)) = &mut self.engine else {
            return library(self.task.as_ref(), obs, seed, limit);
        };
        let z = drawn(seed, self.candidate.hypotheses as i64, engine.landscape().dim());
        let start = Instant::now();
        *lock(watch) = Watch { start, events: Vec::new() };
        match self.arm.begin {
            Begin::Amortised | Begin::Own | Begin::Steps | Begin::Examples => engine.begin(obs)?,
            Begin::Drawn => engine.begin_from(obs, &z)?,
            Begin::Zero | Begin::Encoder => engine.begin_from(obs, &world.begin(self.arm, obs, 1).unwrap_or(z))?,
        }
        while self.arm.method != Method::Start && start.elapsed() < limit {
            if engine.refine()? == Status::Converged {
                break;
            }
        }
        Ok(std::mem::take(&mut lock(watch).events))
    }

    /// Means over poses. Of the rounds of one pose, which differ by the clock alone, the median counts.
    fn measured(&self, poses: &[Vec<Events>], at_zero: &[f64], budgets: &[f64]) -> Measured {
        let best = |events: &Events, budget: f64| {
            let in_time = events.iter().take_while(|(at, _)| at.as_secs_f64() * 1e3 <= budget);
            in_time.last().map(|(_, loss)| *loss)
        };
        let over_poses = |of: &dyn Fn(Option<f64>, f64) -> f64| -> Vec<f64> {
            let at = |budget: &f64| {
                let rounds = poses.iter().zip(at_zero).map(|(rounds, zero)| {
                    let values: Vec<f64> = rounds.iter().map(|events| of(best(events, *budget), *zero)).collect();
                    percentile(&values, 0.5).unwrap_or(f64::NAN)
                });
                mean(&rounds.collect::<Vec<_>>()).unwrap_or(f64::NAN)
            };
            budgets.iter().map(at).collect()
        };
        let pairs = poses.iter().flatten().flat_map(|events| events.windows(2));
        let steps: Vec<f64> = pairs.map(|pair| (pair[1].0 - pair[0].0).as_secs_f64() * 1e3).collect();
        Measured {
            arm: self.arm.key.to_owned(),
            candidate: self.candidate,
            loss: over_poses(&|loss, zero| loss.unwrap_or(zero)),
            answered: over_poses(&|loss, _| f64::from(u8::from(loss.is_some()))),
            step_ms: percentile(&steps, 0.5).unwrap_or(0.0),
        }
    }
}

/// L-BFGS in x, every evaluation an event.
fn library(task: &dyn Task, obs: &Observation, seed: u64, limit: Duration) -> anyhow::Result<Events> {
    let z = Vec::<f64>::try_from(drawn(seed, 1, task.spec().latent).view(-1).to_kind(Kind::Double))?;
    let start = Instant::now();
    let target = task.encode(obs)?;
    let mut events: Events = Vec::new();
    let events_of = std::cell::RefCell::new(&mut events);
    let evaluated = |point: &[f64]| {
        let (loss, gradient) = evaluate(task, &target, point)?;
        let mut events = events_of.borrow_mut();
        let best = events.last().map_or(loss, |(_, best): &(Duration, f64)| best.min(loss));
        events.push((start.elapsed(), best));
        Ok((loss, gradient))
    };
    lbfgs::descend(&evaluated, &z, u32::MAX, &mut |_, _, _| start.elapsed() < limit)?;
    Ok(events)
}

/// Notes when the best loss was what.
struct Watch {
    start: Instant,
    events: Events,
}

impl Observer for Watch {
    fn observe(&mut self, event: &Event<'_>) {
        let least = |losses: &[f64]| losses.iter().copied().fold(f64::INFINITY, f64::min);
        let best = match event {
            Event::Begin { loss, .. } => least(loss),
            Event::Step { best, .. } => least(best),
            Event::End { .. } => return,
        };
        self.events.push((self.start.elapsed(), best));
    }
}
