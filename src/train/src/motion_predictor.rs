//! Trains the network that tells where silent joints are.

use std::path::PathBuf;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rand_distr::StandardNormal;
use serde::Serialize;
use tch::{Device, Kind, Tensor};
use thalweg::motion::Motion;
use thalweg_engine::landscape::SLOPE;
use thalweg_engine::time::{Gaps, LONGEST_GAP, MotionModel, MotionPredictor, Usual, angles, displacement};
use thalweg_nn::weights::{Weights, fingerprint};
use thalweg_nn::{AdamW, AdamWConfig, Checkpoint, CosineRate, Learner, Perceptron, Ranks, State, Training, initial};
use thalweg_task::TaskSpec;

use crate::error::TrainError;
use crate::motion_model::{LEARNING, Track, tracks};
use crate::{MaskOptions, Masks};

/// Steps over which the rate rises.
const WARM_UP: u32 = 200;
/// Share of gaps in which some joints had been silent before, whether they are seen now or not.
const UNKNOWN: f64 = 0.25;
/// Longest gap within a motion, seconds: clips of motion capture have few longer ones.
const LONGEST_WITHIN: f64 = 10.0;
/// Share of gaps that lead from one motion into another, and the shortest of them, seconds. A clip shows one activity; who is
/// seen again after some time may have turned to another one.
const ACROSS: f64 = 0.15;
const SHORTEST_ACROSS: f64 = 3.0;
/// Share of gaps with noisy readings, and the most of it, in deviations of each joint's positions.
const NOISY: f64 = 0.5;
const MOST_NOISE: f64 = 0.1;
/// An average of velocities over [`thalweg_engine::time::VELOCITY_SMOOTHING`] has so many times the noise of the readings
/// that it is made of, per second, at 30 to 100 Hz.
const NOISE_OF_VELOCITY: f64 = 35.0;
/// Errors below so many usual changes count by their square (Huber, 1964), the others by their size.
const SMALL: f64 = 0.2;
/// Weight of the variance's likelihood beside the error.
const VARIANCE_WEIGHT: f64 = 0.05;
/// A squared error counts as no more than so many usual squared changes, so that few gaps do not decide the variance.
const MOST_SQUARE: f64 = 30.0;
/// Least deviation of a joint, radians or metres: one that hardly moves must not be magnified.
const LEAST_SPREAD: f64 = 0.05;
/// Gaps in a validation.
const VALIDATION_GAPS: usize = 4096;

/// What a training of a motion predictor is told.
#[derive(Clone, Debug, Serialize)]
pub struct PredictorOptions {
    /// Width of the two hidden layers.
    pub hidden: i64,
    /// Gradient steps.
    pub steps: i32,
    /// Gaps in a step.
    pub batch: usize,
    /// Learning rate at the start; it falls to 1 % along a cosine.
    pub rate: f64,
    /// Weight decay of AdamW.
    pub weight_decay: f64,
    /// Which joints fall silent together.
    pub masks: MaskOptions,
    /// Seed of everything random.
    pub seed: u64,
    /// Steps between two validations (and checkpoints).
    pub validate_every: i32,
    /// Where to keep the state that a resumed training starts from; none is kept without.
    #[serde(skip)]
    pub checkpoint: Option<PathBuf>,
}

impl Default for PredictorOptions {
    fn default() -> Self {
        Self {
            hidden: 512,
            steps: 8000,
            batch: 512,
            rate: 1e-3,
            weight_decay: 0.05,
            masks: MaskOptions { whole: 0.0, limbs: 0.6, joints: 0.35, end_effectors: 0.05 },
            seed: 1,
            validate_every: 250,
            checkpoint: None,
        }
    }
}

/// Where a training stands.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct PredictorProgress {
    /// Steps done.
    pub step: i32,
    /// What was minimised in the last one: the error in usual changes, and what the variance adds.
    pub update: f64,
    /// Mean error of a silent joint in held-out gaps, radians or metres.
    pub error: f64,
    /// The same, of going on at the last velocity, which decays.
    pub velocity: f64,
}

