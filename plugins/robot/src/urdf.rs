//! A URDF as a tree of links and the joints between them; shapes and masses are passed over.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;

use nalgebra::{Isometry3, Rotation3, Translation3, Unit, UnitQuaternion, Vector3};
use urdf_rs::JointType;

use crate::reduced::{escaped, reduced};

/// Most joints: the largest robots that we saw have 150.
const MOST_JOINTS: usize = 2_000;
/// Greatest limit of a joint, rad or m: as far as the node takes positions (10,000 turns, 1000 m are the same order).
const GREATEST_LIMIT: f64 = 62_832.0;

/// Why a URDF cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UrdfError {
    /// The text is a template.
    #[error("this is xacro, not URDF; expand it first: xacro FILE.xacro > robot.urdf")]
    Xacro,
    /// The text is no URDF.
    #[error("no URDF: {0}")]
    Format(String),
    /// Nothing moves.
    #[error("robot '{0}' has no joint that moves; expected revolute, continuous or prismatic joints")]
    NoJoints(String),
    /// More joints than any robot has.
    #[error("{0} joints; expected at most {MOST_JOINTS}")]
    TooMany(usize),
    /// A name that occurs twice.
    #[error("{what} '{name}' occurs twice; names must be unique")]
    Twice {
        /// joint or link.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A joint names a link that is not there.
    #[error("joint '{joint}' hangs on link '{link}', which the URDF does not have")]
    NoLink {
        /// The joint.
        joint: String,
        /// The link that it names.
        link: String,
    },
    /// A link has two parents, or is its own ancestor.
    #[error("link '{0}' closes a loop; expected a tree, in which every link but one has one parent joint")]
    Loop(String),
    /// More than one link has no parent.
    #[error("links {0} have no parent joint; expected one root")]
    Roots(String),
    /// A joint cannot move within its limits.
    #[error("joint '{joint}' ({kind}) has limits {lower} to {upper}; expected lower < upper, or type continuous")]
    Limits {
        /// The joint.
        joint: String,
        /// revolute or prismatic.
        kind: &'static str,
        /// Its lower limit.
        lower: f64,
        /// Its upper limit.
        upper: f64,
    },
    /// A joint turns about, or slides along, nothing.
    #[error("joint '{0}' has the axis 0 0 0; expected a direction")]
    Axis(String),
    /// A number that is none.
    #[error("joint '{0}' has an origin that is not finite")]
    Origin(String),
    /// A joint follows one that is not there, or itself.
    #[error("joint '{joint}' mimics '{source_joint}', {why}")]
    Mimic {
        /// The joint.
        joint: String,
        /// The one that it names.
        source_joint: String,
        /// What is wrong with that.
        why: &'static str,
    },
}

/// How a joint moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Motion {
    /// Not at all.
    Fixed,
    /// Turns between limits.
    Turn,
    /// Turns without end.
    Spin,
    /// Slides between limits.
    Slide,
}

impl Motion {
    /// The type's name in a URDF.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::Turn => "revolute",
            Self::Spin => "continuous",
            Self::Slide => "prismatic",
        }
    }
}

/// That a joint follows another: `multiplier * position + offset`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mimic {
    /// Place of the other among the joints.
    pub source: usize,
    /// Factor.
    pub multiplier: f64,
    /// Radians or metres.
    pub offset: f64,
}

/// A joint.
#[derive(Clone, Debug, PartialEq)]
pub struct Joint {
    /// Its name.
    pub name: String,
    /// How it moves.
    pub motion: Motion,
    /// Place of the link that it hangs on.
    pub parent: usize,
    /// Place of the link that it moves.
    pub child: usize,
    /// The child's frame in the parent's at position zero, metres.
    pub origin: Isometry3<f64>,
    /// What it turns about or slides along, in the child's frame.
    pub axis: Unit<Vector3<f64>>,
    /// Least position, rad or m; minus pi of a joint that turns without end.
    pub lower: f64,
    /// Greatest position.
    pub upper: f64,
    /// What it follows.
    pub mimic: Option<Mimic>,
}

