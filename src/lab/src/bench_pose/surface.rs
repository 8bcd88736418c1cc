//! The loss around one solution, in X beside Z: after Fig. 9 of Liu et al. (2023).

use crate::eval::plot::Panel;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::arms::{Arm, BASELINE, Ground};
use super::cases::Case;
use super::descent::{Descent, Setting, drawn};
use super::masks::NOTHING;
use super::store::Store;
use super::world::{Loss, World};

/// Descents of one pose; their ends span the plane.
const DESCENTS: usize = 96;
/// Rows and columns of the picture.
const GRID: i64 = 61;
/// Learning rate and seed. The rate is that of the paper.
const RATE: f64 = 0.1;
const SEED: u64 = 1;

/// One landscape, seen along the two main directions of its solutions.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Surface {
    name: String,
    /// Half the side of the square, in units of the latent.
    reach: f64,
    /// Losses, row by row from the bottom.
    values: Vec<f64>,
    /// Where the descents ended.
    ends: Vec<[f64; 2]>,
}

impl Surface {
    pub(super) fn panel(&self) -> Panel {
        Panel { title: self.name.clone(), reach: self.reach, values: self.values.clone(), marks: self.ends.clone() }
    }
}

/// Adam in X, and Adam on each landscape that there is.
fn arms(world: &World) -> Vec<&'static Arm> {
    world.arms(|arm| arm.has_rate() && arm.is_curve() && (arm.key == BASELINE || arm.ground != Ground::Latent))
}

/// How many blocks there will be.
pub(super) fn count(world: &World) -> usize {
    arms(world).len()
}

/// Looks at every landscape around the same pose.
pub(super) fn measure(world: &World, store: &mut Store) -> anyhow::Result<Vec<Surface>> {
    arms(world).into_iter().map(|arm| store.once(&format!("surface/{}", arm.key), || look(world, arm))).collect()
}

fn look(world: &World, arm: &Arm) -> anyhow::Result<Surface> {
    let Some(test) = world.tests.first() else { anyhow::bail!("there is no test set") };
    let case = Case::new(test.poses.sample(1, SEED), NOTHING, SEED)?;
    let setting = Setting { rate: RATE, prior_weight: 0.0, steps: world.sizes.last };
    let descent = Descent { world, arm, setting, loss: Loss::AxisAngle, seed: SEED };
    let mut engine = descent.build(DESCENTS, SEED)?;
    let obs = case.observation();
    engine.begin_from(&obs, &drawn(SEED, DESCENTS as i64, engine.landscape().dim()))?;
    for _ in 0..world.sizes.last {
        engine.refine()?;
    }
    let z = engine.solution().map(|solution| solution.z.shallow_clone());
    let z = z.ok_or_else(|| anyhow::anyhow!("{}: no solution", arm.name))?;
    let target = engine.task().encode(&obs)?;
    let plane = Plane::through(&z);
    let _no_grad = tch::no_grad_guard();
    let y_hat = engine.task().forward(&engine.landscape().map(&plane.grid()))?;
    let loss = engine.task().objective(&y_hat, &target)?.loss;
    Ok(Surface {
        name: arm.name.to_owned(),
        reach: plane.reach,
        values: Vec::try_from(loss.to_kind(Kind::Double))?,
        ends: plane.places(&z)?,
    })
}

/// The plane through the best point along the two main directions of all points.
struct Plane {
    /// `[Z]`.
    middle: Tensor,
    /// Orthonormal, `[2, Z]`.
    directions: Tensor,
    /// Half the side of the square that is looked at.
    reach: f64,
}

impl Plane {
    /// Takes points `[K, Z]`, the best first.
    fn through(z: &Tensor) -> Self {
        /// Share of the points that the square holds, along the main direction. A guess.
        const SHARE: f64 = 0.9;
        let z = z.to_kind(Kind::Double);
        let (_, _, v) = (&z - z.mean_dim(0, true, Kind::Double)).svd(true, true);
        let directions = v.transpose(0, 1).narrow(0, 0, 2);
        let (middle, main) = (z.get(0), directions.get(0));
        let along = (z - &middle).mv(&main).abs().quantile_scalar(SHARE, 0, false, "linear").double_value(&[]);
        Self { middle, directions, reach: along.max(f64::EPSILON) }
    }

    /// Points of the square, `[GRID * GRID, Z]`, row by row from the bottom.
    fn grid(&self) -> Tensor {
        let line = Tensor::linspace(-self.reach, self.reach, GRID, (Kind::Double, self.middle.device()));
        let upward = line.repeat_interleave_self_int(GRID, 0, None);
        let places = Tensor::stack(&[line.repeat([GRID]), upward], 1);
        (places.matmul(&self.directions) + &self.middle).to_kind(Kind::Float)
    }

    /// Where points `[K, Z]` lie when they are dropped onto the plane.
    fn places(&self, z: &Tensor) -> anyhow::Result<Vec<[f64; 2]>> {
        let places = (z.to_kind(Kind::Double) - &self.middle).matmul(&self.directions.transpose(0, 1));
        let flat = Vec::<f64>::try_from(places.contiguous().view(-1))?;
        Ok(flat.chunks_exact(2).map(|place| [place[0], place[1]]).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plane_follows_where_the_points_spread() {
        // Spread 3 along the third axis, 1 along the first, none along the second.
        let points = [[0.0, 5.0, 0.0], [1.0, 5.0, 3.0], [-1.0, 5.0, 3.0], [1.0, 5.0, -3.0], [-1.0, 5.0, -3.0]];
        let z = Tensor::from_slice(points.as_flattened()).view([5, 3]);
        let plane = Plane::through(&z);
        let places = plane.places(&z).expect("five places");
        assert!(places.iter().all(|[across, upward]| (across.abs() - 3.0).abs() < 1e-9 || across.abs() < 1e-9 && upward.abs() < 1e-9));
        assert!((plane.reach - 3.0).abs() < 1e-9, "{}", plane.reach);
        let grid = plane.grid();
        assert_eq!(grid.size(), [GRID * GRID, 3]);
        let middle = Vec::<f32>::try_from(grid.get(GRID * GRID / 2)).expect("a point");
        assert!(middle.iter().zip([0.0, 5.0, 0.0]).all(|(got, expected)| (got - expected).abs() < 1e-6), "{middle:?}");
    }
}
