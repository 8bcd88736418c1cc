//! What can go wrong with a device.

use tch::{Device, Kind, Tensor};
use thalweg_nn::Perceptron;
use thalweg_task::{DenseForm, DenseHead, Objective, Observation, Reconstruction, Result, Target, Task, TaskSpec};

use super::*;
use crate::landscape::Landscape;
use crate::prior::tests::two_numbers;
use crate::{Backend, Engine, EngineConfig};

/// `y = 2 x`, and how a task would say so.
struct Twice(TaskSpec, Perceptron);

fn twice() -> Twice {
    let eye = Tensor::eye(2, (Kind::Float, Device::Cpu));
    let layers = vec![(eye * 2.0, Tensor::zeros([2], (Kind::Float, Device::Cpu)))];
    let spec = TaskSpec { kind: Kind::Float, ..two_numbers(Vec::new()) };
    Twice(spec, Perceptron::new(layers, 0.2).expect("one layer"))
}

impl Task for Twice {
    fn spec(&self) -> &TaskSpec {
        &self.0
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(self.1.forward(x))
    }

    fn encode(&self, _: &Observation) -> Result<Target> {
        let ones = Tensor::ones([1, 2], (Kind::Float, Device::Cpu));
        Ok(Target { value: ones.shallow_clone(), weight: ones })
    }

    fn objective(&self, y_hat: &Tensor, target: &Target) -> Result<Objective> {
        Ok(Objective::of_residual((y_hat - &target.value) * &target.weight))
    }

    fn render(&self, y_hat: &Tensor) -> Result<Reconstruction> {
        Ok(Reconstruction { joints: Some(y_hat.shallow_clone()), ..Reconstruction::default() })
    }

    fn dense(&self) -> Option<DenseForm<'_>> {
        Some(DenseForm { layers: &self.1, head: DenseHead::Plain })
    }
}

fn engine(hypotheses: usize) -> Engine {
    let config = EngineConfig { hypotheses, fresh: 0, ..EngineConfig::default() };
    Engine::new(Box::new(twice()), Landscape::identity(2), config).expect("they fit")
}

#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn device() -> Option<Gpu> {
    if adapters().is_empty() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "in CI a software adapter must be there");
        eprintln!("skipped: no GPU and no software in its place; tools/setup_graphics.sh --compute installs it");
        return None;
    }
    Some(Gpu::open(&GpuChoice::Index(0)).expect("it is there"))
}

#[test]
fn an_adapter_that_is_not_there_is_refused_with_what_there_is() {
    let refused = Gpu::open(&GpuChoice::Named("no such thing".to_owned())).expect_err("there is none");
    let GpuError::NoAdapter { wanted, found } = &refused else { panic!("{refused}") };
    assert_eq!(wanted, "gpu:no such thing");
    let names: Vec<String> = adapters().iter().map(ToString::to_string).collect();
    assert_eq!(*found, if names.is_empty() { "none".to_owned() } else { names.join("; ") });
    assert!(matches!(Gpu::open(&GpuChoice::Index(1000)), Err(GpuError::NoAdapter { .. })));
}

#[test]
fn software_is_used_only_where_it_is_named() {
    match Gpu::open(&GpuChoice::Best) {
        Ok(gpu) => assert!(!gpu.report().is_software),
        Err(error) => assert!(adapters().iter().all(|adapter| adapter.is_software), "{error}"),
    }
}

#[test]
fn a_shader_that_does_not_compile_is_refused() {
    let Some(gpu) = device() else { return };
    for (text, expected) in [("fn descend( {", "expected"), ("@compute @workgroup_size(1) fn other() {}", "descend")] {
        let gpu = Gpu::open(&GpuChoice::Named(gpu.report().name.clone())).expect("it is there");
        let refused = GpuModel::with_text(&gpu, &twice(), &Landscape::identity(2), |_| text.to_owned());
        let error = refused.expect_err("it is no shader");
        assert!(matches!(&error, GpuError::Refused(text) if text.contains(expected)), "{error}");
        assert_eq!(gpu.trouble(), Some(error));
    }
}

#[test]
fn more_hypotheses_than_a_device_holds_run_natively() {
    let Some(gpu) = device() else { return };
    let most = gpu.device().limits().max_compute_workgroups_per_dimension as usize;
    let mut engine = engine(4 * most + 1);
    engine.use_gpu(&gpu).expect("dense layers");
    engine.begin(&Observation::default()).expect("begun");
    assert_eq!(engine.backend(), Backend::Fused);
    // The device is as good as before.
    assert_eq!(engine.gpu_trouble(), None);
    engine.set_hypotheses(3).expect("more than none");
    engine.begin(&Observation::default()).expect("begun");
    assert_eq!(engine.backend(), Backend::Gpu);
}

#[test]
fn memory_that_cannot_be_had_is_an_error() {
    let Some(gpu) = device() else { return };
    let usage = wgpu::BufferUsages::STORAGE;
    let limit = gpu.device().limits().max_buffer_size as usize / 4;
    let refused = gpu.buffer("numbers, bytes", limit + 1, usage).expect_err("too many");
    assert!(matches!(refused, GpuError::TooLarge { .. }), "{refused}");
    assert_eq!(gpu.trouble(), None);
}

#[test]
fn a_task_in_double_precision_is_refused() {
    let Some(gpu) = device() else { return };
    let mut task = twice();
    task.0.kind = Kind::Double;
    let refused = GpuModel::new(&gpu, &task, &Landscape::identity(2)).expect_err("single precision only");
    assert!(matches!(refused, GpuError::Unfit { .. }), "{refused}");
}
