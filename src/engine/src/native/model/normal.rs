//! Damped normal equations, hypothesis by hypothesis.

use pulp::{Simd, WithSimd};
use thalweg_task::Similarity;

use super::held::Held;
use super::tangents::Tangents;
use crate::native::heads::comparison::{Derivative, EncodedTarget, HeadSpace};
use crate::native::kernels::buffer::Buffer;
use crate::native::kernels::finish::{GateBy, Store};
use crate::native::kernels::panels::Panels;
use crate::native::kernels::product::Rows;
use crate::native::kernels::real::Real;
use crate::native::kernels::spread::{Left, Spread};
use crate::native::model::{Batch, Model, TILE, Workspace};

/// The residuals of one hypothesis as a linear function of `z`, ready to be solved for a step.
///
/// With `A = dr/dx`, `[M, X]`, the prior's residuals among its rows, and `B = dx/dz`, `[X, Z]`, the
/// damped step is `d = -(B'A'A B + c I)^-1 B'A'r`. It equals `-B'u` with `(A'A B B' + c I) u = A'r`,
/// for `(B'C B + c I) B' = B'(C B B' + c I)`: a system of X equations, not Z, whose matrix keeps full rank.
/// It is set up and solved in double precision, which costs little beside the derivatives.
#[derive(Clone, Debug)]
pub(crate) struct Linearisation<T> {
    /// `A'A B B'`, `[X, X]`; without theta `A'A`.
    matrix: Vec<f64>,
    /// `|A B|^2`.
    trace: f64,
    /// B, `[X, Z]`; empty without theta.
    by_z: Vec<T>,
    /// Whether it belongs to the point beside it.
    is_fresh: bool,
}

impl<T: Copy> Linearisation<T> {
    /// Marks it as belonging to another point.
    pub(crate) fn spoil(&mut self) {
        self.is_fresh = false;
    }

    /// Takes over another one, without allocating.
    pub(crate) fn take(&mut self, other: &Self) {
        self.is_fresh = other.is_fresh;
        if other.is_fresh {
            self.matrix.copy_from_slice(&other.matrix);
            self.by_z.copy_from_slice(&other.by_z);
            self.trace = other.trace;
        }
    }
}

/// Steps of a descent in which derivatives of points near by serve, and what is left of the share of rectifiers that may have
/// turned afterwards: who goes on wants to end where a point's own derivatives lead. Streams take one to three. Guesses.
const FIRST_STEPS: usize = 3;
const LATER: f64 = 0.1;

/// What linearising and solving need.
#[derive(Debug)]
pub(crate) struct NormalSpace<T> {
    tangents: Tangents<T>,
    /// What the head makes of tangents, row by row.
    derivatives: Vec<Derivative<T>>,
    joints: HeadSpace<T>,
    /// A, `[M, X]`, without the prior's rows.
    residuals: Panels<f64>,
    /// Where rows of its panels and those below lie.
    places: Vec<usize>,
    /// `A'A`, `B B'` and their product, `[X, X]`.
    inner: Panels<f64>,
    outer: Panels<f64>,
    product: Panels<f64>,
    turned: Turned<T>,
    /// Share of F's rectifiers that may turn before its derivatives are found anew.
    reuse: f64,
    /// How often points were linearised in this descent.
    steps: usize,
    /// What a transform takes up of each entry of `x`, `[X]`.
    taken: Vec<[f64; Similarity::FREEDOM]>,
    /// `[X, X]` and `[X]`, overwritten by solving.
    system: Vec<f64>,
    right: Vec<f64>,
}

/// Cotangents on their way back through theta, `[X, padded]`, and what becomes of them.
#[derive(Debug)]
struct Turned<T> {
    from: Buffer<T>,
    to: Buffer<T>,
    /// `B'`, `[Z, X]`.
    by_z: Panels<f64>,
}

/// Sums up what the head makes of tangents, `[raw, X]`: residuals' derivatives, as many rows of `[M, X]` as the last
/// one counts.
struct Compose<'a, T> {
    derivatives: &'a [Derivative<T>],
    tangents: &'a Panels<T>,
    out: &'a mut Panels<f64>,
}

