//! People whose joints fall silent, anywhere before a depth camera.

use std::fmt::Write;
use std::fs;
use std::time::Duration;

use nalgebra::{Point3, Quaternion, UnitQuaternion, Vector3};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tch::{Kind, Tensor};
use thalweg::clock::SystemClock;
use thalweg::{Inverter, load};
use thalweg_body_pose::kinematics::{Rotations, forward};
use thalweg_body_pose::skeleton::{JOINTS, group};
use thalweg_body_pose::{BodyPose, joint_angles, limbs};
use thalweg_engine::{Answer, Budget, Engine};
use thalweg_task::{LoadOptions, Observation, Root, Task, TaskSpec, mean, numbers, percentile};

use super::camera::{Placed, see};
use super::players::{Method, processor_time};
use super::{CLIP, CloudArguments, RATE, WHOLE};
use crate::bench_trackers::scenes::{self, Clip, SIZES, Walk, poses};
use crate::eval::plain::{HYPOTHESES, plain_engine};

/// What falls silent.
struct Gap {
    name: &'static str,
    groups: &'static [&'static str],
    /// Whether joints are heard before.
    is_heard: bool,
}

const GAPS: [Gap; 4] = [
    Gap { name: "both arms", groups: &["arms"], is_heard: true },
    Gap { name: "both legs", groups: &["legs"], is_heard: true },
    Gap { name: "everything", groups: &[], is_heard: true },
    Gap { name: "everything, and nothing was heard before", groups: &[], is_heard: false },
];

/// A turn of the pelvis from which on a body counts as the wrong way round, degrees.
const ABOUT: f64 = 90.0;

/// A person before the camera.
struct Scene {
    truth: Vec<Rotations>,
    /// Angles as they are heard, `[63]` each, radians.
    angles: Vec<Vec<f32>>,
    roots: Vec<Root>,
    clouds: Vec<Vec<[f64; 3]>>,
}

impl Scene {
    fn new(clip: &Clip, points: usize, seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let scale = random.random_range(SIZES);
        let mut walk = Walk::new(&mut random);
        let roots: Vec<Root> = clip.frames.iter().map(|_| walk.step(scale, &mut random)).collect();
        let cloud = |(pose, root): (&Rotations, &Root)| {
            let place = |end: Vector3<f64>| Point3::from(root.place(end.into()));
            let placed = limbs(&forward(pose)).into_iter().map(|(ends, radius)| (ends.map(place), radius * scale));
            let placed: Vec<Placed> = placed.collect();
            see(&placed, (Point3::origin(), Point3::from(root.position)), points, &mut random)
        };
        let clouds = clip.frames.iter().zip(&roots).map(cloud).collect();
        let vectors: Vec<f32> = clip
            .frames
            .iter()
            .flatten()
            .flat_map(|turn| <[f64; 3]>::from(turn.scaled_axis()).map(|entry| entry as f32))
            .collect();
        let angles = numbers::<f32>(&joint_angles(&vectors)).chunks(3 * JOINTS).map(<[f32]>::to_vec).collect();
        Self { truth: clip.frames.clone(), angles, roots, clouds }
    }
}

/// A method at work.
enum Player {
    Hold,
    Plain(Box<Engine>, Budget),
    Library(Box<Inverter>),
}

impl Player {
    fn new(method: Method, points: usize, arguments: &CloudArguments) -> anyhow::Result<Self> {
        let weight = if points > 0 { arguments.cloud_weight } else { 0.0 };
        let most = points.max(50);
        Ok(match method {
            Method::Hold => Self::Hold,
            Method::Plain => {
                let mut options = LoadOptions { models: arguments.source.models.clone(), ..LoadOptions::default() };
                options.parameters.insert("cloud_weight".to_owned(), weight.into());
                options.parameters.insert("cloud_points".to_owned(), most.into());
                let task: Box<dyn Task> = Box::new(BodyPose::without_prior(&options)?);
                Self::Plain(Box::new(plain_engine(task)?), Budget::of_steps(arguments.steps))
            }
            Method::Default => {
                let builder = load("body_pose")?.models(arguments.source.models.clone()).steps(arguments.steps);
                let builder = builder.parameter("cloud_weight", weight).parameter("cloud_points", most);
                Self::Library(Box::new(builder.build()?))
            }
        })
    }

