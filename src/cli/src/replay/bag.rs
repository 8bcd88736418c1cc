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
use thalweg_record::{Bag, BagTopic, Damage, JointReading, RecordOptions, Recorder};
use thalweg_task::{Observation, ParameterValue};

use super::ReplayArguments;
use crate::console::{line, note, print};
use crate::failure::InputError;
use crate::recordings::Gathered;

/// Name under which solves are recorded: that of the node, unless it is remapped.
const NODE: &str = "/thalweg";
/// Most topics that a refusal lists.
const LISTED: usize = 30;
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
    refused: BTreeMap<&'static str, u64>,
    /// What was used with a remark.
    noticed: BTreeMap<&'static str, u64>,
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
    let bag = Bag::open(path)?;
    let topic = topic(&bag, path, arguments.topic.as_deref())?;
    let (store, settings) = settings(task, arguments, registry)?;
    let (fed, loaded) = Fed::load(&settings, arguments.steps, registry)?;
    let recorder = match &arguments.output {
        Some(folder) => Some(fed.record(folder, &loaded, &store, &settings)?),
        None => None,
    };
    let mut intake = Intake::new(&loaded.spec, IntakeConfig::default());
    let mut counts = Counts::default();
    let mut states = bag.joint_states(&topic);
    for state in states.by_ref() {
        let (time, reading) = state?;
        fed.take(&mut intake, time, &reading, &mut counts)?;
    }
    fed.solver.record(None)?;
    let damage = states.damage();
    print(&counts.words(&topic, damage))?;
    if let Some(recorder) = recorder {
        let file = recorder.save()?;
        let dropped = recorder.report().dropped;
        ensure!(dropped == 0, "{dropped} solves were not recorded: the disk does not keep up");
        print(&format!("recorded into {}\n", file.display()))?;
    }
    counts.expect_solves(path, &topic)?;
    Gathered { files: bag.listing().files.len(), damage }.outcome()
}

/// The topic that is wanted, or the only one there is.
fn topic(bag: &Bag, path: &Path, wanted: Option<&str>) -> anyhow::Result<String> {
    let (topics, notes) = bag.topics()?;
    notes.iter().for_each(|text| note(text));
    let refuse = |why: String| InputError::Bag { path: path.to_owned(), why };
    let (mut usable, others): (Vec<&BagTopic>, Vec<_>) = topics.iter().partition(|topic| topic.has_joint_states());
    if let Some(name) = wanted {
        if usable.iter().any(|topic| topic.name == name) {
            return Ok(name.to_owned());
        }
        let found = others.into_iter().find(|topic| topic.name == name);
        let got = found.map_or_else(|| "is not in it".to_owned(), |topic| format!("has {}", in_words(topic)));
        return Err(
            refuse(format!("--topic {name} {got}; expected joint states of ROS 2; found {}", listed(&topics))).into()
        );
    }
    if let Some(topic) = others.iter().find(|topic| usable.is_empty() && topic.has_other_joint_states()) {
        let (name, encoding) = (line(&topic.name), line(&topic.encoding));
        let cure = match topic.encoding.as_str() {
            "ros1" => "; `rosbags-convert --src BAG --dst FOLDER` (pip install rosbags) makes a bag of ROS 2",
            _ => "; record it by ROS 2, whose messages are CDR",
        };
        return Err(refuse(format!("joint states of {name} are encoded as {encoding}, expected cdr{cure}")).into());
    }
    // One that never said anything is no choice.
    if usable.iter().any(|topic| topic.messages > 0) {
        usable.retain(|topic| topic.messages > 0);
    }
    match usable[..] {
        [] => Err(refuse(format!("expected sensor_msgs/msg/JointState messages, found {}", listed(&topics))).into()),
        [topic] => Ok(topic.name.clone()),
        _ => {
            let names =
                usable.iter().map(|topic| format!("{} ({})", line(&topic.name), topic.messages)).collect::<Vec<_>>();
            Err(refuse(format!("has joint states on several topics, choose one with --topic: {}", names.join(", ")))
                .into())
        }
    }
}

/// All topics and what they hold.
fn listed(topics: &[BagTopic]) -> String {
    if topics.is_empty() {
        return "no topic".to_owned();
    }
    let more = if topics.len() > LISTED { format!(", and {} others", topics.len() - LISTED) } else { String::new() };
    let listed = topics.iter().take(LISTED).map(|topic| format!("{} ({})", line(&topic.name), in_words(topic)));
    listed.collect::<Vec<_>>().join(", ") + &more
}

fn in_words(topic: &BagTopic) -> String {
    let BagTopic { kind, encoding, messages, .. } = topic;
    let kind = if kind.is_empty() { "messages of an unknown type".into() } else { line(kind) };
    let encoding = line(encoding);
    if encoding == "cdr" { format!("{messages} {kind}") } else { format!("{messages} {kind} as {encoding}") }
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
        // What was recorded is no longer about to be: there is no future, whichever clock the robot had. Where it had
        // none, it is the recorder's.
        let now = message.stamp.nanos().ok().filter(|_| !message.stamp.is_zero()).unwrap_or(time);
        let taken = intake.take_joints(&message, now);
        counts.messages += 1;
        for refusal in taken.refusals {
            let counter = if refusal.is_used { &mut counts.noticed } else { &mut counts.refused };
            *counter.entry(refusal.cause.name()).or_default() += 1;
        }
        let Some(observation) = (taken.used > 0).then(|| intake.observation(now)).flatten() else { return Ok(()) };
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
    /// Says with an error that there is no answer at all.
    fn expect_solves(&self, path: &Path, topic: &str) -> anyhow::Result<()> {
        if self.solves > 0 {
            return Ok(());
        }
        let why = match self.refused.iter().max_by_key(|(_, count)| **count) {
            _ if self.messages == 0 => "there is no message that can be read".to_owned(),
            Some((cause, count)) => format!("most often refused: {cause} ({count})"),
            None => "none names a joint of the task".to_owned(),
        };
        let why = format!("{}: none of {} messages could be solved: {why}", line(topic), self.messages);
        Err(InputError::Bag { path: path.to_owned(), why }.into())
    }

    fn words(&self, topic: &str, damage: Damage) -> String {
        let Self { messages, refused, noticed, solves, steps, loss, took } = self;
        let count = (*solves).max(1) as f64;
        let topic = line(topic);
        let mut text = format!(
            "{topic}: {messages} messages, {solves} solved, {:.1} steps, loss {:.4}, {:.2} ms each\n",
            *steps as f64 / count,
            loss / count,
            took.as_secs_f64() * 1e3 / count
        );
        for (what, counts) in [("refused", refused), ("noticed", noticed)] {
            text += &counts.iter().map(|(cause, count)| format!("{what} {cause}: {count}\n")).collect::<String>();
        }
        if damage.has_lost() {
            text += &format!("lost: {damage}\n");
        }
        text
    }
}
