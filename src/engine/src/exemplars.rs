//! Stored examples of x, looked up by what was observed.
//!
//! A network generalises; a memory of examples does not forget. Where something is hidden, the examples whose F(x) agrees
//! best with what was seen say how that went together before (k nearest neighbours and kernel regression: Atkeson, Moore &
//! Schaal, "Locally Weighted Learning", 1997). They join what theta proposes: docs/landscape.md.

use pulp::{Arch, Simd, WithSimd};
use tch::Tensor;
use thalweg_task::{Observation, Target, Task, numbers};

mod places;

use self::places::{Places, Side};
use crate::error::EngineError;
use crate::evaluation::guarded;
use crate::native::vectors;

/// How many of the nearest are looked at. Chosen on validation poses of body_pose out of 16, 32 and 64, as are the next.
const NEAREST: usize = 64;
/// Bandwidth of the kernel, in distances of the nearest one; out of 0.15, 0.25, 0.35, 0.5 and 1.
const BANDWIDTH: f32 = 0.35;
/// Share of the examples in the mean of them and theta's proposal; out of 0.3, 0.5, 0.6, 0.7 and 1. Shares that fall with
/// the distance of the nearest example did no better.
const SHARE: f64 = 0.6;
/// Least mean square of the entries of x between examples that begin different hypotheses; x is about standard normal.
/// Out of 0, 0.02, 0.05, 0.1, 0.2 and 0.4.
const APART: f32 = 0.1;
/// Examples whose distances are summed up together, in registers; they lie near each other.
const BLOCK: usize = 64;
/// Values that are compared before a block is given up for which all its examples are too far already. A guess.
const STRIDE: usize = 8;
/// How often examples are looked up by where the body stands, which is then found by the nearest. A guess.
const LOOKS: usize = 2;
/// Layouts of targets that are kept: joints whole or in part, with places or without.
const LAYOUTS: usize = 4;

/// What a hypothesis begins with that is not theta's proposal alone.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    /// What is expected: this share of the mean of the nearest examples, the rest of theta's proposal.
    Mean(f64),
    /// The example of this rank among the nearest that differ.
    Example(usize),
}

impl Part {
    /// The part of hypothesis `index` where entries are compared: the mean, then examples and theta's codes in turn. Chosen
    /// on validation poses.
    fn of(index: usize) -> Option<Self> {
        match index {
            0 => Some(Self::Mean(SHARE)),
            odd if odd % 2 == 1 => Some(Self::Example(odd / 2)),
            _ => None,
        }
    }

    /// The part of hypothesis `index` where points are seen from anywhere: examples alone, for theta was trained on entries.
    /// On validation clips (`thalweg-lab bench trackers`) hidden joints of one arm are 19.3 degrees off with theta's share
    /// and 17.9 without, other gaps alike.
    fn of_places(index: usize) -> Option<Self> {
        Some(index.checked_sub(1).map_or(Self::Mean(1.0), Self::Example))
    }
}

/// What examples propose for hypotheses.
#[derive(Debug)]
pub(crate) struct Proposed {
    /// `[K, X]`, zeros where nothing is proposed.
    pub(crate) x: Vec<f64>,
    /// How much of it goes into where each hypothesis begins, `[K]`: what theta proposes has the rest.
    pub(crate) shares: Vec<f64>,
}

/// Examples of x, with what F makes of them.
#[derive(Debug)]
pub(crate) struct Exemplars {
    arch: Arch,
    /// As they were given, `[E, X]`.
    given: Tensor,
    /// Those that lie near each other together, `[E, X]`.
    x: Vec<f32>,
    /// X.
    latent: usize,
    /// F(x), in the order of `x`, `[E, ..Y]`.
    outputs: Tensor,
    layouts: Vec<Layout>,
    /// Size of a row of targets that examples cannot be held against, as they were met last: places that may be seen from
    /// anywhere.
    other: Option<Vec<i64>>,
    /// What such targets are held against, where the task has such points.
    places: Option<Places>,
    /// One for each entry of a target that was seen.
    wanted: Vec<Wanted>,
    /// One for each coordinate of a point that was seen as a ray.
    along: Vec<Along>,
    /// The nearest, in their order.
    nearest: Vec<Near>,
    /// Blocks in the order in which they are searched: those first where the last ones were near.
    blocks: Vec<usize>,
    /// Places among them of those that differ.
    different: Vec<usize>,
}

