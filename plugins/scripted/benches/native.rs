//! Times a scripted perceptron beside the same layers as a task in Rust, and beside body_pose; and how long it loads.
//!
//! `cargo bench --bench native`: the shipped model `hand`. `cargo bench --bench native -- FOLDER ..`: those in these folders,
//! such as `benches/layers.py` makes. Arms take turns in one run, and medians are divided.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a bench takes times and starts from folders")]
#![allow(missing_docs, reason = "a program")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rand::SeedableRng;
use rand::rngs::StdRng;
use tch::Tensor;
use thalweg_engine::landscape::Landscape;
use thalweg_engine::{AdamConfig, Backend, Engine, EngineConfig, Optimizer, pin_threads};
use thalweg_nn::Perceptron;
use thalweg_scripted::{ENTRY, PARAMETER};
use thalweg_task::{
    DenseForm, DenseHead, LoadOptions, Objective, Observation, Reconstruction, Result, Target, Task, TaskError,
    TaskSpec, draws, sampled,
};

/// Numbers of hypotheses.
const HYPOTHESES: [usize; 3] = [1, 8, 32];
/// Solves of each arm, and steps of each.
const ROUNDS: usize = 200;
const STEPS: u32 = 20;

/// The layers of a model as whoever writes Rust has them.
struct InRust {
    spec: TaskSpec,
    layers: Perceptron,
    weight: Tensor,
}

impl Task for InRust {
    fn spec(&self) -> &TaskSpec {
        &self.spec
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(self.layers.forward(x))
    }

    fn encode(&self, obs: &Observation) -> Result<Target> {
        let obs = obs.to(self.spec.kind, self.spec.device);
        obs.validate(&self.spec)?;
        let seen = obs.joints.as_ref().ok_or_else(|| TaskError::EmptyObservation {
            task: self.spec.name.clone(),
            observes: self.spec.observes().to_string(),
        })?;
        Ok(Target {
            value: seen.value().shallow_clone(),
            weight: seen.observed().to_kind(self.spec.kind) * &self.weight,
        })
    }

    fn objective(&self, y_hat: &Tensor, target: &Target) -> Result<Objective> {
        Ok(Objective::of_residual((y_hat - &target.value) * &target.weight))
    }

    fn render(&self, y_hat: &Tensor) -> Result<Reconstruction> {
        Ok(Reconstruction { joints: Some(y_hat.shallow_clone()), ..Reconstruction::default() })
    }

    fn dense(&self) -> Option<DenseForm<'_>> {
        Some(DenseForm { layers: &self.layers, head: DenseHead::Plain })
    }
}

fn load(folder: &Path) -> Box<dyn Task> {
    let mut options = LoadOptions::default();
    options.parameters.insert(PARAMETER.to_owned(), folder.to_str().expect("a path of UTF-8").into());
    (ENTRY.load)(&options).expect("a sound model")
}

/// The model of a folder, in Rust.
fn in_rust(folder: &Path) -> Option<InRust> {
    let task = load(folder);
    let layers = task.dense()?.layers.shallow_clone();
    let like = (task.spec().kind, task.spec().device);
    // The weight of its first joint, that of all here.
    let target = task.encode(&sampled(task.as_ref(), 1, &mut StdRng::seed_from_u64(1)).ok()?).ok()?;
    let weight = Tensor::ones([1], like) * target.weight.max();
    Some(InRust { spec: task.spec().clone(), layers, weight })
}

/// Median time of a solve of each task, microseconds; they take turns.
fn medians(tasks: Vec<Box<dyn Task>>, hypotheses: usize) -> Vec<f64> {
    let arm = |task: Box<dyn Task>| {
        let latent = task.spec().latent;
        let mut random = StdRng::seed_from_u64(2);
        let seen = sampled(task.as_ref(), 1, &mut random).expect("it runs");
        let x = draws::normal(&mut random, &[hypotheses as i64, latent]).to_kind(task.spec().kind);
        let optimizer = Optimizer::Adam(AdamConfig::default());
        let config = EngineConfig { hypotheses, fresh: 0, optimizer, ..EngineConfig::default() };
        let engine = Engine::new(task, Landscape::identity(latent), config).expect("they fit");
        (engine, seen, x)
    };
    let mut arms: Vec<_> = tasks.into_iter().map(arm).collect();
    let mut times = vec![Vec::new(); arms.len()];
    for round in 0..ROUNDS + 10 {
        for turn in 0..arms.len() {
            // Who comes first finds the caches as the last one left them.
            let arm = (turn + round) % arms.len();
            let ((engine, seen, x), times) = (&mut arms[arm], &mut times[arm]);
            let begin = Instant::now();
            engine.begin_from(seen, x).expect("it runs");
            for _ in 0..STEPS {
                engine.refine().expect("it runs");
            }
            if round >= 10 {
                times.push(begin.elapsed().as_secs_f64() * 1e6);
            }
            assert_eq!(engine.backend(), Backend::Fused, "all of them run natively");
        }
    }
    times.iter_mut().for_each(|times| times.sort_by(f64::total_cmp));
    times.iter().map(|times| times[times.len() / 2]).collect()
}

/// Runs something; milliseconds that pass, and of this thread's core: on a busy machine only the latter say much.
fn timed<T>(run: impl FnOnce() -> T) -> (T, [f64; 2]) {
    let core = || {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
    };
    let (begin, from) = (Instant::now(), core());
    let result = run();
    (result, [begin.elapsed().as_secs_f64() * 1e3, core() - from])
}

fn main() {
    pin_threads(1);
    let mut out = std::io::stdout();
    let mut folders: Vec<PathBuf> =
        std::env::args().skip(1).filter(|word| !word.starts_with("--")).map(PathBuf::from).collect();
    if folders.is_empty() {
        folders.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/scripted/hand"));
    }
    for folder in &folders {
        let (task, [wall, cpu]) = timed(|| load(folder));
        let (_, again) = timed(|| load(folder));
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        writeln!(
            out,
            "{name}: loads and is checked in {wall:.0} ms, {cpu:.0} ms of a core; again in {:.0} ms, {:.0} of a core",
            again[0], again[1]
        )
        .expect("stdout");
        if task.dense().is_none() {
            writeln!(out, "{name}: no perceptron").expect("stdout");
            continue;
        }
        let with_head = (thalweg_body_pose::ENTRY.load)(&LoadOptions::default()).expect("the shipped weights");
        let is_as_large = with_head.spec().latent == task.spec().latent && task.spec().joints.len() == 126;
        for hypotheses in HYPOTHESES {
            let mut tasks: Vec<Box<dyn Task>> = vec![load(folder), Box::new(in_rust(folder).expect("dense layers"))];
            if is_as_large {
                tasks.push((thalweg_body_pose::ENTRY.load)(&LoadOptions::default()).expect("the shipped weights"));
            }
            let times = medians(tasks, hypotheses);
            let step = |micros: &f64| micros / f64::from(STEPS);
            let told: Vec<String> = ["scripted", "in Rust", "body_pose"]
                .iter()
                .zip(&times)
                .map(|(name, micros)| format!("{name} {:.2} us", step(micros)))
                .collect();
            let ratio = times[0] / times[1];
            writeln!(out, "{name}, K = {hypotheses}: {} a step; scripted / in Rust {ratio:.3}", told.join(", "))
                .expect("stdout");
        }
    }
}
