//! Where joints are: forward kinematics, and the derivatives of places with respect to rotations.

use pulp::{Arch, Simd, WithSimd};
use thalweg_task::{Block, KinematicTree, PULLS, Similarity};

use super::comparison::{Derivative, SIX};
use super::root::{Clouded, Fitted, Projection};
use super::rotation::{Frame, Matrix, Vector, cross, plus, scaled};
use super::searched::{cloud_rows, ray_rows};
use crate::native::kernels::buffer::Buffer;
use crate::native::kernels::lane::{Lane, MOST, Number};
use crate::native::kernels::real::Real;

/// What is kept of a joint, and where in its registers it begins.
const LOCAL: usize = 0;
pub(super) const TURNED: usize = 9;
pub(super) const PLACE: usize = 18;
const BY_TURNED: usize = 21;
const BY_PLACE: usize = 30;
/// How many registers that makes.
const REGISTERS: usize = 33;

/// What some rows need between their rotations and their places.
#[derive(Debug)]
pub(crate) struct Places<T> {
    joints: usize,
    /// How many there are with the leaves, which do not turn.
    places: usize,
    /// [`REGISTERS`] of each joint and leaf, for as many rows as a register has numbers: its rotation against its parent and
    /// against the root, its place, metres in the frame of the root, and the loss's derivatives with respect to the
    /// last two.
    registers: Buffer<T>,
    /// The loss of each row's places.
    loss: Vec<T>,
    /// Its derivative with respect to each rotation against the parent, `[rows, J]`.
    by_local: Vec<Matrix<T>>,
    /// What they are compared with where they may be seen from anywhere.
    fitted: Fitted<T>,
    /// What a transform takes up of the row that was differentiated last.
    projection: Projection,
    /// Derivatives by the transform of what rays and a cloud add to those rows.
    by_transform: Vec<[f64; Similarity::FREEDOM]>,
    /// Transforms of the rows that were scored last.
    fits: Vec<Option<Similarity>>,
}

/// What places are compared with: value and weight of row r, `[J * 3]`.
pub(super) trait Seen<T>: Copy {
    fn row(&self, row: usize) -> (&[T], &[T]);

    /// The cloud that row r sees.
    fn cloud(&self, _row: usize) -> Option<&[Block<T>]> {
        None
    }
}

/// Rows of six numbers of each joint, `stride` apart, and how they become rotations.
#[derive(Clone, Copy)]
pub(super) struct Turns<'a, T> {
    pub(super) raw: &'a [T],
    pub(super) stride: usize,
    pub(super) count: usize,
    pub(super) least_length: T,
}

impl<T> Turns<'_, T> {
    pub(super) fn six(&self, row: usize, joint: usize) -> &[T; SIX] {
        &self.raw[row * self.stride..].as_chunks().0[joint]
    }
}

impl<T: Real> Places<T> {
    /// Allocates what `rows` rows of `joints` joints need.
    pub(super) fn new(joints: usize, tree: &KinematicTree, rows: usize) -> Self {
        let (places, capsules) = (tree.parents.len(), tree.surface.as_ref().map(|surface| surface.capsules.len()));
        let (loss, by_local) = (vec![T::ZERO; rows], vec![[T::ZERO; 9]; rows * joints]);
        let registers = Buffer::zeros(places * REGISTERS * MOST);
        let of_cloud = PULLS * capsules.unwrap_or(0);
        let fitted = Fitted::new(places, capsules, rows.min(MOST));
        let (projection, by_transform) =
            (Projection::new(3 * places + of_cloud), Vec::with_capacity(2 * places + of_cloud));
        Self { joints, places, registers, loss, by_local, fitted, projection, by_transform, fits: vec![None; rows] }
    }

    /// Of no joints.
    pub(super) fn none() -> Self {
        Self {
            joints: 0,
            places: 0,
            registers: Buffer::zeros(0),
            loss: Vec::new(),
            by_local: Vec::new(),
            fitted: Fitted::new(0, None, 0),
            projection: Projection::new(0),
            by_transform: Vec::new(),
            fits: Vec::new(),
        }
    }

    /// Places the joints of all rows and scores them: fills in what [`Places::row`] gives.
    pub(super) fn score(&mut self, arch: Arch, tree: &KinematicTree, turns: Turns<'_, T>, seen: impl Seen<T>) {
        arch.dispatch(Score { tree, turns, seen, places: self });
    }

    /// The loss of a row's places, and its derivative with respect to each rotation.
    pub(super) fn row(&self, row: usize) -> (T, &[Matrix<T>]) {
        (self.loss[row], &self.by_local[row * self.joints..][..self.joints])
    }