impl<T: Real> WithSimd for Compose<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { derivatives, tangents, out } = self;
        let (width, stride, from) = (out.width(), out.stride(), tangents.width());
        for (panel, out) in out.data_mut().chunks_exact_mut(stride).enumerate() {
            let column = panel * width;
            let Some(tangents) = tangents.panels().nth(column / from) else { break };
            let mut filled = 0;
            for derivative in derivatives {
                let out = &mut out[derivative.row * width..][..width];
                if derivative.row == filled {
                    out.fill(0.0);
                    filled += 1;
                }
                let rows = tangents.chunks_exact(from).skip(derivative.first).take(derivative.count);
                for (row, factor) in rows.zip(derivative.by_raw) {
                    let (row, factor) = (&row[column % from..][..width], factor.wide());
                    out.iter_mut().zip(row).for_each(|(out, value)| *out += factor * value.wide());
                }
            }
        }
    }
}

impl<T: Real> Model<T> {
    /// Allocates K points with their linearisations, from hypothesis `first` on.
    pub(crate) fn linear_batch(&self, first: usize, rows: usize) -> Batch<T> {
        let latent = self.latent();
        let by_z = vec![T::ZERO; if self.has_theta() { latent * self.dim() } else { 0 }];
        let linear = Linearisation { matrix: vec![0.0; latent * latent], trace: 0.0, by_z, is_fresh: false };
        let linear = vec![linear; rows];
        Batch { linear, ..self.batch(first, rows) }
    }

    /// Allocates what linearising `rows` of all `hypotheses` against targets of `residuals` equations needs; `reuse` as
    /// [`crate::optimizer::LmConfig::reuse`].
    pub(crate) fn normal_space(
        &self,
        residuals: usize,
        (rows, hypotheses): (usize, usize),
        reuse: f64,
    ) -> NormalSpace<T> {
        let (latent, dim, arch) = (self.latent(), self.dim(), self.arch());
        let square = || Panels::zeros(arch, latent, latent);
        let (residuals, by_z) = (Panels::zeros(arch, residuals, latent), Panels::zeros(arch, dim, latent));
        let most = residuals.inputs().max(dim).max(latent);
        let tangents = Tangents::new(arch, self.decoder(), (rows, hypotheses), (reuse > 0.0).then_some(dim));
        let layers = self.encoder().iter();
        let width = layers.map(|layer| layer.padded_inputs().max(layer.padded_outputs())).max().unwrap_or(0);
        let zeros = || Buffer::zeros(latent * width);
        NormalSpace {
            tangents,
            derivatives: Vec::with_capacity(self.comparison().most_derivatives(residuals.inputs())),
            joints: self.comparison().space(1),
            places: (0..most).map(|row| Left::place(&residuals, false, row)).collect(),
            residuals,
            inner: square(),
            outer: square(),
            product: square(),
            turned: Turned { from: zeros(), to: zeros(), by_z },
            reuse,
            steps: 0,
            taken: vec![[0.0; Similarity::FREEDOM]; latent],
            system: vec![0.0; latent * latent],
            right: vec![0.0; latent],
        }
    }

    /// Linearises at the points that were evaluated last.
    ///
    /// Not with the evaluation: nothing follows the last points of a descent, and of what was proposed not all is taken.
    pub(crate) fn linearise(
        &self,
        encoded: &EncodedTarget<T>,
        batch: &mut Batch<T>,
        work: &mut Workspace<T>,
        space: &mut NormalSpace<T>,
    ) {
        let (rows, dim) = (batch.loss.len(), self.dim());
        space.steps += 1;
        for first in (0..rows).step_by(TILE) {
            let count = TILE.min(rows - first);
            let stale: [bool; TILE] =
                std::array::from_fn(|place| place < count && !batch.linear[first + place].is_fresh);
            let mut points = batch.z[first * dim..].chunks_exact(dim).zip(stale).enumerate();
            if !points.all(|(place, (z, is_stale))| !is_stale || work.is_at(place, z)) {
                self.forward(&batch.z[first * dim..], count, work);
            }
            for place in (0..count).filter(|&place| stale[place]) {
                self.differentiate(encoded, batch, work, space, (first + place, place));
            }
        }
    }

