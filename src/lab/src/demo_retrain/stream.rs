//! The stream, the node that it goes to, and what is measured of the answers.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use crate::eval::metrics::{PoseErrors, Visibility};
use crate::live::{PATIENCE, now_nanos, wait_until_heard};
use anyhow::{Context, ensure};
use tch::{Device, Kind, Tensor};
use thalweg_body_pose::{Body, rotations_from_angles, skeleton};
use thalweg_ros::client::peer::{NodeProcess, Peer, RECONSTRUCTION, Received, wait_until};
use thalweg_task::mean;

use super::motion::frames;

/// What is hidden, in turns, and for how many seconds.
const HIDDEN: [&str; 2] = ["arms", "legs"];
const TURN: f64 = 4.0;
/// Steps that the node has for each observation.
const STEPS: u32 = 10;
/// Hypotheses of the node.
const HYPOTHESES: u32 = 8;
/// Time for the last answers to arrive.
const LAST: Duration = Duration::from_millis(500);

/// A part of the stream.
pub(super) struct Stretch {
    /// Angles of each frame, radians.
    frames: Vec<Vec<f64>>,
    /// The group that is hidden in each.
    hidden: Vec<&'static str>,
    rate: f64,
    /// Frames at the beginning that are shown and not measured.
    lead: usize,
}

/// How well the hidden joints of a stretch were completed, and the seen ones explained.
#[derive(Clone, Copy)]
pub(super) struct Measured {
    answered: usize,
    frames: usize,
    /// Degrees, means over frames, best hypothesis; by [`HIDDEN`].
    hidden_deg: [f64; 2],
    seen_deg: f64,
}

impl Stretch {
    pub(super) fn new(count: usize, rate: f64, seed: u64) -> anyhow::Result<Self> {
        let frames = frames(count, rate, seed)?;
        let turn = |index: usize| HIDDEN[(index as f64 / rate / TURN) as usize % HIDDEN.len()];
        Ok(Self { hidden: (0..count).map(turn).collect(), frames, rate, lead: 0 })
    }

    /// The last share of it, behind what came before it for as long as both groups are hidden in turn: each time it is
    /// played, the node then knows as much of the joints that are silent.
    pub(super) fn end(&self, share: f64) -> Self {
        let end = (self.frames.len() as f64 * (1.0 - share)).round() as usize;
        let lead = end.min((TURN * HIDDEN.len() as f64 * self.rate) as usize);
        let from = end - lead;
        Self { frames: self.frames[from..].to_vec(), hidden: self.hidden[from..].to_vec(), rate: self.rate, lead }
    }
}

/// Parameters of the node: as by default, a landscape that is watched, every step recorded.
pub(super) fn parameters(models: &Path, theta: &Path, recordings: &Path, seed: u64) -> Vec<String> {
    let given = [
        ("models", models.display().to_string()),
        ("theta", theta.display().to_string()),
        ("reload.path", theta.display().to_string()),
        ("hypotheses", HYPOTHESES.to_string()),
        ("budget.steps", STEPS.to_string()),
        ("budget.deadline", "0.03".to_owned()),
        ("random_seed", seed.to_string()),
        ("record.enabled", "true".to_owned()),
        ("record.steps", "true".to_owned()),
        ("record.folder", recordings.display().to_string()),
    ];
    let flags = given.into_iter().flat_map(|(name, value)| ["-p".to_owned(), format!("{name}:={value}")]);
    std::iter::once("--ros-args".to_owned()).chain(flags).collect()
}

/// A node that runs, and the ends of its topics.
pub(super) struct Session<'a> {
    peer: &'a Peer,
    node: NodeProcess,
    best: Receiver<Received>,
    body: Body,
}

impl<'a> Session<'a> {
    pub(super) fn start(peer: &'a Peer, arguments: &[String]) -> anyhow::Result<Self> {
        let best = peer.listen(RECONSTRUCTION)?;
        let mut node = NodeProcess::start(arguments)?;
        wait_until_heard(&mut node, || peer.subscribers())?;
        let mut session = Self { peer, node, best, body: Body::new(Kind::Float, Device::Cpu) };
        ensure!(
            wait_until(PATIENCE, || session.theta().is_some()),
            "the node names no landscape; it said last: {}",
            session.node.last_lines()
        );
        session.check()?;
        Ok(session)
    }

