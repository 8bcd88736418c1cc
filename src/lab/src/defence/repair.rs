//! The descent that repairs images, as something that an attack can look through.
//!
//! The engine descends without keeping how its steps came about; an adaptive attack needs just that. So its loop is written
//! once more here, on the engine's own Adam and the task's own loss, and a test holds both to the same points.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rand_distr::StandardNormal;
use tch::{Kind, Tensor};
use thalweg_engine::landscape::Landscape;
use thalweg_engine::{AdamConfig, AdamState};
use thalweg_image_defence::ImageDefence;
use thalweg_task::{Result, Target, Task, TaskError};

/// Added to the size of a gradient before it divides.
const LEAST: f64 = 1e-20;

/// What the gradient of an attack is told of the descent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Through {
    /// Nothing: the correction counts as a constant (backward pass differentiable approximation, Athalye et al., 2018, with
    /// the identity for the repair).
    Identity,
    /// Every step, unrolled. Adam's first steps are signs, which have no gradient: backwards, and only there, a step is that of
    /// a smooth function of the same sign, `g / (|g| + rms g)`.
    Unrolled,
}

/// A descent of the loss of a defence, over the corrections themselves or over z of a landscape.
pub struct Repair<'a> {
    task: &'a ImageDefence,
    landscape: &'a Landscape,
    adam: AdamConfig,
    /// Where each descent begins, `[1, Z]`.
    start: Tensor,
    /// Directions that are taken instead of those of the gradient, `[1, Z]`, where there are any.
    blind: Option<Tensor>,
}

/// The best point so far of each row.
struct Best {
    z: Tensor,
    /// `[K]`.
    loss: Tensor,
}

impl<'a> Repair<'a> {
    /// Descends by Adam at `rate` from a point that `seed` draws, the same for each image.
    #[must_use]
    pub fn new(task: &'a ImageDefence, landscape: &'a Landscape, rate: f64, seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let values: Vec<f32> = (0..landscape.dim()).map(|_| random.sample(StandardNormal)).collect();
        let start = Tensor::from_slice(&values).view([1, -1]);
        Self { task, landscape, adam: AdamConfig { rate, ..AdamConfig::default() }, start, blind: None }
    }

    /// The same number of steps of the same size, but in directions that are drawn and never change, and the last point counts:
    /// what a repair is worth that knows nothing of the image.
    #[must_use]
    pub fn blind(mut self, seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let values: Vec<f32> =
            (0..self.landscape.dim()).map(|_| if random.random_bool(0.5) { 1.0 } else { -1.0 }).collect();
        self.blind = Some(Tensor::from_slice(&values).view([1, -1]));
        self
    }

    /// Logits `[B, C]` of images `[B, 3, H, W]` after each of `shown` numbers of steps, ascending; as the engine does, it takes
    /// the best point so far.
    ///
    /// # Errors
    /// Those of the task.
    pub fn logits(&self, image: &Tensor, shown: &[u32], through: Through) -> Result<Vec<Tensor>> {
        // An attack that needs no gradients may ask for logits; the descent needs some all the same.
        let corrections = tch::with_grad(|| self.descend(image, shown, through))?;
        let target = target_of(image);
        corrections.iter().map(|y_hat| self.classify(y_hat, &target)).collect()
    }

    /// Loss `[B]` of images before a repair and after so many steps, and the corrections `[B, 3, H, W]`.
    ///
    /// The loss before is that of the image itself, without the length of a correction.
    ///
    /// # Errors
    /// Those of the task.
    pub fn losses(&self, image: &Tensor, steps: u32) -> Result<(Tensor, Tensor, Tensor)> {
        let corrections = self.descend(image, &[steps], Through::Identity)?;
        let correction = corrections.into_iter().next().unwrap_or_else(|| image.zeros_like());
        let target = target_of(image);
        let loss = |y_hat: &Tensor| Ok::<Tensor, TaskError>(tch::no_grad(|| self.task.objective(y_hat, &target))?.loss);
        Ok((loss(&image.zeros_like())?, loss(&correction)?, correction))
    }