    /// Lists how the weighted places of the one row that was scored last change with the rotations between them and the
    /// root: one row for each coordinate that has a weight and is moved by one, behind those that are there, then rows whose
    /// squares sum up to those of the points of a cloud.
    ///
    /// A turn of joint a by the angular velocity w moves what hangs on it: `dt_j = (O_a w) x (t_j - t_a)`.
    pub(super) fn derive(
        &mut self,
        arch: Arch,
        tree: &KinematicTree,
        turns: Turns<'_, T>,
        (_, weight): (&[T], &[T]),
        rows: &mut Vec<Derivative<T>>,
    ) {
        let Self { places, registers, fitted, projection, by_transform, .. } = self;
        let weight = if tree.scale.is_some() { fitted.row(0).1 } else { weight };
        let lanes = arch.dispatch(Lanes(std::marker::PhantomData::<T>));
        let entry = |joint: usize, register: usize| registers[(joint * REGISTERS + register) * lanes];
        let moved = |joint: usize, weight: &[T; 3]| {
            let weight = *weight;
            (0..3).filter(move |axis| weight[*axis] != T::ZERO && tree.parents[joint].is_some())
        };
        let weights = || weight.as_chunks::<3>().0.iter().enumerate().take(*places);
        let first = rows.len();
        let mut row = first;
        for (joint, weight) in weights() {
            let moved = moved(joint, weight);
            let axes = moved.clone().count();
            for inner in std::iter::successors(tree.parents[joint], |parent| tree.parents[*parent]) {
                let spin = Frame::new(turns.six(0, inner), turns.least_length).spin();
                let arm = std::array::from_fn(|axis| entry(joint, PLACE + axis) - entry(inner, PLACE + axis));
                let sweeps: [Vector<T>; 3] = std::array::from_fn(|about| {
                    cross(&std::array::from_fn(|axis| entry(inner, TURNED + 3 * axis + about)), &arm)
                });
                for (place, axis) in moved.clone().enumerate() {
                    let mut by_raw = [T::ZERO; SIX];
                    for (sweep, spin) in sweeps.iter().zip(&spin) {
                        by_raw = plus(&by_raw, &scaled(spin, sweep[axis] * weight[axis]));
                    }
                    rows.push(Derivative { row: row + place, first: SIX * inner, count: SIX, by_raw });
                }
            }
            row += axes;
        }
        by_transform.clear();
        let at = |place: usize, register: usize| registers[(place * REGISTERS + register) * lanes];
        let row = ray_rows(tree, fitted, (turns, &at), (rows, row), by_transform);
        cloud_rows(tree, fitted, (turns, &at), (rows, row), by_transform);
        projection.clear();
        if tree.scale.is_some() {
            let axes = weights().flat_map(|(joint, weight)| moved(joint, weight).map(move |axis| (joint, axis)));
            fitted.project(first, axes, by_transform, projection);
        }
    }

    /// The transform of a row that was scored, where it was searched for.
    pub(super) fn fit(&self, row: usize) -> Option<Similarity> {
        self.fits.get(row).copied().flatten()
    }

    /// Says what the transform of the next row is, where it is known.
    pub(super) fn expect_fit(&mut self, known: Option<Similarity>) {
        self.fitted.expect(known);
    }

    /// What a transform takes up of the row that was differentiated last.
    pub(crate) fn projection(&self) -> &Projection {
        &self.projection
    }
}

/// Asks how many numbers a register has.
struct Lanes<T>(std::marker::PhantomData<T>);

impl<T: Real> WithSimd for Lanes<T> {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        T::lanes::<S>().min(MOST)
    }
}

/// See [`Places::score`].
struct Score<'a, T, A> {
    tree: &'a KinematicTree,
    turns: Turns<'a, T>,
    seen: A,
    places: &'a mut Places<T>,
}

impl<T: Real, A: Seen<T>> WithSimd for Score<'_, T, A> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let lanes = T::lanes::<S>().min(MOST);
        for first in (0..self.turns.count).step_by(lanes) {
            let rows = lanes.min(self.turns.count - first);
            self.outward(simd, first, rows);
            if let Some(scale) = self.tree.scale {
                self.fit(first, (rows, lanes), scale);
            }
            self.compare(simd, first, rows);
            self.homeward(simd, first, rows);
        }
    }
}

