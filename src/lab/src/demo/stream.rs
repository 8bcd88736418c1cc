//! The demo over the middleware: each method is a node of its own, started as launch starts it.

use std::collections::BTreeMap;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use anyhow::ensure;
use tch::Tensor;
use thalweg_body_pose::rotations_from_angles;
use thalweg_ros::client::peer::{NodeProcess, Peer, RECONSTRUCTION, Received};

use super::DemoArguments;
use super::arm::Answer;
use super::method::{Method, absolute};
use super::pictures::Album;
use super::player::{Frame, Moment, Phase, Player, wait};
use super::report::{Report, Settings, Way};
use super::screen::Screen;
use crate::live::{now_nanos, wait_until_heard};

/// How often the stream shows the body, times a second: what a humanoid's joint_states come at.
pub(super) const RATE: f64 = 100.0;

/// An answer later than this comes after the next frame, milliseconds.
const LIMIT_MS: f64 = 1e3 / RATE;

/// What is reported of this way to play.
pub(super) const WAY: Way = Way { over: "over ROS 2, each method a node of its own", limit_ms: LIMIT_MS };

/// Messages before the first one that counts: the engine learns how long a step takes. A guess.
const WARM_UP: i64 = 20;

/// Time for the last answers to arrive.
const LAST: Duration = Duration::from_millis(300);

/// The node's parameter file, where the checkout has it.
const PARAMETERS: &str = "launch/config/body_pose.yaml";

/// What one method answered in one phase.
struct Answered {
    /// One for each frame; where none came, the one before it, as a robot would have it.
    answers: Vec<Answer>,
    /// Frames without an answer of their own.
    missed: usize,
}

/// A node that runs one method, and the ends of its topics.
struct Stream<'a> {
    peer: &'a Peer,
    node: NodeProcess,
    best: Receiver<Received>,
    hypotheses: Vec<Receiver<Received>>,
}

/// Plays all phases to a node with one method.
///
/// # Errors
/// When the node does not start, ends too soon, or answers with other joints than it was asked for.
fn play(
    peer: &Peer,
    player: &Player,
    arguments: &DemoArguments,
    method: &Method,
    phases: &[(&Phase, Vec<Frame>)],
    screen: &mut Screen,
) -> anyhow::Result<Vec<Answered>> {
    let mut stream = Stream::open(peer, arguments, method)?;
    let mut all = Vec::new();
    for (phase, frames) in phases {
        all.push(stream.play(player, phase, frames, screen)?);
        screen.end_phase()?;
    }
    stream.node.end()?;
    Ok(all)
}

impl<'a> Stream<'a> {
    fn open(peer: &'a Peer, arguments: &DemoArguments, method: &Method) -> anyhow::Result<Self> {
        let best = peer.listen(RECONSTRUCTION)?;
        let topic = |rank| format!("/thalweg/hypotheses/h{rank}/joint_states");
        let hypotheses = (0..arguments.hypotheses).map(|rank| peer.listen(&topic(rank))).collect::<Result<_, _>>()?;
        let mut node = NodeProcess::start(&command_line(arguments, method))?;
        wait_until_heard(&mut node, || peer.subscribers())?;
        Ok(Self { peer, node, best, hypotheses })
    }

    fn play(
        &mut self,
        player: &Player,
        phase: &Phase,
        frames: &[Frame],
        screen: &mut Screen,
    ) -> anyhow::Result<Answered> {
        let period = Duration::from_secs_f64(RATE.recip());
        let mut due = Instant::now();
        let mut sent = BTreeMap::new();
        let mut arrived = BTreeMap::new();
        for index in -WARM_UP..frames.len() as i64 {
            let is_late = wait(due, period);
            due += period;
            let frame = &frames[index.max(0) as usize];
            let stamp = now_nanos()?;
            sent.insert(stamp, (index, Instant::now()));
            self.peer.publish_joints(stamp, &frame.names, &frame.positions)?;
            for received in self.best.try_iter() {
                let Some(&(index, at)) = sent.get(&received.stamp_nanos).filter(|(index, _)| *index >= 0) else {
                    continue;
                };
                let moment = Live { player, phase, frame: &frames[index as usize], index, is_late };
                moment.show(&received, received.received.saturating_duration_since(at), screen)?;
                arrived.insert(received.stamp_nanos, received);
            }
            self.node.check()?;
        }
        std::thread::sleep(LAST);
        arrived.extend(self.best.try_iter().map(|received| (received.stamp_nanos, received)));
        self.collect(player, frames, &sent, &arrived)
    }

    /// Puts answers and hypotheses together by their stamps.
    fn collect(
        &self,
        player: &Player,
        frames: &[Frame],
        sent: &BTreeMap<i64, (i64, Instant)>,
        arrived: &BTreeMap<i64, Received>,
    ) -> anyhow::Result<Answered> {
        let mut ranked: BTreeMap<i64, Vec<Received>> = BTreeMap::new();
        for hypothesis in &self.hypotheses {
            hypothesis.try_iter().for_each(|received| ranked.entry(received.stamp_nanos).or_default().push(received));
        }
        let steps = self.steps();
        let (mut answers, mut missed): (Vec<Answer>, usize) = (Vec::new(), 0);
        for (stamp, (index, at)) in sent.iter().filter(|(_, (index, _))| *index >= 0) {
            let frame = &frames[*index as usize];
            match arrived.get(stamp) {
                Some(best) => {
                    let elapsed = best.received.saturating_duration_since(*at);
                    let own = ranked.get(stamp).map_or(std::slice::from_ref(best), Vec::as_slice);
                    answers.push(answer(player, frame, own, elapsed, steps)?);
                }
                None => {
                    missed += 1;
                    answers.extend(answers.last().map(Answer::shallow_clone));
                }
            }
        }
        ensure!(!answers.is_empty(), "the node answered nothing; it said last: {}", self.node.last_lines());
        // What the first frames missed: a robot would have nothing; the first answer stands in.
        while answers.len() < frames.len() {
            answers.insert(0, answers[0].shallow_clone());
        }
        Ok(Answered { answers, missed })
    }

