//! Places that may be seen from anywhere: the transform that fits best comes before the comparison.
//!
//! With places `p(x)` and what was seen, `q`, the residuals are `w (s R p + t - q)` at the similarity (R, t, s) for which
//! their squares are least: variable projection (Golub & Pereyra, 1973). Turned into the body's frame that is
//! `w s (p - R' (q - t) / s)`, a comparison like any other, with a value and a weight for each hypothesis. At the optimum
//! the transform's own derivative is zero, so the gradient in `x` is that of a transform held still. The Gauss-Newton
//! matrix is that of `x` and the transform together, of which the transform has been eliminated: `A'A - A'G (G'G)^-1 G'A`
//! with `A` the derivatives by `x` and `G` those by the transform (Kaufman, 1975).
//!
//! With a cloud, or with rays, the transform is not that of least squares to the last bit, but where a fixed number of steps
//! ends ([`SurfaceFit`]). The gradient is then that of a transform which also goes the step that is left. Residuals of rays
//! are no comparison of coordinates: they are added to what a cloud adds.

use thalweg_task::{Block, PULLS, Pair, Similarity, SurfaceFit, TreeSurface};

use crate::native::kernels::panels::Panels;
use crate::native::kernels::real::Real;

const FREEDOM: usize = Similarity::FREEDOM;

/// What was seen in the frames of bodies, as large as they are there, for as many rows as a register has numbers.
#[derive(Debug, Default)]
pub(super) struct Fitted<T> {
    /// `[rows, places * 3]` each.
    value: Vec<T>,
    weight: Vec<T>,
    width: usize,
    /// The pairs that the last row was fitted to, and the places that they are of.
    pairs: Vec<Pair>,
    of_place: Vec<usize>,
    last: Option<Similarity>,
    /// What is known to be the transform of the next row.
    known: Option<Similarity>,
    /// Where a cloud or rays may be seen.
    surface: Option<SurfaceFit<T>>,
    /// Whether the transform of each row was searched for: it has a cloud, or rays.
    is_searched: Vec<bool>,
    /// Whether that of the row that was fitted last was.
    is_last_searched: bool,
    /// What a cloud and rays add: their loss for each row, and derivatives by places, `[rows, places * 3]`, of themselves
    /// and of the step that is left.
    more_loss: Vec<T>,
    by_place: Vec<T>,
}

/// What a row sees of a cloud, and what finds the transform.
pub(super) type Clouded<'a, T> = (Option<&'a [Block<T>]>, Option<&'a TreeSurface>);

impl<T: Real> Fitted<T> {
    pub(super) fn new(places: usize, capsules: Option<usize>, rows: usize) -> Self {
        let zeros = |places: usize| vec![T::ZERO; 3 * places * rows];
        let (pairs, of_place) = (Vec::with_capacity(places), Vec::with_capacity(places));
        Self {
            value: zeros(places),
            weight: zeros(places),
            width: 3 * places,
            pairs,
            of_place,
            last: None,
            known: None,
            surface: capsules.map(SurfaceFit::new),
            is_searched: vec![false; rows],
            is_last_searched: false,
            more_loss: vec![T::ZERO; rows],
            by_place: zeros(capsules.map_or(0, |_| places)),
        }
    }

