//! Joint states of any bag as input, in place of a robot.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use thalweg_task::lock;

use anyhow::{Context, ensure};
use thalweg::{Loaded, Registry};
use thalweg_engine::{Answer, Budget};
use thalweg_node::intake::{Intake, IntakeConfig, JointMessage, Provenance, Stamp};
use thalweg_node::parameters::{Settings, Store, full_table};
use thalweg_node::solver::{Assignment, Recording, Sink, Solver, Source, Tuning, setup};
use thalweg_record::{JointReading, JointStates, RecordOptions, Recorder};
use thalweg_task::{Observation, ParameterValue};

use super::ReplayArguments;
use crate::console::print;

/// Name under which solves are recorded: that of the node, unless it is remapped.
const NODE: &str = "/thalweg";
/// Solves that may wait for the disk.
const QUEUE: usize = 1 << 16;

/// What is to be solved next; the bag's time stands in for the clock.
#[derive(Clone, Default)]
struct Next(Arc<Mutex<Option<(Observation, Provenance)>>>);

impl Source for Next {
    fn observation(&mut self) -> Option<(Observation, Provenance)> {
        lock(&self.0).take()
    }

    fn now_nanos(&self) -> i64 {
        0
    }
}

/// What came of it: an answer, or why there is none.
struct Answers(Sender<Result<Answer, String>>);

impl Sink for Answers {
    fn answer(&mut self, answer: Answer, _provenance: Provenance) {
        self.0.send(Ok(answer)).unwrap_or_default();
    }

    fn gave_up(&mut self, why: &str) {
        self.0.send(Err(why.to_owned())).unwrap_or_default();
    }
}

/// What has been done.
#[derive(Default)]
struct Counts {
    messages: u64,
    refused: BTreeMap<String, u64>,
    solves: u64,
    steps: u64,
    loss: f64,
    took: Duration,
}

/// A solver that is fed by hand.
struct Fed {
    solver: Solver,
    next: Next,
    answers: Receiver<Result<Answer, String>>,
}

/// Solves every joint state of one topic.
pub(super) fn run(path: &Path, task: &str, arguments: &ReplayArguments, registry: &Registry) -> anyhow::Result<()> {
    let topic = topic(path, arguments.topic.as_deref())?;
    let (store, settings) = settings(task, arguments, registry)?;
    let (fed, loaded) = Fed::load(&settings, arguments.steps, registry)?;
    let recorder = match &arguments.output {
        Some(folder) => Some(fed.record(folder, &loaded, &store, &settings)?),
        None => None,
    };
    let mut intake = Intake::new(&loaded.spec, IntakeConfig::default());
    let mut counts = Counts::default();
    for state in JointStates::open(path)? {
        let (of, time, reading) = state?;
        if of == topic {
            fed.take(&mut intake, time, &reading, &mut counts)?;
        }
    }
    fed.solver.record(None)?;
    print(&counts.words(&topic))?;
    if let Some(recorder) = recorder {
        let file = recorder.save()?;
        let dropped = recorder.report().dropped;
        ensure!(dropped == 0, "{dropped} solves were not recorded: the disk does not keep up");
        print(&format!("recorded into {}\n", file.display()))?;
    }
    Ok(())
}

/// The topic that is wanted, or the only one there is.
fn topic(path: &Path, wanted: Option<&str>) -> anyhow::Result<String> {
    let mut topics: BTreeMap<String, u64> = BTreeMap::new();
    for state in JointStates::open(path)? {
        *topics.entry(state?.0).or_default() += 1;
    }
    let listed = topics.iter().map(|(topic, count)| format!("{topic} ({count})")).collect::<Vec<_>>().join(", ");
    ensure!(!topics.is_empty(), "{}: expected sensor_msgs/JointState messages, found none", path.display());
    match wanted {
        Some(topic) => {
            ensure!(topics.contains_key(topic), "--topic {topic}: not in the bag; expected one of {listed}");
            Ok(topic.to_owned())
        }
        None if topics.len() == 1 => Ok(topics.into_keys().next().unwrap_or_default()),
        None => anyhow::bail!("the bag has joint states on several topics, choose one with --topic: {listed}"),
    }
}

