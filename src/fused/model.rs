//! A landscape and a task as one chain of layers.

use std::sync::Arc;

use pulp::Arch;
use thalweg_task::{DenseForm, Perceptron, Target};

use super::buffer::Buffer;
use super::comparison::{Aim, Comparison, numbers};
use super::panels::{Gate, GateBy, Panels, Product, Rectify, Rows, Store};
use super::real::Real;

/// Rows that go through all layers together. Enough that reading the weights costs little beside the
/// arithmetic, few enough that what lies between layers stays in the cache. A guess.
const TILE: usize = 32;

/// One dense layer, packed for both directions.
#[derive(Debug)]
struct Layer<T> {
    /// `[in, out]`.
    forward: Panels<T>,
    /// `[out, in]`.
    backward: Panels<T>,
    /// `[padded out]`.
    bias: Buffer<T>,
    /// Slope of the rectifier below zero; one where none follows.
    slope: T,
}

impl<T: Real> Layer<T> {
    fn inputs(&self) -> usize {
        self.forward.inputs()
    }

    fn outputs(&self) -> usize {
        self.forward.outputs()
    }
}

/// Packs the layers of a perceptron.
fn pack<T: Real>(arch: Arch, perceptron: &Perceptron) -> Vec<Arc<Layer<T>>> {
    let parameters = perceptron.parameters();
    let count = parameters.len() / 2;
    let layer = |(index, pair): (usize, &[tch::Tensor])| {
        let size: Vec<usize> = pair[0].size().into_iter().map(|size| size as usize).collect();
        let (outputs, inputs) = (size[0], size[1]);
        let (weight, values) = (numbers::<T>(&pair[0]), numbers::<T>(&pair[1]));
        let forward = Panels::pack(arch, inputs, outputs, |input, output| weight[output * inputs + input]);
        let backward = Panels::pack(arch, outputs, inputs, |output, input| weight[output * inputs + input]);
        let mut bias = Buffer::zeros(forward.padded());
        bias[..outputs].copy_from_slice(&values);
        let slope = if index + 1 < count { T::of(perceptron.slope()) } else { T::ONE };
        Arc::new(Layer { forward, backward, bias, slope })
    };
    parameters.chunks_exact(2).enumerate().map(layer).collect()
}

/// `L(F(theta(z)))` as plain numbers.
#[derive(Debug)]
pub(crate) struct Model<T> {
    arch: Arch,
    /// theta's layers, then those of F.
    layers: Vec<Arc<Layer<T>>>,
    /// How many of them are theta's.
    theta: usize,
    comparison: Comparison,
}

/// K points and what was found there.
#[derive(Clone, Debug)]
pub(crate) struct Batch<T> {
    /// `[K, Z]`.
    pub(crate) z: Vec<T>,
    /// `[K, X]`.
    pub(crate) x: Vec<T>,
    /// Output of the layers, `[K, raw]`.
    pub(crate) raw: Vec<T>,
    /// What is minimised, for each row.
    pub(crate) loss: Vec<f64>,
    /// Its derivative, `[K, Z]`.
    pub(crate) gradient: Vec<T>,
    /// Its derivative with respect to `x`, `[K, X]`.
    pub(crate) by_x: Vec<T>,
    /// Squared norm of each row of the derivative.
    pub(crate) slope: Vec<f64>,
}

/// What one tile needs between the layers.
#[derive(Debug)]
pub(crate) struct Workspace<T> {
    /// Results of each layer, `[TILE, padded]`; after an evaluation, the derivatives with respect to them.
    results: Vec<Buffer<T>>,
    /// `[TILE, padded Z]`.
    gradient: Buffer<T>,
}

impl<T: Real> Model<T> {
    /// Packs a task's layers behind those of theta; none when the description does not fit together.
    pub(crate) fn new(form: DenseForm<'_>, theta: Option<&Perceptron>) -> Option<Self> {
        let arch = Arch::new();
        let decoder = pack(arch, form.layers);
        let mut layers = theta.map_or_else(Vec::new, |theta| pack(arch, theta));
        let theta = layers.len();
        let comparison = Comparison::new(form.head, decoder.last()?.outputs())?;
        layers.extend(decoder);
        let fits = layers.windows(2).all(|pair| pair[0].outputs() == pair[1].inputs());
        fits.then_some(Self { arch, layers, theta, comparison })
    }

