//! How soon a joint that lies is found on held-out motion, beside the simplest rivals.

use std::fmt::{self, Display, Write as _};
use std::path::Path;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use tch::Tensor;
use thalweg::Registry;
use thalweg_engine::time::Watch;
use thalweg_robot::Robot;
use thalweg_robot::mirror::Mirror;
use thalweg_task::numbers;
use thalweg_train::{RivalLimits, SurpriseFit};

use super::division::{Divided, Piece};
use super::left_out::LeftOut;
use super::training::load;

/// Seconds of honest motion before a joint lies, and seconds for which it does.
const HONEST: f64 = 45.0;
const LYING: f64 = 60.0;
/// Drawn streams for each joint and lie, and those of a quick look.
const STREAMS: [usize; 2] = [6, 1];
/// Streams of honest motion in which false alarms are counted, of four minutes and a half each.
const HONEST_STREAMS: usize = 12;
const HONEST_LENGTH: f64 = 270.0;
/// How far off a joint is, and how noisy, rad; of a joint that slides, that share of its spread over 20 degrees.
const OFFSET: f64 = 0.1745;
const NOISE: f64 = 0.0873;
/// Spread for which a joint that slides lies as much as one that turns, rad.
const TYPICAL: f64 = 0.35;
/// What a scaled joint says of its true position.
const SCALE: f64 = 1.5;
const SEED: u64 = 11;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lie {
    Frozen,
    Offset,
    Scaled,
    Mirrored,
    Noisy,
}

const LIES: [(Lie, &str); 5] = [
    (Lie::Frozen, "frozen"),
    (Lie::Offset, "offset by 10 degrees"),
    (Lie::Scaled, "scaled by 1.5"),
    (Lie::Mirrored, "swapped with its mirror joint"),
    (Lie::Noisy, "noise of 5 degrees"),
];

/// Methods in the order of the table.
const METHODS: [&str; 4] =
    ["thalweg", "range seen in training", "Mahalanobis distance of a frame", "of the last 300 frames"];
const COUNT: usize = METHODS.len();

/// How often and how soon one lie was found.
#[derive(Clone, Debug)]
struct Row {
    name: &'static str,
    trials: usize,
    /// Seconds until each of those found was found, by method.
    delays: [Vec<f64>; COUNT],
    /// Of those that ours found, how many were named first.
    named: usize,
}

/// How well lies are found; empty where nobody watches.
#[derive(Clone, Debug, Default)]
pub(super) struct Lies {
    rows: Vec<Row>,
    /// False alarms of each method in so many hours of honest motion.
    alarms: [usize; COUNT],
    hours: f64,
    /// Seconds of different motion in it.
    motion: f64,
    left_out: LeftOut,
}

/// A frame: its time, ns, and positions.
type Frame = (i64, Vec<f64>);

struct Bench<'a> {
    watch: Watch,
    rivals: &'a RivalLimits,
    /// Least and greatest position of each joint in training, and its spread.
    ranges: Vec<[f64; 3]>,
    /// Joints that are judged.
    judged: Vec<usize>,
    mirror: Option<Mirror>,
    robot: &'a Robot,
    pieces: Vec<&'a Piece>,
}

impl Lies {
    /// Judges the model in a folder on held-out motion; empty without a fit.
    pub(super) fn of(
        folder: &Path,
        registry: &Registry,
        robot: &Robot,
        fit: Option<&SurpriseFit>,
        divided: &Divided,
        quick: bool,
    ) -> anyhow::Result<Self> {
        let pieces: Vec<&Piece> = divided.test.iter().filter(|piece| piece.nanos.len() > 1).collect();
        let Some(fit) = fit.filter(|_| !pieces.is_empty()) else { return Ok(Self::default()) };
        let task = load(registry, folder)?;
        let Some(watch) = Watch::new(fit.model.clone(), task.spec()) else { return Ok(Self::default()) };
        let judged = |joint: &usize| fit.model.poses.variance(*joint) > 0.0;
        let bench = Bench {
            watch,
            rivals: &fit.rivals,
            ranges: ranges(&divided.training),
            judged: (0..fit.model.speed.len()).filter(judged).collect(),
            mirror: Mirror::of(robot),
            robot,
            pieces,
        };
        let left_out = LeftOut::of((folder, task.as_ref()), registry, &fit.model.poses, &bench.judged, divided)?;
        Ok(Self { left_out, ..bench.run(STREAMS[usize::from(quick)]) })
    }
}