    /// Begins a descent with the derivatives of F's layers held as they are at points `z`, `[K, Z]`.
    pub(crate) fn hold(&self, z: &[T], work: &mut Workspace<T>, space: &mut NormalSpace<T>) {
        let (dim, tangents) = (self.dim(), &mut space.tangents);
        tangents.begin();
        space.steps = 0;
        for (tile, z) in z.chunks(TILE * dim).enumerate() {
            let points = || z.chunks_exact(dim).enumerate();
            let is_held = |place: usize, z: &[T], tangents: &Tangents<T>| {
                tangents.held().get(tile * TILE + place).is_none_or(|held| held.point() == Some(z))
            };
            if points().all(|(place, z)| is_held(place, z, tangents)) {
                continue;
            }
            self.forward(z, z.len() / dim, work);
            for (place, z) in points() {
                if !is_held(place, z, tangents) {
                    tangents.forget_one(tile * TILE + place);
                    self.find_tangents(z, (tile * TILE + place, place), work, (&mut *tangents, 0.0));
                }
            }
        }
    }

    /// Finds the derivatives of row `row`, in place `place` of the tile that went forward last.
    fn differentiate(
        &self,
        encoded: &EncodedTarget<T>,
        batch: &mut Batch<T>,
        work: &Workspace<T>,
        space: &mut NormalSpace<T>,
        (row, place): (usize, usize),
    ) {
        let z = &batch.z[row * self.dim()..][..self.dim()];
        let most = if space.steps <= FIRST_STEPS { space.reuse } else { space.reuse * LATER };
        self.find_tangents(z, (row, place), work, (&mut space.tangents, most));
        let NormalSpace { tangents, derivatives, joints, residuals, .. } = &mut *space;
        let tangents = tangents.last(row, self.constant());
        let hypothesis = batch.first + row;
        let found = batch.fits[row];
        self.comparison().derive(&batch.raw[row * self.raw()..], encoded, (hypothesis, found), joints, derivatives);
        self.arch().dispatch(Compose { derivatives, tangents, out: residuals });
        if self.has_theta() {
            self.turn(place, work, &mut space.turned, &mut batch.linear[row].by_z);
        }
        let prior = encoded.prior().map_or(0.0, |prior| prior.weight(hypothesis).wide());
        space.assemble(self, prior, &mut batch.linear[row]);
    }

    /// Differentiates `x` with respect to `z`: `[X, Z]` in `out`; only with a theta.
    ///
    /// Reverse mode: one cotangent for each entry of `x`.
    fn turn(&self, place: usize, work: &Workspace<T>, turned: &mut Turned<T>, out: &mut [T]) {
        let (latent, dim, last) = (self.latent(), self.dim(), self.theta() - 1);
        let layers = self.encoder();
        let mut stride = layers[last].padded_inputs();
        for (output, out) in turned.from.chunks_exact_mut(stride).take(latent).enumerate() {
            let inputs = layers[last].inputs();
            out[inputs..].fill(T::ZERO);
            out[..inputs].iter_mut().enumerate().for_each(|(input, out)| *out = layers[last].at(input, output));
            if last > 0 {
                gate(out, work.row(last - 1, place), layers[last - 1].slope);
            }
        }
        for (index, layer) in layers[..last].iter().enumerate().rev() {
            let rows = Rows { data: &turned.from, stride, count: latent };
            match index.checked_sub(1) {
                Some(before) => {
                    let finish = GateBy { result: work.row(before, place), slope: layers[before].slope };
                    layer.backward(self.arch(), rows, &mut turned.to, finish);
                }
                None => layer.backward(self.arch(), rows, &mut turned.to, Store),
            }
            stride = layer.padded_inputs();
            std::mem::swap(&mut turned.from, &mut turned.to);
        }
        let rows = turned.from.chunks_exact(stride).zip(out.chunks_exact_mut(dim));
        for (x, (from, out)) in rows.enumerate() {
            out.copy_from_slice(&from[..dim]);
            if let Some(skip) = &self.skip {
                out.iter_mut().enumerate().for_each(|(z, out)| *out += skip.at(z, x));
            }
        }
    }
}

/// Multiplies by the rectifier's derivative, told from its result.
fn gate<T: Real>(row: &mut [T], result: &[T], slope: T) {
    for (value, result) in row.iter_mut().zip(result) {
        *value = if *result > T::ZERO { *value } else { *value * slope };
    }
}

