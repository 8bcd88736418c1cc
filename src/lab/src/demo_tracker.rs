//! `thalweg-lab demo-tracker`: people before a tracker of bodies, completed by a running node.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use nalgebra::{Matrix3, Quaternion, UnitQuaternion, Vector3};
use serde::Serialize;
use tch::Tensor;
use thalweg_body_pose::keypoints::Table;
use thalweg_body_pose::kinematics::Rotations;
use thalweg_cli::console::print;
use thalweg_ros::client::peer::{
    NodeProcess, NumberedPoint, Peer, PointWriter, RECONSTRUCTION, Received, ReceivedPose,
};
use thalweg_task::{Tracker, mean, percentile};

use crate::bench_trackers::limbs::Limbs;
use crate::bench_trackers::scenes::{self, HOLES, Hole, RATE, Scene};
use crate::clips::ClipArguments;
use crate::eval::plot::{Filmstrip, FilmstripRow, Moment};
use crate::eval::skeleton::Skeleton;
use crate::live::{connect, now_nanos, wait_until_heard};

/// What `--help` says below the options.
const HELP: &str = "\
People whose motion was measured stand before a tracker, one after the other, each of a size of its own and
at a place of its own; the tracker sends its points to `points` as it does, some missing, all a little off,
and a limb of each person is not seen. A thalweg_node of its own completes them: joints on ~/reconstruction,
where the pelvis stands on ~/pose. The rival, limb by limb in closed form, gets the same points.

Writes tracker.json and tracker_filmstrip (.png and .svg).

Examples:
  thalweg-lab demo-tracker
  thalweg-lab demo-tracker --table zed_body_38 --output out/zed";

/// People, and frames of each: half a minute.
const PEOPLE: usize = 8;
const FRAMES: u32 = 60;
/// Most steps of the node for a frame.
const STEPS: u32 = 3;
/// Time for the last answers to arrive.
const LAST: Duration = Duration::from_millis(500);
/// The frame of the tracker.
const CAMERA: &str = "camera";

/// Options of `thalweg-lab demo-tracker`.
#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct DemoTrackerArguments {
    #[command(flatten)]
    source: ClipArguments,
    /// The tracker: a table of keypoints by its name
    #[arg(long, value_name = "NAME", default_value = "mediapipe_33")]
    table: String,
    /// Where the results go
    #[arg(long, value_name = "DIR", default_value = "out/tracker")]
    output: PathBuf,
}

/// Plays, measures, writes and prints.
///
/// # Errors
/// That there is no ROS, or what data and node refuse.
pub(crate) fn run(arguments: &DemoTrackerArguments) -> anyhow::Result<()> {
    thalweg_engine::pin_threads(1);
    let _no_grad = tch::no_grad_guard();
    let peer = connect("thalweg_demo")?;
    let table = Table::find(&arguments.table)?;
    let clips = scenes::load(&arguments.source, FRAMES)?;
    ensure!(!clips.is_empty(), "no clip lasts for a second");
    std::fs::create_dir_all(&arguments.output)
        .with_context(|| format!("cannot create the folder {}", arguments.output.display()))?;
    let mut session = Session::start(&peer, arguments, &table.tracker)?;
    let mut shown = Vec::new();
    for (index, clip) in clips.iter().take(PEOPLE).enumerate() {
        // Everybody has something hidden.
        let hole = &HOLES[1 + index % (HOLES.len() - 1)];
        let scene = Scene::new(clip, &arguments.table, hole, index as u64)?;
        let answers = session.play(&scene, &table.tracker)?;
        shown.push(Shown::new(hole, scene, answers)?);
    }
    let steps = peer.diagnostics().and_then(|report| report.value("Optimizer", "Steps mean")?.parse().ok());
    session.node.end()?;
    filmstrip(&shown).draw().save(&arguments.output, "tracker_filmstrip")?;
    let report = Report::new(&arguments.table, &shown, steps);
    std::fs::write(arguments.output.join("tracker.json"), serde_json::to_string_pretty(&report)?)?;
    print(&report.summary(arguments))
}

/// A node, and the ends of its topics.
struct Session {
    node: NodeProcess,
    points: PointWriter,
    joints: std::sync::mpsc::Receiver<Received>,
    roots: std::sync::mpsc::Receiver<ReceivedPose>,
}

