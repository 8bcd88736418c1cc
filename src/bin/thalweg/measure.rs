//! `thalweg measure`: how fast landscapes lead to held-out poses, and what they say of hidden joints.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::index;
use serde::Serialize;
use tch::{Device, Kind, Tensor};
use thalweg::engine::{AdamConfig, Engine, EngineConfig, Optimizer, pin_threads};
use thalweg::eval::metrics::{Visibility, mean_angle_deg};
use thalweg::landscape::{Landscape, LandscapeShape};
use thalweg_body_pose::dataset::{Dataset, Split};
use thalweg_body_pose::rotation::matrix_from_axis_angle;
use thalweg_body_pose::skeleton;
use thalweg_task::{LoadOptions, Observation, Task};

/// Steps after which a row of the table is taken.
const STEPS: [u32; 8] = [0, 1, 2, 5, 10, 20, 50, 200];
/// Steps of a whole descent.
const LAST: u32 = STEPS[STEPS.len() - 1];
/// Steps after which the learning rate of an arm is judged on validation poses: what a frame affords.
const TUNED_AT: u32 = 10;
/// Learning rates to choose from (Liu et al., 2023, supplement).
const RATES: [f64; 5] = [0.5, 0.1, 0.05, 0.01, 0.001];

/// Options of `thalweg measure`.
#[derive(Args)]
pub(crate) struct MeasureArguments {
    /// Folder with the motion capture
    #[arg(long)]
    data: PathBuf,
    /// Folder of the weights of tasks
    #[arg(long, default_value = "models")]
    models: PathBuf,
    /// The trained landscape
    #[arg(long, default_value = "models/body_pose_theta.safetensors")]
    landscape: PathBuf,
    /// Held-out poses per split, one descent each
    #[arg(long, default_value_t = 512)]
    poses: usize,
    /// Seed of poses and starting points
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write the rows as JSON, too
    #[arg(long)]
    json: Option<PathBuf>,
}

/// One line of the table.
#[derive(Serialize)]
struct Row {
    split: String,
    hidden: &'static str,
    arm: &'static str,
    rate: f64,
    steps: u32,
    loss: f64,
    visible_deg: f64,
    hidden_deg: f64,
}

/// Poses to solve for, and which joints of them are hidden.
struct Case<'a> {
    vectors: &'a Tensor,
    hidden: &'static str,
}

/// Where the descent takes place.
#[derive(Clone, Copy)]
enum Ground {
    Identity,
    Random,
    Trained,
}

/// One way to search.
#[derive(Clone, Copy)]
struct Arm {
    name: &'static str,
    ground: Ground,
    prior_weight: f64,
}

/// Weight of |x|^2 / X in the arms that have one, in units of squared radians: a guess.
const PRIOR_WEIGHT: f64 = 0.1;

const ARMS: [Arm; 5] = [
    Arm { name: "x-descent", ground: Ground::Identity, prior_weight: 0.0 },
    Arm { name: "x-descent + prior", ground: Ground::Identity, prior_weight: PRIOR_WEIGHT },
    Arm { name: "random theta", ground: Ground::Random, prior_weight: 0.0 },
    Arm { name: "trained theta", ground: Ground::Trained, prior_weight: 0.0 },
    Arm { name: "trained theta + prior", ground: Ground::Trained, prior_weight: PRIOR_WEIGHT },
];

/// Runs every arm on the same poses, masks and seeds, and prints the table.
#[expect(clippy::print_stdout, reason = "the result of the command")]
pub(crate) fn run(arguments: &MeasureArguments) -> anyhow::Result<()> {
    pin_threads(1);
    let dataset = Dataset::load(&arguments.data)?;
    let poses = |split| sample(&dataset.poses(split), arguments);
    let validation = poses(Split::Validation);
    let held_out = [Split::Test, Split::OutOfDistribution].map(|split| (format!("{split:?}"), poses(split)));
    let mut rows = Vec::new();
    println!(
        "| poses | hidden | arm | rate | steps | loss | visible, deg | hidden, deg |\n|---|---|---|---|---|---|---|---|"
    );
    for hidden in ["", "arms", "legs"] {
        for arm in ARMS {
            let rate = tuned(arguments, arm, &Case { vectors: &validation, hidden })?;
            for (split, vectors) in &held_out {
                rows.extend(descend(arguments, arm, rate, &Case { vectors, hidden }, (split, LAST))?);
                rows.iter().rev().take(STEPS.len()).rev().for_each(|row| println!("{}", line(row)));
            }
        }
    }
    if let Some(path) = &arguments.json {
        thalweg_task::weights::write_atomically(path, serde_json::to_string_pretty(&rows)?.as_bytes())?;
    }
    Ok(())
}

