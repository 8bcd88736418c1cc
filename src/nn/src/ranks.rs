//! The processes of one training, and what they tell each other.
//!
//! Every process has a *rank*, counted from 0. All of them draw the same random numbers and hold the same weights; each
//! computes its share of the rows, and what follows of all rows is summed over ranks. What carries the numbers is behind
//! [`Collectives`]: this room knows no network.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;
use std::rc::Rc;

use tch::{Device, Kind, Tensor};

use crate::checkpoint::State;
use crate::{NnError, Result};

/// How much longer than the others, on average, a rank computes before it counts as slow, and least seconds more. Guesses.
const SLOW: f64 = 1.5;
const SLOW_SECONDS: f64 = 0.05;
/// Bytes that a rank sends at once.
const PIECE: usize = 16 << 20;

/// Collective operations: every rank calls the same ones in the same order, and each waits for the others.
///
/// Tensors are contiguous, on the processor.
pub trait Collectives: fmt::Debug {
    /// The rank of this process.
    fn rank(&self) -> usize;

    /// Number of processes.
    fn size(&self) -> usize;

    /// The rank of this process among those on its machine.
    fn local_rank(&self) -> usize;

    /// Sums a tensor over ranks, in place; every rank gets the same bits.
    ///
    /// # Errors
    /// [`NnError::LostRank`].
    fn sum(&self, tensor: &Tensor) -> Result<()>;

    /// Gives every rank the tensor of rank `from`, in place.
    ///
    /// # Errors
    /// [`NnError::LostRank`].
    fn broadcast(&self, tensor: &Tensor, from: usize) -> Result<()>;

    /// Gathers tensors of one shape, `[..]`, as `[size, ..]` in the order of ranks.
    ///
    /// # Errors
    /// [`NnError::LostRank`].
    fn gather(&self, tensor: &Tensor) -> Result<Tensor>;

    /// Seconds that this process has computed, not waited for others, since this was last asked.
    fn busy(&self) -> f64;

    /// Tells the others that this process ends before its work is done, and why.
    fn part(&self, why: &str);

    /// Waits, for a moment, until the others are done, too.
    fn leave(&self);
}

/// The processes of a training; by default this one alone.
#[derive(Clone, Debug, Default)]
pub struct Ranks(Option<Rc<Together>>);

#[derive(Debug)]
struct Together {
    collectives: Box<dyn Collectives>,
    /// Seconds that each rank has computed, and rounds, since [`Ranks::slow`] was last asked.
    busy: RefCell<(Vec<f64>, u32)>,
}

/// A rank for which the others wait.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct SlowRank {
    /// The slowest rank.
    pub slow_rank: usize,
    /// Seconds that it computed in a round, on average.
    pub seconds: f64,
    /// Mean of the others.
    pub others: f64,
}

/// Places are equal, whatever connects them: options that hold them are compared.
impl PartialEq for Ranks {
    fn eq(&self, other: &Self) -> bool {
        (self.rank(), self.size()) == (other.rank(), other.size())
    }
}

impl Ranks {
    /// The ranks that `collectives` connects.
    #[must_use]
    pub fn of(collectives: Box<dyn Collectives>) -> Self {
        Self(Some(Rc::new(Together { collectives, busy: RefCell::default() })))
    }

    /// This process alone.
    #[must_use]
    pub fn alone() -> Self {
        Self(None)
    }

    /// The others, where there are any.
    fn others(&self) -> Option<&Together> {
        self.0.as_deref().filter(|together| together.collectives.size() > 1)
    }

