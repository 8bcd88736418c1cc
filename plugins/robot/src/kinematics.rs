//! Where the links are: forward kinematics in plain numbers.

use nalgebra::{Isometry3, Translation3, UnitQuaternion};

use crate::urdf::{Motion, Robot};

/// Places every link, metres in the frame of the root, from the positions of the joints that move, `[J]`, in the order
/// of [`Robot::moving`].
#[must_use]
pub fn frames(robot: &Robot, positions: &[f64]) -> Vec<Isometry3<f64>> {
    let mut of_joint = vec![0.0; robot.joints.len()];
    robot.moving().into_iter().zip(positions).for_each(|(joint, position)| of_joint[joint] = *position);
    let mut frames = vec![Isometry3::identity(); robot.links.len()];
    for &place in &robot.order {
        let joint = &robot.joints[place];
        let position = of_joint[place];
        let moved = match joint.motion {
            Motion::Fixed => Isometry3::identity(),
            Motion::Turn | Motion::Spin => {
                Isometry3::from_parts(Translation3::identity(), UnitQuaternion::from_axis_angle(&joint.axis, position))
            }
            Motion::Slide => Isometry3::from_parts(
                Translation3::from(joint.axis.into_inner() * position),
                UnitQuaternion::identity(),
            ),
        };
        frames[joint.child] = frames[joint.parent] * joint.origin * moved;
    }
    frames
}

/// Links in a row that nothing branches off: an arm, a leg, a waist, a finger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// Its name: the last link that it moves, and `_branch`.
    pub name: String,
    /// Places among the joints that move, from the root outward.
    pub joints: Vec<usize>,
    /// Whether nothing moves beyond it.
    pub is_tip: bool,
}

/// The branches of a robot. A joint that mimics another, or `still`, makes no branch of its own, but lies in one.
#[must_use]
pub fn branches(robot: &Robot, still: &[usize]) -> Vec<Branch> {
    let moving = robot.moving();
    let place_of = |joint: usize| moving.iter().position(|&other| other == joint);
    let counts = |joint: usize| {
        let place = place_of(joint);
        robot.joints[joint].mimic.is_none() && place.is_some_and(|place| !still.contains(&place))
    };
    // Joints that count, reached from each link without passing another.
    let next = |link: usize| {
        let (mut found, mut open) = (Vec::new(), vec![link]);
        while let Some(link) = open.pop() {
            for joint in (0..robot.joints.len()).filter(|&joint| robot.joints[joint].parent == link) {
                if counts(joint) { found.push(joint) } else { open.push(robot.joints[joint].child) }
            }
        }
        found.sort_unstable();
        found
    };
    let (mut branches, mut open) = (Vec::new(), next(robot.root));
    open.reverse();
    while let Some(first) = open.pop() {
        let (mut chain, mut beyond) = (vec![first], next(robot.joints[first].child));
        while let [only] = beyond[..] {
            chain.push(only);
            beyond = next(robot.joints[only].child);
        }
        let last = chain.last().map_or(robot.root, |&joint| robot.joints[joint].child);
        let joints = chain.iter().filter_map(|&joint| place_of(joint)).collect();
        branches.push(Branch { name: format!("{}_branch", robot.links[last]), joints, is_tip: beyond.is_empty() });
        open.extend(beyond.into_iter().rev());
    }
    adopt_followers(robot, &moving, &mut branches);
    branches
}

/// Puts joints that mimic others into the branch of what they follow.
fn adopt_followers(robot: &Robot, moving: &[usize], branches: &mut [Branch]) {
    for (place, &joint) in moving.iter().enumerate() {
        let Some(mimic) = robot.joints[joint].mimic else { continue };
        let source = moving.iter().position(|&other| other == mimic.source);
        let branch = branches.iter_mut().find(|branch| source.is_some_and(|source| branch.joints.contains(&source)));
        if let Some(branch) = branch {
            branch.joints.push(place);
        }
    }
}
