//! The demo over the middleware.

use std::collections::BTreeMap;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use thalweg_node::diagnostics::Level;
use thalweg_ros::client::peer::{NodeProcess, Peer, RECONSTRUCTION, Received};

use super::scenes::{Scene, Scenes};
use super::{Answer, DemoRobotArguments, RATE};
use crate::live::{now_nanos, wait_until_heard};
use thalweg_cli::console::print;
use thalweg_task::TaskSpec;

/// Time for the last answers to arrive.
const LAST: Duration = Duration::from_millis(500);
/// Where the node says how surprising joints are.
const SURPRISE: &str = "/thalweg/surprise";
/// Frames between two words on how far it is.
const SPOKEN: usize = 500;

/// Plays all scenes to a node.
///
/// # Errors
/// When the node does not start or ends too soon.
pub(super) fn play(
    arguments: &DemoRobotArguments,
    scenes: &Scenes,
    spec: &TaskSpec,
    peer: &Peer,
) -> anyhow::Result<Vec<Answer>> {
    let (best, surprise) = (peer.listen(RECONSTRUCTION)?, peer.listen(SURPRISE)?);
    let mut node = start(arguments)?;
    wait_until_heard(&mut node, || peer.subscribers())?;
    let window = window(arguments)?;
    let names: Vec<String> = spec.joints.iter().map(|joint| joint.name.clone()).collect();
    let (mut answers, mut sent) = (vec![Answer::default(); scenes.frames.len()], BTreeMap::new());
    let mut due = Instant::now();
    for (number, Scene { sent: positions, .. }) in scenes.frames.iter().enumerate() {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        due += Duration::from_secs_f64(RATE.recip());
        let stamp = now_nanos()?;
        sent.insert(stamp, number);
        let said = names.iter().cloned().zip(positions.iter().copied()).filter(|(_, position)| position.is_finite());
        let (names_said, positions): (Vec<String>, Vec<f64>) = said.unzip();
        peer.publish_joints(stamp, &names_said, &positions)?;
        answers[number].warning = warning(peer);
        collect(&best, &surprise, &sent, &names[scenes.knee], &mut answers);
        node.check()?;
        if number % SPOKEN == 0 {
            print(&format!("{} of {} s\n", number as f64 / RATE, scenes.frames.len() as f64 / RATE))?;
        }
    }
    std::thread::sleep(LAST);
    collect(&best, &surprise, &sent, &names[scenes.knee], &mut answers);
    node.end()?;
    drop(window);
    Ok(answers)
}

fn start(arguments: &DemoRobotArguments) -> anyhow::Result<NodeProcess> {
    let models = format!("models:={}", std::path::absolute(&arguments.models)?.display());
    let parameters = ["task:=robot", &models, "output.robot_description:=true", "autostart:=true"];
    let line: Vec<&str> = std::iter::once("--ros-args").chain(parameters.iter().flat_map(|one| ["-p", one])).collect();
    NodeProcess::start(&line)
}

/// The window, where there is a display for it.
fn window(arguments: &DemoRobotArguments) -> anyhow::Result<Option<NodeProcess>> {
    let has_display = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some());
    let program = std::env::current_exe()?.with_file_name("thalweg_view");
    if !has_display || !program.is_file() {
        return Ok(None);
    }
    let urdf = arguments.models.join("robots/unitree_g1/robot.urdf").display().to_string();
    NodeProcess::start_program(&program, &["--urdf", &urdf]).map(Some)
}

/// Puts what has come to the readings that it is of.
fn collect(
    best: &Receiver<Received>,
    surprise: &Receiver<Received>,
    sent: &BTreeMap<i64, usize>,
    knee: &str,
    answers: &mut [Answer],
) {
    for received in best.try_iter() {
        if let Some(&number) = sent.get(&received.stamp_nanos) {
            answers[number].positions = Some(received.positions);
        }
    }
    for received in surprise.try_iter() {
        let place = received.names.iter().position(|name| name == knee);
        if let (Some(&number), Some(place)) = (sent.get(&received.stamp_nanos), place) {
            answers[number].surprise = received.positions.get(place).copied();
        }
    }
}

/// What the node warns of joints that lie.
fn warning(peer: &Peer) -> String {
    let diagnostics = peer.diagnostics();
    let statuses = diagnostics.iter().flat_map(|report| &report.statuses);
    let mut joints = statuses.filter(|status| status.name.ends_with(": Joints") && status.level == Level::Warn);
    joints.next().map_or_else(String::new, |status| status.message.clone())
}
