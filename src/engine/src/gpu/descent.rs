//! K points that descend side by side on a device, and the best that each has met.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use tch::Tensor;

use super::GpuError;
use super::model::{GpuModel, GpuTarget, Space, front};
use super::shader::word;
use crate::error::EngineError;
use crate::evaluation::Point;
use crate::hypotheses::{SPAWN_ATTEMPTS, Status};
use crate::native::read;
use crate::optimizer::AdamConfig;
use crate::own_steps::OwnSteps;
use crate::sampler::Sampler;
use crate::solution::Statistics;
use thalweg_task::numbers;

/// Most steps of one submission: drivers take a device back that is busy for long.
const MOST_AHEAD: u32 = 1024;

/// A job that never begins.
const NEVER: u32 = u32::MAX;
/// What happens to a hypothesis where its job begins: it goes on, it begins, or it goes on from another point.
const GO_ON: u32 = 0;
const BEGIN: u32 = 1;
const RESPAWN: u32 = 2;

/// A descent, of which the device may be some steps ahead.
#[derive(Debug)]
pub(crate) struct GpuDescent {
    model: Arc<GpuModel>,
    /// None where a submission failed.
    space: Option<Space>,
    /// What is uploaded.
    words: Vec<u32>,
    hypotheses: usize,
    is_shared: bool,
    /// The evaluation that the device did last; the first is 0.
    last: u32,
    /// Where each hypothesis began, `[K, Z]`.
    start: Vec<f32>,
    found: Found,
    /// What each evaluation found that the device is ahead.
    ahead: VecDeque<Entry>,
    /// Best losses after those.
    best: Vec<f64>,
    entry: Entry,
    statistics: Statistics,
}

/// What was downloaded last, rows of K.
#[derive(Debug, Default)]
struct Found {
    taken: Vec<f32>,
    z: Vec<f32>,
    best_z: Vec<f32>,
    best_x: Vec<f32>,
    best_raw: Vec<f32>,
}

/// What one evaluation found.
#[derive(Debug)]
struct Entry {
    /// Present and least loss of each row.
    loss: Vec<f64>,
    best: Vec<f64>,
    status: Status,
    evaluations: u32,
    diverged: u32,
}

/// Loss and squared gradient of each row at each of some evaluations.
struct Trace {
    first: u32,
    hypotheses: usize,
    /// Pairs.
    numbers: Vec<f32>,
    /// Rows for which nothing is left to be tried.
    hopeless: Vec<bool>,
    /// What was spent on each evaluation beside it: evaluations, and rows that were replaced.
    spent: Vec<(u32, u32)>,
}

impl Trace {
    fn at(&self, evaluation: u32, row: usize) -> (f64, f64) {
        let at = 2 * ((evaluation - self.first) as usize * self.hypotheses + row);
        (f64::from(self.numbers[at]), f64::from(self.numbers[at + 1]))
    }

    fn is_finite(&self, evaluation: u32, row: usize) -> bool {
        let (loss, slope) = self.at(evaluation, row);
        loss.is_finite() && slope.is_finite()
    }

    fn last(&self) -> u32 {
        self.first + self.spent.len() as u32 - 1
    }

    fn broken_at(&self, evaluation: u32) -> Vec<usize> {
        (0..self.hypotheses).filter(|row| !self.hopeless[*row] && !self.is_finite(evaluation, *row)).collect()
    }

    /// The first evaluation at which rows broke.
    fn first_broken(&self) -> Option<(u32, Vec<usize>)> {
        let all = (self.first..=self.last()).map(|evaluation| (evaluation, self.broken_at(evaluation)));
        all.into_iter().find(|(_, rows)| !rows.is_empty())
    }

    fn spend(&mut self, evaluation: u32, rows: usize) {
        let spent = &mut self.spent[(evaluation - self.first) as usize];
        *spent = (spent.0 + 1, spent.1 + rows as u32);
    }
}

