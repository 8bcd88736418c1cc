//! Joints in an order in which each comes after the one that it hangs on, and what moves them.

use std::collections::BTreeMap;

use nalgebra::Vector3;

use super::model::Joint;
use super::shapes::direction;
use super::urdf::{self, Motion, Robot};

/// Greatest factor and offset that a chain of mimics may come to: beyond, a posture is noise.
const MAX_MIMIC: f64 = 1e6;

/// Most mimics that are followed from a joint; hands have two or three. What is longer is a circle, or as bad.
const MAX_CHAIN: usize = 64;

/// Most joints that rest of which each is told.
const MAX_TOLD: usize = 10;

/// Names of the joints that move by themselves, in the file's order.
pub(super) fn moving(joints: &[urdf::Joint]) -> Vec<String> {
    let own = joints.iter().filter(|joint| joint.motion != Motion::Fixed && joint.mimic.is_none());
    own.map(|joint| joint.name.clone()).collect()
}

/// Reads links and joints as a tree, and warns of what in it rests; says in a sentence why they are none.
pub(super) fn tree_of(robot: &Robot) -> Result<(Vec<Joint>, Vec<String>), String> {
    let mut links = BTreeMap::new();
    for (at, link) in robot.links.iter().enumerate() {
        if links.insert(link.name.as_str(), at).is_some() {
            return Err(format!("two links have the name {}", link.name));
        }
    }
    let mut by_name = BTreeMap::new();
    for joint in &robot.joints {
        if by_name.insert(joint.name.as_str(), joint).is_some() {
            return Err(format!("line {}: two joints have the name {}", joint.line, joint.name));
        }
    }
    let places: BTreeMap<String, usize> = moving(&robot.joints).into_iter().zip(0..).collect();
    let (mut joints, mut warnings) = (Vec::new(), Vec::new());
    for joint in &robot.joints {
        let about = |why| format!("line {}: joint {} {why}", joint.line, joint.name);
        let source = match joint.motion {
            Motion::Fixed => Ok(None),
            Motion::Turn | Motion::Slide => follow(joint, &by_name),
        };
        // Hands come with mimics of joints that their makers left out; all else of them moves.
        let source = source.unwrap_or_else(|why| {
            warnings.push(format!("{}: it rests", about(why)));
            None
        });
        let source = source.and_then(|(of, factor, offset)| Some((*places.get(&of.name)?, factor, offset)));
        joints.push(read_joint(joint, &links, source).map_err(about)?);
    }
    let more = warnings.len().saturating_sub(MAX_TOLD);
    warnings.truncate(MAX_TOLD);
    warnings.extend((more > 0).then(|| format!("{more} more joints rest for such reasons")));
    Ok((sorted(joints, &robot.links)?, warnings))
}

fn read_joint(
    joint: &urdf::Joint,
    links: &BTreeMap<&str, usize>,
    source: Option<(usize, f64, f64)>,
) -> Result<Joint, String> {
    let find = |link: &str| links.get(link).copied().ok_or_else(|| format!("names link {link}, which is not there"));
    let axis = match direction(joint.axis) {
        Some(axis) => axis,
        None if joint.motion == Motion::Fixed => Vector3::x_axis(),
        None => return Err("has axis 0 0 0".to_owned()),
    };
    let (parent, child) = (find(&joint.parent)?, find(&joint.child)?);
    Ok(Joint { parent, child, parent_from_joint: joint.parent_from_joint, axis, motion: joint.motion, source })
}

/// Follows mimics to the joint that moves by itself, and tells by what factor, from where.
fn follow<'a>(
    joint: &'a urdf::Joint,
    by_name: &BTreeMap<&str, &'a urdf::Joint>,
) -> Result<Option<(&'a urdf::Joint, f64, f64)>, String> {
    let (mut at, mut factor, mut offset) = (joint, 1.0_f64, 0.0_f64);
    for _ in 0..=MAX_CHAIN {
        let Some(mimic) = &at.mimic else { return Ok(Some((at, factor, offset))) };
        let by_way = if at.name == joint.name { String::new() } else { format!(", by way of {},", at.name) };
        let next = by_name.get(mimic.joint.as_str());
        let next = next.ok_or_else(|| format!("mimics{by_way} {}, which is not there", mimic.joint))?;
        if next.motion == Motion::Fixed {
            return Err(format!("mimics{by_way} {}, which does not move", mimic.joint));
        }
        offset = factor.mul_add(mimic.offset, offset);
        factor *= mimic.multiplier;
        if !(factor.abs() <= MAX_MIMIC && offset.abs() <= MAX_MIMIC) {
            return Err(format!("mimics{by_way} {} with a factor {factor:e} or offset {offset:e}", mimic.joint));
        }
        at = next;
    }
    Err(format!("mimics itself, a circle of others, or a chain of more than {MAX_CHAIN}"))
}

/// Brings joints into an order in which each comes after the one that it hangs on.
fn sorted(joints: Vec<Joint>, links: &[urdf::Link]) -> Result<Vec<Joint>, String> {
    let mut is_root = vec![true; links.len()];
    let mut hanging: Vec<Vec<Joint>> = links.iter().map(|_| Vec::new()).collect();
    for joint in joints {
        if !std::mem::replace(&mut is_root[joint.child], false) {
            return Err(format!("link {} hangs on two joints", links[joint.child].name));
        }
        hanging[joint.parent].push(joint);
    }
    let roots: Vec<usize> = (0..links.len()).filter(|link| is_root[*link]).collect();
    let [root] = roots[..] else {
        return Err(format!("got {} links that hang on nothing; expected one root", roots.len()));
    };
    let mut tree = std::mem::take(&mut hanging[root]);
    let mut next = 0;
    while let Some(joint) = tree.get(next) {
        let more = std::mem::take(&mut hanging[joint.child]);
        tree.extend(more);
        next += 1;
    }
    match hanging.iter().position(|joints| !joints.is_empty()) {
        Some(link) => Err(format!("link {} hangs on itself", links[link].name)),
        None => Ok(tree),
    }
}
