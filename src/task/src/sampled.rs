//! Observations that a task makes itself.

use rand::rngs::StdRng;
use tch::Tensor;

use crate::{ImageSpec, Masked, Observation, Result, Task, draws};

/// Numbers that F gives at once while observations are drawn: what it needs on the way may be many times as much.
const AT_ONCE: i64 = 1 << 24;

/// Draws complete observations from the task's own prior: `render(F(x))` with `x ~ N(0, I)`.
///
/// Serves where there are no recordings. The image of a task that makes none is noise: enough to try the task with, not to
/// learn from. Returns `rows` rows.
///
/// # Errors
/// What the task refuses.
pub fn sampled(task: &dyn Task, rows: usize, random: &mut StdRng) -> Result<Observation> {
    let spec = task.spec();
    let x = draws::normal(random, &[rows as i64, spec.latent]).to_kind(spec.kind).to_device(spec.device);
    let at_once = (AT_ONCE / spec.output.iter().product::<i64>().max(1)).max(1);
    let parts: Vec<Tensor> =
        tch::no_grad(|| x.split(at_once, 0).iter().map(|x| task.forward(x)).collect::<Result<_>>())?;
    let mut obs = task.render(&Tensor::cat(&parts, 0))?.as_observation(spec);
    if let Some(ImageSpec { channels, height, width }) = spec.image.filter(|_| obs.image.is_none()) {
        let pixels = draws::uniform(random, &[rows as i64, channels, height, width]);
        obs.image = Some(Masked::new(&pixels.to_kind(spec.kind).to_device(spec.device)));
    }
    Ok(obs)
}