/// Trains a network beside a model that was fitted to the same motion, and returns the model with it.
///
/// Gaps of up to 10 s, evenly by their logarithm, are drawn from the motion, and of up to a minute between one motion and
/// another; joints fall silent as the masks say. Without held-out motion it is judged on the training's. With a checkpoint
/// in place, training goes on from there and ends with the same bits as if it had never stopped.
///
/// # Errors
/// [`TrainError::TooLittleMotion`] where no motion is long enough for a gap, or as [`Training::run`].
pub fn train_motion_predictor(
    options: &PredictorOptions,
    model: MotionModel,
    (training, held_out): (&[Motion], &[Motion]),
    spec: &TaskSpec,
    report: &mut dyn FnMut(&PredictorProgress) -> bool,
) -> Result<MotionModel, TrainError> {
    let training = Pool::new(training, spec)?;
    let held_out = if held_out.is_empty() { None } else { Some(Pool::new(held_out, spec)?) };
    let checkpoint = options.checkpoint.as_ref();
    let rounds = Training {
        seed: options.seed,
        report_every: options.validate_every.unsigned_abs().into(),
        checkpoint: checkpoint.map(|path| Checkpoint::new(path, binding(options, &model, spec, &training))),
        ranks: Ranks::alone(),
    };
    let mut learner = PredictorLearner::untrained(options, &model, (&training, held_out.as_ref()), spec)?;
    rounds.resume(&mut learner)?;
    rounds.run(&mut learner, report)?;
    let predictor = learner.predictor(&learner.optimizer.averaged())?;
    Ok(model.with_predictor(predictor))
}

fn binding(
    options: &PredictorOptions,
    model: &MotionModel,
    spec: &TaskSpec,
    training: &Pool,
) -> Vec<(&'static str, String)> {
    vec![
        ("format", "thalweg-checkpoint".to_owned()),
        ("what", "motion predictor".to_owned()),
        ("task", spec.name.clone()),
        ("model", model.id().to_owned()),
        ("options", serde_json::to_value(options).unwrap_or_default().to_string()),
        ("data", fingerprint(&[("positions".to_owned(), training.positions.shallow_clone())])),
    ]
}

/// Motion that gaps are drawn from.
#[derive(Debug)]
struct Pool {
    /// All frames, one motion after the other, `[N, J]`; single precision.
    positions: Tensor,
    velocities: Tensor,
    usual: Usual,
    /// For each frame that a gap may begin with: its place, how many frames follow it, and the rate, a second.
    begins: Vec<(i64, i64, f64)>,
}

/// Gaps, and where the joints really are.
struct Drawn {
    gaps: Gaps,
    /// `[B, J]`.
    truth: Tensor,
    /// What is asked for: joints that were known and are silent, `[B, J]`.
    asked: Tensor,
    /// Where velocity alone leads, and the usual change, `[B, J]`.
    on: Tensor,
    usual: Tensor,
}

impl Pool {
    fn new(motions: &[Motion], spec: &TaskSpec) -> Result<Self, TrainError> {
        let is_angle = angles(spec);
        let tracks = tracks(motions, &is_angle);
        let (mut begins, mut first) = (Vec::new(), 0);
        for track in &tracks {
            let frames = track.positions.size()[0];
            begins.extend((LEARNING..frames - 1).map(|at| (first + at, frames - 1 - at, track.fps)));
            first += frames;
        }
        if begins.is_empty() {
            return Err(TrainError::TooLittleMotion { times: 0, expected: 1 });
        }
        let all =
            |of: fn(&Track) -> &Tensor| Tensor::cat(&tracks.iter().map(of).collect::<Vec<_>>(), 0).to_kind(Kind::Float);
        let (positions, velocities) = (all(|track| &track.positions), all(|track| &track.velocities));
        let deviation = |of: &Tensor| of.std_dim(0, true, false) + LEAST_SPREAD;
        let (spread, speed) = (deviation(&positions), deviation(&velocities));
        let usual = Usual { mean: positions.mean_dim(0, false, Kind::Float), spread, speed };
        Ok(Self { positions, velocities, usual, begins })
    }