/// The node's default parameters, with the task and the weights as asked for.
fn settings(task: &str, arguments: &ReplayArguments, registry: &Registry) -> anyhow::Result<(Store, Settings)> {
    let text = |name: &str, value: String| (name.to_owned(), ParameterValue::String(value));
    let mut given = vec![text("task", task.to_owned())];
    given.extend(arguments.models.as_ref().map(|folder| text("models", folder.display().to_string())));
    for (option, parameter, files) in
        [("--landscape", "theta", &arguments.landscape), ("--start", "start.file", &arguments.start)]
    {
        ensure!(files.len() < 2, "{option}: got {} files, expected one with --task", files.len());
        given.extend(files.first().map(|file| text(parameter, file.display().to_string())));
    }
    let store = Store::declare(full_table(registry, &[]), &given)?;
    let settings = Settings::read(&store, 0)?;
    Ok((store, settings))
}

impl Fed {
    fn load(settings: &Settings, steps: u32, registry: &Registry) -> anyhow::Result<(Self, Loaded)> {
        let (next, (answered, answers)) = (Next::default(), channel());
        let solver = Solver::start(Box::new(next.clone()), Box::new(Answers(answered)))?;
        let Assignment { plan, tuning } = Assignment::of(settings, registry.clone())?;
        let tuning = Tuning { budget: Budget::of_steps(steps), ..tuning };
        let loaded = solver.load(Assignment { plan, tuning })?;
        solver.run(true)?;
        Ok((Self { solver, next, answers }, loaded))
    }

    fn record(
        &self,
        folder: &Path,
        loaded: &Loaded,
        store: &Store,
        settings: &Settings,
    ) -> anyhow::Result<Arc<Recorder>> {
        let options = RecordOptions {
            folder: folder.to_owned(),
            max_segment_bytes: settings.record.file_bytes,
            max_segment_duration: Duration::MAX,
            max_total_bytes: 0,
            queue: QUEUE,
        };
        let recorder = Arc::new(Recorder::start(options)?);
        recorder.begin(setup(loaded, NODE, store, settings.seed));
        if let Some(failure) = recorder.report().failure {
            anyhow::bail!("--output {failure}");
        }
        self.solver.record(Some(Recording { recorder: Arc::clone(&recorder), steps: false }))?;
        Ok(recorder)
    }

    /// Hands one message in, as the node would, and waits for its answer.
    fn take(&self, intake: &mut Intake, time: i64, reading: &JointReading, counts: &mut Counts) -> anyhow::Result<()> {
        let message = JointMessage {
            stamp: Stamp { sec: reading.sec, nanosec: reading.nanosec },
            frame_id: &reading.frame_id,
            names: &reading.names,
            positions: &reading.positions,
            has_other_fields: reading.has_other_fields,
        };
        let taken = intake.take_joints(&message, time);
        counts.messages += 1;
        for refusal in taken.refusals.into_iter().filter(|refusal| !refusal.is_used) {
            *counts.refused.entry(refusal.cause.name().to_owned()).or_default() += 1;
        }
        let Some(observation) = (taken.used > 0).then(|| intake.observation(time)).flatten() else { return Ok(()) };
        *lock(&self.next.0) = Some(observation);
        self.solver.wake();
        let answer = self.answers.recv().context("the engine thread has ended")?.map_err(anyhow::Error::msg)?;
        counts.solves += 1;
        counts.steps += u64::from(answer.statistics.steps);
        counts.loss += answer.losses.first().copied().unwrap_or(f64::NAN);
        counts.took += answer.took;
        Ok(())
    }
}

impl Counts {
    fn words(&self, topic: &str) -> String {
        let Self { messages, refused, solves, steps, loss, took } = self;
        let count = (*solves).max(1) as f64;
        let mut text = format!(
            "{topic}: {messages} messages, {solves} solved, {:.1} steps, loss {:.4}, {:.2} ms each\n",
            *steps as f64 / count,
            loss / count,
            took.as_secs_f64() * 1e3 / count
        );
        for (cause, count) in refused {
            text += &format!("refused {cause}: {count}\n");
        }
        text
    }
}
