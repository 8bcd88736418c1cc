//! Rotations one by one: 6D, matrices, rotation vectors, sines of angles in series.
//!
//! Each type remembers what its value was computed from. `push` maps a change of the argument to the
//! change of the value (forward mode), `pull` a derivative with respect to the value to one with
//! respect to the argument (reverse mode). Matrices are nine numbers, row by row.

use thalweg_task::SerialAngles;

use crate::native::kernels::lane::Number;
use crate::native::kernels::real::Real;

/// Squared length added under the root where a rotation vector is as short as none.
const LEAST_SQUARE: f64 = 1e-24;

pub(super) type Vector<T> = [T; 3];
pub(super) type Matrix<T> = [T; 9];

#[inline(always)]
fn dot<T: Number, const N: usize>(a: &[T; N], b: &[T; N]) -> T {
    let mut sum = a[0] * b[0];
    for (a, b) in a[1..].iter().zip(&b[1..]) {
        sum = sum + *a * *b;
    }
    sum
}

/// Computes `a + s b`.
#[inline(always)]
fn along<T: Number, const N: usize>(a: &[T; N], s: T, b: &[T; N]) -> [T; N] {
    let mut sum = *a;
    for (sum, b) in sum.iter_mut().zip(b) {
        *sum = *sum + s * *b;
    }
    sum
}

#[inline(always)]
pub(super) fn plus<T: Number, const N: usize>(a: &[T; N], b: &[T; N]) -> [T; N] {
    let mut sum = *a;
    for (sum, b) in sum.iter_mut().zip(b) {
        *sum = *sum + *b;
    }
    sum
}

#[inline(always)]
pub(super) fn scaled<T: Number, const N: usize>(a: &[T; N], s: T) -> [T; N] {
    let mut product = *a;
    for entry in &mut product {
        *entry = *entry * s;
    }
    product
}

