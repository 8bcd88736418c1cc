//! The shape of a robot as capsules: from the URDF's own shapes, or from how its links hang together.

use nalgebra::{Isometry3, Point3, Rotation3, Translation3, UnitQuaternion};
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use crate::urdf::Robot;

/// A capsule in the frame of a link.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    /// Place of the link in [`Robot::links`].
    pub link: usize,
    /// Ends of its segment, metres.
    pub ends: [[f64; 3]; 2],
    /// Metres.
    pub radius: f64,
}

/// Least and greatest size of a shape, metres: what is smaller is a sensor's marker, what is larger a room.
const SIZES: std::ops::RangeInclusive<f64> = 1e-3..=20.0;
/// Most shapes that are read: each point of a cloud is held against those near it.
const MOST: usize = 500;
/// Radius of a link without a shape against its length, and its least and greatest, metres: about that of the links of
/// robot arms. A guess.
const SLENDER: f64 = 0.2;
const RADII: [f64; 2] = [0.02, 0.07];
/// Distance between joints below which there is no link to be seen, metres.
const SHORT: f64 = 0.03;

/// The capsules of a robot, whose URDF is `text`.
///
/// Of each link what collides counts: cylinders and boxes along their longest side, of the same cross-section, and spheres;
/// where there is none of these, what is drawn. A mesh is a file of its own, and is not read: a link that has nothing else
/// is a capsule from its frame to each joint that hangs on it.
#[must_use]
pub fn shapes(robot: &Robot, text: &str) -> Vec<Shape> {
    let (mut shapes, found) = (Vec::new(), read(robot, text));
    for link in 0..robot.links.len() {
        let of = |is_drawn: bool| found.iter().filter(move |(drawn, shape)| *drawn == is_drawn && shape.link == link);
        let is_drawn = of(false).next().is_none();
        let before = shapes.len();
        shapes.extend(of(is_drawn).map(|(_, shape)| *shape));
        if shapes.len() == before {
            shapes.extend(bones(robot, link));
        }
    }
    shapes.truncate(MOST);
    shapes
}

/// A link as its joints show it: from its frame to each joint that hangs on it.
fn bones(robot: &Robot, link: usize) -> impl Iterator<Item = Shape> {
    robot.joints.iter().filter(move |joint| joint.parent == link).filter_map(move |joint| {
        let tip = joint.origin.translation.vector;
        let radius = (SLENDER * tip.norm()).clamp(RADII[0], RADII[1]);
        (tip.norm() >= SHORT).then(|| Shape { link, ends: [[0.0; 3], tip.into()], radius })
    })
}

/// Where the reader is within a link.
#[derive(Default)]
struct Place {
    link: Option<usize>,
    /// Whether it is in what is drawn, or in what collides.
    is_drawn: Option<bool>,
    origin: Isometry3<f64>,
    shape: Option<Solid>,
}

/// A shape in its own frame.
#[derive(Clone, Copy)]
enum Solid {
    Box([f64; 3]),
    /// Radius and length along z; a capsule's ends come on top.
    Cylinder(f64, f64),
    Capsule(f64, f64),
    Sphere(f64),
}

/// Reads shapes, and whether each is drawn or collides. What cannot be read is passed over: the URDF was read before.
fn read(robot: &Robot, text: &str) -> Vec<(bool, Shape)> {
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    reader.config_mut().allow_dangling_amp = true;
    let (mut found, mut place, mut depth) = (Vec::new(), Place::default(), 0_usize);
    loop {
        match reader.read_event() {
            Ok(Event::Start(start)) => {
                enter(robot, &reader, &start, depth, &mut place);
                depth += 1;
            }
            Ok(Event::Empty(start)) => enter(robot, &reader, &start, depth, &mut place),
            Ok(Event::End(_)) => {
                depth = depth.saturating_sub(1);
                leave(depth, &mut place, &mut found);
            }
            Ok(Event::Eof) | Err(_) => return found,
            Ok(_) => {}
        }
    }
}

