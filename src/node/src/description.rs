//! Whether a robot is the one that a model was made for: two URDFs, joint by joint.

use urdf_rs::{Joint, JointType, Robot};

/// Differences of limits and directions that are rounding: URDFs are written with few digits.
const ROUNDING: f64 = 1e-3;
/// Differences that are told; the others are counted.
const TOLD: usize = 3;

/// Why a robot cannot be compared, or is another one.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum DescriptionError {
    /// The text is no URDF.
    #[error("robot_description is no URDF, so it cannot be compared with the model's: {0}")]
    Unreadable(String),
    /// Joints differ.
    #[error("robot_description is of another robot than the model: {0}")]
    Differs(String),
}

/// Compares the joints that move, mimics included: names, types, axes, limits. Shapes and masses may differ, and so may links,
/// for a gripper's or a base's own frames change nothing about angles.
///
/// # Errors
/// [`DescriptionError::Differs`] names up to three differences; [`DescriptionError::Unreadable`] where one of the two is no URDF.
pub fn compare(model: &str, robot: &str) -> Result<(), DescriptionError> {
    let read = |text: &str| urdf_rs::read_from_string(text);
    let unreadable = |error: urdf_rs::UrdfError| DescriptionError::Unreadable(error.to_string());
    let (model, robot) = (read(model).map_err(unreadable)?, read(robot).map_err(unreadable)?);
    let missing = moving(&model).filter_map(|joint| difference(joint, &robot));
    let unknown = moving(&robot).filter(|joint| moving(&model).all(|own| own.name != joint.name));
    let unknown = unknown.map(|joint| format!("the model has no joint '{}'", printable(&joint.name)));
    let differences: Vec<String> = missing.chain(unknown).collect();
    let told = differences.iter().take(TOLD).map(String::as_str).collect::<Vec<_>>().join("; ");
    match differences.len() {
        0 => Ok(()),
        1..=TOLD => Err(DescriptionError::Differs(told)),
        more => Err(DescriptionError::Differs(format!("{told}; and {} more", more - TOLD))),
    }
}

fn moving(robot: &Robot) -> impl Iterator<Item = &Joint> {
    robot.joints.iter().filter(|joint| !matches!(joint.joint_type, JointType::Fixed))
}

/// What is different about a joint of the model in a robot, in words.
fn difference(own: &Joint, robot: &Robot) -> Option<String> {
    let name = printable(&own.name);
    let Some(theirs) = moving(robot).find(|joint| joint.name == own.name) else {
        return Some(format!("it has no joint '{name}'"));
    };
    if own.joint_type != theirs.joint_type {
        let kind = |joint: &Joint| format!("{:?}", joint.joint_type).to_lowercase();
        return Some(format!("joint '{name}' is {}, not {}", kind(theirs), kind(own)));
    }
    let (own_axis, axis) = (direction(own), direction(theirs));
    if apart(&own_axis, &axis) {
        return Some(format!("joint '{name}' has the axis {}, not {}", triple(axis), triple(own_axis)));
    }
    let limits = |joint: &Joint| [joint.limit.lower, joint.limit.upper];
    let has_limits = matches!(own.joint_type, JointType::Revolute | JointType::Prismatic);
    let ([from, to], [own_from, own_to]) = (limits(theirs), limits(own));
    if has_limits && apart(&[from, to], &[own_from, own_to]) {
        return Some(format!("joint '{name}' moves from {from} to {to}, not {own_from} to {own_to}"));
    }
    let source = |joint: &Joint| joint.mimic.as_ref().map(|mimic| mimic.joint.clone());
    let follows =
        |source: Option<String>| source.map_or("nothing".to_owned(), |name| format!("'{}'", printable(&name)));
    let (own_source, source) = (source(own), source(theirs));
    (own_source != source).then(|| format!("joint '{name}' mimics {}, not {}", follows(source), follows(own_source)))
}

