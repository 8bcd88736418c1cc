//! What follows the layers: the head, the residuals, their loss and derivatives, row by row.

use pulp::Arch;
use tch::{Device, Tensor};
use thalweg_task::{
    DenseHead, KinematicTree, PULLS, RotationFeatures, RotationHead, SerialAngles, Similarity, Target, numbers,
};

use super::chord::{Chord, SideBySide};
use super::circles::Circles;
use super::cloud::Cloud;
pub(crate) use super::encoded::{EncodedTarget, PriorTerm};
use super::encoded::{Wanted, encode_links};
use super::links::{LinkSpace, Links};
use super::places::{Places, Seen, Turns, most_derivatives};
use super::root::Projection;
use super::rotation::{Frame, Sines, Turn};
use crate::native::kernels::panels::GROUP;
use crate::native::kernels::real::Real;

/// Numbers of a joint in the output of the layers.
pub(super) const SIX: usize = 6;
/// Numbers of a joint in F's output.
const NINE: usize = 9;
/// Most residuals of a joint.
const WIDEST: usize = NINE + SerialAngles::WIDTH;

/// Reads a tensor's numbers, as many as there are places.
pub(crate) fn read<T: Real>(tensor: &Tensor, values: &mut [T]) {
    let tensor = tensor.detach();
    if tensor.kind() == T::KIND && tensor.device() == Device::Cpu && tensor.is_contiguous() {
        tensor.copy_data(values, values.len());
    } else {
        values.copy_from_slice(&numbers(&tensor));
    }
}

/// The head of a task, and how its output is compared.
#[derive(Clone, Debug)]
pub(crate) enum Comparison {
    /// The layers' output itself, of this width, some of it angles, or sines and cosines.
    Plain(usize, Circles),
    /// As [`Comparison::Plain`], and places of links.
    Links(Links),
    /// Rotations.
    Rotations(RotationComparison),
}

/// What the places of some rows need.
#[derive(Debug)]
pub(crate) struct HeadSpace<T> {
    places: Places<T>,
    links: LinkSpace<T>,
}

impl<T: Real> HeadSpace<T> {
    /// The transform of the row in place `place`, where it was searched for.
    pub(crate) fn fit(&self, place: usize) -> Option<Similarity> {
        self.places.fit(place)
    }

    /// What a transform takes up of the row that was differentiated last.
    pub(crate) fn projection(&self) -> &Projection {
        self.places.projection()
    }
}

/// As [`RotationHead`], with the number of joints.
#[derive(Clone, Debug)]
pub(crate) struct RotationComparison {
    arch: Arch,
    joints: usize,
    head: RotationHead,
}

impl Comparison {
    /// Prepares a head for layers with `outputs` outputs; none when they do not fit.
    pub(crate) fn new(arch: Arch, head: DenseHead, outputs: usize) -> Option<Self> {
        match head {
            DenseHead::Plain => Some(Self::Plain(outputs, Circles::default())),
            DenseHead::Chords(angles) => {
                Circles::of_angles(&angles, outputs).map(|circles| Self::Plain(outputs, circles))
            }
            DenseHead::Circles { sines, least_length } => {
                Circles::new(sines, least_length, outputs).map(|circles| Self::Plain(outputs, circles))
            }
            DenseHead::Links(head) => Links::new(arch, head, outputs).map(Self::Links),
            DenseHead::Rotations(head) => {
                let joints = outputs / SIX;
                let fits = outputs == SIX * joints
                    && (head.angles.is_empty() || head.angles.len() == joints)
                    && head.tree.as_ref().is_none_or(|tree| tree.fits(joints));
                fits.then_some(Self::Rotations(RotationComparison { arch, joints, head }))
            }
        }
    }

    /// Width of a row of F's output.
    pub(crate) fn width(&self) -> usize {
        match self {
            Self::Plain(outputs, _) => *outputs,
            Self::Links(links) => links.outputs(),
            Self::Rotations(rotations) => rotations.joints * NINE,
        }
    }