/// A robot: links in a tree, and the joints between them in the order of the URDF.
#[derive(Clone, Debug, PartialEq)]
pub struct Robot {
    /// Its name.
    pub name: String,
    /// Names of the links.
    pub links: Vec<String>,
    /// All joints, fixed ones too.
    pub joints: Vec<Joint>,
    /// Places of the joints, parents before children.
    pub order: Vec<usize>,
    /// Place of the link without a parent.
    pub root: usize,
    /// What was understood otherwise than written.
    pub notes: Vec<String>,
}

impl Robot {
    /// Reads the text of a URDF.
    ///
    /// # Errors
    /// [`UrdfError`], one sentence.
    pub fn parse(text: &str) -> Result<Self, UrdfError> {
        // What xacro has expanded may still have remains of it, so it is told only where nothing else can be made of it.
        Self::expanded(text).map_err(|error| {
            let is_template = text.contains("<xacro:") || text.contains("${");
            if is_template && !matches!(error, UrdfError::TooMany(_)) { UrdfError::Xacro } else { error }
        })
    }

    fn expanded(text: &str) -> Result<Self, UrdfError> {
        let raw = reduced(text).map_err(|why| UrdfError::Format(one_line(&why)))?;
        let raw = urdf_rs::read_from_string(&raw).map_err(|error| UrdfError::Format(one_line(&error.to_string())))?;
        if raw.joints.is_empty() || raw.links.is_empty() {
            return Err(UrdfError::NoJoints(raw.name));
        }
        if raw.joints.len() > MOST_JOINTS {
            return Err(UrdfError::TooMany(raw.joints.len()));
        }
        let links: Vec<String> = raw.links.iter().map(|link| link.name.clone()).collect();
        unique("link", &links)?;
        unique("joint", &raw.joints.iter().map(|joint| joint.name.clone()).collect::<Vec<_>>())?;
        let mut notes = Vec::new();
        let joints =
            raw.joints.iter().map(|joint| read(joint, &links, &mut notes)).collect::<Result<Vec<_>, UrdfError>>()?;
        let (root, order) = tree(&links, &joints)?;
        let mut robot = Self { name: raw.name, links, joints, order, root, notes };
        robot.follow(&raw.joints)?;
        if robot.moving().is_empty() {
            return Err(UrdfError::NoJoints(robot.name));
        }
        Ok(robot)
    }

    /// Places of the joints that move, mimic ones too, in the order of the URDF.
    #[must_use]
    pub fn moving(&self) -> Vec<usize> {
        (0..self.joints.len()).filter(|&joint| self.joints[joint].motion != Motion::Fixed).collect()
    }

    /// Resolves what joints mimic, and gives mimic joints without limits those of what they follow.
    fn follow(&mut self, raw: &[urdf_rs::Joint]) -> Result<(), UrdfError> {
        let place: HashMap<&str, usize> =
            raw.iter().enumerate().map(|(place, joint)| (joint.name.as_str(), place)).collect();
        for (joint, raw) in raw.iter().enumerate() {
            let Some(mimic) = &raw.mimic else { continue };
            let refuse = |why| UrdfError::Mimic { joint: raw.name.clone(), source_joint: mimic.joint.clone(), why };
            let Some(&source) = place.get(mimic.joint.as_str()) else {
                let (name, source) = (&raw.name, &mimic.joint);
                let note =
                    format!("joint '{name}' mimics '{source}', which the URDF does not have; taken as one of its own");
                self.notes.push(note);
                continue;
            };
            let (multiplier, offset) = (mimic.multiplier.unwrap_or(1.0), mimic.offset.unwrap_or(0.0));
            if multiplier == 0.0 || !multiplier.is_finite() || !offset.is_finite() {
                return Err(refuse("by a factor that is zero, or by what is not finite"));
            }
            if self.joints[joint].motion == Motion::Fixed {
                continue;
            }
            if self.joints[source].motion == Motion::Fixed {
                return Err(refuse("which does not move"));
            }
            self.joints[joint].mimic = Some(Mimic { source, multiplier, offset });
        }
        for joint in 0..self.joints.len() {
            let Some(mimic) = self.joints[joint].mimic else { continue };
            let resolved = self.resolved(joint).ok_or_else(|| UrdfError::Mimic {
                joint: self.joints[joint].name.clone(),
                source_joint: self.joints[mimic.source].name.clone(),
                why: "which follows it in turn",
            })?;
            self.joints[joint].mimic = Some(resolved);
        }
        self.joints.iter().filter(|joint| joint.mimic.is_none()).try_for_each(expect_limits)
    }

