//! Damped normal equations, hypothesis by hypothesis.

use super::buffer::Buffer;
use super::comparison::Aim;
use super::model::{Directions, Model, Workspace, tile};
use super::panels::{Panels, Product, Rows, Store};
use super::real::Real;

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
    /// Whether it belongs to the present point.
    pub(crate) is_fresh: bool,
}

/// What linearising and solving need, whatever the number of hypotheses.
#[derive(Debug)]
pub(crate) struct NormalSpace<T> {
    directions: Directions<T>,
    /// A', `[X, M]`.
    by_x: Vec<T>,
    residuals: Square,
    outputs: Square,
    product: Panels<f64>,
    product_out: Buffer<f64>,
    /// `[X, X]` and `[X]`, overwritten by solving.
    system: Vec<f64>,
    right: Vec<f64>,
}

/// What it takes to multiply a matrix `[X, N]` with its transpose, in double precision.
#[derive(Debug)]
struct Square {
    rows: Buffer<f64>,
    columns: Panels<f64>,
    out: Buffer<f64>,
}

impl Square {
    fn new<T: Real>(model: &Model<T>, size: usize, length: usize) -> Self {
        let columns = Panels::zeros(model.arch(), length, size);
        let out = Buffer::zeros(size * columns.padded());
        Self { rows: Buffer::zeros(size * length), columns, out }
    }

    /// Fills `out`, `[X, padded]`, with `matrix` times its transpose.
    fn run<T: Real>(&mut self, model: &Model<T>, matrix: &[T]) {
        self.rows.iter_mut().zip(matrix).for_each(|(row, value)| *row = value.wide());
        let (length, rows) = (self.columns.inputs(), &self.rows);
        self.columns.fill(|inner, column| rows[column * length + inner]);
        let rows = Rows { data: &self.rows, stride: length, count: self.columns.outputs() };
        model.arch().dispatch(Product { rows, panels: &self.columns, out: &mut self.out, finish: Store });
    }

    /// Entry of the result.
    fn at(&self, row: usize, column: usize) -> f64 {
        self.out[row * self.columns.padded() + column]
    }
}

impl<T: Real> Model<T> {
    /// Allocates linearisations of `rows` hypotheses.
    pub(crate) fn linearisations(&self, rows: usize) -> Vec<Linearisation<T>> {
        let latent = self.latent();
        let by_z = vec![T::ZERO; if self.has_theta() { latent * self.dim() } else { 0 }];
        vec![Linearisation { matrix: vec![0.0; latent * latent], trace: 0.0, by_z, is_fresh: false }; rows]
    }

    /// Allocates what linearising against targets of `residuals` residuals needs.
    pub(crate) fn normal_space(&self, residuals: usize) -> NormalSpace<T> {
        let latent = self.latent();
        let product = Panels::zeros(self.arch(), latent, latent);
        NormalSpace {
            directions: self.directions(),
            by_x: vec![T::ZERO; latent * residuals],
            residuals: Square::new(self, latent, residuals),
            outputs: Square::new(self, latent, self.dim()),
            product_out: Buffer::zeros(latent * product.padded()),
            product,
            system: vec![0.0; latent * latent],
            right: vec![0.0; latent],
        }
    }

    /// Linearises at the rows of `z`, `[K, Z]`, whose linearisation is not fresh.
    pub(crate) fn linearise(
        &self,
        aim: &Aim<T>,
        z: &[T],
        linear: &mut [Linearisation<T>],
        work: &mut Workspace<T>,
        space: &mut NormalSpace<T>,
    ) {
        for (index, linear) in linear.chunks_mut(tile()).enumerate() {
            if linear.iter().all(|linear| linear.is_fresh) {
                continue;
            }
            let first = index * tile();
            self.forward(&z[first * self.dim()..], linear.len(), work);
            for (place, linear) in linear.iter_mut().enumerate().filter(|(_, linear)| !linear.is_fresh) {
                self.by_x(aim, first + place, place, work, &mut space.directions, &mut space.by_x);
                if self.has_theta() {
                    self.by_z(place, work, &mut space.directions, &mut linear.by_z);
                }
                space.assemble(self, aim.pull().map_or(0.0, |pull| pull.weight(first + place).wide()), linear);
            }
        }
    }
}

impl<T: Real> NormalSpace<T> {
    /// Sets up the equations from A and B; `prior` is the weight of the pull on `x`.
    fn assemble(&mut self, model: &Model<T>, prior: f64, linear: &mut Linearisation<T>) {
        let latent = model.latent();
        self.residuals.run(model, &self.by_x);
        let inner = &self.residuals;
        let gram = |row: usize, column: usize| inner.at(row, column) + if row == column { prior } else { 0.0 };
        for (row, out) in linear.matrix.chunks_exact_mut(latent).enumerate() {
            out.iter_mut().enumerate().for_each(|(column, out)| *out = gram(row, column));
        }
        if !model.has_theta() {
            linear.trace = (0..latent).map(|entry| gram(entry, entry)).sum();
        } else {
            self.outputs.run(model, &linear.by_z);
            let outer = &self.outputs;
            let entries = linear.matrix.iter().enumerate();
            linear.trace = entries.map(|(index, value)| value * outer.at(index / latent, index % latent)).sum();
            self.product.fill(|row, column| outer.at(row, column));
            let rows = Rows { data: &linear.matrix, stride: latent, count: latent };
            let (panels, out) = (&self.product, &mut *self.product_out);
            model.arch().dispatch(Product { rows, panels, out, finish: Store });
            let padded = self.product.padded();
            let rows = linear.matrix.chunks_exact_mut(latent).zip(self.product_out.chunks_exact(padded));
            rows.for_each(|(row, product)| row.copy_from_slice(&product[..latent]));
        }
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
    fn refuses_what_has_no_solution() {
        assert!(!solve(&mut [1.0, 2.0, 2.0, 4.0], &mut [1.0, 1.0]));
        assert!(!solve(&mut [f64::NAN, 0.0, 0.0, 1.0], &mut [1.0, 1.0]));
    }
}