impl<T: Real, A: Seen<T>> Score<'_, T, A> {
    /// Places joints from the root to the ends, then leaves.
    #[inline(always)]
    fn outward<S: Simd>(&mut self, simd: S, first: usize, rows: usize) {
        let (turns, joints) = (self.turns, self.places.joints);
        let registers = T::registers_mut::<S>(&mut self.places.registers);
        let least_length = Lane::splat(simd, turns.least_length);
        for joint in 0..joints {
            let six = Lane::gather(simd, rows, |lane| turns.six(first + lane, joint));
            let local = Frame::new(&six, least_length).matrix();
            let offset = self.tree.offsets[joint].map(|entry| Lane::splat(simd, T::of(entry)));
            let (turned, place) = match self.tree.parents[joint] {
                None => (local, offset),
                Some(parent) => {
                    let turned = load(simd, registers, parent, TURNED);
                    let place = load(simd, registers, parent, PLACE);
                    (product(&turned, &local), plus(&place, &apply(&turned, &offset)))
                }
            };
            store(registers, joint, LOCAL, &local);
            store(registers, joint, TURNED, &turned);
            store(registers, joint, PLACE, &place);
        }
        for leaf in joints..self.places.places {
            let offset = self.tree.offsets[leaf].map(|entry| Lane::splat(simd, T::of(entry)));
            let place = match self.tree.parents[leaf] {
                None => offset,
                Some(joint) => {
                    let turned = load(simd, registers, joint, TURNED);
                    plus(&load(simd, registers, joint, PLACE), &apply(&turned, &offset))
                }
            };
            store(registers, leaf, PLACE, &place);
        }
    }

    /// Brings what was seen into the frames of the bodies.
    #[inline(always)]
    fn fit(&mut self, first: usize, (rows, lanes): (usize, usize), scale: [f64; 2]) {
        let Places { registers, fitted, fits, .. } = &mut *self.places;
        for lane in 0..rows {
            let entry = |place: usize, axis: usize| registers[(place * REGISTERS + PLACE + axis) * lanes + lane];
            let own = |place: usize| std::array::from_fn(|axis| entry(place, axis));
            let more: Clouded<'_, T> = (self.seen.cloud(first + lane), self.tree.surface.as_ref());
            fitted.fit(lane, own, self.seen.row(first + lane), scale, more);
            fits[first + lane] = fitted.last_search().map(|(_, fit)| *fit);
        }
    }

    /// Compares places with what was seen.
    #[inline(always)]
    fn compare<S: Simd>(&mut self, simd: S, first: usize, rows: usize) {
        let (seen, is_fitted) = (self.seen, self.tree.scale.is_some());
        let Places { places, registers, fitted, loss: losses, .. } = &mut *self.places;
        let registers = T::registers_mut::<S>(registers);
        let row = |lane: usize| if is_fitted { fitted.row(lane) } else { seen.row(first + lane) };
        let (zero, two) = (Lane::splat(simd, T::ZERO), Lane::splat(simd, T::of(2.0)));
        let mut loss = zero;
        for joint in 0..*places {
            let value = Lane::gather(simd, rows, |lane| &row(lane).0.as_chunks::<3>().0[joint]);
            let weight = Lane::gather(simd, rows, |lane| &row(lane).1.as_chunks::<3>().0[joint]);
            let mut by_place: Vector<Lane<S, T>> = load(simd, registers, joint, PLACE);
            for ((entry, value), weight) in by_place.iter_mut().zip(value).zip(weight) {
                let residual = (*entry - value) * weight;
                loss = loss + residual * residual;
                *entry = two * residual * weight;
            }
            store(registers, joint, BY_TURNED, &[zero; 9]);
            store(registers, joint, BY_PLACE, &by_place);
        }
        let mut numbers = [T::ZERO; MOST];
        loss.write(&mut numbers);
        losses[first..first + rows].copy_from_slice(&numbers[..rows]);
        if is_fitted {
            self.add_more(simd, first, rows);
        }
    }

    /// Adds what clouds and rays add to losses and derivatives.
    #[inline(always)]
    fn add_more<S: Simd>(&mut self, simd: S, first: usize, rows: usize) {
        let Places { places, registers, fitted, loss: losses, .. } = &mut *self.places;
        if !fitted.has_more(rows) {
            return;
        }
        for (lane, loss) in losses[first..first + rows].iter_mut().enumerate() {
            *loss += fitted.more(lane).0;
        }
        let registers = T::registers_mut::<S>(registers);
        let row = |lane: usize| fitted.more(lane).1.as_chunks::<3>().0;
        for place in 0..*places {
            let more = Lane::gather(simd, rows, |lane| &row(lane)[place]);
            let sum: Vector<_> = plus(&load(simd, registers, place, BY_PLACE), &more);
            store(registers, place, BY_PLACE, &sum);
        }
    }

    /// Carries derivatives with respect to places back to rotations, from the ends to the root.
    #[inline(always)]
    fn homeward<S: Simd>(&mut self, simd: S, first: usize, rows: usize) {
        let joints = self.places.joints;
        let registers = T::registers_mut::<S>(&mut self.places.registers);
        for leaf in (joints..self.places.places).rev() {
            let by_place: Vector<Lane<S, T>> = load(simd, registers, leaf, BY_PLACE);
            if let Some(joint) = self.tree.parents[leaf] {
                let offset = self.tree.offsets[leaf].map(|entry| Lane::splat(simd, T::of(entry)));
                hang(simd, registers, joint, &outer(&by_place, &offset), &by_place);
            }
        }
        for joint in (0..joints).rev() {
            // What lies further out was here before and has added its share.
            let by_turned: Matrix<Lane<S, T>> = load(simd, registers, joint, BY_TURNED);
            let by_place: Vector<Lane<S, T>> = load(simd, registers, joint, BY_PLACE);
            let by_local = match self.tree.parents[joint] {
                None => by_turned,
                Some(parent) => {
                    let offset = self.tree.offsets[joint].map(|entry| Lane::splat(simd, T::of(entry)));
                    let more = times_transposed(&by_turned, &load(simd, registers, joint, LOCAL));
                    let more = plus(&more, &outer(&by_place, &offset));
                    hang(simd, registers, parent, &more, &by_place);
                    transposed_times(&load(simd, registers, parent, TURNED), &by_turned)
                }
            };
            for (entry, lane) in by_local.into_iter().enumerate() {
                let mut numbers = [T::ZERO; MOST];
                lane.write(&mut numbers);
                for (row, number) in numbers[..rows].iter().enumerate() {
                    self.places.by_local[(first + row) * joints + joint][entry] = *number;
                }
            }
        }
    }
}

