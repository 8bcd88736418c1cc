//! How a task says that it is dense layers under a sum of squares, so that it can run without autograd.

use thalweg_nn::Perceptron;

use crate::{LinkHead, TreeCapsule, TreeSurface};

/// A task as dense layers and a head, which is all that a native engine has to know.
///
/// Describes the same functions as [`crate::Task::forward`] and [`crate::Task::objective`]: whoever
/// evaluates the description gets their results up to rounding.
#[derive(Debug)]
pub struct DenseForm<'a> {
    /// The layers of F, from `x` to the input of the head.
    pub layers: &'a Perceptron,
    /// What follows the layers, and how the result is compared.
    pub head: DenseHead,
}

/// What follows the layers of a [`DenseForm`].
#[derive(Clone, Debug, PartialEq)]
pub enum DenseHead {
    /// The layers give `y_hat`, flattened; residuals are `(y_hat - value) * weight`, entry by entry.
    Plain,
    /// As [`DenseHead::Plain`], where the numbers at these places are angles in radians, compared by their chord: with
    /// `d = y_hat - value` the residual is `2 sin(d / 2) * weight`, so that whole turns count nothing.
    Chords(Vec<usize>),
    /// As [`DenseHead::Plain`], where some numbers are sine and cosine of an angle: each pair is brought to length one,
    /// `(s, c) / sqrt(s^2 + c^2 + epsilon^2)`, before it is compared.
    Circles {
        /// Places of the sines in `y_hat`; the cosine follows each.
        sines: Vec<usize>,
        /// Epsilon.
        least_length: f64,
    },
    /// As [`DenseHead::Circles`], where places of a robot's links follow from the numbers, and are compared, too.
    Links(Box<LinkHead>),
    /// The layers give six numbers for each joint, which become rotations.
    Rotations(RotationHead),
}

/// Rotations from six numbers each, compared joint by joint.
///
/// `y_hat` is `[K, J, 3, 3]`, the two columns in six numbers made orthonormal (Zhou et al., 2019,
/// eq. 15). Targets are `[O, J, C]`: the features of [`RotationHead::features`], then, when some joint was seen
/// in part, sine and cosine of each of its three angles in series, then, when some joint's place was seen, its three
/// coordinates. Residuals are `(columns - value) * weight`, column by column. A place whose first coordinate has a weight
/// and whose third has none is a ray, see [`KinematicTree::surface`].
#[derive(Clone, Debug, PartialEq)]
pub struct RotationHead {
    /// Epsilon in `v / sqrt(|v|^2 + epsilon^2)`, by which columns are normalised.
    pub least_length: f64,
    /// What is compared of a joint seen whole.
    pub features: RotationFeatures,
    /// How the angles of each joint are read, `[J]`; empty when no target has them.
    pub angles: Vec<SerialAngles>,
    /// Epsilon in `(s, c) / sqrt(s^2 + c^2 + epsilon^2)`, by which the outer angles are read.
    pub least_cosine: f64,
    /// How places follow from rotations; none when no target has them.
    pub tree: Option<KinematicTree>,
}

/// How the places of joints follow from their rotations, each relative to its parent: forward kinematics.
///
/// With parent p of joint j, orientation `O_j = O_p R_j` and place `t_j = t_p + O_p offset_j`; the root of all is
/// unturned and at the origin. Behind the joints there may be *leaves*: points that are fixed to a joint, or to the root,
/// and turn nothing. With leaves a target that has places has a row for each of them, too, `[O, J + leaves, C]`, whose
/// columns but the last three are zero.
#[derive(Clone, Debug, PartialEq)]
pub struct KinematicTree {
    /// Parent of each joint, one before it, and of each leaf, a joint; none is the root.
    pub parents: Vec<Option<usize>>,
    /// Place of each joint and leaf in the frame of its parent, metres.
    pub offsets: Vec<[f64; 3]>,
    /// Where places are seen from anywhere, and of bodies of any size: the least and the greatest scale. The
    /// [`Similarity`](crate::Similarity) that brings the tree nearest to what was seen, weight for weight, then comes
    /// before the comparison. None where places are in the frame of the root.
    pub scale: Option<[f64; 2]>,
    /// Where a cloud or rays are seen, with a scale only: what finds the transform. A target that has a cloud has a row for
    /// each of its points, behind those of leaves: `[O, J + leaves + N, C]`, with coordinates and weight in the last three
    /// columns. Of a ray x / z and y / z in the frame of a camera stand in the first two of them, with weights. The transform
    /// is then that of [`SurfaceFit::find`](crate::SurfaceFit::find); a point of the cloud has one residual, and a ray has
    /// those of [`Similarity::residual`](crate::Similarity::residual).
    pub surface: Option<TreeSurface>,
}

impl KinematicTree {
    /// Columns of a target that a place takes.
    pub const WIDTH: usize = 3;

    /// Whether it has `joints` joints, each behind its parent, and leaves that hang on those.
    #[must_use]
    pub fn fits(&self, joints: usize) -> bool {
        let is_behind =
            |(joint, parent): (usize, &Option<usize>)| parent.is_none_or(|parent| parent < joint.min(joints));
        let is_range = |[least, greatest]: [f64; 2]| 0.0 < least && least <= greatest && greatest.is_finite();
        // A capsule lies between a place and what carries it, or hangs on the root.
        let is_hung = |capsule: &TreeCapsule| {
            let [from, to] = capsule.ends.map(|end| self.parents.get(end));
            to.is_some_and(|above| above.is_none_or(|above| above == capsule.ends[0])) && from.is_some()
        };
        joints <= self.parents.len()
            && self.surface.iter().flat_map(|surface| &surface.capsules).all(is_hung)
            && self.parents.len() == self.offsets.len()
            && self.parents.iter().enumerate().all(is_behind)
            && self.scale.is_none_or(is_range)
            && self.surface.as_ref().is_none_or(|surface| self.scale.is_some() && surface.fits(self.parents.len()))
    }
}

/// What is compared of a rotation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RotationFeatures {
    /// The nine entries of the matrix, row by row.
    Matrix,
    /// The rotation vector, three numbers, radians, at most pi long.
    ///
    /// With the value `v` and `l = max(|v|, least_angle)`, the value counts as `v (1 - 2 pi / l)`
    /// where that is nearer.
    Vector {
        /// Radians.
        least_angle: f64,
    },
}

impl RotationFeatures {
    /// How many columns of a target they take.
    #[must_use]
    pub fn width(self) -> usize {
        match self {
            Self::Matrix => 9,
            Self::Vector { .. } => 3,
        }
    }
}

/// How the sines and cosines of three angles in series are read from a rotation matrix.
///
/// With axes i, j, k in the order of the chain: Diebel (2006), "Representing attitude", section 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SerialAngles {
    /// Entries (j, k), (k, k), (i, k), (i, j), (i, i) of the matrix, counted row by row.
    pub entries: [usize; 5],
    /// Whether i, j, k is a cyclic order of x, y, z.
    pub cyclic: bool,
}

impl SerialAngles {
    /// Columns of a target that the three angles take.
    pub const WIDTH: usize = 6;

    /// Reads angles about `axes`, a permutation of 0, 1, 2.
    #[must_use]
    pub fn of_axes(axes: [usize; 3]) -> Self {
        let [i, j, k] = axes;
        Self { entries: [3 * j + k, 3 * k + k, 3 * i + k, 3 * i + j, 3 * i + i], cyclic: (i + 1) % 3 == j }
    }
}
