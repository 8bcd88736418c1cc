//! Several people at once: where each stands, in a space whose z is up.

use kiss3d::glamx::Vec3;
use nalgebra::{Isometry3, Matrix3, Quaternion, Rotation3, Translation3, UnitQuaternion, Vector3};
use thalweg_node::display::ShownPerson;
use thalweg_task::Root;

use super::vector;
use crate::body::{Model, Posture};

/// Share of the way to the middle of all people that the picture's middle goes with one answer: it follows them and does
/// not jump when somebody comes or goes. A guess, by eye.
const FOLLOW: f64 = 0.08;

/// Distance between people of whom nobody knows where they stand, metres.
const APART: f64 = 1.2;

/// How far above the pelvis a name is written, metres of a body of usual size: above the head.
const NAME: f64 = 0.92;

/// How much nearer to upright another axis must be before it counts as up, as a cosine: a body that lies down does not turn
/// the room. A guess.
const MARGIN: f64 = 0.2;

/// Where somebody stands, and how large they are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// From the model's root to the picture, for a body of usual size.
    pub(super) pose: Isometry3<f64>,
    /// Size against the usual one.
    pub(super) scale: f64,
}

impl Place {
    /// Puts a shape of the usual body where it is in the picture, without its size.
    pub(super) fn of(&self, shape: &Isometry3<f64>) -> Isometry3<f64> {
        let middle = self.pose.rotation * shape.translation.vector * self.scale + self.pose.translation.vector;
        Isometry3::from_parts(middle.into(), self.pose.rotation * shape.rotation)
    }
}

/// How the frame of the points lies in the picture.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stand {
    /// Which axis of that frame is up, and what of it lies in the middle; none before anybody came.
    known: Option<(Vector3<f64>, Vector3<f64>)>,
}

impl Stand {
    /// Where everybody stands, in their order. Those of whom nobody knows stand side by side.
    pub(super) fn places(&mut self, people: &[ShownPerson], model: &Model) -> Vec<Place> {
        let pelvis = pelvis(model);
        let of_base = |root: &Root| rotation_of(root) * pelvis.inverse();
        let roots: Vec<&Root> = people.iter().filter_map(|person| person.root.as_ref()).collect();
        if !roots.is_empty() {
            let count = roots.len() as f64;
            let middle = roots.iter().map(|root| Vector3::from(root.position)).sum::<Vector3<f64>>() / count;
            let upright = roots.iter().map(|root| of_base(root) * Vector3::z()).sum::<Vector3<f64>>() / count;
            self.follow(upright, middle);
        }
        let mut beside = 0;
        let mut place = |person: &ShownPerson| match &person.root {
            Some(root) => {
                let rotation = UnitQuaternion::from_rotation_matrix(&self.rotation()) * of_base(root);
                let position = self.of(Vector3::from(root.position));
                Place { pose: Isometry3::from_parts(Translation3::from(position), rotation), scale: root.scale }
            }
            None => {
                beside += 1;
                let left = Vector3::y() * APART * (f64::from(beside) - (people.len() as f64 + 1.0) / 2.0);
                Place { pose: Isometry3::from_parts(Translation3::from(left), UnitQuaternion::identity()), scale: 1.0 }
            }
        };
        people.iter().map(&mut place).collect()
    }

    /// Where a point of the points' frame is in the picture; where it is while nobody's root is known.
    pub(super) fn point(&self, point: [f32; 3]) -> Vec3 {
        let placed = self.of(Vector3::from(point.map(f64::from)));
        Vec3::new(placed.x as f32, placed.y as f32, placed.z as f32)
    }

    fn follow(&mut self, upright: Vector3<f64>, middle: Vector3<f64>) {
        let axes = [Vector3::x(), Vector3::y(), Vector3::z()];
        let best =
            axes.into_iter().flat_map(|axis| [axis, -axis]).max_by(|a, b| a.dot(&upright).total_cmp(&b.dot(&upright)));
        let Some(best) = best else { return };
        let (up, before) = self.known.unwrap_or((best, middle));
        let up = if best.dot(&upright) > up.dot(&upright) + MARGIN { best } else { up };
        self.known = Some((up, before + (middle - before) * FOLLOW));
    }

    fn of(&self, point: Vector3<f64>) -> Vector3<f64> {
        let middle = self.known.map_or_else(Vector3::zeros, |(_, middle)| middle);
        self.rotation() * (point - middle)
    }

