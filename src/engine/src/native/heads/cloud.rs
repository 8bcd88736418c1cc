//! Points of a cloud held against capsules: the nearest of each, and how the residual changes with its place.
//!
//! Points come in blocks of neighbours, as many as fill some registers. A block keeps only those capsules which may be the
//! nearest of one of its points: with `d` the distance of the block's centre from a capsule, and `h` half its extent, that
//! of a point lies between `d - h` and `d + h`.

use pulp::{Arch, Simd, WithSimd};
use tch::Tensor;
use thalweg_task::{Body, numbers};

use crate::native::kernels::real::Real;

/// Points of a block.
const BLOCK: usize = 16;
/// Epsilon in `sqrt(q'q + epsilon^2)`, the distance of a point from a segment, metres: smooth on the segment itself.
pub(super) const LEAST_DISTANCE: f64 = 1e-6;

/// Clouds of some rows; what has no weight is left out.
#[derive(Debug)]
pub(crate) struct Cloud<T> {
    rows: Vec<Vec<Block<T>>>,
    /// Points of a row in the target, with or without weight.
    width: usize,
}

/// Neighbours.
#[derive(Clone, Debug)]
struct Block<T> {
    /// Coordinates, metres, in the frame of the root.
    at: [[T; BLOCK]; 3],
    /// Zero where there are fewer.
    weight: [T; BLOCK],
    centre: [T; 3],
    /// Greatest distance of a point from the centre, metres.
    reach: T,
}

/// A capsule where it lies.
#[derive(Clone, Copy, Debug)]
struct Placed<T> {
    from: [T; 3],
    /// From one end to the other.
    along: [T; 3],
    radius: T,
    /// One over the square of its length; zero of a sphere.
    inverse: T,
}

/// Capsules where they lie, and the same numbers side by side.
#[derive(Debug)]
pub(super) struct Capsules<T> {
    placed: Vec<Placed<T>>,
    from: [Vec<T>; 3],
    along: [Vec<T>; 3],
    radius: Vec<T>,
    inverse: Vec<T>,
    /// How far each is from the centre of a block.
    distance: Vec<T>,
    /// Those that come in question for its points.
    near: Vec<usize>,
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
            seen.chunks(BLOCK).map(Block::new).collect()
        };
        Self { rows: (0..rows).map(row).collect(), width: columns / 3 }
    }

    /// Points of a row in the target.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Hands every point of a row to `take`.
    pub(super) fn visit(
        &self,
        arch: Arch,
        row: usize,
        (capsules, body): (&mut Capsules<T>, &Body),
        take: impl FnMut(Pulled),
    ) {
        if !capsules.placed.is_empty() {
            arch.dispatch(Visit { blocks: &self.rows[row], capsules, body, take });
        }
    }
}

impl<T: Real> Block<T> {
    fn new(points: &[([T; 3], T)]) -> Self {
        let count = T::of(points.len() as f64);
        let centre = [0, 1, 2].map(|axis| points.iter().map(|(point, _)| point[axis]).sum::<T>() / count);
        let mut block =
            Self { at: centre.map(|entry| [entry; BLOCK]), weight: [T::ZERO; BLOCK], centre, reach: T::ZERO };
        for (place, (point, weight)) in points.iter().enumerate() {
            block.weight[place] = *weight;
            let mut square = T::ZERO;
            for axis in 0..3 {
                block.at[axis][place] = point[axis];
                let apart = point[axis] - centre[axis];
                square += apart * apart;
            }
            let apart = square.square_root();
            block.reach = if apart > block.reach { apart } else { block.reach };
        }
        block
    }
}

impl<T: Real> Capsules<T> {
    /// With room for so many.
    pub(super) fn with_capacity(count: usize) -> Self {
        let room = || Vec::with_capacity(count);
        Self {
            placed: Vec::with_capacity(count),
            from: [room(), room(), room()],
            along: [room(), room(), room()],
            radius: room(),
            inverse: room(),
            distance: room(),
            near: Vec::with_capacity(count),
        }
    }

    pub(super) fn clear(&mut self) {
        self.placed.clear();
        let all = self.from.iter_mut().chain(&mut self.along);
        all.chain([&mut self.radius, &mut self.inverse, &mut self.distance]).for_each(Vec::clear);
    }

    /// Adds one between two ends, metres.
    pub(super) fn push(&mut self, ends: [[f64; 3]; 2], radius: f64) {
        let along: [f64; 3] = std::array::from_fn(|axis| ends[1][axis] - ends[0][axis]);
        let square: f64 = along.iter().map(|entry| entry * entry).sum();
        let inverse = if square > LEAST_DISTANCE * LEAST_DISTANCE { square.recip() } else { 0.0 };
        let (from, along) = (ends[0].map(T::of), along.map(T::of));
        let placed = Placed { from, along, radius: T::of(radius), inverse: T::of(inverse) };
        self.placed.push(placed);
        for axis in 0..3 {
            self.from[axis].push(from[axis]);
            self.along[axis].push(along[axis]);
        }
        self.radius.push(placed.radius);
        self.inverse.push(placed.inverse);
        self.distance.push(T::ZERO);
    }

