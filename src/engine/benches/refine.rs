//! Times a step of the engine on the body-pose task beside libtorch, PyTorch, JAX and what the machine could do.
//!
//! `cargo bench --bench refine`; with `-- "Adam in x 8 1"` only the rows of that descent, K and number of threads. All
//! arms of a row take turns, and medians are printed beside the least, for other programs disturb all of them then.
//! With `-- busy` only two threads beside a busy core. `THALWEG_BENCH_PYTHON` names a python that has torch or jax.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a bench takes times and starts its peers")]
#![allow(missing_docs, reason = "a program")]

#[path = "refine/busy.rs"]
mod busy;
#[path = "refine/collect.rs"]
mod collect;
#[path = "refine/machine.rs"]
mod machine;
#[path = "refine/peers.rs"]
mod peers;

use std::io::Write as _;
use std::thread::sleep;
use std::time::{Duration, Instant};

use tch::{Device, Kind, Tensor};
use thalweg_engine::landscape::{Landscape, LandscapeShape};
use thalweg_engine::{AdamConfig, BackendChoice, Engine, EngineConfig, LmConfig, Optimizer, pin_threads};
use thalweg_task::{LoadOptions, Observation};

use machine::Machine;
use peers::Peers;

/// Numbers of hypotheses.
const HYPOTHESES: [usize; 4] = [1, 8, 32, 128];
/// Numbers of threads; one hypothesis is not divided.
const THREADS: [usize; 2] = [1, 2];
/// Turns that each arm has, fewer where they take longer than the time of a row.
const ROUNDS: usize = 25;
const FEWEST_ROUNDS: usize = 3;
const ROW: Duration = Duration::from_secs(7);
/// Steps of a turn, from the first one of a descent: as many as a solve of some milliseconds has, and those that
/// Levenberg-Marquardt needs to get near.
const ADAM_STEPS: u32 = 20;
const LM_STEPS: u32 = 5;
/// Time for the threads of other libraries to fall asleep after a turn; until then they spin, OpenMP 300,000 times.
const SETTLING: Duration = Duration::from_millis(20);
/// Weights of theta, 128-512-512-32, and of F, 32-512-512-126.
const THETA: usize = 128 * 512 + 512 * 512 + 512 * 32;
const DECODER: usize = 32 * 512 + 512 * 512 + 512 * 126;

/// Where a descent takes place, and by which method.
#[derive(Clone, Copy, PartialEq)]
struct DescentCase {
    name: &'static str,
    in_z: bool,
    damped: bool,
    /// Whether places of joints are seen as well.
    places: bool,
}

const ADAM_IN_Z: DescentCase = DescentCase { name: "Adam in z", in_z: true, damped: false, places: false };
const ADAM_IN_X: DescentCase = DescentCase { name: "Adam in x", in_z: false, ..ADAM_IN_Z };
const LM_IN_X: DescentCase = DescentCase { name: "LM in x", damped: true, ..ADAM_IN_X };
const DESCENTS: [DescentCase; 6] = [
    ADAM_IN_Z,
    ADAM_IN_X,
    DescentCase { name: "LM in z", damped: true, ..ADAM_IN_Z },
    LM_IN_X,
    DescentCase { name: "Adam in x, places", places: true, ..ADAM_IN_X },
    DescentCase { name: "LM in x, places", places: true, ..LM_IN_X },
];

impl DescentCase {
    fn weights(self) -> usize {
        DECODER + if self.in_z { THETA } else { 0 }
    }

    fn steps(self) -> u32 {
        if self.damped { LM_STEPS } else { ADAM_STEPS }
    }

    fn engine(self, backend: BackendChoice, hypotheses: usize, threads: usize) -> Engine {
        let mut options = LoadOptions::default();
        options.parameters.insert("point_weight".to_owned(), if self.places { 4.0 } else { 0.0 }.into());
        let task = (thalweg_body_pose::ENTRY.load)(&options).expect("the shipped weights are there");
        let shape = LandscapeShape::for_latent(task.spec().latent);
        let landscape = if self.in_z {
            Landscape::random(&shape, 1, Kind::Float, Device::Cpu).expect("the paper's widths are valid")
        } else {
            Landscape::identity(task.spec().latent)
        };
        let damped = Optimizer::LevenbergMarquardt(LmConfig::default());
        let steady = Optimizer::Adam(AdamConfig { rate: 0.1, ..AdamConfig::default() });
        let optimizer = if self.damped { damped } else { steady };
        let config = EngineConfig {
            hypotheses,
            optimizer,
            fresh: 0,
            prior_weight: 0.0,
            threads,
            backend,
            ..EngineConfig::default()
        };
        Engine::new(task, landscape, config).expect("task, landscape and options fit")
    }
}