/// Adds to the derivatives with respect to a joint what comes from what hangs on it.
#[inline(always)]
fn hang<S: Simd, T: Real>(
    simd: S,
    registers: &mut [T::Lanes<S>],
    joint: usize,
    by_turned: &Matrix<Lane<S, T>>,
    by_place: &Vector<Lane<S, T>>,
) {
    let sum: Matrix<_> = plus(&load(simd, registers, joint, BY_TURNED), by_turned);
    store(registers, joint, BY_TURNED, &sum);
    let sum: Vector<_> = plus(&load(simd, registers, joint, BY_PLACE), by_place);
    store(registers, joint, BY_PLACE, &sum);
}

#[inline(always)]
fn load<S: Simd, T: Real, const N: usize>(
    simd: S,
    registers: &[T::Lanes<S>],
    joint: usize,
    from: usize,
) -> [Lane<S, T>; N] {
    let registers = &registers[joint * REGISTERS + from..][..N];
    std::array::from_fn(|entry| Lane::of(simd, registers[entry]))
}

#[inline(always)]
fn store<S: Simd, T: Real, const N: usize>(
    registers: &mut [T::Lanes<S>],
    joint: usize,
    from: usize,
    lanes: &[Lane<S, T>; N],
) {
    let registers = &mut registers[joint * REGISTERS + from..][..N];
    registers.iter_mut().zip(lanes).for_each(|(register, lane)| *register = lane.register());
}

/// Most rows that [`Places::derive`] lists.
pub(super) fn most_derivatives(tree: &KinematicTree) -> usize {
    let above = |joint: usize| std::iter::successors(tree.parents[joint], |parent| tree.parents[*parent]).count();
    let capsules = tree.surface.iter().flat_map(|surface| &surface.capsules);
    let of_cloud: usize = capsules.map(|capsule| above(capsule.ends[1])).sum();
    3 * (0..tree.parents.len()).map(above).sum::<usize>() + PULLS * of_cloud
}

#[inline(always)]
fn entries<N: Number>(entry: impl Fn(usize, usize) -> N) -> Matrix<N> {
    std::array::from_fn(|at| entry(at / 3, at % 3))
}

