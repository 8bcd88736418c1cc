//! Levenberg-Marquardt against closed forms and the classic valley.

use std::sync::{Arc, Mutex};

use tch::{Device, Kind, Tensor};
use thalweg_engine::landscape::{Landscape, LandscapeShape};
use thalweg_engine::{
    Cadence, Engine, EngineConfig, EngineError, Event, LmConfig, LmState, Observer, Optimizer, Status,
};

use crate::doubles::{B, Double, closed_form, kink, linear, matrix, observe, rosenbrock};
use crate::{assert_close, assert_finite, config, engine, levenberg_marquardt, row, setup};

#[test]
fn reaches_the_closed_form_optimum_in_a_few_steps() {
    let mut engine = engine(linear(), config(3, levenberg_marquardt()));
    engine.begin(&observe(&[&B])).expect("finite start");
    for _ in 0..6 {
        engine.refine().expect("the linear task is well behaved");
    }
    let solution = engine.solution().expect("begun");
    for k in 0..3 {
        assert_close(&row(&solution.x, k), &closed_form(B), 1e-7);
    }
}

#[test]
fn solves_rosenbrock_from_the_classic_start() {
    let mut engine = engine(rosenbrock(), config(2, levenberg_marquardt()));
    engine.begin_from(&observe(&[&[0.0, 1.0]]), &matrix(&[&[-1.2, 1.0], &[5.0, -7.0]])).expect("finite start");
    for _ in 0..60 {
        engine.refine().expect("rosenbrock is well behaved");
    }
    let solution = engine.solution().expect("begun");
    for k in 0..2 {
        assert_close(&row(&solution.x, k), &[1.0, 1.0], 1e-8);
    }
}

#[test]
fn converges_and_says_so() {
    let mut engine = engine(linear(), config(2, levenberg_marquardt()));
    engine.begin(&observe(&[&B])).expect("finite start");
    let mut steps = 0;
    while engine.refine().expect("well behaved") != Status::Converged {
        steps += 1;
        assert!(steps < 40, "never says that it has converged");
    }
}

const DAMPING: f64 = 30.0;

/// More residuals than latent dimensions and fewer: both forms of the normal equations, through
/// theta, with one observation for each row and with a prior.
#[test]
fn first_step_solves_the_damped_normal_equations() {
    setup();
    for (latent, outputs) in [(2, 9), (3, 2), (4, 4)] {
        let weight = Tensor::arange(latent * outputs, (Kind::Double, Device::Cpu)).sin().view([outputs, latent]);
        let task = Double::new(latent, outputs, move |x| x.matmul(&weight.tr()).sin());
        // Damped enough for the step to be taken, so that it can be seen.
        let damped = Optimizer::LevenbergMarquardt(LmConfig { damping: DAMPING, ..LmConfig::default() });
        let options = EngineConfig { prior_weight: 0.7, ..config(2, damped) };
        let shape = LandscapeShape { z: 5, x: latent, hidden: 6 };
        let theta = || Landscape::random(&shape, 3, Kind::Double, Device::Cpu).expect("valid shape");
        let target = Tensor::arange(2 * outputs, (Kind::Double, Device::Cpu)).cos().view([2, outputs]);
        let z = Tensor::arange(10, (Kind::Double, Device::Cpu)).cos().view([2, 5]);
        // Each row lacks another entry, so that rows cannot be mistaken for each other.
        let hidden = Tensor::eye(outputs, (Kind::Bool, Device::Cpu)).narrow(0, 0, 2);
        let target = target.masked_fill(&hidden, f64::NAN);
        let expected = finite_difference_step(&task, &theta(), &target, &z, 0.7);
        let mut engine = Engine::new(task.boxed(), theta(), options).expect("fits");
        engine.begin_from(&thalweg_task::Observation::of_joints(&target), &z).expect("finite start");
        assert_eq!(engine.refine().expect("well behaved"), Status::Improved);
        let step = &engine.solution().expect("begun").z - &z;
        assert_close(&crate::values(&step), &crate::values(&expected), 1e-8);
    }
}

/// One step from the definition: central differences, dense solve, no trick.
fn finite_difference_step(task: &Double, theta: &Landscape, target: &Tensor, z: &Tensor, prior: f64) -> Tensor {
    use thalweg_task::Task;
    let residual = |z: &Tensor| {
        let x = theta.map(z);
        let y_hat = task.forward(&x).expect("shape fits");
        Tensor::cat(&[(&y_hat - target).nan_to_num(0.0, None, None), &x * (prior / theta.latent() as f64).sqrt()], 1)
    };
    let (dim, half) = (z.size()[1], 1e-5);
    let column = |j: i64| {
        let shift = Tensor::eye(dim, (Kind::Double, Device::Cpu)).narrow(0, j, 1) * half;
        (residual(&(z + &shift)) - residual(&(z - &shift))) / (2.0 * half)
    };
    let jacobian = Tensor::stack(&(0..dim).map(column).collect::<Vec<_>>(), 2);
    let transposed = jacobian.transpose(1, 2);
    let smaller = dim.min(jacobian.size()[1]) as f64;
    let scale = jacobian.square().sum_dim_intlist([1, 2].as_slice(), true, Kind::Double) / smaller;
    let identity = Tensor::eye(dim, (Kind::Double, Device::Cpu));
    let normal = transposed.bmm(&jacobian) + identity * scale * DAMPING;
    let right = transposed.bmm(&residual(z).unsqueeze(2));
    -normal.inverse().bmm(&right).squeeze_dim(2)
}

