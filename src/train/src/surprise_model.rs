//! Fits how joints usually fit each other, and how far from that is unheard of, on motion that was held out in turn.

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use tch::{Kind, Tensor};
use thalweg::motion::Motion;
use thalweg_engine::time::{Poses, SurpriseModel, Watch, angles, turned};
use thalweg_task::{TaskSpec, numbers};

use crate::error::TrainError;

/// Parts that are held out in turn.
const FOLDS: usize = 6;
/// Longest piece of a clip that is kept together, seconds.
const PIECE: f64 = 30.0;
/// Seconds of different motion in a stream, which is repeated: robots repeat themselves, and the less a motion varies the
/// farther the mean misfit of an honest joint is from zero. Seconds of a stream, and how many are drawn.
const VARIETY: f64 = 40.0;
const LENGTH: f64 = 240.0;
const STREAMS: usize = 40;
/// Streams of which the mean liveliness is taken.
const CENTRED: usize = 8;
/// Seconds of a stream before it counts: averages begin at nothing.
const BEGINNING: f64 = 30.0;
/// A range from which on a joint turns without end, radians: a whole turn, but for rounding in the URDF.
const WHOLE_TURN: f64 = std::f64::consts::TAU - 0.005;
/// Fewest seconds of motion that tell what is unheard of.
const LEAST: f64 = 60.0;
/// Seconds within which only the greatest value counts.
const BLOCK: f64 = 10.0;
/// Share of the blocks that tell how fast the tail falls.
const TAIL: f64 = 0.02;
/// Fewest blocks that do.
const LEAST_TAIL: usize = 20;
/// Slowest frames that tell velocities, a second.
const LEAST_FPS: f64 = 8.0;
/// False alarms an hour that each of the three signs may give, for all joints together.
const ALARMS: f64 = 1.0 / 3.0;
/// Least limits of misfit, liveliness and stillness: where recordings hardly vary, what is unheard of in them is no lie. Those
/// of the G1 are 0.6 and more, and 2.7 and more. Guesses.
const LEAST_LIMITS: [f64; 3] = [0.3, 0.7, 0.7];
/// Limit of what is never told.
const MOST_LIMIT: f64 = 1e9;
const SEED: u64 = 0x5375_7270;

/// Values of one stream in blocks, `[B][J]`: the greatest of each block.
type Blocks = Vec<Vec<f64>>;

/// What the fit saw.
#[derive(Clone, Debug)]
pub struct SurpriseFit {
    /// The model.
    pub model: SurpriseModel,
    /// Minutes of motion.
    pub minutes: f64,
    /// Hours of streams that were drawn from it.
    pub hours: f64,
    /// What simpler checks exceed as rarely, in the same streams.
    pub rivals: RivalLimits,
}

/// What simpler checks exceed once an hour, on motion held out in turn.
#[derive(Clone, Debug)]
pub struct RivalLimits {
    /// How far beyond the range seen each joint is, `[J]`, radians or metres.
    pub beyond: Vec<f64>,
    /// The squared Mahalanobis distance of a frame by the number of joints.
    pub frame: f64,
    /// Its mean over the last [`RivalLimits::POSES`] frames.
    pub mean: f64,
}

impl RivalLimits {
    /// Frames of a mean: three hundred, as poses in the mean misfit.
    pub const POSES: f64 = 300.0;
}

/// A piece of a clip: which part it belongs to, and its frames.
#[derive(Clone, Debug)]
struct Piece {
    fold: usize,
    seconds: f64,
    fps: f64,
    frames: Vec<Vec<f64>>,
}