    /// Fits row `row`, whose places are `own`, to what was seen, value and weight, `[places * 3]`, and a cloud.
    #[inline(always)]
    pub(super) fn fit(
        &mut self,
        row: usize,
        own: impl Fn(usize) -> [T; 3],
        (value, weight): (&[T], &[T]),
        scale: [f64; 2],
        (cloud, surface): Clouded<'_, T>,
    ) {
        let (values, weights) = (value.as_chunks::<3>().0, weight.as_chunks::<3>().0);
        self.pairs.clear();
        self.of_place.clear();
        for (place, (seen, weight)) in values.iter().zip(weights).enumerate() {
            if weight[0] != T::ZERO {
                let [own, seen] = [own(place), *seen].map(|point| point.map(T::wide));
                let is_ray = weight[2] == T::ZERO;
                self.pairs.push(Pair { own, seen, weight: weight[0].wide(), is_ray });
                self.of_place.push(place);
            }
        }
        let has_more = cloud.is_some() || self.pairs.iter().any(|pair| pair.is_ray);
        let surface = surface.filter(|_| has_more);
        let is_searched = surface.is_some() && self.surface.is_some();
        (self.is_searched[row], self.is_last_searched) = (is_searched, is_searched);
        let fit = match (surface, &mut self.surface) {
            (Some(surface), Some(found)) => {
                found.place(surface, |place| own(place).map(T::wide));
                let is_anchor = |place: &&usize| surface.anchors.contains(place);
                let anchors = self.of_place.iter().filter(is_anchor).count();
                found.find(cloud.unwrap_or_default(), (&self.pairs, anchors), (scale, self.known), surface)
            }
            _ => Similarity::fit(&self.pairs, scale),
        };
        let span = row * self.width..(row + 1) * self.width;
        let (values, weights) = (&mut self.value[span.clone()], &mut self.weight[span]);
        weights.fill(T::ZERO);
        for (pair, place) in self.pairs.iter().zip(&self.of_place).filter(|(pair, _)| !pair.is_ray) {
            values[3 * place..3 * place + 3].copy_from_slice(&fit.back(pair.seen).map(T::of));
            weights[3 * place..3 * place + 3].fill(T::of(pair.weight * fit.scale()));
        }
        self.last = Some(fit);
        match surface {
            Some(surface) => self.pull(row, &fit, surface),
            None if self.surface.is_some() => {
                self.more_loss[row] = T::ZERO;
                self.by_place[row * self.width..(row + 1) * self.width].fill(T::ZERO);
            }
            None => {}
        }
    }

    /// Says what the transform of the next row is, where it is known.
    pub(super) fn expect(&mut self, known: Option<Similarity>) {
        self.known = known;
    }

    /// Keeps what cloud and rays add to a row that was just fitted.
    fn pull(&mut self, row: usize, fit: &Similarity, surface: &TreeSurface) {
        let Self { pairs, of_place, surface: found, more_loss, by_place, width, .. } = self;
        let Some(found) = found else { return };
        let mut loss = found.loss();
        let by_place = &mut by_place[row * *width..(row + 1) * *width];
        by_place.fill(T::ZERO);
        let mut add = |place: usize, force: [f64; 3]| {
            let sums = by_place[3 * place..3 * place + 3].iter_mut();
            sums.zip(force).for_each(|(sum, more)| *sum += T::of(more));
        };
        for (capsule, of) in surface.capsules.iter().enumerate().filter(|(at, _)| found.moments(*at).is_there) {
            for (end, force) in of.ends.iter().zip(found.forces(capsule, fit)) {
                add(*end, force);
            }
        }
        let step = found.step();
        for (pair, place) in pairs.iter().zip(of_place.iter()) {
            let mut pulled = fit.columns_of(pair).map(|column| dot(&column, step));
            if pair.is_ray {
                for (pulled, residual) in pulled.iter_mut().zip(fit.residual(pair)) {
                    *pulled += residual;
                    loss += residual * residual;
                }
            }
            let by_own = fit.by_own(pair);
            let force = |axis: usize| by_own.iter().zip(&pulled).map(|(row, pulled)| row[axis] * pulled).sum::<f64>();
            add(*place, [0, 1, 2].map(|axis| 2.0 * force(axis)));
        }
        more_loss[row] = T::of(loss);
    }

    /// Whether one of the first `rows` rows has a cloud or rays.
    pub(super) fn has_more(&self, rows: usize) -> bool {
        self.is_searched[..rows].contains(&true)
    }

    /// What a cloud and rays add to a row: their loss, and derivatives by places, `[places * 3]`; zeros where none was seen
    /// and another row has some.
    pub(super) fn more(&self, row: usize) -> (T, &[T]) {
        (self.more_loss[row], &self.by_place[row * self.width..(row + 1) * self.width])
    }

    /// What was found of cloud and rays of the row that was fitted last, and the transform; none where none was seen.
    pub(super) fn last_search(&self) -> Option<(&SurfaceFit<T>, &Similarity)> {
        self.surface.as_ref().filter(|_| self.is_last_searched).zip(self.last.as_ref())
    }

    /// Rays of the row that was fitted last, with the places that they are of.
    pub(super) fn rays(&self) -> impl Iterator<Item = (usize, &Pair)> {
        self.of_place.iter().copied().zip(&self.pairs).filter(|(_, pair)| pair.is_ray)
    }

    /// Value and weight of a row.
    pub(super) fn row(&self, row: usize) -> (&[T], &[T]) {
        let span = row * self.width..(row + 1) * self.width;
        (&self.value[span.clone()], &self.weight[span])
    }