/// What the node said of a frame.
struct Answer {
    pose: Rotations,
    root: ReceivedPose,
    seconds: f64,
}

impl Session {
    fn start(peer: &Peer, arguments: &DemoTrackerArguments, tracker: &Tracker) -> anyhow::Result<Self> {
        let points = peer.point_writer(tracker.confidence.as_deref().unwrap_or("confidence"))?;
        let (joints, roots) = (peer.listen(RECONSTRUCTION)?, peer.poses()?);
        let models = std::path::absolute(&arguments.source.models)?;
        let parameters = [
            format!("models:={}", models.display()),
            format!("body_pose.keypoints:={}", arguments.table),
            // Between two frames of a camera there is more time than the default's 8 ms, in which a slow core makes no step.
            "budget.deadline:=0.04".to_owned(),
            format!("budget.steps:={STEPS}"),
        ];
        let flags = parameters.into_iter().flat_map(|parameter| ["-p".to_owned(), parameter]);
        let line: Vec<String> = std::iter::once("--ros-args".to_owned()).chain(flags).collect();
        let mut node = NodeProcess::start(&line)?;
        wait_until_heard(&mut node, || points.subscribers())?;
        Ok(Self { node, points, joints, roots })
    }

    /// Shows a person, in its own time, and gathers what the node says of each frame.
    fn play(&mut self, scene: &Scene, tracker: &Tracker) -> anyhow::Result<Vec<Option<Answer>>> {
        let axes = Matrix3::from_fn(|row, column| tracker.axes[row][column]);
        let axes = axes.try_inverse().context("a table of keypoints whose axes are none")?;
        let (period, mut due, mut sent) = (Duration::from_secs_f64(RATE.recip()), Instant::now(), Vec::new());
        for seen in &scene.seen {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            due += period;
            let stamp = now_nanos()?;
            sent.push((stamp, Instant::now()));
            self.points.publish(stamp, CAMERA, &message(seen, tracker, &axes))?;
            self.node.check()?;
        }
        std::thread::sleep(LAST);
        let joints: BTreeMap<i64, Received> =
            self.joints.try_iter().map(|answer| (answer.stamp_nanos, answer)).collect();
        let roots: BTreeMap<i64, ReceivedPose> = self.roots.try_iter().map(|root| (root.stamp_nanos, root)).collect();
        let answer = |(stamp, at): &(i64, Instant)| {
            let (joints, root) = (joints.get(stamp)?, roots.get(stamp)?);
            let pose = scenes::poses(&Tensor::from_slice(&joints.positions).view([1, -1])).pop()?;
            let seconds = joints.received.saturating_duration_since(*at).as_secs_f64();
            Some(Answer { pose, root: root.clone(), seconds })
        };
        let answers: Vec<Option<Answer>> = sent.iter().map(answer).collect();
        ensure!(answers.iter().any(Option::is_some), "no answer; the node said last: {}", self.node.last_lines());
        Ok(answers)
    }
}

/// What the tracker sends: all its points, those that it does not see at zero and without any confidence.
fn message(seen: &[[f64; 3]], tracker: &Tracker, axes: &Matrix3<f64>) -> Vec<NumberedPoint> {
    let point = |keypoint: &thalweg_task::Keypoint| {
        let place = Vector3::from(seen[keypoint.point?]);
        let is_seen = place.iter().all(|number| number.is_finite());
        if !is_seen && tracker.confidence.is_none() {
            return None;
        }
        let (place, confidence) =
            if is_seen { (axes * place, tracker.confidence_range[1]) } else { (Vector3::zeros(), 0.0) };
        Some(NumberedPoint { place: place.into(), id: keypoint.id, confidence })
    };
    tracker.keypoints.iter().filter_map(point).collect()
}

/// A person, and what came of it.
struct Shown {
    hole: &'static Hole,
    scene: Scene,
    answers: Vec<Option<Answer>>,
    /// Of the rival, frame by frame.
    limbs: Vec<Rotations>,
    ours: Errors,
    theirs: Errors,
}