    /// Takes over a target; none when it has not the described form.
    pub(crate) fn encode<T: Real>(&self, target: &Target) -> Option<EncodedTarget<T>> {
        let size = target.value.size();
        let rows = usize::try_from(*size.first()?).ok()?;
        if rows == 0 || target.weight.size() != size {
            return None;
        }
        match self {
            Self::Plain(outputs, _) => {
                let width = size[1..].iter().map(|size| *size as usize).product();
                let features = Wanted { width, value: numbers(&target.value), weight: numbers(&target.weight) };
                (width == *outputs).then_some(EncodedTarget {
                    rows,
                    features,
                    side_by_side: Vec::new(),
                    places: None,
                    cloud: None,
                    equations: width,
                    prior: None,
                })
            }
            Self::Links(links) => encode_links(links, target),
            Self::Rotations(rotations) => rotations.encode(target),
        }
    }

    /// Allocates what the places of `rows` rows need.
    pub(crate) fn space<T: Real>(&self, rows: usize) -> HeadSpace<T> {
        let places = match self {
            Self::Rotations(RotationComparison { joints, head: RotationHead { tree: Some(tree), .. }, .. }) => {
                Places::new(*joints, tree, rows)
            }
            _ => Places::none(),
        };
        let links = if let Self::Links(links) = self { links.space(rows) } else { LinkSpace::none() };
        HeadSpace { places, links }
    }

    /// Scores the places of `count` hypotheses from `first` on, where places were seen; `raw` has the layers' output,
    /// `stride` numbers for each. To be called before [`Comparison::pull`].
    pub(crate) fn place<T: Real>(
        &self,
        (raw, stride, count): (&[T], usize, usize),
        encoded: &EncodedTarget<T>,
        first: usize,
        space: &mut HeadSpace<T>,
    ) {
        if let Self::Links(links) = self
            && encoded.has_places()
        {
            for (place, raw) in raw.chunks(stride).take(count).enumerate() {
                links.score(raw, encoded, (first + place, place), &mut space.links);
            }
        }
        if let (Self::Rotations(rotations), Some(seen)) = (self, encoded.places(first))
            && let Some(tree) = &rotations.head.tree
        {
            let turns = Turns { raw, stride, count, least_length: T::of(rotations.head.least_length) };
            space.places.score(rotations.arch, tree, turns, seen);
        }
    }

    /// Most derivatives that [`Comparison::derive`] lists, in so many rows.
    pub(crate) fn most_derivatives(&self, equations: usize) -> usize {
        let links = if let Self::Links(links) = self { links.equations().pow(2) } else { 0 };
        equations + links + self.tree().map_or(0, most_derivatives)
    }

    /// Whether places are seen from anywhere.
    #[cfg(feature = "gpu")]
    pub(crate) fn has_free_root(&self) -> bool {
        self.tree().is_some_and(|tree| tree.scale.is_some())
    }

    fn tree(&self) -> Option<&KinematicTree> {
        match self {
            Self::Plain(..) | Self::Links(_) => None,
            Self::Rotations(rotations) => rotations.head.tree.as_ref(),
        }
    }

    /// Applies the head to `raw`, the layers' output for one row.
    pub(crate) fn apply<T: Real>(&self, raw: &[T], output: &mut [T]) {
        match self {
            Self::Plain(outputs, circles) => {
                output.copy_from_slice(&raw[..*outputs]);
                circles.apply(output);
            }
            Self::Links(links) => {
                output.copy_from_slice(&raw[..links.outputs()]);
                links.circles().apply(output);
            }
            Self::Rotations(rotations) => {
                let (six, _) = raw.as_chunks::<SIX>();
                let (nine, _) = output.as_chunks_mut::<NINE>();
                for (six, nine) in six.iter().zip(nine) {
                    *nine = Frame::new(six, T::of(rotations.head.least_length)).matrix();
                }
            }
        }
    }

