//! Held-out observations: which average of theta is kept, and when it is enough.

use rand::SeedableRng;
use rand::rngs::StdRng;
use tch::{Kind, Tensor};
use thalweg_nn::weights::Weights;
use thalweg_task::{Observation, Task, TaskError};

use super::descents::{DescentTargets, loss_of_best};
use super::{CollectionOptions, Masks, ThetaOptions, TrainError};
use thalweg::clock::ManualClock;
use thalweg_engine::landscape::Landscape;
use thalweg_engine::{Budget, EngineError};

/// Seed of gaps and starting points: the same at every validation and in every training.
const SEED: u64 = 0x7468_616c;
/// The tensors of the best average are named `best.{index}` in a checkpoint.
const PREFIX: &str = "best";

/// The best average of theta so far.
#[derive(Debug)]
pub(super) struct Best {
    /// Its mean loss on the held-out observations.
    pub(super) loss: f64,
    /// The buffer after which it was.
    pub(super) buffer: u32,
    average: Vec<Tensor>,
}

/// Judges averages of theta on held-out observations.
#[derive(Debug)]
pub(super) struct Validation {
    targets: DescentTargets,
    complete: Observation,
    best: Option<Best>,
    /// Validations since the best one.
    stale: u32,
}

impl Validation {
    /// Chooses observations, spread evenly, and draws what is seen of them.
    pub(super) fn new(options: &ThetaOptions, held_out: &Observation, masks: &Masks, task: &dyn Task) -> Self {
        let (all, rows) = (held_out.rows(), held_out.rows().min(options.validation.rows as i64));
        let index: Vec<i64> = (0..rows).map(|row| row * all / rows).collect();
        let index = Tensor::from_slice(&index).to_device(task.spec().device);
        let targets =
            DescentTargets::at(&index, &options.collection, held_out, masks, &mut StdRng::seed_from_u64(SEED));
        Self { complete: held_out.select_rows(&index), targets, best: None, stale: 0 }
    }

    /// Descends as training does and compares the ends with the complete observations.
    ///
    /// Returns the mean loss; of several descents towards one observation the best counts.
    pub(super) fn measure(
        &self,
        options: &ThetaOptions,
        task: Box<dyn Task>,
        landscape: Landscape,
    ) -> Result<f64, TrainError> {
        let (collection, ranks, groups) = (&options.collection, &options.ranks, self.targets.groups());
        let share = ranks.share(groups);
        if ranks.size() == 1 {
            return self.measure_part(&self.targets, &self.complete, None, collection, (task, landscape));
        }
        let mut loss = f64::NAN;
        if !share.is_empty() {
            let (part, z) = self.targets.part(&share, collection.best_of, landscape.dim());
            let index = Tensor::arange_start(share.start as i64, share.end as i64, (Kind::Int64, part.rows.device()));
            let complete = self.complete.select_rows(&index);
            loss = self.measure_part(&part, &complete, Some(&z), collection, (task, landscape))?;
        }
        Ok(ranks.means(&[loss], groups)?[0])
    }

    /// The mean loss of some descents, from `z` where it is given.
    fn measure_part(
        &self,
        targets: &DescentTargets,
        complete: &Observation,
        z: Option<&Tensor>,
        collection: &CollectionOptions,
        (task, landscape): (Box<dyn Task>, Landscape),
    ) -> Result<f64, TrainError> {
        let target = task.encode(complete)?;
        let mut engine = targets.engine(collection, task, landscape)?;
        if let Some(z) = z {
            engine.begin_from(&targets.seen, z)?;
            for _ in 0..collection.steps {
                engine.refine()?;
            }
        } else {
            engine.solve(&targets.seen, &Budget::of_steps(collection.steps), &ManualClock::default())?;
        }
        let y_hat = engine.solution().map(|solution| solution.y_hat.shallow_clone()).ok_or(EngineError::NotBegun)?;
        let loss = tch::no_grad(|| loss_of_best(engine.task(), &y_hat, &target, collection.best_of))?;
        Ok(loss.double_value(&[]))
    }

    /// Takes notice of a measurement.
    pub(super) fn judge(&mut self, loss: f64, buffer: u32, average: Vec<Tensor>) {
        self.stale += 1;
        if loss.is_finite() && self.best.as_ref().is_none_or(|best| loss < best.loss) {
            self.best = Some(Best { loss, buffer, average });
            self.stale = 0;
        }
    }

    /// Whether `patience` validations have passed without a better one.
    pub(super) fn is_exhausted(&self, patience: u32) -> bool {
        patience > 0 && self.stale >= patience
    }

    /// The best average so far.
    pub(super) fn best(&self) -> Option<&Best> {
        self.best.as_ref()
    }

    /// Names the tensors that a resumed training needs.
    pub(super) fn named(&self) -> Vec<(String, Tensor)> {
        let average = self.best.iter().flat_map(|best| best.average.iter().enumerate());
        average.map(|(index, tensor)| (format!("{PREFIX}.{index}"), tensor.shallow_clone())).collect()
    }

    /// The rest of what a resumed training needs.
    pub(super) fn metadata(&self) -> [(&'static str, String); 3] {
        let (loss, buffer) = self.best.as_ref().map_or((f64::INFINITY, 0), |best| (best.loss, best.buffer));
        [("stale", self.stale.to_string()), ("best_loss", loss.to_string()), ("best_buffer", buffer.to_string())]
    }

    /// Takes back what [`Validation::named`] and [`Validation::metadata`] gave; `like` has the shapes of theta's weights.
    pub(super) fn restore(&mut self, file: &Weights, like: &[Tensor]) -> Result<(), TaskError> {
        let (loss, buffer): (f64, u32) = (file.meta("best_loss")?, file.meta("best_buffer")?);
        self.stale = file.meta("stale")?;
        if loss.is_finite() {
            let tensor = |(index, like): (usize, &Tensor)| file.tensor(&format!("{PREFIX}.{index}"), &like.size());
            let average = like.iter().enumerate().map(tensor).collect::<Result<_, _>>()?;
            self.best = Some(Best { loss, buffer, average });
        }
        Ok(())
    }
}

impl Best {
    /// The averaged weights.
    pub(super) fn average(&self) -> &[Tensor] {
        &self.average
    }
}
