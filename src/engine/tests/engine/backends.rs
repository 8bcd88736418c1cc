//! Both backends give the same: losses, points and outputs, whatever the task, mask, method or prior.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tch::{Device, Kind, Tensor};
use thalweg_engine::gpu::Gpu;
use thalweg_engine::landscape::{Landscape, LandscapeShape};
use thalweg_engine::{
    AdamConfig, Backend, BackendChoice, Engine, EngineConfig, EngineError, LmConfig, Optimizer, Solution, Statistics,
    Status,
};
use thalweg_nn::Perceptron;
use thalweg_task::{
    DenseForm, DenseHead, LoadOptions, Objective, Observation, Reconstruction, Result, Target, Task, TaskSpec, draws,
};

use crate::doubles::{Double, linear, observe};
use crate::{adam, config, levenberg_marquardt, setup, values, with_own_steps};

/// Random layers under a masked square loss.
pub(crate) struct Layers {
    plain: Double,
    perceptron: Perceptron,
    /// Outputs that are angles, compared by their chord.
    angles: Vec<usize>,
}

impl Layers {
    pub(crate) fn new(widths: &[i64], kind: Kind, random: &mut StdRng) -> Self {
        let mut tensor = |size: &[i64], scale: f64| (draws::normal(random, size) * scale).to_kind(kind);
        let layer =
            |pair: &[i64]| (tensor(&[pair[1], pair[0]], (pair[0] as f64).sqrt().recip()), tensor(&[pair[1]], 0.1));
        let perceptron =
            Perceptron::new(widths.windows(2).map(layer).collect(), 0.2).expect("widths follow each other");
        let plain = Double::new(widths[0], widths[widths.len() - 1], |x| x.shallow_clone());
        let plain = if kind == Kind::Float { plain.single_precision() } else { plain };
        Self { plain, perceptron, angles: Vec::new() }
    }

    /// Every second output is an angle.
    fn with_angles(mut self) -> Self {
        self.angles = (0..self.plain.spec().output[0] as usize).step_by(2).collect();
        self
    }
}

impl Task for Layers {
    fn spec(&self) -> &TaskSpec {
        self.plain.spec()
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(self.perceptron.forward(x))
    }

    fn encode(&self, obs: &Observation) -> Result<Target> {
        self.plain.encode(obs)
    }

    fn objective(&self, y_hat: &Tensor, target: &Target) -> Result<Objective> {
        if self.angles.is_empty() {
            return self.plain.objective(y_hat, target);
        }
        let difference = y_hat - &target.value;
        let columns = (0..difference.size()[1]).map(|place| {
            let column = difference.select(1, place);
            if self.angles.contains(&(place as usize)) { (column / 2.0).sin() * 2.0 } else { column }
        });
        Ok(Objective::of_residual(Tensor::stack(&columns.collect::<Vec<_>>(), 1) * &target.weight))
    }

    fn render(&self, y_hat: &Tensor) -> Result<Reconstruction> {
        self.plain.render(y_hat)
    }

    fn dense(&self) -> Option<DenseForm<'_>> {
        let head = if self.angles.is_empty() { DenseHead::Plain } else { DenseHead::Chords(self.angles.clone()) };
        Some(DenseForm { layers: &self.perceptron, head })
    }
}

/// One way to put a question; everything else follows from the seed.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    body: Option<&'static str>,
    widths: Vec<i64>,
    /// Whether every second output is an angle.
    angles: bool,
    kind: Kind,
    /// Widths of theta, or the identity.
    theta: Option<(i64, i64)>,
    hypotheses: usize,
    shared: bool,
    /// Entries that are hidden together: three are a whole joint.
    together: usize,
    /// Whether a body's places are seen as well, some of them.
    places: bool,
    pub(crate) optimizer: Optimizer,
    prior_weight: f64,
    seed: u64,
}

impl Case {
    fn task(&self) -> Box<dyn Task> {
        match self.body {
            Some(loss) => {
                let mut options = LoadOptions { kind: self.kind, ..LoadOptions::default() };
                options.parameters.insert("loss".to_owned(), loss.into());
                options.parameters.insert("point_weight".to_owned(), if self.places { 4.0 } else { 0.0 }.into());
                (thalweg_body_pose::ENTRY.load)(&options).expect("the shipped weights")
            }
            None => {
                let layers = Layers::new(&self.widths, self.kind, &mut StdRng::seed_from_u64(self.seed));
                Box::new(if self.angles { layers.with_angles() } else { layers })
            }
        }
    }