    /// The rank of this process.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.0.as_ref().map_or(0, |together| together.collectives.rank())
    }

    /// The rank of this process among those on its machine: which graphics processor it takes.
    #[must_use]
    pub fn local_rank(&self) -> usize {
        self.0.as_ref().map_or(0, |together| together.collectives.local_rank())
    }

    /// Number of processes, at least 1.
    #[must_use]
    pub fn size(&self) -> usize {
        self.0.as_ref().map_or(1, |together| together.collectives.size())
    }

    /// Whether this process writes files and shows progress.
    #[must_use]
    pub fn is_first(&self) -> bool {
        self.rank() == 0
    }

    /// Which of `count` rows are this rank's: neighbours, as many as others have or one more.
    #[must_use]
    pub fn share(&self, count: usize) -> Range<usize> {
        self.share_of(self.rank(), count)
    }

    fn share_of(&self, rank: usize, count: usize) -> Range<usize> {
        let edge = |rank: usize| rank * (count / self.size()) + rank.min(count % self.size());
        edge(rank)..edge(rank + 1)
    }

    /// This rank's share of `count` rows, as a part of 1.
    #[must_use]
    pub fn fraction(&self, count: usize) -> f64 {
        self.share(count).len() as f64 / count.max(1) as f64
    }

    /// Sums a tensor over ranks; alone, the tensor itself.
    ///
    /// # Errors
    /// [`NnError::LostRank`].
    pub fn sum(&self, tensor: &Tensor) -> Result<Tensor> {
        let Some(others) = self.others() else { return Ok(tensor.shallow_clone()) };
        let here = tensor.detach().to_device(Device::Cpu).contiguous().copy();
        others.collectives.sum(&here)?;
        Ok(here.to_device(tensor.device()))
    }

    /// The mean over all of `count` rows, of which `mean` is that of this rank's share.
    ///
    /// # Errors
    /// [`NnError::LostRank`].
    pub fn mean(&self, mean: &Tensor, count: usize) -> Result<Tensor> {
        if self.others().is_none() {
            return Ok(mean.shallow_clone());
        }
        let fraction = self.fraction(count);
        // The mean of no rows is not a number.
        self.sum(&if fraction > 0.0 { mean * fraction } else { mean.zeros_like() })
    }

    /// As [`Ranks::mean`], of numbers.
    ///
    /// # Errors
    /// [`NnError::LostRank`].
    pub fn means(&self, means: &[f64], count: usize) -> Result<Vec<f64>> {
        Ok(Vec::try_from(self.mean(&Tensor::from_slice(means), count)?)?)
    }

    /// Joins the rows of all ranks in their order: `part`, `[share * each, ..]`, as `[count * each, ..]`.
    ///
    /// # Errors
    /// [`NnError::LostRank`].
    pub fn join(&self, part: &Tensor, count: usize, each: usize) -> Result<Tensor> {
        let Some(others) = self.others() else { return Ok(part.shallow_clone()) };
        let rows = |rank: usize| (self.share_of(rank, count).len() * each) as i64;
        let (size, most) = (self.size(), (count.div_ceil(self.size()) * each) as i64);
        let here = part.detach().to_device(Device::Cpu).contiguous();
        let mut shape = here.size();
        shape[0] = most - rows(self.rank());
        let padded = Tensor::cat(&[&here, &Tensor::zeros(shape.as_slice(), (here.kind(), Device::Cpu))], 0);
        let all = others.collectives.gather(&padded)?;
        let parts: Vec<Tensor> = (0..size).map(|rank| all.get(rank as i64).narrow(0, 0, rows(rank))).collect();
        Ok(Tensor::cat(&parts, 0).to_device(part.device()))
    }

    /// What rank 0 says: a decision that has to be the same everywhere.
    ///
    /// # Errors
    /// [`NnError::LostRank`].
    pub fn of_first(&self, number: f64) -> Result<f64> {
        let Some(others) = self.others() else { return Ok(number) };
        let said = Tensor::from_slice(&[number]);
        others.collectives.broadcast(&said, 0)?;
        Ok(said.double_value(&[0]))
    }

    /// Whether all ranks say yes.
    ///
    /// # Errors
    /// [`NnError::LostRank`].
    pub fn all(&self, yes: bool) -> Result<bool> {
        let no = self.sum(&Tensor::from_slice(&[i64::from(!yes)]))?;
        Ok(no.int64_value(&[0]) == 0)
    }

    /// The bytes of rank 0, which alone has to bring them; none where it has none.
    ///
    /// # Errors
    /// [`NnError::LostRank`].
    pub fn bytes_of_first(&self, bytes: Option<Vec<u8>>) -> Result<Option<Vec<u8>>> {
        self.bytes_of(0, bytes)
    }

    /// The bytes of rank `from`, which alone has to bring them; none where it has none.
    ///
    /// # Errors
    /// [`NnError::LostRank`].
    pub fn bytes_of(&self, from: usize, bytes: Option<Vec<u8>>) -> Result<Option<Vec<u8>>> {
        let Some(others) = self.others() else { return Ok(bytes) };
        let length = Tensor::from_slice(&[bytes.as_ref().map_or(-1, |bytes| bytes.len() as i64)]);
        others.collectives.broadcast(&length, from)?;
        let Ok(length) = usize::try_from(length.int64_value(&[0])) else { return Ok(None) };
        let mut all = bytes.filter(|_| self.rank() == from).unwrap_or_else(|| vec![0; length]);
        for piece in all.chunks_mut(PIECE) {
            let sent = Tensor::from_slice(piece);
            others.collectives.broadcast(&sent, from)?;
            let length = piece.len();
            sent.f_copy_data_u8(piece, length)?;
        }
        Ok(Some(all))
    }

    /// Checks that all ranks have the same text; `what` it is, in words.
    ///
    /// # Errors
    /// [`NnError::UnequalRanks`] that names the ranks which differ from most, [`NnError::LostRank`].
    pub fn agree(&self, what: &str, text: &str) -> Result<()> {
        self.compare(what, text.as_bytes(), 0.0).map(|_busy| ())
    }

    /// Checks that all ranks have the same state, and notes how long each has computed in this round.
    ///
    /// # Errors
    /// As [`Ranks::agree`].
    pub fn agree_on(&self, state: &State, round: u64) -> Result<()> {
        let Some(others) = self.others() else { return Ok(()) };
        let text = format!("{} {:?}", digest(&state.tensors)?, state.metadata);
        let what = format!("what was trained after round {round}");
        let seconds = self.compare(&what, text.as_bytes(), others.collectives.busy())?;
        let (all, rounds) = &mut *others.busy.borrow_mut();
        all.resize(seconds.len(), 0.0);
        all.iter_mut().zip(seconds).for_each(|(all, more)| *all += more);
        *rounds += 1;
        Ok(())
    }

    /// Compares a hash; gives what each rank said beside it.
    fn compare(&self, what: &str, bytes: &[u8], beside: f64) -> Result<Vec<f64>> {
        let Some(others) = self.others() else { return Ok(vec![beside]) };
        let hash = blake3::hash(bytes);
        let hash = hash.as_bytes().first_chunk().map_or(0, |first| i64::from_le_bytes(*first));
        let all = others.collectives.gather(&Tensor::from_slice(&[hash, beside.to_bits().cast_signed()]))?;
        let all: Vec<i64> = Vec::try_from(all.flatten(0, -1))?;
        let hashes: Vec<i64> = all.iter().step_by(2).copied().collect();
        let count = |hash: i64| hashes.iter().filter(|other| **other == hash).count();
        // Of as many on both sides rank 0 is right.
        let most = hashes.iter().copied().rev().max_by_key(|hash| (count(*hash), *hash == hashes[0])).unwrap_or(hash);
        let ranks: Vec<usize> = (0..hashes.len()).filter(|rank| hashes[*rank] != most).collect();
        if ranks.is_empty() {
            return Ok(all.iter().skip(1).step_by(2).map(|bits| f64::from_bits(bits.cast_unsigned())).collect());
        }
        Err(NnError::UnequalRanks { what: what.to_owned(), ranks })
    }

    /// The rank for which the others waited since this was last asked, if one did.
    #[must_use]
    pub fn slow(&self) -> Option<SlowRank> {
        let (all, rounds) = std::mem::take(&mut *self.others()?.busy.borrow_mut());
        slowest(&all, rounds)
    }

    /// Tells the others that this process ends before its work is done, and why.
    pub fn part(&self, why: &str) {
        if let Some(others) = self.others() {
            others.collectives.part(why);
        }
    }

    /// Ends working together, when all is done.
    pub fn leave(&self) {
        if let Some(others) = self.others() {
            others.collectives.leave();
        }
    }
}

