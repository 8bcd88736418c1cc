//! Rules about what a task says of itself.

use std::collections::BTreeSet;

use tch::Tensor;

use super::compare::{Fault, RuleResult, ensure, ensure_shape};
use super::probe::{descend, latents, observe};
use super::subject::Subject;
use crate::{Bone, CLOUD_POINTS, JointSpec, PointsSpec, Reconstruction, Task, TaskSpec};

/// Checks the description itself.
///
/// The node builds messages, parameters and file headers from the spec without looking at the
/// task: a name that occurs twice sends a reading to the wrong joint, an empty fingerprint lets
/// a landscape of another model be loaded.
pub(super) fn spec(subject: &Subject<'_>) -> RuleResult {
    let spec = subject.task.spec();
    let mut faults = Vec::new();
    let mut complain = |bad: bool, text: String| faults.extend(bad.then_some(text));
    let snake = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    complain(spec.name.is_empty() || !spec.name.chars().all(snake), format!("name '{}' is not snake_case", spec.name));
    complain(spec.latent < 1, format!("latent dimension is {}", spec.latent));
    complain(
        spec.output.is_empty() || spec.output.iter().any(|&size| size < 1),
        format!("output is {:?}", spec.output),
    );
    complain(spec.observes().to_string() == "nothing", "observes nothing".to_owned());
    complain(spec.reads_joints && spec.joints.is_empty(), "reads joints but names none".to_owned());
    complain(spec.fingerprint.trim().is_empty(), "fingerprint is empty".to_owned());
    let options = subject.options;
    complain(spec.kind != options.kind, format!("element type: asked for {:?}, got {:?}", options.kind, spec.kind));
    complain(spec.device != options.device, format!("device: asked for {:?}, got {:?}", options.device, spec.device));
    let image = spec.image.filter(|image| image.channels.min(image.height).min(image.width) < 1);
    faults.extend(image.map(|image| format!("image is {image:?}")));
    faults.extend(joint_faults(&spec.joints));
    faults.extend(repeated("class", spec.classes.iter().map(String::as_str)));
    faults.extend(spec.points.as_ref().map(point_faults).unwrap_or_default());
    ensure(faults.is_empty(), || faults.join("; "))?;
    Ok(format!("X = {}, Y = {:?}, observes {}", spec.latent, spec.output, spec.observes()))
}

fn joint_faults(joints: &[JointSpec]) -> Vec<String> {
    let mut faults = repeated("joint", joints.iter().map(|joint| joint.name.as_str()));
    for JointSpec { name, unit, lower, upper } in joints {
        let limits = lower.is_finite() && upper.is_finite() && lower < upper;
        faults.extend((!limits).then(|| format!("joint {name}: limits {lower} .. {upper}")));
        faults
            .extend((unit != "rad" && unit != "m").then(|| format!("joint {name}: unit '{unit}', expected rad or m")));
    }
    faults
}

fn point_faults(points: &PointsSpec) -> Vec<String> {
    let mut faults = repeated("point", points.names.iter().map(String::as_str));
    let is_too_large = points.cloud > CLOUD_POINTS;
    faults.extend(is_too_large.then(|| format!("a cloud of {} points; at most {CLOUD_POINTS}", points.cloud)));
    faults.extend(points.names.is_empty().then(|| "points are observed but none is named".to_owned()));
    // What a tracker sends comes in its own.
    let has_frame = !points.frame.trim().is_empty() || points.tracker.is_some();
    faults.extend((!has_frame).then(|| "points have no frame".to_owned()));
    faults
}

fn repeated<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    names
        .filter(|name| name.is_empty() || !seen.insert(*name))
        .map(|name| format!("{what} '{name}' is empty or twice"))
        .collect()
}

/// Checks the shape of everything a task returns, for one and for three hypotheses.
///
/// The engine stacks hypotheses along axis 0 and allocates once; a result without that axis
/// broadcasts silently instead of failing.
pub(super) fn shapes(subject: &Subject<'_>) -> RuleResult {
    for rows in [1, 3] {
        let spec = subject.task.spec();
        let obs = observe(&*subject.task, &latents(spec, rows, 2))?;
        let target = subject.task.encode(&obs)?;
        for (what, tensor) in [("target value", &target.value), ("target weight", &target.weight)] {
            let leading = tensor.size().first().copied();
            ensure(leading == Some(rows), || format!("{what}: expected {rows} rows, got {:?}", tensor.size()))?;
        }
        let descent = descend(&*subject.task, &latents(spec, rows, 3), &obs)?;
        ensure_shape("F(x)", &descent.y_hat, &with_rows(rows, &spec.output))?;
        ensure_shape("loss", &descent.loss, &[rows])?;
        if let Some(residual) = &descent.residual {
            let size = residual.size();
            ensure(size.len() == 2 && size[0] == rows, || format!("residual: expected [{rows}, M], got {size:?}"))?;
        }
        rendered_shapes(spec, rows, &subject.task.render_seen(&descent.y_hat, &target)?)?;
    }
    Ok("for K = 1 and K = 3".to_owned())
}