#[inline(always)]
pub(super) fn cross<T: Number>(a: &Vector<T>, b: &Vector<T>) -> Vector<T> {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

/// `v / sqrt(|v|^2 + epsilon^2)`.
#[derive(Clone, Copy, Debug)]
struct Unit<T, const N: usize> {
    value: [T; N],
    length: T,
    /// One over the length.
    inverse: T,
}

impl<T: Number, const N: usize> Unit<T, N> {
    #[inline(always)]
    fn new(v: &[T; N], epsilon: T) -> Self {
        let length = (dot(v, v) + epsilon * epsilon).root();
        let inverse = length.inverse();
        Self { value: scaled(v, inverse), length, inverse }
    }

    /// The derivative is symmetric: it maps both ways.
    #[inline(always)]
    fn derive(&self, change: &[T; N]) -> [T; N] {
        scaled(&along(change, -dot(&self.value, change), &self.value), self.inverse)
    }
}

/// A rotation from six numbers (Zhou et al., 2019, eq. 15).
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<T> {
    first: Unit<T, 3>,
    second: Unit<T, 3>,
    third: Vector<T>,
    /// The second column as it came.
    given: Vector<T>,
    /// Its part along the first.
    part: T,
}

impl<T: Number> Frame<T> {
    #[inline(always)]
    pub(super) fn new(six: &[T; 6], least_length: T) -> Self {
        let given = [six[3], six[4], six[5]];
        let first = Unit::new(&[six[0], six[1], six[2]], least_length);
        let part = dot(&first.value, &given);
        let second = Unit::new(&along(&given, -part, &first.value), least_length);
        Self { first, second, third: cross(&first.value, &second.value), given, part }
    }

    #[inline(always)]
    pub(super) fn matrix(&self) -> Matrix<T> {
        from_columns(&self.first.value, &self.second.value, &self.third)
    }

    #[inline(always)]
    pub(super) fn push(&self, six: &[T; 6]) -> Matrix<T> {
        let given = [six[3], six[4], six[5]];
        let first = self.first.derive(&[six[0], six[1], six[2]]);
        let part = dot(&first, &self.given) + dot(&self.first.value, &given);
        let rest = along(&along(&given, -part, &self.first.value), -self.part, &first);
        let second = self.second.derive(&rest);
        let (one, two) = (cross(&first, &self.second.value), cross(&self.first.value, &second));
        from_columns(&first, &second, &plus(&one, &two))
    }

    #[inline(always)]
    pub(super) fn pull(&self, matrix: &Matrix<T>) -> [T; 6] {
        let [a, b, c, d, e, f, g, h, i] = *matrix;
        let third = [c, f, i];
        let first = plus(&[a, d, g], &cross(&self.second.value, &third));
        let second = plus(&[b, e, h], &cross(&third, &self.first.value));
        let rest = self.second.derive(&second);
        let shared = dot(&self.first.value, &rest);
        let given = along(&rest, -shared, &self.first.value);
        let first = along(&along(&first, -self.part, &rest), -shared, &self.given);
        let first = self.first.derive(&first);
        [first[0], first[1], first[2], given[0], given[1], given[2]]
    }
}

impl<T: Real> Frame<T> {
    /// How the rotation turns with each of the six numbers: angular velocities about the axes of the frame.
    ///
    /// With columns a, b, c: `c . db`, `-c . da` and `b . da`.
    #[inline(always)]
    pub(super) fn spin(&self) -> [[T; 6]; 3] {
        let (b, c) = (&self.second.value, &self.third);
        let [to_b, to_c] = [scaled(b, self.first.inverse), scaled(c, self.first.inverse)];
        let (by_given, by_first) = (scaled(c, self.second.inverse), scaled(&to_c, -self.part * self.second.inverse));
        let join = |one: Vector<T>, two: Vector<T>| [one[0], one[1], one[2], two[0], two[1], two[2]];
        let none = [T::ZERO; 3];
        [join(by_first, by_given), join(to_c.map(|entry| -entry), none), join(to_b, none)]
    }
}

#[inline(always)]
fn from_columns<T: Number>(a: &Vector<T>, b: &Vector<T>, c: &Vector<T>) -> Matrix<T> {
    [a[0], b[0], c[0], a[1], b[1], c[1], a[2], b[2], c[2]]
}

/// Entries of the matrix, with their signs, that make up an entry of Shepperd's (1978) symmetric
/// matrix, whose row i is the quaternion times four times its component i; the diagonal lacks one.
fn shepperd(row: usize, column: usize) -> &'static [(usize, bool)] {
    match (row.min(column), row.max(column)) {
        (0, 0) => &[(0, true), (4, true), (8, true)],
        (1, 1) => &[(0, true), (4, false), (8, false)],
        (2, 2) => &[(0, false), (4, true), (8, false)],
        (3, 3) => &[(0, false), (4, false), (8, true)],
        (0, 1) => &[(7, true), (5, false)],
        (0, 2) => &[(2, true), (6, false)],
        (0, 3) => &[(3, true), (1, false)],
        (1, 2) => &[(1, true), (3, true)],
        (1, 3) => &[(2, true), (6, true)],
        _ => &[(5, true), (7, true)],
    }
}

/// A row of Shepperd's matrix, without the one on its diagonal.
fn shepperd_row<T: Real>(row: usize, matrix: &Matrix<T>) -> [T; 4] {
    std::array::from_fn(|column| {
        let term = |&(entry, plus): &(usize, bool)| if plus { matrix[entry] } else { -matrix[entry] };
        shepperd(row, column).iter().map(term).sum()
    })
}

/// A rotation vector, at most pi long, from a matrix.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn<T> {
    /// The row of Shepperd's matrix with the largest component.
    row: usize,
    quaternion: Unit<T, 4>,
    /// Minus one where the quaternion's real part is negative.
    sign: T,
    /// Length of the quaternion's vector part.
    length: T,
    /// Angle over length.
    factor: T,
}

impl<T: Real> Turn<T> {
    pub(super) fn new(matrix: &Matrix<T>, least_length: T) -> Self {
        let diagonal = |row: usize| shepperd_row(row, matrix)[row];
        let row = (1..4).fold(0, |best, row| if diagonal(row) > diagonal(best) { row } else { best });
        let mut four = shepperd_row(row, matrix);
        four[row] += T::ONE;
        let quaternion = Unit::new(&four, least_length);
        let [real, x, y, z] = quaternion.value;
        let sign = if real < T::ZERO { -T::ONE } else { T::ONE };
        let length = (x * x + y * y + z * z + T::of(LEAST_SQUARE)).root();
        let factor = length.angle(real * sign) * T::of(2.0) / length;
        Self { row, quaternion, sign, length, factor }
    }