/// Angles of a bent body, one leg and one arm hidden, and with `places` where most of its joints are.
fn observation(places: bool) -> Observation {
    let mut angles: Vec<f32> = (0..63u8).map(|index| 0.4 * (f32::from(index) * 1.3).sin()).collect();
    for joint in [0, 3, 6, 9, 15, 17] {
        angles[3 * joint..3 * joint + 3].fill(f32::NAN);
    }
    let joints = Observation::of_joints(&Tensor::from_slice(&angles).view([1, 63]));
    let mut coordinates: Vec<f32> = (0..66u8).map(|index| 0.5 * (f32::from(index) * 1.7).sin()).collect();
    coordinates[..12].fill(f32::NAN);
    let points = || Observation::of_points(&Tensor::from_slice(&coordinates).view([1, 22, 3])).points;
    Observation { points: places.then(points).flatten(), ..joints }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// What was measured of an arm, or of the machine, microseconds.
#[derive(Clone, Copy)]
struct Figures {
    least: f64,
    median: f64,
}

/// The times of an arm.
#[derive(Default)]
struct Turns(Vec<f64>);

impl Turns {
    /// Notes a time; the first turn warms up.
    fn note(&mut self, round: usize, micros: f64) {
        if round > 0 {
            self.0.push(micros);
        }
    }

    /// Times some steps done together.
    fn time(&mut self, round: usize, steps: u32, run: impl FnOnce()) {
        let start = Instant::now();
        run();
        self.note(round, start.elapsed().as_secs_f64() * 1e6 / f64::from(steps));
    }

    fn figures(&self) -> Figures {
        Figures { least: self.0.iter().copied().fold(f64::INFINITY, f64::min), median: median(&mut self.0.clone()) }
    }
}

/// Times the first few steps of a descent that starts where its backend's others do.
fn turn(engine: &mut Engine, observation: &Observation, steps: u32, round: usize, turns: &mut Turns) {
    engine.reset();
    engine.begin(observation).expect("finite losses");
    turns.time(round, steps, || {
        for _ in 0..steps {
            engine.refine().expect("perceptrons do not fail");
        }
    });
}

/// All arms of one row; a peer that is absent has none.
struct Row {
    roofline: Figures,
    /// Time of the native arm over the roofline of the same turn, median: what else the host does slows both.
    over: f64,
    fused: Figures,
    tch: Figures,
    peers: [Option<Figures>; 2],
}

fn measure(
    descent: DescentCase,
    (hypotheses, threads): (usize, usize),
    machine: &mut Machine,
    peers: &mut Peers,
) -> Row {
    let (observation, start) = (observation(descent.places), Instant::now());
    let engine = |backend| descent.engine(backend, hypotheses, threads);
    let (mut fused, mut tch) = (engine(BackendChoice::Fused), engine(BackendChoice::Tch));
    let (mut rooflines, mut times) = (Turns::default(), [const { Turns(Vec::new()) }; 4]);
    for round in 0..=ROUNDS {
        if round > FEWEST_ROUNDS && start.elapsed() > ROW {
            break;
        }
        let speed = machine.sample(descent.weights());
        rooflines.note(round, speed.roofline(descent.weights(), hypotheses, threads));
        turn(&mut fused, &observation, descent.steps(), round, &mut times[0]);
        tch::set_num_threads(threads as i32);
        turn(&mut tch, &observation, descent.steps(), round, &mut times[1]);
        tch::set_num_threads(1);
        for (library, times) in peers::LIBRARIES.into_iter().zip(&mut times[2..]) {
            let is_common = !descent.damped && !descent.places;
            let micros = if is_common { peers.time(library, descent.in_z, hypotheses) } else { None };
            micros.into_iter().for_each(|micros| times.note(round, micros));
        }
        sleep(SETTLING);
    }
    let mut over: Vec<f64> = times[0].0.iter().zip(&rooflines.0).map(|(time, roofline)| time / roofline).collect();
    let (roofline, over) = (rooflines.figures(), median(&mut over));
    let [fused, tch, torch, jax] = times.map(|times| (!times.0.is_empty()).then(|| times.figures()));
    let missing = "the engine's own arms always answer";
    Row { roofline, over, fused: fused.expect(missing), tch: tch.expect(missing), peers: [torch, jax] }
}

/// A line of the table.
fn line(descent: DescentCase, (hypotheses, threads): (usize, usize), row: &Row) -> String {
    let Row { roofline, over, fused, tch, peers } = row;
    let pair = |median: f64, least: f64, digits: usize| format!("{median:.digits$} ({least:.digits$})");
    // What a step of Levenberg-Marquardt needs depends on the point.
    let bounded = |text: String| if descent.damped { "-".to_owned() } else { text };
    let against = |other: &Figures| format!("{:.0} | {:.1}", other.median, other.median / fused.median);
    let peer = |peer: &Option<Figures>| peer.as_ref().map_or_else(|| "- | -".to_owned(), against);
    [
        format!("| {} | {hypotheses} | {threads}", descent.name),
        bounded(format!("{:.0}", roofline.median)),
        pair(fused.median, fused.least, 0),
        bounded(pair(*over, fused.least / roofline.least, 2)),
        against(tch),
        peer(&peers[0]),
        format!("{} |", peer(&peers[1])),
    ]
    .join(" | ")
}

fn main() {
    pin_threads(1);
    let mut out = std::io::stdout();
    let mut say = |line: String| writeln!(out, "{line}").expect("standard output takes lines");
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    if wanted == ["busy"] {
        return busy::measure().into_iter().for_each(say);
    }
    let mut machine = Machine::default();
    say("microseconds of a step: medians, in brackets the least; x: how many times that of fused".to_owned());
    say("| descent | K | threads | roofline | fused | x roofline | tch autograd | x | PyTorch eager | x | JAX jit | x |"
        .to_owned());
    say("|---|---|---|---|---|---|---|---|---|---|---|---|".to_owned());
    let mut absent = Vec::new();
    for threads in THREADS {
        let mut peers = Peers::start(threads);
        for descent in DESCENTS {
            for hypotheses in HYPOTHESES.into_iter().filter(|&hypotheses| threads == 1 || hypotheses > 1) {
                let name = format!("{} {hypotheses} {threads}", descent.name);
                if !wanted.iter().all(|wanted| name.contains(wanted.as_str())) {
                    continue;
                }
                let row = measure(descent, (hypotheses, threads), &mut machine, &mut peers);
                say(line(descent, (hypotheses, threads), &row));
            }
        }
        absent = peers.describe();
    }
    let collected = if wanted.is_empty() { collect::measure() } else { Vec::new() };
    let busy = if wanted.is_empty() { busy::measure() } else { Vec::new() };
    machine.describe().into_iter().chain(absent).chain(collected).chain(busy).for_each(say);
}
