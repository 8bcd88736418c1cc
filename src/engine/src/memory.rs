//! What an engine carries from one observation to the next.

use tch::Tensor;

use crate::leader::Leader;
use crate::native::NativeDescent;

/// All that an engine carries from one observation to the next; the rest is fixed by its options.
///
/// With the memory of before, the same observation and the same number of steps, an engine of the
/// same task, landscape, start and options gives the same solution, bit for bit on a CPU.
#[derive(Debug, Default)]
pub struct Memory {
    /// Number of the observation, from 1; zero before the first. Random numbers come from the seed and this.
    pub index: u64,
    /// Where the rows of the last observation ended; none for a cold start.
    pub warm: Option<WarmStart>,
    /// Which row was reported first; none where time does not count.
    pub leader: Option<Leader>,
    /// How far what was reported of each joint lay from what was expected, `[J]`; none where nothing was.
    pub offset: Option<Vec<f64>>,
    /// Where the derivatives of F were found that the last steps of Levenberg-Marquardt went by, `[K, Z]`; none where every
    /// point has its own ([`crate::LmConfig::reuse`]).
    pub linearised: Option<Tensor>,
    /// The derivatives themselves, among the memory of the last descent: without them they are found anew.
    pub spare: Option<Spare>,
}

impl Memory {
    /// Copies all that a solve depends on.
    #[must_use]
    pub fn copied(&self) -> Self {
        let warm = self.warm.as_ref().map(|warm| WarmStart { z: warm.z.copy(), loss: warm.loss.clone() });
        let linearised = self.linearised.as_ref().map(Tensor::copy);
        Self { index: self.index, warm, leader: self.leader, offset: self.offset.clone(), linearised, spare: None }
    }
}

/// The memory of a descent that has ended, for the engine alone.
#[derive(Debug)]
pub struct Spare(pub(crate) Box<NativeDescent>);

/// The best points of one observation, in the order of the rows.
#[derive(Debug)]
pub struct WarmStart {
    /// `[K, Z]`.
    pub z: Tensor,
    /// `[K]`.
    pub loss: Vec<f64>,
}