    pub(super) fn vector(&self) -> Vector<T> {
        let [_, x, y, z] = self.quaternion.value;
        scaled(&[x, y, z], self.sign * self.factor)
    }

    /// The quaternion with a real part that is not negative, split.
    fn parts(&self) -> (T, Vector<T>) {
        let [real, x, y, z] = scaled(&self.quaternion.value, self.sign);
        (real, [x, y, z])
    }

    /// Derivatives of the angle with respect to length and real part.
    fn slopes(&self, real: T) -> (T, T) {
        let scale = T::of(2.0) / (self.length * self.length + real * real);
        (real * scale, -self.length * scale)
    }

    pub(super) fn push(&self, matrix: &Matrix<T>) -> Vector<T> {
        let change = scaled(&self.quaternion.derive(&shepperd_row(self.row, matrix)), self.sign);
        let (real, vector) = self.parts();
        let (by_length, by_real) = self.slopes(real);
        let turned = [change[1], change[2], change[3]];
        let length = dot(&vector, &turned) / self.length;
        let angle = by_length * length + by_real * change[0];
        along(&scaled(&turned, self.factor), (angle - self.factor * length) / self.length, &vector)
    }

    pub(super) fn pull(&self, derivative: &Vector<T>) -> Matrix<T> {
        let (real, vector) = self.parts();
        let (by_length, by_real) = self.slopes(real);
        let angle = dot(&vector, derivative) / self.length;
        let length = angle * (by_length - self.factor);
        let turned = along(&scaled(derivative, self.factor), length / self.length, &vector);
        let four = scaled(&[angle * by_real, turned[0], turned[1], turned[2]], self.sign);
        let four = self.quaternion.derive(&four);
        let mut matrix = [T::ZERO; 9];
        for (column, derivative) in four.into_iter().enumerate() {
            for &(entry, plus) in shepperd(self.row, column) {
                matrix[entry] += if plus { derivative } else { -derivative };
            }
        }
        matrix
    }
}

/// Sine and cosine of three angles in series, from a matrix (Diebel, 2006, sec. 8).
#[derive(Clone, Copy, Debug)]
pub(super) struct Sines<T> {
    entries: [usize; 5],
    sign: T,
    first: Unit<T, 2>,
    middle: T,
    last: Unit<T, 2>,
}

impl<T: Real> Sines<T> {
    pub(super) fn new(angles: SerialAngles, matrix: &Matrix<T>, least_cosine: T) -> Self {
        let sign = if angles.cyclic { T::ONE } else { -T::ONE };
        let [a, b, c, d, e] = angles.entries.map(|entry| matrix[entry]);
        let first = Unit::new(&[-sign * a, b], least_cosine);
        let last = Unit::new(&[-sign * d, e], least_cosine);
        Self { entries: angles.entries, sign, first, middle: sign * c, last }
    }

    /// Sine and cosine of the first, the middle and the last angle.
    pub(super) fn values(&self) -> [T; 6] {
        let ([a, b], [c, d]) = (self.first.value, self.last.value);
        [a, b, self.middle, self.first.length, c, d]
    }

    pub(super) fn push(&self, matrix: &Matrix<T>) -> [T; 6] {
        let [a, b, c, d, e] = self.entries.map(|entry| matrix[entry]);
        let (first, last) = ([-self.sign * a, b], [-self.sign * d, e]);
        let length = dot(&self.first.value, &first);
        let ([a, b], [d, e]) = (self.first.derive(&first), self.last.derive(&last));
        [a, b, self.sign * c, length, d, e]
    }

