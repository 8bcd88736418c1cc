//! What becomes of the entries of a product while they are still in registers.

use pulp::Simd;

use super::panels::{ABREAST, Panels};
use super::real::Real;

/// What becomes of each entry of a product before it is stored.
pub(crate) trait Finish<T: Real>: Copy {
    /// Turns `sum`, of register column `column` in row `row`, into what is stored in place of `old`.
    fn finish<S: Simd>(self, simd: S, sum: T::Lanes<S>, old: T::Lanes<S>, row: usize, column: usize) -> T::Lanes<S>;
}

/// Stores the product.
#[derive(Clone, Copy)]
pub(crate) struct Store;

impl<T: Real> Finish<T> for Store {
    #[inline(always)]
    fn finish<S: Simd>(self, _: S, sum: T::Lanes<S>, _: T::Lanes<S>, _: usize, _: usize) -> T::Lanes<S> {
        sum
    }
}

/// Adds a bias, `[padded]`, and applies a leaky rectifier; slope one is none.
#[derive(Clone, Copy)]
pub(crate) struct Rectify<'a, T> {
    pub(crate) bias: &'a [T],
    pub(crate) slope: T,
}

impl<T: Real> Finish<T> for Rectify<'_, T> {
    #[inline(always)]
    fn finish<S: Simd>(self, simd: S, sum: T::Lanes<S>, _: T::Lanes<S>, _: usize, column: usize) -> T::Lanes<S> {
        let value = T::plus(simd, sum, T::registers::<S>(self.bias)[column]);
        T::greater(simd, value, T::times(simd, value, T::splat(simd, self.slope)))
    }
}

/// Multiplies by the rectifier's derivative, told from its result that is overwritten.
#[derive(Clone, Copy)]
pub(crate) struct Gate<T> {
    pub(crate) slope: T,
}

impl<T: Real> Finish<T> for Gate<T> {
    #[inline(always)]
    fn finish<S: Simd>(self, simd: S, sum: T::Lanes<S>, old: T::Lanes<S>, _: usize, _: usize) -> T::Lanes<S> {
        T::choose(simd, old, sum, T::times(simd, sum, T::splat(simd, self.slope)))
    }
}

/// Multiplies by the rectifier's derivative, told from one result, `[padded]`, for all rows.
#[derive(Clone, Copy)]
pub(crate) struct GateBy<'a, T> {
    pub(crate) result: &'a [T],
    pub(crate) slope: T,
}

impl<T: Real> Finish<T> for GateBy<'_, T> {
    #[inline(always)]
    fn finish<S: Simd>(self, simd: S, sum: T::Lanes<S>, _: T::Lanes<S>, _: usize, column: usize) -> T::Lanes<S> {
        let old = T::registers::<S>(self.result)[column];
        T::choose(simd, old, sum, T::times(simd, sum, T::splat(simd, self.slope)))
    }
}

/// Adds the product to what is there.
#[derive(Clone, Copy)]
pub(crate) struct Add;

impl<T: Real> Finish<T> for Add {
    #[inline(always)]
    fn finish<S: Simd>(self, simd: S, sum: T::Lanes<S>, old: T::Lanes<S>, _: usize, _: usize) -> T::Lanes<S> {
        T::plus(simd, old, sum)
    }
}

/// Adds a multiple of another matrix.
#[derive(Clone, Copy)]
pub(crate) struct Offset<'a, T> {
    pub(crate) panels: &'a Panels<T>,
    pub(crate) factor: T,
}

impl<T: Real> Finish<T> for Offset<'_, T> {
    #[inline(always)]
    fn finish<S: Simd>(self, simd: S, sum: T::Lanes<S>, _: T::Lanes<S>, row: usize, column: usize) -> T::Lanes<S> {
        let start = column / ABREAST * self.panels.stride() / T::lanes::<S>();
        let offset = T::registers::<S>(self.panels.data())[start + row * ABREAST + column % ABREAST];
        T::times_plus(simd, offset, T::splat(simd, self.factor), sum)
    }
}

/// Multiplies each row by a factor of its own; rows without one stay as they are.
#[derive(Clone, Copy)]
pub(crate) struct Scale<'a, T> {
    pub(crate) factors: &'a [T],
}

impl<T: Real> Finish<T> for Scale<'_, T> {
    #[inline(always)]
    fn finish<S: Simd>(self, simd: S, sum: T::Lanes<S>, _: T::Lanes<S>, row: usize, _: usize) -> T::Lanes<S> {
        match self.factors.get(row) {
            Some(factor) => T::times(simd, sum, T::splat(simd, *factor)),
            None => sum,
        }
    }
}