impl<T: Real> NormalSpace<T> {
    /// Makes what follows independent of what came before.
    pub(crate) fn forget(&mut self) {
        self.tangents.forget();
        self.steps = 0;
    }

    /// See [`crate::optimizer::LmConfig::reuse`].
    pub(crate) fn reuse(&self) -> f64 {
        self.reuse
    }

    /// Adds where the derivatives that it holds were found, `[rows, Z]`; tells whether every row holds some.
    pub(crate) fn tell_points(&self, points: &mut Vec<T>) -> bool {
        let held = self.tangents.held();
        held.iter().filter_map(Held::point).for_each(|z| points.extend_from_slice(z));
        !held.is_empty() && held.iter().all(|held| held.point().is_some())
    }

    /// Goes no more, in this descent, by what it holds for a row whose step by it was refused, where that was found
    /// elsewhere; tells whether it was.
    pub(crate) fn refuse(&mut self, row: usize) -> bool {
        self.tangents.refuse(row)
    }

    /// Number of equations that it is for.
    pub(crate) fn equations(&self) -> usize {
        self.residuals.inputs()
    }

    /// Sets up the equations from A and B; `prior` is the weight of the pull on `x`.
    fn assemble(&mut self, model: &Model<T>, prior: f64, linear: &mut Linearisation<T>) {
        let (latent, arch) = (model.latent(), model.arch());
        let rows = self.derivatives.last().map_or(0, |derivative| derivative.row + 1);
        let left = Left { panels: &self.residuals, is_turned: false, inputs: &self.places[..rows] };
        let (right, out) = (&self.residuals, &mut self.inner);
        arch.dispatch(Spread { left, right, out, finish: Store });
        self.joints.projection().subtract(&self.residuals, &mut self.inner, &mut self.taken);
        (0..latent).for_each(|entry| *self.inner.at_mut(entry, entry) += prior);
        let mut from = &self.inner;
        if model.has_theta() {
            let by_z = &mut self.turned.by_z;
            by_z.fill(|z, x| linear.by_z[x * model.dim() + z].wide());
            let left = Left { panels: by_z, is_turned: false, inputs: &self.places[..model.dim()] };
            arch.dispatch(Spread { left, right: by_z, out: &mut self.outer, finish: Store });
            // Both are symmetric.
            let left = Left { panels: &self.inner, is_turned: false, inputs: &self.places[..latent] };
            let (right, out) = (&self.outer, &mut self.product);
            arch.dispatch(Spread { left, right, out, finish: Store });
            from = &self.product;
        }
        from.unpack(&mut linear.matrix);
        linear.trace = (0..latent).map(|entry| from.at(entry, entry)).sum();
        linear.is_fresh = true;
    }

    /// Solves for the step from the loss's derivative with respect to `x`, `[X]`; adds it to `z`, `[Z]`.
    ///
    /// `damping` is in units of `|J|^2 / rank`. No step is added where the equations cannot be solved.
    pub(crate) fn step(&mut self, linear: &Linearisation<T>, by_x: &[T], damping: f64, rank: usize, z: &mut [T]) {
        let latent = by_x.len();
        self.system.copy_from_slice(&linear.matrix);
        let shift = damping * linear.trace / rank as f64;
        self.system.iter_mut().step_by(latent + 1).for_each(|entry| *entry += shift);
        // Half the derivative of a sum of squares is A'r.
        self.right.iter_mut().zip(by_x).for_each(|(right, by_x)| *right = 0.5 * by_x.wide());
        // Without theta the matrix is symmetric, and the damping makes it definite.
        let solve = if linear.by_z.is_empty() { solve_definite } else { solve };
        if !solve(&mut self.system, &mut self.right) {
            return;
        }
        if linear.by_z.is_empty() {
            z.iter_mut().zip(&self.right).for_each(|(z, step)| *z += T::of(-step));
            return;
        }
        for (factor, row) in self.right.iter().zip(linear.by_z.chunks_exact(z.len())) {
            let factor = T::of(-factor);
            z.iter_mut().zip(row).for_each(|(z, entry)| *z += factor * *entry);
        }
    }
}