    /// What the row that was fitted last leaves to the transform: `rows` are the places and axes of its residuals that
    /// change with `x`, the first of which is residual `first`; behind them come those of rays and a cloud, whose derivatives
    /// by the transform are `more`.
    pub(super) fn project(
        &self,
        first: usize,
        rows: impl Iterator<Item = (usize, usize)>,
        more: &[[f64; FREEDOM]],
        out: &mut Projection,
    ) {
        out.columns.clear();
        out.first = first;
        let Some(fit) = &self.last else { return };
        let factor = cholesky(self.square(fit));
        let mut pairs = self.of_place.iter().zip(&self.pairs).peekable();
        for (place, axis) in rows {
            while pairs.peek().is_some_and(|(of, _)| **of < place) {
                pairs.next();
            }
            let column = pairs.peek().filter(|(of, _)| **of == place);
            let column = column.map_or([0.0; FREEDOM], |(_, pair)| fit.columns(pair.own, pair.weight)[axis]);
            out.columns.push(solved(&factor, column));
        }
        out.columns.extend(more.iter().map(|column| solved(&factor, *column)));
    }

    /// Squares of derivatives by the transform, of the row that was fitted last.
    fn square(&self, fit: &Similarity) -> [[f64; FREEDOM]; FREEDOM] {
        if let Some((found, _)) = self.last_search() {
            return *found.square();
        }
        let mut square = [[0.0; FREEDOM]; FREEDOM];
        for pair in &self.pairs {
            for column in fit.columns(pair.own, pair.weight) {
                for (row, a) in square.iter_mut().zip(column) {
                    row.iter_mut().zip(column).for_each(|(sum, b)| *sum += a * b);
                }
            }
        }
        square
    }
}

/// The vectors v of [`SurfaceFit`] whose squares sum up to those of a capsule's points (Cholesky), zeros among them.
pub(super) fn rows_of(square: &[[f64; PULLS]; PULLS]) -> [[f64; PULLS]; PULLS] {
    let (mut rows, greatest) = ([[0.0; PULLS]; PULLS], (0..PULLS).map(|at| square[at][at]).fold(0.0, f64::max));
    for lead in 0..PULLS {
        let rest = |at: usize| square[at][lead] - (0..lead).map(|row| rows[row][at] * rows[row][lead]).sum::<f64>();
        let own = rest(lead);
        if own > DEPENDENT * greatest {
            let root = own.sqrt();
            let row = std::array::from_fn(|at| if at < lead { 0.0 } else { rest(at) / root });
            rows[lead] = row;
        }
    }
    rows
}