/// What the examples have where a target has values.
#[derive(Debug)]
struct Layout {
    /// Size of a row of such targets.
    size: Vec<i64>,
    /// `[E / BLOCK, M, BLOCK]`; far beyond everything where there is no example any more.
    values: Vec<f32>,
    /// How much each value varies between examples, `[M]`.
    spread: Vec<f32>,
}

/// A value that was seen.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    column: usize,
    value: f32,
    /// Square of its weight.
    weight: f32,
}

/// A ray in which a point was seen: what three columns, each times its factor, must sum up to.
#[derive(Clone, Copy, Debug)]
struct Along {
    /// The first of the three.
    column: usize,
    factors: [f32; 3],
    value: f32,
    /// Square of its weight.
    weight: f32,
}

/// An example and the loss that it has.
#[derive(Clone, Copy, Debug)]
struct Near {
    distance: f32,
    example: usize,
}

impl Exemplars {
    /// Takes examples, `x` `[E, X]`; none where the task has no residuals to compare them by.
    ///
    /// # Errors
    /// What the task meets.
    pub(crate) fn new(task: &dyn Task, x: &Tensor) -> Result<Option<Self>, EngineError> {
        if !task.spec().residual || x.size()[0] == 0 {
            return Ok(None);
        }
        let given = x.shallow_clone();
        let x = x.to_kind(task.spec().kind).to_device(task.spec().device);
        let outputs = tch::no_grad(|| guarded(task, || Ok(task.forward(&x)?)))?;
        let order = Tensor::from_slice(&neighbours_together(&outputs)).to_device(x.device());
        let (outputs, x) = (outputs.index_select(0, &order), x.index_select(0, &order));
        let (latent, x) = (x.size()[1] as usize, numbers(&x));
        let (layouts, other, wanted, along, different) = (Vec::new(), None, Vec::new(), Vec::new(), Vec::new());
        let (nearest, blocks, places) = (Vec::with_capacity(NEAREST + 1), Vec::new(), None);
        let mut exemplars = Self {
            arch: vectors(),
            given,
            x,
            latent,
            outputs,
            layouts,
            other,
            places,
            wanted,
            along,
            nearest,
            blocks,
            different,
        };
        exemplars.prepare(task)?;
        Ok(Some(exemplars))
    }

    /// Whether these are the examples `x`, `[E, X]`.
    pub(crate) fn are(&self, x: &Tensor) -> bool {
        self.given.kind() == x.kind() && self.given.equal(x)
    }

    /// Makes what the first observation will need, as a rule: the layout of a target with joints and nothing else, and
    /// where the examples have points that may be seen from anywhere.
    fn prepare(&mut self, task: &dyn Task) -> Result<(), EngineError> {
        let target = guarded(task, || {
            let seen = task.render(&self.outputs.narrow(0, 0, 1))?.as_observation(task.spec());
            let seen = if seen.joints.is_some() {
                Observation { joints: seen.joints, ..Observation::default() }
            } else {
                seen
            };
            Ok(task.encode(&seen)?)
        })?;
        if task.spec().points.as_ref().is_some_and(|points| points.frame.is_empty()) {
            let rendered = tch::no_grad(|| guarded(task, || Ok(task.render(&self.outputs)?)))?;
            self.places = Places::new(task.spec(), &rendered);
        }
        let layout = self.layout(task, &target)?;
        layout.map(drop).ok_or_else(|| EngineError::NoResidual { task: task.spec().name.clone() })
    }

