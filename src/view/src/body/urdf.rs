//! Reads of a URDF what is shown: links, their visuals, and joints.
//!
//! Element by element, without recursion and without a tree of the document: everything else, well written or not, is
//! passed over. Entities are not expanded, and prefixes need no namespace (Gazebo's and the controllers' have none).

use std::path::Path;

use nalgebra::{Isometry3, Rotation3, Translation3, Vector3};
use quick_xml::Reader;
use quick_xml::events::Event;

use super::element::{Element, shown};
use super::shapes::Form;

/// Most elements inside one another. What is read is five deep; Gazebo's plugins reach ten in the files that we saw.
const MAX_DEPTH: usize = 64;

/// Most links, and most joints. The largest robots that we saw have 150; what is done for each is done for every other.
const MAX_LINKS: usize = 2_000;

/// Most visuals of all links: the largest that we saw have some hundred, and each is drawn for every hypothesis.
const MAX_VISUALS: usize = 4_096;

/// Most warnings that are kept, so that a broken file does not fill the log.
const MAX_WARNINGS: usize = 20;

/// How a joint moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Motion {
    Fixed,
    Turn,
    Slide,
}

/// What a visual shows.
#[derive(Clone, Copy, Debug)]
pub(super) enum Look {
    Solid(Form),
    Mesh,
}

/// Something of a link that is seen.
#[derive(Clone, Debug)]
pub(super) struct Visual {
    line: usize,
    pub(super) link_from_visual: Isometry3<f64>,
    look: Option<Look>,
    /// Why it is not drawn.
    fault: Option<String>,
}

impl Visual {
    /// What it shows; nothing where it is half-written.
    pub(super) fn look(&self) -> Option<Look> {
        self.look.filter(|_| self.fault.is_none())
    }
}

/// A link.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) name: String,
    pub(super) visuals: Vec<Visual>,
}

/// That a joint follows another.
#[derive(Clone, Debug)]
pub(super) struct Mimic {
    pub(super) joint: String,
    pub(super) multiplier: f64,
    pub(super) offset: f64,
}

/// A joint.
#[derive(Clone, Debug)]
pub(super) struct Joint {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) motion: Motion,
    pub(super) parent: String,
    pub(super) child: String,
    pub(super) parent_from_joint: Isometry3<f64>,
    pub(super) axis: [f64; 3],
    pub(super) mimic: Option<Mimic>,
}

/// A robot, as far as it is shown.
#[derive(Clone, Debug, Default)]
pub(super) struct Robot {
    pub(super) name: String,
    pub(super) links: Vec<Link>,
    pub(super) joints: Vec<Joint>,
    pub(super) warnings: Vec<String>,
}

/// What an element is, by its name and by those around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Robot,
    Link,
    Joint,
    Visual,
    Geometry,
    Other,
}

/// Reads the text of a URDF; says in a sentence why it is none, with the line. `file` is named in cures.
pub(super) fn read(text: &str, file: &str) -> Result<Robot, String> {
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    reader.config_mut().allow_dangling_amp = true; // in the text of elements that are passed over
    let mut reading = Reading { file, robot: Robot::default(), path: Vec::new(), visuals: 0 };
    let decoder = reader.decoder();
    let mut lines = Lines { text: text.as_bytes(), at: 0, line: 1 };
    loop {
        let begin = reader.buffer_position();
        match reader.read_event() {
            Err(error) => return Err(format!("line {}: {error}", lines.of(reader.error_position()))),
            Ok(Event::Start(start)) => {
                let line = lines.of(begin);
                let place = reading.open(&Element { start: &start, decoder, line })?;
                reading.enter(place, line)?;
            }
            Ok(Event::Empty(start)) => {
                let line = lines.of(begin);
                let place = reading.open(&Element { start: &start, decoder, line })?;
                reading.enter(place, line)?;
                reading.leave()?;
            }
            Ok(Event::End(_)) => reading.leave()?,
            Ok(Event::Eof) => return reading.finish(lines.of(begin)),
            Ok(_) => {}
        }
    }
}

/// Tells lines of places that only grow.
struct Lines<'a> {
    text: &'a [u8],
    at: usize,
    line: usize,
}

impl Lines<'_> {
    fn of(&mut self, position: u64) -> usize {
        let position = usize::try_from(position).unwrap_or(usize::MAX).min(self.text.len());
        if let Some(passed) = self.text.get(self.at..position) {
            self.line += passed.iter().filter(|byte| **byte == b'\n').count();
            self.at = position;
        }
        self.line
    }
}