    /// Puts another theta, or none, before the layers of F.
    pub(crate) fn with_theta(&self, theta: Option<&Perceptron>) -> Option<Self> {
        let mut layers = theta.map_or_else(Vec::new, |theta| pack(self.arch, theta));
        let count = layers.len();
        layers.extend(self.layers[self.theta..].iter().cloned());
        let fits = layers.windows(2).all(|pair| pair[0].outputs() == pair[1].inputs());
        let (arch, comparison) = (self.arch, self.comparison.clone());
        fits.then_some(Self { arch, layers, theta: count, comparison })
    }

    /// The processor's vectors.
    pub(crate) fn arch(&self) -> Arch {
        self.arch
    }

    /// Dimension `Z`.
    pub(crate) fn dim(&self) -> usize {
        self.layers[0].inputs()
    }

    /// Dimension `X`.
    pub(crate) fn latent(&self) -> usize {
        self.layers[self.theta].inputs()
    }

    /// Width of a row of F's output.
    pub(crate) fn width(&self) -> usize {
        self.comparison.width()
    }

    /// Whether `z` is mapped by a perceptron.
    pub(crate) fn has_theta(&self) -> bool {
        self.theta > 0
    }

    fn raw(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.outputs())
    }

    /// Takes over a target; none when it has not the form that the task described.
    pub(crate) fn aim(&self, target: &Target) -> Option<Aim<T>> {
        self.comparison.aim(target)
    }

    /// Allocates K points.
    pub(crate) fn batch(&self, rows: usize) -> Batch<T> {
        let zeros = |width: usize| vec![T::ZERO; rows * width];
        let (z, x, raw) = (zeros(self.dim()), zeros(self.latent()), zeros(self.raw()));
        let (loss, slope) = (vec![0.0; rows], vec![0.0; rows]);
        Batch { gradient: z.clone(), by_x: x.clone(), z, x, raw, loss, slope }
    }

    /// Allocates what evaluations need.
    pub(crate) fn workspace(&self) -> Workspace<T> {
        let results = self.layers.iter().map(|layer| Buffer::zeros(TILE * layer.forward.padded())).collect();
        Workspace { results, gradient: Buffer::zeros(TILE * self.layers[0].backward.padded()) }
    }

    /// Evaluates loss and gradient at `batch.z`, and fills in the rest of the batch.
    pub(crate) fn evaluate(&self, aim: &Aim<T>, batch: &mut Batch<T>, work: &mut Workspace<T>) {
        let rows = batch.loss.len();
        for first in (0..rows).step_by(TILE) {
            let count = TILE.min(rows - first);
            self.forward(&batch.z[first * self.dim()..], count, work);
            self.score(aim, batch, work, first, count);
            self.reverse(aim, batch, work, first, count);
        }
    }

    /// Sends `count` rows of `z` through all layers.
    pub(crate) fn forward(&self, z: &[T], count: usize, work: &mut Workspace<T>) {
        for (index, layer) in self.layers.iter().enumerate() {
            let (before, after) = work.results.split_at_mut(index);
            let rows = match before.last() {
                Some(data) => Rows { data, stride: data.len() / TILE, count },
                None => Rows { data: z, stride: layer.inputs(), count },
            };
            let finish = Rectify { bias: &layer.bias, slope: layer.slope };
            self.arch.dispatch(Product { rows, panels: &layer.forward, out: &mut after[0], finish });
        }
    }

    /// Reads `x`, raw output and loss of a tile; leaves the loss's derivative in place of the output.
    fn score(&self, aim: &Aim<T>, batch: &mut Batch<T>, work: &mut Workspace<T>, first: usize, count: usize) {
        let (latent, width) = (self.latent(), self.raw());
        for row in 0..count {
            let (hypothesis, x) = (first + row, &mut batch.x[(first + row) * latent..][..latent]);
            x.copy_from_slice(match self.theta.checked_sub(1) {
                Some(last) => &work.row(last, row)[..latent],
                None => &batch.z[hypothesis * latent..][..latent],
            });
            let raw = work.row_mut(self.layers.len() - 1, row);
            batch.raw[hypothesis * width..][..width].copy_from_slice(&raw[..width]);
            let loss = self.comparison.pull(raw, aim, hypothesis);
            batch.loss[hypothesis] = loss.wide() + aim.pull().map_or(0.0, |pull| pull.loss(hypothesis, x));
        }
    }

    /// Sends a tile's derivatives back through all layers.
    fn reverse(&self, aim: &Aim<T>, batch: &mut Batch<T>, work: &mut Workspace<T>, first: usize, count: usize) {
        for (index, layer) in self.layers.iter().enumerate().rev() {
            let (before, after) = work.results.split_at_mut(index);
            let rows = Rows { data: &after[0], stride: after[0].len() / TILE, count };
            let panels = &layer.backward;
            let out: &mut [T] = before.last_mut().unwrap_or(&mut work.gradient);
            match index.checked_sub(1).map(|index| self.layers[index].slope).filter(|slope| *slope != T::ONE) {
                Some(slope) => self.arch.dispatch(Product { rows, panels, out, finish: Gate { slope } }),
                None => self.arch.dispatch(Product { rows, panels, out, finish: Store }),
            }
            if index == self.theta {
                self.add_pull(aim, batch, out, first, count);
            }
        }
        let (dim, stride) = (self.dim(), work.gradient.len() / TILE);
        for (row, gradient) in work.gradient.chunks_exact(stride).take(count).enumerate() {
            batch.gradient[(first + row) * dim..][..dim].copy_from_slice(&gradient[..dim]);
            batch.slope[first + row] = squares(&gradient[..dim]).wide();
        }
    }

    /// Adds the pull's derivative to that with respect to `x`, rows of `out`, and keeps the sum.
    fn add_pull(&self, aim: &Aim<T>, batch: &mut Batch<T>, out: &mut [T], first: usize, count: usize) {
        let (latent, stride) = (self.latent(), out.len() / TILE);
        for (row, out) in out.chunks_exact_mut(stride).take(count).enumerate() {
            let hypothesis = first + row;
            let span = hypothesis * latent..(hypothesis + 1) * latent;
            let out = &mut out[..latent];
            if let Some(pull) = aim.pull() {
                let twice = T::of(2.0) * pull.weight(hypothesis);
                let away = |(entry, x): (usize, &T)| *x - pull.centre(hypothesis, latent, entry);
                let away = batch.x[span.clone()].iter().enumerate().map(away);
                out.iter_mut().zip(away).for_each(|(out, away)| *out += twice * away);
            }
            batch.by_x[span].copy_from_slice(out);
        }
    }

    /// Applies the head to rows of raw output, `[K, raw]`: F's output, `[K, width]`.
    pub(crate) fn outputs(&self, raw: &[T]) -> Vec<T> {
        let mut outputs = vec![T::ZERO; raw.len() / self.raw() * self.width()];
        let rows = raw.chunks_exact(self.raw()).zip(outputs.chunks_exact_mut(self.width()));
        rows.for_each(|(raw, output)| self.comparison.apply(raw, output));
        outputs
    }

    /// Differentiates the residuals of hypothesis `row` with respect to `x`: `[X, M]` in `out`.
    ///
    /// Forward mode: one direction for each entry of `x`, all as rows of the same products. `place`
    /// is the hypothesis's row in the tile that went forward last.
    pub(crate) fn by_x(
        &self,
        aim: &Aim<T>,
        row: usize,
        place: usize,
        work: &Workspace<T>,
        space: &mut Directions<T>,
        out: &mut [T],
    ) {
        let (first, latent) = (self.theta, self.latent());
        let layer = &self.layers[first];
        let padded = layer.forward.padded();
        for (input, out) in space.from.chunks_exact_mut(padded).take(latent).enumerate() {
            layer.forward.row(input, out);
            gate(out, work.row(first, place), layer.slope);
        }
        let mut stride = padded;
        for (index, layer) in self.layers.iter().enumerate().skip(first + 1) {
            let rows = Rows { data: &space.from, stride, count: latent };
            let finish = GateBy { result: work.row(index, place), slope: layer.slope };
            self.arch.dispatch(Product { rows, panels: &layer.forward, out: &mut space.to, finish });
            stride = layer.forward.padded();
            std::mem::swap(&mut space.from, &mut space.to);
        }
        let raw = work.row(self.layers.len() - 1, place);
        self.comparison.push(raw, aim, row, (&space.from[..latent * stride], stride), out);
    }

    /// Differentiates `x` with respect to `z`: `[X, Z]` in `out`; only with a theta.
    ///
    /// Reverse mode: one cotangent for each entry of `x`.
    pub(crate) fn by_z(&self, place: usize, work: &Workspace<T>, space: &mut Directions<T>, out: &mut [T]) {
        let (latent, dim, last) = (self.latent(), self.dim(), self.theta - 1);
        let mut stride = self.layers[last].backward.padded();
        for (output, out) in space.from.chunks_exact_mut(stride).take(latent).enumerate() {
            self.layers[last].backward.row(output, out);
            if last > 0 {
                gate(out, work.row(last - 1, place), self.layers[last - 1].slope);
            }
        }
        for (index, layer) in self.layers[..last].iter().enumerate().rev() {
            let (panels, out) = (&layer.backward, &mut *space.to);
            let rows = Rows { data: &space.from, stride, count: latent };
            match index.checked_sub(1) {
                Some(before) => {
                    let finish = GateBy { result: work.row(before, place), slope: self.layers[before].slope };
                    self.arch.dispatch(Product { rows, panels, out, finish });
                }
                None => self.arch.dispatch(Product { rows, panels, out, finish: Store }),
            }
            stride = panels.padded();
            std::mem::swap(&mut space.from, &mut space.to);
        }
        let rows = space.from.chunks_exact(stride).zip(out.chunks_exact_mut(dim));
        rows.for_each(|(from, out)| out.copy_from_slice(&from[..dim]));
    }

    /// Allocates what [`Model::by_x`] and [`Model::by_z`] need.
    pub(crate) fn directions(&self) -> Directions<T> {
        let padded = |layer: &Arc<Layer<T>>| layer.forward.padded().max(layer.backward.padded());
        let width = self.layers.iter().map(padded).max().unwrap_or(0);
        let zeros = || Buffer::zeros(self.latent() * width);
        Directions { from: zeros(), to: zeros() }
    }
}