/// Fits the model to clips; those of one list belong together, as a motion and its mirror image do, and are held out at
/// the same time.
///
/// Distributions of poses are fitted to five sixths of the clips in turn, and the others watched by them, in streams of
/// 40 s of drawn clips that are repeated for four minutes: so a limit is set by motion that the distribution has not seen
/// and that repeats. One false alarm an hour is rarer than the motion is long: the tail is an exponential that is fitted
/// to the greatest 2 % of the maxima of ten seconds, of all joints in units of their own spread.
///
/// # Errors
/// [`TrainError::TooLittleMotion`] of less than a minute.
pub fn fit_surprise_model(clips: &[Vec<Motion>], spec: &TaskSpec) -> Result<SurpriseFit, TrainError> {
    let _no_grad = tch::no_grad_guard();
    let is_angle = angles(spec);
    let pieces = pieces(clips);
    let of_clips: Vec<&Piece> = pieces.iter().map(|(piece, _)| piece).collect();
    let seconds: f64 = pieces.iter().filter(|(_, is_first)| *is_first).map(|(piece, _)| piece.seconds).sum();
    if seconds < LEAST {
        return Err(TrainError::TooShort { seconds, expected: LEAST });
    }
    let speed = speeds(&of_clips, &is_angle);
    // Where a joint turns without end its mean says nothing.
    let turns = |joint: usize| is_angle[joint] && spec.joints[joint].upper - spec.joints[joint].lower > WHOLE_TURN;
    let judged: Vec<bool> = (0..is_angle.len()).map(|joint| speed[joint] > 0.0 && !turns(joint)).collect();
    let poses = |held_out: Option<usize>| {
        let rows = of_clips.iter().filter(|piece| Some(piece.fold) != held_out).flat_map(|piece| &piece.frames);
        let rows: Vec<f64> = rows.flatten().copied().collect();
        Poses::of(&Tensor::from_slice(&rows).view([-1, judged.len() as i64]), &judged)
    };
    let open = |centre: Vec<f64>| SurpriseModel {
        poses: Poses { mean: vec![0.0; judged.len()], covariance: vec![0.0; judged.len() * judged.len()] },
        speed: speed.clone(),
        centre,
        limits: vec![[1.0; 3]; judged.len()],
    };
    let nothing = open(vec![0.0; judged.len()]);
    let watch = Watch::new(nothing, spec).ok_or(TrainError::TooShort { seconds: 0.0, expected: LEAST })?;
    let fold =
        |held_out: usize| Fold { poses: poses(Some(held_out)), ranges: ranges(&of_clips, held_out, judged.len()) };
    let folds: Vec<Fold> = (0..FOLDS).map(fold).collect();
    let firsts: Vec<&Piece> = pieces.iter().filter(|(_, is_first)| *is_first).map(|(piece, _)| piece).collect();
    let centre = centres(&watch, &firsts, &folds);
    let (limits, rivals) = limits(&watch, &firsts, &folds, &centre);
    let model = SurpriseModel { poses: poses(None), limits, ..open(centre) };
    Ok(SurpriseFit { model, minutes: seconds / 60.0, hours: STREAMS as f64 * LENGTH / 3600.0, rivals })
}

/// What is known without a part of the motion.
struct Fold {
    poses: Poses,
    /// Least and greatest position of each joint.
    ranges: Vec<[f64; 2]>,
}

fn ranges(pieces: &[&Piece], held_out: usize, joints: usize) -> Vec<[f64; 2]> {
    let mut ranges = vec![[f64::MAX, f64::MIN]; joints];
    for frame in pieces.iter().filter(|piece| piece.fold != held_out).flat_map(|piece| &piece.frames) {
        for ([least, most], position) in ranges.iter_mut().zip(frame) {
            (*least, *most) = (least.min(*position), most.max(*position));
        }
    }
    ranges
}

/// The clips in pieces, and of each whether it is of the first of its list.
fn pieces(clips: &[Vec<Motion>]) -> Vec<(Piece, bool)> {
    let mut pieces = Vec::new();
    for (clip, motions) in clips.iter().enumerate() {
        for (version, motion) in motions.iter().enumerate().filter(|(_, motion)| motion.fps >= LEAST_FPS) {
            let width = motion.joints.size()[1].max(1) as usize;
            let values: Vec<f64> = numbers(&motion.joints.to_kind(Kind::Double));
            let rows: Vec<Vec<f64>> = values.chunks_exact(width).map(<[f64]>::to_vec).collect();
            let most = ((PIECE * motion.fps) as usize).max(2);
            let count = rows.len().div_ceil(most);
            for (number, frames) in rows.chunks(most).filter(|frames| frames.len() > 1).enumerate() {
                let place = if clips.len() >= FOLDS { clip } else { FOLDS * number / count };
                let piece = Piece {
                    fold: place % FOLDS,
                    seconds: frames.len() as f64 / motion.fps,
                    fps: motion.fps,
                    frames: frames.to_vec(),
                };
                pieces.push((piece, version == 0));
            }
        }
    }
    pieces
}

/// Root mean square of velocities, per second; zero of joints that never move.
fn speeds(pieces: &[&Piece], is_angle: &[bool]) -> Vec<f64> {
    let speed = |joint: usize| {
        let squares = pieces.iter().flat_map(|piece| {
            let ways =
                piece.frames.windows(2).map(move |pair| turned(pair[1][joint] - pair[0][joint], is_angle[joint]));
            ways.map(move |way| (way * piece.fps).powi(2))
        });
        let (count, sum) = squares.fold((0.0_f64, 0.0), |(count, sum), square| (count + 1.0, sum + square));
        (sum / count.max(1.0)).sqrt()
    };
    let speeds: Vec<f64> = (0..is_angle.len()).map(speed).collect();
    let typical = speeds.iter().copied().fold(0.0, f64::max);
    // What only trembles says nothing about the others.
    speeds.into_iter().map(|speed| if speed > 1e-3 * typical { speed } else { 0.0 }).collect()
}

