//! What a landscape with steps of its own proposes, and the examples beside it.

use std::sync::Arc;

use tch::{Device, Kind, Tensor};
use thalweg_task::{Observation, Target, Task, numbers};

use crate::config::EngineConfig;
use crate::descent::{Beginning, Descent, Ground};
use crate::engine::is_shared;
use crate::error::EngineError;
use crate::exemplars::{Exemplars, Proposed};
use crate::gpu::GpuModel;
use crate::landscape::{Landscape, Steps};
use crate::native::{Native, NativeDescent};
use crate::optimizer::{AdamConfig, Optimizer};
use crate::own_steps::OwnSteps;
use crate::prior::{Prior, hidden};
use crate::sampler::Sampler;

/// Most hypotheses of one observation whose codes are told apart. A guess.
const RANKED: usize = 64;

/// Goes a landscape's own steps, for an engine that then searches in `x`.
#[derive(Debug)]
pub(crate) struct Proposer {
    native: Option<Native>,
    config: EngineConfig,
    exemplars: Option<Exemplars>,
    /// Codes of the landscape's hypotheses, `[RANKED, C]`.
    codes: Vec<f64>,
    /// The landscape on a GPU.
    gpu: Option<Arc<GpuModel>>,
    /// The last native descent, whose memory the next one takes over.
    spare: Option<Box<NativeDescent>>,
}

impl Proposer {
    /// `native` is the landscape on the engine's own threads, where they run natively. `before`, the proposer of another
    /// landscape for the same task, hands over its examples where they are the same, as after a retraining: F of all of
    /// them takes longer than a robot may wait.
    ///
    /// # Errors
    /// What the task meets when F is applied to the landscape's examples.
    pub(crate) fn new(
        (task, landscape): (&dyn Task, &Landscape),
        native: Option<Native>,
        config: &EngineConfig,
        before: Option<&mut Self>,
    ) -> Result<Self, EngineError> {
        // What would come after the landscape's steps; nothing does.
        let config = EngineConfig { optimizer: Optimizer::Adam(AdamConfig::default()), ..config.clone() };
        let examples = landscape.steps().and_then(Steps::exemplars);
        let kept = examples.zip(before).and_then(|(x, before)| before.exemplars.take_if(|kept| kept.are(x)));
        let exemplars = match (kept, examples) {
            (None, Some(x)) => Exemplars::new(task, x)?,
            (kept, _) => kept,
        };
        let codes = landscape.steps().map_or_else(Vec::new, |steps| numbers(&steps.code_of_each(RANKED)));
        Ok(Self { native, config, exemplars, codes, gpu: None, spare: None })
    }

    /// Goes the steps on a GPU from now on, or does not.
    pub(crate) fn accelerate(&mut self, gpu: Option<Arc<GpuModel>>) {
        self.gpu = gpu;
    }

    /// See [`crate::Engine::handedness`].
    pub(crate) fn handedness(&mut self, obs: &Observation) -> Option<f64> {
        self.exemplars.as_mut()?.handedness(obs)
    }

    /// Where the steps of `landscape` lead hypotheses of the given codes, `[K, C]`: `x`, `[K, X]`.
    ///
    /// The best point of each on the way, which is the last, as a rule; towards an observation of a kind that the landscape
    /// has not been trained for it may be the first. Where something is hidden, examples join in.
    ///
    /// # Errors
    /// [`EngineError::NothingFinite`], or what the task meets.
    pub(crate) fn propose(
        &mut self,
        (task, landscape): (&dyn Task, &Landscape),
        (obs, target): (&Observation, &Target),
        codes: &Tensor,
        sampler: &mut Sampler,
    ) -> Result<Tensor, EngineError> {
        let proposed = self.of_examples(task, (obs, target), codes)?;
        let Some(Proposed { x, shares }) = proposed else {
            return self.of_steps((task, landscape), (obs, target), codes, sampler);
        };
        let place = (task.spec().kind, task.spec().device);
        let placed = |tensor: Tensor| tensor.to_kind(place.0).to_device(place.1);
        let rows = shares.len() as i64;
        let (x, share) = (Tensor::from_slice(&x).view([rows, -1]), Tensor::from_slice(&shares).view([rows, 1]));
        // Nobody goes steps for a hypothesis that begins with an example.
        let asked = (0..rows).filter(|row| shares[*row as usize] < 1.0 || !is_shared(target));
        let asked = Tensor::from_slice(&asked.collect::<Vec<_>>());
        if asked.numel() == 0 {
            return Ok(placed(x));
        }
        let some = codes.index_select(0, &asked.to_device(codes.device()));
        let theta = self.of_steps((task, landscape), (obs, target), &some, sampler)?;
        let theta = x.index_copy(0, &asked, &theta.to_kind(Kind::Double).to_device(Device::Cpu));
        Ok(placed(&x * &share + theta * (1.0 - share)))
    }

    /// Where the landscape's steps lead hypotheses of the given codes: `x`, `[K, X]`.
    fn of_steps(
        &mut self,
        (task, landscape): (&dyn Task, &Landscape),
        (obs, target): (&Observation, &Target),
        codes: &Tensor,
        sampler: &mut Sampler,
    ) -> Result<Tensor, EngineError> {
        let Some(steps) = landscape.steps() else { return Err(EngineError::NoStart) };
        let (own, prior) = (OwnSteps::new(steps, codes, obs).and_no_more(), Prior::default());
        let (spare, begin, count) = (self.spare.take(), own.origin(), own.count());
        let gpu = self.gpu.as_ref().map(|model| (model, count as u32));
        let ground = Ground { task, landscape, config: &self.config, native: self.native.as_ref(), gpu };
        let beginning = Beginning { own: Some(&own), ..Beginning::at(&begin) };
        let mut descent = ground.descend((target, &prior), beginning, spare, sampler)?;
        let mut own = Some(own);
        for _ in 0..count {
            ground.step(&mut descent, (target, &prior), &mut own, (1, sampler))?;
        }
        let x = descent.best_x();
        if let Descent::Fused(descent) = descent {
            self.spare = Some(descent);
        }
        Ok(x)
    }

    /// What the examples that agree with what was seen propose, where something is hidden.
    fn of_examples(
        &mut self,
        task: &dyn Task,
        (obs, target): (&Observation, &Target),
        codes: &Tensor,
    ) -> Result<Option<Proposed>, EngineError> {
        let Some(exemplars) = &mut self.exemplars else { return Ok(None) };
        let hidden = hidden(obs, task.spec());
        let asked = |(index, rank): (usize, Option<usize>)| {
            let row = if hidden.len() == 1 { 0 } else { index };
            (row, rank.filter(|_| hidden[row] > 0.0))
        };
        let asked: Vec<(usize, Option<usize>)> = ranks(&self.codes, codes).enumerate().map(asked).collect();
        if asked.iter().all(|(_, rank)| rank.is_none()) {
            return Ok(None);
        }
        exemplars.propose(task, (obs, target), &asked)
    }
}

/// Which of the landscape's hypotheses, whose codes are `known`, has each code, `[K, C]`; none where it is another.
///
/// A code says more than a place: rows with observations of their own all have the code of the first.
fn ranks(known: &[f64], codes: &Tensor) -> impl Iterator<Item = Option<usize>> {
    let dim = (known.len() / RANKED).max(1);
    let codes: Vec<f64> = numbers(codes);
    let rank = |code: &[f64]| known.chunks_exact(dim).position(|known| known == code);
    codes.chunks_exact(dim).map(rank).collect::<Vec<_>>().into_iter()
}