/// An axis of unit length; what is zero or not finite stays as it is and differs from all that is not.
fn direction(joint: &Joint) -> [f64; 3] {
    let axis = joint.axis.xyz.0;
    let length = axis.iter().map(|part| part * part).sum::<f64>().sqrt();
    axis.map(|part| if length > 0.0 { part / length } else { part })
}

/// Whether numbers differ by more than rounding; those that are not finite always do.
fn apart<const N: usize>(one: &[f64; N], other: &[f64; N]) -> bool {
    let mut differences = one.iter().zip(other).map(|(one, other)| (one - other).abs());
    differences.any(|difference| difference.is_nan() || difference > ROUNDING)
}

fn triple(axis: [f64; 3]) -> String {
    axis.map(|part| format!("{part:.3}")).join(" ")
}

/// A name from outside, on one line and not endless.
fn printable(name: &str) -> String {
    name.escape_debug().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: &str = r#"<robot name="r"><link name="a"/><link name="b"/><link name="c"/><link name="d"/>
        <joint name="lift" type="prismatic"><parent link="a"/><child link="b"/><axis xyz="0 0 2"/>
            <limit lower="0" upper="0.5" effort="1" velocity="1"/></joint>
        <joint name="wheel" type="continuous"><parent link="b"/><child link="c"/><axis xyz="0 1 0"/></joint>
        <joint name="copy" type="continuous"><parent link="c"/><child link="d"/><axis xyz="0 1 0"/>
            <mimic joint="wheel" multiplier="-1"/></joint></robot>"#;

    fn with(from: &str, to: &str) -> String {
        assert!(MODEL.contains(from), "{from}");
        MODEL.replacen(from, to, 1)
    }

    fn told(robot: &str) -> String {
        compare(MODEL, robot).expect_err("another robot").to_string()
    }

    #[test]
    fn the_same_robot_in_other_words_is_taken() {
        assert_eq!(compare(MODEL, MODEL), Ok(()));
        let renamed = with(r#"name="r""#, r#"name="another""#);
        let rounded = renamed.replace("0 0 2", "0 0 1").replace("0.5", "0.5004");
        let more = rounded.replace(
            "</robot>",
            r#"<link name="e"/><joint name="tool" type="fixed"><parent link="d"/><child link="e"/></joint></robot>"#,
        );
        assert_eq!(compare(MODEL, &more), Ok(()));
    }

    #[test]
    fn what_differs_is_named() {
        for (robot, expected) in [
            (
                with(r#"name="wheel" type"#, r#"name="roll" type"#),
                "it has no joint 'wheel'; the model has no joint 'roll'",
            ),
            (with("continuous", "revolute"), "joint 'wheel' is revolute, not continuous"),
            (with("0 0 2", "0 0 -1"), "joint 'lift' has the axis 0.000 0.000 -1.000, not 0.000 0.000 1.000"),
            (with("0.5", "0.7"), "joint 'lift' moves from 0 to 0.7, not 0 to 0.5"),
            (with("0.5", "NaN"), "joint 'lift' moves from 0 to NaN, not 0 to 0.5"),
            (with(r#"<mimic joint="wheel" multiplier="-1"/>"#, ""), "joint 'copy' mimics nothing, not 'wheel'"),
        ] {
            assert_eq!(told(&robot), format!("robot_description is of another robot than the model: {expected}"));
        }
        let strangers = (0..5).map(|number| {
            format!(r#"<joint name="j{number}" type="floating"><parent link="a"/><child link="b"/></joint>"#)
        });
        let crowd = with("</robot>", &format!("{}</robot>", strangers.collect::<String>()));
        assert!(told(&crowd).ends_with("the model has no joint 'j2'; and 2 more"), "{}", told(&crowd));
    }

    #[test]
    fn what_is_no_urdf_is_told() {
        for text in ["", "<robot", "{}", "<robot name='x'><joint/></robot>"] {
            assert!(matches!(compare(MODEL, text), Err(DescriptionError::Unreadable(_))), "{text}");
        }
    }
}