    /// What the examples propose for hypotheses of which `asked` says which row of the target each explains, and its rank
    /// among those of that row, where it wants any; none where examples cannot be held against the target.
    ///
    /// # Errors
    /// What the task meets.
    pub(crate) fn propose(
        &mut self,
        task: &dyn Task,
        (obs, target): (&Observation, &Target),
        asked: &[(usize, Option<usize>)],
    ) -> Result<Option<Proposed>, EngineError> {
        let layout = self.layout(task, target)?;
        if layout.is_none() && !self.has_places(obs) {
            return Ok(None);
        }
        let entries = layout.map(|layout| (layout, numbers(&target.value), numbers(&target.weight)));
        let latent = self.latent;
        let part = if entries.is_some() { Part::of } else { Part::of_places };
        let mut proposed = Proposed { x: vec![0.0; asked.len() * latent], shares: vec![0.0; asked.len()] };
        let mut looked_up = None;
        let rows = asked.iter().zip(proposed.x.chunks_exact_mut(latent)).zip(&mut proposed.shares);
        for (((row, rank), x), share) in rows {
            let Some(part) = rank.and_then(part) else { continue };
            if looked_up != Some(*row) {
                match &entries {
                    Some((layout, value, weight)) => self.look_up_entries((&value[..], &weight[..]), *row, *layout),
                    None => self.look_up_places(obs, *row, Side::AsSeen, LOOKS),
                }
                self.tell_apart();
                looked_up = Some(*row);
            }
            *share = match part {
                Part::Mean(share) => share * self.mean(x),
                Part::Example(rank) => self.copy(rank, x),
            };
        }
        Ok(Some(proposed))
    }

    /// Finds the examples that agree best with row `row` of a target, value and weight, entry by entry.
    fn look_up_entries(&mut self, (value, weight): (&[f32], &[f32]), row: usize, layout: usize) {
        let layout = &self.layouts[layout];
        let span = row * layout.columns()..(row + 1) * layout.columns();
        want(&mut self.wanted, (&value[span.clone()], &weight[span]), &layout.spread);
        look_up(layout, self.arch, (&self.wanted, &[]), (&mut self.nearest, &mut self.blocks));
    }

    /// Finds the examples whose points lie best where a row of the observation has them, as they are brought there.
    ///
    /// Where the body stands is not known before an example is, nor the other way round: each is looked up by the other.
    fn look_up_places(&mut self, obs: &Observation, row: usize, side: Side, looks: usize) {
        let Self { arch, places, wanted, along, nearest, blocks, .. } = self;
        let Some(places) = places else { return };
        if !places.see(obs, row, side) {
            return nearest.clear();
        }
        for _ in 0..looks {
            places.want(wanted, along);
            look_up(&places.layout, *arch, (wanted, along), (nearest, blocks));
            places.rank(nearest);
        }
    }

    /// How much better the mirror image of the first row's points fits the stored poses than the points do: the logarithm of
    /// the ratio of their misfits, above 0 where left and right are swapped. None where the points do not tell.
    pub(crate) fn handedness(&mut self, obs: &Observation) -> Option<f64> {
        let mut misfit = |side| {
            let looks = if side == Side::AsSeen && obs.root.is_some() { 1 } else { LOOKS };
            self.look_up_places(obs, 0, side, looks);
            self.nearest.first().map(|near| f64::from(near.distance.max(f32::MIN_POSITIVE)).sqrt())
        };
        let (own, mirrored) = (misfit(Side::AsSeen)?, misfit(Side::Mirrored)?);
        Some((own / mirrored).ln()).filter(|ratio| ratio.is_finite())
    }

    /// Whether an observation is of points that may be seen from anywhere, and of nothing else.
    fn has_places(&self, obs: &Observation) -> bool {
        let mut kinds = obs.fields().filter(|(_, field)| field.count() > 0).map(|(kind, _)| kind);
        self.places.is_some() && kinds.next() == Some("points") && kinds.next().is_none()
    }

    /// Finds, or makes, what the examples have for targets of this size; none where residuals are not entry by entry.
    fn layout(&mut self, task: &dyn Task, target: &Target) -> Result<Option<usize>, EngineError> {
        let size = &target.value.size()[1..];
        if let Some(found) = self.layouts.iter().position(|layout| layout.size == size) {
            return Ok(Some(found));
        }
        if self.other.as_deref() == Some(size) {
            return Ok(None);
        }
        let place = (self.outputs.kind(), self.outputs.device());
        let one = [&[1], size].concat();
        // Residuals against zeros of weight one are what is compared.
        let bare = Target { value: Tensor::zeros(&one, place), weight: Tensor::ones(&one, place) };
        let (columns, examples) = (size.iter().product::<i64>(), self.outputs.size()[0]);
        let residual = |count: i64| {
            let outputs = self.outputs.narrow(0, 0, count);
            let residual = tch::no_grad(|| guarded(task, || Ok(task.objective(&outputs, &bare)?.residual)))?;
            Ok::<_, EngineError>(residual.filter(|values| values.size() == [count, columns]))
        };
        // Of one first: all of them take long.
        let values = if residual(1)?.is_some() { residual(examples)? } else { None };
        let Some(values) = values else {
            self.other = Some(size.to_vec());
            return Ok(None);
        };
        if self.layouts.len() == LAYOUTS {
            self.layouts.remove(0);
        }
        self.layouts.push(Layout::new(size.to_vec(), &values));
        Ok(Some(self.layouts.len() - 1))
    }

