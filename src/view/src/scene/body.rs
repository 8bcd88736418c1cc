//! The body of one hypothesis, and those of the others as ghosts.

use kiss3d::color::Color;
use kiss3d::glamx::{Mat3, Pose3, Quat, Vec3};
use kiss3d::scene::{InstanceData3d, SceneNode3d};
use thalweg_node::display::ShownAnswer;

use super::people::Place;
use super::{rotation, vector};
use crate::body::{Form, Model, Posture};
use crate::palette::{self, Rgb, linear};

/// How many other hypotheses are drawn at most: more are one cloud.
pub(super) const MOST_GHOSTS: usize = 31;

/// Thickness of a ghost, as a share of the body's. A guess, by eye: where ghosts agree with the
/// body they are inside it and not seen.
const SLIM: f64 = 0.6;

/// Alpha of the least and of the most likely ghost. A guess, by eye.
const ALPHA: (f32, f32) = (0.32, 0.7);

/// How a halo looks, and the least and most that it reaches beyond its limb, metres: less is not seen, more hides the body.
/// Guesses, by eye.
const HALO_ALPHA: f32 = 0.13;
const HALO: (f64, f64) = (0.006, 0.06);

/// Facets around and along round shapes.
const FACETS: (u32, u32) = (28, 10);

/// A model as things to draw.
pub(super) struct Figures {
    model: Model,
    posture: Posture,
    /// One for each shape.
    solids: Vec<SceneNode3d>,
    ghosts: Vec<SceneNode3d>,
    halos: Vec<SceneNode3d>,
    /// All bodies of several people, as many as there are.
    crowd: Vec<SceneNode3d>,
    instances: Vec<Vec<InstanceData3d>>,
    binding: Binding,
    lowest: f32,
}

/// Which joint of a message is which of the model.
#[derive(Default)]
struct Binding {
    names: Vec<String>,
    /// For each joint of the model, its place in messages.
    places: Vec<Option<usize>>,
    positions: Vec<f64>,
}

impl Binding {
    fn follow(&mut self, model: &Model, names: &[String]) {
        if self.names != names {
            let place = |joint: &String| names.iter().position(|name| name == joint);
            self.places = model.joints().iter().map(place).collect();
            names.clone_into(&mut self.names);
        }
    }

    /// The positions of a message in the order of the model's joints; zero for those that it lacks.
    fn positions(&mut self, message: &[f64]) -> &[f64] {
        let value = |place: &Option<usize>| place.and_then(|place| message.get(place).copied()).unwrap_or(0.0);
        self.positions.clear();
        self.positions.extend(self.places.iter().map(value).map(|value| if value.is_finite() { value } else { 0.0 }));
        &self.positions
    }

    /// Whether messages have joints, and none of them is the model's.
    fn is_foreign(&self) -> bool {
        !self.names.is_empty() && self.places.iter().all(Option::is_none)
    }

    fn is_observed(&self, joint: usize, observed: &[bool]) -> bool {
        let place = self.places.get(joint).copied().flatten();
        place.and_then(|place| observed.get(place).copied()).unwrap_or(false)
    }
}

impl Figures {
    pub(super) fn new(root: &mut SceneNode3d, model: Model) -> Self {
        let add = |root: &mut SceneNode3d, share: f64| -> Vec<SceneNode3d> {
            let forms = model.shapes().iter().map(|shape| node(shape.form, share));
            let nodes: Vec<SceneNode3d> = forms.collect();
            nodes.iter().for_each(|node| root.add_child(node.clone()));
            nodes
        };
        let mut solids = add(root, 1.0);
        for solid in &mut solids {
            solid.set_roughness(0.55).set_metallic(0.0).set_visible(false);
        }
        let (mut ghosts, mut halos) = (add(root, SLIM), add(root, 1.0));
        for ghost in ghosts.iter_mut().chain(&mut halos) {
            // Below one: drawn among what is translucent.
            ghost.set_color(Color::new(1.0, 1.0, 1.0, 0.999)).set_roughness(0.9).set_metallic(0.0);
            ghost.set_casts_shadows(false).set_visible(false);
        }
        let mut crowd = add(root, 1.0);
        for body in &mut crowd {
            body.set_color(Color::new(1.0, 1.0, 1.0, 1.0)).set_roughness(0.55).set_metallic(0.0).set_visible(false);
        }
        let instances = ghosts.iter().map(|_| Vec::new()).collect();
        let (posture, binding) = (Posture::default(), Binding::default());
        Self { model, posture, solids, ghosts, halos, crowd, instances, binding, lowest: 0.0 }
    }