/// Adds up three products.
#[inline(always)]
pub(super) fn dot<N: Number>(a: [N; 3], b: [N; 3]) -> N {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

#[inline(always)]
fn row<N: Number>(a: &Matrix<N>, row: usize) -> [N; 3] {
    [a[3 * row], a[3 * row + 1], a[3 * row + 2]]
}

#[inline(always)]
fn column<N: Number>(a: &Matrix<N>, column: usize) -> [N; 3] {
    [a[column], a[3 + column], a[6 + column]]
}

/// `A B`.
#[inline(always)]
fn product<N: Number>(a: &Matrix<N>, b: &Matrix<N>) -> Matrix<N> {
    entries(|i, j| dot(row(a, i), column(b, j)))
}

/// `A B'`.
#[inline(always)]
fn times_transposed<N: Number>(a: &Matrix<N>, b: &Matrix<N>) -> Matrix<N> {
    entries(|i, j| dot(row(a, i), row(b, j)))
}

/// `A' B`.
#[inline(always)]
fn transposed_times<N: Number>(a: &Matrix<N>, b: &Matrix<N>) -> Matrix<N> {
    entries(|i, j| dot(column(a, i), column(b, j)))
}

/// `A v`.
#[inline(always)]
fn apply<N: Number>(a: &Matrix<N>, v: &Vector<N>) -> Vector<N> {
    [dot(row(a, 0), *v), dot(row(a, 1), *v), dot(row(a, 2), *v)]
}

/// `a b'`.
#[inline(always)]
fn outer<N: Number>(a: &Vector<N>, b: &Vector<N>) -> Matrix<N> {
    entries(|i, j| a[i] * b[j])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::arches;

    const EPSILON: f64 = 1e-6;
    const STEP: f64 = 1e-6;

    /// A trunk of two, from which two arms of two go off.
    fn tree() -> KinematicTree {
        KinematicTree {
            parents: vec![None, Some(0), Some(1), Some(2), Some(1), Some(4)],
            offsets: (0..6).map(|joint| [0.1 * f64::from(joint), 0.3, -0.05 * f64::from(joint)]).collect(),
            scale: None,
            surface: None,
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

    #[derive(Clone, Copy)]
    struct Always<'a>(&'a (Vec<f64>, Vec<f64>));

    impl Seen<f64> for Always<'_> {
        fn row(&self, _: usize) -> (&[f64], &[f64]) {
            (&self.0.0, &self.0.1)
        }
    }

    fn turns(raw: &[f64]) -> Turns<'_, f64> {
        Turns { raw, stride: raw.len(), count: 1, least_length: EPSILON }
    }

    fn at(arch: Arch, raw: &[f64]) -> Places<f64> {
        let mut places = Places::new(6, &tree(), 1);
        places.score(arch, &tree(), turns(raw), Always(&target()));
        places
    }

    #[test]
    fn derivatives_are_those_of_differences() {
        for arch in arches() {
            differentiate(arch);
        }
    }

    fn differentiate(arch: Arch) {
        let (value, weight) = target();
        let lanes = arch.dispatch(Lanes(std::marker::PhantomData::<f64>));
        let residuals = |raw: &[f64]| -> Vec<f64> {
            let places = at(arch, raw);
            let place = |entry: usize| places.registers[(entry / 3 * REGISTERS + PLACE + entry % 3) * lanes];
            (0..18).map(|entry| (place(entry) - value[entry]) * weight[entry]).collect()
        };
        let (raw, mut places) = (raw(), at(arch, &raw()));
        let (loss, by_local) = (places.row(0).0, places.row(0).1.to_vec());
        let expected: f64 = residuals(&raw).iter().map(|residual| residual * residual).sum();
        assert!((loss - expected).abs() < 1e-12, "{loss} {expected}");
        let pulled = raw.as_chunks().0.iter().zip(&by_local).flat_map(|(six, by)| Frame::new(six, EPSILON).pull(by));
        let gradient: Vec<f64> = pulled.collect();
        let mut rows = Vec::new();
        places.derive(arch, &tree(), turns(&raw), (&value, &weight), &mut rows);
        // Without the first joint, which nothing moves, and the third, which has no weight.
        let moved: Vec<usize> = (3..18).filter(|at| at / 3 != 3).collect();
        assert_eq!(rows.iter().map(|derivative| derivative.row + 1).max(), Some(moved.len()));
        assert!(rows.len() <= most_derivatives(&tree()), "{}", rows.len());
        let mut jacobian = vec![[0.0; 36]; moved.len()];
        for Derivative { row, first, count, by_raw } in rows {
            jacobian[row][first..first + count].iter_mut().zip(by_raw).for_each(|(sum, entry)| *sum += entry);
        }
        for entry in 0..36 {
            let (mut up, mut down) = (raw.clone(), raw.clone());
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