    /// Plays a scene from the start and adds how it went.
    fn play(&mut self, scene: &Scene, gap: &Gap, clip: usize, row: &mut Row) -> anyhow::Result<()> {
        match self {
            Self::Hold => {}
            Self::Plain(engine, _) => engine.reset(),
            Self::Library(inverter) => inverter.reset(),
        }
        let hidden = hidden(gap);
        let mut before = None;
        for at in 0..scene.truth.len() {
            let is_whole = gap.is_heard && at < WHOLE;
            let mut heard = scene.angles[at].clone();
            if !is_whole {
                hidden.iter().for_each(|joint| heard[3 * joint..3 * joint + 3].fill(f32::NAN));
            }
            let stamp_nanos = 1_000_000_000 * (1 + 100 * clip as i64) + (at as f64 / RATE * 1e9) as i64;
            let moment = (stamp_nanos, &heard[..], &scene.clouds[at][..], before);
            let begin = processor_time();
            let (pose, root) = match self {
                Self::Hold => (scene.truth[at.min(WHOLE - 1)], None),
                Self::Plain(engine, budget) => {
                    let obs = observation(engine.task().spec(), moment);
                    engine.solve(&obs, budget, &SystemClock::default())?;
                    best(&Answer::of(engine, Duration::ZERO)?)?
                }
                Self::Library(inverter) => {
                    let obs = observation(inverter.spec(), moment);
                    best(inverter.solve_observation(&obs)?.answer())?
                }
            };
            let seconds = processor_time() - begin;
            before = root.filter(|root| root.is_seen).or(before);
            if at >= WHOLE {
                row.add(&hidden, (&scene.truth[at], &scene.roots[at]), (&pose, root.as_ref()), seconds);
            }
        }
        Ok(())
    }
}

/// The joints that fall silent.
fn hidden(gap: &Gap) -> Vec<usize> {
    let of_groups: Vec<usize> = gap.groups.iter().filter_map(|name| group(name)).flatten().collect();
    if gap.groups.is_empty() { (0..JOINTS).collect() } else { of_groups }
}

/// What is heard and seen of one moment.
fn observation(
    spec: &TaskSpec,
    (stamp_nanos, heard, cloud, root): (i64, &[f32], &[[f64; 3]], Option<Root>),
) -> Observation {
    let joints = Observation::of_joints(&Tensor::from_slice(heard).view([1, -1])).joints;
    let points = spec.points.as_ref().filter(|_| !cloud.is_empty()).map(|points| {
        let mut all = vec![[f64::NAN; 3]; points.names.len()];
        all.extend_from_slice(cloud);
        all.resize(points.count(), [f64::NAN; 3]);
        Tensor::from_slice(all.as_flattened()).view([1, -1, 3]).to_kind(Kind::Float)
    });
    let points = points.and_then(|points| Observation::of_points(&points).points);
    Observation { stamp_nanos, joints, points, root, ..Observation::default() }
}

/// Pose and root of the best hypothesis.
fn best(answer: &Answer) -> anyhow::Result<(Rotations, Option<Root>)> {
    let missing = || anyhow::anyhow!("an answer without joints");
    let angles = Tensor::from_slice(answer.joints.first().ok_or_else(missing)?).view([1, 3 * JOINTS as i64]);
    Ok((poses(&angles).pop().ok_or_else(missing)?, answer.roots.first().copied()))
}

/// Errors of one method with one gap and so many points.
struct Row {
    gap: &'static str,
    points: usize,
    method: &'static str,
    degrees: Vec<f64>,
    millimetres: Vec<f64>,
    root_mm: Vec<f64>,
    root_degrees: Vec<f64>,
    size_percent: Vec<f64>,
    millis: Vec<f64>,
}

impl Row {
    fn new(gap: &'static str, points: usize, method: &'static str) -> Self {
        let none = Vec::new;
        Self {
            gap,
            points,
            method,
            degrees: none(),
            millimetres: none(),
            root_mm: none(),
            root_degrees: none(),
            size_percent: none(),
            millis: none(),
        }
    }