    /// Draws `count` gaps with joints hidden.
    fn draw(
        &self,
        count: usize,
        (model, masks, spread): (&MotionModel, &Masks, &Tensor),
        random: &mut StdRng,
    ) -> Drawn {
        let (mut from, mut to, mut seconds) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..count {
            let (begin, end, lasting) = self.draw_gap(random);
            from.push(begin);
            to.push(end);
            seconds.push(lasting);
        }
        let joints = self.positions.size()[1];
        let (known, seen, noise) = Self::draw_masks(count, masks, random);
        let mask = |flags: &[bool]| Tensor::from_slice(flags).view([-1, joints]);
        let (known, seen) = (mask(&known), mask(&seen));
        let noise = Tensor::from_slice(&noise).view([-1, 1]) * spread;
        let at = |of: &Tensor, rows: &[i64]| of.index_select(0, &Tensor::from_slice(rows));
        let mut noisy = |of: &Tensor| {
            let drawn: Vec<f32> = (0..of.numel()).map(|_| random.sample(StandardNormal)).collect();
            of + Tensor::from_slice(&drawn).view_as(of) * &noise
        };
        let (then, truth) = (at(&self.positions, &from), at(&self.positions, &to));
        let velocities = [at(&self.velocities, &from), at(&self.velocities, &to)];
        let [velocity_then, velocity_now] = velocities.map(|velocity| believed(&velocity, &noise, &mut noisy));
        let nan = then.full_like(f64::NAN);
        let (then, now) = (noisy(&then), noisy(&truth));
        let ways: Vec<f32> = seconds.iter().map(|seconds| displacement(1.0, *seconds) as f32).collect();
        let on = &then + &velocity_then * Tensor::from_slice(&ways).view([-1, 1]);
        let usual: Vec<f32> = seconds
            .iter()
            .flat_map(|seconds| (0..joints as usize).map(|joint| model.variance(joint, *seconds).sqrt() as f32))
            .collect();
        let gaps = Gaps {
            then: then.where_self(&known, &nan),
            velocity_then,
            now: now.where_self(&seen, &nan),
            velocity_now,
            seconds: Tensor::from_slice(&seconds).view([-1, 1]).to_kind(Kind::Float),
        };
        let asked = known.logical_and(&seen.logical_not());
        Drawn { gaps, truth, asked, on, usual: Tensor::from_slice(&usual).view([-1, joints]) }
    }

    /// Draws first and last frame of a gap, and how many seconds it lasts.
    fn draw_gap(&self, random: &mut StdRng) -> (i64, i64, f64) {
        let any = |random: &mut StdRng| self.begins[random.random_range(0..self.begins.len())];
        let (begin, following, fps) = any(random);
        let share: f64 = random.random();
        if random.random_bool(ACROSS) {
            return (begin, any(random).0, SHORTEST_ACROSS * (LONGEST_GAP / SHORTEST_ACROSS).powf(share));
        }
        let most = (following as f64).min(LONGEST_WITHIN * fps).max(1.0);
        let frames = most.powf(share).round().clamp(1.0, following as f64);
        (begin, begin + frames as i64, frames / fps)
    }

    /// Which joints were known and which are seen, row by row, and the noise of each row in deviations of positions.
    fn draw_masks(count: usize, masks: &Masks, random: &mut StdRng) -> (Vec<bool>, Vec<bool>, Vec<f32>) {
        let (mut known, mut seen, mut noise) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..count {
            let now = masks.draw(random).joints;
            let is_partial = random.random_bool(UNKNOWN);
            let then = masks.draw(random).joints;
            known.extend(then.iter().map(|known| *known || !is_partial));
            seen.extend(now);
            let drawn = random.random_range(0.0..MOST_NOISE) as f32;
            noise.push(if random.random_bool(NOISY) { drawn } else { 0.0 });
        }
        (known, seen, noise)
    }
}

/// Velocities as a stream knows them, in proportion to how much of them is no noise.
fn believed(velocity: &Tensor, noise: &Tensor, noisy: &mut impl FnMut(&Tensor) -> Tensor) -> Tensor {
    let added = noisy(&velocity.zeros_like()) * NOISE_OF_VELOCITY;
    let velocity = velocity + added;
    let square = velocity.square();
    &velocity * &square / (&square + (noise * NOISE_OF_VELOCITY).square() + f64::from(f32::MIN_POSITIVE))
}

