//! Products of packed matrices with packed matrices, chosen rows only.

use pulp::{Simd, WithSimd};

use super::finish::Finish;
use super::panels::{ABREAST, MANY_REGISTERS, Panels};
use super::real::Real;

/// One factor of a [`Spread`]: where its entries are.
#[derive(Clone, Copy)]
pub(crate) struct Left<'a, T> {
    pub(crate) panels: &'a Panels<T>,
    /// Whether output `o` is row `o` of the panels, not column `o`.
    pub(crate) is_turned: bool,
    /// Where each input that takes part lies, from [`Left::place`].
    pub(crate) inputs: &'a [usize],
}

impl<T: Real> Left<'_, T> {
    /// Tells where input `input` lies in panels.
    pub(crate) fn place(panels: &Panels<T>, is_turned: bool, input: usize) -> usize {
        let width = panels.width();
        if is_turned { input / width * panels.stride() + input % width } else { input * width }
    }

    /// Padded number of outputs.
    fn outputs(&self) -> usize {
        if self.is_turned { self.panels.rows() } else { self.panels.padded() }
    }

    /// Where output `output` lies, and how far it is to the next one in its panel.
    fn output(&self, output: usize) -> (usize, usize) {
        let width = self.panels.width();
        if self.is_turned {
            (output * width, width)
        } else {
            (output / width * self.panels.stride() + output % width, 1)
        }
    }
}

/// The product `left' right`, `[outputs of left, columns of right]`.
///
/// Row `i` of `right` belongs to the i-th of the left's chosen inputs.
pub(crate) struct Spread<'a, T, F> {
    pub(crate) left: Left<'a, T>,
    pub(crate) right: &'a Panels<T>,
    pub(crate) out: &'a mut Panels<T>,
    pub(crate) finish: F,
}

impl<T: Real, F: Finish<T>> WithSimd for Spread<'_, T, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let outputs = self.left.outputs();
        let panels = self.right.padded() / self.right.width();
        for panel in 0..panels {
            let mut output = 0;
            while output < outputs {
                output += match self.right.width() {
                    8.. if S::REGISTER_COUNT >= MANY_REGISTERS => self.run::<S, 8>(simd, panel, output),
                    4.. => self.run::<S, 4>(simd, panel, output),
                    _ => self.run::<S, 2>(simd, panel, output),
                };
            }
        }
    }
}

impl<T: Real, F: Finish<T>> Spread<'_, T, F> {
    /// Computes `R` rows of a panel of the result, and tells that it were so many.
    #[inline(always)]
    fn run<S: Simd, const R: usize>(&mut self, simd: S, panel: usize, output: usize) -> usize {
        let (start, stride) = self.left.output(output);
        let left = &self.left.panels.data()[start..];
        let right = T::registers::<S>(self.right.data());
        let right = &right[panel * self.right.stride() / T::lanes::<S>()..][..self.left.inputs.len() * ABREAST];
        let (right, _) = right.as_chunks::<ABREAST>();
        let mut sums = [[T::splat(simd, T::ZERO); ABREAST]; R];
        if stride == 1 {
            for (place, right) in self.left.inputs.iter().zip(right) {
                let left: &[T] = &left[*place..][..R];
                accumulate::<S, T, R>(simd, &mut sums, right, std::array::from_fn(|row| left[row]));
            }
        } else {
            for (place, right) in self.left.inputs.iter().zip(right) {
                let left: &[T] = &left[*place..][..(R - 1) * stride + 1];
                accumulate::<S, T, R>(simd, &mut sums, right, std::array::from_fn(|row| left[row * stride]));
            }
        }
        let place = panel * self.out.stride() / T::lanes::<S>() + output * ABREAST;
        let out = &mut T::registers_mut::<S>(self.out.data_mut())[place..][..R * ABREAST];
        for (row, sums) in sums.into_iter().enumerate() {
            for (register, sum) in sums.into_iter().enumerate() {
                let place = &mut out[row * ABREAST + register];
                *place = self.finish.finish(simd, sum, *place, output + row, panel * ABREAST + register);
            }
        }
        R
    }
}

/// Adds the products of one input of each row with a row of the right factor.
#[inline(always)]
fn accumulate<S: Simd, T: Real, const R: usize>(
    simd: S,
    sums: &mut [[T::Lanes<S>; ABREAST]; R],
    right: &[T::Lanes<S>; ABREAST],
    left: [T; R],
) {
    for (sums, left) in sums.iter_mut().zip(left) {
        let left = T::splat(simd, left);
        for (sum, right) in sums.iter_mut().zip(right) {
            *sum = T::times_plus(simd, left, *right, *sum);
        }
    }
}
