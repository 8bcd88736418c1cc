//! The chord between rotations, many joints side by side.

use pulp::{Simd, WithSimd};

use super::rotation::Frame;
use crate::native::kernels::lane::{Lane, MOST};
use crate::native::kernels::real::Real;

/// Entries of a joint's matrix, and their weights.
const PAIRS: usize = 18;

/// Puts the same entry of joints side by side, for [`Chord`]: as many joints as a register has numbers, then the next.
pub(super) struct SideBySide<'a, T> {
    /// Entries of each joint's matrix, and their weights.
    pub(super) value: &'a [[T; 9]],
    pub(super) weight: &'a [[T; 9]],
    /// Takes all numbers of one row.
    pub(super) out: &'a mut Vec<T>,
}

impl<T: Real> WithSimd for SideBySide<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let lanes = T::lanes::<S>().min(MOST);
        for (value, weight) in self.value.chunks(lanes).zip(self.weight.chunks(lanes)) {
            for entry in 0..PAIRS {
                let (joints, entry) = if entry < 9 { (value, entry) } else { (weight, entry - 9) };
                let numbers = joints.iter().map(|joint| joint[entry]);
                self.out.extend(numbers.chain(std::iter::repeat(T::ZERO)).take(lanes));
            }
        }
    }
}

/// Scores rotations entry by entry: the loss, and its derivative in place of `raw`.
pub(super) struct Chord<'a, T> {
    /// Six numbers of each joint.
    pub(super) raw: &'a mut [[T; 6]],
    /// From [`SideBySide`].
    pub(super) target: &'a [T],
    /// Derivatives of what else there is to the loss with respect to each matrix.
    pub(super) beside: Option<&'a [[T; 9]]>,
    pub(super) least_length: T,
}

impl<T: Real> WithSimd for Chord<'_, T> {
    type Output = T;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> T {
        let lanes = T::lanes::<S>().min(MOST);
        let mut losses = [T::ZERO; MOST];
        let least_length = Lane::splat(simd, self.least_length);
        let twice = Lane::splat(simd, T::of(2.0));
        let entries = T::registers::<S>(self.target).chunks_exact(PAIRS);
        for (chunk, (raw, entries)) in self.raw.chunks_mut(lanes).zip(entries).enumerate() {
            let six = Lane::gather(simd, raw.len(), |joint| &raw[joint]);
            let (value, weight) = entries.split_at(PAIRS / 2);
            let frame = Frame::new(&six, least_length);
            let mut derivative = frame.matrix();
            let mut loss = Lane::read(simd, &losses);
            for ((entry, value), weight) in derivative.iter_mut().zip(value).zip(weight) {
                let (value, weight) = (Lane::of(simd, *value), Lane::of(simd, *weight));
                let residual = (*entry - value) * weight;
                loss = loss + residual * residual;
                *entry = twice * residual * weight;
            }
            loss.write(&mut losses);
            if let Some(beside) = self.beside {
                let beside = &beside[chunk * lanes..][..raw.len()];
                let beside = Lane::gather(simd, beside.len(), |joint| &beside[joint]);
                derivative.iter_mut().zip(beside).for_each(|(entry, more)| *entry = *entry + more);
            }
            let pulled = frame.pull(&derivative);
            for (entry, pulled) in pulled.into_iter().enumerate() {
                let mut numbers = [T::ZERO; MOST];
                pulled.write(&mut numbers);
                raw.iter_mut().zip(numbers).for_each(|(raw, number)| raw[entry] = number);
            }
        }
        losses.into_iter().sum()
    }
}
