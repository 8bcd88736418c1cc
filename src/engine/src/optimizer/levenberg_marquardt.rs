//! Levenberg-Marquardt: damped Gauss-Newton for sums of squares.

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::error::EngineError;
use crate::evaluation::choose;

/// Options of Levenberg-Marquardt.
///
/// Damping is dimensionless: it is measured in mean squared singular values of the Jacobian, so
/// that scaling the residuals changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LmConfig {
    /// Damping of the first step, in `[min, max]`.
    ///
    /// The defaults of this and of the two factors leave the least loss on validation poses after two to
    /// ten steps; Marquardt's own (1963), 0.01 and tenfold, need twice as many from a drawn start.
    pub damping: f64,
    /// Factor on the damping after a step that was refused, above 1.
    pub raise: f64,
    /// Factor on the damping after a step that was taken, in `(0, 1)`.
    pub lower: f64,
    /// Least damping, above 0. The default is a guess at what single precision factorises.
    pub min: f64,
    /// Greatest damping, at least `min`; a row that has come up to it is finished. The default
    /// is a guess at where a step gets lost in rounding.
    pub max: f64,
    /// Share of F's rectifiers, in `[0, 1]`, that may turn between two points for the one to go by derivatives of F that
    /// were found at the other, also from one observation to the next; where such a step is refused, it is tried again by
    /// the point's own. After three steps towards an observation it is a tenth of the share. With zero every point has its
    /// own. For the native backend; others do without.
    pub reuse: f64,
}

impl LmConfig {
    /// For observations that follow each other closely, where most derivatives serve several of them.
    ///
    /// The share was chosen on streams of validation clips (docs/streams.md).
    #[must_use]
    pub fn of_streams() -> Self {
        Self { reuse: 0.05, ..Self::default() }
    }
}

impl Default for LmConfig {
    fn default() -> Self {
        Self { damping: 0.1, raise: 3.0, lower: 0.5, min: 1e-6, max: 1e8, reuse: 0.0 }
    }
}

impl LmConfig {
    pub(crate) fn validate(&self) -> Result<(), EngineError> {
        let Self { damping, raise, lower, min, max, reuse } = *self;
        let checks = [
            ("levenberg_marquardt.min", min, min.is_finite() && min > 0.0, "a finite number above 0"),
            ("levenberg_marquardt.max", max, max.is_finite() && max >= min, "a finite number, at least min"),
            ("levenberg_marquardt.damping", damping, (min..=max).contains(&damping), "a number in [min, max]"),
            ("levenberg_marquardt.raise", raise, raise.is_finite() && raise > 1.0, "a finite number above 1"),
            ("levenberg_marquardt.lower", lower, lower > 0.0 && lower < 1.0, "a number in (0, 1)"),
            ("levenberg_marquardt.reuse", reuse, (0.0..=1.0).contains(&reuse), "a number in [0, 1]"),
        ];
        match checks.into_iter().find(|(_, _, fits, _)| !fits) {
            Some((option, got, _, expected)) => Err(EngineError::option(option, &got, expected)),
            None => Ok(()),
        }
    }
}

impl LmConfig {
    /// Adapts a row's damping to whether its step was taken.
    ///
    /// Times `lower` when taken, times `raise` when not, within `[min, max]`: Marquardt (1963).
    pub(crate) fn adapted(&self, damping: f64, accepted: bool) -> f64 {
        (damping * if accepted { self.lower } else { self.raise }).clamp(self.min, self.max)
    }
}

/// Damping and Jacobian of K independent descents.
#[derive(Debug)]
pub struct LmState {
    /// Damping of each row, in units of the mean squared singular value.
    damping: Vec<f64>,
    /// `[K, M, Z]` at the current points, or nothing when a row has moved since.
    jacobian: Option<Tensor>,
}

impl Clone for LmState {
    /// Takes a snapshot; the Jacobian is shared, for it never changes.
    fn clone(&self) -> Self {
        let jacobian = self.jacobian.as_ref().map(Tensor::shallow_clone);
        Self { damping: self.damping.clone(), jacobian }
    }
}

