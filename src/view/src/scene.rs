//! What is drawn in space: the body, its other possibilities, the points, the floor.

mod body;
mod floor;
mod people;

use std::sync::Arc;

use kiss3d::glamx::{Quat, Vec3};
use kiss3d::light::{Fog, Light};
use kiss3d::scene::SceneNode3d;
use kiss3d::window::Window;
use nalgebra::Isometry3;
use thalweg_node::display::ShownAnswer;

use crate::body::Model;
use crate::palette::{self, linear};
use body::Figures;
use floor::Floor;
use people::{Place, Stand, name_above};

/// Where the fog begins and ends before a camera that sees one body, metres.
const FOG: (f32, f32) = (4.5, 9.0);

/// Side of a drawn point, pixels at scale one. A guess, by eye.
const POINT: f32 = 3.0;

/// A model in space, and how it is lit.
pub struct Scene {
    root: SceneNode3d,
    figures: Option<Figures>,
    floor: Floor,
    /// How the frame of the points lies, where several people are shown.
    stand: Stand,
    /// Where each of several people stands, with their identities; nobody where one body is shown as it is.
    places: Vec<(Arc<str>, Place)>,
}

impl Scene {
    /// Sets the scene up; without a model there is the floor only.
    #[must_use]
    pub fn new(model: Option<Model>) -> Self {
        let mut root = SceneNode3d::empty();
        light(&mut root);
        let floor = Floor::new(&mut root);
        let figures = model.map(|model| Figures::new(&mut root, model));
        Self { root, figures, floor, stand: Stand::default(), places: Vec::new() }
    }

    /// Shows an answer; `chosen` is the hypothesis that is drawn as the body.
    pub fn show(&mut self, shown: &ShownAnswer, chosen: usize) {
        let were_several = !self.places.is_empty();
        self.places.clear();
        let Some(figures) = &mut self.figures else { return };
        if were_several != (shown.people.len() > 1) {
            self.floor.forget();
        }
        if shown.people.len() > 1 {
            let places = self.stand.places(&shown.people, figures.model());
            figures.show_people(shown, &places);
            let ids = shown.people.iter().map(|person| Arc::clone(&person.id));
            self.places.extend(ids.zip(places));
        } else {
            self.stand = Stand::default();
            figures.show(shown, chosen);
        }
        self.floor.settle(figures.lowest());
    }

    /// How many people are shown at their places; none where one body is shown as it is.
    #[must_use]
    pub fn people(&self) -> usize {
        self.places.len()
    }

    /// How far from the middle of the picture somebody stands at most, metres.
    #[must_use]
    pub fn reach(&self) -> f32 {
        let distance = |(_, place): &(Arc<str>, Place)| place.pose.translation.vector.norm() as f32;
        self.places.iter().map(distance).fold(0.0, f32::max)
    }

    /// The identities of several people, and where they are written.
    pub fn names(&self) -> impl Iterator<Item = (&str, Vec3)> {
        self.places.iter().map(|(id, place)| (&**id, name_above(place)))
    }

    /// Draws what lasts for one picture only: the points that were seen.
    pub fn draw_points(&self, window: &mut Window, shown: &ShownAnswer, scale: f32) {
        let colour = linear(palette::POINTS, 1.0);
        for &point in shown.points.iter().filter(|point| point.iter().all(|value| value.is_finite())) {
            let place = if self.places.is_empty() { Vec3::from(point) } else { self.stand.point(point) };
            window.draw_point(place, colour, POINT * scale);
        }
    }

    /// The names of the axes and where they end.
    #[must_use]
    pub fn axes(&self) -> [(&'static str, Vec3); 3] {
        self.floor.axes()
    }

    /// How many other hypotheses are drawn at most.
    #[must_use]
    pub fn most_ghosts() -> usize {
        body::MOST_GHOSTS
    }

    /// Why what is drawn is not what is meant.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.figures.as_ref().and_then(Figures::trouble)
    }

    /// The body, where there is one.
    #[must_use]
    pub fn model(&self) -> Option<&Model> {
        self.figures.as_ref().map(Figures::model)
    }

    /// The middle of the body at rest and its size, metres.
    #[must_use]
    pub fn extent(&self) -> (Vec3, f32) {
        self.model().map_or((Vec3::ZERO, 2.0), body::extent)
    }

    /// What kiss3d draws.
    pub fn root_mut(&mut self) -> &mut SceneNode3d {
        &mut self.root
    }
}

/// A key light from the front and above with shadows, and a weak one from the other side.
fn light(root: &mut SceneNode3d) {
    root.add_light(Light::directional(Vec3::new(-0.55, -0.35, -1.0)).with_intensity(2.0));
    let fill = Light::directional(Vec3::new(0.2, 0.9, -0.25)).with_intensity(0.55);
    root.add_light(fill.with_casts_shadows(false));
}

/// Moves the fog back as the camera goes back, metres: it hides the end of the floor, and nobody.
pub fn move_fog(window: &mut Window, back: f32) {
    window.set_fog(Fog::linear(linear(palette::PAPER, 1.0), FOG.0 + back, FOG.1 + back));
}

/// Sets how the whole picture looks.
pub fn prepare(window: &mut Window) {
    use kiss3d::post_processing::Tonemap;
    let paper = linear(palette::PAPER, 1.0);
    window.set_background_color(paper);
    window.set_ambient(0.42);
    // Colours are those of the palette, whatever their brightness.
    window.set_tonemap(Tonemap::None);
    window.set_fog(Fog::linear(paper, FOG.0, FOG.1));
    window.set_shadow_resolution(1024);
    window.set_shadow_softness(1.0);
    window.set_shadow_distance(8.0);
    window.set_transmission_enabled(false);
}

fn vector(isometry: &Isometry3<f64>) -> Vec3 {
    let [x, y, z]: [f64; 3] = isometry.translation.vector.into();
    Vec3::new(x as f32, y as f32, z as f32)
}

fn rotation(isometry: &Isometry3<f64>) -> Quat {
    let [i, j, k, w]: [f64; 4] = isometry.rotation.coords.into();
    Quat::from_xyzw(i as f32, j as f32, k as f32, w as f32)
}