    pub(super) fn model(&self) -> &Model {
        &self.model
    }

    /// Why the body stands still, where its joints are not those of the messages.
    pub(super) fn trouble(&self) -> Option<String> {
        let name = self.model.name();
        self.binding.is_foreign().then(|| format!("none of the joints is one of {name}: choose another with --urdf"))
    }

    /// Height of the body's lowest point, metres.
    pub(super) fn lowest(&self) -> f32 {
        self.lowest
    }

    /// Shows the best hypothesis of each of several people at their places, and nothing else.
    pub(super) fn show_people(&mut self, shown: &ShownAnswer, places: &[Place]) {
        self.binding.follow(&self.model, &shown.names);
        let alone = self.solids.iter_mut().chain(&mut self.ghosts).chain(&mut self.halos);
        alone.for_each(|node| drop(node.set_visible(false)));
        self.instances.iter_mut().for_each(Vec::clear);
        let mut lowest = f32::INFINITY;
        for (person, place) in shown.people.iter().zip(places) {
            let colours = self.colours(&person.observed);
            self.posture.place(&self.model, self.binding.positions(&person.joints));
            for (index, shape) in self.model.shapes().iter().enumerate() {
                let at = place.of(&(self.posture.root_from_link[shape.link] * shape.link_from_shape));
                lowest = lowest.min((at.translation.z - shape.depth(&at) * place.scale) as f32);
                self.instances[index].push(InstanceData3d {
                    position: vector(&at),
                    deformation: Mat3::from_quat(rotation(&at) * upright(shape.form)) * place.scale as f32,
                    color: linear(colours[index], 1.0),
                    ..InstanceData3d::default()
                });
            }
        }
        self.lowest = if lowest.is_finite() { lowest } else { self.lowest };
        draw_instances(&mut self.crowd, &self.instances);
    }

    pub(super) fn show(&mut self, shown: &ShownAnswer, chosen: usize) {
        self.crowd.iter_mut().for_each(|node| drop(node.set_visible(false)));
        self.binding.follow(&self.model, &shown.names);
        let colours = self.colours(&shown.observed);
        let body = shown.answer.joints.get(chosen);
        if let Some(positions) = body {
            self.posture.place(&self.model, self.binding.positions(positions));
            self.lowest = self.posture.lowest(&self.model) as f32;
        }
        for (index, shape) in self.model.shapes().iter().enumerate() {
            let solid = &mut self.solids[index];
            solid.set_visible(body.is_some());
            if body.is_some() {
                let place = self.posture.root_from_link[shape.link] * shape.link_from_shape;
                solid.set_pose(Pose3::from_parts(vector(&place), rotation(&place) * upright(shape.form)));
                solid.set_color(linear(colours[index], 1.0));
            }
        }
        self.show_halos(shown, chosen, &colours);
        self.show_ghosts(shown, chosen, &colours);
    }

    /// Around each limb of the reported body: half a standard deviation of where its farther end is, to each side.
    fn show_halos(&mut self, shown: &ShownAnswer, chosen: usize, colours: &[Rgb]) {
        let deviation = &shown.answer.deviation;
        let is_known = chosen == 0 && !deviation.is_empty() && !shown.answer.joints.is_empty();
        let spread =
            if is_known { self.posture.spread(&self.model, self.binding.positions(deviation)) } else { Vec::new() };
        for (index, (shape, halo)) in self.model.shapes().iter().zip(&mut self.halos).enumerate() {
            let by = spread.get(index).map_or(0.0, |spread| spread / 2.0);
            halo.set_visible(by > HALO.0);
            if by > HALO.0 {
                let place = self.posture.root_from_link[shape.link] * shape.link_from_shape;
                halo.set_instances(&[InstanceData3d {
                    position: vector(&place),
                    deformation: Mat3::from_quat(rotation(&place)) * grown(shape.form, by.min(HALO.1)),
                    color: linear(colours[index], HALO_ALPHA),
                    ..InstanceData3d::default()
                }]);
            }
        }
    }

