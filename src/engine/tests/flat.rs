//! Memory stays flat however many observations are solved: natively, and on a GPU, in software where there is none.
//!
//! A process of its own, for what other tests take would be counted.
#![allow(clippy::disallowed_methods, reason = "a test reads what the system says of it")]

use thalweg::clock::ManualClock;
use thalweg::{Plan, Registry};
use thalweg_engine::gpu::{Gpu, GpuChoice, adapters};
use thalweg_engine::{Backend, Budget, Engine};
use thalweg_task::{Observation, draws, numbers};

use rand::SeedableRng;
use rand::rngs::StdRng;

/// Solves: natively, and on a GPU, which takes longer in software; a tenth of them come first and do not count.
const NATIVELY: usize = 100_000;
const ON_A_GPU: usize = 1_000;
/// Steps of each.
const STEPS: u32 = 2;
/// What memory may grow by all the same, KiB: an allocator keeps pages.
const MOST: i64 = 2048;

/// Resident memory of this process, KiB.
fn resident() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("it is there");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it is told");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// The shipped scripted model, 3-48-48-8.
fn engine() -> Engine {
    let plan = Plan { automatic_optimizer: false, ..Plan::of(Registry::shipped(), "scripted") };
    plan.load().expect("the shipped model").0
}

/// Solves another observation each time; gives how much memory has grown, KiB.
fn grown(mut engine: Engine, solves: usize, backend: Backend) -> i64 {
    let mut random = StdRng::seed_from_u64(1);
    let seen = numbers::<f64>(&draws::uniform(&mut random, &[64, 8]));
    let observations: Vec<Observation> =
        seen.chunks(8).map(|row| Observation::of_joints(&tch::Tensor::from_slice(row).view([1, 8]))).collect();
    let (clock, budget) = (ManualClock::default(), Budget::of_steps(STEPS));
    let mut solve = |count: usize| {
        for observation in observations.iter().cycle().take(count) {
            engine.solve(observation, &budget, &clock).expect("it is solved");
        }
    };
    solve(solves / 10);
    let before = resident();
    solve(solves);
    assert_eq!(engine.backend(), backend);
    resident() - before
}

#[test]
#[expect(clippy::print_stderr, reason = "figures, and a skipped test says so")]
fn memory_stays_flat() {
    let native = grown(engine(), NATIVELY, Backend::Fused);
    eprintln!("natively, {NATIVELY} solves: {native} KiB");
    assert!(native <= MOST, "{native} KiB after {NATIVELY} solves natively");
    if adapters().is_empty() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "in CI a software adapter must be there");
        eprintln!("skipped: no GPU and no software in its place; tools/setup_graphics.sh --compute installs it");
        return;
    }
    let gpu = Gpu::open(&GpuChoice::Index(0)).expect("it is there");
    let mut on_gpu = engine();
    on_gpu.use_gpu(&gpu).expect("dense layers in single precision");
    let on_gpu = grown(on_gpu, ON_A_GPU, Backend::Gpu);
    eprintln!("on {}, {ON_A_GPU} solves: {on_gpu} KiB", gpu.report());
    assert!(on_gpu <= MOST, "{on_gpu} KiB after {ON_A_GPU} solves on a GPU");
}
