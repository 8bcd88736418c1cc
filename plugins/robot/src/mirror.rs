//! Whether a robot is its own mirror image, left to right, and which joint then stands for which.

use nalgebra::{Isometry3, Vector3};
use tch::Tensor;

use crate::kinematics::frames;
use crate::urdf::{Mimic, Motion, Robot};

/// How far mirrored joints may be from their partners, m, and their directions, as a difference of unit vectors.
const TOLERANCE: f64 = 0.01;

/// For each joint that moves, its partner, and the sign by which the partner's position becomes its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Mirror {
    partner: Vec<usize>,
    sign: Vec<f64>,
}

impl Mirror {
    /// Finds the partners by where joints are at position zero, seen from the root: the plane y = 0 (x ahead, y left,
    /// REP 103) must map every joint that counts onto another or onto itself. None where it does not, or where every
    /// joint is its own partner.
    #[must_use]
    pub fn of(robot: &Robot) -> Option<Self> {
        let moving = robot.moving();
        let frames = frames(robot, &vec![0.0; moving.len()]);
        let place = |&joint: &usize| {
            let joint = &robot.joints[joint];
            let frame: Isometry3<f64> = frames[joint.child];
            (frame.translation.vector, frame.rotation * joint.axis.into_inner())
        };
        let places: Vec<(Vector3<f64>, Vector3<f64>)> = moving.iter().map(place).collect();
        let mirrored = |v: Vector3<f64>| Vector3::new(v.x, -v.y, v.z);
        let (mut partner, mut sign) = (Vec::new(), Vec::new());
        for (mine, &joint) in moving.iter().enumerate() {
            let (at, axis) = (mirrored(places[mine].0), mirrored(places[mine].1));
            let motion = robot.joints[joint].motion;
            let fits = |other: usize| {
                let (theirs, direction) = places[other];
                let is_near = (theirs - at).norm() < TOLERANCE;
                let along = if (direction - axis).norm() < TOLERANCE {
                    1.0
                } else if (direction + axis).norm() < TOLERANCE {
                    -1.0
                } else {
                    return None;
                };
                // A turn is an axial vector: mirrored, it keeps its sense about the reversed axis.
                let along = if motion == Motion::Slide { along } else { -along };
                (is_near && robot.joints[moving[other]].motion == motion).then_some(along)
            };
            let (other, along) = (0..moving.len()).find_map(|other| Some((other, fits(other)?)))?;
            partner.push(other);
            sign.push(along);
        }
        let is_mutual = partner.iter().enumerate().all(|(mine, &other)| partner[other] == mine);
        let changes = partner.iter().enumerate().any(|(mine, &other)| mine != other);
        let keeps_followers = moving.iter().all(|&joint| match robot.joints[joint].mimic {
            Some(Mimic { offset, .. }) => offset == 0.0,
            None => true,
        });
        (is_mutual && changes && keeps_followers).then_some(Self { partner, sign })
    }

    /// Mirrors positions `[N, J]`.
    pub fn apply(&self, positions: &Tensor) -> Tensor {
        let index: Vec<i64> = self.partner.iter().map(|&partner| partner as i64).collect();
        let sign = Tensor::from_slice(&self.sign).to_kind(positions.kind()).to_device(positions.device());
        positions.index_select(1, &Tensor::from_slice(&index).to_device(positions.device())) * sign
    }

    /// Whether of each pair both joints were seen, or neither.
    #[must_use]
    pub fn fits(&self, seen: &[bool]) -> bool {
        self.partner.iter().enumerate().all(|(mine, &other)| seen.get(mine) == seen.get(other))
    }

    /// The joint that a joint is the mirror image of.
    #[must_use]
    pub fn partner(&self, joint: usize) -> usize {
        self.partner.get(joint).copied().unwrap_or(joint)
    }

    /// How many joints have another as partner.
    #[must_use]
    pub fn pairs(&self) -> usize {
        self.partner.iter().enumerate().filter(|(mine, other)| mine != *other).count() / 2
    }
}
