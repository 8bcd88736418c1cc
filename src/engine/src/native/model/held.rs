//! Derivatives of F's layers that serve all points near where they were found.

use crate::native::kernels::panels::Panels;
use crate::native::kernels::real::Real;

/// How the output of F's layers changes with `x` for one hypothesis, and the point that this belongs to.
///
/// F's layers are linear but for their rectifiers: where none has turned between two points their derivatives are the
/// same, where few have they are nearly so. A step by nearly the right derivatives is still a step down, for the
/// gradient is the point's own, and costs a fraction of what new derivatives do.
#[derive(Debug)]
pub(super) struct Held<T> {
    /// The point, `[Z]`; empty where there is none.
    z: Vec<T>,
    /// Which rectifiers were open there, layer by layer.
    open: Vec<bool>,
    /// `[raw, X]`.
    pub(super) tangents: Panels<T>,
    /// Whether the last step went by these and rectifiers had turned meanwhile.
    is_borrowed: bool,
    /// Whether that step was refused, so that they serve no more in this descent.
    is_refused: bool,
}

impl<T: Real> Held<T> {
    /// Allocates a place for what is like `tangents`, of a network with so many rectifiers and points of `dim` numbers.
    pub(super) fn new(tangents: Panels<T>, rectifiers: usize, dim: usize) -> Self {
        let (z, open) = (Vec::with_capacity(dim), Vec::with_capacity(rectifiers));
        Self { z, open, tangents, is_borrowed: false, is_refused: false }
    }

    /// Where it was found, `[Z]`; none where it holds nothing.
    pub(super) fn point(&self) -> Option<&[T]> {
        Some(&self.z[..]).filter(|z| !z.is_empty())
    }

    pub(super) fn forget(&mut self) {
        self.z.clear();
        self.begin();
    }

    /// Begins another descent.
    pub(super) fn begin(&mut self) {
        (self.is_borrowed, self.is_refused) = (false, false);
    }

    /// Whether it serves a point with these rectifiers open: at most the share `most` of them has turned.
    pub(super) fn serves(&mut self, open: impl Iterator<Item = bool>, most: f64) -> bool {
        if self.z.is_empty() || self.is_refused {
            return false;
        }
        let turned = self.open.iter().zip(open).filter(|(then, now)| *then != now).count();
        let serves = turned as f64 <= most * self.open.len() as f64;
        self.is_borrowed = serves && turned > 0;
        serves
    }

    /// Takes what was found at `z`, `[Z]`, in exchange for what it held.
    pub(super) fn take(&mut self, z: &[T], open: impl Iterator<Item = bool>, tangents: &mut Panels<T>) {
        std::mem::swap(&mut self.tangents, tangents);
        self.z.clear();
        self.z.extend_from_slice(z);
        self.open.clear();
        self.open.extend(open);
        self.begin();
    }

    /// Serves no more in this descent where the last step, which was refused, went by it from another point; tells
    /// whether it did.
    pub(super) fn refuse(&mut self) -> bool {
        self.is_refused |= self.is_borrowed;
        std::mem::take(&mut self.is_borrowed)
    }
}
