//! The loop over the rounds of a training, written once.

use rand::SeedableRng;
use rand::rngs::StdRng;
use tch::{Device, Kind};

use crate::checkpoint::{Checkpoint, State};
use crate::weights::Weights;
use crate::{NnError, Ranks, Result};

/// What is trained, round by round: a gradient step, or a buffer of many.
pub trait Learner {
    /// What is told about a training that goes on.
    type Progress;
    /// Why a training cannot go on.
    type Error: From<NnError>;

    /// Element type and device of its tensors.
    fn place(&self) -> (Kind, Device);

    /// Rounds done so far.
    fn rounds(&self) -> u64;

    /// Whether all rounds are done.
    fn is_over(&self) -> bool;

    /// Does one round and returns its loss.
    ///
    /// All its random numbers come from `random`, which is seeded by seed and round.
    ///
    /// # Errors
    /// Whatever it meets.
    fn round(&mut self, random: &mut StdRng) -> std::result::Result<f64, Self::Error>;

    /// Judges what the rounds so far have led to; `loss` is that of the last one.
    ///
    /// # Errors
    /// Whatever it meets.
    fn judge(&mut self, loss: f64) -> std::result::Result<Self::Progress, Self::Error>;

    /// Rounds between two comparisons of [`Learner::state`] on all ranks; a round of one step is too short for one.
    fn compared_every(&self) -> u64 {
        1
    }

    /// The error of a round whose loss is not finite.
    fn diverged(&self, loss: f64) -> Self::Error;

    /// All that later rounds depend on.
    fn state(&self) -> State;

    /// Takes back what [`Learner::state`] gave.
    ///
    /// # Errors
    /// [`NnError::Weights`] when something is missing or has another shape.
    fn restore(&mut self, file: &Weights) -> std::result::Result<(), Self::Error>;
}

/// How a training goes: it can be stopped, even killed, and ends with the same bits when it is resumed, on a CPU.
#[derive(Clone, Debug)]
pub struct Training {
    /// Seed of everything random.
    pub seed: u64,
    /// Rounds between two reports, each with a checkpoint; there is one in the end, too.
    pub report_every: u64,
    /// Where the state is kept, by the first rank; it is not, without.
    pub checkpoint: Option<Checkpoint>,
    /// The processes that train together. All of them run this loop: the learner computes its share of each round.
    pub ranks: Ranks,
}

impl Training {
    /// Takes up what a stopped training has kept, if there is any.
    ///
    /// # Errors
    /// As [`Checkpoint::open`], and what the learner refuses.
    pub fn resume<L: Learner>(&self, learner: &mut L) -> std::result::Result<(), L::Error> {
        let Some(checkpoint) = &self.checkpoint else { return Ok(()) };
        let (kind, device) = learner.place();
        match checkpoint.open(kind, device, &self.ranks)? {
            Some(file) => learner.restore(&file),
            None => Ok(()),
        }
    }

    /// Trains until all rounds are done, or `report` returns false on any rank; what is then kept can be resumed.
    ///
    /// # Errors
    /// What the learner meets, among it a loss that is not finite; [`NnError::Io`] when the state cannot be kept,
    /// [`NnError::UnequalRanks`] when ranks have trained to something else, [`NnError::LostRank`] when one is gone.
    pub fn run<L: Learner>(
        &self,
        learner: &mut L,
        report: &mut dyn FnMut(&L::Progress) -> bool,
    ) -> std::result::Result<(), L::Error> {
        while !learner.is_over() {
            let loss = learner.round(&mut generator(self.seed, learner.rounds()))?;
            if !loss.is_finite() {
                return Err(learner.diverged(loss));
            }
            if learner.rounds().is_multiple_of(learner.compared_every()) && self.ranks.size() > 1 {
                self.ranks.agree_on(&learner.state(), learner.rounds())?;
            }
            if learner.rounds().is_multiple_of(self.report_every) || learner.is_over() {
                let progress = learner.judge(loss)?;
                self.keep(&*learner)?;
                if !self.ranks.all(report(&progress))? {
                    break;
                }
            }
        }
        Ok(())
    }

    fn keep(&self, learner: &impl Learner) -> Result<()> {
        match &self.checkpoint {
            Some(checkpoint) if self.ranks.is_first() => checkpoint.save(&learner.state()),
            _ => Ok(()),
        }
    }
}

/// The generator of a round, which depends on nothing that was drawn before: a resumed training draws what an unbroken
/// one would have.
#[must_use]
pub fn generator(seed: u64, round: u64) -> StdRng {
    StdRng::seed_from_u64(seed.wrapping_mul(0x9e37_79b9).wrapping_add(round))
}

/// A learning rate that rises along a line, then falls along half a cosine (Loshchilov & Hutter, "SGDR", 2017).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CosineRate {
    /// The rate at its highest.
    pub peak: f64,
    /// Share of it that is left in the end; 1 keeps the rate.
    pub end: f64,
    /// Steps over which it rises; 0 for none.
    pub warm_up: u32,
    /// Steps over which it falls.
    pub steps: u64,
}

impl CosineRate {
    /// The rate of a step, counted from 0.
    #[must_use]
    pub fn at(&self, step: u64) -> f64 {
        let along = step as f64 / self.steps.max(1) as f64;
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * along).cos());
        let risen = if self.warm_up == 0 { 1.0 } else { ((step + 1) as f64 / f64::from(self.warm_up)).min(1.0) };
        self.peak * risen * (self.end + (1.0 - self.end) * cosine)
    }
}
