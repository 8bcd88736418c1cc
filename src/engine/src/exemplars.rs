//! Stored examples of x, looked up by what was observed.
//!
//! A network generalises; a memory of examples does not forget. Where something is hidden, the examples whose F(x) agrees
//! best with what was seen say how that went together before (k nearest neighbours and kernel regression: Atkeson, Moore &
//! Schaal, "Locally Weighted Learning", 1997). They join what theta proposes: docs/landscape.md.

use pulp::{Arch, Simd, WithSimd};
use tch::Tensor;
use thalweg_task::{Observation, Target, Task, numbers};

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
/// Examples whose distances are summed up together: their sums stay in the fastest cache. A guess.
const BLOCK: usize = 1024;
/// Layouts of targets that are kept: joints whole or in part, with places or without.
const LAYOUTS: usize = 4;

/// What a hypothesis begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// What theta proposes.
    Theta,
    /// What is expected of both: the mean of the nearest examples, and of theta's proposal.
    Mean,
    /// The example of this rank among the nearest that differ.
    Example(usize),
}

impl Part {
    /// The part of hypothesis `index`: the mean, then examples and theta's codes in turn. Chosen on validation poses.
    pub(crate) fn of(index: usize) -> Self {
        match index {
            0 => Self::Mean,
            odd if odd % 2 == 1 => Self::Example(odd / 2),
            _ => Self::Theta,
        }
    }
}

/// Examples of x, with what F makes of them.
#[derive(Debug)]
pub(crate) struct Exemplars {
    arch: Arch,
    /// `[E, X]`.
    x: Vec<f32>,
    /// X.
    latent: usize,
    /// F(x), `[E, ..Y]`.
    outputs: Tensor,
    layouts: Vec<Layout>,
    /// Size of a row of targets that examples cannot be held against, as they were met last: places that may be seen from
    /// anywhere.
    other: Option<Vec<i64>>,
    /// One for each entry of a target that was seen.
    wanted: Vec<Wanted>,
    /// To the examples of a block.
    distances: Vec<f32>,
    /// The nearest, in their order.
    nearest: Vec<Near>,
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
    /// M.
    columns: usize,
}

