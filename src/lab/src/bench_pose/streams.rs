//! Streams: consecutive frames, warm starts, a fixed time for each frame.

use std::time::Duration;

use crate::eval::metrics::{PoseErrors, Visibility};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::index;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};
use thalweg::clock::SystemClock;
use thalweg_body_pose::skeleton::group;
use thalweg_engine::{Budget, Engine, EngineConfig};
use thalweg_task::{mean, percentile};

use super::arms::{Arm, together};
use super::cases::{Case, Poses, Span};
use super::descent::Setting;
use super::masks::TUNED;
use super::store::Store;
use super::tuning;
use super::world::{Loss, World};

/// Hypotheses of a stream: the node's default.
const HYPOTHESES: usize = 8;
/// Seed of the validation streams.
const SEED: u64 = 1_000;

/// One method on streams of one test set and mask; one value for each seed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Streamed {
    pub(super) arm: String,
    pub(super) test: String,
    pub(super) mask: String,
    pub(super) setting: Setting,
    pub(super) measures: Vec<Measures>,
}

/// Means over frames.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Measures {
    /// Hidden error of the best-ranked hypothesis, degrees.
    pub(super) ranked_deg: f64,
    /// Least hidden error of all hypotheses, degrees.
    pub(super) least_deg: f64,
    /// Error of the best-ranked hypothesis on what is seen, degrees.
    pub(super) visible_deg: f64,
    /// Steps of a frame.
    pub(super) steps: f64,
    /// 99th percentile of the time of a frame, milliseconds.
    pub(super) p99_ms: f64,
}

/// One method and what it did, frame by frame.
struct Player {
    engine: Engine,
    frames: Vec<Measures>,
}

fn arms(world: &World) -> Vec<&'static Arm> {
    world.arms(Arm::is_stream)
}

/// How many blocks there will be.
pub(super) fn count(world: &World) -> usize {
    1 + world.tests.len() * TUNED.len() * world.sizes.seeds as usize
}

/// Chooses on validation streams, then measures; all methods take turns on each frame.
///
/// `rows` keeps what there is, should it end early.
pub(super) fn measure(world: &World, store: &mut Store, rows: &mut Vec<Streamed>) -> anyhow::Result<()> {
    let together = together(arms(world));
    let chosen = store.once(&format!("tuning of streams/{together}"), || choose(world))?;
    let chosen: Vec<(&Arm, Setting)> = arms(world).into_iter().zip(chosen).collect();
    for test in &world.tests {
        for mask in TUNED {
            let seeds = world.sizes.all_seeds().map(|seed| {
                store.once(&format!("streams/{}/{mask}/seed {seed}/{together}", test.name), || {
                    let clips = pick(world, &test.spans, world.sizes.stream_clips, seed);
                    play(world, &chosen, &test.poses, &clips, mask, (world.sizes.stream_frames, seed))
                })
            });
            let seeds = seeds.collect::<anyhow::Result<Vec<_>>>()?;
            rows.extend(chosen.iter().enumerate().map(|(index, (arm, setting))| Streamed {
                arm: arm.key.to_owned(),
                test: test.name.to_owned(),
                mask: mask.to_owned(),
                setting: *setting,
                measures: seeds.iter().filter_map(|seed| seed.get(index).copied()).collect(),
            }));
        }
    }
    Ok(())
}

/// The setting of each method with the least ranked error, over the masks.
fn choose(world: &World) -> anyhow::Result<Vec<Setting>> {
    let candidates: Vec<(&Arm, Setting)> = arms(world)
        .into_iter()
        .flat_map(|arm| tuning::settings(world, arm).into_iter().map(move |one| (arm, one)))
        .collect();
    let mut scores = vec![0.0; candidates.len()];
    let clips = pick(world, &world.validation_spans, world.sizes.stream_clips.div_ceil(2), SEED);
    for mask in TUNED {
        let frames = (world.sizes.stream_frames / 3).max(2);
        let measured = play(world, &candidates, &world.validation, &clips, mask, (frames, SEED))?;
        scores.iter_mut().zip(&measured).for_each(|(score, one)| *score += one.ranked_deg);
    }
    let best = |arm: &'static Arm| {
        let own = candidates.iter().zip(&scores).filter(|((other, _), _)| other.key == arm.key);
        let best = own.min_by(|(_, a), (_, b)| a.total_cmp(b)).map(|((_, setting), _)| *setting);
        best.ok_or_else(|| anyhow::anyhow!("{}: there is no setting", arm.name))
    };
    arms(world).into_iter().map(best).collect()
}

