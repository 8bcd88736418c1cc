//! Where the links are: forward kinematics.

use nalgebra::{Isometry3, Translation3, UnitQuaternion};

use super::model::Model;
use super::urdf::Motion;

/// Places of all links at one moment.
#[derive(Clone, Debug, Default)]
pub struct Posture {
    /// From each link's axes to those of the root, in the order of [`Model::links`].
    pub root_from_link: Vec<Isometry3<f64>>,
}

impl Posture {
    /// Places all links; allocates only the first time.
    ///
    /// `positions`: one for each of [`Model::joints`], radians or metres; what is missing is zero.
    pub fn place(&mut self, model: &Model, positions: &[f64]) {
        self.root_from_link.resize(model.links().len(), Isometry3::identity());
        for joint in model.tree() {
            let value = joint.position(positions);
            let origin = self.root_from_link[joint.parent] * joint.parent_from_joint;
            self.root_from_link[joint.child] = match joint.motion {
                Motion::Fixed => origin,
                Motion::Turn => origin * UnitQuaternion::from_axis_angle(&joint.axis, value),
                Motion::Slide => origin * Translation3::from(joint.axis.into_inner() * value),
            };
        }
    }

    /// Height of the lowest point of all shapes, metres; zero where there are none.
    #[must_use]
    pub fn lowest(&self, model: &Model) -> f64 {
        let heights = model.shapes().iter().map(|shape| {
            let place = self.root_from_link[shape.link] * shape.link_from_shape;
            place.translation.z - shape.depth(&place)
        });
        heights.reduce(f64::min).unwrap_or(0.0)
    }
}
