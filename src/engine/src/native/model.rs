//! A landscape and a task as one chain of layers.

pub(super) mod chain;
mod held;
pub(super) mod normal;
mod skip;
pub(super) mod tangents;

use std::sync::Arc;

use pulp::Arch;
use thalweg_nn::Perceptron;
use thalweg_task::{DenseForm, Similarity, Target, numbers};

use super::heads::comparison::{Comparison, EncodedTarget, HeadSpace};
use super::kernels::buffer::Buffer;
use super::kernels::finish::{Gate, Rectify, Store};
use super::kernels::layer::{Directions, Layer};
use super::kernels::product::Rows;
use super::kernels::real::Real;
use super::kernels::vectors::vectors;
use crate::landscape::Steps;
use normal::Linearisation;
use skip::{Skip, SkipSpace};
use tangents::ConstantTangents;

/// Rows that go through all layers together. Enough that reading the weights costs little beside the
/// arithmetic, few enough that what lies between layers stays in the cache. A guess.
pub(super) const TILE: usize = 32;

/// `L(F(theta(z)))` as plain numbers.
#[derive(Debug)]
pub(crate) struct Model<T> {
    arch: Arch,
    /// theta's layers, then those of F.
    layers: Vec<Arc<Layer<T>>>,
    /// How many of them are theta's.
    theta: usize,
    /// What lies beside them.
    skip: Option<Arc<Skip<T>>>,
    /// Metrics of theta's own steps, each `[X, X]`.
    metrics: Vec<Arc<[T]>>,
    constant: Arc<ConstantTangents<T>>,
    comparison: Comparison,
}

/// K points and what was found there: all hypotheses, or those in a row that one thread is given.
#[derive(Clone, Debug)]
pub(crate) struct Batch<T> {
    /// Which hypothesis the first row is.
    pub(super) first: usize,
    /// `[K, Z]`.
    pub(super) z: Vec<T>,
    /// `[K, X]`.
    pub(super) x: Vec<T>,
    /// Output of the layers, `[K, raw]`.
    pub(super) raw: Vec<T>,
    /// What is minimised, for each row.
    pub(super) loss: Vec<f64>,
    /// Its derivative, `[K, Z]`.
    pub(super) gradient: Vec<T>,
    /// Its derivative with respect to `x`, `[K, X]`.
    pub(super) by_x: Vec<T>,
    /// Squared norm of each row of the derivative.
    pub(super) slope: Vec<f64>,
    /// For each row, where a method asks for it.
    pub(super) linear: Vec<Linearisation<T>>,
    /// The transform of each row, where a cloud was seen from anywhere: what follows need not find it again.
    pub(super) fits: Vec<Option<Similarity>>,
}

/// What one tile needs between the layers.
#[derive(Debug)]
pub(crate) struct Workspace<T> {
    /// `[TILE, padded Z]`.
    input: Buffer<T>,
    /// Rows of the tile that went forward last.
    rows: usize,
    /// Results of each layer, `[TILE, padded]`; after an evaluation, the derivatives with respect to them, but for points
    /// that may be linearised.
    results: Vec<Buffer<T>>,
    /// A copy of the results, while derivatives overwrite them; empty where nobody has asked for that.
    kept: Vec<Buffer<T>>,
    /// Results of each layer, `[padded]`, where `z` is zero: theta's own steps begin there for every observation. Empty
    /// before the first time.
    origin: Vec<Buffer<T>>,
    /// `[TILE, padded Z]`.
    gradient: Buffer<T>,
    places: HeadSpace<T>,
    skip: Option<SkipSpace<T>>,
    /// A derivative before a metric goes into it, `[X]`.
    plain: Vec<T>,
}

impl<T: Real> Model<T> {
    /// Packs a task's layers behind those of theta, for [`vectors`]; none when the description does not fit together.
    pub(super) fn new(form: DenseForm<'_>, theta: Option<&Perceptron>) -> Option<Self> {
        Self::with_arch(vectors(), form, theta)
    }

