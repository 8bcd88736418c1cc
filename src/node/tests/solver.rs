//! The engine thread: newest observation, changes between two solves, trouble as a report.
#![allow(clippy::unwrap_used)]

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tch::Tensor;
use thalweg::clock::ManualClock;
use thalweg::{LandscapeSource, Plan, Registry, StartSource};
use thalweg_engine::gpu::GpuChoice;
use thalweg_engine::landscape::{Landscape, LandscapeShape};
use thalweg_engine::{Answer, Budget, Engine, EngineConfig, Memory};
use thalweg_nn::weights;
use thalweg_node::intake::Provenance;
use thalweg_node::parameters::{Settings, Store, full_table};
use thalweg_node::solver::{Assignment, Replayer, Sink, SolveReport, Solver, Source, Trial, Tuning, setup};
use thalweg_record::Setup;
use thalweg_task::{LoadOptions, Observation, ParameterValue};
use thalweg_tests::hostile;

/// Longest wait for what must happen; nothing is measured by it.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the source shows: angles of the arm, or an image that the arm cannot read.
#[derive(Clone)]
enum Scene {
    Angles([f32; 3]),
    Image,
    Nothing,
}

struct Shown(Arc<Mutex<(Scene, i64)>>);

impl Source for Shown {
    fn observation(&mut self) -> Option<(Observation, Provenance)> {
        let (scene, stamp_nanos) = self.0.lock().unwrap().clone();
        let mut obs = match scene {
            Scene::Angles(angles) => Observation::of_joints(&Tensor::from_slice(&angles).view([1, 3])),
            Scene::Image => Observation::of_image(&Tensor::from_slice(&[1.0f32]).view([1, 1, 1, 1])),
            Scene::Nothing => return None,
        };
        obs.stamp_nanos = stamp_nanos;
        let observed_joints = vec![true; 3];
        Some((obs, Provenance { stamp_nanos, observed_joints, ..Provenance::default() }))
    }

    fn now_nanos(&self) -> i64 {
        0
    }
}

struct Heard {
    answers: Sender<(Answer, Provenance)>,
    gave_up: Sender<String>,
}

impl Sink for Heard {
    fn answer(&mut self, answer: Answer, provenance: Provenance) {
        self.answers.send((answer, provenance)).unwrap();
    }

    fn gave_up(&mut self, why: &str) {
        self.gave_up.send(why.to_owned()).unwrap();
    }
}

struct Bench {
    solver: Solver,
    scene: Arc<Mutex<(Scene, i64)>>,
    answers: Receiver<(Answer, Provenance)>,
    gave_up: Receiver<String>,
}

impl Bench {
    fn new() -> Self {
        let scene = Arc::new(Mutex::new((Scene::Nothing, 0)));
        let ((heard, answers), (given_up, gave_up)) = (channel(), channel());
        let sink = Heard { answers: heard, gave_up: given_up };
        let solver = Solver::start(Box::new(Shown(Arc::clone(&scene))), Box::new(sink)).unwrap();
        Self { solver, scene, answers, gave_up }
    }

    fn show(&self, scene: Scene, stamp: i64) {
        *self.scene.lock().unwrap() = (scene, stamp);
        self.solver.wake();
    }

    fn next(&self) -> (Answer, Provenance) {
        self.answers.recv_timeout(PATIENCE).expect("an answer")
    }

    /// Shows a sound scene, the second one, and fails unless its answer is the next.
    fn solves_the_next(&self) {
        self.show(Scene::Angles([0.3, -0.2, 0.1]), 2);
        assert_eq!(self.next().1.stamp_nanos, 2);
    }
}

fn plan() -> Plan {
    let engine = EngineConfig { hypotheses: 4, fresh: 1, ..EngineConfig::default() };
    Plan {
        landscape: LandscapeSource::Identity,
        start: StartSource::None,
        engine,
        automatic_optimizer: false,
        ..Plan::of(Registry::shipped(), "planar_arm")
    }
}

fn assignment() -> Assignment {
    Assignment { plan: plan(), tuning: tuning(4, 5) }
}

fn tuning(hypotheses: usize, steps: u32) -> Tuning {
    Tuning { hypotheses, fresh: 1, budget: Budget::of_steps(steps), period: Duration::ZERO }
}