    fn classify(&self, y_hat: &Tensor, target: &Target) -> Result<Tensor> {
        let rendered = self.task.render_seen(y_hat, target)?;
        Ok(rendered.label.unwrap_or_else(|| y_hat.flatten(1, -1)))
    }

    /// Corrections `[B, 3, H, W]` after each number of steps.
    fn descend(&self, image: &Tensor, shown: &[u32], through: Through) -> Result<Vec<Tensor>> {
        let is_seen = through == Through::Unrolled && image.requires_grad();
        let target = target_of(&if is_seen { image.shallow_clone() } else { image.detach() });
        let mut z = self.start.expand([image.size()[0], -1], false).copy().set_requires_grad(true);
        let (mut best, mut state) = (None, AdamState::new(&z));
        let (mut corrections, last) = (Vec::new(), shown.last().copied().unwrap_or(0));
        for step in 0..=last {
            if let Some(directions) = &self.blind {
                if shown.contains(&step) {
                    corrections.push(self.task.forward(&self.landscape.map(&z))?.detach());
                }
                z = z.detach() + directions * self.adam.rate;
                continue;
            }
            let y_hat = self.task.forward(&self.landscape.map(&z))?;
            let loss = self.task.objective(&y_hat, &target)?.loss;
            let best = self.offer(&mut best, &z, &loss);
            if shown.contains(&step) {
                let y_hat = self.task.forward(&self.landscape.map(&best.z))?;
                corrections.push(if is_seen { y_hat } else { y_hat.detach() });
            }
            if step < last {
                let gradients = Tensor::f_run_backward(&[loss.sum(Kind::Float)], &[&z], is_seen, is_seen)?;
                let Some(gradient) = gradients.into_iter().next() else { continue };
                (state, z) = self.advance(&state, &z, &gradient, is_seen);
            }
        }
        Ok(corrections)
    }

    fn offer<'b>(&self, best: &'b mut Option<Best>, z: &Tensor, loss: &Tensor) -> &'b Best {
        let next = match best.take() {
            Some(old) => {
                let better = loss.detach().lt_tensor(&old.loss);
                let z = z.where_self(&better.view([-1, 1]), &old.z);
                Best { z, loss: loss.detach().where_self(&better, &old.loss) }
            }
            None => Best { z: z.shallow_clone(), loss: loss.detach() },
        };
        best.insert(next)
    }

    /// One step of the engine's Adam; backwards that of a smooth function, where an attack looks through it.
    fn advance(&self, state: &AdamState, z: &Tensor, gradient: &Tensor, is_seen: bool) -> (AdamState, Tensor) {
        let (state, exact) = tch::no_grad(|| state.step(&self.adam, &z.detach(), &gradient.detach()));
        if !is_seen {
            return (state, exact.set_requires_grad(true));
        }
        let rms = gradient.detach().square().mean_dim([1].as_slice(), true, Kind::Float).sqrt();
        let smooth = z - gradient / (gradient.abs() + rms + LEAST) * self.adam.rate;
        let shift = exact - smooth.detach();
        (state, smooth + shift)
    }
}

/// Images that are seen whole.
fn target_of(image: &Tensor) -> Target {
    Target { value: image.shallow_clone(), weight: image.detach().ones_like() }
}

#[cfg(test)]
mod tests {
    use tch::Device;
    use thalweg_engine::{Engine, EngineConfig, Optimizer};
    use thalweg_image_defence::{BackboneConfig, Defence, HeadConfig, LossConfig, Settings, Stage, Stem};
    use thalweg_nn::initial::uniform;
    use thalweg_task::{LoadOptions, Observation};

    use super::*;