    /// What a mimic joint follows in the end: a joint that follows none; none where they follow each other in a ring.
    fn resolved(&self, joint: usize) -> Option<Mimic> {
        let mut whole = self.joints[joint].mimic?;
        for _ in 0..self.joints.len() {
            let Some(next) = self.joints[whole.source].mimic else { return Some(whole) };
            whole = Mimic {
                source: next.source,
                multiplier: whole.multiplier * next.multiplier,
                offset: whole.multiplier.mul_add(next.offset, whole.offset),
            };
        }
        None
    }

    /// Writes links and joints as a URDF: no shapes, no masses.
    #[must_use]
    pub fn skeleton(&self) -> String {
        let mut text = format!("<?xml version=\"1.0\"?>\n<robot name=\"{}\">\n", escaped(&self.name));
        for link in &self.links {
            text += &format!("  <link name=\"{}\"/>\n", escaped(link));
        }
        for joint in &self.joints {
            self.write(joint, &mut text).unwrap_or_default();
        }
        text + "</robot>\n"
    }

    fn write(&self, joint: &Joint, text: &mut String) -> std::fmt::Result {
        let [x, y, z] = joint.origin.translation.vector.into();
        let (roll, pitch, yaw) = joint.origin.rotation.euler_angles();
        writeln!(text, "  <joint name=\"{}\" type=\"{}\">", escaped(&joint.name), joint.motion.name())?;
        writeln!(text, "    <origin xyz=\"{x} {y} {z}\" rpy=\"{roll} {pitch} {yaw}\"/>")?;
        let link = |place: usize| escaped(&self.links[place]);
        writeln!(text, "    <parent link=\"{}\"/>\n    <child link=\"{}\"/>", link(joint.parent), link(joint.child))?;
        if joint.motion != Motion::Fixed {
            writeln!(text, "    <axis xyz=\"{} {} {}\"/>", joint.axis.x, joint.axis.y, joint.axis.z)?;
        }
        if matches!(joint.motion, Motion::Turn | Motion::Slide) {
            let Joint { lower, upper, .. } = joint;
            writeln!(text, "    <limit lower=\"{lower}\" upper=\"{upper}\" effort=\"0\" velocity=\"0\"/>")?;
        }
        if let Some(Mimic { source, multiplier, offset }) = joint.mimic {
            let source = escaped(&self.joints[source].name);
            writeln!(text, "    <mimic joint=\"{source}\" multiplier=\"{multiplier}\" offset=\"{offset}\"/>")?;
        }
        writeln!(text, "  </joint>")
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn unique(what: &'static str, names: &[String]) -> Result<(), UrdfError> {
    let mut seen = HashSet::new();
    match names.iter().find(|name| !seen.insert(name.as_str())) {
        Some(name) => Err(UrdfError::Twice { what, name: name.clone() }),
        None => Ok(()),
    }
}

fn read(joint: &urdf_rs::Joint, links: &[String], notes: &mut Vec<String>) -> Result<Joint, UrdfError> {
    let name = joint.name.clone();
    let motion = match joint.joint_type {
        JointType::Revolute => Motion::Turn,
        JointType::Continuous => Motion::Spin,
        JointType::Prismatic => Motion::Slide,
        JointType::Fixed => Motion::Fixed,
        _ => {
            notes.push(format!("joint '{name}' moves in several directions at once; taken as fixed"));
            Motion::Fixed
        }
    };
    let find = |link: &str| {
        let missing = || UrdfError::NoLink { joint: name.clone(), link: link.to_owned() };
        links.iter().position(|known| known == link).ok_or_else(missing)
    };
    let (parent, child) = (find(&joint.parent.link)?, find(&joint.child.link)?);
    let ([x, y, z], [roll, pitch, yaw]) = (joint.origin.xyz.0, joint.origin.rpy.0);
    if ![x, y, z, roll, pitch, yaw].iter().all(|number| number.is_finite()) {
        return Err(UrdfError::Origin(name));
    }
    let turn = UnitQuaternion::from_rotation_matrix(&Rotation3::from_euler_angles(roll, pitch, yaw));
    let origin = Isometry3::from_parts(Translation3::new(x, y, z), turn);
    let axis = Unit::try_new(Vector3::from(joint.axis.xyz.0), 1e-9).filter(|axis| axis.iter().all(|x| x.is_finite()));
    let axis = match (axis, motion) {
        (Some(axis), _) => axis,
        (None, Motion::Fixed) => Vector3::x_axis(),
        (None, _) => return Err(UrdfError::Axis(name)),
    };
    let (lower, upper) = match motion {
        Motion::Spin => (-std::f64::consts::PI, std::f64::consts::PI),
        _ => (joint.limit.lower.max(-GREATEST_LIMIT), joint.limit.upper.min(GREATEST_LIMIT)),
    };
    Ok(Joint { name, motion, parent, child, origin, axis, lower, upper, mimic: None })
}

fn expect_limits(joint: &Joint) -> Result<(), UrdfError> {
    let Joint { lower, upper, .. } = *joint;
    if joint.motion == Motion::Fixed || lower < upper {
        return Ok(());
    }
    Err(UrdfError::Limits { joint: joint.name.clone(), kind: joint.motion.name(), lower, upper })
}

/// The root, and the joints with parents before children.
fn tree(links: &[String], joints: &[Joint]) -> Result<(usize, Vec<usize>), UrdfError> {
    let mut above: Vec<Option<usize>> = vec![None; links.len()];
    for (place, joint) in joints.iter().enumerate() {
        if above[joint.child].replace(place).is_some() {
            return Err(UrdfError::Loop(links[joint.child].clone()));
        }
    }
    let roots: Vec<usize> = (0..links.len()).filter(|&link| above[link].is_none()).collect();
    let root = match roots[..] {
        [root] => root,
        [] => return Err(UrdfError::Loop(links.first().cloned().unwrap_or_default())),
        _ => {
            let names: Vec<String> = roots.iter().take(5).map(|&link| format!("'{}'", links[link])).collect();
            return Err(UrdfError::Roots(names.join(", ")));
        }
    };
    let (mut order, mut reached) = (Vec::new(), vec![root]);
    while let Some(link) = reached.pop() {
        let below: Vec<usize> = (0..joints.len()).filter(|&joint| joints[joint].parent == link).collect();
        reached.extend(below.iter().rev().map(|&joint| joints[joint].child));
        order.extend(below);
    }
    // Breadth within a link, depth between them: a parent's joint always comes before its child's.
    if order.len() < joints.len() {
        let reached: HashSet<usize> = order.iter().copied().collect();
        let left = (0..joints.len()).find(|joint| !reached.contains(joint)).unwrap_or(0);
        return Err(UrdfError::Loop(links[joints[left].child].clone()));
    }
    Ok((root, order))
}