#[test]
fn a_singular_jacobian_is_no_error() {
    // The second latent dimension has no effect at all; single precision, least damping.
    let task = Double::new(2, 2, |x| x.narrow(1, 0, 1).expand([-1, 2], false) * 1e3).single_precision();
    let options = LmConfig { damping: 1e-12, min: 1e-12, ..LmConfig::default() };
    let mut engine = engine(task, config(4, Optimizer::LevenbergMarquardt(options)));
    engine.begin(&observe(&[&[1.0, 1.0]])).expect("finite start");
    for _ in 0..30 {
        engine.refine().expect("numeric trouble is a status");
    }
    let solution = engine.solution().expect("begun");
    assert_finite(solution);
    assert!(solution.loss[3] < 1e-6, "{:?}", solution.loss);
}

#[test]
fn a_refused_step_leaves_the_row_and_raises_its_damping_alone() {
    // Row 0 sits before a cliff of NaN that its first steps jump over; row 1 is far from it.
    let task = || crate::doubles::cliff(1.0);
    let solve = |starts: &Tensor| {
        let mut engine = engine(task(), config(2, levenberg_marquardt()));
        engine.begin_from(&observe(&[&[4.0, 0.5], &[-1.0, 0.5]]), starts).expect("finite start");
        let mut path = Vec::new();
        for _ in 0..8 {
            engine.refine().expect("numeric trouble is a status");
            let solution = engine.solution().expect("begun");
            assert_eq!(solution.statistics.diverged, 0, "a refused step is no divergence");
            path.push((row(&solution.z, 0), row(&solution.z, 1)));
        }
        path
    };
    let blocked = solve(&matrix(&[&[0.0, 0.0], &[-2.0, 3.0]]));
    let free = solve(&matrix(&[&[-2.0, 3.0], &[-2.0, 3.0]]));
    assert!(blocked.iter().zip(&free).all(|(blocked, free)| blocked.1 == free.1));
    assert!(blocked.last().expect("8 steps").0[0] > 0.1, "shorter steps get nearer to the cliff");
}

#[test]
fn a_lower_loss_with_a_broken_gradient_is_refused() {
    // From 0.25 the full step leads below zero, where the loss is least and the gradient NaN.
    let mut engine = engine(kink(), config(1, levenberg_marquardt()));
    engine.begin_from(&observe(&[&[0.0, 1.0]]), &matrix(&[&[0.25, 1.0]])).expect("finite start");
    for _ in 0..5 {
        engine.refine().expect("numeric trouble is a status");
    }
    let solution = engine.solution().expect("begun");
    assert_eq!(solution.statistics.diverged, 0);
    let x = row(&solution.x, 0)[0];
    assert!(x > 0.0 && x < 0.25, "{x}");
}

/// Notes the loss after each step.
#[derive(Default)]
struct Losses(Vec<f64>);

impl Observer for Losses {
    fn observe(&mut self, event: &Event<'_>) {
        if let Event::Step { loss, .. } = event {
            self.0.extend(*loss);
        }
    }
}

#[test]
fn steps_uphill_are_refused() {
    let mut engine = engine(rosenbrock(), config(1, levenberg_marquardt()));
    let losses = Arc::new(Mutex::new(Losses::default()));
    engine.add_observer(Cadence::Always, Box::new(Arc::clone(&losses)));
    engine.begin_from(&observe(&[&[0.0, 1.0]]), &matrix(&[&[-1.2, 1.0]])).expect("finite start");
    let mut stalled = 0;
    for _ in 0..20 {
        stalled += u32::from(engine.refine().expect("well behaved") == Status::Stalled);
    }
    let losses = &losses.lock().expect("one thread").0;
    assert!(losses.windows(2).all(|pair| pair[1] <= pair[0]), "{losses:?}");
    assert!(stalled > 0, "the valley is bent: full steps overshoot in it");
}

#[test]
fn a_row_that_cannot_be_factorised_stays_where_it_is() {
    setup();
    let residual = matrix(&[&[1.0, 2.0], &[1.0, 2.0], &[1.0, 2.0]]);
    let row = |values: &[f64]| Tensor::from_slice(values).view([1, 2, 2]);
    let rows = [&[0.0; 4], &[f64::NAN; 4], &[1.0, 0.0, 0.0, 1.0]].map(|values| row(values));
    let config = LmConfig { damping: 0.01, ..LmConfig::default() };
    let (_, step) = LmState::new(&config, 3)
        .step(&residual, || Ok::<_, EngineError>(Tensor::cat(&rows, 0)))
        .expect("numeric trouble is no error");
    assert_eq!(crate::values(&step.narrow(0, 0, 2)), [0.0; 4]);
    assert_close(&crate::row(&step, 2), &[-1.0 / 1.01, -2.0 / 1.01], 1e-12);
}

#[test]
fn needs_residuals() {
    setup();
    let refused = Engine::new(linear().loss_only().boxed(), Landscape::identity(2), config(2, levenberg_marquardt()));
    let error = refused.expect_err("a loss has no Jacobian");
    assert!(matches!(error, EngineError::NoResidual { .. }));
    assert_eq!(error.to_string(), "levenberg_marquardt needs residuals, task double gives a loss only; choose adam");
}
