//! Numbers side by side: one register as if it were a number.

use std::ops::{Add, Mul, Neg, Sub};

use pulp::Simd;

use super::real::Real;

/// Most numbers that a register has.
pub(crate) const MOST: usize = 16;

/// What formulas of rotations are written in.
pub(crate) trait Number:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Neg<Output = Self>
{
    /// Takes the square root.
    fn root(self) -> Self;
    /// Takes one over it.
    fn inverse(self) -> Self;
}

impl<T: Real> Number for T {
    #[inline(always)]
    fn root(self) -> Self {
        self.square_root()
    }

    #[inline(always)]
    fn inverse(self) -> Self {
        T::ONE / self
    }
}

/// A register of numbers that all undergo the same.
pub(crate) struct Lane<S: Simd, T: Real> {
    simd: S,
    value: T::Lanes<S>,
}

impl<S: Simd, T: Real> Clone for Lane<S, T> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: Simd, T: Real> Copy for Lane<S, T> {}

impl<S: Simd, T: Real> Lane<S, T> {
    /// Reads the first numbers, as many as a register has.
    #[inline(always)]
    pub(crate) fn read(simd: S, values: &[T]) -> Self {
        Self { simd, value: T::registers::<S>(values)[0] }
    }

    /// Takes a register.
    #[inline(always)]
    pub(crate) fn of(simd: S, value: T::Lanes<S>) -> Self {
        Self { simd, value }
    }

    /// The register.
    #[inline(always)]
    pub(crate) fn register(self) -> T::Lanes<S> {
        self.value
    }

    /// Puts the same entry of `count` groups of numbers into a register; lanes without a group take the first.
    #[inline(always)]
    pub(crate) fn gather<'a, const N: usize>(simd: S, count: usize, group: impl Fn(usize) -> &'a [T; N]) -> [Self; N] {
        let mut numbers = [[T::ZERO; MOST]; N];
        numbers.iter_mut().zip(group(0)).for_each(|(numbers, spare)| numbers.fill(*spare));
        for lane in 1..count {
            numbers.iter_mut().zip(group(lane)).for_each(|(numbers, entry)| numbers[lane] = *entry);
        }
        let mut lanes = [Self::splat(simd, T::ZERO); N];
        for (lane, numbers) in lanes.iter_mut().zip(&numbers) {
            *lane = Self::read(simd, numbers);
        }
        lanes
    }

    /// Repeats a number.
    #[inline(always)]
    pub(crate) fn splat(simd: S, value: T) -> Self {
        Self { simd, value: T::splat(simd, value) }
    }

    /// Writes over the first numbers, as many as a register has.
    #[inline(always)]
    pub(crate) fn write(self, values: &mut [T]) {
        T::registers_mut::<S>(values)[0] = self.value;
    }
}

impl<S: Simd, T: Real> Add for Lane<S, T> {
    type Output = Self;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self { value: T::plus(self.simd, self.value, other.value), ..self }
    }
}

impl<S: Simd, T: Real> Sub for Lane<S, T> {
    type Output = Self;

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self { value: T::minus(self.simd, self.value, other.value), ..self }
    }
}

impl<S: Simd, T: Real> Mul for Lane<S, T> {
    type Output = Self;

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Self { value: T::times(self.simd, self.value, other.value), ..self }
    }
}

impl<S: Simd, T: Real> Neg for Lane<S, T> {
    type Output = Self;

    #[inline(always)]
    fn neg(self) -> Self {
        Self { value: T::minus(self.simd, T::splat(self.simd, T::ZERO), self.value), ..self }
    }
}

impl<S: Simd, T: Real> Number for Lane<S, T> {
    #[inline(always)]
    fn root(self) -> Self {
        Self { value: T::roots(self.simd, self.value), ..self }
    }

    #[inline(always)]
    fn inverse(self) -> Self {
        Self { value: T::over(self.simd, T::splat(self.simd, T::ONE), self.value), ..self }
    }
}
