//! The common body as a URDF text: every joint is three revolute joints in series.

use std::fmt::{self, Write};

use nalgebra::{Matrix3, Rotation3, Vector3};

use crate::skeleton::{AXIS_ORDERS, JOINTS, LIMITS, NAMES, OFFSETS, PARENTS, TIPS};

/// Radius of the bone from the parent to each joint, metres: our guess, by eye; the body then
/// has about 63 kg.
pub(crate) const BONE_RADII: [f64; JOINTS] = [
    0.080, 0.080, 0.120, 0.078, 0.078, 0.115, 0.052, 0.052, 0.120, 0.035, 0.035, 0.070, 0.055, 0.055, 0.055, 0.055,
    0.055, 0.046, 0.046, 0.038, 0.038,
];

/// Radius of the bone to each of [`TIPS`], metres: our guess, by eye.
pub(crate) const TIP_RADII: [f64; TIPS.len()] = [0.080, 0.025, 0.025, 0.025, 0.025];

/// Density of the bones' flesh, kilograms per cubic metre: water, near the mean of a body.
const DENSITY: f64 = 1000.0;

/// Mass, kilograms, and inertia, kg m^2, of a link between two axes of one joint: small, and
/// large enough that simulators accept it (guess).
const AXIS_LINK_MASS: f64 = 0.001;
const AXIS_LINK_INERTIA: f64 = 1e-6;

/// Torque, newton metres, and speed, radians a second, that every joint is allowed: generous
/// round figures (guess); the format wants them.
const EFFORT: f64 = 200.0;
const VELOCITY: f64 = 20.0;

/// Writes the body as URDF.
///
/// `base_link` has the axes of REP-103 (x forward, y left, z up); a fixed joint leads to
/// `pelvis`, whose axes are the body's (x left, y up, z forward). Link `left_hip` is what hangs
/// on all three axes of joint `left_hip`; the links between are `left_hip_1` and `left_hip_2`.
#[must_use]
pub fn human_21() -> String {
    let mut text = String::new();
    write_robot(&mut text).expect("a string takes all text");
    text
}

fn write_robot(out: &mut String) -> fmt::Result {
    out.write_str(HEADER)?;
    write_link(out, "pelvis", None)?;
    for (joint, name) in NAMES.iter().enumerate() {
        write_joint_chain(out, joint)?;
        write_link(out, name, Some(joint))?;
    }
    out.write_str("</robot>\n")
}

/// Roll and yaw of a quarter turn take the body's axes to those of REP-103.
const HEADER: &str = r#"<?xml version="1.0"?>
<!-- Made from skeleton.rs by the example write_urdf of thalweg-body-pose: edit there. -->
<robot name="human_21">
  <material name="left">
    <color rgba="0.85 0.35 0.30 1.0"/>
  </material>
  <material name="right">
    <color rgba="0.30 0.45 0.85 1.0"/>
  </material>
  <material name="middle">
    <color rgba="0.75 0.75 0.75 1.0"/>
  </material>
  <link name="base_link"/>
  <joint name="base_link_to_pelvis" type="fixed">
    <parent link="base_link"/>
    <child link="pelvis"/>
    <origin xyz="0 0 0" rpy="1.570796 0 1.570796"/>
  </joint>
"#;

/// Three revolute joints, with two nearly massless links between them.
fn write_joint_chain(out: &mut String, joint: usize) -> fmt::Result {
    let name = NAMES[joint];
    let parent = PARENTS[joint].map_or("pelvis", |parent| NAMES[parent]).to_owned();
    let links = [parent, format!("{name}_1"), format!("{name}_2"), name.to_owned()];
    for (step, axis) in AXIS_ORDERS[joint].axes().into_iter().enumerate() {
        if step > 0 {
            write_axis_link(out, &links[step])?;
        }
        let offset = if step == 0 { Vector3::from(OFFSETS[joint]) } else { Vector3::zeros() };
        let letter = ["x", "y", "z"][axis];
        let direction = ["1 0 0", "0 1 0", "0 0 1"][axis];
        let (lower, upper) = LIMITS[joint][axis];
        writeln!(out, "  <joint name=\"{name}_{letter}\" type=\"revolute\">")?;
        writeln!(out, "    <parent link=\"{}\"/>", links[step])?;
        writeln!(out, "    <child link=\"{}\"/>", links[step + 1])?;
        writeln!(out, "    <origin xyz=\"{}\" rpy=\"0 0 0\"/>", numbers(&offset))?;
        writeln!(out, "    <axis xyz=\"{direction}\"/>")?;
        let (lower, upper) = (number(lower), number(upper));
        writeln!(
            out,
            "    <limit lower=\"{lower}\" upper=\"{upper}\" effort=\"{EFFORT:.1}\" velocity=\"{VELOCITY:.1}\"/>"
        )?;
        writeln!(out, "  </joint>")?;
    }
    Ok(())
}

fn write_axis_link(out: &mut String, name: &str) -> fmt::Result {
    writeln!(out, "  <link name=\"{name}\">")?;
    let inertia = Matrix3::identity() * AXIS_LINK_INERTIA;
    write_inertial(out, &Inertial { mass: AXIS_LINK_MASS, centre: Vector3::zeros(), inertia })?;
    writeln!(out, "  </link>")
}

/// A link with its bones; `None` is the pelvis.
fn write_link(out: &mut String, name: &str, joint: Option<usize>) -> fmt::Result {
    let bones = bones_of(joint);
    writeln!(out, "  <link name=\"{name}\">")?;
    write_inertial(out, &inertial_of(&bones))?;
    for bone in &bones {
        write_capsule(out, bone)?;
    }
    writeln!(out, "  </link>")
}

