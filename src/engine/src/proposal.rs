//! What a landscape with steps of its own proposes.

use tch::Tensor;
use thalweg_task::{Observation, Target, Task};

use crate::config::EngineConfig;
use crate::descent::{Descent, Ground};
use crate::error::EngineError;
use crate::landscape::Landscape;
use crate::native::{Native, NativeDescent};
use crate::optimizer::{AdamConfig, Optimizer};
use crate::own_steps::OwnSteps;
use crate::prior::Prior;
use crate::sampler::Sampler;

/// Goes a landscape's own steps, for an engine that then searches in `x`.
#[derive(Debug)]
pub(crate) struct Proposer {
    native: Option<Native>,
    config: EngineConfig,
    /// The last native descent, whose memory the next one takes over.
    spare: Option<Box<NativeDescent>>,
}

impl Proposer {
    /// `native` is the landscape on the engine's own threads, where they run natively.
    pub(crate) fn new(native: Option<Native>, config: &EngineConfig) -> Self {
        // What would come after the landscape's steps; nothing does.
        let config = EngineConfig { optimizer: Optimizer::Adam(AdamConfig::default()), ..config.clone() };
        Self { native, config, spare: None }
    }

    /// Where the steps of `landscape` lead hypotheses of the given codes, `[K, C]`: `x`, `[K, X]`.
    ///
    /// The best point of each on the way, which is the last, as a rule; towards an observation of a kind that the landscape
    /// has not been trained for it may be the first.
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
        let Some(steps) = landscape.steps() else { return Err(EngineError::NoStart) };
        let (own, prior) = (OwnSteps::new(steps, codes, obs), Prior::default());
        let ground = Ground { task, landscape, config: &self.config, native: self.native.as_ref() };
        let (spare, begin) = (self.spare.take(), own.origin());
        let mut descent = ground.descend((target, &prior), (&begin, Some(&own)), spare, sampler)?;
        let problem = ground.problem((target, &prior), Some(&own));
        for _ in 0..own.count() {
            descent.step(&problem, sampler)?;
        }
        let x = descent.best_x();
        if let Descent::Fused(descent) = descent {
            self.spare = Some(descent);
        }
        Ok(x)
    }
}
