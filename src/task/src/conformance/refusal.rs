//! Rules about what a task must not accept.

use tch::{Kind, Tensor};

use super::compare::{RuleResult, ensure};
use super::guard;
use super::probe::{latents, observe};
use super::subject::Subject;
use crate::{Masked, Observation, Result, Task, TaskSpec};

/// A call that must end in an error, and what it is called with.
type Call<'a> = (String, Box<dyn Fn() -> Result<()> + 'a>);

/// Checks that wrong input is refused with an error, neither accepted nor a panic.
///
/// Observations come from outside: a message of a wrong size must cost one observation, not the
/// node. libtorch would broadcast many wrong shapes into wrong answers.
pub(super) fn refusal(subject: &Subject<'_>) -> RuleResult {
    let task = &*subject.task;
    let mut calls = wrong_tensors(task)?;
    calls.extend(wrong_observations(task)?);
    for (what, call) in &calls {
        let accepted = guard(|| Ok(call().is_ok())).map_err(|fault| super::Fault(format!("{what}: {}", fault.0)))?;
        ensure(!accepted, || format!("accepted {what}"))?;
    }
    Ok(format!("{} wrong inputs refused", calls.len()))
}

fn wrong_tensors(task: &dyn Task) -> Result<Vec<Call<'_>>> {
    let spec = task.spec();
    let (x, like) = (latents(spec, 3, 7), (spec.kind, spec.device));
    let y_hat = task.forward(&x)?;
    let target = task.encode(&observe(task, &x)?)?;
    let wide = Tensor::zeros([3, spec.latent + 1], like);
    let flat = Tensor::zeros([spec.latent], like);
    let mut size = y_hat.size();
    let last = size.len() - 1;
    size[last] += 1;
    let wrong = Tensor::zeros(&size, like);
    let (wrong_again, two) = (wrong.shallow_clone(), target.rows(&super::probe::index(spec, &[0, 1])));
    let (wrong_seen, seen) = (wrong.shallow_clone(), target.shallow_clone());
    Ok(vec![
        (format!("x {:?}", wide.size()), Box::new(move || task.forward(&wide).map(drop))),
        (format!("x {:?}", flat.size()), Box::new(move || task.forward(&flat).map(drop))),
        (format!("y_hat {size:?} in the objective"), Box::new(move || task.objective(&wrong, &target).map(drop))),
        (format!("y_hat {size:?} to render"), Box::new(move || task.render(&wrong_again).map(drop))),
        (
            format!("y_hat {size:?} to render with what was seen"),
            Box::new(move || task.render_seen(&wrong_seen, &seen).map(drop)),
        ),
        ("three hypotheses with two targets".to_owned(), Box::new(move || task.objective(&y_hat, &two).map(drop))),
    ])
}

fn wrong_observations(task: &dyn Task) -> Result<Vec<Call<'_>>> {
    let mut calls: Vec<Call<'_>> = vec![refuse(task, "an empty observation".to_owned(), Observation::default())];
    for kind in ["joints", "image", "points"] {
        match task.spec().shape_of(kind) {
            None => calls.push(refuse(
                task,
                format!("{kind}, which it does not observe"),
                of_kind(task.spec(), kind, &[1, 1, 3], 0.5),
            )),
            Some(shape) => calls.extend(malformed(task, kind, &shape)),
        }
    }
    Ok(calls)
}

/// One kind of a wrong width, without rows, and with an infinite value.
fn malformed<'a>(task: &'a dyn Task, kind: &'static str, shape: &[i64]) -> Vec<Call<'a>> {
    let rows = [&[1], shape].concat();
    let mut wide = rows.clone();
    wide[1] += 1;
    let none = [&[0], shape].concat();
    let of = |shape: &[i64], value| of_kind(task.spec(), kind, shape, value);
    vec![
        refuse(task, format!("{kind} {wide:?}"), of(&wide, 0.5)),
        refuse(task, format!("{kind} {none:?}"), of(&none, 0.5)),
        refuse(task, format!("{kind} with infinite values"), of(&rows, f64::INFINITY)),
    ]
}

fn refuse(task: &dyn Task, what: String, obs: Observation) -> Call<'_> {
    (what, Box::new(move || task.encode(&obs).map(drop)))
}

fn of_kind(spec: &TaskSpec, kind: &str, shape: &[i64], value: f64) -> Observation {
    let kind_of: Kind = spec.kind;
    let field = Some(Masked::new(&Tensor::full(shape, value, (kind_of, spec.device))));
    match kind {
        "joints" => Observation { joints: field, ..Observation::default() },
        "image" => Observation { image: field, ..Observation::default() },
        _ => Observation { points: field, ..Observation::default() },
    }
}
