//! The floor under the body, its grid, and the axes of the root.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use kiss3d::glamx::{Pose3, Quat, Vec2, Vec3};
use kiss3d::resource::{GpuMesh3d, Texture};
use kiss3d::scene::SceneNode3d;

use crate::palette::{self, linear};

/// Half the side of the floor, metres: beyond where the fog hides it.
const HALF: f32 = 12.0;

/// Distance of grid lines, metres.
const SPACING: f32 = 0.5;

/// Width of a line, metres. A guess, by eye.
const LINE: f32 = 0.008;

/// Pixels along a cell of the grid.
const CELL: u32 = 256;

/// Length and radius of the axes, metres. A guess, by eye.
const AXIS: (f32, f32) = (0.28, 0.009);

/// Share of the way to the body's lowest point that the floor goes with one answer: it follows a
/// squatting body and does not jump with every hypothesis. A guess, by eye.
const FOLLOW: f32 = 0.12;

/// Everything that lies on the floor.
pub(super) struct Floor {
    all: SceneNode3d,
    height: Option<f32>,
}

impl Floor {
    pub(super) fn new(root: &mut SceneNode3d) -> Self {
        let mut all = root.add_group();
        let mut ground = add_ground(&mut all);
        ground.set_texture(cell()).set_roughness(1.0).set_reflectance(0.0).set_casts_shadows(false);
        add_axes(&mut all);
        Self { all, height: None }
    }

    /// Lets the floor follow the body's lowest point.
    pub(super) fn settle(&mut self, lowest: f32) {
        let height = self.height.map_or(lowest, |height| (lowest - height).mul_add(FOLLOW, height));
        self.height = Some(height);
        self.all.set_position(Vec3::new(0.0, 0.0, height));
    }

    /// Lies under the next body at once: what is shown is something else.
    pub(super) fn forget(&mut self) {
        self.height = None;
    }

    pub(super) fn axes(&self) -> [(&'static str, Vec3); 3] {
        let origin = Vec3::new(0.0, 0.0, self.height.unwrap_or(0.0));
        let end = AXIS.0 + 0.05;
        [("x", origin + Vec3::X * end), ("y", origin + Vec3::Y * end), ("z", origin + Vec3::Z * end)]
    }
}

/// One quad with one cell of the grid, again and again: its mipmaps keep far lines calm.
fn add_ground(all: &mut SceneNode3d) -> SceneNode3d {
    let corner = |x: f32, y: f32| Vec3::new(x * HALF, y * HALF, 0.0);
    let corners = vec![corner(-1.0, -1.0), corner(1.0, -1.0), corner(1.0, 1.0), corner(-1.0, 1.0)];
    let cells = corners.iter().map(|at| Vec2::new(at.x, at.y) / SPACING).collect();
    let faces = vec![[0, 1, 2], [0, 2, 3]];
    let mesh = GpuMesh3d::new(corners, faces, Some(vec![Vec3::Z; 4]), Some(cells), false);
    all.add_mesh(Rc::new(RefCell::new(mesh)), Vec3::ONE)
}

/// A cell: a line along two of its edges.
fn cell() -> Arc<Texture> {
    let line = (LINE / SPACING * CELL as f32).round() as u32;
    let colour = |x: u32, y: u32| if x < line || y < line { palette::GRID } else { palette::FLOOR };
    let pixels = (0..CELL * CELL).map(|at| colour(at % CELL, at / CELL));
    let bytes: Vec<u8> = pixels.flat_map(|[red, green, blue]| [red, green, blue, 255]).collect();
    let (format, edge) = (wgpu::TextureFormat::Rgba8UnormSrgb, wgpu::AddressMode::Repeat);
    Texture::new(CELL, CELL, &bytes, format, edge, wgpu::FilterMode::Linear, true, 2)
}

fn add_axes(all: &mut SceneNode3d) {
    // Cylinders lie along y.
    let turns = [
        Quat::from_rotation_z(-std::f32::consts::FRAC_PI_2),
        Quat::IDENTITY,
        Quat::from_rotation_x(std::f32::consts::FRAC_PI_2),
    ];
    for ((turn, axis), colour) in turns.into_iter().zip([Vec3::X, Vec3::Y, Vec3::Z]).zip(palette::AXES) {
        let mut arrow = all.add_cylinder(AXIS.1, AXIS.0);
        let place = axis * (AXIS.0 / 2.0) + Vec3::Z * AXIS.1;
        arrow.set_pose(Pose3::from_parts(place, turn)).set_color(linear(colour, 1.0));
        arrow.set_casts_shadows(false);
    }
}