    fn engine(&self, backend: BackendChoice) -> Engine {
        self.engine_of(1, backend)
    }

    fn engine_of(&self, threads: usize, backend: BackendChoice) -> Engine {
        setup();
        let task = self.task();
        let latent = task.spec().latent;
        let landscape = match self.theta {
            Some((z, hidden)) => {
                let shape = LandscapeShape { z, x: latent, hidden };
                let random = Landscape::random(&shape, self.seed, self.kind, Device::Cpu).expect("positive widths");
                if self.seed.is_multiple_of(2) { random } else { with_own_steps(&random, 2) }
            }
            None => Landscape::identity(latent),
        };
        let (prior_weight, optimizer) = (self.prior_weight, self.optimizer.clone());
        let config = EngineConfig { prior_weight, threads, backend, ..config(self.hypotheses, optimizer) };
        Engine::new(task, landscape, config).expect("task, landscape and options fit")
    }

    /// Angles or outputs of which some are hidden, but never all of a row.
    fn observation(&self, random: &mut StdRng) -> Observation {
        let width = self.task().spec().joints.len();
        let rows = if self.shared { 1 } else { self.hypotheses };
        let mut values: Vec<f64> = (0..rows * width).map(|_| random.random_range(-1.2..1.2)).collect();
        for row in values.chunks_mut(width) {
            for joint in row.chunks_mut(self.together).skip(1) {
                if random.random_bool(0.4) {
                    joint.fill(f64::NAN);
                }
            }
        }
        let mut seen = Observation::of_joints(&Tensor::from_slice(&values).view([rows as i64, width as i64]));
        if self.body.is_some() && self.places {
            let mut places: Vec<f64> = (0..rows * 22 * 3).map(|_| random.random_range(-0.8..0.8)).collect();
            places.chunks_mut(3).filter(|_| random.random_bool(0.4)).for_each(|place| place.fill(f64::NAN));
            seen.points = Observation::of_points(&Tensor::from_slice(&places).view([rows as i64, 22, 3])).points;
        }
        seen
    }

    /// Steps after which single precision still agrees: each one multiplies the rounding of the last.
    fn single_steps(&self) -> usize {
        if matches!(self.optimizer, Optimizer::Adam(_)) { 6 } else { 1 }
    }

    /// Runs both backends side by side; `tolerance` is relative to one, or to the value where greater.
    ///
    /// In single precision libtorch's own answer in double precision tells which rows rounding decides: those may differ
    /// by ten times what it changes.
    fn compare(&self, steps: usize, tolerance: f64) {
        self.compare_with(self.engine(BackendChoice::Fused), Backend::Fused, steps, tolerance);
    }

    /// As [`Case::compare`], with a GPU in place of the native backend; both of these against libtorch.
    pub(crate) fn compare_on(&self, gpu: &Gpu, tolerance: f64) {
        let mut engine = self.engine(BackendChoice::Auto);
        engine.use_gpu(gpu).expect("dense layers in single precision");
        self.compare_with(engine, Backend::Gpu, self.single_steps(), tolerance);
    }

    fn compare_with(&self, mut fused: Engine, backend: Backend, steps: usize, tolerance: f64) {
        let mut random = StdRng::seed_from_u64(self.seed);
        let observation = self.observation(&mut random);
        let mut tch = self.engine(BackendChoice::Tch);
        let (rows, dim) = (self.hypotheses as i64, tch.landscape().dim());
        let z = draws::normal(&mut random, &[rows, dim]);
        let exact = Self { kind: Kind::Double, ..self.clone() };
        let mut exact = (self.kind == Kind::Float).then(|| exact.engine(BackendChoice::Tch));
        for engine in [&mut tch, &mut fused].into_iter().chain(&mut exact) {
            engine.begin_from(&observation, &z).expect("finite start");
        }
        let trouble = fused.gpu_trouble();
        assert_eq!((tch.backend(), fused.backend(), trouble), (Backend::Tch, backend, None));
        self.assert_same([&mut tch, &mut fused], exact.as_mut(), 0, tolerance);
        for step in 1..=steps {
            let (one, other) = (tch.refine().expect("well behaved"), fused.refine().expect("well behaved"));
            if let Some(exact) = &mut exact {
                exact.refine().expect("well behaved");
            }
            self.assert_same([&mut tch, &mut fused], exact.as_mut(), step, tolerance);
            // Near its minimum Levenberg-Marquardt improves by what is lost in rounding.
            let decided = self.kind == Kind::Double && matches!(self.optimizer, Optimizer::Adam(_));
            assert!(one == other || !decided, "step {step}: {one:?} and {other:?}: {self:?}");
        }
    }