/// Least and greatest position of each joint, and its standard deviation.
fn ranges(training: &Tensor) -> Vec<[f64; 3]> {
    let of = |joint: i64| {
        let values: Vec<f64> = numbers(&training.select(1, joint));
        let (least, most) = values.iter().fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(*v), b.max(*v)));
        let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
        let square = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len().max(1) as f64;
        [least, most, square.sqrt().max(1e-6)]
    };
    (0..training.size()[1]).map(of).collect()
}

/// For each joint `[J]`, which methods are alarmed; the distances are by all.
type Alarms = Vec<[bool; COUNT]>;

impl Bench<'_> {
    /// So many seconds of held-out motion, piece after piece in a drawn order, again and again; and where pieces begin.
    fn stream(&self, seconds: f64, random: &mut StdRng) -> (Vec<Frame>, Vec<usize>) {
        let (mut frames, mut begins, mut now) = (Vec::new(), Vec::new(), 1_000_000_000_i64);
        let end = now + (seconds * 1e9) as i64;
        let mut order = self.pieces.clone();
        while now < end {
            order.shuffle(random);
            for piece in &order {
                begins.push(frames.len());
                let rows: Vec<f64> = numbers(&piece.positions);
                let width = rows.len() / piece.nanos.len();
                for (place, row) in rows.chunks_exact(width).enumerate() {
                    let step = if place == 0 { 33_333_333 } else { piece.nanos[place] - piece.nanos[place - 1] };
                    now += step.max(1);
                    frames.push((now, row.to_vec()));
                }
            }
        }
        let most = frames.partition_point(|(stamp, _)| *stamp < end);
        frames.truncate(most);
        begins.retain(|begin| *begin < most);
        (frames, begins)
    }

    /// Shows a stream to all methods.
    fn show(&self, (frames, begins): &(Vec<Frame>, Vec<usize>), mut each: impl FnMut(i64, &Alarms, &Watch)) {
        let mut watch = self.watch.clone();
        let (mut mean, mut begins) = (1.0, begins.iter().copied().peekable());
        for (place, (stamp, positions)) in frames.iter().enumerate() {
            if begins.next_if_eq(&place).is_some() {
                watch.cut();
            }
            watch.take(*stamp, positions);
            mean += (watch.distance() - mean) / RivalLimits::POSES;
            let suspects = watch.suspects();
            let alarms = |joint: usize| {
                let ([least, most, _], at) = (self.ranges[joint], positions[joint]);
                let is_beyond = (least - at).max(at - most) > self.rivals.beyond[joint];
                let is_suspect = suspects.iter().any(|suspect| suspect.joint == joint);
                let is_judged = self.judged.contains(&joint);
                [is_suspect, is_beyond && is_judged, watch.distance() > self.rivals.frame, mean > self.rivals.mean]
            };
            each(*stamp, &(0..positions.len()).map(alarms).collect(), &watch);
        }
    }

    fn run(&self, streams: usize) -> Lies {
        let mut random = StdRng::seed_from_u64(SEED);
        let length = |piece: &&Piece| Some((piece.nanos.last()? - piece.nanos.first()?) as f64 / 1e9);
        let mut lies = Lies { motion: self.pieces.iter().filter_map(length).sum(), ..Lies::default() };
        self.honest(&mut random, &mut lies);
        for (lie, name) in LIES {
            let mut row = Row { name, trials: 0, delays: Default::default(), named: 0 };
            for &joint in &self.judged {
                (0..streams).for_each(|_| self.trial(lie, joint, &mut row, &mut random));
            }
            lies.rows.extend((row.trials > 0).then_some(row));
        }
        lies
    }

    /// Counts false alarms: times at which a method that was silent before is alarmed.
    fn honest(&self, random: &mut StdRng, lies: &mut Lies) {
        for _ in 0..HONEST_STREAMS {
            let mut before = [false; COUNT];
            self.show(&self.stream(HONEST_LENGTH, random), |_, alarms, _| {
                let now = [0, 1, 2, 3].map(|method: usize| alarms.iter().any(|alarms| alarms[method]));
                for (count, (now, before)) in lies.alarms.iter_mut().zip(now.into_iter().zip(before)) {
                    *count += usize::from(now && !before);
                }
                before = now;
            });
            lies.hours += HONEST_LENGTH / 3600.0;
        }
    }

    /// One joint lies.
    fn trial(&self, lie: Lie, joint: usize, row: &mut Row, random: &mut StdRng) {
        let (mut frames, begins) = self.stream(HONEST + LYING, random);
        let from = frames.partition_point(|(stamp, _)| (*stamp as f64 / 1e9) < HONEST + 1.0);
        let Some(start) = frames.get(from).map(|(stamp, _)| *stamp) else { return };
        if !self.lie(lie, joint, &mut frames, from, random) {
            return;
        }
        row.trials += 1;
        let mut found: [Option<f64>; COUNT] = [None; COUNT];
        self.show(&(frames, begins), |stamp, alarms, watch| {
            if stamp < start {
                return;
            }
            let is_first = watch.suspects().first().is_some_and(|suspect| suspect.joint == joint);
            row.named += usize::from(found[0].is_none() && alarms[joint][0] && is_first);
            for (found, alarm) in found.iter_mut().zip(alarms[joint]) {
                *found = found.or(alarm.then_some((stamp - start) as f64 / 1e9));
            }
        });
        found.iter().zip(&mut row.delays).for_each(|(found, delays)| delays.extend(found));
    }

    /// Falsifies a joint from a frame on; whether there is such a lie of it.
    fn lie(&self, lie: Lie, joint: usize, frames: &mut [Frame], from: usize, random: &mut StdRng) -> bool {
        let partner = self.mirror.as_ref().map_or(joint, |mirror| mirror.partner(joint));
        if lie == Lie::Mirrored && partner == joint {
            return false;
        }
        let is_angle = self.robot.joints[self.robot.moving()[joint]].motion.name() != "prismatic";
        let unit = if is_angle { 1.0 } else { self.ranges[joint][2] / TYPICAL };
        let sign = if random.random::<bool>() { unit } else { -unit };
        let stuck = frames[from].1[joint];
        for (_, positions) in &mut frames[from..] {
            let noise: f64 = StandardNormal.sample(random);
            match lie {
                Lie::Frozen => positions[joint] = stuck,
                Lie::Offset => positions[joint] += OFFSET * sign,
                Lie::Scaled => positions[joint] *= SCALE,
                Lie::Mirrored => positions.swap(joint, partner),
                Lie::Noisy => positions[joint] += NOISE * unit * noise,
            }
        }
        true
    }
}

