//! A URDF as a tree that can be placed quickly.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use nalgebra::{Isometry3, Unit, Vector3};
use urdf_rs::{JointType, Robot};

use super::shapes::{Shape, direction, isometry, shapes_of, stand_ins};

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

/// How a joint moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Motion {
    Fixed,
    Turn,
    Slide,
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
    source: Option<(usize, f64, f64)>,
}

impl Joint {
    pub(super) fn position(&self, positions: &[f64]) -> f64 {
        self.source
            .map_or(0.0, |(place, factor, offset)| positions.get(place).copied().unwrap_or(0.0).mul_add(factor, offset))
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
        let text = std::fs::read_to_string(path).map_err(|source| ModelError::Io { path: path.to_owned(), source })?;
        Self::parse(&text, &path.display().to_string())
    }

    /// Reads the text of a URDF; `place` names it in errors.
    ///
    /// # Errors
    /// [`ModelError::Format`] or [`ModelError::Tree`].
    pub fn parse(text: &str, place: &str) -> Result<Self, ModelError> {
        let robot = urdf_rs::read_from_string(text)
            .map_err(|error| ModelError::Format { place: place.to_owned(), why: error.to_string() })?;
        Self::of(&robot).map_err(|why| ModelError::Tree { place: place.to_owned(), why })
    }

    fn of(robot: &Robot) -> Result<Self, String> {
        let links: Vec<String> = robot.links.iter().map(|link| link.name.clone()).collect();
        let places: BTreeMap<&str, usize> = links.iter().enumerate().map(|(at, name)| (name.as_str(), at)).collect();
        if places.len() < links.len() {
            return Err("two links have the same name".to_owned());
        }
        let joints = moving(robot);
        let mut warnings = Vec::new();
        let mut tree = Vec::with_capacity(robot.joints.len());
        for joint in &robot.joints {
            tree.push(read_joint(joint, &places, &joints, &mut warnings)?);
        }
        let tree = sorted(tree, &links)?;
        let mut model =
            Self { name: robot.name.clone(), links, joints, tree, shapes: Vec::new(), movers: Vec::new(), warnings };
        model.dress(robot);
        model.movers = model.shapes.iter().map(|shape| model.movers_of(shape.link)).collect();
        Ok(model)
    }

    /// Gives every link its shapes; capsules stand in for meshes, and for everything where there is nothing.
    fn dress(&mut self, robot: &Robot) {
        let mut undrawn = 0;
        for (index, link) in robot.links.iter().enumerate() {
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

    /// The joints between a link and the next one towards the root that has a shape.
    fn movers_of(&self, link: usize) -> Vec<usize> {
        let mut movers = Vec::new();
        let mut at = link;
        while let Some(joint) = self.tree.iter().find(|joint| joint.child == at) {
            movers.extend(joint.source.map(|(place, ..)| place));
            at = joint.parent;
            if self.shapes.iter().any(|shape| shape.link == at) {
                break;
            }
        }
        movers
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

/// Names of the joints that move by themselves, in the file's order.
fn moving(robot: &Robot) -> Vec<String> {
    let moves = |kind: &JointType| matches!(kind, JointType::Revolute | JointType::Continuous | JointType::Prismatic);
    let own = robot.joints.iter().filter(|joint| moves(&joint.joint_type) && joint.mimic.is_none());
    own.map(|joint| joint.name.clone()).collect()
}

fn read_joint(
    joint: &urdf_rs::Joint,
    links: &BTreeMap<&str, usize>,
    joints: &[String],
    warnings: &mut Vec<String>,
) -> Result<Joint, String> {
    let name = &joint.name;
    let find = |link: &str| {
        links.get(link).copied().ok_or_else(|| format!("joint {name} names link {link}, which is not there"))
    };
    let motion = match joint.joint_type {
        JointType::Revolute | JointType::Continuous => Motion::Turn,
        JointType::Prismatic => Motion::Slide,
        JointType::Fixed => Motion::Fixed,
        JointType::Floating | JointType::Planar | JointType::Spherical => {
            warnings.push(format!("joint {name} has several degrees of freedom; it is drawn at rest"));
            Motion::Fixed
        }
    };
    let place = |wanted: &str| joints.iter().position(|joint| joint == wanted);
    let source = match &joint.mimic {
        _ if motion == Motion::Fixed => None,
        None => place(name).map(|place| (place, 1.0, 0.0)),
        Some(mimic) => {
            let place = place(&mimic.joint)
                .ok_or_else(|| format!("joint {name} mimics {}, which does not move", mimic.joint))?;
            Some((place, mimic.multiplier.unwrap_or(1.0), mimic.offset.unwrap_or(0.0)))
        }
    };
    let axis = match (motion, direction(joint.axis.xyz.0)) {
        (_, Some(axis)) => axis,
        (Motion::Fixed, None) => Vector3::x_axis(),
        (_, None) => return Err(format!("joint {name} has axis 0 0 0")),
    };
    let (parent, child) = (find(&joint.parent.link)?, find(&joint.child.link)?);
    Ok(Joint { parent, child, parent_from_joint: isometry(&joint.origin), axis, motion, source })
}

/// Brings joints into an order in which each comes after the one that it hangs on.
fn sorted(mut joints: Vec<Joint>, links: &[String]) -> Result<Vec<Joint>, String> {
    let mut is_placed: Vec<bool> = vec![true; links.len()];
    for joint in &joints {
        if !std::mem::replace(&mut is_placed[joint.child], false) {
            return Err(format!("link {} hangs on two joints", links[joint.child]));
        }
    }
    let roots = is_placed.iter().filter(|is_root| **is_root).count();
    if roots != 1 {
        return Err(format!("got {roots} links that hang on nothing; expected one root"));
    }
    let mut tree = Vec::with_capacity(joints.len());
    while !joints.is_empty() {
        let (ready, waiting): (Vec<Joint>, Vec<Joint>) = joints.into_iter().partition(|joint| is_placed[joint.parent]);
        if ready.is_empty() {
            return Err(format!("link {} hangs on itself", links[waiting[0].child]));
        }
        ready.iter().for_each(|joint| is_placed[joint.child] = true);
        tree.extend(ready);
        joints = waiting;
    }
    Ok(tree)
}