    /// Notes which come in question for points no farther than `reach` from `centre`.
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "side by side in registers")]
    fn choose(&mut self, centre: [T; 3], reach: T) {
        let Self { placed, from, along, radius, inverse, distance, near } = self;
        let count = placed.len();
        let [fx, fy, fz] = [0, 1, 2].map(|axis| &from[axis][..count]);
        let [ax, ay, az] = [0, 1, 2].map(|axis| &along[axis][..count]);
        let (radius, inverse, distance) = (&radius[..count], &inverse[..count], &mut distance[..count]);
        for at in 0..count {
            let (from, along) = ([fx[at], fy[at], fz[at]], [ax[at], ay[at], az[at]]);
            let placed = Placed { from, along, radius: radius[at], inverse: inverse[at] };
            distance[at] = placed.distance(centre).0;
        }
        let least = distance.iter().fold(T::of(f64::MAX), |least, at| if *at < least { *at } else { least });
        // Rounding must not decide.
        let most = least + reach + reach + T::of(LEAST_DISTANCE);
        near.clear();
        near.extend(distance.iter().enumerate().filter(|(_, at)| **at <= most).map(|(at, _)| at));
    }
}

impl<T: Real> Placed<T> {
    /// Signed distance of a point, and the way from the segment to it.
    #[inline(always)]
    fn distance(&self, [x, y, z]: [T; 3]) -> (T, [T; 3]) {
        let ([a, b, c], [i, j, k]) = (self.from, self.along);
        let (x, y, z) = (x - a, y - b, z - c);
        let share = (x * i + y * j + z * k) * self.inverse;
        let share = if share > T::ZERO { share } else { T::ZERO };
        let share = if share < T::ONE { share } else { T::ONE };
        let (x, y, z) = (x - share * i, y - share * j, z - share * k);
        let least = T::of(LEAST_DISTANCE);
        ((x * x + y * y + z * z + least * least).square_root() - self.radius, [x, y, z])
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
            capsules.choose(block.centre, block.reach);
            let found = nearest(block, &capsules.placed, &capsules.near);
            let pulls = found.pulls(block, body);
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

/// The capsules that points of a block are nearest to.
struct Found<T> {
    distance: [T; BLOCK],
    /// Its place, as a number like the others: so all are chosen alike.
    capsule: [T; BLOCK],
    /// From the segment to the point, metres.
    way: [[T; BLOCK]; 3],
}

#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "side by side in registers")]
fn nearest<T: Real>(block: &Block<T>, capsules: &[Placed<T>], near: &[usize]) -> Found<T> {
    let mut found = Found { distance: [T::of(f64::MAX); BLOCK], capsule: [T::ZERO; BLOCK], way: [[T::ZERO; BLOCK]; 3] };
    for &capsule in near {
        let (of, capsule) = (capsules[capsule], T::of(capsule as f64));
        for place in 0..BLOCK {
            let (distance, way) = of.distance([block.at[0][place], block.at[1][place], block.at[2][place]]);
            let is_nearer = distance < found.distance[place];
            found.distance[place] = if is_nearer { distance } else { found.distance[place] };
            found.capsule[place] = if is_nearer { capsule } else { found.capsule[place] };
            for axis in 0..3 {
                found.way[axis][place] = if is_nearer { way[axis] } else { found.way[axis][place] };
            }
        }
    }
    found
}

/// What the points of a block pull, see [`Pulled`].
struct Pulls<T> {
    residual: [T; BLOCK],
    row: [[T; BLOCK]; 6],
}

impl<T: Real> Found<T> {
    /// As [`Body::residual`], side by side.
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "side by side in registers")]
    fn pulls(&self, block: &Block<T>, body: &Body) -> Pulls<T> {
        let (gate, scale, least) = (T::of(body.gate), T::of(body.scale), T::of(LEAST_DISTANCE));
        let mut pulls = Pulls { residual: [T::ZERO; BLOCK], row: [[T::ZERO; BLOCK]; 6] };
        for place in 0..BLOCK {
            let (distance, weight) = (self.distance[place], block.weight[place]);
            let below = if distance < gate { distance } else { gate };
            let within = if below > -gate { below } else { -gate };
            let ratio = within / scale;
            let square = ratio * ratio + T::ONE;
            let root = square.square_root();
            pulls.residual[place] = within / root * weight;
            let [i, j, k] = [0, 1, 2].map(|axis| self.way[axis][place]);
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
