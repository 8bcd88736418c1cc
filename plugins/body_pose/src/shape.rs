//! The shape of the body, and where it stands for a cloud of which nothing else is known.

use nalgebra::{Matrix3, Rotation3, UnitQuaternion, Vector3};
use thalweg_task::{Block, Pair, Root, Similarity, SurfaceFit, TreeCapsule, TreeSurface};

use crate::kinematics::Posture;
use crate::skeleton::{JOINTS, PARENTS, TIPS};
use crate::urdf::{BONE_RADII, TIP_RADII};

/// The capsules of the body between rows of a target: joints, then the pelvis, .., then [`TIPS`] from row `tips` on.
pub(crate) fn capsules(tips: usize) -> Vec<TreeCapsule> {
    let bone = |(joint, radius): (usize, f64)| TreeCapsule { ends: [PARENTS[joint].unwrap_or(JOINTS), joint], radius };
    let tip = |(at, radius): (usize, f64)| TreeCapsule { ends: [TIPS[at].joint, tips + at], radius };
    BONE_RADII.into_iter().enumerate().map(bone).chain(TIP_RADII.into_iter().enumerate().map(tip)).collect()
}

/// The surface of the body in a posture: ends, metres in the pelvis frame, and radius of each of its capsules.
#[must_use]
pub fn limbs(posture: &Posture) -> Vec<([Vector3<f64>; 2], f64)> {
    let tips = posture.tips();
    // Row `JOINTS` of a target is the pelvis, which comes first in a posture; tips stand behind.
    let place = |row: usize| match row.cmp(&JOINTS) {
        std::cmp::Ordering::Less => posture.positions[row + 1],
        std::cmp::Ordering::Equal => posture.positions[0],
        std::cmp::Ordering::Greater => tips[row - JOINTS - 1],
    };
    capsules(JOINTS + 1).into_iter().map(|capsule| (capsule.ends.map(place), capsule.radius)).collect()
}

/// Points that a guess looks at: a cloud's shape does not need more.
const LOOKED_AT: usize = 200;
/// Turns about what is up that are tried.
const YAWS: usize = 8;
/// Gauss-Newton steps of each try, and of those that are best, of which there are so many.
const STEPS: usize = 4;
const MORE_STEPS: usize = 12;
const BEST: usize = 4;
/// As [`thalweg_task::SIZE`]: large bodies the wrong way round would fit.
const SIZE: f64 = 0.05;
/// Points farther than this from the middle of a cloud do not say how it lies, metres.
const AROUND: f64 = 1.2;
/// Factor of the loss of a body that stands on its head, whether z is up (REP-103) or y down (a camera).
const UPSIDE_DOWN: f64 = 1.3;
/// Cosine between what is up and an axis from which on they count as one.
const ALONG: f64 = 0.7;
/// Distance from the surface within which a point is a body's, metres, and the share of points that must be.
const NEAR: f64 = 0.3;
const SHARE: f64 = 0.5;

/// Finds where a body in some pose stands, so that its surface lies along a cloud.
///
/// Tried are several turns about each direction that may be up: the long axis of the cloud, both ways, and the two
/// conventions of frames. Front and back of a body are much alike, and a pose that is not the person's makes them more so.
pub(crate) struct Guess<'a> {
    pub(crate) surface: &'a TreeSurface,
    /// Places of all rows of a target, metres in the pelvis frame.
    pub(crate) places: &'a [[f64; 3]],
    /// Least and greatest size.
    pub(crate) scale: [f64; 2],
}

