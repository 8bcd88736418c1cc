//! Where joints are: forward kinematics, and the derivatives of places with respect to rotations.

use thalweg_task::KinematicTree;

use super::comparison::{Derivative, SIX};
use super::real::Real;
use super::rotation::{Frame, Matrix, Vector, cross, plus, scaled};

/// What one hypothesis needs between its rotations and its places, joint by joint.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places<T> {
    joints: Vec<Joint<T>>,
}

#[derive(Clone, Copy, Debug)]
struct Joint<T> {
    frame: Frame<T>,
    /// Orientation against the root.
    turned: Matrix<T>,
    /// Metres, in the frame of the root.
    place: Vector<T>,
    /// The loss's derivatives with respect to both.
    by_turned: Matrix<T>,
    by_place: Vector<T>,
}

impl<T: Real> Places<T> {
    /// Allocates what `joints` joints need.
    pub(super) fn new(joints: usize) -> Self {
        let none = Joint {
            frame: Frame::new(&[T::ZERO; SIX], T::ONE),
            turned: [T::ZERO; 9],
            place: [T::ZERO; 3],
            by_turned: [T::ZERO; 9],
            by_place: [T::ZERO; 3],
        };
        Self { joints: vec![none; joints] }
    }

    /// Places all joints from six numbers each.
    pub(super) fn arrange(&mut self, tree: &KinematicTree, raw: &[T], least_length: T) {
        for (joint, six) in raw.as_chunks::<SIX>().0.iter().enumerate().take(self.joints.len()) {
            let frame = Frame::new(six, least_length);
            let offset = tree.offsets[joint].map(T::of);
            let (turned, place) = match tree.parents[joint] {
                None => (frame.matrix(), offset),
                Some(parent) => {
                    let Joint { turned, place, .. } = &self.joints[parent];
                    (product(turned, &frame.matrix()), plus(place, &apply(turned, &offset)))
                }
            };
            self.joints[joint] = Joint { frame, turned, place, by_turned: [T::ZERO; 9], by_place: [T::ZERO; 3] };
        }
    }

    /// Scores the places against `value` with `weight`, both `[J * 3]`; keeps the loss's derivatives.
    pub(super) fn score(&mut self, value: &[T], weight: &[T]) -> T {
        let mut loss = T::ZERO;
        let targets = value.as_chunks::<3>().0.iter().zip(weight.as_chunks::<3>().0);
        for (joint, (value, weight)) in self.joints.iter_mut().zip(targets) {
            for axis in 0..3 {
                let residual = (joint.place[axis] - value[axis]) * weight[axis];
                loss += residual * residual;
                joint.by_place[axis] = T::of(2.0) * residual * weight[axis];
            }
        }
        loss
    }

    /// Adds the derivatives of the last score with respect to six numbers of each joint to `by_raw`.
    pub(super) fn pull(&mut self, tree: &KinematicTree, by_raw: &mut [T]) {
        let by_raw = &mut by_raw.as_chunks_mut::<SIX>().0[..self.joints.len()];
        for (joint, by_raw) in by_raw.iter_mut().enumerate().rev() {
            let Joint { frame, by_turned, by_place, .. } = self.joints[joint];
            // What lies further out was here before and has added its share.
            let by_local = match tree.parents[joint] {
                None => by_turned,
                Some(parent) => {
                    let parent = &mut self.joints[parent];
                    let more = times_transposed(&by_turned, &frame.matrix());
                    let more = plus(&more, &outer(&by_place, &tree.offsets[joint].map(T::of)));
                    parent.by_turned = plus(&parent.by_turned, &more);
                    parent.by_place = plus(&parent.by_place, &by_place);
                    transposed_times(&parent.turned, &by_turned)
                }
            };
            *by_raw = plus(by_raw, &frame.pull(&by_local));
        }
    }

    /// Lists how weighted places change with the rotations between them and the root, one row for each coordinate that
    /// has a weight and is moved by one, from `row` on.
    ///
    /// A turn of joint a by the angular velocity w moves what hangs on it: `dt_j = (O_a w) x (t_j - t_a)`.
    pub(super) fn derive(&self, tree: &KinematicTree, weight: &[T], mut row: usize, rows: &mut Vec<Derivative<T>>) {
        for (joint, weight) in weight.as_chunks::<3>().0.iter().enumerate().take(self.joints.len()) {
            for axis in (0..3).filter(|axis| weight[*axis] != T::ZERO) {
                let mut above = tree.parents[joint];
                row += usize::from(above.is_some());
                while let Some(parent) = above {
                    let by_raw = self.lever(parent, joint, axis).map(|entry| entry * weight[axis]);
                    rows.push(Derivative { row: row - 1, first: SIX * parent, count: SIX, by_raw });
                    above = tree.parents[parent];
                }
            }
        }
    }

    /// How a coordinate of the place of joint `outer` changes with six numbers of joint `inner`, above it.
    fn lever(&self, inner: usize, outer: usize, axis: usize) -> [T; SIX] {
        let (inner, outer) = (&self.joints[inner], &self.joints[outer]);
        let arm = plus(&outer.place, &scaled(&inner.place, -T::ONE));
        let mut sum = [T::ZERO; SIX];
        for (about, spin) in inner.frame.spin().iter().enumerate() {
            let direction = [inner.turned[about], inner.turned[3 + about], inner.turned[6 + about]];
            sum = plus(&sum, &scaled(spin, cross(&direction, &arm)[axis]));
        }
        sum
    }
}

