//! The rival without a prior that nodes use today: a frame from hips and shoulders, then limb by limb in closed form.
//!
//! As hri_fullbody does it: bones point from joint to joint, twists stay as they are at rest, and a limb that is not seen
//! stays where it was, or hangs as at rest.

use nalgebra::{Matrix3, Rotation3, UnitQuaternion, Vector3};
use thalweg_body_pose::kinematics::Rotations;
use thalweg_body_pose::skeleton::{JOINTS, OFFSETS, joint_index};
use thalweg_task::Root;

/// Joints of each limb: its root, its middle and its end.
const LIMBS: [[&str; 3]; 4] = [
    ["left_shoulder", "left_elbow", "left_wrist"],
    ["right_shoulder", "right_elbow", "right_wrist"],
    ["left_hip", "left_knee", "left_ankle"],
    ["right_hip", "right_knee", "right_ankle"],
];
/// How far arms hang down from the level, radians.
const HANGING: f64 = 1.3;

/// Pose and root from frame to frame.
pub(crate) struct Limbs {
    pose: Rotations,
    root: Root,
}

impl Limbs {
    pub(crate) fn new() -> Self {
        let mut pose = [UnitQuaternion::identity(); JOINTS];
        for (name, sign) in [("left_shoulder", -1.0), ("right_shoulder", 1.0)] {
            pose[index(name)] = UnitQuaternion::from_axis_angle(&Vector3::z_axis(), sign * HANGING);
        }
        Self {
            pose,
            root: Root { position: [0.0; 3], rotation: [0.0, 0.0, 0.0, 1.0], scale: 1.0, is_seen: false, misfit: 0.0 },
        }
    }

    /// Finds pose and root of what is seen of pelvis and joints, NaN where it is not.
    pub(crate) fn step(&mut self, seen: &[[f64; 3]]) -> (Rotations, Root) {
        let place = |name: &str| Some(Vector3::from(seen[index(name) + 1])).filter(|place| place.x.is_finite());
        let torso = || {
            let (left, right) = (place("left_hip")?, place("right_hip")?);
            let (above_left, above_right) = (place("left_shoulder")?, place("right_shoulder")?);
            let (below, above) = ((left + right) / 2.0, (above_left + above_right) / 2.0);
            let up = (above - below).try_normalize(1e-6)?;
            let across = left - right + above_left - above_right;
            let across = (across - up * across.dot(&up)).try_normalize(1e-6)?;
            let matrix = Matrix3::from_columns(&[across, up, across.cross(&up)]);
            let turn = UnitQuaternion::from_rotation_matrix(&Rotation3::from_matrix_unchecked(matrix));
            let own = (rest("left_shoulder") + rest("right_shoulder") - rest("left_hip") - rest("right_hip")) / 2.0;
            let scale = (above - below).norm() / own.norm();
            let hips = (rest("left_hip") + rest("right_hip")) / 2.0;
            let position = below - turn * hips * scale;
            let q = turn.quaternion();
            Some(Root { position: position.into(), rotation: [q.i, q.j, q.k, q.w], scale, is_seen: true, misfit: 0.0 })
        };
        if let Some(root) = torso() {
            self.root = root;
        }
        let [i, j, k, w] = self.root.rotation;
        let turn = UnitQuaternion::new_normalize(nalgebra::Quaternion::new(w, i, j, k));
        for [first, middle, last] in LIMBS {
            let bone = |from: &str, to: &str| (place(to)? - place(from)?).try_normalize(1e-6);
            let mut frame = turn;
            for (joint, [from, to]) in [(first, [first, middle]), (middle, [middle, last])] {
                if let Some(direction) = bone(from, to) {
                    let wanted = frame.inverse() * direction;
                    let offset = Vector3::from(OFFSETS[index(to)]);
                    self.pose[index(joint)] =
                        UnitQuaternion::rotation_between(&offset, &wanted).unwrap_or_else(UnitQuaternion::identity);
                }
                frame *= self.pose[index(joint)];
            }
        }
        (self.pose, self.root)
    }
}

fn index(name: &str) -> usize {
    joint_index(name).unwrap_or_default()
}

/// Place of a joint at rest, metres in the pelvis frame.
fn rest(name: &str) -> Vector3<f64> {
    thalweg_body_pose::kinematics::forward(&[UnitQuaternion::identity(); JOINTS]).positions[index(name) + 1]
}