    /// A small defence with drawn weights.
    fn task() -> ImageDefence {
        let config = BackboneConfig {
            height: 8,
            width: 8,
            mean: [0.5; 3],
            std: [0.25; 3],
            stem: Stem { channels: 6, stride: 1 },
            stages: vec![Stage { channels: 8, blocks: 1, stride: 2, projection: true }],
            pooled: true,
            hidden: vec![],
            classes: 4,
        };
        let head = HeadConfig { hidden: 12, projection: 6 };
        let loss = LossConfig { temperature: 0.3, shrinkage: 0.5 };
        let drawn = Defence::drawn(config, head, 16, &mut StdRng::seed_from_u64(3), (Kind::Float, Device::Cpu));
        let defence = Defence { loss, ..drawn };
        ImageDefence::of(defence, Settings::default(), &LoadOptions::default())
    }

    fn images(rows: i64) -> Tensor {
        uniform(&[rows, 3, 8, 8], 0.4, &mut StdRng::seed_from_u64(5), (Kind::Float, Device::Cpu)) + 0.5
    }

    #[test]
    fn it_descends_as_the_engine_does() {
        let (own, landscape, image) = (task(), Landscape::identity(192), images(3));
        let repair = Repair::new(&own, &landscape, 2.0, 1);
        let config = EngineConfig {
            hypotheses: 3,
            optimizer: Optimizer::Adam(AdamConfig { rate: 2.0, ..AdamConfig::default() }),
            warm_start: false,
            fresh: 0,
            prior_weight: 0.0,
            ..EngineConfig::default()
        };
        let mut engine = Engine::new(Box::new(task()), Landscape::identity(192), config).expect("an engine");
        let seen = Observation::of_image(&image);
        engine.begin_from(&seen, &repair.start.expand([3, -1], false).copy()).expect("it begins");
        for _ in 0..4 {
            engine.refine().expect("a step");
        }
        let (_, after, _) = repair.losses(&image, 4).expect("losses");
        let mut own: Vec<f64> = Vec::<f64>::try_from(&after.to_kind(Kind::Double)).expect("numbers");
        let mut engines = engine.solution().expect("a solution").loss.clone();
        own.sort_by(f64::total_cmp);
        engines.sort_by(f64::total_cmp);
        for (own, engine) in own.iter().zip(&engines) {
            assert!((own - engine).abs() < 1e-4, "{own} here, {engine} there");
        }
    }

    #[test]
    fn looking_through_the_repair_changes_gradients_and_nothing_else() {
        let (task, landscape) = (task(), Landscape::identity(192));
        let repair = Repair::new(&task, &landscape, 4.0, 1);
        let run = |through| {
            let leaf = images(2).set_requires_grad(true);
            let logits = repair.logits(&leaf, &[3], through).expect("logits").remove(0);
            let gradient = thalweg_train::ball::gradient(&logits.select(1, 0), &leaf);
            (logits.detach(), gradient)
        };
        let ((plain, constant), (seen, unrolled)) = (run(Through::Identity), run(Through::Unrolled));
        assert!((plain - seen).abs().max().double_value(&[]) < 1e-4);
        let (differs, size) = ((&unrolled - &constant).abs().max(), constant.abs().max());
        assert!(unrolled.isfinite().all().int64_value(&[]) == 1);
        assert!(differs.double_value(&[]) > 1e-3 * size.double_value(&[]));
    }

    #[test]
    fn an_image_is_repaired_alike_alone_and_among_others() {
        let (task, landscape, image) = (task(), Landscape::identity(192), images(4));
        let repair = Repair::new(&task, &landscape, 2.0, 1);
        let logits = |image: &Tensor| repair.logits(image, &[2], Through::Identity).expect("logits").remove(0).detach();
        let (all, alone) = (logits(&image), logits(&image.narrow(0, 2, 1)));
        assert!((all.narrow(0, 2, 1) - alone).abs().max().double_value(&[]) < 1e-4);
    }
}