    /// Scores hypothesis `row`, and puts the loss's derivative in place of `raw`; `place` says which row of `places` it
    /// was.
    pub(crate) fn pull<T: Real>(
        &self,
        raw: &mut [T],
        encoded: &EncodedTarget<T>,
        row: usize,
        (space, place): (&HeadSpace<T>, usize),
    ) -> T {
        let (value, weight) = encoded.features(row);
        match self {
            Self::Plain(outputs, circles) => circles.pull(&mut raw[..*outputs], value, weight),
            Self::Links(links) => {
                let raw = &mut raw[..links.outputs()];
                let loss = links.circles().pull(raw, value, weight);
                if !encoded.has_places() {
                    return loss;
                }
                let (more, beside) = space.links.row(place, links.outputs());
                raw.iter_mut().zip(beside).for_each(|(sum, more)| *sum += T::of(*more));
                loss + T::of(more)
            }
            Self::Rotations(rotations) => {
                let (more, beside) = encoded.places.as_ref().map(|_| space.places.row(place)).unzip();
                let loss = match encoded.chord(row) {
                    Some(target) => rotations.pull_chord(raw, target, beside),
                    None => rotations.pull(raw, value, weight, beside),
                };
                loss + more.unwrap_or(T::ZERO)
            }
        }
    }

    /// Lists how the residuals of hypothesis `row`, whose transform was `found` when it was scored, change with `raw`: rows that have the same product with
    /// their own transpose, summed up, as all rows of weighted derivatives.
    pub(crate) fn derive<T: Real>(
        &self,
        raw: &[T],
        encoded: &EncodedTarget<T>,
        (row, found): (usize, Option<Similarity>),
        space: &mut HeadSpace<T>,
        rows: &mut Vec<Derivative<T>>,
    ) {
        let (value, weight) = encoded.features(row);
        rows.clear();
        let mut plain = |circles: &Circles| {
            let observed = weight.iter().enumerate().filter(|(_, weight)| **weight != T::ZERO);
            rows.extend(observed.map(|(place, weight)| circles.derive(raw, place, (value[place], *weight))));
        };
        match self {
            Self::Plain(_, circles) => plain(circles),
            Self::Links(links) => plain(links.circles()),
            Self::Rotations(rotations) => {
                let columns = weight.len() / rotations.joints;
                let joints = raw.as_chunks::<SIX>().0.iter().zip(weight.chunks_exact(columns)).enumerate();
                for (joint, (six, weight)) in joints.filter(|(_, (_, weight))| weight.iter().any(|w| *w != T::ZERO)) {
                    rotations.derive(joint, six, weight, rows);
                }
            }
        }
        rows.iter_mut().enumerate().for_each(|(row, derivative)| derivative.row = row);
        if let Self::Links(links) = self {
            if encoded.has_places() {
                links.derive(raw, encoded, row, &mut space.links, rows);
            }
            return;
        }
        space.places.expect_fit(found);
        self.place((raw, raw.len(), 1), encoded, row, space);
        space.places.expect_fit(None);
        if let (Self::Rotations(rotations), Some(seen)) = (self, encoded.places(row))
            && let Some(tree) = &rotations.head.tree
        {
            let turns = Turns { raw, stride: raw.len(), count: 1, least_length: T::of(rotations.head.least_length) };
            space.places.derive(rotations.arch, tree, turns, seen.row(0), rows);
        }
    }
}

/// Derivatives of a residual with respect to some entries of the layers' output.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Derivative<T> {
    /// Which row they are added to; rows begin in their order, and the last derivative belongs to the last of them.
    pub(crate) row: usize,
    /// The first of these entries.
    pub(crate) first: usize,
    /// How many they are.
    pub(crate) count: usize,
    pub(crate) by_raw: [T; SIX],
}

/// One joint of one hypothesis: all that its derivatives need.
struct Joint<T> {
    frame: Frame<T>,
    turn: Option<Turn<T>>,
    sines: Option<Sines<T>>,
}