/// A network that learns, a step in each round.
struct PredictorLearner<'a> {
    options: &'a PredictorOptions,
    model: &'a MotionModel,
    training: &'a Pool,
    held_out: Option<&'a Pool>,
    masks: Masks,
    is_angle: Vec<bool>,
    network: MotionPredictor,
    optimizer: AdamW,
}

impl<'a> PredictorLearner<'a> {
    fn untrained(
        options: &'a PredictorOptions,
        model: &'a MotionModel,
        (training, held_out): (&'a Pool, Option<&'a Pool>),
        spec: &TaskSpec,
    ) -> Result<Self, TrainError> {
        let (joints, mut random) = (spec.joints.len() as i64, StdRng::seed_from_u64(options.seed));
        let widths =
            [MotionPredictor::inputs(joints), options.hidden, options.hidden, MotionPredictor::outputs(joints)];
        let drawn = initial::linear(&widths, &mut random, (Kind::Float, Device::Cpu));
        let config = AdamWConfig { weight_decay: options.weight_decay, ..AdamWConfig::default() };
        let optimizer = AdamW::new(initial::leaves(drawn), config);
        let is_angle = angles(spec);
        let network = Perceptron::from_parameters(optimizer.parameters(), SLOPE)?;
        let network = MotionPredictor::new(network, training.usual.clone(), &is_angle)?;
        let masks = Masks::new(&options.masks, spec);
        Ok(Self { options, model, training, held_out, masks, is_angle, network, optimizer })
    }

    fn predictor(&self, parameters: &[Tensor]) -> Result<MotionPredictor, TrainError> {
        let network = Perceptron::from_parameters(parameters, SLOPE)?;
        Ok(MotionPredictor::new(network, self.training.usual.clone(), &self.is_angle)?)
    }
}

/// How far predictions lie from the truth, over the usual change, `[B, J]`, and the logarithm of their variance.
fn misses(network: &MotionPredictor, drawn: &Drawn) -> (Tensor, Tensor) {
    let (way, log_variance) = network.forward(&network.features(&drawn.gaps));
    let usual = drawn.usual.clamp_min(1e-6);
    (way - network.turned(&(&drawn.truth - &drawn.on)) / usual, log_variance)
}

/// Mean over what is asked for.
fn mean_asked(values: &Tensor, asked: &Tensor) -> Tensor {
    let asked = asked.to_kind(Kind::Float);
    (values * &asked).sum(Kind::Float) / asked.sum(Kind::Float).clamp_min(1.0)
}

