//! How the output of F's layers changes with `x`: forward mode, all directions at once.

use std::sync::Arc;

use pulp::{Arch, Simd, WithSimd};

use crate::native::kernels::finish::{Add, Offset, Scale, Store};
use crate::native::kernels::layer::Layer;
use crate::native::kernels::panels::Panels;
use crate::native::kernels::real::Real;
use crate::native::kernels::spread::{Left, Spread};
use crate::native::model::held::Held;
use crate::native::model::{Model, Workspace};

/// Most hypotheses whose last points are remembered: beyond, fetching them costs what they save. A guess.
const MOST_KEPT: usize = 64;
/// One over the share of inputs that may have turned for the last point to be of use. With half of them open,
/// starting afresh multiplies half of them.
const FEW: usize = 3;

/// What F's first layers do with changes of `x` whatever the point.
#[derive(Debug)]
pub(crate) struct ConstantTangents<T> {
    /// Weights of the first layer, `[out, X]`.
    first: Panels<T>,
    /// Product of the second layer's and the first layer's weights, `[out, X]`.
    both: Option<Panels<T>>,
}

/// Changes on their way through the layers of F, `[out, X]` each.
#[derive(Debug)]
pub(super) struct Tangents<T> {
    /// After each layer but the first.
    after: Vec<Panels<T>>,
    /// Rows of the first layer's weights that are added at the present point.
    chosen: Panels<T>,
    /// Where these inputs lie in the second layer's weights.
    places: Vec<usize>,
    /// The rectifiers' derivatives.
    gates: Vec<T>,
    /// What is kept of each hypothesis's last point; empty where whole derivatives are held.
    kept: Vec<Kept<T>>,
    /// For each hypothesis, where points near by are to be served; empty elsewhere.
    held: Vec<Held<T>>,
}

/// The second layer's changes at the point that a hypothesis had last.
#[derive(Debug)]
struct Kept<T> {
    /// Before the rectifier, `[out, X]`.
    sums: Panels<T>,
    /// Which rectifiers of the first layer were open; empty before there is a point.
    open: Vec<bool>,
}

impl<T: Real> ConstantTangents<T> {
    pub(super) fn new(arch: Arch, layers: &[Arc<Layer<T>>]) -> Self {
        let first = &layers[0];
        let first = Panels::pack(arch, first.outputs(), first.inputs(), |output, input| first.at(input, output));
        let both = layers.get(1).map(|second| {
            let mut both = Panels::zeros(arch, second.outputs(), first.outputs());
            arch.dispatch(Spread { left: second.forth(), right: &first, out: &mut both, finish: Store });
            both
        });
        Self { first, both }
    }
}

impl<T: Real> Tangents<T> {
    /// Allocates what `rows` of all `hypotheses` need; `holds`: whether points of `dim` numbers serve others near by.
    ///
    /// What is remembered depends on their number, not on that of the rows, and so do the results' last bits.
    pub(super) fn new(
        arch: Arch,
        layers: &[Arc<Layer<T>>],
        (rows, hypotheses): (usize, usize),
        holds: Option<usize>,
    ) -> Self {
        let latent = layers[0].inputs();
        let zeros = |layer: &Arc<Layer<T>>| Panels::zeros(arch, layer.outputs(), latent);
        let rectifiers = rectified(layers).map(|(_, layer)| layer.outputs()).sum();
        let hold = |dim: usize| Held::new(zeros(&layers[layers.len() - 1]), rectifiers, dim);
        let widest = layers.iter().map(|layer| layer.padded_outputs()).max().unwrap_or(0);
        Self {
            after: layers[1..].iter().map(zeros).collect(),
            chosen: zeros(&layers[0]),
            places: Vec::with_capacity(layers[0].outputs()),
            gates: Vec::with_capacity(widest),
            kept: match layers.get(1) {
                Some(second) if hypotheses <= MOST_KEPT && holds.is_none() => (0..rows)
                    .map(|_| Kept { sums: zeros(second), open: Vec::with_capacity(layers[0].outputs()) })
                    .collect(),
                _ => Vec::new(),
            },
            // One layer has the same derivatives everywhere.
            held: holds
                .filter(|_| layers.len() > 1)
                .map_or_else(Vec::new, |dim| (0..rows).map(|_| hold(dim)).collect()),
        }
    }

