//! Poses as tensors, ready for training.

use tch::{Device, Kind, Tensor};

use crate::dataset::{Dataset, Split};
use crate::rotation::{matrix_from_axis_angle, sixd_from_matrix};
use crate::skeleton::NAMES;

/// A set of poses: rotations and their 6D form.
#[derive(Debug)]
pub struct PoseSet {
    /// `[B, 21, 3, 3]`.
    pub rotations: Tensor,
    /// `[B, 21, 6]`.
    pub sixd: Tensor,
}

impl PoseSet {
    /// Reads rotation vectors `[B * 63]`, radians, single precision.
    #[must_use]
    pub fn from_axis_angle(values: &[f32], device: Device) -> Self {
        let vectors = Tensor::from_slice(values).view([-1, NAMES.len() as i64, 3]).to_device(device);
        Self::from_vectors(&vectors)
    }

    /// Reads rotation vectors `[B, 21, 3]`, radians.
    #[must_use]
    pub fn from_vectors(vectors: &Tensor) -> Self {
        // In double precision, once: half-angle formulas lose digits in single.
        let rotations = matrix_from_axis_angle(&vectors.to_kind(Kind::Double)).to_kind(vectors.kind());
        let sixd = sixd_from_matrix(&rotations);
        Self { rotations, sixd }
    }

    /// How many poses there are.
    #[must_use]
    pub fn len(&self) -> i64 {
        self.rotations.size()[0]
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The poses at `index`, `[R]`.
    #[must_use]
    pub fn select(&self, index: &Tensor) -> Self {
        Self { rotations: self.rotations.index_select(0, index), sixd: self.sixd.index_select(0, index) }
    }
}

/// What F and theta are trained on: the training clips and their mirror images, `[B * 63]`, radians.
#[must_use]
pub fn training_poses(dataset: &Dataset) -> Vec<f32> {
    let mut poses = dataset.poses(Split::Train);
    poses.extend(mirrored(&poses));
    poses
}

/// Mirrors rotation vectors `[B * 63]` at the body's sagittal plane.
///
/// Left and right change places; a rotation vector keeps its component along x (left), and the
/// other two change sign, as for any axial vector under a reflection of x.
#[must_use]
pub fn mirrored(values: &[f32]) -> Vec<f32> {
    let partner = |name: &str| match (name.strip_prefix("left_"), name.strip_prefix("right_")) {
        (Some(rest), _) => format!("right_{rest}"),
        (_, Some(rest)) => format!("left_{rest}"),
        _ => name.to_owned(),
    };
    let source: Vec<usize> = NAMES
        .iter()
        .map(|name| NAMES.iter().position(|other| *other == partner(name)).expect("every side has a partner"))
        .collect();
    let mirror = |pose: &[f32]| -> Vec<f32> {
        source.iter().flat_map(|&joint| [pose[3 * joint], -pose[3 * joint + 1], -pose[3 * joint + 2]]).collect()
    };
    values.chunks_exact(3 * NAMES.len()).flat_map(mirror).collect()
}
