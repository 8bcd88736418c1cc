//! Several people: told apart, each solved as if alone, forgotten, and none more than there are places for.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;
use thalweg::{Loaded, Plan, Registry};
use thalweg_engine::{Answer, Budget, EngineConfig};
use thalweg_node::intake::{
    Cause, Intake, IntakeConfig, JointMessage, PeopleConfig, Person, Provenance, Reading, Stamp, Taken, identity,
    read_objects,
};
use thalweg_node::parameters::{Settings, Store, full_table};
use thalweg_node::solver::{
    Assignment, Attendance, Recording, Repetition, Replayer, Sink, Solver, Source, Tuning, setup,
};
use thalweg_record::{Before, Reader, RecordOptions, Recorder, Solve};
use thalweg_task::{LoadOptions, Observation, ParameterValue, TaskSpec};
use thalweg_tests::zed;

const PATIENCE: Duration = Duration::from_secs(60);
const SECOND: i64 = 1_000_000_000;
/// Nanoseconds between two messages.
const PERIOD: i64 = SECOND / 30;

fn plan() -> Plan {
    let parameters = json!({"keypoints": "azure_kinect_32", "names": "rep155"});
    let parameters = parameters.as_object().unwrap().clone();
    let engine = EngineConfig { hypotheses: 2, fresh: 0, ..EngineConfig::default() };
    Plan {
        options: LoadOptions { parameters, ..LoadOptions::default() },
        engine,
        ..Plan::of(Registry::shipped(), "body_pose")
    }
}

fn spec() -> TaskSpec {
    plan().load_task().unwrap().spec().clone()
}

fn intake(spec: &TaskSpec, most: usize) -> Intake {
    let people = PeopleConfig { most, timeout: Duration::from_secs(2) };
    Intake::new(spec, IntakeConfig { people, ..IntakeConfig::default() })
}

/// Some joints of a body that stands at x, by Azure Kinect's numbers: pelvis, spine, neck, shoulders, hips, knees; `bend`
/// lifts the left knee.
fn body(number: i64, x: f64, bend: f64) -> Vec<Reading> {
    let places = [
        (0, [0.0, 0.0, 0.0]),
        (1, [0.0, -0.2, 0.0]),
        (2, [0.0, -0.4, 0.0]),
        (3, [0.0, -0.55, 0.0]),
        (5, [0.18, -0.5, 0.0]),
        (12, [-0.18, -0.5, 0.0]),
        (18, [0.09, 0.05, 0.0]),
        (19, [0.09, 0.5 - bend, -bend]),
        (22, [-0.09, 0.05, 0.0]),
        (23, [-0.09, 0.5, 0.0]),
    ];
    let reading = |(id, [a, b, c]): (i64, [f64; 3])| Reading {
        id: Some(100 * number + id),
        body: None,
        place: [a + x, b, c + 3.0],
        confidence: None,
        is_ray: false,
    };
    places.into_iter().map(reading).collect()
}

fn take(intake: &mut Intake, readings: &[Reading], now: i64) -> Taken {
    let stamp = Stamp { sec: (now / SECOND) as i32, nanosec: (now % SECOND) as u32 };
    intake.take_keypoints(stamp, "camera", readings, now)
}

fn ids(people: &[Person]) -> Vec<&str> {
    people.iter().map(|person| person.id.as_ref()).collect()
}

fn causes(taken: &Taken) -> Vec<Cause> {
    taken.refusals.iter().map(|refusal| refusal.cause).collect()
}

#[test]
fn identities_are_words_of_topics() {
    for (text, expected) in
        [("7", Some("b7")), ("ab12e", Some("ab12e")), ("", None), ("a/b", None), ("a b", None), ("ä", None)]
    {
        assert_eq!(identity(text).as_deref(), expected, "{text}");
    }
    assert_eq!(identity(&"x".repeat(64)), None);
}