    fn show_ghosts(&mut self, shown: &ShownAnswer, chosen: usize, colours: &[Rgb]) {
        self.instances.iter_mut().for_each(Vec::clear);
        let others = shown.answer.joints.iter().enumerate().filter(|(rank, _)| *rank != chosen).take(MOST_GHOSTS);
        let alphas = alphas(shown);
        for (rank, positions) in others {
            self.posture.place(&self.model, self.binding.positions(positions));
            for (index, shape) in self.model.shapes().iter().enumerate() {
                let place = self.posture.root_from_link[shape.link] * shape.link_from_shape;
                self.instances[index].push(InstanceData3d {
                    position: vector(&place),
                    deformation: Mat3::from_quat(rotation(&place) * upright(shape.form)),
                    color: linear(colours[index], alphas.get(rank).copied().unwrap_or(ALPHA.0)),
                    ..InstanceData3d::default()
                });
            }
        }
        draw_instances(&mut self.ghosts, &self.instances);
    }

    /// What hangs on observed joints only was observed; what hangs on none always is.
    fn colours(&self, observed: &[bool]) -> Vec<Rgb> {
        let colour = |movers: &Vec<usize>| {
            let is_observed = movers.iter().all(|joint| self.binding.is_observed(*joint, observed));
            if is_observed { palette::OBSERVED } else { palette::COMPLETED }
        };
        self.model.movers().iter().map(colour).collect()
    }
}

/// Draws each node as often as it has instances.
fn draw_instances(nodes: &mut [SceneNode3d], instances: &[Vec<InstanceData3d>]) {
    for (node, instances) in nodes.iter_mut().zip(instances) {
        node.set_visible(!instances.is_empty());
        if !instances.is_empty() {
            node.set_instances(instances);
        }
    }
}

/// One for each hypothesis, by its weight against the best one's.
fn alphas(shown: &ShownAnswer) -> Vec<f32> {
    let best = shown.answer.weights.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let alpha = |weight: &f64| ((weight / best) as f32).clamp(0.0, 1.0).mul_add(ALPHA.1 - ALPHA.0, ALPHA.0);
    shown.answer.weights.iter().map(alpha).collect()
}

/// kiss3d's long shapes lie along y, ours along z.
fn upright(form: Form) -> Quat {
    match form {
        Form::Capsule { .. } | Form::Cylinder { .. } => Quat::from_rotation_x(std::f32::consts::FRAC_PI_2),
        Form::Cuboid { .. } | Form::Sphere { .. } => Quat::IDENTITY,
    }
}

/// Makes a form's node larger, so that its surface lies some metres farther out.
fn grown(form: Form, by: f64) -> Mat3 {
    let (across, along) = form.grown(by);
    let (across, along) = (across as f32, along as f32);
    Mat3::from_diagonal(Vec3::new(across, across, along)) * Mat3::from_quat(upright(form))
}

/// Builds a form; `share` thins it across its length.
fn node(form: Form, share: f64) -> SceneNode3d {
    let size = |metres: f64| (metres * share) as f32;
    match form {
        Form::Capsule { radius, length } => {
            SceneNode3d::capsule_with_subdiv(size(radius), length as f32, FACETS.0, FACETS.1)
        }
        Form::Cylinder { radius, length } => SceneNode3d::cylinder(size(radius), length as f32),
        Form::Cuboid { size: [x, y, z] } => SceneNode3d::cube(size(x), size(y), size(z)),
        Form::Sphere { radius } => SceneNode3d::sphere_with_subdiv(size(radius), FACETS.0, FACETS.1 * 2),
    }
}

/// Where a camera stands that sees the whole body: its middle, and its size, metres.
pub(super) fn extent(model: &Model) -> (Vec3, f32) {
    let mut posture = Posture::default();
    posture.place(model, &[]);
    let places =
        model.shapes().iter().map(|shape| vector(&(posture.root_from_link[shape.link] * shape.link_from_shape)));
    let (low, high) = places
        .fold((Vec3::splat(f32::INFINITY), Vec3::splat(f32::NEG_INFINITY)), |(low, high), place| {
            (low.min(place), high.max(place))
        });
    if low.is_finite() { ((low + high) / 2.0, (high - low).length().max(0.3)) } else { (Vec3::ZERO, 1.0) }
}
