//! A URDF as a tree that can be placed quickly.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use nalgebra::{Isometry3, Unit, Vector3};

use super::shapes::{Shape, shapes_of, stand_ins};
use super::urdf::{self, Motion, Robot};
use super::{file, tree};

/// Why a body cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// It is no URDF.
    #[error("{place}: no URDF: {why}")]
    Format {
        /// File, or what stands for it.
        place: String,
        /// What the reader says.
        why: String,
    },
    /// Links and joints are no tree.
    #[error("{place}: {why}")]
    Tree {
        /// File, or what stands for it.
        place: String,
        /// What is wrong.
        why: String,
    },
}

/// A joint, ready to be placed.
#[derive(Clone, Debug)]
pub(super) struct Joint {
    pub(super) parent: usize,
    pub(super) child: usize,
    pub(super) parent_from_joint: Isometry3<f64>,
    pub(super) axis: Unit<Vector3<f64>>,
    pub(super) motion: Motion,
    /// Which position moves it, by what factor, from where: a mimic joint follows another's.
    pub(super) source: Option<(usize, f64, f64)>,
}

impl Joint {
    pub(super) fn position(&self, positions: &[f64]) -> f64 {
        self.source
            .map_or(0.0, |(place, factor, offset)| positions.get(place).copied().unwrap_or(0.0).mul_add(factor, offset))
    }

    /// How far off its position may be where those that move by themselves are off by `deviations`.
    pub(super) fn deviation(&self, deviations: &[f64]) -> f64 {
        self.source.map_or(0.0, |(place, factor, _)| deviations.get(place).copied().unwrap_or(0.0) * factor.abs())
    }
}

/// A body: a tree of links, the joints between them, and what it looks like.
#[derive(Clone, Debug)]
pub struct Model {
    name: String,
    links: Vec<String>,
    joints: Vec<String>,
    /// Parents before children.
    tree: Vec<Joint>,
    shapes: Vec<Shape>,
    /// For each shape, the joints that turn it against the nearest shape towards the root.
    movers: Vec<Vec<usize>>,
    warnings: Vec<String>,
}

impl Model {
    /// Reads a URDF file.
    ///
    /// # Errors
    /// [`ModelError`], naming the file.
    pub fn load(path: &Path) -> Result<Self, ModelError> {
        let io = |source| ModelError::Io { path: path.to_owned(), source };
        let bytes = file::read(path).map_err(io)?;
        let place = path.display().to_string();
        match file::decode(&bytes) {
            Ok(text) => Self::parse(&text, &place),
            Err(why) => Err(ModelError::Format { place, why }),
        }
    }

    /// Reads the text of a URDF; `place` names it in errors.
    ///
    /// # Errors
    /// [`ModelError::Format`] or [`ModelError::Tree`].
    pub fn parse(text: &str, place: &str) -> Result<Self, ModelError> {
        let robot = urdf::read(text, place).map_err(|why| ModelError::Format { place: place.to_owned(), why })?;
        Self::of(robot).map_err(|why| ModelError::Tree { place: place.to_owned(), why })
    }

    fn of(robot: Robot) -> Result<Self, String> {
        let (tree, resting) = tree::tree_of(&robot)?;
        let mut model = Self {
            name: robot.name,
            links: robot.links.iter().map(|link| link.name.clone()).collect(),
            joints: tree::moving(&robot.joints),
            tree,
            shapes: Vec::new(),
            movers: Vec::new(),
            warnings: [robot.warnings, resting].concat(),
        };
        model.dress(&robot.links);
        model.movers = model.movers_of_shapes();
        Ok(model)
    }

    /// Gives every link its shapes; capsules stand in for meshes, and for everything where there is nothing.
    fn dress(&mut self, links: &[urdf::Link]) {
        let mut undrawn = 0;
        for (index, link) in links.iter().enumerate() {
            let (shapes, has_mesh) = shapes_of(index, link);
            if has_mesh {
                undrawn += 1;
                self.shapes.extend(stand_ins(index, self.children(index)));
            }
            self.shapes.extend(shapes);
        }
        if undrawn > 0 {
            self.warnings.push(format!("meshes of {undrawn} links are not drawn; capsules stand in for them"));
        }
        if self.shapes.is_empty() {
            self.shapes = (0..self.links.len()).flat_map(|link| stand_ins(link, self.children(link))).collect();
            self.warnings.push("no link has a shape; capsules stand in for them".to_owned());
        }
    }

    /// Where those links begin that hang on a link, in its axes.
    fn children(&self, link: usize) -> impl Iterator<Item = Vector3<f64>> + '_ {
        self.tree
            .iter()
            .filter(move |joint| joint.parent == link)
            .map(|joint| joint.parent_from_joint.translation.vector)
    }

    /// For each shape, the joints between its link and the next one towards the root that has a shape.
    fn movers_of_shapes(&self) -> Vec<Vec<usize>> {
        let above: BTreeMap<usize, &Joint> = self.tree.iter().map(|joint| (joint.child, joint)).collect();
        let has_shape: BTreeSet<usize> = self.shapes.iter().map(|shape| shape.link).collect();
        let movers_of = |shape: &Shape| {
            let (mut at, mut movers) = (shape.link, Vec::new());
            while let Some(joint) = above.get(&at) {
                movers.extend(joint.source.map(|(place, ..)| place));
                at = joint.parent;
                if has_shape.contains(&at) {
                    break;
                }
            }
            movers
        };
        self.shapes.iter().map(movers_of).collect()
    }

    /// The robot's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Names of the links.
    #[must_use]
    pub fn links(&self) -> &[String] {
        &self.links
    }

    /// Names of the joints that positions are for: those that move by themselves.
    #[must_use]
    pub fn joints(&self) -> &[String] {
        &self.joints
    }

    /// What there is to draw.
    #[must_use]
    pub fn shapes(&self) -> &[Shape] {
        &self.shapes
    }

    /// For each shape, the joints that turn it, as places in [`Model::joints`]; none for the root's.
    #[must_use]
    pub fn movers(&self) -> &[Vec<usize>] {
        &self.movers
    }

    /// What could not be read as it is meant, a sentence each.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    pub(super) fn tree(&self) -> &[Joint] {
        &self.tree
    }
}