#[test]
fn the_first_keep_their_places_and_others_are_counted() {
    let mut intake = intake(&spec(), 2);
    let two = [body(9, 0.0, 0.0), body(4, 1.0, 0.0)].concat();
    let taken = take(&mut intake, &two, PERIOD);
    assert!(taken.used > 0 && taken.refusals.is_empty(), "{taken:?}");
    let three = [two.clone(), body(1, 2.0, 0.0)].concat();
    let taken = take(&mut intake, &three, 2 * PERIOD);
    assert_eq!(causes(&taken), [Cause::TooManyPeople]);
    assert!(taken.refusals[0].text.contains("got person b1; expected at most 2"), "{}", taken.refusals[0].text);
    let people = intake.people_mut().unwrap();
    assert_eq!(
        (ids(&people.there()), people.others()),
        (vec!["b4", "b9"], 1),
        "of one message the least number is first"
    );
    // Who is silent for too long gives their place away, and comes back as somebody else.
    let late = 2 * PERIOD + 3 * SECOND;
    take(&mut intake, &[body(1, 2.0, 0.0), body(4, 1.0, 0.0)].concat(), late);
    let there = intake.people().unwrap().there();
    assert_eq!(ids(&there), ["b1", "b4"]);
    assert_eq!(there.iter().map(|person| person.arrival).collect::<Vec<_>>(), [3, 4]);
}

#[test]
fn each_is_due_once_and_in_another_round_somebody_else_is_first() {
    let mut intake = intake(&spec(), 3);
    let all = [body(1, 0.0, 0.0), body(2, 1.0, 0.0), body(3, 2.0, 0.0)].concat();
    let mut firsts = Vec::new();
    for round in 1..=3 {
        take(&mut intake, &all, round * PERIOD);
        let due = intake.people_mut().unwrap().due();
        assert_eq!(due.len(), 3);
        firsts.push(due[0].id.to_string());
        for person in &due {
            let (_, provenance) = intake.observation_of(person, round * PERIOD).unwrap();
            assert_eq!((provenance.person.as_ref(), provenance.leads), (Some(person), person.arrival == 1));
        }
        assert!(intake.people_mut().unwrap().due().is_empty(), "nothing new");
    }
    firsts.sort();
    firsts.dedup();
    assert!(firsts.len() > 1, "{firsts:?}");
    // A message of one of them is news of that one.
    take(&mut intake, &body(2, 1.0, 0.0), 4 * PERIOD);
    assert_eq!(ids(&intake.people_mut().unwrap().due()), ["b2"]);
    assert!(intake.observation(4 * PERIOD).is_none(), "of nobody in particular");
}

#[test]
fn what_is_nobodys_is_refused() {
    let mut intake = intake(&spec(), 2);
    let nameless: Vec<Reading> = body(1, 0.0, 0.0).iter().map(|one| Reading { id: None, ..*one }).collect();
    assert_eq!(causes(&take(&mut intake, &nameless, PERIOD)), [Cause::NoPerson]);
    let unknown: Vec<Reading> = body(1, 0.0, 0.0).iter().map(|one| Reading { body: Some(-1), ..*one }).collect();
    assert_eq!(causes(&take(&mut intake, &unknown, PERIOD)), [Cause::NoPerson], "a negative number is not known yet");
    let stamp = Stamp { sec: 1, nanosec: 0 };
    let mut joints = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let positions = vec![0.5; names.len()];
        let message =
            JointMessage { stamp, frame_id: "", names: &names, positions: &positions, has_other_fields: false };
        intake.take_joints(&message, SECOND)
    };
    assert_eq!(causes(&joints(&["left_elbow_y"])), [Cause::NoPerson]);
    assert_eq!(causes(&joints(&["l_elbow"])), [Cause::NoPerson]);
    assert_eq!(causes(&joints(&["gripper"])), [Cause::UnknownJoint], "somebody else's");
    let taken = joints(&["l_elbow_ab", "r_elbow_cd", "left_elbow_y"]);
    assert_eq!((taken.used > 0, causes(&taken)), (true, vec![Cause::NoPerson]));
    assert_eq!(ids(&intake.people().unwrap().there()), ["ab", "cd"]);
}

#[test]
fn memory_is_bounded_whoever_comes() {
    let mut intake = intake(&spec(), 2);
    for number in 1..1000 {
        take(&mut intake, &body(number, 0.0, 0.0), PERIOD + number);
    }
    let people = intake.people().unwrap();
    assert_eq!((people.there().len(), people.others()), (2, 256));
}