    /// Forgets the points that hypotheses had: what is found next does not depend on them.
    pub(super) fn forget(&mut self) {
        self.kept.iter_mut().for_each(|kept| kept.open.clear());
        self.held.iter_mut().for_each(Held::forget);
    }

    /// Forgets the point that one hypothesis had.
    pub(super) fn forget_one(&mut self, hypothesis: usize) {
        self.held.get_mut(hypothesis).iter_mut().for_each(|held| held.forget());
    }

    /// What is held for each hypothesis.
    pub(super) fn held(&self) -> &[Held<T>] {
        &self.held
    }

    /// Begins another descent with what is held.
    pub(super) fn begin(&mut self) {
        self.held.iter_mut().for_each(Held::begin);
    }

    /// See [`Held::refuse`].
    pub(super) fn refuse(&mut self, hypothesis: usize) -> bool {
        self.held.get_mut(hypothesis).is_some_and(Held::refuse)
    }

    /// How the layers' output changes with `x`, `[raw, X]`, as was found last for a hypothesis.
    pub(super) fn last<'a>(&'a self, hypothesis: usize, constant: &'a ConstantTangents<T>) -> &'a Panels<T> {
        let held = self.held.get(hypothesis).map(|held| &held.tangents);
        held.or_else(|| self.after.last()).unwrap_or(&constant.first)
    }

    /// Differentiates the second layer's sums: `s W2 W1 + (1 - s) W2[O] W1[O]` with slope s and open inputs O.
    ///
    /// Few of the products with O are multiplied anew: from a hypothesis's last point, those that have opened or
    /// closed since are added or taken off; else the closed ones C when they are fewer, by
    /// `W2 W1 - (1 - s) W2[C] W1[C]`.
    fn differentiate_second(
        &mut self,
        arch: Arch,
        constant: &ConstantTangents<T>,
        layers: &[Arc<Layer<T>>],
        at: At<'_, T>,
    ) {
        let (slope, open) = (layers[0].slope, &at.first[..constant.first.inputs()]);
        let is_open = |input: usize| open[input] > T::ZERO;
        let kept = self.kept.get(at.hypothesis).filter(|kept| kept.open.len() == open.len());
        let turned = kept.map(|kept| (0..open.len()).filter(|&input| is_open(input) != kept.open[input]).count());
        let more = T::ONE - slope;
        let by_turned = turned.is_some_and(|turned| FEW * turned <= open.len());
        self.places.clear();
        let mut factor = T::ONE;
        if by_turned {
            for input in 0..open.len() {
                if is_open(input) != self.kept[at.hypothesis].open[input] {
                    self.choose(constant, &layers[1], input, if is_open(input) { more } else { -more });
                }
            }
        } else {
            let by_open = 2 * (0..open.len()).filter(|&input| is_open(input)).count() <= open.len();
            factor = if by_open { slope } else { T::ONE };
            for input in (0..open.len()).filter(|&input| is_open(input) == by_open) {
                self.choose(constant, &layers[1], input, if by_open { more } else { -more });
            }
        }
        let Self { after, chosen, places, gates, kept, .. } = self;
        let left = Left { inputs: places, ..layers[1].forth() };
        let both = constant.both.as_ref().map(|panels| Offset { panels, factor });
        let Some(kept) = kept.get_mut(at.hypothesis) else {
            if let Some(offset) = both {
                arch.dispatch(Spread { left, right: chosen, out: &mut after[0], finish: offset });
                arch.dispatch(Gating { from: None, gates, out: &mut after[0] });
            }
            return;
        };
        match both {
            Some(offset) if !by_turned => {
                arch.dispatch(Spread { left, right: chosen, out: &mut kept.sums, finish: offset });
            }
            _ => arch.dispatch(Spread { left, right: chosen, out: &mut kept.sums, finish: Add }),
        }
        arch.dispatch(Gating { from: Some(&kept.sums), gates, out: &mut after[0] });
        kept.open.clear();
        kept.open.extend(open.iter().map(|value| *value > T::ZERO));
    }