    /// Steps of a solve, as the node says it.
    fn steps(&self) -> f64 {
        let diagnostics = self.peer.diagnostics();
        let steps = diagnostics.as_ref().and_then(|report| report.value("Optimizer", "Steps mean"));
        steps.and_then(|steps| steps.parse().ok()).unwrap_or(0.0)
    }
}

/// A frame whose answer is shown as it comes.
struct Live<'a> {
    player: &'a Player,
    phase: &'a Phase,
    frame: &'a Frame,
    index: i64,
    is_late: bool,
}

impl Live<'_> {
    fn show(&self, received: &Received, elapsed: Duration, screen: &mut Screen) -> anyhow::Result<()> {
        let Self { player, phase, frame, index, is_late } = *self;
        let answer = answer(player, frame, std::slice::from_ref(received), elapsed, 0.0)?;
        let measurement = player.measure(phase, &answer, &frame.truth);
        let (answers, measurements) = (std::slice::from_ref(&answer), std::slice::from_ref(&measurement));
        screen.show(&Moment { phase, index, truth: &frame.truth, answers, measurements, is_late })
    }
}

/// What hypotheses, best first, say of a frame.
fn answer(
    player: &Player,
    frame: &Frame,
    ranked: &[Received],
    elapsed: Duration,
    steps: f64,
) -> anyhow::Result<Answer> {
    let joints = player.joints();
    for received in ranked {
        let same = received.names.iter().eq(joints.iter().map(|joint| &joint.name));
        ensure!(
            same,
            "the node answered with {} joints, expected the {} of the task",
            received.names.len(),
            joints.len()
        );
    }
    let flat: Vec<f64> = ranked.iter().flat_map(|received| received.positions.iter().copied()).collect();
    let angles = Tensor::from_slice(&flat).to_kind(tch::Kind::Float).view([ranked.len() as i64, -1]);
    let rotations = rotations_from_angles(&angles);
    let loss = player.loss(&frame.obs, &rotations)?;
    Ok(Answer { rotations, loss, steps, elapsed })
}

/// The command line that the launch files run.
fn command_line(arguments: &DemoArguments, method: &Method) -> Vec<String> {
    let mut line = vec!["--ros-args", "--log-level", "info", "--ros-args", "-r", "__node:=thalweg", "-r", "__ns:=/"];
    if std::path::Path::new(PARAMETERS).is_file() {
        line.extend(["--params-file", PARAMETERS]);
    }
    let fresh = arguments.config().fresh;
    let mut parameters = method.parameters();
    parameters.extend([
        ("models", absolute(&arguments.models)),
        ("hypotheses", arguments.hypotheses.to_string()),
        ("warm_start.fresh", fresh.to_string()),
        ("random_seed", arguments.seed.to_string()),
        ("budget.deadline", format!("{:?}", arguments.budget_ms / 1e3)),
    ]);
    let given = parameters.into_iter().flat_map(|(name, value)| ["-p".to_owned(), format!("{name}:={value}")]);
    line.into_iter().map(str::to_owned).chain(given).collect()
}

/// Plays everything to each method, then lays what they answered side by side.
///
/// # Errors
/// As [`play`], and when a result cannot be written.
pub(super) fn run(
    arguments: &DemoArguments,
    player: &Player,
    methods: &[Method],
    settings: Settings,
    peer: &Peer,
) -> anyhow::Result<()> {
    let count = arguments.frames(player);
    let phases = super::phases(player.shown(count))?;
    let phases: Vec<(&Phase, Vec<Frame>)> =
        phases.iter().map(|phase| Ok((phase, player.frames_of(phase, count)?))).collect::<anyhow::Result<_>>()?;
    let mut late = 0;
    let mut played = Vec::new();
    for method in methods {
        let mut screen = Screen::new(vec![method.name], count, player.fps(), LIMIT_MS);
        played.push(play(peer, player, arguments, method, &phases, &mut screen)?);
        late += screen.late();
    }
    let album = lay_out(player, &phases, &played);
    let missed = played.iter().map(|answered| answered.iter().map(|phase| phase.missed).collect()).collect();
    super::write(arguments, &album, &Report::new(settings, &album.phases, late, missed))
}

/// Measures what the methods answered, frame by frame.
fn lay_out(player: &Player, phases: &[(&Phase, Vec<Frame>)], played: &[Vec<Answered>]) -> Album {
    let count = phases.first().map_or(0, |(_, frames)| frames.len());
    let mut album = Album::new(count as i64, player.fps());
    for (number, (phase, frames)) in phases.iter().enumerate() {
        album.open(phase, played.len());
        for (index, frame) in frames.iter().enumerate() {
            let answers: Vec<Answer> =
                played.iter().map(|answered| answered[number].answers[index].shallow_clone()).collect();
            let measurements: Vec<_> =
                answers.iter().map(|answer| player.measure(phase, answer, &frame.truth)).collect();
            let (answers, measurements, index) = (answers.as_slice(), measurements.as_slice(), index as i64);
            album.add(&Moment { phase, index, truth: &frame.truth, answers, measurements, is_late: false });
        }
    }
    album
}