#[test]
fn skeletons_of_a_zed_camera_are_read_by_the_text_of_their_type() {
    let keypoints: Vec<[f32; 3]> = (0..38_u8).map(|number| [f32::from(number), f32::NAN, 2.0]).collect();
    for confidence in [None, Some(80.0)] {
        let person = zed::Person { label_id: -3, body_format: 2, keypoints: &keypoints, confidence };
        let bytes = zed::objects(7, &[person, zed::Person { label_id: 12, ..person }]);
        let (stamp, frame_id, readings) = read_objects(&bytes, 38).unwrap();
        assert_eq!((stamp.sec, frame_id.as_str(), readings.len()), (7, "zed_camera", 76));
        let last = readings[75];
        assert_eq!((last.id, last.body, last.confidence), (Some(37), Some(12), confidence.map(f64::from)));
        assert_eq!((last.place[0], last.place[2], readings[0].body), (37.0, 2.0, Some(-3)));
        assert!(last.place[1].is_nan());
        let refusal = read_objects(&bytes, 34).unwrap_err();
        assert!(
            refusal.text.contains("got skeletons of format BODY_38, 38 keypoints; expected 34"),
            "{}",
            refusal.text
        );
        for length in (0..bytes.len()).step_by(37) {
            assert_eq!(read_objects(&bytes[..length], 38).unwrap_err().cause, Cause::Undecodable, "cut at {length}");
        }
    }
}

#[test]
fn a_tracker_that_changes_its_frame_or_contradicts_itself_is_noticed() {
    let mut intake = intake(&spec(), 1);
    let mut take_in = |frame: &str, x: f64, message: i64| {
        let now = message * PERIOD;
        let stamp = Stamp { sec: (now / SECOND) as i32, nanosec: (now % SECOND) as u32 };
        causes(&intake.take_keypoints(stamp, frame, &body(1, x, 0.0), now))
    };
    assert_eq!(take_in("camera", 0.0, 1), []);
    assert_eq!(take_in("map", 0.0, 2), [Cause::ChangedFrame]);
    assert_eq!(take_in("map", 0.0, 3), []);
    let noticed = (4..24).filter(|message| take_in("map", (message % 2) as f64, *message) == [Cause::Contradiction]);
    assert!(noticed.count() > 10);
}

#[derive(Clone)]
struct Shared(Arc<Mutex<(Intake, i64)>>);

impl Source for Shared {
    fn observation(&mut self) -> Option<(Observation, Provenance)> {
        let (intake, now) = &mut *self.0.lock().unwrap();
        intake.observation(*now)
    }

    fn people(&mut self) -> Option<Attendance> {
        let (intake, now) = &mut *self.0.lock().unwrap();
        let people = intake.people_mut()?;
        people.expire(*now);
        Some(Attendance { there: people.there(), due: people.due() })
    }

    fn observation_of(&mut self, person: &Person) -> Option<(Observation, Provenance)> {
        let (intake, now) = &mut *self.0.lock().unwrap();
        intake.observation_of(person, *now)
    }

    fn now_nanos(&self) -> i64 {
        self.0.lock().unwrap().1
    }
}

struct Heard(Sender<(Answer, Provenance)>);

impl Sink for Heard {
    fn answer(&mut self, answer: Answer, provenance: Provenance) {
        self.0.send((answer, provenance)).unwrap();
    }

    fn gave_up(&mut self, why: &str) {
        panic!("{why}");
    }
}

/// A solver of a few steps, without a deadline: the same every time.
struct Bench {
    solver: Solver,
    shared: Shared,
    answers: Receiver<(Answer, Provenance)>,
}

impl Bench {
    fn new(most: usize) -> Self {
        let tuning = Tuning { hypotheses: 2, fresh: 0, budget: Budget::of_steps(3), period: Duration::ZERO };
        Self::of(most, Assignment { plan: plan(), tuning }).0
    }