    /// As [`Model::new`], for given vectors.
    pub(super) fn with_arch(arch: Arch, form: DenseForm<'_>, theta: Option<&Perceptron>) -> Option<Self> {
        let decoder = Layer::pack(arch, form.layers, Directions::Both);
        let comparison = Comparison::new(arch, form.head, decoder.last()?.outputs())?;
        if !fit(&decoder) {
            return None;
        }
        let constant = Arc::new(ConstantTangents::new(arch, &decoder));
        let model = Self { arch, layers: decoder, theta: 0, skip: None, metrics: Vec::new(), constant, comparison };
        model.with_theta(theta)
    }

    /// Puts another theta, or none, before the layers of F.
    pub(super) fn with_theta(&self, theta: Option<&Perceptron>) -> Option<Self> {
        let mut layers = theta.map_or_else(Vec::new, |theta| Layer::pack(self.arch, theta, Directions::Both));
        let count = layers.len();
        layers.extend(self.layers[self.theta..].iter().cloned());
        let skip = theta.and_then(Perceptron::skip).map(|skip| Arc::new(Skip::new(self.arch, skip)));
        let (arch, constant, comparison) = (self.arch, Arc::clone(&self.constant), self.comparison.clone());
        fit(&layers).then_some(Self { arch, layers, theta: count, skip, metrics: Vec::new(), constant, comparison })
    }

    /// Takes over theta's own steps.
    pub(super) fn with_steps(self, steps: Option<&Steps>) -> Self {
        let metric = |steps: &Steps, step: i64| numbers::<T>(&steps.metric().get(step)).into();
        let metrics = steps.map_or_else(Vec::new, |steps| (0..steps.count()).map(|step| metric(steps, step)).collect());
        Self { metrics, ..self }
    }

    /// How many steps of its own theta has.
    pub(super) fn own_steps(&self) -> usize {
        self.metrics.len()
    }

    /// The processor's vectors.
    pub(super) fn arch(&self) -> Arch {
        self.arch
    }

    /// Dimension `Z`.
    pub(super) fn dim(&self) -> usize {
        self.layers[0].inputs()
    }

    /// Dimension `X`.
    pub(super) fn latent(&self) -> usize {
        self.layers[self.theta].inputs()
    }

    /// Width of a row of F's output.
    pub(super) fn width(&self) -> usize {
        self.comparison.width()
    }

    /// Whether `z` is mapped by a perceptron.
    pub(super) fn has_theta(&self) -> bool {
        self.theta > 0
    }

    /// How many layers theta has.
    pub(super) fn theta(&self) -> usize {
        self.theta
    }

    /// The layers of theta.
    pub(super) fn encoder(&self) -> &[Arc<Layer<T>>] {
        &self.layers[..self.theta]
    }

    /// The layers of F.
    pub(super) fn decoder(&self) -> &[Arc<Layer<T>>] {
        &self.layers[self.theta..]
    }

    /// What is known of the derivatives of F before there is a point.
    pub(super) fn constant(&self) -> &ConstantTangents<T> {
        &self.constant
    }

    pub(super) fn comparison(&self) -> &Comparison {
        &self.comparison
    }