impl Learner for PredictorLearner<'_> {
    type Progress = PredictorProgress;
    type Error = TrainError;

    fn place(&self) -> (Kind, Device) {
        (Kind::Float, Device::Cpu)
    }

    fn rounds(&self) -> u64 {
        self.optimizer.steps() as u64
    }

    fn is_over(&self) -> bool {
        self.optimizer.steps() >= self.options.steps
    }

    /// Descends once on gaps drawn anew: by the size of the error, each joint beside how far all of them usually go.
    fn round(&mut self, random: &mut StdRng) -> Result<f64, TrainError> {
        let kinds = (self.model, &self.masks, &self.training.usual.spread);
        let drawn = self.training.draw(self.options.batch, kinds, random);
        let (misses, log_variance) = misses(&self.network, &drawn);
        let share = &drawn.usual / drawn.usual.mean_dim(1, true, Kind::Float).clamp_min(1e-6);
        let error = (&misses * share).abs();
        let huber = (error.square() / (2.0 * SMALL) + SMALL / 2.0).where_self(&error.lt(SMALL), &error);
        let square = misses.detach().square().clamp_max(MOST_SQUARE);
        let likelihood = (&log_variance + square * (-&log_variance).exp()) * 0.5;
        let loss = mean_asked(&huber, &drawn.asked) + mean_asked(&likelihood, &drawn.asked) * VARIANCE_WEIGHT;
        let steps = u64::try_from(self.options.steps).unwrap_or_default();
        let rate = CosineRate { peak: self.options.rate, end: 0.01, warm_up: WARM_UP, steps }.at(self.rounds());
        self.optimizer.descend(&loss, rate);
        Ok(loss.double_value(&[]))
    }

    /// Judges the averaged weights on gaps that are always the same.
    fn judge(&mut self, update: f64) -> Result<PredictorProgress, TrainError> {
        let _no_grad = tch::no_grad_guard();
        let averaged = self.predictor(&self.optimizer.averaged())?;
        let mut random = StdRng::seed_from_u64(self.options.seed);
        let pool = self.held_out.unwrap_or(self.training);
        let kinds = (self.model, &self.masks, &self.training.usual.spread);
        let drawn = pool.draw(VALIDATION_GAPS, kinds, &mut random);
        let (misses, _) = misses(&averaged, &drawn);
        let error = |of: &Tensor| mean_asked(&of.abs(), &drawn.asked).double_value(&[]);
        let velocity = averaged.turned(&(&drawn.truth - &drawn.on));
        let step = self.optimizer.steps();
        Ok(PredictorProgress { step, update, error: error(&(misses * &drawn.usual)), velocity: error(&velocity) })
    }

    fn diverged(&self, loss: f64) -> TrainError {
        TrainError::NotFinite { buffer: self.optimizer.steps() as u32, loss, rate: self.options.rate }
    }

    fn state(&self) -> State {
        State {
            tensors: self.optimizer.named("optimizer"),
            metadata: vec![("updates", self.optimizer.steps().to_string())],
        }
    }

    fn restore(&mut self, file: &Weights) -> Result<(), TrainError> {
        Ok(self.optimizer.restore(file, "optimizer", file.meta("updates")?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::motion_model::fit_motion_model;
    use crate::motion_model::tests::spec;

    /// Two joints of which the second does what the first did, and a third one for itself.
    fn motion(phase: f64) -> Motion {
        let frame = |frame: i32| {
            let t = f64::from(frame) / 30.0 + phase;
            let one = (1.3 * t).sin() + 0.4 * (3.1 * t + phase).sin();
            [one, 0.8 * one, 0.5 * (0.7 * t).cos()]
        };
        let values: Vec<f64> = (0..900).flat_map(frame).collect();
        Motion { joints: Tensor::from_slice(&values).view([-1, 3]), fps: 30.0 }
    }

    fn options() -> PredictorOptions {
        PredictorOptions { hidden: 32, steps: 100, batch: 64, validate_every: 50, ..PredictorOptions::default() }
    }

    #[test]
    fn a_joint_that_moves_along_is_found_where_velocity_loses_it() {
        let training = [motion(0.0), motion(1.7)];
        let model = fit_motion_model(&training, &spec()).expect("a minute of motion").model;
        let mut last = None;
        let report = &mut |progress: &PredictorProgress| {
            last = Some(*progress);
            true
        };
        let options = PredictorOptions { steps: 1000, rate: 3e-3, ..options() };
        let trained = train_motion_predictor(&options, model, (&training, &[motion(0.6)]), &spec(), report);
        let last = last.expect("reports");
        assert!(trained.expect("it trains").predictor().is_some());
        assert!(last.step == 1000 && last.error < 0.8 * last.velocity, "{last:?}");
    }

    #[test]
    fn a_training_that_was_stopped_ends_with_the_same_bits() {
        let (training, folder) = ([motion(0.0)], tempfile::tempdir().expect("a folder"));
        let checkpoint = Some(folder.path().join("motion.checkpoint"));
        let options = PredictorOptions { checkpoint, ..options() };
        let train = |options: &PredictorOptions, stop: i32| {
            let model = fit_motion_model(&training, &spec()).expect("motion").model;
            let go_on = &mut |progress: &PredictorProgress| progress.step < stop;
            train_motion_predictor(options, model, (&training, &[]), &spec(), go_on).expect("it trains").id().to_owned()
        };
        let whole = train(&PredictorOptions { checkpoint: None, ..options.clone() }, 1000);
        assert_ne!(train(&options, 50), whole);
        assert_eq!(train(&options, 1000), whole);
    }

    #[test]
    fn motion_too_short_for_a_gap_is_told() {
        let model = fit_motion_model(&[motion(0.0)], &spec()).expect("motion").model;
        let short = Motion { joints: motion(0.0).joints.narrow(0, 0, 3), fps: 30.0 };
        let error = train_motion_predictor(&options(), model, (&[short], &[]), &spec(), &mut |_| true);
        assert!(matches!(error, Err(TrainError::TooLittleMotion { .. })), "{error:?}");
    }
}