/// Solves `matrix w = right` in place for a symmetric positive definite matrix, of which the upper triangle is read; tells
/// whether it could.
fn solve_definite(matrix: &mut [f64], right: &mut [f64]) -> bool {
    let size = right.len();
    for column in 0..size {
        let (above, below) = matrix.split_at_mut((column + 1) * size);
        let lead = &above[column * size..];
        if lead[column].is_nan() || lead[column] <= 0.0 {
            return false;
        }
        for (row, below) in (column + 1..size).zip(below.chunks_exact_mut(size)) {
            let factor = lead[row] / lead[column];
            below[row..].iter_mut().zip(&lead[row..]).for_each(|(entry, lead)| *entry -= factor * lead);
            right[row] -= factor * right[column];
        }
    }
    substitute(matrix, right)
}

/// Solves `matrix w = right` in place, by elimination with row pivots; tells whether it could.
fn solve(matrix: &mut [f64], right: &mut [f64]) -> bool {
    let size = right.len();
    for column in 0..size {
        let greatest = |best: usize, row: usize| {
            if matrix[row * size + column].abs() > matrix[best * size + column].abs() { row } else { best }
        };
        let pivot = (column + 1..size).fold(column, greatest);
        let (above, below) = matrix.split_at_mut((column + 1) * size);
        let lead = &mut above[column * size..];
        if pivot != column {
            lead.swap_with_slice(&mut below[(pivot - column - 1) * size..][..size]);
            right.swap(column, pivot);
        }
        if lead[column] == 0.0 {
            return false;
        }
        for (row, below) in below.chunks_exact_mut(size).enumerate() {
            let factor = below[column] / lead[column];
            below[column..].iter_mut().zip(&lead[column..]).for_each(|(entry, lead)| *entry -= factor * lead);
            right[column + 1 + row] -= factor * right[column];
        }
    }
    substitute(matrix, right)
}

/// Solves for an upper triangle, from below; tells whether all is finite.
fn substitute(matrix: &[f64], right: &mut [f64]) -> bool {
    let size = right.len();
    for row in (0..size).rev() {
        let known: f64 = (row + 1..size).map(|column| matrix[row * size + column] * right[column]).sum();
        right[row] = (right[row] - known) / matrix[row * size + row];
    }
    right.iter().all(|entry| entry.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solves_what_needs_pivots() {
        let mut matrix = [0.0, 2.0, 1.0, 1.0, 1.0, 0.0, 4.0, -1.0, 3.0];
        let expected = [1.0, -2.0, 0.5];
        let mut right: Vec<f64> =
            matrix.chunks(3).map(|row| row.iter().zip(&expected).map(|(a, w)| a * w).sum()).collect();
        assert!(solve(&mut matrix, &mut right));
        assert!(right.iter().zip(&expected).all(|(got, expected)| (got - expected).abs() < 1e-14), "{right:?}");
    }

    #[test]
    fn solves_what_is_definite_from_its_upper_triangle() {
        let whole = [4.0, 2.0, -1.0, 2.0, 5.0, 0.5, -1.0, 0.5, 3.0];
        let expected = [1.0, -2.0, 0.5];
        let mut right: Vec<f64> =
            whole.chunks(3).map(|row| row.iter().zip(&expected).map(|(a, w)| a * w).sum()).collect();
        let mut upper = whole;
        (upper[3], upper[6], upper[7]) = (f64::NAN, f64::NAN, f64::NAN);
        assert!(solve_definite(&mut upper, &mut right));
        assert!(right.iter().zip(&expected).all(|(got, expected)| (got - expected).abs() < 1e-14), "{right:?}");
    }

    #[test]
    fn refuses_what_is_not_definite() {
        for mut matrix in [[1.0, 2.0, 2.0, 4.0], [f64::NAN, 0.0, 0.0, 1.0], [1.0, 2.0, 2.0, 1.0]] {
            assert!(!solve_definite(&mut matrix, &mut [1.0, 1.0]), "{matrix:?}");
        }
    }

    #[test]
    fn refuses_what_has_no_solution() {
        assert!(!solve(&mut [1.0, 2.0, 2.0, 4.0], &mut [1.0, 1.0]));
        assert!(!solve(&mut [f64::NAN, 0.0, 0.0, 1.0], &mut [1.0, 1.0]));
    }
}