fn dot(a: &[f64; FREEDOM], b: &[f64; FREEDOM]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Residuals that a transform takes up, in a row.
#[derive(Clone, Debug, Default)]
pub(crate) struct Projection {
    first: usize,
    /// `G L'^-1` with `G'G = L L'`, for each residual.
    columns: Vec<[f64; FREEDOM]>,
}

impl Projection {
    pub(super) fn new(residuals: usize) -> Self {
        Self { first: 0, columns: Vec::with_capacity(residuals) }
    }

    /// Takes what the transform takes up out of `A'A`, `[X, X]`; `residuals` is A, `[M, X]`.
    pub(crate) fn subtract(&self, residuals: &Panels<f64>, inner: &mut Panels<f64>, turned: &mut [[f64; FREEDOM]]) {
        if self.columns.is_empty() {
            return;
        }
        turned.fill([0.0; FREEDOM]);
        for (row, column) in self.columns.iter().enumerate() {
            for (x, sums) in turned.iter_mut().enumerate() {
                let entry = residuals.at(self.first + row, x);
                sums.iter_mut().zip(column).for_each(|(sum, factor)| *sum += factor * entry);
            }
        }
        for (row, a) in turned.iter().enumerate() {
            for (column, b) in turned.iter().enumerate() {
                *inner.at_mut(row, column) -= a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            }
        }
    }

    /// Forgets what it had.
    pub(super) fn clear(&mut self) {
        self.columns.clear();
    }
}

/// The lower factor; what depends on what came before, or is not there, gets none of it.
fn cholesky(mut matrix: [[f64; FREEDOM]; FREEDOM]) -> [[f64; FREEDOM]; FREEDOM] {
    let greatest = (0..FREEDOM).map(|at| matrix[at][at]).fold(0.0, f64::max);
    for column in 0..FREEDOM {
        let before = matrix[column];
        let square = before[column] - before[..column].iter().map(|entry| entry * entry).sum::<f64>();
        let lead = if square > DEPENDENT * greatest { square.sqrt() } else { f64::INFINITY };
        matrix[column][column] = lead;
        for row in matrix.iter_mut().skip(column + 1) {
            let known: f64 = row[..column].iter().zip(&before).map(|(a, b)| a * b).sum();
            row[column] = (row[column] - known) / lead;
        }
    }
    matrix
}

/// Share of the greatest square below which a column counts as a sum of others. Rounding in 64 bits is far below, and
/// what the weakest points of a task add is above.
const DEPENDENT: f64 = 1e-13;

/// `L^-1 v`.
fn solved(factor: &[[f64; FREEDOM]; FREEDOM], mut vector: [f64; FREEDOM]) -> [f64; FREEDOM] {
    for row in 0..FREEDOM {
        let known: f64 = factor[row][..row].iter().zip(&vector).map(|(a, b)| a * b).sum();
        vector[row] = (vector[row] - known) / factor[row][row];
    }
    vector
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::arches;

    /// Places, what was seen of them and how much it counts: place 2 was not seen.
    fn scene() -> (Vec<[f64; 3]>, Vec<f64>, Vec<f64>) {
        let wave = |at: usize, by: f64| (at as f64 * by + 0.4).sin();
        let own = (0..6).map(|at| [wave(at, 1.3), wave(at, 2.9), wave(at, 0.7)]).collect();
        let value = (0..18).map(|at| 1.2 * wave(at, 1.9) + 3.0).collect();
        (own, value, (0..18).map(|at| if at / 3 == 2 { 0.0 } else { 1.0 + 0.2 * (at / 3) as f64 }).collect())
    }

    #[test]
    fn what_the_transform_takes_up_is_what_its_columns_span() {
        let (own, value, weight) = scene();
        let mut fitted = Fitted::<f64>::new(6, None, 1);
        fitted.fit(0, |place| own[place], (&value, &weight), [0.2, 3.0], (None, None));
        let places: Vec<(usize, usize)> =
            (0..6).filter(|at| *at != 2).flat_map(|at| [0, 1, 2].map(|axis| (at, axis))).collect();
        let mut projection = Projection::new(18);
        fitted.project(2, places.iter().copied(), &[], &mut projection);
        let fit = fitted.last.expect("fitted");
        // With A = I nothing is left of a column of G, and of what is at right angles to all of them everything is.
        let arch = arches()[0];
        let residuals = Panels::pack(arch, 17, 15, |row, column| f64::from(u8::from(row == column + 2)));
        let mut inner = Panels::pack(arch, 15, 15, |row, column| f64::from(u8::from(row == column)));
        projection.subtract(&residuals, &mut inner, &mut [[0.0; FREEDOM]; 15]);
        for number in 0..FREEDOM {
            let column: Vec<f64> =
                places.iter().map(|(at, axis)| fit.columns(own[*at], weight[3 * at])[*axis][number]).collect();
            for row in 0..15 {
                let left: f64 = (0..15).map(|at| inner.at(row, at) * column[at]).sum();
                assert!(left.abs() < 1e-10, "{number}: {left}");
            }
        }
        let trace: f64 = (0..15).map(|at| inner.at(at, at)).sum();
        assert!((trace - 8.0).abs() < 1e-10, "{trace}");
    }

    #[test]
    fn residuals_are_those_of_the_transform() {
        let (own, value, weight) = scene();
        let mut fitted = Fitted::<f64>::new(6, None, 2);
        fitted.fit(1, |place| own[place], (&value, &weight), [0.2, 3.0], (None, None));
        let root = fitted.last.expect("fitted").root(&[], true);
        let (values, weights) = fitted.row(1);
        for place in 0..6 {
            let placed = root.place(own[place]);
            let expected: f64 =
                (0..3).map(|axis| ((placed[axis] - value[3 * place + axis]) * weight[3 * place]).powi(2)).sum();
            let at = |axis: usize| (own[place][axis] - values[3 * place + axis]) * weights[3 * place + axis];
            let got: f64 = (0..3).map(|axis| at(axis).powi(2)).sum();
            assert!((got - expected).abs() < 1e-12, "{place}: {got} {expected}");
        }
    }
}
