//! Small tasks with known answers, and tasks that misbehave.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tch::{Device, Kind, Tensor};
use thalweg::clock::ManualClock;
use thalweg_task::{JointSpec, Objective, Observation, Reconstruction, Result, Target, Task, TaskError, TaskSpec};

type Forward = Box<dyn Fn(&Tensor) -> Tensor + Send>;

/// A task made of one function; it observes what the function gives, as joints.
pub(crate) struct Double {
    spec: TaskSpec,
    forward: Forward,
}

impl Double {
    pub(crate) fn new(latent: i64, outputs: i64, forward: impl Fn(&Tensor) -> Tensor + Send + 'static) -> Self {
        let joint = |index| JointSpec { name: format!("joint_{index}"), unit: "rad".into(), lower: -3.0, upper: 3.0 };
        let spec = TaskSpec {
            name: "double".into(),
            latent,
            output: vec![outputs],
            joints: (0..outputs).map(joint).collect(),
            groups: Vec::new(),
            reads_joints: true,
            image: None,
            points: None,
            skeleton: None,
            classes: Vec::new(),
            convention: None,
            residual: true,
            fingerprint: "f0".into(),
            device: Device::Cpu,
            kind: Kind::Double,
        };
        Self { spec, forward: Box::new(forward) }
    }

    /// Gives a loss only, no residuals.
    pub(crate) fn loss_only(mut self) -> Self {
        self.spec.residual = false;
        self
    }

    pub(crate) fn single_precision(mut self) -> Self {
        self.spec.kind = Kind::Float;
        self
    }

    pub(crate) fn boxed(self) -> Box<dyn Task> {
        Box::new(self)
    }
}

impl Task for Double {
    fn spec(&self) -> &TaskSpec {
        &self.spec
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if x.dim() != 2 || x.size()[1] != self.spec.latent {
            return Err(TaskError::shape("x", format!("[K, {}]", self.spec.latent), x));
        }
        Ok((self.forward)(x))
    }

    fn encode(&self, obs: &Observation) -> Result<Target> {
        obs.validate(&self.spec)?;
        let joints = obs.joints.as_ref().expect("validated").to(self.spec.kind, self.spec.device);
        Ok(Target { value: joints.value().shallow_clone(), weight: joints.observed().to_kind(self.spec.kind) })
    }

    fn objective(&self, y_hat: &Tensor, target: &Target) -> Result<Objective> {
        let objective = Objective::of_residual((y_hat - &target.value) * &target.weight);
        Ok(if self.spec.residual { objective } else { Objective::of_loss(objective.loss) })
    }

    fn render(&self, y_hat: &Tensor) -> Result<Reconstruction> {
        Ok(Reconstruction { joints: Some(y_hat.shallow_clone()), ..Reconstruction::default() })
    }
}

pub(crate) fn matrix(values: &[&[f64]]) -> Tensor {
    let flat: Vec<f64> = values.iter().flat_map(|row| row.iter().copied()).collect();
    Tensor::from_slice(&flat).view([values.len() as i64, -1])
}

pub(crate) fn observe(rows: &[&[f64]]) -> Observation {
    Observation::of_joints(&matrix(rows))
}

/// Three equations in two unknowns; they contradict each other, so the optimum has a loss.
pub(crate) const A: [[f64; 2]; 3] = [[2.0, 1.0], [0.0, 1.0], [1.0, -1.0]];
pub(crate) const B: [f64; 3] = [1.0, 2.0, 3.0];

pub(crate) fn linear() -> Double {
    let a = matrix(&[&A[0], &A[1], &A[2]]);
    Double::new(2, 3, move |x| x.matmul(&a.to_kind(x.kind()).tr()))
}

/// The least-squares solution of `A x = b` by Cramer's rule on the normal equations.
pub(crate) fn closed_form(b: [f64; 3]) -> [f64; 2] {
    let dot = |i: usize, j: usize| (0..3).map(|row| A[row][i] * A[row][j]).sum::<f64>();
    let right = |i: usize| (0..3).map(|row| A[row][i] * b[row]).sum::<f64>();
    let (p, q, r) = (dot(0, 0), dot(0, 1), dot(1, 1));
    let determinant = p * r - q * q;
    [(right(0) * r - right(1) * q) / determinant, (p * right(1) - q * right(0)) / determinant]
}

/// Rosenbrock (1960) as residuals `10 (x1 - x0^2), x0`; the minimum for the target (0, 1) is (1, 1).
pub(crate) fn rosenbrock() -> Double {
    Double::new(2, 2, |x| {
        let (first, second) = (x.select(1, 0), x.select(1, 1));
        Tensor::stack(&[(second - first.square()) * 10.0, first], 1)
    })
}

/// The square of one number: two minima, at the two roots of the target.
pub(crate) fn square() -> Double {
    Double::new(1, 1, |x| x.square())
}

/// The identity, but NaN from `edge` on along the first axis.
pub(crate) fn cliff(edge: f64) -> Double {
    Double::new(2, 2, move |x| {
        let beyond = x.narrow(1, 0, 1).ge(edge);
        x.masked_fill(&beyond, f64::NAN)
    })
}

/// The root of the first axis, zero below zero: finite everywhere, but its gradient is NaN there.
pub(crate) fn kink() -> Double {
    Double::new(2, 2, |x| {
        let first = x.select(1, 0);
        let root = first.sqrt().where_self(&first.gt(0.0), &first.zeros_like());
        Tensor::stack(&[root, x.select(1, 1)], 1)
    })
}

/// Panics as tch does, while the switch is on.
pub(crate) fn panicking(switch: &Arc<AtomicBool>) -> Double {
    let switch = Arc::clone(switch);
    Double::new(2, 3, move |x| {
        let width = if switch.load(Ordering::Relaxed) { 7 } else { 3 };
        let out = x.matmul(&matrix(&[&A[0], &A[1], &A[2]]).tr());
        out.view([x.size()[0], width])
    })
}

/// The linear task; each evaluation takes `cost` on the clock.
pub(crate) fn timed(clock: &ManualClock, cost: impl Fn() -> Duration + Send + 'static) -> Double {
    let (clock, plain) = (clock.clone(), linear());
    Double::new(2, 3, move |x| {
        clock.advance(cost());
        plain.forward(x).expect("the linear task takes this shape")
    })
}