    /// Width of a row of the layers' output.
    pub(super) fn raw(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.outputs())
    }

    /// Takes over a target; none when it has not the form that the task described.
    pub(super) fn encode(&self, target: &Target) -> Option<EncodedTarget<T>> {
        self.comparison.encode(target)
    }

    /// Allocates K points, from hypothesis `first` on.
    pub(super) fn batch(&self, first: usize, rows: usize) -> Batch<T> {
        let zeros = |width: usize| vec![T::ZERO; rows * width];
        let (z, x, raw) = (zeros(self.dim()), zeros(self.latent()), zeros(self.raw()));
        let (loss, slope) = (vec![0.0; rows], vec![0.0; rows]);
        Batch {
            first,
            gradient: z.clone(),
            by_x: x.clone(),
            z,
            x,
            raw,
            loss,
            slope,
            linear: Vec::new(),
            fits: vec![None; rows],
        }
    }

    /// Allocates what evaluations need.
    pub(super) fn workspace(&self) -> Workspace<T> {
        let zeros = |width: usize| Buffer::zeros(TILE * width);
        let results = self.layers.iter().map(|layer| zeros(layer.padded_outputs())).collect();
        let width = self.layers[0].padded_inputs();
        let (places, skip) = (self.comparison.space(TILE), self.skip.as_ref().map(|skip| skip.space(TILE)));
        let plain = vec![T::ZERO; self.latent()];
        let (input, gradient) = (zeros(width), zeros(width));
        Workspace { input, rows: 0, results, kept: Vec::new(), origin: Vec::new(), gradient, places, skip, plain }
    }

    /// Evaluates loss and gradient at `batch.z`, and fills in the rest of the batch.
    ///
    /// Where step `step` is one of theta's own, its metric goes into the gradient; [`usize::MAX`] is none.
    pub(super) fn evaluate(
        &self,
        encoded: &EncodedTarget<T>,
        batch: &mut Batch<T>,
        work: &mut Workspace<T>,
        step: usize,
    ) {
        let rows = batch.loss.len();
        batch.linear.iter_mut().for_each(Linearisation::spoil);
        for first in (0..rows).step_by(TILE) {
            let all = TILE.min(rows - first);
            let count =
                if self.begins_alike(encoded, &batch.z[first * self.dim()..][..all * self.dim()]) { 1 } else { all };
            self.forward(&batch.z[first * self.dim()..], count, work);
            self.score(encoded, batch, work, first, count);
            let metric = self.metrics.get(step).map(|metric| &metric[..]);
            if batch.linear.is_empty() {
                self.reverse(encoded, batch, work, (first, count), metric);
            } else {
                work.keep(count);
                self.reverse(encoded, batch, work, (first, count), metric);
                work.bring_back();
            }
            (first + count..first + all).for_each(|row| batch.repeat(first, row));
        }
    }

    /// Whether rows `z`, `[rows, Z]`, are one point with one loss: where theta's own steps begin, towards one observation.
    fn begins_alike(&self, encoded: &EncodedTarget<T>, z: &[T]) -> bool {
        encoded.is_shared() && encoded.prior().is_none() && self.is_origin(z)
    }

    /// Whether all rows of `z`, `[rows, Z]`, are where theta's own steps begin.
    fn is_origin(&self, z: &[T]) -> bool {
        !self.metrics.is_empty() && z.iter().all(|entry| *entry == T::ZERO)
    }

    /// Evaluates losses alone: gradients stay what they were, and count as zero.
    pub(super) fn evaluate_losses(&self, encoded: &EncodedTarget<T>, batch: &mut Batch<T>, work: &mut Workspace<T>) {
        let rows = batch.loss.len();
        batch.linear.iter_mut().for_each(Linearisation::spoil);
        batch.slope.fill(0.0);
        for first in (0..rows).step_by(TILE) {
            let count = TILE.min(rows - first);
            self.forward(&batch.z[first * self.dim()..], count, work);
            self.score(encoded, batch, work, first, count);
        }
    }

    /// Sends `count` rows of `z` through all layers.
    pub(super) fn forward(&self, z: &[T], count: usize, work: &mut Workspace<T>) {
        let (dim, stride) = (self.dim(), work.input.len() / TILE);
        for (mine, z) in work.input.chunks_exact_mut(stride).zip(z.chunks_exact(dim)).take(count) {
            mine[..dim].copy_from_slice(z);
        }
        work.rows = count;
        let is_origin = self.is_origin(&z[..count * dim]);
        if is_origin && work.bring_origin(count) {
            return;
        }
        for (index, layer) in self.layers.iter().enumerate() {
            let (before, after) = work.results.split_at_mut(index);
            let data = before.last().unwrap_or(&work.input);
            let rows = Rows { data, stride: data.len() / TILE, count };
            let finish = Rectify { bias: &layer.bias, slope: layer.slope };
            layer.forward(self.arch, rows, &mut after[0], finish);
            if let (Some(skip), Some(space), true) = (&self.skip, &mut work.skip, index + 1 == self.theta) {
                let stride = after[0].len() / TILE;
                skip.forward(self.arch, &z[..count * dim], space, (&mut after[0], stride));
            }
        }
        if is_origin {
            work.keep_origin();
        }
    }

    /// Reads `x`, raw output and loss of a tile; leaves the loss's derivative in place of the output.
    pub(super) fn score(
        &self,
        encoded: &EncodedTarget<T>,
        batch: &mut Batch<T>,
        work: &mut Workspace<T>,
        first: usize,
        count: usize,
    ) {
        let (latent, width) = (self.latent(), self.raw());
        let raw = &work.results[self.layers.len() - 1];
        self.comparison.place((raw, raw.len() / TILE, count), encoded, batch.first + first, &mut work.places);
        for place in 0..count {
            let (row, hypothesis) = (first + place, batch.first + first + place);
            let x = &mut batch.x[row * latent..][..latent];
            x.copy_from_slice(match self.theta.checked_sub(1) {
                Some(last) => &work.row(last, place)[..latent],
                None => &batch.z[row * latent..][..latent],
            });
            let last = &mut work.results[self.layers.len() - 1];
            let stride = last.len() / TILE;
            let raw = &mut last[place * stride..][..stride];
            batch.raw[row * width..][..width].copy_from_slice(&raw[..width]);
            batch.fits[row] = work.places.fit(place);
            let loss = self.comparison.pull(raw, encoded, hypothesis, (&work.places, place));
            batch.loss[row] = loss.wide() + encoded.prior().map_or(0.0, |prior| prior.loss(hypothesis, x));
        }
    }

    /// Sends a tile's derivatives back through all layers.
    fn reverse(
        &self,
        encoded: &EncodedTarget<T>,
        batch: &mut Batch<T>,
        work: &mut Workspace<T>,
        (first, count): (usize, usize),
        metric: Option<&[T]>,
    ) {
        for (index, layer) in self.layers.iter().enumerate().rev() {
            let (before, after) = work.results.split_at_mut(index);
            let rows = Rows { data: &after[0], stride: after[0].len() / TILE, count };
            let out: &mut [T] = before.last_mut().unwrap_or(&mut work.gradient);
            match index.checked_sub(1).map(|index| self.layers[index].slope).filter(|slope| *slope != T::ONE) {
                Some(slope) => layer.backward(self.arch, rows, out, Gate { slope }),
                None => layer.backward(self.arch, rows, out, Store),
            }
            if index == self.theta {
                let (latent, stride) = (self.latent(), out.len() / TILE);
                for (row, out) in out.chunks_exact_mut(stride).take(count).enumerate() {
                    self.add_prior(encoded, batch, &mut out[..latent], first + row);
                    if let Some(metric) = metric {
                        apply_metric(metric, &mut out[..latent], &mut work.plain);
                    }
                }
            }
        }
        let (dim, stride) = (self.dim(), work.gradient.len() / TILE);
        for (row, gradient) in work.gradient.chunks_exact(stride).take(count).enumerate() {
            batch.gradient[(first + row) * dim..][..dim].copy_from_slice(&gradient[..dim]);
        }
        let gradients = &mut batch.gradient[first * dim..][..count * dim];
        if let (Some(skip), Some(space)) = (&self.skip, &mut work.skip) {
            let by_x = &work.results[self.theta - 1];
            skip.backward(self.arch, (by_x, by_x.len() / TILE), space, gradients);
        }
        for (slope, gradient) in batch.slope[first..].iter_mut().zip(gradients.chunks_exact(dim)) {
            *slope = squares(gradient).wide();
        }
    }

    /// Adds the prior's derivative to that with respect to `x`, `[X]`, of a row, and keeps the sum.
    pub(super) fn add_prior(&self, encoded: &EncodedTarget<T>, batch: &mut Batch<T>, by_x: &mut [T], row: usize) {
        let latent = self.latent();
        let (span, hypothesis) = (row * latent..(row + 1) * latent, batch.first + row);
        if let Some(prior) = encoded.prior() {
            let twice = T::of(2.0) * prior.weight(hypothesis);
            let away = |(entry, x): (usize, &T)| *x - prior.centre(hypothesis, latent, entry);
            let away = batch.x[span.clone()].iter().enumerate().map(away);
            by_x.iter_mut().zip(away).for_each(|(by_x, away)| *by_x += twice * away);
        }
        batch.by_x[span].copy_from_slice(by_x);
    }

    /// Applies the head to rows of raw output, `[K, raw]`: F's output, `[K, width]`.
    pub(super) fn outputs(&self, raw: &[T]) -> Vec<T> {
        let mut outputs = vec![T::ZERO; raw.len() / self.raw() * self.width()];
        let rows = raw.chunks_exact(self.raw()).zip(outputs.chunks_exact_mut(self.width()));
        rows.for_each(|(raw, output)| self.comparison.apply(raw, output));
        outputs
    }
}