impl RotationComparison {
    fn encode<T: Real>(&self, target: &Target) -> Option<EncodedTarget<T>> {
        let [rows, joints, columns] = target.value.size()[..] else { return None };
        let (rows, columns, whole) = (rows as usize, columns as usize, self.head.features.width());
        let width =
            [whole, whole + SerialAngles::WIDTH].into_iter().find(|width| columns <= width + KinematicTree::WIDTH)?;
        let (parts, places) = (width > whole, columns.checked_sub(width)?);
        let tree = self.head.tree.as_ref().filter(|_| places == KinematicTree::WIDTH);
        let placed = tree.map(|tree| tree.parents.len());
        let expected = if places == 0 { Some(self.joints) } else { placed };
        // Behind the rows of the tree are those of a cloud.
        let surface = tree.and_then(|tree| tree.surface.as_ref());
        let in_cloud = (joints as usize).checked_sub(expected?)?;
        let fits = (in_cloud == 0 || surface.is_some()) && (!parts || !self.head.angles.is_empty());
        if !fits {
            return None;
        }
        let cloud = surface.filter(|_| in_cloud > 0).map(|surface| {
            let part = |tensor: &Tensor| {
                let rows = tensor.narrow(1, joints - in_cloud as i64, in_cloud as i64);
                rows.narrow(-1, tensor.size()[2] - KinematicTree::WIDTH as i64, KinematicTree::WIDTH as i64)
                    .flatten(1, -1)
            };
            (Cloud::new(&part(&target.value), &part(&target.weight)), PULLS * surface.capsules.len())
        });
        let (cloud, of_cloud) = cloud.map_or((None, 0), |(cloud, rows)| (Some(cloud), rows));
        let features = Wanted::of_joints(target, 0..width, self.joints);
        let side_by_side = if self.is_chord(features.width) {
            self.side_by_side(&features.value, &features.weight)
        } else {
            Vec::new()
        };
        let places = placed.map(|placed| Wanted::of_joints(target, width..columns, placed));
        let equations = features.width + places.as_ref().map_or(0, |places| places.width) + of_cloud;
        Some(EncodedTarget { rows, features, side_by_side, places, cloud, equations, prior: None })
    }

    fn joint<T: Real>(&self, joint: usize, six: &[T; SIX], columns: usize) -> Joint<T> {
        let head = &self.head;
        let frame = Frame::new(six, T::of(head.least_length));
        let matrix = frame.matrix();
        let turn = match head.features {
            RotationFeatures::Matrix => None,
            RotationFeatures::Vector { .. } => Some(Turn::new(&matrix, T::of(head.least_length))),
        };
        let parts = columns > head.features.width();
        let sines = parts.then(|| Sines::new(head.angles[joint], &matrix, T::of(head.least_cosine)));
        Joint { frame, turn, sines }
    }

    fn derive<T: Real>(&self, joint: usize, six: &[T; SIX], weight: &[T], rows: &mut Vec<Derivative<T>>) {
        let (first, count) = (SIX * joint, SIX);
        let state = self.joint(joint, six, weight.len());
        let is_chord = state.turn.is_none() && weight[..NINE].iter().all(|entry| *entry == weight[0]);
        let width = self.head.features.width();
        let skipped = if is_chord {
            // |dR|^2 is twice the square of the angular velocity.
            let scale = weight[0] * T::of(std::f64::consts::SQRT_2);
            rows.extend(state.frame.spin().map(|spin| Derivative {
                row: 0,
                first,
                count,
                by_raw: spin.map(|s| s * scale),
            }));
            width
        } else {
            0
        };
        let mut columns = [[T::ZERO; WIDEST]; SIX];
        if skipped < weight.len() {
            for (entry, column) in columns.iter_mut().enumerate() {
                let mut direction = [T::ZERO; SIX];
                direction[entry] = T::ONE;
                state.push(&direction, weight, &mut column[..weight.len()]);
            }
        }
        let row = |residual: usize| Derivative { row: 0, first, count, by_raw: columns.map(|column| column[residual]) };
        rows.extend((skipped..weight.len()).filter(|&residual| weight[residual] != T::ZERO).map(row));
    }

    /// Whether rows of so many residuals are matrices and nothing else; vectors with sines are nine columns, too.
    fn is_chord(&self, residuals: usize) -> bool {
        residuals == self.joints * NINE && matches!(self.head.features, RotationFeatures::Matrix)
    }

    /// Values and weights of matrices in the order of [`Chord`].
    fn side_by_side<T: Real>(&self, value: &[T], weight: &[T]) -> Vec<T> {
        let mut out = Vec::with_capacity(2 * value.len().next_multiple_of(GROUP * NINE));
        let rows = value.chunks_exact(self.joints * NINE).zip(weight.chunks_exact(self.joints * NINE));
        for (value, weight) in rows {
            let (value, weight) = (value.as_chunks().0, weight.as_chunks().0);
            self.arch.dispatch(SideBySide { value, weight, out: &mut out });
        }
        out
    }