/// Draws pieces of [`VARIETY`] and repeats them, each time in another order, for [`LENGTH`].
fn draw<'a>(pieces: &[&'a Piece], random: &mut StdRng) -> Vec<&'a Piece> {
    let mut order = pieces.to_vec();
    order.shuffle(random);
    let mut drawn = 0.0;
    let count = order.iter().position(|piece| {
        drawn += piece.seconds;
        drawn >= VARIETY
    });
    order.truncate(count.map_or(order.len(), |count| count + 1));
    let (mut stream, mut passed) = (Vec::new(), 0.0);
    while passed < LENGTH {
        order.shuffle(random);
        passed += order.iter().map(|piece| piece.seconds).sum::<f64>();
        stream.extend(order.iter().copied());
    }
    stream
}

/// Watches a stream; `each` hears of every frame after the beginning: the seconds it stands for, what is told, and how far
/// beyond the range of the other parts each joint is.
fn follow(watch: &Watch, stream: &[&Piece], folds: &[Fold], mut each: impl FnMut(f64, &Watch, &[f64])) {
    let mut watch = watch.clone();
    let (mut now, mut passed) = (1_000_000_000_i64, 0.0);
    for piece in stream {
        let Fold { poses, ranges } = &folds[piece.fold];
        watch.set_poses(poses.clone());
        watch.cut();
        for frame in &piece.frames {
            now += (1e9 / piece.fps) as i64;
            passed += 1.0 / piece.fps;
            watch.take(now, frame);
            if passed > BEGINNING && passed < LENGTH {
                let beyond = |(at, [least, most]): (&f64, &[f64; 2])| (least - at).max(at - most).max(0.0);
                each(1.0 / piece.fps, &watch, &frame.iter().zip(ranges).map(beyond).collect::<Vec<f64>>());
            }
        }
    }
}

/// How lively each joint is in the mean.
fn centres(watch: &Watch, pieces: &[&Piece], folds: &[Fold]) -> Vec<f64> {
    let mut random = StdRng::seed_from_u64(SEED + 1);
    let mut sums: Vec<[f64; 2]> = Vec::new();
    for _ in 0..CENTRED {
        follow(watch, &draw(pieces, &mut random), folds, |_, watch, beyond| {
            sums.resize(beyond.len(), [0.0; 2]);
            for (sum, told) in sums.iter_mut().zip(watch.told()).filter(|(_, told)| told.lively.is_finite()) {
                *sum = [sum[0] + told.lively, sum[1] + 1.0];
            }
        });
    }
    sums.into_iter().map(|[sum, count]| sum / count.max(1.0)).collect()
}

/// Limits of misfit, liveliness and stillness of each joint, and those of rivals.
fn limits(watch: &Watch, pieces: &[&Piece], folds: &[Fold], centre: &[f64]) -> (Vec<[f64; 3]>, RivalLimits) {
    let mut random = StdRng::seed_from_u64(SEED);
    let mut maxima: [Blocks; 6] = Default::default();
    for _ in 0..STREAMS {
        let mut values: [Vec<(f64, Vec<f64>)>; 6] = Default::default();
        let mut mean = 1.0;
        follow(watch, &draw(pieces, &mut random), folds, |seconds, watch, beyond| {
            let told = watch.told();
            let lively: Vec<f64> = told.iter().zip(centre).map(|(told, centre)| told.lively - centre).collect();
            mean += (watch.distance() - mean) / RivalLimits::POSES;
            values[0].push((seconds, told.iter().map(|told| told.misfit.abs()).collect()));
            values[2].push((seconds, lively.iter().map(|lively| -lively).collect()));
            values[1].push((seconds, lively));
            values[3].push((seconds, beyond.to_vec()));
            values[4].push((seconds, vec![watch.distance()]));
            values[5].push((seconds, vec![mean]));
        });
        values.into_iter().zip(&mut maxima).for_each(|(values, all)| all.extend(blocks(values.into_iter())));
    }
    let [misfit, more, less, beyond, frame, mean] = maxima;
    let [misfit, more, less] = [misfit, more, less].map(|blocks| exceeded(&blocks, ALARMS));
    let limit =
        |limits: &[f64], joint: usize| limits.get(joint).map_or(MOST_LIMIT, |limit: &f64| limit.min(MOST_LIMIT));
    let signs = [&misfit, &more, &less];
    let ours = |joint: usize| [0, 1, 2].map(|sign: usize| limit(signs[sign], joint).max(LEAST_LIMITS[sign]));
    let ours = (0..centre.len()).map(ours).collect();
    let [frame, mean] = [frame, mean].map(|blocks| limit(&exceeded(&blocks, 1.0), 0));
    (ours, RivalLimits { beyond: exceeded(&beyond, 1.0), frame, mean })
}