/// What was read so far.
struct Reading<'a> {
    file: &'a str,
    robot: Robot,
    /// The elements that are open, and where each began.
    path: Vec<(Place, usize)>,
    visuals: usize,
}

impl Reading<'_> {
    fn open(&mut self, element: &Element<'_>) -> Result<Place, String> {
        let name = element.name();
        if name.starts_with("xacro:") {
            return Err(self.made_by_xacro(element));
        }
        Ok(match (self.path.last().map(|(place, _)| *place), &*name) {
            (None, "robot") => {
                self.robot.name = element.text("name")?.unwrap_or_default();
                Place::Robot
            }
            (None, _) => return Err(foreign(element)),
            (Some(Place::Robot), "link") => self.open_link(element)?,
            (Some(Place::Robot), "joint") => self.open_joint(element)?,
            (Some(Place::Joint), _) => {
                if let Some(joint) = self.robot.joints.last_mut() {
                    read_of_joint(joint, element)?;
                }
                Place::Other
            }
            (Some(Place::Link), "visual") => self.open_visual(element)?,
            (Some(Place::Visual), "geometry") => Place::Geometry,
            (Some(Place::Visual | Place::Geometry), _) => {
                if let Some(visual) = self.robot.links.last_mut().and_then(|link| link.visuals.last_mut()) {
                    visual.fault = read_of_visual(visual, element).err().or_else(|| visual.fault.take());
                }
                Place::Other
            }
            _ => Place::Other,
        })
    }

    /// Says what to do with a file of which a URDF is made.
    fn made_by_xacro(&self, element: &Element<'_>) -> String {
        let stem = Path::new(self.file).file_stem().unwrap_or_default().to_string_lossy();
        let made = format!("{}.made.urdf", stem.trim_end_matches(".urdf"));
        element.refuse(&format!("is xacro, of which a URDF is made: run `xacro {} > {made}` and give that", self.file))
    }

    fn open_link(&mut self, element: &Element<'_>) -> Result<Place, String> {
        if self.robot.links.len() >= MAX_LINKS {
            return Err(element.refuse(&format!("is one of more than {MAX_LINKS} links")));
        }
        self.robot.links.push(Link { name: element.need("name")?, visuals: Vec::new() });
        Ok(Place::Link)
    }

    fn open_visual(&mut self, element: &Element<'_>) -> Result<Place, String> {
        self.visuals += 1;
        if self.visuals > MAX_VISUALS {
            return Err(element.refuse(&format!("is one of more than {MAX_VISUALS} visuals")));
        }
        let visual = Visual { line: element.line, link_from_visual: Isometry3::identity(), look: None, fault: None };
        self.robot.links.last_mut().into_iter().for_each(|link| link.visuals.push(visual.clone()));
        Ok(Place::Visual)
    }

    fn open_joint(&mut self, element: &Element<'_>) -> Result<Place, String> {
        if self.robot.joints.len() >= MAX_LINKS {
            return Err(element.refuse(&format!("is one of more than {MAX_LINKS} joints")));
        }
        let (name, kind) = (element.need("name")?, element.need("type")?);
        let motion = match kind.as_str() {
            "revolute" | "continuous" => Motion::Turn,
            "prismatic" => Motion::Slide,
            "fixed" => Motion::Fixed,
            "floating" | "planar" | "spherical" => {
                self.warn(format!("joint {name} has several degrees of freedom; it is drawn at rest"));
                Motion::Fixed
            }
            _ => return Err(element.refuse(&format!("{name} has the type {}, which URDF does not know", shown(&kind)))),
        };
        self.robot.joints.push(Joint {
            name,
            line: element.line,
            motion,
            parent: String::new(),
            child: String::new(),
            parent_from_joint: Isometry3::identity(),
            axis: [1.0, 0.0, 0.0], // URDF's default
            mimic: None,
        });
        Ok(Place::Joint)
    }

    fn enter(&mut self, place: Place, line: usize) -> Result<(), String> {
        if self.path.len() >= MAX_DEPTH {
            return Err(format!("line {line}: elements are nested more than {MAX_DEPTH} deep"));
        }
        self.path.push((place, line));
        Ok(())
    }

    fn leave(&mut self) -> Result<(), String> {
        match (self.path.pop(), self.robot.joints.last()) {
            (Some((Place::Joint, line)), Some(joint)) if joint.parent.is_empty() || joint.child.is_empty() => {
                let missing = if joint.parent.is_empty() { "parent" } else { "child" };
                Err(format!("line {line}: joint {} has no <{missing} link=..>", joint.name))
            }
            (Some((Place::Visual, _)), _) => {
                let link = self.robot.links.last();
                let fault = link.and_then(|link| Some((link.visuals.last()?, &link.name))).and_then(fault_of);
                fault.into_iter().for_each(|fault| self.warn(fault));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn warn(&mut self, warning: String) {
        match self.robot.warnings.len() {
            ..MAX_WARNINGS => self.robot.warnings.push(warning),
            MAX_WARNINGS => self.robot.warnings.push("there are more warnings of this kind".to_owned()),
            _ => {}
        }
    }

    fn finish(self, line: usize) -> Result<Robot, String> {
        if let Some((place, began)) = self.path.last() {
            let what = format!("{place:?}").to_lowercase();
            return Err(format!("line {line}: it ends inside an element ({what}) that begins in line {began}"));
        }
        if self.robot.links.is_empty() {
            return Err("there is no <robot> with a <link>".to_owned());
        }
        Ok(self.robot)
    }
}

/// Why a visual is not drawn.
fn fault_of((visual, link): (&Visual, &String)) -> Option<String> {
    let why = match (&visual.fault, visual.look) {
        (Some(fault), _) => fault.clone(),
        (None, None) => format!("line {}: it has no geometry that URDF knows", visual.line),
        (None, Some(_)) => return None,
    };
    Some(format!("a visual of link {link} is not drawn: {why}"))
}

/// Says what a file is whose root is not `<robot>`.
fn foreign(element: &Element<'_>) -> String {
    let name = element.name();
    let what = match &*name {
        "sdf" | "gazebo" | "world" | "model" => "SDF, which Gazebo reads; give the URDF of the robot",
        "mujoco" | "mujocoinclude" => "MJCF, which MuJoCo reads; give the URDF of the robot",
        "COLLADA" => "a COLLADA mesh; give the URDF that names it",
        "html" | "HTML" => "a web page; give the file itself",
        "launch" => "a launch file; give the URDF that it loads",
        _ => "no URDF, whose root is <robot>",
    };
    element.refuse(&format!("is {what}"))
}

fn read_of_joint(joint: &mut Joint, element: &Element<'_>) -> Result<(), String> {
    match &*element.name() {
        "origin" => joint.parent_from_joint = isometry(element)?,
        "parent" => joint.parent = element.need("link")?,
        "child" => joint.child = element.need("link")?,
        "axis" => joint.axis = element.numbers("xyz")?.unwrap_or(joint.axis),
        "mimic" => {
            let [multiplier] = element.numbers("multiplier")?.unwrap_or([1.0]);
            let [offset] = element.numbers("offset")?.unwrap_or([0.0]);
            joint.mimic = Some(Mimic { joint: element.need("joint")?, multiplier, offset });
        }
        _ => {}
    }
    Ok(())
}

fn read_of_visual(visual: &mut Visual, element: &Element<'_>) -> Result<(), String> {
    let size = |key| element.size::<1>(key).map(|[value]| value);
    let form = match &*element.name() {
        "origin" => {
            visual.link_from_visual = isometry(element)?;
            return Ok(());
        }
        "mesh" => Look::Mesh,
        "box" => Look::Solid(Form::Cuboid { size: element.size("size")? }),
        "sphere" => Look::Solid(Form::Sphere { radius: size("radius")? }),
        "cylinder" => Look::Solid(Form::Cylinder { radius: size("radius")?, length: size("length")? }),
        "capsule" => Look::Solid(Form::Capsule { radius: size("radius")?, length: size("length")? }),
        _ => return Ok(()),
    };
    visual.look = Some(form);
    Ok(())
}

/// Reads an origin: metres; roll, pitch and yaw about fixed axes, radians.
fn isometry(element: &Element<'_>) -> Result<Isometry3<f64>, String> {
    let xyz = element.numbers("xyz")?.unwrap_or([0.0; 3]);
    let [roll, pitch, yaw] = element.numbers("rpy")?.unwrap_or([0.0; 3]);
    let turn = Rotation3::from_euler_angles(roll, pitch, yaw);
    Ok(Isometry3::from_parts(Translation3::from(Vector3::from(xyz)), turn.into()))
}