impl GpuDescent {
    /// Evaluates starting points `z`, `[K, Z]`, takes those of `warm` that are better, and does `ahead` steps beside.
    ///
    /// # Errors
    /// [`EngineError::Gpu`] or [`EngineError::NothingFinite`].
    pub(crate) fn start(
        model: &Arc<GpuModel>,
        target: &GpuTarget,
        (z, own, warm): (&Tensor, Option<&OwnSteps>, Option<&Tensor>),
        adam: &AdamConfig,
        ahead: u32,
        sampler: &mut Sampler,
    ) -> Result<Self, EngineError> {
        let hypotheses = z.size()[0] as usize;
        let mut start = vec![0.0; hypotheses * model.plan().dim()];
        read(z, &mut start);
        let words = words(target, (&start, own, warm), adam, hypotheses);
        let entry = Entry { loss: Vec::new(), best: Vec::new(), status: Status::Stalled, evaluations: 0, diverged: 0 };
        let mut descent = Self {
            model: Arc::clone(model),
            space: None,
            words,
            hypotheses,
            is_shared: target.rows == 1,
            last: 0,
            start,
            found: Found::default(),
            ahead: VecDeque::new(),
            best: vec![f64::INFINITY; hypotheses],
            entry,
            statistics: Statistics::default(),
        };
        descent.advance(0..1 + ahead.min(most_ahead(hypotheses)), sampler)?;
        if let Some(warm) = warm {
            descent.start_from_taken(warm);
            descent.statistics.evaluations += 1;
        }
        descent.take_next();
        Ok(descent)
    }

    /// Does one step for all rows, or takes one that the device has done; where it must, it does `ahead` at once.
    ///
    /// # Errors
    /// [`EngineError::Gpu`]; the best is what it was.
    pub(crate) fn step(&mut self, ahead: u32, sampler: &mut Sampler) -> Result<Status, EngineError> {
        if self.ahead.is_empty() {
            let first = self.last + 1;
            self.advance(first..first + ahead.clamp(1, most_ahead(self.hypotheses)), sampler)?;
        }
        self.take_next();
        self.statistics.steps += 1;
        Ok(self.entry.status)
    }

    fn take_next(&mut self) {
        if let Some(entry) = self.ahead.pop_front() {
            self.statistics.evaluations += entry.evaluations;
            self.statistics.diverged += entry.diverged;
            self.entry = entry;
        }
    }

    /// Notes where hypotheses began that took another point.
    fn start_from_taken(&mut self, warm: &Tensor) {
        let dim = self.model.plan().dim();
        let mut offered = vec![0.0; self.start.len()];
        read(warm, &mut offered);
        let rows = self.start.chunks_exact_mut(dim).zip(offered.chunks_exact(dim)).zip(&self.found.taken);
        rows.filter(|(_, taken)| **taken > 0.0).for_each(|((start, offered), _)| start.copy_from_slice(offered));
    }

    /// Does evaluations, draws rows anew that break, and notes what was found.
    fn advance(&mut self, evaluations: Range<u32>, sampler: &mut Sampler) -> Result<(), EngineError> {
        let first = evaluations.start;
        let kind = if first == 0 { BEGIN } else { GO_ON };
        let mut trace = Trace {
            first,
            hypotheses: self.hypotheses,
            numbers: Vec::new(),
            hopeless: vec![false; self.hypotheses],
            spent: vec![(1, 0); evaluations.len()],
        };
        self.run(&mut trace, (first, kind), None)?;
        while let Some((at, rows)) = trace.first_broken() {
            if at == 0 {
                self.begin_again(&mut trace, sampler)?;
            } else {
                self.respawn(&mut trace, at, &rows, sampler)?;
            }
        }
        self.last = trace.last();
        let entries = (first..=trace.last()).map(|at| self.entry_of(&trace, at)).collect::<Vec<_>>();
        self.ahead.extend(entries);
        Ok(())
    }

    /// Draws rows again that broke at the start; those that stay so become copies of the best when all rows share a target.
    fn begin_again(&mut self, trace: &mut Trace, sampler: &mut Sampler) -> Result<(), EngineError> {
        for _ in 0..SPAWN_ATTEMPTS {
            let rows = trace.broken_at(0);
            if rows.is_empty() {
                return Ok(());
            }
            let drawn = self.draw(sampler);
            trace.spend(0, rows.len());
            self.give(&rows, |row| row, &drawn);
            self.run(trace, (0, BEGIN), Some(&rows))?;
        }
        let rows = trace.broken_at(0);
        let finite = (0..self.hypotheses).filter(|row| trace.is_finite(0, *row));
        let best = finite.min_by(|a, b| trace.at(0, *a).0.total_cmp(&trace.at(0, *b).0));
        let Some(best) = best.filter(|_| self.is_shared && !rows.is_empty()) else {
            if rows.is_empty() {
                return Ok(());
            }
            return Err(EngineError::NothingFinite { rows: rows.len(), attempts: SPAWN_ATTEMPTS + 1 });
        };
        let start = self.start.clone();
        self.give(&rows, |_| best, &start);
        self.run(trace, (0, BEGIN), Some(&rows))?;
        trace.broken_at(0).into_iter().for_each(|row| trace.hopeless[row] = true);
        Ok(())
    }

