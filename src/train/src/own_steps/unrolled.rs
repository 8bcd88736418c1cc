//! Steps that theta is differentiated through: the rival of coordinate descent.

use tch::Tensor;
use thalweg_nn::Perceptron;
use thalweg_task::TaskError;

use super::batch::{Batch, spread};
use super::{StepsLearner, TrainError};

impl StepsLearner<'_> {
    /// The points `z_1 .. z_T`, `[G * K, Z]` each, as functions of theta: gradients go back through all steps, and so
    /// through the derivatives of F and L that the steps are made of (unrolling: Finn, Abbeel & Levine, 2017).
    pub(super) fn unrolled(&self, theta: &Perceptron, batch: &Batch) -> Result<Vec<Tensor>, TrainError> {
        let Some(metrics) = self.whitening.metrics() else { return Ok(Vec::new()) };
        let target = self.task.encode(&batch.seen)?;
        let each = spread(batch.groups() as i64, self.own.hypotheses as i64, &self.codes);
        let target_of_each = target.rows(&each);
        let mut z = batch.start.detach().set_requires_grad(true);
        let mut points = Vec::new();
        for step in 0..self.whitening.steps() {
            let target = if step == 0 { &target } else { &target_of_each };
            let metric = metrics.get(step as i64).to_kind(z.kind()).to_device(z.device());
            let x = theta.forward(&z);
            let loss = self.task.objective(&self.task.forward(&x)?, target)?.loss;
            let by_x = derivative(&loss.sum(loss.kind()), &x)?;
            // The cotangent must not count as a function of the point that is differentiated by.
            let here = &z * 1.0;
            let turned = derivative(&(theta.forward(&here) * by_x.matmul(&metric)).sum(z.kind()), &here)?;
            let moved = &z - turned;
            z = if step == 0 { moved.index_select(0, &each) + &batch.offset } else { moved };
            points.push(z.shallow_clone());
        }
        Ok(points)
    }
}

/// A derivative that can be differentiated itself.
fn derivative(value: &Tensor, by: &Tensor) -> Result<Tensor, TrainError> {
    let gradient = Tensor::f_run_backward(&[value], &[by], true, true).map_err(TaskError::from)?;
    gradient.into_iter().next().ok_or_else(|| TrainError::option("gradient", &"none", "one"))
}

#[cfg(test)]
mod tests {
    use super::super::Anchored;
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use tch::Kind;
    use thalweg::Registry;
    use thalweg_nn::Learner;
    use thalweg_task::LoadOptions;

    use crate::{CollectionOptions, Data, OwnStepsOptions, ThetaOptions, UpdateOptions};

    #[test]
    fn points_are_those_of_the_descent_and_know_theta() {
        let task = Registry::shipped().load("planar_arm", &LoadOptions::default()).expect("it needs no file");
        let mut random = StdRng::seed_from_u64(5);
        let data =
            Data { training: thalweg_task::sampled(task.as_ref(), 64, &mut random).expect("arms"), ..Data::default() };
        let own = OwnStepsOptions { is_unrolled: true, hypotheses: 2, codes: 2, ..OwnStepsOptions::default() };
        let options = ThetaOptions {
            z: 16,
            hidden: 32,
            own: Some(own.clone()),
            collection: CollectionOptions { descents: 32, ..CollectionOptions::default() },
            update: UpdateOptions { batch: 16, ..UpdateOptions::default() },
            ..ThetaOptions::default()
        };
        let anchored = Anchored::begin(&options, &own, task.as_ref()).expect("room for the codes");
        let mut learner = StepsLearner::new(&options, &own, task, &data, anchored);
        // Metrics are known after a buffer.
        assert!(learner.round(&mut random).expect("it learns").is_finite());
        let batch = learner.draw(&mut random);
        let theta = learner.theta(learner.optimizer.parameters()).expect("three layers");
        let unrolled = learner.unrolled(&theta, &batch).expect("two steps");
        let descended = learner.descend(&theta, &batch, &|mean| Ok(mean.shallow_clone())).expect("two steps").points;
        assert_eq!(unrolled.len(), 2);
        for (ours, theirs) in unrolled.iter().zip(&descended) {
            assert!(ours.allclose(theirs, 1e-4, 1e-5, false), "{ours:?} {theirs:?}");
        }
        let by_first_layer = derivative(&unrolled[1].square().sum(Kind::Double), &learner.optimizer.parameters()[0]);
        let size = by_first_layer.expect("it depends on theta").abs().max().double_value(&[]);
        assert!(size.is_finite() && size > 0.0, "{size}");
    }
}