/// A capsule from the link's origin to `end`, metres.
struct Bone {
    end: Vector3<f64>,
    radius: f64,
    material: &'static str,
}

impl Bone {
    fn new(end: [f64; 3], radius: f64, name: &str) -> Self {
        let material = match name.split('_').next() {
            Some("left") => "left",
            Some("right") => "right",
            _ => "middle",
        };
        Self { end: Vector3::from(end), radius, material }
    }

    /// Mass and inertia of the cylinder between the ends.
    fn inertial(&self) -> Inertial {
        let (length, radius) = (self.end.norm(), self.radius);
        let mass = DENSITY * std::f64::consts::PI * radius * radius * length;
        let across = mass * (3.0 * radius * radius + length * length) / 12.0;
        let along = mass * radius * radius / 2.0;
        let turn = Rotation3::from_euler_angles(0.0, self.pitch(), self.yaw()).into_inner();
        let inertia = turn * Matrix3::from_diagonal(&Vector3::new(across, across, along)) * turn.transpose();
        Inertial { mass, centre: self.end / 2.0, inertia }
    }

    /// Turn about y that, before the turn about z, takes the z axis along the bone, radians.
    fn pitch(&self) -> f64 {
        self.end.xy().norm().atan2(self.end.z)
    }

    fn yaw(&self) -> f64 {
        self.end.y.atan2(self.end.x)
    }
}

/// The bones that move with a joint: to its child joints and to its tips.
fn bones_of(joint: Option<usize>) -> Vec<Bone> {
    let children = (0..JOINTS).filter(|child| PARENTS[*child] == joint);
    let to_children = children.map(|child| Bone::new(OFFSETS[child], BONE_RADII[child], NAMES[child]));
    let tips = TIPS.iter().zip(TIP_RADII).filter(|(tip, _)| Some(tip.joint) == joint);
    to_children.chain(tips.map(|(tip, radius)| Bone::new(tip.offset, radius, tip.name))).collect()
}

/// Mass, kilograms; centre of mass, metres; inertia about it, kg m^2.
struct Inertial {
    mass: f64,
    centre: Vector3<f64>,
    inertia: Matrix3<f64>,
}

/// Adds bones up, with the parallel axis theorem.
fn inertial_of(bones: &[Bone]) -> Inertial {
    let parts: Vec<Inertial> = bones.iter().map(Bone::inertial).collect();
    let mass: f64 = parts.iter().map(|part| part.mass).sum();
    let centre = parts.iter().map(|part| part.centre * part.mass).sum::<Vector3<f64>>() / mass;
    let about_centre = |part: &Inertial| {
        let lever = part.centre - centre;
        part.inertia + (Matrix3::identity() * lever.norm_squared() - lever * lever.transpose()) * part.mass
    };
    Inertial { mass, centre, inertia: parts.iter().map(about_centre).sum() }
}

fn write_inertial(out: &mut String, inertial: &Inertial) -> fmt::Result {
    let inertia = &inertial.inertia;
    let entry = |row, column| rounded(inertia[(row, column)], 9);
    writeln!(out, "    <inertial>")?;
    writeln!(out, "      <origin xyz=\"{}\" rpy=\"0 0 0\"/>", numbers(&inertial.centre))?;
    writeln!(out, "      <mass value=\"{}\"/>", number(inertial.mass))?;
    write!(out, "      <inertia ixx=\"{}\" ixy=\"{}\" ixz=\"{}\"", entry(0, 0), entry(0, 1), entry(0, 2))?;
    writeln!(out, " iyy=\"{}\" iyz=\"{}\" izz=\"{}\"/>", entry(1, 1), entry(1, 2), entry(2, 2))?;
    writeln!(out, "    </inertial>")
}

/// URDF has no capsule: a cylinder and a sphere at each end.
fn write_capsule(out: &mut String, bone: &Bone) -> fmt::Result {
    let radius = number(bone.radius);
    let rpy = numbers(&Vector3::new(0.0, bone.pitch(), bone.yaw()));
    let length = number(bone.end.norm());
    let cylinder = format!("<cylinder radius=\"{radius}\" length=\"{length}\"/>");
    let sphere = format!("<sphere radius=\"{radius}\"/>");
    write_visual(out, &numbers(&(bone.end / 2.0)), &rpy, &cylinder, bone.material)?;
    write_visual(out, &numbers(&Vector3::zeros()), "0 0 0", &sphere, bone.material)?;
    write_visual(out, &numbers(&bone.end), "0 0 0", &sphere, bone.material)
}

fn write_visual(out: &mut String, xyz: &str, rpy: &str, geometry: &str, material: &str) -> fmt::Result {
    writeln!(out, "    <visual>")?;
    writeln!(out, "      <origin xyz=\"{xyz}\" rpy=\"{rpy}\"/>")?;
    writeln!(out, "      <geometry>{geometry}</geometry>")?;
    writeln!(out, "      <material name=\"{material}\"/>")?;
    writeln!(out, "    </visual>")
}

/// Six decimals: micrometres and microradians.
fn number(value: f64) -> String {
    rounded(value, 6)
}

/// So many decimals, and a plain zero instead of a negative one.
fn rounded(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    if text.bytes().any(|byte| matches!(byte, b'1'..=b'9')) { text } else { "0".to_owned() }
}

fn numbers(vector: &Vector3<f64>) -> String {
    [vector.x, vector.y, vector.z].map(number).join(" ")
}