fn enter(robot: &Robot, reader: &Reader<&[u8]>, start: &BytesStart<'_>, depth: usize, place: &mut Place) {
    let name = String::from_utf8_lossy(start.name().into_inner()).into_owned();
    let attribute = |key: &str| {
        let found =
            start.attributes().with_checks(false).flatten().find(|found| found.key.into_inner() == key.as_bytes());
        let value = found?.decoded_and_normalized_value(XmlVersion::Implicit1_0, reader.decoder()).ok()?;
        Some(value.into_owned())
    };
    let size = |key: &str| numbers(&attribute(key)?).first().copied().filter(|size| SIZES.contains(size));
    match (depth, name.as_str()) {
        (1, "link") => {
            let link = attribute("name").and_then(|name| robot.links.iter().position(|known| *known == name));
            *place = Place { link, ..Place::default() };
        }
        (2, "collision" | "visual") if place.link.is_some() => {
            *place = Place { link: place.link, is_drawn: Some(name == "visual"), ..Place::default() };
        }
        (3, "origin") if place.is_drawn.is_some() => {
            let three = |key: &str| attribute(key).map(|text| numbers(&text));
            if let Some([x, y, z]) = three("xyz").as_deref() {
                place.origin.translation = Translation3::new(*x, *y, *z);
            }
            if let Some([roll, pitch, yaw]) = three("rpy").as_deref() {
                let turn = Rotation3::from_euler_angles(*roll, *pitch, *yaw);
                place.origin.rotation = UnitQuaternion::from_rotation_matrix(&turn);
            }
        }
        (4, "box") if place.is_drawn.is_some() => {
            let sides = attribute("size").map(|text| numbers(&text));
            let sides = sides.and_then(|sides| <[f64; 3]>::try_from(sides).ok());
            place.shape = sides.filter(|sides| sides.iter().all(|side| SIZES.contains(side))).map(Solid::Box);
        }
        (4, "cylinder") if place.is_drawn.is_some() => {
            place.shape = size("radius").zip(size("length")).map(|(radius, length)| Solid::Cylinder(radius, length));
        }
        (4, "capsule") if place.is_drawn.is_some() => {
            place.shape = size("radius").zip(size("length")).map(|(radius, length)| Solid::Capsule(radius, length));
        }
        (4, "sphere") if place.is_drawn.is_some() => place.shape = size("radius").map(Solid::Sphere),
        _ => {}
    }
}

fn leave(depth: usize, place: &mut Place, found: &mut Vec<(bool, Shape)>) {
    if depth == 1 {
        *place = Place::default();
    }
    if depth != 2 {
        return;
    }
    if let (Some(link), Some(is_drawn), Some(solid)) = (place.link, place.is_drawn, place.shape.take()) {
        let (half, radius) = solid.capsule();
        let is_finite = place.origin.translation.vector.iter().all(|entry| entry.abs() <= *SIZES.end());
        let end = |sign: f64| (place.origin * Point3::from(half * sign)).coords.into();
        if is_finite {
            found.push((is_drawn, Shape { link, ends: [end(-1.0), end(1.0)], radius }));
        }
    }
    place.is_drawn = None;
}

impl Solid {
    /// Half the segment of a capsule like it, metres, and its radius.
    fn capsule(self) -> (nalgebra::Vector3<f64>, f64) {
        let along = |axis: usize, length: f64, radius: f64| {
            let mut half = nalgebra::Vector3::zeros();
            half[axis] = (length / 2.0 - radius).max(0.0);
            (half, radius)
        };
        match self {
            Self::Sphere(radius) => along(2, 0.0, radius),
            Self::Capsule(radius, length) => along(2, length + 2.0 * radius, radius),
            // One flatter than it is wide is a sphere of the same volume.
            Self::Cylinder(radius, length) if length < 2.0 * radius => {
                along(2, 0.0, (0.75 * radius * radius * length).cbrt())
            }
            Self::Cylinder(radius, length) => along(2, length, radius),
            Self::Box(sides) => {
                let longest = (1..3).fold(0, |best, axis| if sides[axis] > sides[best] { axis } else { best });
                let across = sides[(longest + 1) % 3] * sides[(longest + 2) % 3];
                along(longest, sides[longest], (across / std::f64::consts::PI).sqrt().min(sides[longest] / 2.0))
            }
        }
    }
}

/// The finite numbers of a list.
fn numbers(text: &str) -> Vec<f64> {
    text.split_whitespace().filter_map(|number| number.parse().ok()).filter(|number: &f64| number.is_finite()).collect()
}