    fn pull_chord<T: Real>(&self, raw: &mut [T], target: &[T], beside: Option<&[[T; NINE]]>) -> T {
        let raw = &mut raw.as_chunks_mut().0[..self.joints];
        self.arch.dispatch(Chord { raw, target, beside, least_length: T::of(self.head.least_length) })
    }

    /// `beside` are derivatives of what else there is to the loss with respect to each matrix.
    fn pull<T: Real>(&self, raw: &mut [T], value: &[T], weight: &[T], beside: Option<&[[T; NINE]]>) -> T {
        let columns = value.len() / self.joints;
        let targets = value.chunks_exact(columns).zip(weight.chunks_exact(columns));
        let (six, _) = raw.as_chunks_mut::<SIX>();
        let mut loss = T::ZERO;
        for (joint, (six, (value, weight))) in six.iter_mut().zip(targets).enumerate() {
            let state = self.joint(joint, six, columns);
            let (more, mut matrix) = state.pull(self.head.features, value, weight);
            loss += more;
            if let Some(beside) = beside {
                matrix.iter_mut().zip(beside[joint]).for_each(|(sum, more)| *sum += more);
            }
            *six = state.frame.pull(&matrix);
        }
        loss
    }
}

impl<T: Real> Joint<T> {
    /// Loss of the joint, and its derivative with respect to the matrix.
    #[inline(always)]
    fn pull(&self, features: RotationFeatures, value: &[T], weight: &[T]) -> (T, [T; NINE]) {
        let matrix = self.frame.matrix();
        let mut loss = T::ZERO;
        let mut derivative = match (&self.turn, features) {
            (Some(turn), RotationFeatures::Vector { least_angle }) => {
                let apart = difference(turn.vector(), [value[0], value[1], value[2]], T::of(least_angle));
                turn.pull(&score(apart, weight, &mut loss))
            }
            _ => score(std::array::from_fn(|entry| matrix[entry] - value[entry]), weight, &mut loss),
        };
        if let Some(sines) = &self.sines {
            let (value, weight) = (&value[features.width()..], &weight[features.width()..]);
            let values = sines.values();
            let apart: [T; SIX] = std::array::from_fn(|entry| values[entry] - value[entry]);
            let pulled = sines.pull(&score(apart, weight, &mut loss));
            derivative.iter_mut().zip(pulled).for_each(|(sum, more)| *sum += more);
        }
        (loss, derivative)
    }

    #[inline(always)]
    fn push(&self, six: &[T; SIX], weight: &[T], out: &mut [T]) {
        let matrix = self.frame.push(six);
        let store = |out: &mut [T], changes: &[T], weight: &[T]| {
            out.iter_mut().zip(changes).zip(weight).for_each(|((out, change), weight)| *out = *change * *weight);
        };
        let width = if let Some(turn) = &self.turn {
            store(out, &turn.push(&matrix), weight);
            3
        } else {
            store(out, &matrix, weight);
            NINE
        };
        if let Some(sines) = &self.sines {
            store(&mut out[width..], &sines.push(&matrix), &weight[width..]);
        }
    }
}

/// Adds squares of weighted differences to the loss; returns its derivative.
#[inline(always)]
pub(super) fn score<T: Real, const N: usize>(apart: [T; N], weight: &[T], loss: &mut T) -> [T; N] {
    let weight: &[T] = &weight[..N];
    std::array::from_fn(|entry| {
        let residual = apart[entry] * weight[entry];
        *loss += residual * residual;
        T::of(2.0) * residual * weight[entry]
    })
}

/// A rotation vector minus the nearer of a target's two vectors.
fn difference<T: Real>(vector: [T; 3], value: [T; 3], least_angle: T) -> [T; 3] {
    let square = |v: &[T; 3]| v[0] * v[0] + v[1] * v[1] + v[2] * v[2];
    let near: [T; 3] = std::array::from_fn(|axis| vector[axis] - value[axis]);
    let length = square(&value).square_root();
    let length = if length > least_angle { length } else { least_angle };
    let shorter = T::ONE - T::of(std::f64::consts::TAU) / length;
    let far: [T; 3] = std::array::from_fn(|axis| vector[axis] - value[axis] * shorter);
    if square(&near) <= square(&far) { near } else { far }
}