fn rendered_shapes(spec: &TaskSpec, rows: i64, rendered: &Reconstruction) -> Result<(), Fault> {
    ensure(spec.joints.is_empty() || rendered.joints.is_some(), || {
        "render gives no joints, though the spec names some".into()
    })?;
    ensure(spec.classes.is_empty() || rendered.label.is_some(), || {
        "render gives no label, though the spec names classes".into()
    })?;
    for (kind, tensor) in rendered.fields() {
        let expected = match kind {
            "joints" => Some(vec![spec.joints.len() as i64]),
            "label" => Some(vec![spec.classes.len() as i64]),
            // A cloud has no names, and is not rendered.
            "points" => spec.points.as_ref().map(|points| vec![points.names.len() as i64, 3]),
            _ => spec.shape_of(kind),
        };
        if let Some(expected) = expected {
            ensure_shape(&format!("rendered {kind}"), tensor, &with_rows(rows, &expected))?;
        }
        let size = tensor.size();
        let axes = if kind == "image" {
            4
        } else if kind == "points" {
            3
        } else {
            2
        };
        ensure(size.len() == axes && size[0] == rows, || {
            format!("rendered {kind}: expected {axes} axes, got {size:?}")
        })?;
    }
    loose_bone(spec, rendered)
}

/// A bone must hang between points that are rendered, and be turned by joints that there are.
fn loose_bone(spec: &TaskSpec, rendered: &Reconstruction) -> Result<(), Fault> {
    let Some(skeleton) = &spec.skeleton else {
        return Ok(());
    };
    let points = rendered.points.as_ref().map_or(0, |points| points.size().get(1).copied().unwrap_or(0)) as usize;
    let fits = |bone: &Bone| {
        let joints = bone.joints.iter().all(|&joint| joint < spec.joints.len());
        joints && bone.to < points && bone.from.is_none_or(|from| from < points)
    };
    ensure(!skeleton.frame.trim().is_empty(), || "the skeleton has no frame".into())?;
    match skeleton.bones.iter().find(|bone| !fits(bone)) {
        Some(bone) => {
            let joints = spec.joints.len();
            ensure(false, || format!("{bone:?} does not fit {points} rendered points and {joints} joints"))
        }
        None => Ok(()),
    }
}

fn with_rows(rows: i64, shape: &[i64]) -> Vec<i64> {
    [&[rows], shape].concat()
}

/// Checks element type and device of everything a task returns.
///
/// The engine's state has the type of the spec; a result of another type is converted at every
/// step, or refused by libtorch in the middle of a solve.
pub(super) fn element_type(subject: &Subject<'_>) -> RuleResult {
    for task in [&subject.task, &subject.double] {
        for (what, tensor) in everything(&**task)? {
            let (spec, got) = (task.spec(), (tensor.kind(), tensor.device()));
            let expected = (spec.kind, spec.device);
            ensure(got == expected, || format!("{what}: expected {expected:?}, got {got:?}"))?;
        }
    }
    Ok(format!("{:?} and Double on {:?}", subject.options.kind, subject.options.device))
}

/// Every tensor that a task returns, by name, for three hypotheses.
pub(super) fn everything(task: &dyn Task) -> Result<Vec<(String, Tensor)>, Fault> {
    let spec = task.spec();
    let obs = observe(task, &latents(spec, 1, 4))?;
    let (target, descent) = (task.encode(&obs)?, descend(task, &latents(spec, 3, 5), &obs)?);
    let rendered = task.render_seen(&descent.y_hat, &target)?;
    let mut all = vec![("F(x)".to_owned(), descent.y_hat), ("loss".to_owned(), descent.loss)];
    all.extend([("target value".to_owned(), target.value), ("target weight".to_owned(), target.weight)]);
    all.extend(descent.residual.map(|residual| ("residual".to_owned(), residual)));
    all.push(("gradient".to_owned(), descent.gradient));
    all.extend(rendered.fields().map(|(kind, tensor)| (format!("rendered {kind}"), tensor.shallow_clone())));
    Ok(all)
}

/// Checks that nothing inside a task asks for a gradient of its own.
///
/// The engine differentiates with respect to z only. Weights that want a gradient make every
/// step build and keep a graph that nobody reads.
pub(super) fn frozen_weights(subject: &Subject<'_>) -> RuleResult {
    let task = &subject.task;
    let x = latents(task.spec(), 2, 6);
    let (y_hat, target) = (task.forward(&x)?, task.encode(&observe(&**task, &x)?)?);
    let loss = task.objective(&y_hat, &target)?.loss;
    for (what, tensor) in [("F(x)", &y_hat), ("loss", &loss), ("target", &target.value), ("weight", &target.weight)] {
        ensure(!tensor.requires_grad(), || format!("{what} asks for a gradient although x does not"))?;
    }
    Ok("no gradient without one on x".to_owned())
}
