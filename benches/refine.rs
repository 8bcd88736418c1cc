//! Times a step of the engine on the body-pose task beside libtorch, PyTorch, JAX and what the machine could do.
//!
//! `cargo bench --bench refine`. All arms of a number of hypotheses take turns, and medians are printed, for other
//! programs disturb all of them then. `THALWEG_BENCH_PYTHON` names a python that has torch or jax.
#![allow(missing_docs, reason = "a program")]

#[path = "refine/machine.rs"]
mod machine;
#[path = "refine/peers.rs"]
mod peers;

use std::io::Write as _;
use std::time::{Duration, Instant};

use tch::{Device, Kind, Tensor};
use thalweg::engine::{BackendChoice, Engine, EngineConfig, LmConfig, Optimizer, pin_threads};
use thalweg::landscape::{Landscape, LandscapeShape};
use thalweg_task::{LoadOptions, Observation};

use machine::Machine;
use peers::Peers;

/// Numbers of hypotheses.
const HYPOTHESES: [usize; 4] = [1, 8, 32, 128];
/// Turns that each arm has.
const ROUNDS: usize = 25;
/// Steps of a turn: those of a short descent, from its first one.
const STEPS: u32 = 5;
/// Weights of theta, 128-512-512-32, and of F, 32-512-512-126.
const THETA: usize = 128 * 512 + 512 * 512 + 512 * 32;
const DECODER: usize = 32 * 512 + 512 * 512 + 512 * 126;

/// Where a descent takes place, and by which method.
#[derive(Clone, Copy, PartialEq)]
struct Descent {
    name: &'static str,
    in_z: bool,
    damped: bool,
}

const DESCENTS: [Descent; 3] = [
    Descent { name: "Adam in z", in_z: true, damped: false },
    Descent { name: "Adam in x", in_z: false, damped: false },
    Descent { name: "LM in x", in_z: false, damped: true },
];

impl Descent {
    fn weights(self) -> usize {
        DECODER + if self.in_z { THETA } else { 0 }
    }

    fn engine(self, backend: BackendChoice, hypotheses: usize) -> Engine {
        let task = (thalweg_body_pose::ENTRY.load)(&LoadOptions::default()).expect("the shipped weights are there");
        let shape = LandscapeShape::for_latent(task.spec().latent);
        let landscape = if self.in_z {
            Landscape::random(&shape, 1, Kind::Float, Device::Cpu).expect("the paper's widths are valid")
        } else {
            Landscape::identity(task.spec().latent)
        };
        let damped = Optimizer::LevenbergMarquardt(LmConfig::default());
        let optimizer = if self.damped { damped } else { Optimizer::default() };
        let config = EngineConfig { hypotheses, optimizer, fresh: 0, backend, ..EngineConfig::default() };
        Engine::new(task, landscape, config).expect("task, landscape and options fit")
    }
}

/// Angles of a bent body, one leg and one arm hidden.
fn observation() -> Observation {
    let mut angles: Vec<f32> = (0..63u8).map(|index| 0.4 * (f32::from(index) * 1.3).sin()).collect();
    for joint in [0, 3, 6, 9, 15, 17] {
        angles[3 * joint..3 * joint + 3].fill(f32::NAN);
    }
    Observation::of_joints(&Tensor::from_slice(&angles).view([1, 63]))
}

/// Microseconds of a step: the mean of the first few of a descent that starts where its backend's others do.
fn time(engine: &mut Engine, observation: &Observation) -> f64 {
    engine.reset();
    engine.begin(observation).expect("finite losses");
    let start = Instant::now();
    for _ in 0..STEPS {
        engine.refine().expect("perceptrons do not fail");
    }
    micros(start.elapsed()) / f64::from(STEPS)
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Medians of all arms of one descent, microseconds; a peer that is absent has none.
struct Row {
    fused: f64,
    tch: f64,
    peers: [Option<f64>; 2],
}

fn measure(descent: Descent, hypotheses: usize, peers: &mut Peers) -> Row {
    let observation = observation();
    let mut engines = [BackendChoice::Fused, BackendChoice::Tch].map(|backend| descent.engine(backend, hypotheses));
    let mut times = [const { Vec::new() }; 4];
    for round in 0..=ROUNDS {
        let mut turn: Vec<Option<f64>> = engines.iter_mut().map(|engine| Some(time(engine, &observation))).collect();
        for library in peers::LIBRARIES {
            turn.push(if descent.damped { None } else { peers.time(library, descent.in_z, hypotheses) });
        }
        // The first turn warms up.
        if round > 0 {
            times.iter_mut().zip(turn).for_each(|(times, time)| times.extend(time));
        }
    }
    let [fused, tch, torch, jax] = times.each_mut().map(|times| (!times.is_empty()).then(|| median(times)));
    let missing = "the engine's own arms always answer";
    Row { fused: fused.expect(missing), tch: tch.expect(missing), peers: [torch, jax] }
}

fn main() {
    pin_threads(1);
    let mut out = std::io::stdout();
    let mut say = |line: String| writeln!(out, "{line}").expect("standard output takes lines");
    let mut peers = Peers::start();
    say("microseconds of a step, medians, one thread".to_owned());
    say("| descent | K | roofline | fused | x roofline | tch autograd | x fused | PyTorch eager | JAX jit |".to_owned());
    say("|---|---|---|---|---|---|---|---|---|".to_owned());
    let mut machine = Machine::default();
    for descent in DESCENTS {
        for hypotheses in HYPOTHESES {
            machine.measure(descent.weights());
            let row = measure(descent, hypotheses, &mut peers);
            machine.measure(descent.weights());
            let roofline = (!descent.damped).then(|| machine.roofline(descent.weights(), hypotheses));
            let cell = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.0}"));
            let ratio = roofline.map_or_else(|| "-".to_owned(), |roofline| format!("{:.2}", row.fused / roofline));
            say(format!(
                "| {} | {hypotheses} | {} | {:.0} | {ratio} | {:.0} | {:.1} | {} | {} |",
                descent.name,
                cell(roofline),
                row.fused,
                row.tch,
                row.tch / row.fused,
                cell(row.peers[0]),
                cell(row.peers[1]),
            ));
        }
    }
    machine.describe().into_iter().chain(peers.describe()).for_each(say);
}
