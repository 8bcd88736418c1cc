//! One observation for each hypothesis, and the prior.

use tch::{Device, Kind, Tensor};
use thalweg_engine::landscape::{Landscape, LandscapeShape};
use thalweg_engine::{Engine, EngineConfig, Optimizer};

use crate::doubles::{B, closed_form, linear, matrix, observe, rosenbrock};
use crate::{adam, assert_close, bits, config, engine, levenberg_marquardt, row, setup, values};

const TARGETS: [[f64; 3]; 3] = [[1.0, 2.0, 3.0], [-1.0, 0.5, 0.0], [4.0, -2.0, 1.0]];

#[test]
fn each_row_converges_to_its_own_target() {
    for (optimizer, steps, tolerance) in [(adam(0.1), 800, 1e-3), (levenberg_marquardt(), 8, 1e-6)] {
        let mut engine = engine(linear(), config(3, optimizer));
        engine.begin(&observe(&[&TARGETS[0], &TARGETS[1], &TARGETS[2]])).expect("finite start");
        for _ in 0..steps {
            engine.refine().expect("well behaved");
        }
        let solution = engine.solution().expect("begun");
        for (k, target) in TARGETS.into_iter().enumerate() {
            assert_close(&row(&solution.x, k as i64), &closed_form(target), tolerance);
        }
    }
}

fn through_theta(hypotheses: usize, optimizer: Optimizer) -> Engine {
    setup();
    let shape = LandscapeShape { z: 6, x: 2, hidden: 8 };
    let landscape = Landscape::random(&shape, 5, Kind::Double, Device::Cpu).expect("valid shape");
    Engine::new(rosenbrock().boxed(), landscape, config(hypotheses, optimizer)).expect("fits")
}

#[test]
fn rows_together_equal_rows_alone() {
    let targets = [[0.0, 1.0], [0.4, -0.3], [-1.0, 0.2]];
    let z = Tensor::arange(18, (Kind::Double, Device::Cpu)).sin().view([3, 6]);
    for optimizer in [adam(0.05), levenberg_marquardt()] {
        let mut together = through_theta(3, optimizer.clone());
        together.begin_from(&observe(&[&targets[0], &targets[1], &targets[2]]), &z).expect("finite start");
        (0..12).for_each(|_| assert!(together.refine().is_ok()));
        for (k, target) in targets.iter().enumerate() {
            let mut alone = through_theta(1, optimizer.clone());
            alone.begin_from(&observe(&[target]), &z.narrow(0, k as i64, 1)).expect("finite start");
            (0..12).for_each(|_| assert!(alone.refine().is_ok()));
            let (alone, together) = (alone.solution().expect("begun"), together.solution().expect("begun"));
            assert_close(&row(&together.z, k as i64), &row(&alone.z, 0), 1e-7);
            assert_close(&[together.loss[k]], &[alone.loss[0]], 1e-7);
        }
    }
}

#[test]
fn own_observations_keep_their_order_and_start_warm() {
    let mut engine = engine(linear(), EngineConfig { fresh: 1, ..config(3, adam(0.1)) });
    // The last row fits best from the start: ranking would put it first.
    let targets = observe(&[&[50.0, 0.0, 0.0], &[9.0, 0.0, 0.0], &[0.0, 0.0, 0.0]]);
    engine.begin_from(&targets, &matrix(&[&[1.0, 0.0], &[2.0, 0.0], &[0.0, 0.1]])).expect("finite start");
    engine.refine().expect("well behaved");
    let solution = engine.solution().expect("begun");
    assert!(solution.loss[0] > solution.loss[1] && solution.loss[1] > solution.loss[2], "{:?}", solution.loss);
    let before = bits(&solution.z);
    engine.begin(&targets).expect("finite start");
    assert_eq!(bits(&engine.solution().expect("begun").z), before);
}

#[test]
fn the_prior_shrinks_x_and_counts_in_the_loss() {
    let solve = |prior_weight, optimizer| {
        let mut engine = engine(linear(), EngineConfig { prior_weight, ..config(2, optimizer) });
        engine.begin(&observe(&[&B])).expect("finite start");
        for _ in 0..1000 {
            engine.refine().expect("well behaved");
        }
        let solution = engine.solution().expect("begun");
        (row(&solution.x, 0), solution.loss[0])
    };
    for optimizer in [adam(0.1), levenberg_marquardt()] {
        let (free, _) = solve(0.0, optimizer.clone());
        let (held, loss) = solve(3.0, optimizer);
        let square = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>();
        assert!(square(&held) < 0.9 * square(&free), "{held:?} {free:?}");
        // Closed form: (A^T A + lambda / X I) x = A^T b.
        let expected = ridge(3.0 / 2.0);
        assert_close(&held, &expected, 1e-4);
        let a = matrix(&[&crate::doubles::A[0], &crate::doubles::A[1], &crate::doubles::A[2]]);
        let residual = matrix(&[&held]).matmul(&a.tr()) - matrix(&[&B]);
        assert_close(&[loss], &[square(&values(&residual)) + 1.5 * square(&held)], 1e-9);
    }
}

fn ridge(weight: f64) -> Vec<f64> {
    let a = matrix(&[&crate::doubles::A[0], &crate::doubles::A[1], &crate::doubles::A[2]]);
    let normal = a.tr().matmul(&a) + Tensor::eye(2, (Kind::Double, Device::Cpu)) * weight;
    values(&normal.inverse().matmul(&a.tr().matmul(&matrix(&[&B]).tr())))
}
