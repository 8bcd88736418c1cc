//! Where a body stands and how large it is: the similarity transform between its own frame and that of what was seen.

use nalgebra::{Matrix3, Matrix4, Quaternion, SMatrix, SVector, SymmetricEigen, UnitQuaternion, Vector3};

/// Where the root of a body is in the frame of the points that were seen, and how large the body is.
///
/// A point `p` of the task's own body lies at `scale * (rotation * p) + position`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Root {
    /// Metres.
    pub position: [f64; 3],
    /// Unit quaternion x, y, z, w.
    pub rotation: [f64; 4],
    /// Size against the task's own body; 1 is as large.
    pub scale: f64,
    /// Whether the points tell all of it: three that are not on a line. Where they do not, the rest is that of the root
    /// before, or the identity.
    pub is_seen: bool,
    /// How far the points are from where the body has them, in the mean square, metres on the task's own body: trackers
    /// are off by centimetres, and where left and right are swapped, or names are wrong, it is more.
    pub misfit: f64,
}

impl Root {
    /// How many numbers it is.
    pub const NUMBERS: usize = 10;
    /// Range of a coordinate of the position, metres; what is farther away is no number of a robot.
    pub const REACH: f64 = 1e6;

    /// Its numbers: position, rotation, scale, 1 where it is seen, misfit.
    #[must_use]
    pub fn numbers(&self) -> [f64; Self::NUMBERS] {
        let ([x, y, z], [i, j, k, w]) = (self.position, self.rotation);
        [x, y, z, i, j, k, w, self.scale, f64::from(u8::from(self.is_seen)), self.misfit]
    }

    /// Reads [`Root::numbers`]; none where they are no root.
    #[must_use]
    pub fn of_numbers(numbers: &[f64; Self::NUMBERS]) -> Option<Self> {
        let [x, y, z, i, j, k, w, scale, seen, misfit] = *numbers;
        let length = (i * i + j * j + k * k + w * w).sqrt();
        let is_possible = [x, y, z].iter().all(|value| value.abs() <= Self::REACH)
            && (length - 1.0).abs() <= 1e-3
            && (1e-3..=1e3).contains(&scale)
            && [0.0, 1.0].contains(&seen)
            && (0.0..=Self::REACH).contains(&misfit);
        is_possible.then_some(Self { position: [x, y, z], rotation: [i, j, k, w], scale, is_seen: seen == 1.0, misfit })
    }

    /// Puts a point of the task's own body where it was seen.
    #[must_use]
    pub fn place(&self, point: [f64; 3]) -> [f64; 3] {
        let [i, j, k, w] = self.rotation;
        let rotation = UnitQuaternion::new_normalize(Quaternion::new(w, i, j, k));
        (rotation * Vector3::from(point) * self.scale + Vector3::from(self.position)).into()
    }
}

/// A point of the body, where it was seen, and how much that counts: a residual's factor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// In the body's own frame, metres.
    pub own: [f64; 3],
    /// In the frame of what was seen, metres; of a ray x / z and y / z, dimensionless, and a third number that is not read.
    pub seen: [f64; 3],
    /// Not negative; of a ray metres, the depth at which its residual is one across the line of sight, are part of it.
    pub weight: f64,
    /// Whether it is a ray: a camera at the origin, which looks along z, saw the point in a direction.
    pub is_ray: bool,
}

/// Depth, metres, below which a point before a camera counts as that deep: what is behind it has no image.
pub const LEAST_DEPTH: f64 = 0.1;

/// The transform that brings points of a body nearest to where they were seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Similarity {
    rotation: UnitQuaternion<f64>,
    matrix: Matrix3<f64>,
    translation: Vector3<f64>,
    scale: f64,
    /// Whether a change of the scale was allowed to help: it is neither fixed nor at an end of its range.
    is_scale_free: bool,
}