/// The greatest values of each ten seconds of a stream of values `[J]` and how many seconds each stands for.
fn blocks(stream: impl Iterator<Item = (f64, Vec<f64>)>) -> Blocks {
    let (mut blocks, mut open, mut passed) = (Blocks::new(), Vec::new(), 0.0);
    for (seconds, values) in stream {
        if open.is_empty() {
            open = vec![f64::NEG_INFINITY; values.len()];
        }
        open.iter_mut().zip(values).for_each(|(most, value)| *most = f64::max(*most, value));
        passed += seconds;
        if passed >= BLOCK {
            blocks.push(std::mem::take(&mut open));
            passed = 0.0;
        }
    }
    blocks
}

/// For each column, `[J]`, the value that is exceeded so often an hour by all columns together; infinite of one without
/// values.
///
/// Maxima of ten seconds in units of their column's spread, of all columns together, have an exponential tail beyond the
/// greatest 2 % of them.
fn exceeded(blocks: &[Vec<f64>], an_hour: f64) -> Vec<f64> {
    let columns = blocks.first().map_or(0, Vec::len);
    let moments: Vec<Option<(f64, f64)>> = (0..columns).map(|column| moments(blocks, column)).collect();
    let units = |block: &Vec<f64>| {
        let of = |(value, moments): (&f64, &Option<(f64, f64)>)| moments.map(|(mean, spread)| (value - mean) / spread);
        block.iter().zip(&moments).filter_map(of).filter(|unit| unit.is_finite()).collect::<Vec<f64>>()
    };
    let mut all: Vec<f64> = blocks.iter().flat_map(units).collect();
    all.sort_by(|a, b| b.total_cmp(a));
    let count = ((TAIL * all.len() as f64) as usize).clamp(LEAST_TAIL, all.len().max(LEAST_TAIL));
    let Some(&from) = all.get(count.min(all.len().saturating_sub(1))) else { return vec![f64::INFINITY; columns] };
    let scale = all[..count.min(all.len())].iter().map(|unit| unit - from).sum::<f64>() / count as f64;
    let hours = blocks.len() as f64 * BLOCK / 3600.0;
    let most = from + scale * (count as f64 / (hours * an_hour)).ln().max(0.0);
    moments.iter().map(|m| m.map_or(f64::INFINITY, |(mean, spread)| mean + most * spread)).collect()
}

/// Mean and standard deviation of a column.
fn moments(blocks: &[Vec<f64>], column: usize) -> Option<(f64, f64)> {
    let values: Vec<f64> = blocks.iter().map(|block| block[column]).filter(|value| value.is_finite()).collect();
    let mean = thalweg_task::mean(&values)?;
    let square = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64;
    Some((mean, square.sqrt().max(1e-9)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    #[test]
    fn what_is_exceeded_once_an_hour_is_found_beyond_what_was_seen() {
        // Of an exponential distribution, n values exceed ln(n) once.
        let mut random = StdRng::seed_from_u64(5);
        let mut draw = |scale: f64| -scale * random.random_range(f64::MIN_POSITIVE..1.0_f64).ln();
        let blocks: Blocks = (0..2000).map(|_| vec![draw(1.0), draw(5.0)]).collect();
        let limits = exceeded(&blocks, 0.1);
        // Two columns of 360 blocks an hour, ten hours.
        let expected = (7200.0_f64).ln();
        for (limit, scale) in limits.iter().zip([1.0, 5.0]) {
            assert!((limit / scale / expected - 1.0).abs() < 0.2, "{limits:?}, expected {expected}");
        }
        assert_eq!(exceeded(&[], 1.0), Vec::<f64>::new());
    }

    #[test]
    fn a_value_without_a_column_has_no_limit() {
        let blocks = vec![vec![1.0, f64::NEG_INFINITY], vec![2.0, f64::NEG_INFINITY]];
        let limits = exceeded(&blocks, 1.0);
        assert!(limits[0].is_finite() && limits[1].is_infinite(), "{limits:?}");
    }
}