    /// Of another assignment, with what is loaded.
    fn of(most: usize, assignment: Assignment) -> (Self, Loaded) {
        let shared = Shared(Arc::new(Mutex::new((intake(&spec(), most), 0))));
        let (sender, answers) = channel();
        let solver = Solver::start(Box::new(shared.clone()), Box::new(Heard(sender))).unwrap();
        let loaded = solver.load(assignment).unwrap();
        solver.run(true).unwrap();
        (Self { solver, shared, answers }, loaded)
    }

    /// The answers to one message, by the identities of the people in it.
    fn solve(&self, readings: &[Reading], now: i64, people: usize) -> Vec<(String, Vec<f64>)> {
        {
            let (intake, time) = &mut *self.shared.0.lock().unwrap();
            *time = now;
            let taken = take(intake, readings, now);
            assert!(taken.refusals.is_empty(), "{taken:?}");
        }
        self.solver.wake();
        let answer = |_| {
            let (answer, provenance) = self.answers.recv_timeout(PATIENCE).expect("an answer");
            (provenance.person.map_or_else(String::new, |person| person.id.to_string()), answer.joints[0].clone())
        };
        let mut answers: Vec<_> = (0..people).map(answer).collect();
        answers.sort_by(|one, other| one.0.cmp(&other.0));
        answers
    }
}

/// Frames of two people who lift a knee, one earlier than the other.
fn frames() -> Vec<[Vec<Reading>; 2]> {
    (0..5)
        .map(|frame| [0.0, 0.1].map(|lead| 0.05 * f64::from(frame) + lead))
        .map(|[one, two]| [body(1, 0.0, one), body(2, 2.0, two)])
        .collect()
}

#[test]
fn each_is_solved_as_if_alone() {
    let (both, alone) = (Bench::new(2), [Bench::new(2), Bench::new(2)]);
    for (frame, people) in frames().into_iter().enumerate() {
        let now = (1 + frame as i64) * PERIOD;
        let together = both.solve(&people.concat(), now, 2);
        let apart: Vec<_> = people.iter().zip(&alone).flat_map(|(one, bench)| bench.solve(one, now, 1)).collect();
        assert_eq!(together, apart, "frame {frame}, bit for bit");
    }
}

#[test]
fn who_comes_back_after_a_silence_starts_anew() {
    let bench = Bench::new(2);
    let [[first, _], .., [last, _]] = &frames()[..] else { panic!("frames") };
    let cold = bench.solve(first, PERIOD, 1);
    let warm = bench.solve(last, 2 * PERIOD, 1);
    let fresh = Bench::new(2).solve(last, PERIOD, 1);
    assert_ne!(warm, fresh, "what came before counts");
    // The other one keeps the solver awake; so long nothing is heard of the first.
    let later = 2 * PERIOD + 3 * SECOND;
    bench.solve(&body(2, 2.0, 0.0), later, 1);
    assert_eq!(bench.solver.report().people, 1, "the first is forgotten");
    assert_eq!(bench.solve(first, later + PERIOD, 1), cold, "as at the first time, bit for bit");
}