/// Share of the sum of squares that keeps a step defined where pairs tell too little.
const DAMPING: f64 = 1e-9;
/// Longest turn, radians, shift, metres, and change of size of a step: beyond, residuals are not linear.
const LONGEST: [f64; 3] = [0.5, 0.5, 0.2];
/// Spread of points, square metres, below which they say nothing of size.
const LEAST_SPREAD: f64 = 1e-12;

impl Similarity {
    /// How many numbers it has: three of rotation, three of translation, one of scale.
    pub const FREEDOM: usize = 7;

    /// Minimises `sum |weight (s R own + t - seen)|^2` over R, t, and s from `least` to `greatest`.
    ///
    /// In closed form: Horn, Closed-form solution of absolute orientation using unit quaternions, J. Opt. Soc. Am. A 4
    /// (1987); the scale after Umeyama, IEEE PAMI 13 (1991), which does not depend on R's part and is clamped. Without
    /// pairs it is the identity; points on a line, or at one place, leave some of R to chance but nothing undefined. Rays,
    /// of which there is no closed form, do not count.
    #[must_use]
    pub fn fit(pairs: &[Pair], [least, greatest]: [f64; 2]) -> Self {
        let pairs = || pairs.iter().filter(|pair| !pair.is_ray);
        let total: f64 = pairs().map(|pair| pair.weight * pair.weight).sum();
        let scale = 1f64.clamp(least, greatest);
        if !(total > 0.0 && total.is_finite()) {
            let (rotation, matrix, translation) = (UnitQuaternion::identity(), Matrix3::identity(), Vector3::zeros());
            return Self { rotation, matrix, translation, scale, is_scale_free: false };
        }
        let mean = |of: fn(&Pair) -> [f64; 3]| {
            let sum = |sum: Vector3<f64>, pair: &Pair| sum + Vector3::from(of(pair)) * (pair.weight * pair.weight);
            pairs().fold(Vector3::zeros(), sum) / total
        };
        let (own, seen) = (mean(|pair| pair.own), mean(|pair| pair.seen));
        let (mut together, mut spread) = (Matrix3::zeros(), 0.0);
        for pair in pairs() {
            let (mine, theirs) = (Vector3::from(pair.own) - own, Vector3::from(pair.seen) - seen);
            let square = pair.weight * pair.weight;
            together += mine * theirs.transpose() * square;
            spread += mine.norm_squared() * square;
        }
        let rotation = turn(&together);
        let matrix = rotation.to_rotation_matrix().into_inner();
        let wanted = if spread > LEAST_SPREAD * total { (matrix * together).trace() / spread } else { scale };
        let scale = if wanted.is_finite() { wanted.clamp(least, greatest) } else { scale };
        let is_scale_free = spread > LEAST_SPREAD * total && least < scale && scale < greatest;
        Self { rotation, matrix, translation: seen - matrix * own * scale, scale, is_scale_free }
    }

    /// The transform as a root.
    ///
    /// `pairs`: what was seen.
    #[must_use]
    pub fn root(&self, pairs: &[Pair], is_seen: bool) -> Root {
        let square = |pair: &Pair| (self.apart(pair) / self.scale).powi(2);
        let misfit = (pairs.iter().map(square).sum::<f64>() / pairs.len().max(1) as f64).sqrt();
        let misfit = if misfit.is_finite() { misfit.min(Root::REACH) } else { Root::REACH };
        let rotation = self.rotation.quaternion();
        let rotation = [rotation.i, rotation.j, rotation.k, rotation.w];
        Root { position: self.translation.into(), rotation, scale: self.scale, is_seen, misfit }
    }

    /// Size against the task's own body.
    #[must_use]
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// Whether a change of the scale counts.
    #[must_use]
    pub fn has_free_scale(&self) -> bool {
        self.is_scale_free
    }

    /// The same, of which a change of the scale counts or not.
    #[must_use]
    pub(crate) fn with_free_scale(self, is_scale_free: bool) -> Self {
        Self { is_scale_free, ..self }
    }