    fn assert_same(&self, [tch, fused]: [&mut Engine; 2], exact: Option<&mut Engine>, step: usize, tolerance: f64) {
        let (one, other) = (tch.solution().expect("begun"), fused.solution().expect("begun"));
        assert_eq!(one.statistics, other.statistics);
        let tensors = |of: &Solution| [&of.z, &of.x, &of.y_hat].map(|tensor| (tensor.size(), tensor.kind()));
        assert_eq!(tensors(one), tensors(other));
        let numbers = |of: &Solution| [values(&of.z), values(&of.x), values(&of.y_hat), of.loss.clone()];
        let (one, other) = (numbers(one), numbers(other));
        let exact = exact.map(|exact| numbers(exact.solution().expect("begun")));
        for k in 0..self.hypotheses {
            let row = self.row(&one, k);
            let other = self.nearest(&other, row[0]);
            let exact = exact.as_ref().map(|exact| self.nearest(exact, row[0]));
            for (index, what) in ["z", "x", "y_hat", "loss"].into_iter().enumerate() {
                let slack = exact.as_ref().map_or(0.0, |exact| 10.0 * apart(row[index], exact[index]));
                let apart = apart(row[index], other[index]);
                assert!(apart <= tolerance + slack, "{what} {k} at step {step}: {apart} apart, {slack}: {self:?}");
            }
        }
    }

    fn row<'a>(&self, numbers: &'a [Vec<f64>; 4], row: usize) -> [&'a [f64]; 4] {
        numbers.each_ref().map(|numbers| {
            let width = numbers.len() / self.hypotheses;
            &numbers[row * width..][..width]
        })
    }

    /// The row whose `z` is nearest: rounding may rank two of almost the same loss in either order.
    fn nearest<'a>(&self, numbers: &'a [Vec<f64>; 4], z: &[f64]) -> [&'a [f64]; 4] {
        let rows = (0..self.hypotheses).map(|row| self.row(numbers, row));
        rows.min_by(|one, other| apart(z, one[0]).total_cmp(&apart(z, other[0]))).expect("a row")
    }
}

/// Greatest difference, relative to one, or to the value where greater.
fn apart(one: &[f64], other: &[f64]) -> f64 {
    let apart = one.iter().zip(other).map(|(one, other)| (one - other).abs() / one.abs().max(1.0));
    apart.fold(0.0, f64::max)
}

fn optimizers(kind: Kind) -> [Optimizer; 3] {
    // Adam divides by the size of the gradient: where that is next to nothing, its rounding decides.
    let epsilon = if kind == Kind::Float { 1e-2 } else { AdamConfig::default().epsilon };
    let steady = AdamConfig { rate: 0.1, epsilon, ..AdamConfig::default() };
    let decaying = AdamConfig { rate: 0.2, decay: 0.9, ..steady };
    // Little damping multiplies the rounding of libtorch's Cholesky factors by up to a million.
    let damped = LmConfig { damping: 1.0, lower: 0.5, min: 0.3, ..LmConfig::default() };
    let damped = if kind == Kind::Float { Optimizer::LevenbergMarquardt(damped) } else { levenberg_marquardt() };
    [Optimizer::Adam(steady), Optimizer::Adam(decaying), damped]
}