/// Rows of a tile that a model handles at once.
pub(crate) const fn tile() -> usize {
    TILE
}

/// Changes on their way through the layers, `[X, padded]`.
#[derive(Debug)]
pub(crate) struct Directions<T> {
    from: Buffer<T>,
    to: Buffer<T>,
}

impl<T: Real> Workspace<T> {
    fn row(&self, layer: usize, row: usize) -> &[T] {
        let stride = self.results[layer].len() / TILE;
        &self.results[layer][row * stride..][..stride]
    }

    fn row_mut(&mut self, layer: usize, row: usize) -> &mut [T] {
        let stride = self.results[layer].len() / TILE;
        &mut self.results[layer][row * stride..][..stride]
    }
}

/// Multiplies by the rectifier's derivative, told from its result.
fn gate<T: Real>(row: &mut [T], result: &[T], slope: T) {
    for (value, result) in row.iter_mut().zip(result) {
        *value = if *result > T::ZERO { *value } else { *value * slope };
    }
}

/// Sums squares, sixteen at a time, which is what registers hold.
fn squares<T: Real>(values: &[T]) -> T {
    let (chunks, rest) = values.as_chunks::<16>();
    let mut sums = [T::ZERO; 16];
    for chunk in chunks {
        sums.iter_mut().zip(chunk).for_each(|(sum, value)| *sum += *value * *value);
    }
    sums.into_iter().sum::<T>() + rest.iter().map(|value| *value * *value).sum()
}