    /// Rotation, row by row, translation, metres, and scale.
    pub(crate) fn parts(&self) -> ([[f64; 3]; 3], [f64; 3], f64) {
        let rows = std::array::from_fn(|row| std::array::from_fn(|column| self.matrix[(row, column)]));
        (rows, self.translation.into(), self.scale)
    }

    /// Turns about the body's three axes, shifts along them and changes the scale, as [`Similarity::columns`] counts; all
    /// of it shortened where one of the three is longer than `longest`.
    #[must_use]
    pub(crate) fn moved(&self, step: [f64; Self::FREEDOM], longest: [f64; 3], [least, greatest]: [f64; 2]) -> Self {
        let [a, b, c, x, y, z, scale] = step;
        let (turn, shift) = (Vector3::new(a, b, c), Vector3::new(x, y, z));
        let lengths = [turn.norm(), shift.norm(), scale.abs()];
        let over = lengths.iter().zip(longest).map(|(length, longest)| length / longest).fold(1.0, f64::max);
        let rotation =
            UnitQuaternion::new_normalize((self.rotation * UnitQuaternion::from_scaled_axis(turn / over)).into_inner());
        Self {
            rotation,
            matrix: rotation.to_rotation_matrix().into_inner(),
            translation: self.translation + self.matrix * shift / over,
            scale: (self.scale + scale / over).clamp(least, greatest),
            is_scale_free: self.is_scale_free,
        }
    }

    /// The transform of a root.
    #[must_use]
    pub fn of_root(root: &Root) -> Self {
        let [i, j, k, w] = root.rotation;
        let rotation = UnitQuaternion::new_normalize(Quaternion::new(w, i, j, k));
        let matrix = rotation.to_rotation_matrix().into_inner();
        Self { rotation, matrix, translation: root.position.into(), scale: root.scale, is_scale_free: true }
    }

    /// Brings what was seen into the body's own frame, as large as the body is there: `R' (seen - t) / s`.
    #[must_use]
    pub fn back(&self, seen: [f64; 3]) -> [f64; 3] {
        (self.matrix.tr_mul(&(Vector3::from(seen) - self.translation)) / self.scale).into()
    }

    /// Puts a point of the body where it is in the frame of what was seen, metres.
    #[must_use]
    pub fn put(&self, own: [f64; 3]) -> [f64; 3] {
        (self.matrix * Vector3::from(own) * self.scale + self.translation).into()
    }

    /// How far a point is from where it was seen, or from its ray, metres.
    #[must_use]
    pub fn apart(&self, pair: &Pair) -> f64 {
        let [x, y, z] = pair.seen;
        let put = self.put(pair.own);
        if !pair.is_ray {
            return (Vector3::from(put) - Vector3::new(x, y, z)).norm();
        }
        // What is behind the camera is as far from a ray as from the camera.
        let depth = put[2].max(LEAST_DEPTH);
        (put[0] - x * depth).hypot(put[1] - y * depth).hypot(put[2] - depth)
    }

    /// The residual of a pair: `weight (s R own + t - seen)`, turned into the body's frame; of a ray
    /// `weight (P_x / P_z - x, P_y / P_z - y, 0)` with `P = s R own + t`.
    #[must_use]
    pub fn residual(&self, pair: &Pair) -> [f64; 3] {
        let Pair { own, seen, weight, is_ray } = *pair;
        if is_ray {
            let [x, y, z] = self.put(own);
            let depth = z.max(LEAST_DEPTH);
            return [(x / depth - seen[0]) * weight, (y / depth - seen[1]) * weight, 0.0];
        }
        let back = self.back(seen);
        std::array::from_fn(|axis| (own[axis] - back[axis]) * weight * self.scale)
    }

    /// How [`Similarity::residual`] changes with the point in the body's frame: a row for each coordinate.
    #[must_use]
    pub fn by_own(&self, pair: &Pair) -> [[f64; 3]; 3] {
        if pair.is_ray {
            return self.by_shift(pair).map(|row| row.map(|entry| entry * self.scale));
        }
        let same = pair.weight * self.scale;
        [[same, 0.0, 0.0], [0.0, same, 0.0], [0.0, 0.0, same]]
    }