    /// Gives rows that broke a fresh point, or, where that is broken too, the best they have had.
    fn respawn(
        &mut self,
        trace: &mut Trace,
        at: u32,
        rows: &[usize],
        sampler: &mut Sampler,
    ) -> Result<(), EngineError> {
        let drawn = self.draw(sampler);
        trace.spend(at, rows.len());
        self.give(rows, |row| row, &drawn);
        self.run(trace, (at, RESPAWN), Some(rows))?;
        let rows = trace.broken_at(at);
        if !rows.is_empty() {
            trace.spend(at, 0);
            let best = self.found.best_z.clone();
            self.give(&rows, |row| row, &best);
            self.run(trace, (at, RESPAWN), Some(&rows))?;
            trace.broken_at(at).into_iter().for_each(|row| trace.hopeless[row] = true);
        }
        Ok(())
    }

    /// Draws points for all rows, so that a row's does not depend on which are broken.
    fn draw(&self, sampler: &mut Sampler) -> Vec<f32> {
        sampler.values(self.start.len()).map(|value| value as f32).collect()
    }

    /// Puts rows of `points` in place of what is given to some; `source` says which.
    fn give(&mut self, rows: &[usize], source: impl Fn(usize) -> usize, points: &[f32]) {
        let (dim, at) = (self.model.plan().dim(), front(self.hypotheses));
        for &row in rows {
            let from = &points[source(row) * dim..][..dim];
            let words = &mut self.words[at + row * dim..][..dim];
            words.iter_mut().zip(from).for_each(|(word, value)| *word = value.to_bits());
            if self.last == 0 {
                self.start[row * dim..][..dim].copy_from_slice(from);
            }
        }
    }

    /// One submission: some rows, or all, from an evaluation on to the last of the trace.
    fn run(&mut self, trace: &mut Trace, (from, kind): (u32, u32), rows: Option<&[usize]>) -> Result<(), GpuError> {
        let regions = self.model.plan().answer();
        let numbers = self.hypotheses * (regions.width() + 2 * trace.spent.len());
        let jobs = |row: usize| rows.is_none_or(|rows| rows.contains(&row));
        for row in 0..self.hypotheses {
            let job = if jobs(row) { [from, kind] } else { [NEVER, GO_ON] };
            let at = front(row);
            self.words[at..at + 2].copy_from_slice(&job);
        }
        for (name, value) in [("FIRST", trace.first), ("LAST", trace.last())] {
            self.words[word(name)] = value;
        }
        // Room for as many steps as may ever be asked for at once: what the device keeps lies in the same memory.
        let most = self.hypotheses * (regions.width() + 2 * (most_ahead(self.hypotheses) as usize + 1));
        let space = match self.space.take() {
            Some(space) => space,
            None => self.model.space(self.hypotheses, self.words.len(), most)?,
        };
        // Where a descent only goes on, the device has all else.
        let words = if kind == GO_ON { &self.words[..front(self.hypotheses)] } else { &self.words[..] };
        let found = self.model.submit(&space, words, numbers)?;
        self.space = Some(space);
        self.take(&found, trace);
        Ok(())
    }

    fn take(&mut self, found: &[f32], trace: &mut Trace) {
        let (plan, rows) = (self.model.plan(), self.hypotheses);
        let regions = plan.answer();
        let part = |name: &str, width: usize| found[regions.at(name) * rows..][..width * rows].to_vec();
        let (z, x, raw) = (plan.dim(), plan.latent(), plan.raw());
        self.found = Found {
            taken: part("TAKEN", 1),
            z: part("NOW", z),
            best_z: part("BEST_Z", z),
            best_x: part("BEST_X", x),
            best_raw: part("BEST_RAW", raw),
        };
        trace.numbers = found[regions.width() * rows..].to_vec();
    }

    /// What evaluation `at` found, the best of those before kept.
    fn entry_of(&mut self, trace: &Trace, at: u32) -> Entry {
        let mut loss = Vec::with_capacity(self.hypotheses);
        let (mut improved, mut converged) = (false, true);
        for (row, best) in self.best.iter_mut().enumerate() {
            let (mut here, slope) = trace.at(at, row);
            if trace.hopeless[row] {
                here = f64::NAN;
            } else if here < *best {
                (*best, improved) = (here, true);
            }
            // A unit step down the gradient would change the loss by less than its rounding.
            converged &= slope.sqrt() <= f64::from(f32::EPSILON) * here;
            loss.push(here);
        }
        let status = match (converged, improved) {
            (true, _) => Status::Converged,
            (false, true) => Status::Improved,
            (false, false) => Status::Stalled,
        };
        let (evaluations, diverged) = trace.spent[(at - trace.first) as usize];
        Entry { loss, best: self.best.clone(), status, evaluations, diverged }
    }

