//! Points of a cloud held against capsules: how the residual of each changes with the place of the nearest.

use pulp::{Arch, Simd, WithSimd};
use tch::Tensor;
use thalweg_task::{BLOCK, Block, Body, Capsules, LEAST_DISTANCE, Nearest, numbers};

use crate::native::kernels::real::Real;

/// Clouds of some rows; what has no weight is left out.
#[derive(Debug)]
pub(crate) struct Cloud<T> {
    rows: Vec<Vec<Block<T>>>,
    /// Points of a row in the target, with or without weight.
    width: usize,
}

/// What a point that was seen pulls.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pulled {
    /// Which capsule.
    pub(super) capsule: usize,
    /// Weighted.
    pub(super) residual: f64,
    /// How that changes with a motion of the capsule: by a shift, and by a turn about the origin.
    pub(super) row: [f64; 6],
}

impl<T: Real> Cloud<T> {
    /// Takes over coordinates and weights, `[rows, 3 N]` each.
    pub(super) fn new(value: &Tensor, weight: &Tensor) -> Self {
        let (rows, columns) = (value.size()[0] as usize, value.size()[1] as usize);
        let (value, weight): (Vec<T>, Vec<T>) = (numbers(value), numbers(weight));
        let row = |row: usize| {
            let span = row * columns..(row + 1) * columns;
            let points = value[span.clone()].as_chunks::<3>().0.iter().zip(weight[span].as_chunks::<3>().0);
            let seen: Vec<([T; 3], T)> =
                points.filter(|(_, weight)| weight[0] != T::ZERO).map(|(point, weight)| (*point, weight[0])).collect();
            Block::of_points(&seen)
        };
        Self { rows: (0..rows).map(row).collect(), width: columns / 3 }
    }

    /// Points of a row in the target.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// The points of a row.
    pub(super) fn row(&self, row: usize) -> &[Block<T>] {
        &self.rows[row]
    }

    /// Hands every point of a row to `take`.
    pub(super) fn visit(
        &self,
        arch: Arch,
        row: usize,
        (capsules, body): (&mut Capsules<T>, &Body),
        take: impl FnMut(Pulled),
    ) {
        if !capsules.is_empty() {
            arch.dispatch(Visit { blocks: &self.rows[row], capsules, body, take });
        }
    }
}

/// See [`Cloud::visit`].
struct Visit<'a, T, F> {
    blocks: &'a [Block<T>],
    capsules: &'a mut Capsules<T>,
    body: &'a Body,
    take: F,
}

impl<T: Real, F: FnMut(Pulled)> WithSimd for Visit<'_, T, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { blocks, capsules, body, mut take } = self;
        for block in blocks {
            let found = capsules.nearest(&block.at, block.centre, block.reach);
            let pulls = Pulls::new(&found, block, body);
            for (place, _) in block.weight.iter().enumerate().filter(|(_, weight)| **weight != T::ZERO) {
                take(Pulled {
                    capsule: found.capsule[place].wide() as usize,
                    residual: pulls.residual[place].wide(),
                    row: pulls.row.map(|entries| entries[place].wide()),
                });
            }
        }
    }
}

/// What the points of a block pull, see [`Pulled`].
struct Pulls<T> {
    residual: [T; BLOCK],
    row: [[T; BLOCK]; 6],
}

impl<T: Real> Pulls<T> {
    /// As [`Body::residual`], side by side.
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "side by side in registers")]
    fn new(found: &Nearest<T>, block: &Block<T>, body: &Body) -> Self {
        let (gate, scale, least) = (T::of(body.gate), T::of(body.scale), T::of(LEAST_DISTANCE));
        let mut pulls = Pulls { residual: [T::ZERO; BLOCK], row: [[T::ZERO; BLOCK]; 6] };
        for place in 0..BLOCK {
            let (distance, weight) = (found.distance[place], block.weight[place]);
            let below = if distance < gate { distance } else { gate };
            let within = if below > -gate { below } else { -gate };
            let ratio = within / scale;
            let square = ratio * ratio + T::ONE;
            let root = square.square_root();
            pulls.residual[place] = within / root * weight;
            let [i, j, k] = [0, 1, 2].map(|axis| found.way[axis][place]);
            let length = (i * i + j * j + k * k + least * least).square_root();
            let slope = weight / (square * root * length);
            let slope = if within == distance { slope } else { T::ZERO };
            // The capsule comes nearer by as much as it moves outward.
            let (i, j, k) = (-slope * i, -slope * j, -slope * k);
            let [x, y, z] = [0, 1, 2].map(|axis| block.at[axis][place]);
            let row = [i, j, k, y * k - z * j, z * i - x * k, x * j - y * i];
            for (entries, entry) in pulls.row.iter_mut().zip(row) {
                entries[place] = entry;
            }
        }
        pulls
    }
}