    /// Adds an input of the second layer to the chosen ones, with a factor.
    fn choose(&mut self, constant: &ConstantTangents<T>, second: &Layer<T>, input: usize, factor: T) {
        let (width, count) = (constant.first.width(), self.places.len());
        self.places.push(second.inputs_at[input]);
        let stride = self.chosen.stride();
        let panels = self.chosen.data_mut().chunks_exact_mut(stride).zip(constant.first.panels());
        for (mine, theirs) in panels {
            let theirs = &theirs[input * width..][..width];
            mine[count * width..][..width].iter_mut().zip(theirs).for_each(|(mine, value)| *mine = factor * *value);
        }
    }

    fn set_gates(&mut self, result: &[T], slope: T) {
        self.gates.clear();
        if slope != T::ONE {
            self.gates.extend(result.iter().map(|result| if *result > T::ZERO { T::ONE } else { slope }));
        }
    }
}

/// A point of a hypothesis.
#[derive(Clone, Copy)]
struct At<'a, T> {
    hypothesis: usize,
    /// What came out of the first layer.
    first: &'a [T],
}

/// Multiplies rows by the rectifiers' derivatives; no gates are ones.
struct Gating<'a, T> {
    /// Nothing is what is in `out`.
    from: Option<&'a Panels<T>>,
    gates: &'a [T],
    out: &'a mut Panels<T>,
}

impl<T: Real> WithSimd for Gating<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let (width, stride) = (self.out.width(), self.out.stride());
        let gate = |row: usize| self.gates.get(row).copied().unwrap_or(T::ONE);
        for (panel, out) in self.out.data_mut().chunks_exact_mut(stride).enumerate() {
            let rows = out.chunks_exact_mut(width).enumerate();
            match self.from.and_then(|from| from.panels().nth(panel)) {
                Some(from) => rows.zip(from.chunks_exact(width)).for_each(|((row, out), from)| {
                    out.iter_mut().zip(from).for_each(|(out, from)| *out = *from * gate(row));
                }),
                None => rows.for_each(|(row, out)| out.iter_mut().for_each(|out| *out = *out * gate(row))),
            }
        }
    }
}

impl<T: Real> Model<T> {
    /// Finds how the layers' output changes with `x` for a hypothesis at `z`, `[Z]`, which is row `place` of the tile
    /// that went forward last. What is held serves where at most the share `most` of the rectifiers has turned.
    pub(super) fn find_tangents(
        &self,
        z: &[T],
        (hypothesis, place): (usize, usize),
        work: &Workspace<T>,
        (tangents, most): (&mut Tangents<T>, f64),
    ) {
        let (arch, constant, layers) = (self.arch(), self.constant(), self.decoder());
        let result = |index: usize| work.row(self.theta() + index, place);
        let open = || {
            let outputs = rectified(layers).flat_map(|(index, layer)| &result(index)[..layer.outputs()]);
            outputs.map(|output| *output > T::ZERO)
        };
        if tangents.held.get_mut(hypothesis).is_some_and(|held| held.serves(open(), most)) {
            return;
        }
        for (index, layer) in layers.iter().enumerate().skip(1) {
            tangents.set_gates(result(index), layer.slope);
            if index == 1 {
                tangents.differentiate_second(arch, constant, layers, At { hypothesis, first: result(0) });
                continue;
            }
            let left = layer.forth();
            let (before, after) = tangents.after.split_at_mut(index - 1);
            let (right, out, finish) = (&before[index - 2], &mut after[0], Scale { factors: &tangents.gates });
            arch.dispatch(Spread { left, right, out, finish });
        }
        let Tangents { after, held, .. } = tangents;
        if let (Some(held), Some(found)) = (held.get_mut(hypothesis), after.last_mut()) {
            held.take(z, open(), found);
        }
    }
}

/// The layers whose outputs are rectified, with their places.
fn rectified<T: Real>(layers: &[Arc<Layer<T>>]) -> impl Iterator<Item = (usize, &Arc<Layer<T>>)> {
    layers.iter().enumerate().filter(|(_, layer)| layer.slope != T::ONE)
}