    /// The present points, `[K, Z]`; where the device is ahead, its own, but for the start.
    pub(crate) fn z(&self) -> Tensor {
        self.rows_of(if self.statistics.steps == 0 { &self.start } else { &self.found.z })
    }

    /// Where theta maps the best point of each row, `[K, X]`.
    pub(crate) fn best_x(&self) -> Tensor {
        self.rows_of(&self.found.best_x)
    }

    /// The best point of each row, `[K, Z]`.
    pub(crate) fn best_z(&self) -> Tensor {
        self.rows_of(&self.found.best_z)
    }

    /// The loss of each row at the present point.
    pub(crate) fn loss(&self) -> &[f64] {
        &self.entry.loss
    }

    /// The least loss that each row has met.
    pub(crate) fn best_loss(&self) -> &[f64] {
        &self.entry.best
    }

    /// The best points, as tensors; `output` is the shape of one row of F's output. Where the device is ahead, they are
    /// those of all that it did, no worse than what was asked for.
    pub(crate) fn best(&self, output: &[i64]) -> Point {
        let shape = [&[self.hypotheses as i64], output].concat();
        Point {
            z: self.best_z(),
            x: self.best_x(),
            y_hat: Tensor::from_slice(&self.model.outputs(&self.found.best_raw)).view(shape.as_slice()),
            loss: self.best.clone(),
        }
    }

    /// Whether the next step has been done already.
    pub(crate) fn is_ahead(&self) -> bool {
        !self.ahead.is_empty()
    }

    /// What it has cost.
    pub(crate) fn statistics(&self) -> Statistics {
        self.statistics
    }

    fn rows_of(&self, values: &[f32]) -> Tensor {
        Tensor::from_slice(values).view([self.hypotheses as i64, -1])
    }
}

impl Drop for GpuDescent {
    fn drop(&mut self) {
        if let Some(space) = self.space.take() {
            self.model.give_back(space);
        }
    }
}

/// Most steps of one submission for so many hypotheses: drivers take a device back that is busy for long, and a trace of
/// all is kept.
fn most_ahead(hypotheses: usize) -> u32 {
    ((1 << 19) / hypotheses.max(1)).clamp(1, MOST_AHEAD as usize) as u32
}

/// What is uploaded: words at the head, jobs, points that are given, and all that an observation brings.
fn words(
    target: &GpuTarget,
    (start, own, warm): (&[f32], Option<&OwnSteps>, Option<&Tensor>),
    adam: &AdamConfig,
    hypotheses: usize,
) -> Vec<u32> {
    let mut words = vec![0; front(hypotheses)];
    let mut add = |name: &str, numbers: &[f32]| {
        words[word(name)] = words.len() as u32;
        words.extend(numbers.iter().map(|number| number.to_bits()));
    };
    add("GIVEN", start);
    if let Some(warm) = warm {
        add("OFFER", &numbers::<f32>(warm));
    }
    if let Some(own) = own {
        add("OFFSET", &numbers::<f32>(own.offset()));
    }
    add("VALUE", &target.value);
    add("WEIGHT", &target.weight);
    if let Some([value, weight]) = &target.places {
        add("PLACES_VALUE", value);
        add("PLACES_WEIGHT", weight);
    }
    if let Some(prior) = &target.prior {
        add("SCALE", &(0..hypotheses).map(|row| prior.weight(row)).collect::<Vec<_>>());
        if !prior.centre.is_empty() {
            add("CENTRE", &prior.centre);
        }
        if !prior.offset.is_empty() {
            add("CONSTANT", &prior.offset.iter().map(|offset| *offset as f32).collect::<Vec<_>>());
        }
    }
    let own = own.map_or(0, OwnSteps::count);
    for (name, value) in [("COUNT", hypotheses), ("ROWS", target.rows), ("COLUMNS", target.columns), ("OWN_STEPS", own)]
    {
        words[word(name)] = value as u32;
    }
    let AdamConfig { rate, beta1, beta2, epsilon, decay } = *adam;
    for (name, value) in [("RATE", rate), ("BETA1", beta1), ("BETA2", beta2), ("EPSILON", epsilon), ("DECAY", decay)] {
        words[word(name)] = (value as f32).to_bits();
    }
    words
}