fn line(row: &Row) -> String {
    let Row { split, hidden, arm, rate, steps, loss, visible_deg, hidden_deg } = row;
    let hidden = if hidden.is_empty() { "nothing" } else { hidden };
    let angle = |deg: &f64| if deg.is_nan() { "-".to_owned() } else { format!("{deg:.1}") };
    format!(
        "| {split} | {hidden} | {arm} | {rate} | {steps} | {loss:.3} | {} | {} |",
        angle(visible_deg),
        angle(hidden_deg)
    )
}

/// Draws poses without repetition; rotation vectors `[N, 63]`, radians.
fn sample(poses: &[f32], arguments: &MeasureArguments) -> Tensor {
    let all = Tensor::from_slice(poses).view([-1, 63]);
    let count = all.size()[0] as usize;
    let mut random = StdRng::seed_from_u64(arguments.seed);
    let picked = index::sample(&mut random, count, arguments.poses.min(count));
    let picked: Vec<i64> = picked.into_iter().map(|row| row as i64).collect();
    all.index_select(0, &Tensor::from_slice(&picked))
}

/// Chooses the learning rate with the least loss on validation poses.
fn tuned(arguments: &MeasureArguments, arm: Arm, case: &Case<'_>) -> anyhow::Result<f64> {
    let mut best = (f64::INFINITY, RATES[0]);
    for rate in RATES {
        let rows = descend(arguments, arm, rate, case, ("Validation", TUNED_AT))?;
        let loss = rows.last().map_or(f64::INFINITY, |row| row.loss);
        best = if loss < best.0 { (loss, rate) } else { best };
    }
    Ok(best.1)
}

fn descend(
    arguments: &MeasureArguments,
    arm: Arm,
    rate: f64,
    case: &Case<'_>,
    (split, last): (&str, u32),
) -> anyhow::Result<Vec<Row>> {
    let mut engine = engine(arguments, arm, rate, case.vectors.size()[0] as usize)?;
    let truth = matrix_from_axis_angle(&case.vectors.view([-1, 21, 3]).to_kind(Kind::Double));
    let flat = Vec::<f32>::try_from(case.vectors.contiguous().view(-1))?;
    let complete = Observation::of_joints(&thalweg_body_pose::joint_angles(&flat));
    let visibility = visibility(case.hidden)?;
    let mut obs = complete.shallow_clone();
    obs.joints = complete.joints.as_ref().map(|joints| joints.hide(&visibility.mask()));
    engine.begin(&obs)?;
    let mut rows = Vec::new();
    for step in 0..=last {
        if step > 0 {
            engine.refine()?;
        }
        if STEPS.contains(&step) {
            let Some(solution) = engine.solution() else { continue };
            let rotations = solution.y_hat.to_kind(Kind::Double);
            let mean = |joints| mean_angle_deg(&rotations, &truth, joints).mean(Kind::Double).double_value(&[]);
            rows.push(Row {
                split: split.to_owned(),
                hidden: case.hidden,
                arm: arm.name,
                rate,
                steps: step,
                loss: solution.loss.iter().sum::<f64>() / solution.loss.len() as f64,
                visible_deg: mean(visibility.visible()),
                hidden_deg: mean(visibility.hidden()),
            });
        }
    }
    Ok(rows)
}

fn engine(arguments: &MeasureArguments, arm: Arm, rate: f64, rows: usize) -> anyhow::Result<Engine> {
    let options = LoadOptions { models: arguments.models.clone(), ..LoadOptions::default() };
    let task = (thalweg_body_pose::ENTRY.load)(&options)?;
    let landscape = landscape(arm, &arguments.landscape, task.as_ref())?;
    let config = EngineConfig {
        hypotheses: rows,
        optimizer: Optimizer::Adam(AdamConfig { rate, ..AdamConfig::default() }),
        warm_start: false,
        fresh: 0,
        prior_weight: arm.prior_weight,
        seed: arguments.seed,
        ..EngineConfig::default()
    };
    Ok(Engine::new(task, landscape, config)?)
}

fn landscape(arm: Arm, trained: &Path, task: &dyn Task) -> anyhow::Result<Landscape> {
    let latent = task.spec().latent;
    Ok(match arm.ground {
        Ground::Identity => Landscape::identity(latent),
        Ground::Random => Landscape::random(&LandscapeShape::for_latent(latent), 1, Kind::Float, Device::Cpu)?,
        Ground::Trained => Landscape::trained(trained, task.spec())?,
    })
}

/// Hides a group of joints, or none.
fn visibility(hidden: &str) -> anyhow::Result<Visibility> {
    if hidden.is_empty() {
        return Ok(Visibility::hiding(&[]));
    }
    let joints = skeleton::group(hidden).with_context(|| format!("no group of joints named {hidden}"))?;
    Ok(Visibility::hiding(&joints))
}