    pub(super) fn pull(&self, derivative: &[T; 6]) -> Matrix<T> {
        let [a, b, c, length, d, e] = *derivative;
        let first = along(&self.first.derive(&[a, b]), length, &self.first.value);
        let last = self.last.derive(&[d, e]);
        let values = [-self.sign * first[0], first[1], self.sign * c, -self.sign * last[0], last[1]];
        let mut matrix = [T::ZERO; 9];
        self.entries.iter().zip(values).for_each(|(&entry, value)| matrix[entry] += value);
        matrix
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: f64 = 1e-6;
    const SIX: [f64; 6] = [0.9, -0.4, 0.2, 0.3, 1.1, -0.6];
    const EPSILON: f64 = 1e-6;

    fn matrix(six: &[f64; 6]) -> Matrix<f64> {
        Frame::new(six, EPSILON).matrix()
    }

    /// Checks `push` against differences, and `pull` against `push`: `<b, J a> = <J^T b, a>`.
    fn check<const I: usize, const O: usize>(
        at: [f64; I],
        value: impl Fn(&[f64; I]) -> [f64; O],
        push: impl Fn(&[f64; I]) -> [f64; O],
        pull: impl Fn(&[f64; O]) -> [f64; I],
    ) {
        let cotangent: [f64; O] = std::array::from_fn(|index| (index as f64 * 1.7 + 0.3).sin());
        let pulled = pull(&cotangent);
        for (entry, pulled) in pulled.into_iter().enumerate() {
            let direction: [f64; I] = std::array::from_fn(|index| f64::from(u8::from(index == entry)));
            let (up, down) = (value(&along(&at, STEP, &direction)), value(&along(&at, -STEP, &direction)));
            let pushed = push(&direction);
            for output in 0..O {
                let expected = (up[output] - down[output]) / (2.0 * STEP);
                assert!((pushed[output] - expected).abs() < 1e-8, "{entry} to {output}");
            }
            assert!((dot(&cotangent, &pushed) - pulled).abs() < 1e-12, "pull to {entry}");
        }
    }

    #[test]
    fn frames_are_rotations_with_their_derivatives() {
        let m = matrix(&SIX);
        let column = |index: usize| [m[index], m[index + 3], m[index + 6]];
        assert!(dot(&column(0), &column(1)).abs() < 1e-12 && (dot(&column(2), &column(2)) - 1.0).abs() < 1e-10);
        let frame = Frame::new(&SIX, EPSILON);
        check(SIX, matrix, |six| frame.push(six), |matrix| frame.pull(matrix));
    }

    #[test]
    fn spins_have_the_length_of_the_matrix_s_change() {
        let frame = Frame::new(&SIX, EPSILON);
        let spin = frame.spin();
        for direction in
            [[0.3, -0.2, 0.5, 0.1, 0.7, -0.4], [0.0, 0.0, 0.0, 1.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0, 0.0, 0.0]]
        {
            let change = frame.push(&direction);
            let turned = spin.map(|row| dot(&row, &direction));
            assert!((dot(&change, &change) - 2.0 * dot(&turned, &turned)).abs() < 1e-10, "{direction:?}");
        }
    }

    #[test]
    fn turns_have_their_derivatives_on_every_branch() {
        // Half turns and more about each axis, by which each quaternion component is largest once.
        let about = |axis: usize, angle: f64| {
            let (s, c) = angle.sin_cos();
            let mut m = [0.02, 0.0, -0.01, 0.03, 0.0, 0.01, 0.0, 0.02, 0.0];
            let (j, k) = ((axis + 1) % 3, (axis + 2) % 3);
            for (entry, value) in [(4 * axis, 1.0), (4 * j, c), (4 * k, c), (3 * j + k, -s), (3 * k + j, s)] {
                m[entry] += value;
            }
            m
        };
        for (axis, angle) in [(0, 0.4), (0, 2.9), (1, 2.8), (2, 3.0), (2, 3.4), (1, -3.3)] {
            let m = about(axis, angle);
            let turn = Turn::new(&m, EPSILON);
            let expected = if angle.abs() > std::f64::consts::PI {
                angle.signum() * (angle.abs() - 2.0 * std::f64::consts::PI)
            } else {
                angle
            };
            assert!((turn.vector()[axis] - expected).abs() < 0.1, "{axis} {angle} {:?}", turn.vector());
            check(m, |m| Turn::new(m, EPSILON).vector(), |m| turn.push(m), |v| turn.pull(v));
        }
    }

    #[test]
    fn sines_have_their_derivatives() {
        for axes in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
            let angles = SerialAngles::of_axes(axes);
            let sines = Sines::new(angles, &matrix(&SIX), 1e-3);
            check(matrix(&SIX), |m| Sines::new(angles, m, 1e-3).values(), |m| sines.push(m), |v| sines.pull(v));
        }
    }
}