/// Errors of one method, frame by frame.
#[derive(Debug, Default, Serialize)]
struct Errors {
    hidden_deg: Vec<f64>,
    root_mm: Vec<f64>,
    root_deg: Vec<f64>,
}

impl Errors {
    fn add(&mut self, scene: &Scene, frame: usize, pose: &Rotations, position: [f64; 3], rotation: [f64; 4]) {
        let (truth, stood) = (&scene.truth[frame], &scene.roots[frame]);
        let hidden: Vec<f64> =
            scene.hidden.iter().map(|&joint| pose[joint].angle_to(&truth[joint]).to_degrees()).collect();
        self.hidden_deg.extend(mean(&hidden));
        self.root_mm.push(1e3 * (Vector3::from(position) - Vector3::from(stood.position)).norm());
        self.root_deg.push(turn(rotation).angle_to(&turn(stood.rotation)).to_degrees());
    }
}

fn turn([x, y, z, w]: [f64; 4]) -> UnitQuaternion<f64> {
    UnitQuaternion::new_normalize(Quaternion::new(w, x, y, z))
}

impl Shown {
    fn new(hole: &'static Hole, scene: Scene, answers: Vec<Option<Answer>>) -> anyhow::Result<Self> {
        ensure!(scene.seen.len() == answers.len(), "an answer, or none, for each frame");
        let (mut rival, mut limbs) = (Limbs::new(), Vec::new());
        let (mut ours, mut theirs) = (Errors::default(), Errors::default());
        for (frame, (seen, answer)) in scene.seen.iter().zip(&answers).enumerate() {
            let (pose, root) = rival.step(seen);
            // Both on the same frames.
            if let Some(answer) = answer {
                ours.add(&scene, frame, &answer.pose, answer.root.position, answer.root.rotation);
                theirs.add(&scene, frame, &pose, root.position, root.rotation);
            }
            limbs.push(pose);
        }
        Ok(Self { hole, scene, answers, limbs, ours, theirs })
    }
}

/// One frame of each person, in the pelvis frame: the truth, the node, and the rival.
fn filmstrip(shown: &[Shown]) -> Filmstrip {
    let frame = |one: &Shown| (one.scene.seen.len() / 2..one.scene.seen.len()).find(|&at| one.answers[at].is_some());
    let frames: Vec<(&Shown, usize)> = shown.iter().filter_map(|one| Some((one, frame(one)?))).collect();
    let moment = |one: &Shown, at: usize, pose: &Rotations, errors: &Errors| Moment {
        truth: Skeleton::of_rotations(&one.scene.truth[at]),
        hypotheses: vec![Skeleton::of_rotations(pose)],
        hidden: one.scene.hidden.clone(),
        note: format!("{:.0}° over all frames", mean(&errors.hidden_deg).unwrap_or(f64::NAN)),
    };
    let ours = |(one, at): &(&Shown, usize)| {
        let answer = one.answers[*at].as_ref()?;
        Some(moment(one, *at, &answer.pose, &one.ours))
    };
    let theirs = |(one, at): &(&Shown, usize)| moment(one, *at, &one.limbs[*at], &one.theirs);
    Filmstrip {
        title: "People before a tracker: limbs that it does not see".to_owned(),
        captions: frames.iter().map(|(one, _)| one.hole.name.to_owned()).collect(),
        rows: vec![
            FilmstripRow { name: "thalweg".to_owned(), moments: frames.iter().filter_map(ours).collect() },
            FilmstripRow { name: "limb by limb".to_owned(), moments: frames.iter().map(theirs).collect() },
        ],
    }
}

/// What is written.
#[derive(Serialize)]
struct Report {
    table: String,
    frames: usize,
    answered: usize,
    /// Steps of a solve, as the node says it in the end.
    steps: Option<f64>,
    /// From the points to the joints, milliseconds.
    millis: [f64; 2],
    /// By what is hidden: ours, limb by limb.
    hidden: Vec<Hidden>,
    /// Means: ours, limb by limb.
    root_mm: [f64; 2],
    root_deg: [f64; 2],
}

/// Mean errors of hidden joints, degrees.
#[derive(Serialize)]
struct Hidden {
    what: &'static str,
    people: usize,
    thalweg: f64,
    limb_by_limb: f64,
}