    /// Lists those of the nearest that differ.
    fn tell_apart(&mut self) {
        let mut different = std::mem::take(&mut self.different);
        different.clear();
        let least = APART * self.latent as f32;
        for (place, near) in self.nearest.iter().enumerate() {
            let square = |other: &usize| square_between(self.example(near), self.example(&self.nearest[*other]));
            if different.iter().all(|other| square(other) >= least) {
                different.push(place);
            }
        }
        self.different = different;
    }

    /// Adds the mean of the nearest to zeros; 1 where there are some, else 0.
    fn mean(&self, x: &mut [f64]) -> f64 {
        let Some(first) = self.nearest.first() else { return 0.0 };
        let bandwidth = (BANDWIDTH * first.distance).max(f32::MIN_POSITIVE);
        let weight = |near: &Near| f64::from(((first.distance - near.distance) / bandwidth).exp());
        let sum: f64 = self.nearest.iter().map(weight).sum();
        for near in &self.nearest {
            let share = weight(near) / sum;
            x.iter_mut().zip(self.example(near)).for_each(|(x, example)| *x += share * f64::from(*example));
        }
        1.0
    }

    /// Copies the example of a rank among those that differ, where there are so many; its share.
    fn copy(&self, rank: usize, x: &mut [f64]) -> f64 {
        let Some(near) = self.different.get(rank).map(|place| &self.nearest[*place]) else { return 0.0 };
        x.iter_mut().zip(self.example(near)).for_each(|(x, example)| *x = f64::from(*example));
        1.0
    }

    fn example(&self, near: &Near) -> &[f32] {
        &self.x[near.example * self.latent..][..self.latent]
    }
}

/// Notes what was seen, first what tells examples apart best.
fn want(wanted: &mut Vec<Wanted>, (value, weight): (&[f32], &[f32]), spread: &[f32]) {
    wanted.clear();
    let all = value.iter().zip(weight).enumerate();
    let seen = all.filter(|(_, (_, weight))| **weight != 0.0);
    wanted.extend(seen.map(|(column, (value, weight))| Wanted { column, value: *value, weight: weight * weight }));
    let tells = |wanted: &Wanted| wanted.weight * spread[wanted.column];
    wanted.sort_by(|one, other| tells(other).total_cmp(&tells(one)));
}

/// Finds the examples that agree best: the nearest, in their order.
fn look_up(
    layout: &Layout,
    arch: Arch,
    (wanted, along): (&[Wanted], &[Along]),
    (nearest, blocks): (&mut Vec<Near>, &mut Vec<usize>),
) {
    let count = layout.values.len() / (layout.columns() * BLOCK);
    blocks.clear();
    blocks.extend(nearest.iter().map(|near| near.example / BLOCK));
    blocks.sort_unstable();
    blocks.dedup();
    let warm = blocks.len();
    for block in 0..count {
        if blocks[..warm].binary_search(&block).is_err() {
            blocks.push(block);
        }
    }
    nearest.clear();
    arch.dispatch(Search { values: &layout.values, columns: layout.columns(), wanted, along, blocks, nearest });
}

impl Layout {
    /// Takes `values`, `[E, M]`.
    fn new(size: Vec<i64>, values: &Tensor) -> Self {
        let (examples, columns) = (values.size()[0], values.size()[1]);
        let spread = numbers(&values.var_dim(0, false, false));
        let missing = examples.unsigned_abs().next_multiple_of(BLOCK as u64) as i64 - examples;
        let beyond = Tensor::full([missing, columns], f64::INFINITY, (values.kind(), values.device()));
        let values = Tensor::cat(&[values, &beyond], 0).view([-1, BLOCK as i64, columns]).transpose(1, 2);
        Self { size, spread, values: numbers(&values.contiguous()) }
    }