/// Multiplies a derivative, `[X]`, by a metric, `[X, X]`, which is symmetric.
fn apply_metric<T: Real>(metric: &[T], by_x: &mut [T], plain: &mut [T]) {
    plain.copy_from_slice(by_x);
    by_x.fill(T::ZERO);
    for (row, factor) in metric.chunks_exact(by_x.len()).zip(plain.iter()) {
        by_x.iter_mut().zip(row).for_each(|(sum, entry)| *sum += *factor * *entry);
    }
}

/// Whether each layer takes what the one before it gives.
fn fit<T: Real>(layers: &[Arc<Layer<T>>]) -> bool {
    layers.windows(2).all(|pair| pair[0].outputs() == pair[1].inputs())
}

impl<T: Real> Batch<T> {
    /// Puts what was found for row `from` into row `to`, whose point is the same.
    fn repeat(&mut self, from: usize, to: usize) {
        let rows = self.loss.len();
        for values in [&mut self.x, &mut self.raw, &mut self.gradient, &mut self.by_x] {
            let width = values.len() / rows;
            values.copy_within(from * width..(from + 1) * width, to * width);
        }
        (self.loss[to], self.slope[to], self.fits[to]) = (self.loss[from], self.slope[from], self.fits[from]);
    }
}

impl<T: Real> Workspace<T> {
    /// Result of a layer, for a row of the tile.
    pub(super) fn row(&self, layer: usize, row: usize) -> &[T] {
        let stride = self.results[layer].len() / TILE;
        &self.results[layer][row * stride..][..stride]
    }

