//! The shape of a robot: what of a URDF becomes a capsule, and what does not.
#![allow(clippy::unwrap_used)]

use thalweg_robot::Robot;
use thalweg_robot::shapes::{Shape, shapes};

/// A chain of links with what each has inside, a joint of 0.4 m along x between them.
fn chain(links: &[&str]) -> String {
    let link = |(at, inside): (usize, &&str)| format!("<link name='l{at}'>{inside}</link>");
    let joint = |at: usize| {
        format!(
            "<joint name='j{at}' type='revolute'><origin xyz='0.4 0 0'/><parent link='l{at}'/><child link='l{}'/>\
             <axis xyz='0 0 1'/><limit lower='-1' upper='1' effort='1' velocity='1'/></joint>",
            at + 1
        )
    };
    let links: Vec<String> = links.iter().enumerate().map(link).collect();
    let joints: Vec<String> = (0..links.len() - 1).map(joint).collect();
    format!("<robot name='r'>{}{}</robot>", links.concat(), joints.concat())
}

fn of(links: &[&str]) -> Vec<Shape> {
    let text = chain(links);
    shapes(&Robot::parse(&text).unwrap(), &text)
}

fn part(kind: &str, origin: &str, geometry: &str) -> String {
    format!("<{kind}><origin {origin}/><geometry>{geometry}</geometry></{kind}>")
}

fn assert_ends(shape: &Shape, expected: [[f64; 3]; 2], radius: f64) {
    for (got, expected) in shape.ends.as_flattened().iter().zip(expected.as_flattened()) {
        assert!((got - expected).abs() < 1e-9, "{shape:?}, expected {expected:?}");
    }
    assert!((shape.radius - radius).abs() < 1e-9, "{shape:?}, expected {radius}");
}

#[test]
fn solids_lie_along_their_longest_side() {
    let along_x =
        part("collision", "xyz='0.2 0 0' rpy='0 1.5707963267948966 0'", "<cylinder radius='0.05' length='0.3'/>");
    let found = of(&[&along_x, "", ""]);
    assert_ends(&found[0], [[0.1, 0.0, 0.0], [0.3, 0.0, 0.0]], 0.05);
    let found = of(&[&part("collision", "", "<box size='0.1 0.4 0.1'/>"), ""]);
    let radius = (0.01 / std::f64::consts::PI).sqrt();
    assert_ends(&found[0], [[0.0, radius - 0.2, 0.0], [0.0, 0.2 - radius, 0.0]], radius);
    let found = of(&[&part("collision", "xyz='0 0 1'", "<sphere radius='0.2'/>"), ""]);
    assert_ends(&found[0], [[0.0, 0.0, 1.0]; 2], 0.2);
    let found = of(&[&part("collision", "", "<capsule radius='0.1' length='0.5'/>"), ""]);
    assert_ends(&found[0], [[0.0, 0.0, -0.25], [0.0, 0.0, 0.25]], 0.1);
    // A disc is a ball of its volume.
    let found = of(&[&part("collision", "", "<cylinder radius='0.1' length='0.02'/>"), ""]);
    assert_ends(&found[0], [[0.0; 3]; 2], (0.75 * 0.1 * 0.1 * 0.02_f64).cbrt());
}

#[test]
fn what_collides_counts_then_what_is_drawn_then_the_length() {
    let (ball, stick) = ("<sphere radius='0.2'/>", "<cylinder radius='0.05' length='0.3'/>");
    let both = format!("{}{}", part("visual", "", ball), part("collision", "", stick));
    let found = of(&[&both, &part("visual", "", ball), &part("visual", "", "<mesh filename='m.stl'/>"), ""]);
    assert_eq!(found.iter().map(|shape| shape.link).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!((found[0].radius, found[1].radius), (0.05, 0.2));
    // The last link but one has a mesh alone: it reaches to the joint that hangs on it.
    assert_ends(&found[2], [[0.0; 3], [0.4, 0.0, 0.0]], 0.07);
}

#[test]
fn sizes_that_are_none_are_passed_over() {
    for bad in [
        "<sphere radius='-1'/>",
        "<sphere radius='nan'/>",
        "<sphere/>",
        "<cylinder radius='0.1'/>",
        "<box size='1 1'/>",
        "<box size='1 1 1e9'/>",
        "<mesh filename='x'/>",
    ] {
        let found = of(&[&part("collision", "", bad), ""]);
        assert_eq!(found.len(), 1, "{bad}");
        assert_ends(&found[0], [[0.0; 3], [0.4, 0.0, 0.0]], 0.07);
    }
    let far = part("collision", "xyz='1e30 0 0'", "<sphere radius='0.1'/>");
    assert_ends(&of(&[&far, ""])[0], [[0.0; 3], [0.4, 0.0, 0.0]], 0.07);
}
