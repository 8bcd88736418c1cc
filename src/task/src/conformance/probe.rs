//! Latents, observations and gradients with which the rules question a task.

use tch::{Kind, Tensor};

use super::compare::{Fault, ensure};
use crate::{Masked, Objective, Observation, Result, Root, Target, Task, TaskSpec};

/// A source of reproducible draws: SplitMix64 (Steele, Lea, Flood, 2014).
pub(super) struct Draws(u64);

impl Draws {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Draws from the uniform distribution on (0, 1).
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        ((bits >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// Draws from the standard normal distribution (Box, Muller, 1958).
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    fn tensor(&mut self, shape: &[i64], draw: fn(&mut Self) -> f64) -> Tensor {
        let values: Vec<f64> = (0..shape.iter().product()).map(|_| draw(self)).collect();
        Tensor::from_slice(&values).view(shape)
    }
}

/// Draws latents `[rows, X]` from the task's prior, the standard normal distribution.
pub(super) fn latents(spec: &TaskSpec, rows: i64, seed: u64) -> Tensor {
    let x = Draws::new(seed).tensor(&[rows, spec.latent], Draws::normal);
    x.to_kind(spec.kind).to_device(spec.device)
}

/// An index tensor `[R]` on the task's device.
pub(super) fn index(spec: &TaskSpec, rows: &[i64]) -> Tensor {
    Tensor::from_slice(rows).to_device(spec.device)
}

/// What a sensor without gaps would read at `x`, `[K, X]`: one row for each latent.
///
/// A kind that the task observes but does not render is drawn at random.
pub(super) fn observe(task: &dyn Task, x: &Tensor) -> Result<Observation> {
    let (spec, rows) = (task.spec(), x.size()[0]);
    let mut obs = task.render(&task.forward(x)?)?.as_observation(spec);
    let mut draws = Draws::new(71);
    let mut fill = |kind: &str, field: &mut Option<Masked>| {
        let Some(shape) = spec.shape_of(kind).filter(|_| field.is_none()) else {
            return;
        };
        let values = draws.tensor(&[&[rows], &shape[..]].concat(), Draws::uniform);
        *field = Some(Masked::new(&values.to_kind(spec.kind).to_device(spec.device)));
    };
    fill("joints", &mut obs.joints);
    fill("image", &mut obs.image);
    fill("points", &mut obs.points);
    Ok(obs)
}

/// Names the kinds that a task observes but does not render: there, no latent is the truth.
pub(super) fn not_rendered(task: &dyn Task) -> Result<Vec<&'static str>> {
    let spec = task.spec();
    let rendered = task.render(&task.forward(&latents(spec, 1, 1))?)?.as_observation(spec);
    let given: Vec<_> = rendered.fields().map(|(kind, _)| kind).collect();
    Ok(["joints", "image", "points"]
        .into_iter()
        .filter(|kind| spec.shape_of(kind).is_some() && !given.contains(kind))
        .collect())
}

/// Draws masks that show about half of the entries, one mask for each field.
pub(super) fn masks(obs: &Observation, seed: u64) -> Vec<(&'static str, Tensor)> {
    let mut draws = Draws::new(seed);
    let mask = |(kind, field): (&'static str, &Masked)| {
        let coins = draws.tensor(&field.value().size(), Draws::uniform);
        (kind, coins.gt(0.5).to_device(field.value().device()))
    };
    obs.fields().map(mask).collect()
}

/// The same masks, of which those of points hide all of a point or nothing where x and y alone would be a ray, which says
/// something else.
pub(super) fn whole(spec: &TaskSpec, mut masks: Vec<(&'static str, Tensor)>) -> Vec<(&'static str, Tensor)> {
    let has_rays = spec.points.as_ref().is_some_and(|points| points.rays);
    for (_, mask) in masks.iter_mut().filter(|(kind, _)| has_rays && *kind == "points") {
        *mask = mask.narrow(-1, 0, 1).expand_as(&*mask);
    }
    masks
}

/// What a camera that looks at a body from four metres away sees of its points at `x`, `[1, X]`: rays, and where the body
/// stood before; none where the task reads none.
pub(super) fn before_a_camera(task: &dyn Task, x: &Tensor) -> Result<Option<Observation>> {
    if !task.spec().points.as_ref().is_some_and(|points| points.rays) {
        return Ok(None);
    }
    let obs = observe(task, x)?;
    let root =
        Root { position: [0.3, -0.2, 4.0], rotation: [1.0, 0.0, 0.0, 0.0], scale: 1.0, is_seen: true, misfit: 0.0 };
    let rays = obs.points.as_ref().map(|points| {
        let own = points.with_nan();
        let like = |values: &[f64]| Tensor::from_slice(values).to_kind(own.kind()).to_device(own.device());
        // Upright for a camera whose y points down.
        let put = &own * like(&[1.0, -1.0, -1.0]) + like(&root.position);
        let depth = put.narrow(-1, 2, 1);
        Masked::new(&Tensor::cat(&[put.narrow(-1, 0, 2) / &depth, depth.full_like(f64::NAN)], -1))
    });
    Ok(Some(Observation { points: rays, root: Some(root), ..Observation::default() }))
}

/// Hides what the masks hide, after writing `fill` over the hidden entries.
pub(super) fn apply(obs: &Observation, masks: &[(&'static str, Tensor)], fill: &Fill) -> Result<Observation> {
    let change = |kind: &str, field: &Option<Masked>| -> Result<Option<Masked>> {
        let Some(field) = field else { return Ok(None) };
        let Some((_, visible)) = masks.iter().find(|(name, _)| *name == kind) else {
            return Ok(Some(field.shallow_clone()));
        };
        let filled = fill.over(field.value(), &visible.logical_not());
        // A cloud is not rendered, and stays unseen.
        let visible = if kind == "points" { visible.logical_and(field.observed()) } else { visible.shallow_clone() };
        Masked::with_mask(&filled, &visible).map(Some)
    };
    Ok(Observation {
        stamp_nanos: obs.stamp_nanos,
        joints: change("joints", &obs.joints)?,
        image: change("image", &obs.image)?,
        points: change("points", &obs.points)?,
        ..Observation::default()
    })
}

/// What is written over entries that are then hidden.
#[derive(Debug)]
pub(super) enum Fill {
    /// One value everywhere.
    Value(f64),
    /// Draws from the standard normal distribution.
    Noise,
}

impl Fill {
    fn over(&self, value: &Tensor, hidden: &Tensor) -> Tensor {
        match self {
            Self::Value(fill) => value.masked_fill(hidden, *fill),
            Self::Noise => {
                let noise = Draws::new(5).tensor(&value.size(), Draws::normal);
                noise.to_kind(value.kind()).to_device(value.device()).where_self(hidden, value)
            }
        }
    }
}

/// Scores latents against an encoded observation, without a graph unless `x` asks for one.
pub(super) fn score(task: &dyn Task, x: &Tensor, target: &Target) -> Result<Objective> {
    task.objective(&task.forward(x)?, target)
}

/// Loss `[K]` of latents against an observation.
pub(super) fn loss(task: &dyn Task, x: &Tensor, obs: &Observation) -> Result<Tensor> {
    Ok(score(task, x, &task.encode(obs)?)?.loss)
}

/// F, L and the gradient at one batch of latents.
pub(super) struct Evaluation {
    pub(super) y_hat: Tensor,
    pub(super) loss: Tensor,
    pub(super) residual: Option<Tensor>,
    /// Gradient of the summed loss with respect to `x`, `[K, X]`.
    pub(super) gradient: Tensor,
}

/// Runs F and L and one backward pass of the summed loss, as the engine does.
pub(super) fn descend(task: &dyn Task, x: &Tensor, obs: &Observation) -> std::result::Result<Evaluation, Fault> {
    let target = task.encode(obs)?;
    let x = x.copy().set_requires_grad(true);
    let y_hat = task.forward(&x)?;
    let objective = task.objective(&y_hat, &target)?;
    let gradient = gradient(&objective.loss.sum(objective.loss.kind()), &x)?;
    let residual = objective.residual.map(|residual| residual.detach());
    Ok(Evaluation { y_hat: y_hat.detach(), loss: objective.loss.detach(), residual, gradient })
}

/// Differentiates a scalar with respect to `x`, keeping the graph.
pub(super) fn gradient(scalar: &Tensor, x: &Tensor) -> std::result::Result<Tensor, Fault> {
    ensure(scalar.requires_grad(), || "the loss carries no gradient: is x detached on the way?".to_owned())?;
    let gradients = Tensor::f_run_backward(&[scalar], &[x], true, false)?;
    let found = gradients.into_iter().next().filter(Tensor::defined);
    found.ok_or_else(|| Fault("the loss does not depend on x".to_owned()))
}

/// Sums squares over the last axis, `[K, M]` to `[K]`.
pub(super) fn sum_of_squares(residual: &Tensor) -> Tensor {
    residual.square().sum_dim_intlist(-1, false, None::<Kind>)
}
