//! Where the links are: forward kinematics.

use nalgebra::{Isometry3, Point3, Translation3, UnitQuaternion};

use super::model::Model;
use super::shapes::Shape;
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

    /// How far off the ends of each shape may be, metres, one for each of [`Model::shapes`]: the standard deviation of the
    /// farther end, to first order, where joints are off by their deviations, each for itself.
    ///
    /// `deviations`: one for each of [`Model::joints`], radians or metres; what is missing is zero.
    #[must_use]
    pub fn spread(&self, model: &Model, deviations: &[f64]) -> Vec<f64> {
        let mut above = vec![None; model.links().len()];
        for joint in model.tree() {
            above[joint.child] = Some(joint);
        }
        let spread_of = |point: Point3<f64>, link: usize| {
            let chain = std::iter::successors(above[link], |joint| above[joint.parent]);
            let shares = chain.map(|joint| {
                let origin = self.root_from_link[joint.parent] * joint.parent_from_joint;
                let lever = match joint.motion {
                    Motion::Fixed => 0.0,
                    Motion::Turn => (origin * joint.axis).cross(&(point - origin.translation.vector).coords).norm(),
                    Motion::Slide => 1.0,
                };
                lever * joint.deviation(deviations)
            });
            shares.map(|share| share * share).sum::<f64>().sqrt()
        };
        let ends = |shape: &Shape| {
            let place = self.root_from_link[shape.link] * shape.link_from_shape;
            let half = shape.form.half_length();
            [-half, half].map(|end| spread_of(place * Point3::new(0.0, 0.0, end), shape.link))
        };
        model.shapes().iter().map(|shape| ends(shape).into_iter().fold(0.0, f64::max)).collect()
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