    /// M.
    fn columns(&self) -> usize {
        self.spread.len()
    }
}

/// Finds the nearest examples, block by block.
struct Search<'a> {
    /// `[E / BLOCK, M, BLOCK]`.
    values: &'a [f32],
    /// M.
    columns: usize,
    wanted: &'a [Wanted],
    along: &'a [Along],
    blocks: &'a [usize],
    nearest: &'a mut Vec<Near>,
}

impl WithSimd for Search<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { values, columns, wanted, along, blocks, nearest } = self;
        for &block in blocks {
            let values = values[block * columns * BLOCK..][..columns * BLOCK].as_chunks::<BLOCK>().0;
            let farthest = nearest.get(NEAREST - 1).map_or(f32::INFINITY, |near| near.distance);
            let Some(distances) = distances(values, (wanted, along), farthest) else { continue };
            for (place, distance) in distances.into_iter().enumerate() {
                // What is not a number is not near. Where two are as near, the order of blocks does not decide.
                let near = Near { distance, example: block * BLOCK + place };
                let is_near = nearest.get(NEAREST - 1).is_none_or(|last| near.key() < last.key());
                if is_near && distance.is_finite() {
                    let at = nearest.partition_point(|other| other.key() < near.key());
                    nearest.insert(at, near);
                    nearest.truncate(NEAREST);
                }
            }
        }
    }
}

/// Sums up how far the examples of a block are from what was seen; none where all are farther than `farthest`.
#[inline(always)]
fn distances(values: &[[f32; BLOCK]], (wanted, along): (&[Wanted], &[Along]), farthest: f32) -> Option<[f32; BLOCK]> {
    let mut sums = [0.0; BLOCK];
    for some in wanted.chunks(STRIDE) {
        for Wanted { column, value, weight } in some {
            for (sum, example) in sums.iter_mut().zip(&values[*column]) {
                let apart = example - value;
                *sum += weight * apart * apart;
            }
        }
        if sums.iter().all(|sum| *sum > farthest) {
            return None;
        }
    }
    for some in along.chunks(STRIDE) {
        for Along { column, factors: [a, b, c], value, weight } in some {
            let [x, y, z] = [0, 1, 2].map(|axis| &values[column + axis]);
            for (example, sum) in sums.iter_mut().enumerate() {
                let apart = a * x[example] + b * y[example] + c * z[example] - value;
                *sum += weight * apart * apart;
            }
        }
        if sums.iter().all(|sum| *sum > farthest) {
            return None;
        }
    }
    Some(sums)
}

impl Near {
    fn key(&self) -> (f32, usize) {
        (self.distance, self.example)
    }
}

/// An order of `[E, ..]` in which those that lie near each other are in one block: halves of halves, each cut across the
/// number that varies most (k-d tree: Bentley, Communications of the ACM 18, 1975).
fn neighbours_together(outputs: &Tensor) -> Vec<i64> {
    fn halve(order: &mut [i64], values: &[f32], width: usize) {
        if order.len() <= BLOCK {
            return;
        }
        let of = |example: i64, column: usize| values[example as usize * width + column];
        let (mut widest, mut most) = (0, -1.0);
        for column in 0..width {
            let (mut sum, mut squares) = (0.0, 0.0);
            for example in order.iter() {
                let value = f64::from(of(*example, column));
                (sum, squares) = (sum + value, squares + value * value);
            }
            let spread = squares - sum * sum / order.len() as f64;
            if spread > most {
                (widest, most) = (column, spread);
            }
        }
        let half = (order.len() / 2).next_multiple_of(BLOCK).min(order.len() - 1);
        order.select_nth_unstable_by(half, |one, other| of(*one, widest).total_cmp(&of(*other, widest)));
        let (lower, upper) = order.split_at_mut(half);
        halve(lower, values, width);
        halve(upper, values, width);
    }
    let (count, values) = (outputs.size()[0], numbers::<f32>(&outputs.flatten(1, -1)));
    let mut order: Vec<i64> = (0..count).collect();
    let width = values.len() / order.len().max(1);
    halve(&mut order, &values, width);
    order
}

fn square_between(one: &[f32], other: &[f32]) -> f32 {
    one.iter().zip(other).map(|(a, b)| (a - b) * (a - b)).sum()
}