    /// Whether row `row` of the tile that went forward last began at `z`, `[Z]`.
    fn is_at(&self, row: usize, z: &[T]) -> bool {
        let stride = self.input.len() / TILE;
        row < self.rows && self.input[row * stride..][..z.len()] == *z
    }

    /// Keeps the results of the first row, which began at zero.
    fn keep_origin(&mut self) {
        let first = |result: &Buffer<T>| {
            let mut row = Buffer::zeros(result.len() / TILE);
            let stride = row.len();
            row.copy_from_slice(&result[..stride]);
            row
        };
        self.origin = self.results.iter().map(first).collect();
    }

    /// Puts what was kept of zero into `count` rows, where anything was.
    fn bring_origin(&mut self, count: usize) -> bool {
        for (result, row) in self.results.iter_mut().zip(&self.origin) {
            result.chunks_exact_mut(row.len()).take(count).for_each(|result| result.copy_from_slice(row));
        }
        !self.origin.is_empty()
    }

    /// Copies the results of `count` rows.
    fn keep(&mut self, count: usize) {
        if self.kept.is_empty() {
            self.kept = self.results.iter().map(|result| Buffer::zeros(result.len())).collect();
        }
        for (kept, result) in self.kept.iter_mut().zip(&self.results) {
            let span = ..result.len() / TILE * count;
            kept[span].copy_from_slice(&result[span]);
        }
    }

    /// Puts the copies in the results' place.
    fn bring_back(&mut self) {
        std::mem::swap(&mut self.kept, &mut self.results);
    }
}

/// Sums squares, sixteen at a time, which is what registers hold.
pub(super) fn squares<T: Real>(values: &[T]) -> T {
    let (chunks, rest) = values.as_chunks::<16>();
    let mut sums = [T::ZERO; 16];
    for chunk in chunks {
        sums.iter_mut().zip(chunk).for_each(|(sum, value)| *sum += *value * *value);
    }
    sums.into_iter().sum::<T>() + rest.iter().map(|value| *value * *value).sum()
}