/// A table in Markdown.
impl Display for Lies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rows.is_empty() {
            return Ok(());
        }
        write!(f, "{}", self.left_out)?;
        writeln!(
            f,
            "\nOne joint lies for {LYING} s after {HONEST} s of honest motion: how often it is found, and after how long \
             (median), with limits that motion held out in turn exceeds once an hour. Held-out motion of {:.0} s in drawn \
             orders; a Mahalanobis distance names no joint.\n",
            self.motion
        )?;
        writeln!(f, "| | {} | named first |\n|---|---|---|---|---|---|", METHODS.join(" | "))?;
        for row in &self.rows {
            let mut text = String::new();
            for delays in &row.delays {
                let mut sorted = delays.clone();
                sorted.sort_by(f64::total_cmp);
                let share = 100.0 * sorted.len() as f64 / row.trials as f64;
                write!(text, " {share:.0} %")?;
                if let Some(median) = sorted.get(sorted.len() / 2) {
                    write!(text, ", {median:.1} s")?;
                }
                text += " |";
            }
            let named = 100.0 * row.named as f64 / row.delays[0].len().max(1) as f64;
            writeln!(f, "| {} |{text} {named:.0} % |", row.name)?;
        }
        let alarms = self.alarms.map(|count| format!("{:.1}", count as f64 / self.hours.max(f64::MIN_POSITIVE)));
        writeln!(f, "| false alarms an hour | {} | |", alarms.join(" | "))
    }
}