impl LmState {
    /// Starts `rows` descents.
    #[must_use]
    pub fn new(config: &LmConfig, rows: usize) -> Self {
        Self { damping: vec![config.damping; rows], jacobian: None }
    }

    /// Solves for the step that goes with the residuals, `[K, M]`.
    ///
    /// `jacobian` gives `[K, M, Z]` at the current points; it is asked only when a row has moved.
    /// Returns the state after it and the step, `[K, Z]`, zero in rows whose normal equations
    /// cannot be factorised.
    ///
    /// # Errors
    /// Those of `jacobian`.
    pub fn step<E>(
        &self,
        residual: &Tensor,
        jacobian: impl FnOnce() -> Result<Tensor, E>,
    ) -> Result<(Self, Tensor), E> {
        let state = self.clone();
        let jacobian = state.jacobian.map_or_else(jacobian, Ok)?;
        let damping = Tensor::from_slice(&state.damping).to_kind(residual.kind()).to_device(residual.device());
        let step = damped_step(&jacobian, residual, &damping);
        Ok((Self { damping: state.damping, jacobian: Some(jacobian) }, step))
    }

    /// Adapts the damping to whether each row's step was taken.
    pub fn adapt(&mut self, config: &LmConfig, accepted: &[bool]) {
        for (damping, &accepted) in self.damping.iter_mut().zip(accepted) {
            *damping = config.adapted(*damping, accepted);
        }
        if accepted.contains(&true) {
            self.jacobian = None;
        }
    }

    /// Starts the marked rows afresh.
    pub fn reset(&mut self, config: &LmConfig, rows: &[bool]) {
        for (damping, _) in self.damping.iter_mut().zip(rows).filter(|(_, row)| **row) {
            *damping = config.damping;
        }
        self.jacobian = None;
    }

    /// Whether even the shortest step was refused to a row.
    #[must_use]
    pub fn is_exhausted(&self, config: &LmConfig, row: usize) -> bool {
        self.damping[row] >= config.max
    }
}

/// Minimises `|r + J d|^2 + mu s |d|^2` over `d`, row by row, `s = |J|^2 / min(M, Z)`.
///
/// `jacobian`: `[K, M, Z]`, `residual`: `[K, M]`, `damping` (mu): `[K]`. Returns `[K, Z]`.
/// Levenberg (1944): `d = -(J^T J + mu s I)^-1 J^T r`. With fewer residuals than dimensions the
/// same step is `-J^T (J J^T + mu s I)^-1 r`, whose matrix is smaller and keeps full rank.
fn damped_step(jacobian: &Tensor, residual: &Tensor, damping: &Tensor) -> Tensor {
    let (wide, transposed) = (jacobian.size()[1] < jacobian.size()[2], jacobian.transpose(1, 2));
    let residual = residual.unsqueeze(2);
    let (gram, right) = if wide {
        (jacobian.bmm(&transposed), residual)
    } else {
        (transposed.bmm(jacobian), transposed.bmm(&residual))
    };
    let (solution, solved) = solve_damped(&gram, &right, damping);
    let step = if wide { transposed.bmm(&solution) } else { solution }.squeeze_dim(2);
    let usable = solved.logical_and(&step.isfinite().all_dim(1, false));
    choose(&usable, &step.neg(), &step.zeros_like())
}

/// Solves `(G + mu s I) w = b` by Cholesky; returns `w` and whether each row was solved, `[K]`.
fn solve_damped(gram: &Tensor, right: &Tensor, damping: &Tensor) -> (Tensor, Tensor) {
    let mut gram = gram.copy();
    let mut diagonal = gram.diagonal(0, 1, 2);
    let mean = diagonal.mean_dim(-1, false, gram.kind());
    let damped = &diagonal + (mean * damping).unsqueeze(1);
    diagonal.copy_(&damped);
    let (factor, info) = gram.linalg_cholesky_ex(false, false);
    gram = right.cholesky_solve(&factor, false);
    (gram, info.eq(0).to_kind(Kind::Bool))
}