    /// The landscape that `/diagnostics` named last.
    pub(super) fn theta(&self) -> Option<String> {
        self.peer.diagnostics()?.value("Theta", "Id").map(str::to_owned)
    }

    pub(super) fn check(&mut self) -> anyhow::Result<()> {
        self.node.check()
    }

    /// Calls a service of the node and gives its message; an error when it refuses.
    pub(super) fn trigger(&self, service: &str) -> anyhow::Result<String> {
        let (success, message) = self.peer.trigger(service, PATIENCE)?;
        ensure!(success, "{service}: {message}");
        Ok(message)
    }

    pub(super) fn end(self) -> anyhow::Result<()> {
        let status = self.node.end()?;
        ensure!(status.success(), "the node ended with {status}");
        Ok(())
    }

    /// Shows a stretch to the node, in its own time, and measures what comes back.
    pub(super) fn play(&mut self, stretch: &Stretch) -> anyhow::Result<Measured> {
        let names = skeleton::joint_names();
        let masks = HIDDEN.map(|group| skeleton::group(group).unwrap_or_default());
        let period = Duration::from_secs_f64(stretch.rate.recip());
        let (mut due, mut sent) = (Instant::now(), BTreeMap::new());
        for (index, frame) in stretch.frames.iter().enumerate() {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            due += period;
            let hidden = &masks[place(stretch.hidden[index])];
            let seen = (0..names.len()).filter(|joint| !hidden.contains(&(joint / 3)));
            let (seen, positions): (Vec<_>, Vec<_>) = seen.map(|joint| (names[joint].clone(), frame[joint])).unzip();
            let stamp = now_nanos()?;
            sent.insert(stamp, index);
            self.peer.publish_joints(stamp, &seen, &positions)?;
            self.node.check()?;
        }
        std::thread::sleep(LAST);
        let answers: BTreeMap<usize, Received> =
            self.best.try_iter().filter_map(|answer| Some((*sent.get(&answer.stamp_nanos)?, answer))).collect();
        self.measure(stretch, &answers)
    }

    fn measure(&self, stretch: &Stretch, answers: &BTreeMap<usize, Received>) -> anyhow::Result<Measured> {
        ensure!(!answers.is_empty(), "the node answered nothing; it said last: {}", self.node.last_lines());
        let (mut hidden, mut seen) = ([Vec::new(), Vec::new()], Vec::new());
        let rotations =
            |angles: &[f64]| rotations_from_angles(&Tensor::from_slice(angles).to_kind(Kind::Float).view([1, -1]));
        let measured = answers.range(stretch.lead..);
        for (index, answer) in measured.clone() {
            let group = stretch.hidden[*index];
            let visibility = Visibility::hiding(&skeleton::group(group).context("a group of joints")?);
            let (found, truth) = (rotations(&answer.positions), rotations(&stretch.frames[*index]));
            let errors = PoseErrors::measure(&self.body, &visibility, &found, &truth);
            hidden[place(group)].push(errors.hidden_deg[0]);
            seen.push(errors.visible_deg[0]);
        }
        let average = |values: &[f64]| mean(values).unwrap_or(f64::NAN);
        Ok(Measured {
            answered: measured.count(),
            frames: stretch.frames.len() - stretch.lead,
            hidden_deg: [average(&hidden[0]), average(&hidden[1])],
            seen_deg: average(&seen),
        })
    }
}

fn place(group: &str) -> usize {
    HIDDEN.iter().position(|known| *known == group).unwrap_or(0)
}

/// What the running node made of the same stretch, before and after.
pub(super) fn table(before: &Measured, after: &Measured) -> String {
    let mut text = format!(
        "the running node on the held-out end of the stream, {STEPS} steps a frame:\n\
         {:<8} {:>16} {:>16} {:>14}   answered\n",
        "", "hidden arms, deg", "hidden legs, deg", "seen, deg"
    );
    for (name, Measured { answered, frames, hidden_deg: [arms, legs], seen_deg }) in
        [("before", before), ("after", after)]
    {
        text += &format!("{name:<8} {arms:>16.2} {legs:>16.2} {seen_deg:>14.2}   {answered} of {frames}\n");
    }
    text.trim_end().to_owned()
}