/// Draws clips that are long enough; the longest when there are none.
fn pick(world: &World, spans: &[Span], count: usize, seed: u64) -> Vec<Span> {
    let wanted = world.sizes.stream_frames as f64 / world.sizes.stream_hz;
    let mut enough: Vec<Span> = spans.iter().filter(|span| span.seconds() >= wanted).copied().collect();
    if enough.is_empty() {
        enough.extend(spans.iter().max_by(|a, b| a.seconds().total_cmp(&b.seconds())).copied());
    }
    let picked = index::sample(&mut StdRng::seed_from_u64(seed), enough.len(), count.min(enough.len()));
    picked.into_iter().map(|place| enough[place]).collect()
}

/// Plays clips to all methods; means over all frames, in the order of the methods.
fn play(
    world: &World,
    arms: &[(&'static Arm, Setting)],
    poses: &Poses,
    clips: &[Span],
    mask: &str,
    (frames, seed): (usize, u64),
) -> anyhow::Result<Vec<Measures>> {
    let mut players = arms
        .iter()
        .map(|(arm, setting)| Player::new(world, arm, *setting, seed))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let visibility = Visibility::hiding(&group(mask).unwrap_or_default());
    for clip in clips {
        let case = Case::new(poses.stream(*clip, world.sizes.stream_hz, frames), mask, seed)?;
        let obs = case.observation();
        players.iter_mut().for_each(|player| player.engine.reset());
        for frame in 0..case.poses.count() {
            let row = obs.select_rows(&Tensor::from_slice(&[frame]));
            let truth = case.poses.rotations.narrow(0, frame, 1);
            let budget = Budget::of_deadline(Duration::from_secs_f64(world.sizes.stream_ms / 1e3));
            for player in &mut players {
                let clock = SystemClock::default();
                let solution = player.engine.solve(&row, &budget, &clock)?;
                let took = thalweg_engine::Clock::now(&clock).as_secs_f64() * 1e3;
                let rotations = solution.y_hat.to_kind(Kind::Double);
                let steps = f64::from(solution.statistics.steps);
                let errors = PoseErrors::measure(&world.body, &visibility, &rotations, &truth);
                player.frames.push(of_frame(&errors, steps, took));
            }
        }
    }
    Ok(players.iter().map(Player::measures).collect())
}

fn of_frame(errors: &PoseErrors, steps: f64, took: f64) -> Measures {
    Measures {
        ranked_deg: errors.hidden_deg[0],
        least_deg: errors.hidden_deg.iter().copied().fold(f64::INFINITY, f64::min),
        visible_deg: errors.visible_deg[0],
        steps,
        p99_ms: took,
    }
}

impl Player {
    fn new(world: &World, arm: &Arm, setting: Setting, seed: u64) -> anyhow::Result<Self> {
        let task = world.task(Loss::Rotation)?;
        let landscape = world.landscape(arm.ground, task.as_ref())?;
        let config = EngineConfig {
            hypotheses: HYPOTHESES,
            optimizer: arm.optimizer(setting.rate),
            seed,
            ..arm.pulled(setting.prior_weight)
        };
        let mut engine = Engine::new(task, landscape, config)?;
        world.equip(arm, &mut engine)?;
        Ok(Self { engine, frames: Vec::new() })
    }

    fn measures(&self) -> Measures {
        let all = |of: fn(&Measures) -> f64| self.frames.iter().map(of).collect::<Vec<_>>();
        let average = |of| mean(&all(of)).unwrap_or(f64::NAN);
        Measures {
            ranked_deg: average(|frame| frame.ranked_deg),
            least_deg: average(|frame| frame.least_deg),
            visible_deg: average(|frame| frame.visible_deg),
            steps: average(|frame| frame.steps),
            p99_ms: percentile(&all(|frame| frame.p99_ms), 0.99).unwrap_or(f64::NAN),
        }
    }
}
