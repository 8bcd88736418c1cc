//! Times one `refine` on perceptrons of the size of the body-pose task, one thread.
#![allow(missing_docs, reason = "criterion's macros make items without documentation")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tch::{Device, Kind, Tensor};
use thalweg::engine::{BackendChoice, Engine, EngineConfig, LmConfig, Optimizer, pin_threads};
use thalweg::landscape::{Landscape, LandscapeShape};
use thalweg_task::{
    DenseForm, DenseHead, JointSpec, Objective, Observation, Perceptron, Reconstruction, Result, Target, Task,
    TaskError, TaskSpec,
};

/// Latent and output of the body-pose task: 32 numbers to 21 joints of 6 numbers.
const LATENT: i64 = 32;
const OUTPUTS: i64 = 126;

/// A decoder `32 -> 512 -> 512 -> 126` with random weights under a masked square loss.
struct Decoder {
    spec: TaskSpec,
    perceptron: Perceptron,
}

impl Decoder {
    fn new() -> Result<Self> {
        let joint = |index| JointSpec { name: format!("entry_{index}"), unit: "m".into(), lower: -1.0, upper: 1.0 };
        let spec = TaskSpec {
            name: "decoder".into(),
            latent: LATENT,
            output: vec![OUTPUTS],
            joints: (0..OUTPUTS).map(joint).collect(),
            groups: Vec::new(),
            reads_joints: true,
            image: None,
            points: None,
            skeleton: None,
            residual: true,
            fingerprint: "random".into(),
            device: Device::Cpu,
            kind: Kind::Float,
        };
        let layer = |(out, into): (i64, i64)| {
            let wave = |size: i64, pace: f64| (Tensor::arange(size, (Kind::Float, Device::Cpu)) * pace).sin();
            let weight = wave(out * into, 12.9898).view([out, into]) * (3.0 / into as f64).sqrt();
            (weight, wave(out, 78.233) * 0.1)
        };
        let layers = [(512, LATENT), (512, 512), (OUTPUTS, 512)].map(layer);
        Ok(Self { spec, perceptron: Perceptron::new(layers.into(), 0.2)? })
    }
}

impl Task for Decoder {
    fn spec(&self) -> &TaskSpec {
        &self.spec
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(self.perceptron.forward(x))
    }

    fn encode(&self, obs: &Observation) -> Result<Target> {
        obs.validate(&self.spec)?;
        let refuse = || TaskError::EmptyObservation { task: self.spec.name.clone(), observes: "joints".into() };
        let joints = obs.joints.as_ref().ok_or_else(refuse)?;
        Ok(Target { value: joints.value().shallow_clone(), weight: joints.observed().to_kind(Kind::Float) })
    }

    fn objective(&self, y_hat: &Tensor, target: &Target) -> Result<Objective> {
        Ok(Objective::of_residual((y_hat - &target.value) * &target.weight))
    }

    fn dense(&self) -> Option<DenseForm<'_>> {
        Some(DenseForm { layers: &self.perceptron, head: DenseHead::Plain })
    }

    fn render(&self, y_hat: &Tensor) -> Result<Reconstruction> {
        Ok(Reconstruction { joints: Some(y_hat.shallow_clone()), ..Reconstruction::default() })
    }
}

/// An engine before its first step, with a third of the entries unobserved.
fn engine(backend: BackendChoice, hypotheses: usize, optimizer: Optimizer) -> (Engine, Observation) {
    let shape = LandscapeShape::for_latent(LATENT);
    let landscape = Landscape::random(&shape, 1, Kind::Float, Device::Cpu).expect("the paper's widths are valid");
    let config = EngineConfig { hypotheses, optimizer, fresh: 0, backend, ..EngineConfig::default() };
    let task = Decoder::new().expect("the layers fit each other");
    let mut values: Vec<f32> = (0..OUTPUTS).map(|index| (index as f32).cos()).collect();
    values.iter_mut().step_by(3).for_each(|value| *value = f32::NAN);
    let obs = Observation::of_joints(&Tensor::from_slice(&values).view([1, OUTPUTS]));
    let mut engine = Engine::new(Box::new(task), landscape, config).expect("task, landscape and options fit");
    engine.begin(&obs).expect("random weights give finite losses");
    (engine, obs)
}

/// Times one step. Every fifth starts a new descent, untimed: late in one, Levenberg-Marquardt
/// refuses steps and keeps its Jacobian, which is cheaper.
fn time_one(engine: &mut Engine, obs: &Observation, index: u64) -> Duration {
    if index.is_multiple_of(5) {
        engine.reset();
        engine.begin(obs).expect("random weights give finite losses");
    }
    let start = Instant::now();
    black_box(engine.refine().expect("perceptrons do not fail"));
    start.elapsed()
}

fn refine(criterion: &mut Criterion) {
    pin_threads(1);
    let damped = Optimizer::LevenbergMarquardt(LmConfig::default());
    for optimizer in [Optimizer::default(), damped] {
        let mut group = criterion.benchmark_group(format!("refine/{}", optimizer.name()));
        group.throughput(Throughput::Elements(1)).sample_size(10);
        group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
        for hypotheses in [1, 8, 32, 128] {
            for (name, backend) in [("tch", BackendChoice::Tch), ("fused", BackendChoice::Fused)] {
                let (mut engine, obs) = engine(backend, hypotheses, optimizer.clone());
                group.bench_function(BenchmarkId::new(name, format!("K={hypotheses}")), |bencher| {
                    bencher.iter_custom(|count| (0..count).map(|index| time_one(&mut engine, &obs, index)).sum());
                });
            }
        }
        group.finish();
    }
}

criterion_group!(benches, refine);
criterion_main!(benches);