#[test]
fn solves_the_newest_observation_and_ranks() {
    let bench = Bench::new();
    let loaded = bench.solver.load(assignment()).expect("planar_arm needs no weights");
    assert_eq!((loaded.landscape_id.as_str(), loaded.spec.name.as_str()), ("identity", "planar_arm"));
    bench.solver.run(true).unwrap();
    bench.show(Scene::Angles([0.3, -0.2, 0.1]), 7);
    let (answer, provenance) = bench.next();
    assert_eq!((provenance.stamp_nanos, answer.joints.len(), answer.points[0].len()), (7, 4, 3));
    assert!(answer.losses.is_sorted(), "{:?}", answer.losses);
    assert!((answer.weights.iter().sum::<f64>() - 1.0).abs() < 1e-9);
    assert_eq!(answer.statistics.steps, 5);
    let report = bench.solver.report();
    assert_eq!((report.solves, report.failures), (1, 0));
}

/// What runs gives the same answers, bit for bit, whether something was completed beside it or not.
#[test]
fn a_gpu_that_is_not_there_is_said_and_done_without() {
    let bench = Bench::new();
    let mut assignment = assignment();
    assignment.plan.gpu = Some(GpuChoice::Named("no such card".to_owned()));
    let loaded = bench.solver.load(assignment).expect("it is done without");
    let trouble = loaded.gpu_trouble.expect("nothing has that name").to_string();
    assert!(trouble.starts_with("gpu:no such card: no such adapter; found: "), "{trouble}");
    assert_eq!((loaded.gpu, bench.solver.report().gpu_trouble), (None, Some(trouble)));
    bench.solver.run(true).unwrap();
    bench.show(Scene::Angles([0.3, -0.2, 0.1]), 2);
    assert_eq!(bench.next().1.stamp_nanos, 2);
    // Nor is it spoken of any more where none is asked for.
    bench.solver.load(self::assignment()).expect("planar_arm needs no weights");
    assert_eq!(bench.solver.report().gpu_trouble, None);
}

#[test]
fn a_completion_leaves_no_trace() {
    let angles = [0.3f32, -0.2, 0.1];
    let aside = || Observation::of_joints(&Tensor::from_slice(&[0.6f32, 0.1, -0.4]).view([1, 3]));
    let stream = |is_disturbed: bool| -> Vec<Vec<f64>> {
        let bench = Bench::new();
        bench.solver.load(assignment()).unwrap();
        bench.solver.run(true).unwrap();
        let mut losses = Vec::new();
        for stamp in 1..=3 {
            bench.show(Scene::Angles(angles), stamp);
            losses.push(bench.next().0.losses);
            if is_disturbed {
                let answer = bench.solver.complete(aside()).expect("it is solved");
                assert_eq!((answer.joints.len(), answer.statistics.steps), (4, 5));
                assert!(answer.losses.is_sorted());
            }
        }
        assert_eq!(bench.solver.report().solves, 3, "a completion is no solve of the stream");
        losses
    };
    assert_eq!(stream(true), stream(false));
    let bench = Bench::new();
    let refusal = bench.solver.complete(aside()).expect_err("nothing is loaded").to_string();
    assert!(refusal.contains("nothing is loaded"), "{refusal}");
}

#[test]
fn any_number_of_wakes_is_one_solve_and_none_is_lost() {
    let bench = Bench::new();
    bench.solver.load(assignment()).unwrap();
    bench.solver.run(true).unwrap();
    for stamp in 1..=1000 {
        bench.show(Scene::Angles([0.1, 0.2, 0.3]), stamp);
    }
    let mut stamps = vec![bench.next().1.stamp_nanos];
    while *stamps.last().unwrap() < 1000 {
        stamps.push(bench.next().1.stamp_nanos);
    }
    assert!(stamps.is_sorted(), "{stamps:?}");
    assert!(stamps.len() < 1000, "observations queued");
}

#[test]
fn q7_changes_take_effect_between_two_solves_all_at_once() {
    let bench = Bench::new();
    bench.solver.load(assignment()).unwrap();
    bench.solver.run(true).unwrap();
    bench.show(Scene::Angles([0.3, -0.2, 0.1]), 1);
    assert_eq!((bench.next().0.joints.len(), 5), (4, 5));
    bench.solver.tune(tuning(6, 9));
    bench.show(Scene::Angles([0.3, -0.2, 0.1]), 2);
    let (answer, _) = bench.next();
    assert_eq!((answer.joints.len(), answer.weights.len(), answer.statistics.steps), (6, 6, 9));
    // One of one would be fresh: refused as a whole, the number of steps included.
    bench.solver.tune(tuning(1, 1));
    bench.show(Scene::Angles([0.3, -0.2, 0.1]), 3);
    let (answer, _) = bench.next();
    assert_eq!((answer.joints.len(), answer.statistics.steps), (6, 9));
    assert!(bench.solver.report().last_failure.unwrap().contains("fresh"));
}