    /// Turns the frame so that its upright axis is z. Of a camera's optical frame, whose y points down, what looks into the
    /// camera looks out of the picture; others are turned the shortest way.
    fn rotation(&self) -> Rotation3<f64> {
        match self.known {
            Some((up, _)) if up == -Vector3::y() => {
                Rotation3::from_matrix_unchecked(Matrix3::new(0.0, 0.0, -1.0, 1.0, 0.0, 0.0, 0.0, -1.0, 0.0))
            }
            Some((up, _)) => Rotation3::rotation_between(&up, &Vector3::z())
                .unwrap_or_else(|| Rotation3::from_axis_angle(&Vector3::x_axis(), std::f64::consts::PI)),
            None => Rotation3::identity(),
        }
    }
}

/// Where the name of somebody is written.
pub(super) fn name_above(place: &Place) -> Vec3 {
    vector(&Isometry3::from_parts(place.pose.translation, UnitQuaternion::identity()))
        + Vec3::Z * (NAME * place.scale) as f32
}

/// From the axes of the model's pelvis to those of its root: where it has none, its root is what stands somewhere.
fn pelvis(model: &Model) -> UnitQuaternion<f64> {
    let mut rest = Posture::default();
    rest.place(model, &[]);
    let link = model.links().iter().position(|link| link == "pelvis");
    link.and_then(|link| rest.root_from_link.get(link)).map_or_else(UnitQuaternion::identity, |place| place.rotation)
}

fn rotation_of(root: &Root) -> UnitQuaternion<f64> {
    let [i, j, k, w] = root.rotation;
    UnitQuaternion::from_quaternion(Quaternion::new(w, i, j, k))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn human() -> Model {
        Model::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../urdf/human_21.urdf")).expect("it is shipped")
    }

    /// Before a camera whose y points down; looks into it.
    fn before_camera(position: [f64; 3], scale: f64) -> ShownPerson {
        // The pelvis' x, left, is the camera's x; its y, up, is -y; its z, ahead, is -z.
        let root = Root { position, rotation: [1.0, 0.0, 0.0, 0.0], scale, is_seen: true, misfit: 0.0 };
        ShownPerson { root: Some(root), ..ShownPerson::default() }
    }

    fn near(got: Vector3<f64>, expected: [f64; 3]) {
        // The URDF's angles have six decimals.
        assert!((got - Vector3::from(expected)).norm() < 1e-5, "{got} and {expected:?}");
    }

    #[test]
    fn people_before_a_camera_stand_upright_look_out_and_keep_their_sides() {
        let people = [before_camera([-0.6, 0.1, 2.5], 1.0), before_camera([0.9, -0.1, 3.0], 0.5)];
        let mut stand = Stand::default();
        let places = stand.places(&people, &human());
        for place in &places {
            near(place.pose.rotation * Vector3::z(), [0.0, 0.0, 1.0]);
            near(place.pose.rotation * Vector3::x(), [1.0, 0.0, 0.0]);
        }
        // What is at the camera's right is on the positive y of the picture, what is farther lies back.
        near(places[0].pose.translation.vector, [0.25, -0.75, -0.1]);
        near(places[1].pose.translation.vector, [-0.25, 0.75, 0.1]);
        let head = places[1].of(&Isometry3::translation(0.0, 0.0, 0.6));
        near(head.translation.vector, [-0.25, 0.75, 0.4]);
        let seen = stand.point([0.9, -0.1, 3.0]);
        assert!((seen - Vec3::new(-0.25, 0.75, 0.1)).length() < 1e-5, "points lie where people stand: {seen}");
    }

    #[test]
    fn a_room_with_z_up_stays_and_who_lies_down_does_not_turn_it() {
        // In the axes of a room: x ahead, y left, z up.
        let upright = pelvis(&human());
        let root = |turn: UnitQuaternion<f64>| {
            let [i, j, k, w]: [f64; 4] = (turn * upright).coords.into();
            let root =
                Root { position: [1.0, 2.0, 0.9], rotation: [i, j, k, w], scale: 1.0, is_seen: true, misfit: 0.0 };
            ShownPerson { root: Some(root), ..ShownPerson::default() }
        };
        let (mut stand, model) = (Stand::default(), human());
        let place = stand.places(&[root(UnitQuaternion::identity())], &model)[0];
        near(place.pose.rotation * Vector3::x(), [1.0, 0.0, 0.0]);
        let bent = UnitQuaternion::from_axis_angle(&Vector3::y_axis(), 0.85);
        let place = stand.places(&[root(bent)], &model)[0];
        near(place.pose.rotation * Vector3::x(), [0.85_f64.cos(), 0.0, -0.85_f64.sin()]);
    }

    #[test]
    fn people_of_whom_no_place_is_known_stand_side_by_side() {
        let people = vec![ShownPerson::default(); 3];
        let places = Stand::default().places(&people, &human());
        let across: Vec<f64> = places.iter().map(|place| place.pose.translation.vector.y).collect();
        assert_eq!(across, [-APART, 0.0, APART]);
    }
}