    /// How the residual of a ray changes where the body is shifted along its own axes.
    fn by_shift(&self, pair: &Pair) -> [[f64; 3]; 3] {
        let [x, y, z] = self.put(pair.own);
        let depth = z.max(LEAST_DEPTH);
        let along = pair.weight / depth;
        let by_depth = if z > LEAST_DEPTH { along / depth } else { 0.0 };
        let turned = |by_x: f64, by_y: f64, by_z: f64| self.matrix.tr_mul(&Vector3::new(by_x, by_y, by_z)).into();
        [turned(along, 0.0, -x * by_depth), turned(0.0, along, -y * by_depth), [0.0; 3]]
    }

    /// How [`Similarity::residual`] changes with the transform, as [`Similarity::columns`].
    #[must_use]
    pub fn columns_of(&self, pair: &Pair) -> [[f64; Self::FREEDOM]; 3] {
        if !pair.is_ray {
            return self.columns(pair.own, pair.weight);
        }
        let moved = self.columns(pair.own, 1.0);
        self.by_shift(pair).map(|row| {
            std::array::from_fn(|number| row.iter().zip(&moved).map(|(by, column)| by * column[number]).sum())
        })
    }

    /// Goes `steps` steps of Gauss-Newton towards where the residuals of `pairs`, rays among them, have the least squares;
    /// the size stays within `least` and `greatest`.
    ///
    /// What the pairs do not tell stays as it is, and so does all of it where a step would not be finite.
    #[must_use]
    pub fn refined(self, pairs: &[Pair], [least, greatest]: [f64; 2], steps: usize) -> Self {
        type Square = SMatrix<f64, { Similarity::FREEDOM }, { Similarity::FREEDOM }>;
        type Column = SVector<f64, { Similarity::FREEDOM }>;
        let mut fit = Self { is_scale_free: least < greatest, ..self };
        for _ in 0..steps {
            let (mut square, mut right) = (Square::zeros(), Column::zeros());
            for pair in pairs {
                for (column, residual) in fit.columns_of(pair).iter().zip(fit.residual(pair)) {
                    let column = Column::from_column_slice(column);
                    square += column * column.transpose();
                    right -= column * residual;
                }
            }
            let damping = DAMPING * square.trace();
            let step = (square + Square::identity() * damping).cholesky().map(|factor| factor.solve(&right));
            let Some(step) = step.filter(|step| step.iter().all(|entry| entry.is_finite())) else { break };
            fit = fit.moved(step.into(), LONGEST, [least, greatest]);
        }
        fit
    }

    /// How the residual of a point, turned into the body's frame, changes with the transform: for each coordinate, the
    /// derivatives with respect to a turn about the body's three axes, to a shift along them, and to the scale.
    ///
    /// A scale that may not help has no derivative.
    #[must_use]
    pub fn columns(&self, own: [f64; 3], weight: f64) -> [[f64; Self::FREEDOM]; 3] {
        let [x, y, z] = own.map(|entry| entry * weight);
        let [a, b, c] = [x, y, z].map(|entry| entry * self.scale);
        let by_scale = if self.is_scale_free { [x, y, z] } else { [0.0; 3] };
        [
            [0.0, c, -b, weight, 0.0, 0.0, by_scale[0]],
            [-c, 0.0, a, 0.0, weight, 0.0, by_scale[1]],
            [b, -a, 0.0, 0.0, 0.0, weight, by_scale[2]],
        ]
    }
}

