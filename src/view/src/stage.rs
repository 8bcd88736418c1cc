//! One picture after the other: what is shown, from where, and what the keys do.

use std::sync::Arc;
use std::time::Duration;

use kiss3d::camera::{Camera2d, Camera3d, CoordinateSystem2d, FixedView2d, OrbitCamera3d};
use kiss3d::glamx::{Vec2, Vec3};
use kiss3d::post_processing::{Fxaa, PostProcessingEffect};
use kiss3d::window::Window;
use thalweg_node::display::ShownAnswer;

use crate::body::Model;
use crate::film::Picture;
use crate::hud::{Hud, Mode, Told};
use crate::pace::Pace;
use crate::scene::{Scene, prepare};

/// Field of view, radians: that of a portrait lens, which does not distort.
const VIEW: f32 = 0.62;

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
        Self { scene, hud, camera, flat, smooth, pace, shown: None, chosen: 0, mode: Mode::default() }
    }

    /// Shows an answer that came at a time.
    pub fn show(&mut self, shown: Arc<ShownAnswer>, at: Duration) {
        self.pace.note(at, &shown);
        self.chosen = self.chosen.min(shown.answer.joints.len().max(shown.answer.images.len()).saturating_sub(1));
        self.scene.show(&shown, self.chosen);
        self.shown = Some(shown);
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

    /// Names of the axes where they are seen.
    fn labels(&self, window: &Window) -> Vec<(&'static str, f32, f32)> {
        let size = Vec2::new(window.width() as f32, window.height() as f32);
        let axes = self.scene.axes().into_iter().map(|(name, place)| (name, self.camera.project(place, size)));
        axes.filter(|(_, at)| at.is_finite()).map(|(name, at)| (name, at.x, size.y - at.y)).collect()
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