    fn add(
        &mut self,
        hidden: &[usize],
        (truth, stood): (&Rotations, &Root),
        (pose, root): (&Rotations, Option<&Root>),
        seconds: f64,
    ) {
        self.degrees.extend(hidden.iter().map(|&joint| pose[joint].angle_to(&truth[joint]).to_degrees()));
        // What is heard is as it is.
        let mut completed = *truth;
        hidden.iter().for_each(|&joint| completed[joint] = pose[joint]);
        let (true_places, found) = (forward(truth).positions, forward(&completed).positions);
        let moved = true_places.iter().zip(&found).map(|(truth, found)| 1e3 * (truth - found).norm());
        self.millimetres.extend(moved.filter(|apart| *apart > 0.0));
        if let Some(root) = root {
            self.root_mm.push(1e3 * (Vector3::from(root.position) - Vector3::from(stood.position)).norm());
            self.root_degrees.push(turn(root).angle_to(&turn(stood)).to_degrees());
            self.size_percent.push(100.0 * (root.scale / stood.scale - 1.0).abs());
        }
        self.millis.push(1e3 * seconds);
    }

    fn line(&self) -> String {
        let Self { points, method, degrees, millimetres, root_mm, root_degrees, size_percent, millis, .. } = self;
        let [degrees, millimetres] = [degrees, millimetres].map(|values| mean(values).unwrap_or(f64::NAN));
        let about = root_degrees.iter().filter(|turn| **turn > ABOUT).count() as f64 / root_degrees.len().max(1) as f64;
        let root = match (percentile(root_mm, 0.5), percentile(root_degrees, 0.5), percentile(size_percent, 0.5)) {
            (Some(place), Some(turn), Some(size)) => {
                format!("{place:.0} | {turn:.1} | {:.0} | {size:.1}", 100.0 * about)
            }
            _ => " | | | ".to_owned(),
        };
        let [middle, slowest] = [0.5, 0.99].map(|share| percentile(millis, share).unwrap_or(f64::NAN));
        format!("| {points} | {method} | {degrees:.1} | {millimetres:.0} | {root} | {middle:.2} / {slowest:.2} |")
    }
}

fn turn(root: &Root) -> UnitQuaternion<f64> {
    let [i, j, k, w] = root.rotation;
    UnitQuaternion::new_normalize(Quaternion::new(w, i, j, k))
}

/// Plays, measures and writes; gives the table.
pub(super) fn run(arguments: &CloudArguments) -> anyhow::Result<String> {
    let mut clips = scenes::load(&arguments.source, arguments.frames.min(CLIP as u32))?;
    clips.retain(|clip| clip.frames.len() > WHOLE);
    anyhow::ensure!(!clips.is_empty(), "no clip lasts for more than a second");
    let mut text = format!(
        "{} clips, means, of roots medians; K = {HYPOTHESES}, {} steps; ms of one processor\n",
        clips.len(),
        arguments.steps
    );
    for gap in &GAPS {
        write!(
            text,
            "\nsilent: {}\n\n| points | method | silent joints, deg | places that they move, mm | pelvis, mm | deg | wrong way \
             round, % of frames | size, % | ms, p50 / p99 |\n|---|---|---|---|---|---|---|---|---|\n",
            gap.name
        )?;
        for &points in &arguments.points {
            let scenes: Vec<Scene> =
                clips.iter().enumerate().map(|(seed, clip)| Scene::new(clip, points, seed as u64)).collect();
            let is_heard = gap.is_heard || points > 0;
            for method in super::METHODS.iter().filter(|method| is_heard && method.is_for(points)) {
                let mut player = Player::new(*method, points, arguments)?;
                let mut row = Row::new(gap.name, points, method.name());
                for (clip, scene) in scenes.iter().enumerate() {
                    player.play(scene, gap, clip, &mut row)?;
                }
                tracing::info!("{}, {points} points, {}: {}", row.gap, method.name(), row.line());
                writeln!(text, "{}", row.line())?;
            }
        }
    }
    fs::create_dir_all(&arguments.output)?;
    fs::write(arguments.output.join("results_body.md"), &text)?;
    Ok(text)
}