/// The rotation R for which the trace of `R together` is greatest.
fn turn(together: &Matrix3<f64>) -> UnitQuaternion<f64> {
    let s = |row: usize, column: usize| together[(row, column)];
    let (xx, yy, zz) = (s(0, 0), s(1, 1), s(2, 2));
    let [i, j, k] = [s(1, 2) - s(2, 1), s(2, 0) - s(0, 2), s(0, 1) - s(1, 0)];
    let [ij, jk, ki] = [s(0, 1) + s(1, 0), s(1, 2) + s(2, 1), s(2, 0) + s(0, 2)];
    #[rustfmt::skip]
    let matrix = Matrix4::new(
        xx + yy + zz, i, j, k,
        i, xx - yy - zz, ij, ki,
        j, ij, yy - xx - zz, jk,
        k, ki, jk, zz - xx - yy,
    );
    let eigen = SymmetricEigen::try_new(matrix, f64::EPSILON, SWEEPS);
    let best = eigen.as_ref().and_then(|eigen| {
        let column = (1..4).fold(0, |best, at| if eigen.eigenvalues[at] > eigen.eigenvalues[best] { at } else { best });
        let vector = eigen.eigenvectors.column(column);
        let quaternion = Quaternion::new(vector[0], vector[1], vector[2], vector[3]);
        // One of the two that are the same rotation.
        UnitQuaternion::try_new(if quaternion.w < 0.0 { -quaternion } else { quaternion }, 0.5)
    });
    best.unwrap_or_else(UnitQuaternion::identity)
}

/// Iterations after which eigenvalues of four by four numbers have long been found; a guess.
const SWEEPS: usize = 1000;