#[test]
fn nothing_is_handed_out_while_it_rests() {
    let bench = Bench::new();
    bench.solver.load(assignment()).unwrap();
    bench.show(Scene::Angles([0.3, -0.2, 0.1]), 1);
    bench.solver.run(false).unwrap();
    // The thread replies before the wake comes to nothing, which the next command would overtake.
    std::thread::sleep(Duration::from_millis(100));
    assert!(bench.answers.try_recv().is_err());
    bench.solver.run(true).unwrap();
    bench.solves_the_next();
    bench.solver.run(false).unwrap();
    bench.show(Scene::Angles([0.3, -0.2, 0.1]), 3);
    // Answered after whatever came before it.
    bench.solver.unload().unwrap();
    assert!(bench.answers.try_recv().is_err());
    assert!(bench.solver.quit());
}

/// Waits until reports tell what they should; gives the last refusal and the last failure that they told.
fn reported(bench: &Bench, is_enough: impl Fn(&SolveReport) -> bool) -> [Option<String>; 2] {
    let (begin, mut told) = (Instant::now(), [None, None]);
    loop {
        let report = bench.solver.report();
        let is_told = is_enough(&report);
        told = [report.last_refusal.or(told[0].take()), report.last_failure.or(told[1].take())];
        if is_told {
            return told;
        }
        assert!(begin.elapsed() < PATIENCE, "{told:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn an_observation_that_is_none_is_refused_and_the_next_one_solved() {
    let bench = Bench::new();
    bench.solver.load(assignment()).unwrap();
    bench.solver.run(true).unwrap();
    for count in 1..=20 {
        bench.show(Scene::Image, 1);
        let [refusal, failure] = reported(&bench, |report| report.refusals >= count);
        assert!(refusal.unwrap().contains("image") && failure.is_none());
    }
    bench.solves_the_next();
    let report = bench.solver.report();
    assert_eq!((report.refusals, report.failures, report.solves), (20, 0, 1));
    assert!(bench.gave_up.try_recv().is_err());
}

/// An arm that fails as it is asked to.
fn hostile(fault: &str) -> Assignment {
    let mut plan = Plan { registry: Registry::shipped().with(hostile::ENTRY), ..plan() };
    plan.task = hostile::ENTRY.name.to_owned();
    plan.options.parameters.insert("fault".to_owned(), fault.into());
    Assignment { plan, tuning: tuning(4, 2) }
}

/// A1: numeric failure is a refusal of that observation, told and counted, however often it comes.
#[test]
fn an_observation_without_a_finite_loss_is_refused_and_the_next_one_solved() {
    let bench = Bench::new();
    bench.solver.load(hostile("none")).unwrap();
    bench.solver.run(true).unwrap();
    for count in 1..=20 {
        bench.show(Scene::Angles([hostile::NO_NUMBER as f32, 0.0, 0.0]), 1);
        let [refusal, failure] = reported(&bench, |report| report.refusals >= count);
        assert!(refusal.unwrap().contains("no finite loss") && failure.is_none());
    }
    bench.solves_the_next();
    assert!(bench.gave_up.try_recv().is_err());
}

/// A task that panics at an observation can run, as it proves on one of its own: it is not given up.
#[test]
fn observations_at_which_a_task_panics_are_failures_and_the_next_one_is_solved() {
    let bench = Bench::new();
    bench.solver.load(hostile("none")).unwrap();
    bench.solver.run(true).unwrap();
    for count in 1..=10 {
        bench.show(Scene::Angles([hostile::PANIC as f32, 0.0, 0.0]), 1);
        let [_, failure] = reported(&bench, |report| report.failures >= count);
        assert!(failure.unwrap().contains("as asked, at an observation"));
    }
    bench.solves_the_next();
    assert!(bench.gave_up.try_recv().is_err());
}

#[test]
fn a_task_that_cannot_run_at_all_is_given_up_and_can_be_run_again() {
    let bench = Bench::new();
    bench.solver.load(hostile("always")).unwrap();
    bench.solver.run(true).unwrap();
    for count in 1..=3 {
        assert!(bench.gave_up.try_recv().is_err(), "before {count}");
        bench.show(Scene::Angles([0.3, -0.2, 0.1]), 1);
        reported(&bench, |report| report.failures >= count);
    }
    assert!(bench.gave_up.recv_timeout(PATIENCE).expect("given up").contains("as asked, always"));
    bench.solver.load(assignment()).unwrap();
    bench.solver.run(true).unwrap();
    bench.solves_the_next();
}

/// G4: the thread that loads is left behind, and the next task is loaded.
#[test]
fn a_task_that_hangs_while_loading_is_given_up() {
    let bench = Bench::new();
    let mut hangs = hostile("hang");
    hangs.plan.load_timeout = Duration::from_millis(100);
    let refused = bench.solver.load(hangs).expect_err("it hangs").to_string();
    assert!(refused.contains("task hostile is not loaded after 0.1 s (load_timeout): it hangs"), "{refused}");
    bench.solver.load(assignment()).unwrap();
    bench.solver.run(true).unwrap();
    bench.solves_the_next();
}

#[test]
fn a_task_that_panics_while_loading_is_refused_and_one_that_panics_when_dropped_ends_the_thread() {
    let bench = Bench::new();
    let refused = bench.solver.load(hostile("load")).expect_err("refused").to_string();
    assert!(refused.contains("as asked, while loading"), "{refused}");
    bench.solver.load(hostile("drop")).expect("the thread lives");
    bench.solver.unload().unwrap();
    let begin = Instant::now();
    while !bench.solver.has_ended() {
        assert!(begin.elapsed() < PATIENCE, "nobody would notice");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(bench.solver.load(assignment()).is_err(), "it is told, and not waited for");
}

/// A11: who ends a long solve does not wait for it, and its answer is not wanted any more.
#[test]
fn a_long_solve_holds_up_nobody_who_ends_it() {
    let bench = Bench::new();
    bench.solver.load(Assignment { tuning: tuning(4, 4_000), ..assignment() }).unwrap();
    bench.solver.run(true).unwrap();
    bench.show(Scene::Angles([0.3, -0.2, 0.1]), 1);
    std::thread::sleep(Duration::from_millis(100));
    assert!(bench.answers.try_recv().is_err(), "it takes seconds");
    bench.solver.run(false).unwrap();
    bench.solver.unload().unwrap();
    assert!(bench.answers.try_recv().is_err());
    bench.solver.load(assignment()).expect("when the solve has ended");
    assert!(bench.answers.try_recv().is_err(), "it was asked for before");
    bench.solver.run(true).unwrap();
    bench.solves_the_next();
}

#[test]
fn what_cannot_be_loaded_is_refused_and_the_thread_lives() {
    let bench = Bench::new();
    let wrong = |change: fn(&mut Plan)| {
        let mut plan = plan();
        change(&mut plan);
        bench.solver.load(Assignment { plan, ..assignment() }).expect_err("refused").to_string()
    };
    assert!(wrong(|plan| plan.task = "planar_harm".to_owned()).contains("planar_arm"));
    assert!(wrong(|plan| plan.landscape = LandscapeSource::File("no/theta.safetensors".into())).contains("no/theta"));
    assert!(wrong(|plan| plan.engine.hypotheses = 1).contains("fresh"));
    bench.solver.load(assignment()).expect("the thread lives");
    assert!(!bench.solver.has_ended());
}

fn landscape(seed: u64) -> Landscape {
    let shape = LandscapeShape { z: 5, x: 3, hidden: 8 };
    Landscape::random(&shape, seed, tch::Kind::Float, tch::Device::Cpu).unwrap()
}

/// An engine as the plan describes it, on one landscape.
fn alone(landscape: Landscape) -> Engine {
    let task = thalweg::Registry::shipped().load("planar_arm", &LoadOptions::default()).unwrap();
    Engine::new(task, landscape, plan().engine).unwrap()
}

/// W11: whatever is swapped when, an answer is what one landscape alone gives, from a cold start.
#[test]
fn w11_a_thousand_swaps_leave_every_answer_with_one_landscape() {
    let bench = Bench::new();
    bench.solver.load(Assignment { tuning: tuning(4, 2), ..assignment() }).unwrap();
    bench.solver.run(true).unwrap();
    let mut engines = [1, 2].map(|seed| alone(landscape(seed)));
    for index in 0..1000u64 {
        let engine = &mut engines[(index % 2) as usize];
        bench.solver.swap(engine.landscape().shallow_clone()).unwrap();
        let angles = [0.3, -0.2, 0.001 * index as f32];
        bench.show(Scene::Angles(angles), index as i64);
        let (answer, _) = bench.next();
        engine.recall(Memory { index, ..Memory::default() }).unwrap();
        let obs = Observation::of_joints(&Tensor::from_slice(&angles).view([1, 3]));
        let solution = engine.solve(&obs, &Budget::of_steps(2), &ManualClock::default()).unwrap();
        assert_eq!(
            (answer.landscape.as_str(), &answer.losses),
            (solution.landscape.as_str(), &solution.loss),
            "{index}"
        );
    }
    assert_ne!(engines[0].landscape().id(), engines[1].landscape().id());
    bench.solver.unload().unwrap();
    let refused = bench.solver.swap(landscape(1)).expect_err("nothing is loaded");
    assert!(refused.to_string().contains("nothing is loaded"), "{refused}");
}

/// What becomes of a named tensor of a file; none when it is left out.
type Change<'a> = dyn Fn(usize, &str, &Tensor) -> Option<(String, Tensor)> + 'a;

/// W5, W6, W8, W9: a landscape that does not fit or does not work is refused by its trial.
#[test]
fn w8_a_trial_refuses_what_does_not_fit_or_does_not_work() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("theta.safetensors");
    let mut trial = Trial::new(&plan()).unwrap();
    let spec = thalweg::Registry::shipped().load("planar_arm", &LoadOptions::default()).unwrap().spec().clone();
    let good = landscape(1);
    good.save(&path, &spec, &[]).unwrap();
    let named = good.perceptron().unwrap().named("theta");
    assert_eq!(trial.check(&path).unwrap().id(), weights::fingerprint(&named));
    let metadata = [
        ("format", "thalweg-landscape".to_owned()),
        ("version", "1".to_owned()),
        ("task", spec.name.clone()),
        ("fingerprint", spec.fingerprint.clone()),
        ("z", "5".to_owned()),
        ("x", "3".to_owned()),
        ("hidden", "8".to_owned()),
    ];
    let mut refused = |change: &Change<'_>, text: &str| {
        let tensors = named.iter().enumerate().filter_map(|(index, (name, tensor))| change(index, name, tensor));
        weights::save(&path, &tensors.collect::<Vec<_>>(), &metadata).unwrap();
        let error = trial.check(&path).expect_err(text).to_string();
        assert!(error.contains(text), "{error}");
    };
    let same = |name: &str, tensor: &Tensor| Some((name.to_owned(), tensor.shallow_clone()));
    let last = named.len() - 2;
    refused(&|index, name, tensor| if index == 0 { None } else { same(name, tensor) }, "lacks tensors: theta.0.weight");
    refused(
        &|index, name, tensor| if index == 1 { same(name, &tensor.narrow(0, 0, 1)) } else { same(name, tensor) },
        "theta.0.bias: expected shape [8], got [1]",
    );
    refused(&|_, name, tensor| same(name, &(tensor / 0.0)), "not finite");
    refused(&|_, name, tensor| same(name, &tensor.zeros_like()), "theta.0.weight: all its values are zero");
    // Nothing of z reaches x: the weights are not zero, and no step helps.
    let dead =
        |index, name: &str, tensor: &Tensor| same(name, &(if index == last { tensor * 1e-30 } else { tensor.copy() }));
    refused(&dead, "expected a lower one");
    weights::save(&path, &named, &metadata.clone().map(|(key, value)| (key, value.replace("planar_arm", "body_pose"))))
        .unwrap();
    let error = trial.check(&path).expect_err("of another task").to_string();
    assert!(error.contains("trained for task body_pose, expected task planar_arm"), "{error}");
}

/// The method is left open by default: a node on a GPU took Adam, one on a CPU Levenberg-Marquardt.
#[test]
fn a_replay_descends_as_the_recorded_node_did() {
    let task = [("task".to_owned(), ParameterValue::String("body_pose".to_owned()))];
    let store = Store::declare(full_table(&Registry::shipped(), &[]), &task).unwrap();
    let settings = Settings::read(&store, 7).unwrap();
    let (_, loaded) = Assignment::of(&settings, Registry::shipped()).unwrap().plan.load().unwrap();
    let recorded = setup(&loaded, "/thalweg", &store, settings.seed);
    for optimizer in ["adam", "levenberg_marquardt"] {
        let recorded = Setup { optimizer: optimizer.to_owned(), ..recorded.clone() };
        let replayer = Replayer::new(&Registry::shipped(), &recorded, None, &[]).unwrap();
        assert_eq!(replayer.engine().config().optimizer.name(), optimizer);
    }
}