/// A value that was seen.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    column: usize,
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
        let x = x.to_kind(task.spec().kind).to_device(task.spec().device);
        let outputs = tch::no_grad(|| guarded(task, || Ok(task.forward(&x)?)))?;
        let (latent, x) = (x.size()[1] as usize, numbers(&x));
        let (layouts, other, wanted, different) = (Vec::new(), None, Vec::new(), Vec::new());
        let (distances, nearest) = (vec![0.0; BLOCK], Vec::with_capacity(NEAREST + 1));
        let mut exemplars =
            Self { arch: vectors(), x, latent, outputs, layouts, other, wanted, distances, nearest, different };
        exemplars.prepare(task)?;
        Ok(Some(exemplars))
    }

    /// Whether these are the examples `x`, `[E, X]`.
    pub(crate) fn are(&self, x: &Tensor) -> bool {
        numbers::<f32>(&x.to_kind(self.outputs.kind())) == self.x
    }

    /// Makes what the first observation will need, as a rule: the layout of a target with joints and nothing else.
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
        let layout = self.layout(task, &target)?;
        layout.map(drop).ok_or_else(|| EngineError::NoResidual { task: task.spec().name.clone() })
    }

    /// Puts what the examples propose in place of what theta does, `x` `[K, X]`.
    ///
    /// `parts` says for each hypothesis which row of the target it explains, and what it begins with. Where examples cannot
    /// be held against the target, all stays.
    ///
    /// # Errors
    /// What the task meets.
    pub(crate) fn join(
        &mut self,
        task: &dyn Task,
        target: &Target,
        parts: &[(usize, Part)],
        x: &mut [f64],
    ) -> Result<(), EngineError> {
        let Some(layout) = self.layout(task, target)? else { return Ok(()) };
        let (value, weight): (Vec<f32>, Vec<f32>) = (numbers(&target.value), numbers(&target.weight));
        let (columns, latent) = (self.layouts[layout].columns, self.latent);
        let mut looked_up = None;
        for ((row, part), x) in
            parts.iter().zip(x.chunks_exact_mut(latent)).filter(|((_, part), _)| *part != Part::Theta)
        {
            if looked_up != Some(*row) {
                let span = row * columns..(row + 1) * columns;
                self.want(&value[span.clone()], &weight[span]);
                self.look_up(layout);
                looked_up = Some(*row);
            }
            match part {
                Part::Mean => self.mix(x),
                Part::Example(rank) => self.place(*rank, x),
                Part::Theta => {}
            }
        }
        Ok(())
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

    /// Notes what was seen.
    fn want(&mut self, value: &[f32], weight: &[f32]) {
        self.wanted.clear();
        let all = value.iter().zip(weight).enumerate();
        let seen = all.filter(|(_, (_, weight))| **weight != 0.0);
        self.wanted.extend(seen.map(|(column, (value, weight))| Wanted {
            column,
            value: *value,
            weight: weight * weight,
        }));
    }

    /// Finds the examples that agree best.
    fn look_up(&mut self, layout: usize) {
        let Self { arch, layouts, wanted, distances, nearest, .. } = self;
        let layout = &layouts[layout];
        nearest.clear();
        for (block, values) in layout.values.chunks_exact(layout.columns * BLOCK).enumerate() {
            arch.dispatch(Distances { values, wanted, distances });
            for (place, distance) in distances.iter().enumerate() {
                // What is not a number is not near.
                let is_near = nearest.len() < NEAREST || nearest.last().is_some_and(|last| *distance < last.distance);
                if is_near && distance.is_finite() {
                    let at = nearest.partition_point(|other| other.distance <= *distance);
                    nearest.insert(at, Near { distance: *distance, example: block * BLOCK + place });
                    nearest.truncate(NEAREST);
                }
            }
        }
        self.tell_apart();
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

    /// Mixes the mean of the nearest with theta's proposal.
    fn mix(&self, x: &mut [f64]) {
        let Some(first) = self.nearest.first() else { return };
        let bandwidth = (BANDWIDTH * first.distance).max(f32::MIN_POSITIVE);
        let weight = |near: &Near| f64::from(((first.distance - near.distance) / bandwidth).exp());
        let sum: f64 = self.nearest.iter().map(weight).sum();
        x.iter_mut().for_each(|x| *x *= 1.0 - SHARE);
        for near in &self.nearest {
            let share = SHARE * weight(near) / sum;
            x.iter_mut().zip(self.example(near)).for_each(|(x, example)| *x += share * f64::from(*example));
        }
    }

    /// Copies the example of a rank among those that differ, where there are so many.
    fn place(&self, rank: usize, x: &mut [f64]) {
        if let Some(near) = self.different.get(rank).map(|place| &self.nearest[*place]) {
            x.iter_mut().zip(self.example(near)).for_each(|(x, example)| *x = f64::from(*example));
        }
    }

    fn example(&self, near: &Near) -> &[f32] {
        &self.x[near.example * self.latent..][..self.latent]
    }
}

impl Layout {
    /// Takes `values`, `[E, M]`.
    fn new(size: Vec<i64>, values: &Tensor) -> Self {
        let (examples, columns) = (values.size()[0], values.size()[1]);
        let missing = examples.unsigned_abs().next_multiple_of(BLOCK as u64) as i64 - examples;
        let beyond = Tensor::full([missing, columns], f64::INFINITY, (values.kind(), values.device()));
        let values = Tensor::cat(&[values, &beyond], 0).view([-1, BLOCK as i64, columns]).transpose(1, 2);
        Self { size, columns: columns as usize, values: numbers(&values.contiguous()) }
    }
}

/// Sums up how far the examples of a block are from what was seen.
struct Distances<'a> {
    /// `[M, BLOCK]`.
    values: &'a [f32],
    wanted: &'a [Wanted],
    /// `[BLOCK]`.
    distances: &'a mut [f32],
}

impl WithSimd for Distances<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        self.distances.fill(0.0);
        for Wanted { column, value, weight } in self.wanted {
            let values = &self.values[column * BLOCK..][..BLOCK];
            for (distance, example) in self.distances.iter_mut().zip(values) {
                let apart = example - value;
                *distance += weight * apart * apart;
            }
        }
    }
}

fn square_between(one: &[f32], other: &[f32]) -> f32 {
    one.iter().zip(other).map(|(a, b)| (a - b) * (a - b)).sum()
}