impl Guess<'_> {
    /// Whether a body that stands there may be what the cloud shows.
    pub(crate) fn is_near(&self, root: &Root, cloud: &[([f64; 3], f64)]) -> bool {
        let few = few(cloud);
        let pulls = self.fit().pulls(&Block::of_points(&few), &Similarity::of_root(root), self.surface);
        // Within the scale of the loss a residual grows; beyond it, it hardly does.
        let limit = self.surface_at(NEAR);
        let near = pulls.iter().filter(|pull| pull.residual.abs() <= limit * pull.weight).count();
        near as f64 >= SHARE * few.len() as f64
    }

    /// The residual of a point of weight one at a distance.
    fn surface_at(&self, distance: f64) -> f64 {
        let within = distance.min(self.surface.gate * (1.0 - 1e-6));
        within / (1.0 + (within / self.surface.scale).powi(2)).sqrt()
    }

    fn fit(&self) -> SurfaceFit<f64> {
        let mut fit = SurfaceFit::new(self.surface.capsules.len());
        fit.place(self.surface, |place| self.places[place]);
        fit
    }

    /// Finds the root; `pairs` are named points, which count as well.
    pub(crate) fn root(&self, cloud: &[([f64; 3], f64)], pairs: &[Pair]) -> Root {
        let few = few(cloud);
        let (middle, long) = lie(&few);
        let own = self.places[..=JOINTS].iter().map(|place| Vector3::from(*place)).sum::<Vector3<f64>>()
            / (JOINTS + 1) as f64;
        let size = 1f64.clamp(self.scale[0], self.scale[1]);
        let ups = [long, -long, Vector3::z(), -Vector3::y()];
        let start = |(up, yaw): (Vector3<f64>, usize)| {
            let turn = turn(up, std::f64::consts::TAU * yaw as f64 / YAWS as f64);
            let rotation = turn.quaternion();
            Root {
                position: (middle - turn * own * size).into(),
                rotation: [rotation.i, rotation.j, rotation.k, rotation.w],
                scale: size,
                is_seen: false,
                misfit: 0.0,
            }
        };
        let starts = ups.into_iter().flat_map(|up| (0..YAWS).map(move |yaw| (up, yaw))).map(start);
        let (blocks, mut fit) = (Block::of_points(&few), self.fit());
        fit.pull_size(&blocks, size, SIZE);
        let mut descend = |from: Similarity, steps: usize| {
            let found = fit.descend(&blocks, pairs, (from, steps), self.scale, self.surface);
            let named = pairs.iter().flat_map(|pair| found.residual(pair)).map(|residual| residual * residual);
            let up = Vector3::from(found.root(&[], false).place([0.0, 1.0, 0.0]))
                - Vector3::from(found.root(&[], false).position);
            let is_down = up.normalize().z < -ALONG || up.normalize().y > ALONG;
            ((fit.loss() + named.sum::<f64>()) * if is_down { UPSIDE_DOWN } else { 1.0 }, found)
        };
        let mut tried: Vec<(f64, Similarity)> = starts.map(|root| descend(Similarity::of_root(&root), STEPS)).collect();
        tried.sort_by(|one, other| one.0.total_cmp(&other.0));
        tried.truncate(BEST);
        let refined = tried.into_iter().map(|(_, from)| descend(from, MORE_STEPS));
        let best = refined.min_by(|one, other| one.0.total_cmp(&other.0));
        best.map_or(Similarity::fit(&[], self.scale), |(_, found)| found).root(&[], false)
    }
}

/// Every n-th point of a cloud.
fn few(cloud: &[([f64; 3], f64)]) -> Vec<([f64; 3], f64)> {
    cloud.iter().step_by(cloud.len().div_ceil(LOOKED_AT).max(1)).copied().collect()
}

/// The middle of a cloud, coordinate by coordinate, and its long axis.
fn lie(points: &[([f64; 3], f64)]) -> (Vector3<f64>, Vector3<f64>) {
    let median = |axis: usize| {
        let mut values: Vec<f64> = points.iter().map(|(point, _)| point[axis]).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(0.0)
    };
    let middle = Vector3::new(median(0), median(1), median(2));
    let spread = points.iter().fold(Matrix3::zeros(), |sum, (point, _)| {
        let away = Vector3::from(*point) - middle;
        if away.norm() < AROUND { sum + away * away.transpose() } else { sum }
    });
    let eigen = spread.symmetric_eigen();
    let long = (1..3).fold(0, |best, at| if eigen.eigenvalues[at] > eigen.eigenvalues[best] { at } else { best });
    let long: Vector3<f64> = eigen.eigenvectors.column(long).into();
    (middle, long.try_normalize(1e-6).unwrap_or_else(Vector3::z))
}

/// A body whose head is up, turned about that.
fn turn(up: Vector3<f64>, yaw: f64) -> UnitQuaternion<f64> {
    let other = if up.x.abs() < ALONG { Vector3::x() } else { Vector3::y() };
    let across = (other - up * up.dot(&other)).normalize();
    let forward = across * yaw.cos() + up.cross(&across) * yaw.sin();
    let left = up.cross(&forward);
    UnitQuaternion::from_rotation_matrix(&Rotation3::from_matrix_unchecked(Matrix3::from_columns(&[left, up, forward])))
}