/// Cases of every kind, some hundred of them, drawn from one seed.
pub(crate) fn cases(kind: Kind, bodies: bool) -> Vec<Case> {
    let mut random = StdRng::seed_from_u64(11);
    let mut cases = Vec::new();
    for index in 0..if bodies { 8 } else { 16 } {
        for optimizer in optimizers(kind) {
            // A theta narrower than the body's 32 latents would leave steps that differ by rounding alone.
            let mut width = || random.random_range(if bodies { 40 } else { 1 }..80i64);
            let widths: Vec<i64> = (0..2 + index % 3).map(|_| width()).collect();
            let theta = [None, Some((width(), width()))][index / 2 % 2];
            cases.push(Case {
                body: bodies.then_some(["rotation", "axis_angle"][index % 2]),
                widths,
                angles: false,
                kind,
                theta,
                hypotheses: [1, 3, 8, 37][random.random_range(0..4)],
                shared: random.random_bool(0.5),
                together: [1, 3][random.random_range(0..2)],
                optimizer,
                prior_weight: [0.0, 0.3][random.random_range(0..2)],
                seed: random.random_range(0..1000),
                places: index / 2 % 2 == 0,
            });
        }
    }
    cases
}

#[test]
fn random_layers_in_double_precision() {
    cases(Kind::Double, false).iter().for_each(|case| case.compare(12, 1e-6));
}

#[test]
fn random_layers_in_single_precision() {
    cases(Kind::Float, false).iter().for_each(|case| case.compare(case.single_steps(), 1e-4));
}

#[test]
fn angles_by_their_chords() {
    for (kind, tolerance) in [(Kind::Double, 1e-6), (Kind::Float, 1e-4)] {
        for case in cases(kind, false).into_iter().map(|case| Case { angles: true, ..case }) {
            case.compare(if kind == Kind::Double { 12 } else { case.single_steps() }, tolerance);
        }
    }
}

#[test]
fn bodies_in_double_precision() {
    cases(Kind::Double, true).iter().for_each(|case| case.compare(8, 1e-7));
}

#[test]
fn bodies_in_single_precision() {
    cases(Kind::Float, true).iter().for_each(|case| case.compare(case.single_steps(), 1e-4));
}

#[test]
fn what_cannot_run_natively_runs_on_libtorch_or_is_refused() {
    let chosen = |task: Box<dyn Task>, backend| {
        let landscape = Landscape::identity(task.spec().latent);
        Engine::new(task, landscape, EngineConfig { backend, ..config(2, adam(0.1)) })
    };
    setup();
    let engine = chosen(linear().boxed(), BackendChoice::Auto).expect("libtorch takes any task");
    assert_eq!(engine.backend(), Backend::Tch);
    let refused = chosen(linear().boxed(), BackendChoice::Fused).expect_err("it describes no layers");
    assert!(matches!(refused, EngineError::NotFused { .. }), "{refused}");
    let layers = || Box::new(Layers::new(&[3, 4], Kind::Double, &mut StdRng::seed_from_u64(1)));
    assert_eq!(chosen(layers(), BackendChoice::Auto).expect("layers").backend(), Backend::Fused);
    assert_eq!(chosen(layers(), BackendChoice::Tch).expect("layers").backend(), Backend::Tch);
}

/// As [`Layers`], but its targets have a column that it does not describe.
struct WideTarget(Layers);

impl Task for WideTarget {
    fn spec(&self) -> &TaskSpec {
        self.0.spec()
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.0.forward(x)
    }

    fn encode(&self, obs: &Observation) -> Result<Target> {
        let Target { value, weight } = self.0.encode(obs)?;
        let wide = |tensor: Tensor| Tensor::cat(&[&tensor, &tensor.narrow(1, 0, 1)], 1);
        Ok(Target { value: wide(value), weight: wide(weight) })
    }

    fn objective(&self, y_hat: &Tensor, target: &Target) -> Result<Objective> {
        let width = y_hat.size()[1];
        let narrow = |tensor: &Tensor| tensor.narrow(1, 0, width);
        self.0.objective(y_hat, &Target { value: narrow(&target.value), weight: narrow(&target.weight) })
    }

    fn render(&self, y_hat: &Tensor) -> Result<Reconstruction> {
        self.0.render(y_hat)
    }

    fn dense(&self) -> Option<DenseForm<'_>> {
        self.0.dense()
    }
}

