//! What a link looks like: capsules, boxes, cylinders, spheres.

use nalgebra::{Isometry3, Translation3, Unit, UnitQuaternion, Vector3};

use super::urdf::{Link, Look};

/// Difference of radii and places that is rounding, metres: URDFs are written with few decimals.
const ROUNDING: f64 = 1e-4;

/// Radius of a capsule that stands in for a mesh, as a share of its length. A guess, by eye.
const STAND_IN: f64 = 0.14;

/// Least and greatest radius of a stand-in, metres. A guess, by eye.
const STAND_IN_RADII: (f64, f64) = (0.004, 0.08);

/// A solid; long ones lie along z, with their middle at the origin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Form {
    /// A cylinder with a half sphere at each end.
    Capsule {
        /// Metres.
        radius: f64,
        /// Of the cylinder, without its ends, metres.
        length: f64,
    },
    /// A cylinder with flat ends.
    Cylinder {
        /// Metres.
        radius: f64,
        /// Metres.
        length: f64,
    },
    /// A box.
    Cuboid {
        /// Along x, y and z, metres.
        size: [f64; 3],
    },
    /// A sphere.
    Sphere {
        /// Metres.
        radius: f64,
    },
}

impl Form {
    /// From its middle to where its axis ends, metres.
    pub(super) fn half_length(self) -> f64 {
        match self {
            Self::Capsule { length, .. } | Self::Cylinder { length, .. } => length / 2.0,
            Self::Cuboid { size } => size[2] / 2.0,
            Self::Sphere { .. } => 0.0,
        }
    }

    /// By what it grows across and along its axis when its surface moves out by some metres.
    pub fn grown(self, by: f64) -> (f64, f64) {
        let share = |size: f64| 1.0 + by / size.max(1e-3);
        match self {
            Self::Capsule { radius, length } => (share(radius), share(length / 2.0 + radius)),
            Self::Cylinder { radius, length } => (share(radius), share(length / 2.0)),
            Self::Cuboid { size: [x, y, z] } => (share(x.min(y) / 2.0), share(z / 2.0)),
            Self::Sphere { radius } => (share(radius), share(radius)),
        }
    }
}

/// A solid and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// The link it moves with, as a place in [`super::Model::links`].
    pub link: usize,
    /// From the shape's axes to those of the link.
    pub link_from_shape: Isometry3<f64>,
    /// The solid.
    pub form: Form,
}

impl Shape {
    /// A capsule between two points of a link.
    fn between(link: usize, from: Vector3<f64>, to: Vector3<f64>) -> Self {
        let along = to - from;
        let length = along.norm();
        let radius = (STAND_IN * length).clamp(STAND_IN_RADII.0, STAND_IN_RADII.1);
        let turn = UnitQuaternion::rotation_between(&Vector3::z(), &along)
            .unwrap_or_else(|| UnitQuaternion::from_axis_angle(&Vector3::x_axis(), std::f64::consts::PI));
        let link_from_shape = Isometry3::from_parts(Translation3::from((from + to) / 2.0), turn);
        Self { link, link_from_shape, form: Form::Capsule { radius, length } }
    }

    /// How far it reaches below its own middle when it is placed in the world, metres.
    #[must_use]
    pub fn depth(&self, world_from_shape: &Isometry3<f64>) -> f64 {
        let down = world_from_shape.rotation.inverse() * -Vector3::z();
        match self.form {
            Form::Capsule { radius, length } => radius + length / 2.0 * down.z.abs(),
            Form::Cylinder { radius, length } => radius * down.xy().norm() + length / 2.0 * down.z.abs(),
            Form::Cuboid { size } => Vector3::from(size).dot(&down.abs()) / 2.0,
            Form::Sphere { radius } => radius,
        }
    }
}

/// The shapes of a link, and whether there is a mesh among them, which is not drawn.
///
/// A cylinder with a sphere of its radius at each end is one capsule: URDF has none before 1.2.
pub(super) fn shapes_of(index: usize, link: &Link) -> (Vec<Shape>, bool) {
    let mut spheres = Vec::new();
    let mut shapes = Vec::new();
    let mut has_mesh = false;
    for visual in &link.visuals {
        let place = visual.link_from_visual;
        match visual.look() {
            Some(Look::Solid(Form::Sphere { radius })) => spheres.push((place, radius, false)),
            Some(Look::Solid(form)) => shapes.push(Shape { link: index, link_from_shape: place, form }),
            Some(Look::Mesh) => has_mesh = true,
            None => {}
        }
    }
    shapes.iter_mut().for_each(|shape| round_off(shape, &mut spheres));
    let alone = spheres.into_iter().filter(|(_, _, is_end)| !is_end);
    shapes.extend(alone.map(|(place, radius, _)| Shape {
        link: index,
        link_from_shape: place,
        form: Form::Sphere { radius },
    }));
    (shapes, has_mesh)
}

/// Makes a capsule of a cylinder whose ends have spheres; one sphere may end several, and one end have several.
fn round_off(shape: &mut Shape, spheres: &mut [(Isometry3<f64>, f64, bool)]) {
    let Form::Cylinder { radius, length } = shape.form else { return };
    let place = shape.link_from_shape;
    let ends = [0.5, -0.5].map(|half| place.translation.vector + place.rotation * (Vector3::z() * (half * length)));
    let rounds = |end: &Vector3<f64>, (sphere, own, _): &(Isometry3<f64>, f64, bool)| {
        (own - radius).abs() < ROUNDING && (sphere.translation.vector - end).norm() < ROUNDING
    };
    if ends.iter().all(|end| spheres.iter().any(|sphere| rounds(end, sphere))) {
        for sphere in spheres.iter_mut().filter(|sphere| ends.iter().any(|end| rounds(end, sphere))) {
            sphere.2 = true;
        }
        shape.form = Form::Capsule { radius, length };
    }
}

/// Capsules from a link to those that hang on it, where it has no shape of its own.
pub(super) fn stand_ins(link: usize, children: impl Iterator<Item = Vector3<f64>>) -> Vec<Shape> {
    let far = children.filter(|place| place.norm() > STAND_IN_RADII.0);
    far.map(|place| Shape::between(link, Vector3::zeros(), place)).collect()
}

/// The direction of an axis, unless it has none.
pub(super) fn direction(xyz: [f64; 3]) -> Option<Unit<Vector3<f64>>> {
    Unit::try_new(Vector3::from(xyz), 1e-9)
}
