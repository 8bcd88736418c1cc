//! One picture after the other: what is shown, from where, and what the keys do.

use std::sync::Arc;
use std::time::Duration;

use kiss3d::camera::{Camera2d, Camera3d, CoordinateSystem2d, FixedView2d, OrbitCamera3d};
use kiss3d::event::WindowEvent;
use kiss3d::glamx::{Vec2, Vec3};
use kiss3d::post_processing::{Fxaa, PostProcessingEffect};
use kiss3d::window::Window;
use thalweg_node::display::ShownAnswer;

use crate::body::Model;
use crate::film::Picture;
use crate::hud::{Hud, Label, Mode, Told};
use crate::pace::Pace;
use crate::scene::{Scene, move_fog, prepare};

/// Field of view, radians: that of a portrait lens, which does not distort.
const VIEW: f32 = 0.62;

/// How far the camera goes back for people beside each other, for each metre that somebody stands from the middle: so that
/// they are seen beside the cards. A guess, by eye.
const BACK: f32 = 1.9;

/// Everything that a picture is made of.
pub struct Stage {
    scene: Scene,
    hud: Hud,
    camera: OrbitCamera3d,
    flat: FixedView2d,
    /// Smooths edges where a pixel has one sample only.
    smooth: Option<Fxaa>,
    pace: Pace,
    shown: Option<Arc<ShownAnswer>>,
    chosen: usize,
    /// For how many people the camera stands where it does; none where one body is shown as it is.
    people: usize,
    /// How far it stands back for them, metres.
    back: f32,
    /// What the window does; shown, and set by whoever runs it.
    pub mode: Mode,
}

impl Stage {
    /// Sets up the picture of a body, or of images alone, in a window of its own or none.
    #[must_use]
    pub fn new(window: &mut Window, model: Option<Model>) -> Self {
        prepare(window);
        let scene = Scene::new(model);
        let camera = camera(&scene);
        let flat = FixedView2d::new(CoordinateSystem2d::TopLeftDown, false);
        let smooth = (window.samples() == 1).then(Fxaa::new);
        let (hud, pace) = (Hud::default(), Pace::default());
        let (shown, chosen, people, back, mode) = (None, 0, 0, 0.0, Mode::default());
        Self { scene, hud, camera, flat, smooth, pace, shown, chosen, people, back, mode }
    }

    /// Shows an answer that came at a time.
    pub fn show(&mut self, shown: Arc<ShownAnswer>, at: Duration) {
        self.pace.note(at, &shown);
        self.chosen = self.chosen.min(shown.answer.joints.len().max(shown.answer.images.len()).saturating_sub(1));
        self.scene.show(&shown, self.chosen);
        self.shown = Some(shown);
        self.step_back();
    }

    /// Moves the camera back, or near again, when people come or go: as far as the keys have left it beside that.
    fn step_back(&mut self) {
        if self.scene.people() == std::mem::replace(&mut self.people, self.scene.people()) {
            return;
        }
        let back = if self.people > 1 { BACK * self.scene.reach() } else { 0.0 };
        let before = std::mem::replace(&mut self.back, back);
        self.camera.set_dist(self.camera.dist() + back - before);
    }

    /// Takes the next hypothesis as the body, or the one before.
    pub fn choose(&mut self, step: isize) {
        let Some(shown) = self.shown.clone() else { return };
        let last = shown.answer.joints.len().max(shown.answer.images.len()).saturating_sub(1);
        self.chosen = self.chosen.saturating_add_signed(step).min(last);
        self.scene.show(&shown, self.chosen);
    }

    /// Which hypothesis is the body.
    #[must_use]
    pub fn chosen(&self) -> usize {
        self.chosen
    }

    /// Puts the camera where it was at the beginning.
    pub fn reset_camera(&mut self) {
        self.camera = camera(&self.scene);
        self.camera.set_dist(self.camera.dist() + self.back);
    }

    /// Turns the camera about the body, radians.
    pub fn turn(&mut self, angle: f32) {
        self.camera.set_yaw(self.camera.yaw() + angle);
    }

    /// Draws a picture; `scale` is pixels for each logical pixel. Says whether the window is still open.
    pub fn draw(&mut self, window: &mut Window, scale: f32) -> bool {
        if let Some(shown) = &self.shown {
            self.scene.draw_points(window, shown, scale);
        }
        move_fog(window, self.back);
        // As the render does, but before names are put where the camera sees things.
        let size = WindowEvent::FramebufferSize(window.width(), window.height());
        self.camera.handle_event(window.canvas(), &size);
        let (labels, trouble) = (self.labels(window), self.scene.trouble());
        let told = Told {
            shown: self.shown.as_deref(),
            chosen: self.chosen,
            pace: &self.pace,
            mode: &self.mode,
            has_body: self.scene.model().is_some(),
            most_ghosts: Scene::most_ghosts(),
            trouble: trouble.as_deref(),
            labels: &labels,
        };
        self.hud.write(window, &told, scale);
        let (space, sheet) = (self.scene.root_mut(), self.hud.root_mut());
        let smooth = self.smooth.as_mut().map(|smooth| smooth as &mut dyn PostProcessingEffect);
        let cameras: (&mut dyn Camera3d, &mut dyn Camera2d) = (&mut self.camera, &mut self.flat);
        pollster::block_on(window.render(Some(space), Some(sheet), Some(cameras.0), Some(cameras.1), None, smooth))
    }

    /// Names of the axes and of people, where they are seen.
    fn labels(&self, window: &Window) -> Vec<Label> {
        let size = Vec2::new(window.width() as f32, window.height() as f32);
        let (eye, ahead) = (self.camera.eye(), self.camera.at() - self.camera.eye());
        let axes = self.scene.axes().map(|(name, place)| (name, place, false));
        let all = axes.into_iter().chain(self.scene.names().map(|(name, place)| (name, place, true)));
        let seen = all.filter(|(_, place, _)| (*place - eye).dot(ahead) > 0.0);
        let label = |(name, place, is_person): (&str, Vec3, bool)| {
            let at = self.camera.project(place, size);
            at.is_finite().then(|| Label { text: name.to_owned(), at: (at.x, size.y - at.y), is_person })
        };
        seen.filter_map(label).collect()
    }
}

/// What a window shows just now.
#[must_use]
pub fn picture(window: &Window) -> Picture {
    let (width, height) = (window.width(), window.height());
    Picture { width, height, data: window.snap_image().into_raw() }
}

/// In front of the body, to its left, a little above.
fn camera(scene: &Scene) -> OrbitCamera3d {
    let (middle, size) = scene.extent();
    let eye = middle + Vec3::new(1.0, 0.52, 0.16).normalize() * size * 1.55;
    let mut camera = OrbitCamera3d::new_with_frustum(VIEW, 0.05, 60.0, eye, middle);
    camera.set_up_axis(Vec3::Z);
    camera.look_at(eye, middle);
    camera.set_dist_step(1.03);
    camera.set_min_dist(0.3);
    camera.set_max_dist(12.0);
    camera.rebind_reset_key(None);
    camera
}
