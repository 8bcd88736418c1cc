//! Times what a step evaluates: the loss of one image and its gradient, for one and for eight hypotheses, beside the same in
//! PyTorch eager.
//!
//! `cargo bench --bench step`. The networks are drawn: what they have learned costs nothing. One thread, as in service. A
//! Python that has torch takes part where `THALWEG_BENCH_PYTHON` names it; the two take turns, so that what else the
//! machine does disturbs both.
#![allow(missing_docs, clippy::print_stdout, clippy::disallowed_types, reason = "a program, with a clock")]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use rand::SeedableRng;
use rand::rngs::StdRng;
use tch::{Kind, Tensor};
use thalweg_image_defence::{BackboneConfig, Defence, HeadConfig, ImageDefence, Settings};
use thalweg_task::{LoadOptions, Observation, Task, draws, percentile};

/// Widths of the heads that are trained for the given classifiers, and their negatives.
const HEAD: HeadConfig = HeadConfig { hidden: 256, projection: 64 };
const NEGATIVES: i64 = 1024;
/// Turns of each, after some that warm up.
const TURNS: usize = 200;
const WARM: usize = 20;
/// Names a python that has torch.
const PYTHON: &str = "THALWEG_BENCH_PYTHON";

fn defended(backbone: BackboneConfig) -> ImageDefence {
    let options = LoadOptions::default();
    let like = (options.kind, options.device);
    let defence = Defence::drawn(backbone, HEAD, NEGATIVES, &mut StdRng::seed_from_u64(1), like);
    ImageDefence::of(defence, Settings::default(), &options)
}

/// Loss and gradient at `x`, `[K, X]`.
fn evaluated(task: &ImageDefence, x: &Tensor, target: &thalweg_task::Target) -> Tensor {
    let x = x.detach().set_requires_grad(true);
    let y_hat = task.forward(&x).expect("x fits");
    let loss = task.objective(&y_hat, target).expect("y_hat fits").loss.sum(Kind::Float);
    Tensor::run_backward(&[loss], &[&x], false, false).remove(0)
}

/// A python that times a step when asked.
struct Peer {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Peer {
    fn start() -> Option<Self> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/step.py");
        let mut command = Command::new(std::env::var_os(PYTHON)?);
        let mut child = command.arg(script).arg("1").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
        let (input, output) = (child.stdin.take()?, BufReader::new(child.stdout.take()?));
        Some(Self { child, input, output })
    }

    /// Microseconds; none where it has ended, which it says itself.
    fn time(&mut self, network: &str, hypotheses: i64) -> Option<f64> {
        let mut answer = String::new();
        writeln!(self.input, "{network} {hypotheses}").ok()?;
        self.output.read_line(&mut answer).ok()?;
        answer.trim().parse().ok()
    }
}

fn main() {
    tch::set_num_threads(1);
    let mut peer = Peer::start();
    if peer.is_none() {
        println!("PyTorch is not present: {PYTHON} names no python that has torch");
    }
    println!("| network | hypotheses | views | ms | PyTorch eager, ms | ratio |\n|---|---|---|---|---|---|");
    for (name, backbone) in [("resnet2b", BackboneConfig::resnet2b()), ("resnet4b", BackboneConfig::resnet4b())] {
        let task = defended(backbone);
        let mut random = StdRng::seed_from_u64(2);
        let image = draws::uniform(&mut random, &[1, 3, 32, 32]).to_kind(Kind::Float);
        let target = task.encode(&Observation::of_image(&image)).expect("it is an image");
        for hypotheses in [1, 8] {
            let x = draws::normal(&mut random, &[hypotheses, task.spec().latent]).to_kind(Kind::Float);
            let (mut own, mut other) = (Vec::new(), Vec::new());
            for turn in 0..WARM + TURNS {
                let begin = Instant::now();
                let gradient = evaluated(&task, &x, &target);
                let micros = begin.elapsed().as_secs_f64() * 1e6;
                drop(gradient);
                let peers = peer.as_mut().and_then(|peer| peer.time(name, hypotheses));
                if turn >= WARM {
                    own.push(micros);
                    other.extend(peers);
                }
            }
            let median = |values: &[f64]| percentile(values, 0.5).map(|micros| micros / 1e3);
            let (own, other) = (median(&own).unwrap_or(f64::NAN), median(&other));
            let told = other.map_or_else(|| "- | -".to_owned(), |other| format!("{other:.2} | {:.2}", other / own));
            println!("| {name} | {hypotheses} | {} | {own:.2} | {told} |", task.defence().views.count);
        }
    }
    if let Some(Peer { mut child, input, .. }) = peer {
        drop(input);
        // It ends with its input.
        drop(child.wait());
    }
}