#[test]
fn an_engine_keeps_nothing_of_people_who_have_gone() {
    let bench = Bench::new(2);
    for number in 0..40 {
        bench.solve(&body(number, 0.0, 0.0), (1 + number) * 3 * SECOND, 1);
        assert_eq!(bench.solver.report().people, 1, "person {number}");
    }
    bench.shared.0.lock().unwrap().1 += 10 * SECOND;
    bench.solver.wake();
    let begin = Instant::now();
    while bench.solver.report().people > 0 {
        assert!(begin.elapsed() < PATIENCE, "the last one is not forgotten");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(bench.solver.report().roots.is_empty());
}

/// A node's parameters: two hypotheses, three steps, whatever time they take.
fn store() -> Store {
    let text = |value: &str| ParameterValue::String(value.to_owned());
    let values = [
        ("task", text("body_pose")),
        ("body_pose.keypoints", text("azure_kinect_32")),
        ("body_pose.names", text("rep155")),
        ("input.people", ParameterValue::Integer(3)),
        ("record.enabled", ParameterValue::Bool(true)),
        ("hypotheses", ParameterValue::Integer(2)),
        ("warm_start.fresh", ParameterValue::Integer(1)),
        ("budget.steps", ParameterValue::Integer(3)),
        ("budget.deadline", ParameterValue::Double(10.0)),
    ];
    let values = values.map(|(name, value)| (name.to_owned(), value));
    Store::declare(full_table(&Registry::shipped(), &[]), &values).unwrap()
}

fn options(folder: &Path) -> RecordOptions {
    RecordOptions {
        folder: folder.to_owned(),
        max_segment_bytes: u64::MAX,
        max_segment_duration: Duration::MAX,
        max_total_bytes: 0,
        queue: 1000,
    }
}

/// Every solve of a file again, each with what came of it; but for the second solve of those people.
fn repeated(file: &Path, without: &[&str]) -> Vec<(Solve, Repetition)> {
    let mut reader = Reader::open(file).unwrap();
    let mut replayer = Replayer::new(&Registry::shipped(), reader.setup(), None, &[]).unwrap();
    let is_lost = |solve: &Solve| solve.index == 2 && without.contains(&solve.person.as_ref().unwrap().id.as_str());
    let solves = reader.solves().map(Result::unwrap).filter(|solve| !is_lost(solve));
    let again = solves.map(|solve| (replayer.repeat(&solve).unwrap(), solve));
    again.map(|(came, solve)| (solve, came)).collect()
}

#[test]
fn everybody_is_in_the_recording_and_comes_out_of_it_bit_for_bit() {
    let (store, folder) = (store(), tempfile::tempdir().unwrap());
    let settings = Settings::read(&store, 7).unwrap();
    let (bench, loaded) = Bench::of(3, Assignment::of(&settings, Registry::shipped()).unwrap());
    let recorder = Arc::new(Recorder::start(options(folder.path())).unwrap());
    recorder.begin(setup(&loaded, "/thalweg", &store, settings.seed));
    bench.solver.record(Some(Recording { recorder: Arc::clone(&recorder), steps: false })).unwrap();
    let mut now = 0;
    let mut show = |people: &[Vec<Reading>]| {
        now += PERIOD;
        bench.solve(&people.concat(), now, people.len());
    };
    let frames = frames();
    for [one, two] in &frames {
        show(&[one.clone(), two.clone()]);
    }
    let first = recorder.save().unwrap();
    // A third one comes; the first one goes, and comes back after a silence.
    let third: Vec<_> = (0..90).map(|frame| body(3, -1.0, 0.002 * f64::from(frame))).collect();
    for lift in third.iter().take(3) {
        show(&[frames[4][0].clone(), frames[4][1].clone(), lift.clone()]);
    }
    for lift in third.iter().skip(3) {
        show(&[frames[4][1].clone(), lift.clone()]);
    }
    show(&[frames[0][0].clone(), frames[4][1].clone()]);
    show(&[frames[1][0].clone(), frames[4][1].clone()]);
    let second = recorder.save().unwrap();
    bench.solver.record(None).unwrap();
    assert_eq!(recorder.report().dropped, 0);

    let mut stays = BTreeSet::new();
    for (file, count) in [(&first, 10), (&second, 3 * 3 + 87 * 2 + 4)] {
        let (repeated, mut met) = (repeated(file, &[]), BTreeSet::new());
        assert_eq!(repeated.len(), count);
        for (solve, came) in repeated {
            let person = solve.person.unwrap();
            assert_eq!(came, Repetition::Same, "solve {} of {person:?}", solve.index);
            // Each file tells once where the engine came from, of each stay.
            assert_eq!(solve.before != Before::Chained, met.insert(person), "solve {}", solve.index);
        }
        stays.extend(met);
    }
    let of_first = stays.iter().filter(|person| person.id == "b1");
    assert_eq!((stays.len(), of_first.count()), (4, 2), "the first one came twice: {stays:?}");
    // What is lost of one person breaks nobody else's chain.
    for (solve, came) in repeated(&first, &["b2"]) {
        let is_broken = solve.person.unwrap().id == "b2" && solve.index > 2;
        assert_eq!(came, if is_broken { Repetition::Unanchored } else { Repetition::Same }, "solve {}", solve.index);
    }
}