fn slowest(all: &[f64], rounds: u32) -> Option<SlowRank> {
    let (rank, most) = all.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let each = |seconds: f64| seconds / f64::from(rounds.max(1));
    let others = each((all.iter().sum::<f64>() - most) / (all.len() as f64 - 1.0));
    let seconds = each(most);
    let is_slow = seconds > SLOW * others && seconds > others + SLOW_SECONDS;
    is_slow.then_some(SlowRank { slow_rank: rank, seconds, others })
}

/// BLAKE3 over names, shapes and single-precision bytes of tensors.
fn digest(tensors: &[(String, Tensor)]) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    for (name, tensor) in tensors {
        hasher.update(format!("{name} {:?}", tensor.size()).as_bytes());
        let values = Vec::<f32>::try_from(&tensor.detach().to_device(Device::Cpu).to_kind(Kind::Float).reshape(-1))?;
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        hasher.update(&bytes);
    }
    Ok(hasher.finalize().to_hex().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A rank of several whose collectives nobody calls.
    #[derive(Debug)]
    struct Placed(usize, usize);

    impl Collectives for Placed {
        fn rank(&self) -> usize {
            self.0
        }

        fn size(&self) -> usize {
            self.1
        }

        fn local_rank(&self) -> usize {
            0
        }

        fn sum(&self, _tensor: &Tensor) -> Result<()> {
            Ok(())
        }

        fn broadcast(&self, _tensor: &Tensor, _from: usize) -> Result<()> {
            Ok(())
        }

        /// As if the others had said 1, 1, ..
        fn gather(&self, tensor: &Tensor) -> Result<Tensor> {
            let all: Vec<Tensor> =
                (0..self.1).map(|rank| if rank == self.0 { tensor.copy() } else { tensor.ones_like() }).collect();
            Ok(Tensor::stack(&all, 0))
        }

        fn busy(&self) -> f64 {
            0.0
        }

        fn part(&self, _why: &str) {}

        fn leave(&self) {}
    }

    fn placed(rank: usize, size: usize) -> Ranks {
        Ranks::of(Box::new(Placed(rank, size)))
    }

    #[test]
    fn shares_cover_all_rows_once() {
        for (count, size) in [(0, 3), (2, 3), (3, 3), (10, 4), (11, 4), (2048, 7)] {
            let mut next = 0;
            for rank in 0..size {
                let share = placed(rank, size).share(count);
                assert_eq!(share.start, next, "{count} rows on {size} ranks");
                assert!(share.len().abs_diff(count / size) <= 1);
                next = share.end;
            }
            assert_eq!(next, count);
        }
        assert_eq!(Ranks::alone().share(5), 0..5);
    }

    #[test]
    fn the_ranks_that_differ_from_most_are_named() {
        let refused = |rank: usize, size: usize| match placed(rank, size).agree("seed", "another") {
            Err(NnError::UnequalRanks { ranks, .. }) => ranks,
            other => panic!("{other:?}"),
        };
        assert_eq!(refused(2, 4), [2]);
        assert_eq!(refused(1, 2), [1], "of two the first is right");
        assert_eq!(refused(0, 2), [1]);
        assert!(Ranks::alone().agree("seed", "another").is_ok());
    }

    #[test]
    fn a_slow_rank_is_one_that_all_others_wait_for() {
        assert_eq!(slowest(&[1.0, 1.1, 0.9, 1.2], 1), None);
        assert_eq!(slowest(&[0.001, 0.004], 1), None, "milliseconds are no news");
        let slow = slowest(&[2.0, 8.0, 2.0], 2);
        assert_eq!(slow, Some(SlowRank { slow_rank: 1, seconds: 4.0, others: 1.0 }));
    }
}
