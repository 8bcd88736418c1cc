//! What theta is trained on: complete observations, and what the descents see of them.

use rand::Rng;
use rand::rngs::StdRng;
use rand_distr::StandardNormal;
use tch::Tensor;
use thalweg_task::{Masked, Observation, Result, Task};

/// Decides what a descent sees of an observation's joints.
///
/// Given a generator, returns which of the J joints are visible.
pub type Visible<'a> = dyn Fn(&mut StdRng) -> Vec<bool> + 'a;

/// Draws complete observations from the task's own prior: `render(F(x))` with `x ~ N(0, I)`.
///
/// Serves where there are no recordings. Returns `rows` rows.
///
/// # Errors
/// What the task refuses.
pub fn sampled(task: &dyn Task, rows: usize, random: &mut StdRng) -> Result<Observation> {
    let spec = task.spec();
    let values: Vec<f64> = (0..rows as i64 * spec.latent).map(|_| random.sample(StandardNormal)).collect();
    let x = Tensor::from_slice(&values).view([rows as i64, spec.latent]).to_kind(spec.kind).to_device(spec.device);
    Ok(tch::no_grad(|| task.render(&task.forward(&x)?))?.as_observation(spec))
}

/// Hides joints row by row; the other kinds of data stay as they are.
pub(super) fn hide(obs: &Observation, visible: &Visible<'_>, random: &mut StdRng) -> Observation {
    let mut hidden = obs.shallow_clone();
    hidden.joints = obs.joints.as_ref().map(|joints| hide_rows(joints, visible, random));
    hidden
}

fn hide_rows(joints: &Masked, visible: &Visible<'_>, random: &mut StdRng) -> Masked {
    let rows = joints.value().size()[0];
    let mask: Vec<bool> = (0..rows).flat_map(|_| visible(random)).collect();
    joints.hide(&Tensor::from_slice(&mask).view_as(joints.value()).to_device(joints.value().device()))
}