/// Whether points tell how a body is turned: three at least, not on a line.
///
/// `seen`: those that were seen, metres. They count as on a line when their spread across it, in the mean square, is below
/// `width`.
#[must_use]
pub fn tell_turn(seen: impl Iterator<Item = [f64; 3]> + Clone, width: f64) -> bool {
    let count = seen.clone().count();
    if count < 3 {
        return false;
    }
    let mean = seen.clone().map(Vector3::from).sum::<Vector3<f64>>() / count as f64;
    let spread = seen.fold(Matrix3::zeros(), |sum, point| {
        let away = Vector3::from(point) - mean;
        sum + away * away.transpose()
    }) / count as f64;
    let mut along = spread.symmetric_eigenvalues();
    along.as_mut_slice().sort_by(f64::total_cmp);
    along[1] >= width * width
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGE: [f64; 2] = [0.4, 1.6];

    fn points() -> Vec<[f64; 3]> {
        (0..9).map(|at| [0.0, 1.0, 2.0].map(|axis| (f64::from(at) * 1.7 + axis * 2.3).sin() * 0.6)).collect()
    }

    fn pairs(root: &Root, points: &[[f64; 3]]) -> Vec<Pair> {
        let weight = |at: usize| 1.0 + 0.3 * (at % 3) as f64;
        let pair = |(at, own): (usize, &[f64; 3])| Pair {
            own: *own,
            seen: root.place(*own),
            weight: weight(at),
            is_ray: false,
        };
        points.iter().enumerate().map(pair).collect()
    }

    fn roots() -> impl Iterator<Item = Root> {
        (0..200).map(|at| {
            let wave = |by: f64| (f64::from(at) * by + by).sin();
            let axis = Vector3::new(wave(1.1), wave(2.7), wave(0.6)) * 3.5;
            let rotation = UnitQuaternion::from_scaled_axis(axis);
            let rotation = rotation.quaternion();
            let rotation = [rotation.i, rotation.j, rotation.k, rotation.w];
            let position = [wave(0.3) * 5.0, wave(0.9) * 5.0, wave(1.9) * 5.0];
            Root { position, rotation, scale: 1.0 + 0.5 * wave(2.2), is_seen: true, misfit: 0.0 }
        })
    }

    #[test]
    fn a_transform_is_found_again() {
        for root in roots() {
            let found = Similarity::fit(&pairs(&root, &points()), RANGE).root(&pairs(&root, &points()), true);
            for point in points() {
                let apart = Vector3::from(found.place(point)) - Vector3::from(root.place(point));
                assert!(apart.norm() < 1e-9, "{root:?} {found:?}");
            }
            assert!((found.scale - root.scale).abs() < 1e-9 && found.misfit < 1e-9);
            assert_eq!(Root::of_numbers(&found.numbers()), Some(found));
        }
    }

    fn loss(pairs: &[Pair], root: &Root) -> f64 {
        let square = |pair: &Pair| {
            let apart = Vector3::from(root.place(pair.own)) - Vector3::from(pair.seen);
            (apart * pair.weight).norm_squared()
        };
        pairs.iter().map(square).sum()
    }

    /// Points that no transform brings together, and ones that lie on a line, or at one place.
    fn apart() -> Vec<Vec<Pair>> {
        let mut all = Vec::new();
        for root in roots().take(12) {
            let mut noisy = pairs(&root, &points());
            noisy.iter_mut().enumerate().for_each(|(at, pair)| pair.seen[at % 3] += 0.2 * (at as f64).sin());
            all.push(noisy);
            let line: Vec<[f64; 3]> = (0..4).map(|at| [0.1 * f64::from(at), 0.2 * f64::from(at), 0.0]).collect();
            all.push(pairs(&root, &line));
            all.push(pairs(&root, &line[..2]));
            all.push(pairs(&root, &line[..1]));
            let mirrored = pairs(&root, &points())
                .into_iter()
                .map(|pair| Pair { own: [-pair.own[0], pair.own[1], pair.own[2]], ..pair });
            all.push(mirrored.collect());
        }
        all
    }

    #[test]
    fn no_transform_nearby_is_better_and_none_is_undefined() {
        for pairs in apart() {
            let root = Similarity::fit(&pairs, RANGE).root(&pairs, true);
            let least = loss(&pairs, &root);
            assert!(root.numbers().iter().all(|value| value.is_finite()), "{root:?}");
            assert!(RANGE[0] <= root.scale && root.scale <= RANGE[1]);
            let turned = |axis: usize, angle: f64| {
                let mut by = Vector3::zeros();
                by[axis] = angle;
                let [i, j, k, w] = root.rotation;
                let rotation =
                    UnitQuaternion::from_scaled_axis(by) * UnitQuaternion::new_unchecked(Quaternion::new(w, i, j, k));
                let rotation = rotation.quaternion();
                Root { rotation: [rotation.i, rotation.j, rotation.k, rotation.w], ..root }
            };
            for (axis, step) in (0..3).flat_map(|axis| [-1e-3, 1e-3].map(|step| (axis, step))) {
                let mut moved = root;
                moved.position[axis] += step;
                assert!(loss(&pairs, &moved) >= least - 1e-12);
                assert!(loss(&pairs, &turned(axis, step)) >= least - 1e-9, "{pairs:?}");
                let sized = Root { scale: (root.scale + step).clamp(RANGE[0], RANGE[1]), ..root };
                assert!(loss(&pairs, &sized) >= least - 1e-12);
            }
        }
    }

    #[test]
    fn columns_are_those_of_differences() {
        let pairs = &apart()[0];
        let fit = Similarity::fit(pairs, RANGE);
        assert!(fit.is_scale_free);
        let residual = |fit: &Similarity, own: [f64; 3]| fit.matrix * Vector3::from(own) * fit.scale + fit.translation;
        for (number, step) in (0..Similarity::FREEDOM).flat_map(|number| [(number, 1e-6)]) {
            let moved = |step: f64| {
                let (mut by, mut moved) = (Vector3::zeros(), fit);
                by[number % 3] = step;
                match number / 3 {
                    0 => {
                        moved.matrix =
                            fit.matrix * UnitQuaternion::from_scaled_axis(by).to_rotation_matrix().into_inner()
                    }
                    1 => moved.translation = fit.translation + fit.matrix * by,
                    _ => moved.scale = fit.scale + step,
                }
                moved
            };
            let own = pairs[2].own;
            let change = (residual(&moved(step), own) - residual(&moved(-step), own)) / (2.0 * step);
            let change = fit.matrix.tr_mul(&change) * 1.5;
            for (axis, row) in fit.columns(own, 1.5).iter().enumerate() {
                assert!((row[number] - change[axis]).abs() < 1e-8, "{number} {axis}: {row:?} {change:?}");
            }
        }
    }

    #[test]
    fn residuals_of_rays_change_as_columns_say() {
        let root = Root { position: [0.3, -0.2, 3.0], scale: 1.1, ..roots().next().expect("there are some") };
        let fit = Similarity::of_root(&root);
        for is_behind in [false, true] {
            let own = points()[3].map(|entry| if is_behind { entry - 9.0 * fit.matrix[(2, 0)] } else { entry });
            let pair = Pair { own, seen: [0.12, -0.3, 0.0], weight: 2.5, is_ray: true };
            let far = is_behind.then(|| Similarity { translation: Vector3::new(0.3, -0.2, -3.0), ..fit });
            let fit = far.unwrap_or(fit);
            let step = 1e-6;
            let along = |number: usize| std::array::from_fn(|at| if at == number { step } else { 0.0 });
            let moved = |number: usize, sign: f64| {
                let by: [f64; Similarity::FREEDOM] = along(number);
                fit.moved(by.map(|entry| entry * sign), [1.0; 3], [0.1, 9.0]).residual(&pair)
            };
            for (axis, row) in fit.columns_of(&pair).iter().enumerate() {
                for (number, got) in row.iter().enumerate() {
                    let expected = (moved(number, 1.0)[axis] - moved(number, -1.0)[axis]) / (2.0 * step);
                    assert!((got - expected).abs() < 1e-7, "{is_behind} {axis} {number}: {got} {expected}");
                }
            }
            for (axis, row) in fit.by_own(&pair).iter().enumerate() {
                for (number, got) in row.iter().enumerate() {
                    let at = |sign: f64| {
                        let mut pair = pair;
                        pair.own[number] += sign * step;
                        fit.residual(&pair)[axis]
                    };
                    let expected = (at(1.0) - at(-1.0)) / (2.0 * step);
                    assert!((got - expected).abs() < 1e-7, "{is_behind} {axis} {number}: {got} {expected}");
                }
            }
        }
    }

    #[test]
    fn rays_are_met_from_a_transform_nearby() {
        let root = Root { position: [0.3, -0.2, 3.0], scale: 1.1, ..roots().nth(3).expect("there are some") };
        let true_fit = Similarity::of_root(&root);
        let ray = |own: &[f64; 3]| {
            let [x, y, z] = root.place(*own);
            Pair { own: *own, seen: [x / z, y / z, 0.0], weight: 3.0, is_ray: true }
        };
        let pairs: Vec<Pair> = points().iter().map(ray).collect();
        let near = true_fit.moved([0.1, -0.2, 0.1, 0.1, 0.1, -0.1, 0.0], [1.0; 3], [1.1, 1.1]);
        let found = near.refined(&pairs, [1.1, 1.1], 8);
        for own in points() {
            let apart = Vector3::from(found.put(own)) - Vector3::from(root.place(own));
            assert!(apart.norm() < 1e-6, "{apart}");
        }
        // Nothing to go by: it stays where it is.
        assert_eq!(near.refined(&[], [1.1, 1.1], 8).put([0.1, 0.2, 0.3]), near.put([0.1, 0.2, 0.3]));
    }

    #[test]
    fn a_fixed_scale_stays_and_three_points_off_a_line_tell_a_turn() {
        let root = roots().next().expect("there are some");
        let fixed = Similarity::fit(&pairs(&root, &points()), [1.2, 1.2]);
        assert_eq!((fixed.scale, fixed.is_scale_free), (1.2, false));
        assert_eq!(Similarity::fit(&[], RANGE).root(&[], false).position, [0.0; 3]);
        assert!(tell_turn(points().into_iter(), 0.02) && !tell_turn(points().into_iter().take(2), 0.02));
        let line: Vec<[f64; 3]> = (0..5).map(|at| [0.3 * f64::from(at), 0.001 * f64::from(at % 2), 1.0]).collect();
        assert!(!tell_turn(line.into_iter(), 0.02));
    }
}