impl Report {
    fn new(table: &str, shown: &[Shown], steps: Option<f64>) -> Self {
        let all = |of: &dyn Fn(&Shown) -> &Vec<f64>, some: &dyn Fn(&Shown) -> bool| {
            let values: Vec<f64> = shown.iter().filter(|one| some(one)).flat_map(|one| of(one).clone()).collect();
            mean(&values).unwrap_or(f64::NAN)
        };
        let hidden = HOLES.iter().filter_map(|hole| {
            let is = |one: &Shown| one.hole.name == hole.name;
            let people = shown.iter().filter(|one| is(one)).count();
            (people > 0).then(|| Hidden {
                what: hole.name,
                people,
                thalweg: all(&|one| &one.ours.hidden_deg, &is),
                limb_by_limb: all(&|one| &one.theirs.hidden_deg, &is),
            })
        });
        let both = |ours: &dyn Fn(&Shown) -> &Vec<f64>, theirs: &dyn Fn(&Shown) -> &Vec<f64>| {
            [ours, theirs].map(|of| all(of, &|_| true))
        };
        let answers = || shown.iter().flat_map(|one| &one.answers);
        let millis: Vec<f64> = answers().flatten().map(|answer| 1e3 * answer.seconds).collect();
        Self {
            table: table.to_owned(),
            frames: answers().count(),
            answered: millis.len(),
            steps,
            millis: [0.5, 0.99].map(|share| percentile(&millis, share).unwrap_or(f64::NAN)),
            hidden: hidden.collect(),
            root_mm: both(&|one| &one.ours.root_mm, &|one| &one.theirs.root_mm),
            root_deg: both(&|one| &one.ours.root_deg, &|one| &one.theirs.root_deg),
        }
    }

    fn summary(&self, arguments: &DemoTrackerArguments) -> String {
        let people: usize = self.hidden.iter().map(|hidden| hidden.people).sum();
        let mut text = format!(
            "{people} people before a tracker ({}), {} frames at {RATE} Hz, motion as it was measured\n\
             what is hidden, error of its joints   thalweg   limb by limb\n",
            self.table, self.frames
        );
        for Hidden { what, thalweg, limb_by_limb, .. } in &self.hidden {
            text += &format!("  {what:<34} {thalweg:>7.1}°   {limb_by_limb:>11.1}°\n");
        }
        let ([mm, their_mm], [deg, their_deg]) = (self.root_mm, self.root_deg);
        let [p50, p99] = self.millis;
        text + &format!(
            "  {:<34} {mm:>5.0} mm   {their_mm:>9.0} mm\n  {:<34} {deg:>7.1}°   {their_deg:>11.1}°\n\
             {} of {} frames answered, {p50:.1} ms after the points, 99 % within {p99:.1} ms; {:.1} steps a frame\n\
             pictures and figures: {}\n",
            "where the pelvis stands",
            "how it is turned",
            self.answered,
            self.frames,
            self.steps.unwrap_or(f64::NAN),
            arguments.output.display()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tracker_sends_what_it_sees_in_its_own_axes() {
        let table = Table::find("zed_body_38").expect("a shipped table");
        let mut tracker = table.tracker;
        tracker.axes = [[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]];
        let axes = Matrix3::from_fn(|row, column| tracker.axes[row][column]).try_inverse().expect("a turn");
        let mut seen = vec![[f64::NAN; 3]; table.weights.len()];
        let keypoint = tracker.keypoints.iter().find(|keypoint| keypoint.point == Some(0)).expect("a pelvis").clone();
        seen[0] = [1.0, 2.0, 3.0];
        let points = message(&seen, &tracker, &axes);
        let used = tracker.keypoints.iter().filter(|keypoint| keypoint.point.is_some()).count();
        assert_eq!(points.len(), used);
        let expected = NumberedPoint { place: [2.0, -1.0, 3.0], id: keypoint.id, confidence: 100.0 };
        assert!(points.contains(&expected), "{points:?}");
        assert_eq!(points.iter().filter(|point| point.confidence == 0.0).count(), used - 1);
        tracker.confidence = None;
        assert_eq!(message(&seen, &tracker, &axes).len(), 1);
    }
}