#[test]
fn a_target_of_another_form_is_left_to_libtorch() {
    let engine = |backend| {
        let task = WideTarget(Layers::new(&[2, 3], Kind::Double, &mut StdRng::seed_from_u64(2)));
        crate::engine(task, EngineConfig { backend, ..config(2, adam(0.1)) })
    };
    let mut auto = engine(BackendChoice::Auto);
    auto.begin(&observe(&[&[0.1, 0.2, 0.3]])).expect("libtorch takes any target");
    assert_eq!(auto.backend(), Backend::Tch);
    auto.refine().expect("well behaved");
    let refused = engine(BackendChoice::Fused).begin(&observe(&[&[0.1, 0.2, 0.3]])).expect_err("another form");
    assert!(matches!(refused, EngineError::NotFused { .. }), "{refused}");
}

/// Layers under which, in single precision, squared gradients overflow for all but small latents.
pub(crate) fn steep() -> Layers {
    let mut steep = Layers::new(&[2, 3, 2], Kind::Float, &mut StdRng::seed_from_u64(3));
    let parameters: Vec<Tensor> = steep.perceptron.parameters().iter().map(|tensor| tensor * 9e4).collect();
    let layers = parameters.chunks(2).map(|pair| (pair[0].shallow_clone(), pair[1].shallow_clone())).collect();
    steep.perceptron = Perceptron::new(layers, 0.2).expect("as before");
    steep
}

#[test]
fn trouble_is_met_in_the_same_way() {
    let observation = observe(&[&[0.5, 1.0]]);
    for optimizer in [adam(0.5), levenberg_marquardt()] {
        let run = |backend| {
            let mut engine = crate::engine(steep(), EngineConfig { backend, seed: 4, ..config(6, optimizer.clone()) });
            let begun = engine.begin(&observation);
            begun.map(|()| (0..5).for_each(|_| drop(engine.refine()))).map_err(|error| error.to_string())?;
            let solution = engine.solution().expect("begun");
            Ok::<_, String>((solution.statistics, values(&solution.z)))
        };
        let (tch, fused) = (run(BackendChoice::Tch), run(BackendChoice::Fused));
        let ((one, z), (other, same)) = (tch.expect("a start"), fused.expect("a start"));
        assert!(one.diverged > 0 && one == other, "{one:?} {other:?}");
        crate::assert_close(&z, &same, 1e-4);
    }
}

/// All bits of some solves in a stream, and how each step went.
fn stream(mut engine: Engine, observations: &[Observation]) -> (Vec<u64>, Vec<Status>, Vec<Statistics>) {
    let (mut seen, mut statuses, mut statistics) = (Vec::new(), Vec::new(), Vec::new());
    for observation in observations {
        engine.begin(observation).expect("a finite start");
        for _ in 0..4 {
            statuses.push(engine.refine().expect("well behaved"));
        }
        assert_eq!(engine.backend(), Backend::Fused);
        let solution = engine.solution().expect("begun");
        for tensor in [&solution.z, &solution.x, &solution.y_hat] {
            seen.extend(crate::bits(tensor));
        }
        seen.extend(solution.loss.iter().map(|loss| loss.to_bits()));
        statistics.push(solution.statistics);
    }
    (seen, statuses, statistics)
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let bodies = [Kind::Float, Kind::Double].into_iter().flat_map(|kind| cases(kind, true).into_iter().take(12));
    for case in bodies.chain(cases(Kind::Float, false)) {
        let mut random = StdRng::seed_from_u64(case.seed);
        let observations: Vec<Observation> = (0..3).map(|_| case.observation(&mut random)).collect();
        let run = |threads| stream(case.engine_of(threads, BackendChoice::Fused), &observations);
        let expected = run(1);
        for threads in [2, 3, 64] {
            assert!(run(threads) == expected, "{threads} threads: {case:?}");
        }
    }
}

#[test]
fn broken_rows_are_met_alike_on_any_number_of_threads() {
    let observation = [observe(&[&[0.5, 1.0]])];
    for optimizer in [adam(0.5), levenberg_marquardt()] {
        let run = |threads| {
            let config =
                EngineConfig { threads, backend: BackendChoice::Fused, seed: 4, ..config(6, optimizer.clone()) };
            stream(crate::engine(steep(), config), &observation)
        };
        let expected = run(1);
        assert!(expected.2[0].diverged > 0, "{:?}", expected.2);
        for threads in [2, 4, 6] {
            assert!(run(threads) == expected, "{threads} threads");
        }
    }
}