/// Most rows that [`Places::derive`] lists.
pub(super) fn most_derivatives(tree: &KinematicTree) -> usize {
    let above = |joint: usize| std::iter::successors(tree.parents[joint], |parent| tree.parents[*parent]).count();
    3 * (0..tree.parents.len()).map(above).sum::<usize>()
}

#[inline(always)]
fn entries<T: Real>(entry: impl Fn(usize, usize) -> T) -> Matrix<T> {
    std::array::from_fn(|at| entry(at / 3, at % 3))
}

/// `A B`.
#[inline(always)]
fn product<T: Real>(a: &Matrix<T>, b: &Matrix<T>) -> Matrix<T> {
    entries(|row, column| a[3 * row] * b[column] + a[3 * row + 1] * b[3 + column] + a[3 * row + 2] * b[6 + column])
}

/// `A B'`.
#[inline(always)]
fn times_transposed<T: Real>(a: &Matrix<T>, b: &Matrix<T>) -> Matrix<T> {
    entries(|row, column| (0..3).map(|k| a[3 * row + k] * b[3 * column + k]).sum())
}

/// `A' B`.
#[inline(always)]
fn transposed_times<T: Real>(a: &Matrix<T>, b: &Matrix<T>) -> Matrix<T> {
    entries(|row, column| (0..3).map(|k| a[3 * k + row] * b[3 * k + column]).sum())
}

/// `A v`.
#[inline(always)]
fn apply<T: Real>(a: &Matrix<T>, v: &Vector<T>) -> Vector<T> {
    std::array::from_fn(|row| a[3 * row] * v[0] + a[3 * row + 1] * v[1] + a[3 * row + 2] * v[2])
}

/// `a b'`.
#[inline(always)]
fn outer<T: Real>(a: &Vector<T>, b: &Vector<T>) -> Matrix<T> {
    entries(|row, column| a[row] * b[column])
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPSILON: f64 = 1e-6;
    const STEP: f64 = 1e-6;

    /// A trunk of two, from which two arms of two go off.
    fn tree() -> KinematicTree {
        KinematicTree {
            parents: vec![None, Some(0), Some(1), Some(2), Some(1), Some(4)],
            offsets: (0..6).map(|joint| [0.1 * f64::from(joint), 0.3, -0.05 * f64::from(joint)]).collect(),
        }
    }

    fn raw() -> Vec<f64> {
        (0..36).map(|at| (f64::from(at) * 1.7).sin() + if at % 7 == 0 { 0.8 } else { 0.0 }).collect()
    }

    /// Value and weight of all places; joint 3 has none.
    fn target() -> (Vec<f64>, Vec<f64>) {
        let value = (0..18).map(|at| (f64::from(at) * 0.9).cos() * 0.4).collect();
        let weight = (0..18).map(|at| if at / 3 == 3 { 0.0 } else { 1.0 + 0.2 * f64::from(at) });
        (value, weight.collect())
    }

    fn at(raw: &[f64]) -> Places<f64> {
        let mut places = Places::new(6);
        places.arrange(&tree(), raw, EPSILON);
        places
    }

    #[test]
    fn derivatives_are_those_of_differences() {
        let (value, weight) = target();
        let residuals = |raw: &[f64]| -> Vec<f64> {
            let places = at(raw);
            let flat: Vec<f64> = places.joints.iter().flat_map(|joint| joint.place).collect();
            flat.iter().zip(&value).zip(&weight).map(|((place, value), weight)| (place - value) * weight).collect()
        };
        let mut places = at(&raw());
        let loss = places.score(&value, &weight);
        let expected: f64 = residuals(&raw()).iter().map(|residual| residual * residual).sum();
        assert!((loss - expected).abs() < 1e-12, "{loss} {expected}");
        let mut gradient = vec![0.0; 36];
        places.pull(&tree(), &mut gradient);
        let mut rows = Vec::new();
        places.derive(&tree(), &weight, 0, &mut rows);
        // Without the first joint, which nothing moves, and the third, which has no weight.
        let moved: Vec<usize> = (3..18).filter(|at| at / 3 != 3).collect();
        assert_eq!(rows.last().map(|derivative| derivative.row + 1), Some(moved.len()));
        assert!(rows.len() <= most_derivatives(&tree()), "{}", rows.len());
        let mut jacobian = vec![[0.0; 36]; moved.len()];
        for Derivative { row, first, count, by_raw } in rows {
            jacobian[row][first..first + count].iter_mut().zip(by_raw).for_each(|(sum, entry)| *sum += entry);
        }
        for entry in 0..36 {
            let (mut up, mut down) = (raw(), raw());
            up[entry] += STEP;
            down[entry] -= STEP;
            let (up, down) = (residuals(&up), residuals(&down));
            let change = |at: usize| (up[at] - down[at]) / (2.0 * STEP);
            for (row, at) in jacobian.iter().zip(&moved) {
                assert!((row[entry] - change(*at)).abs() < 1e-6, "residual {at} by {entry}");
            }
            let losses = [&up, &down].map(|all| all.iter().map(|residual| residual * residual).sum::<f64>());
            let expected = (losses[0] - losses[1]) / (2.0 * STEP);
            assert!((gradient[entry] - expected).abs() < 1e-6, "{entry}: {} {expected}", gradient[entry]);
        }
    }
}
