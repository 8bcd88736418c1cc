//! Points of a cloud held against capsules, many at once: the nearest of each.
//!
//! Points come in blocks of neighbours, as many as fill some registers. A block keeps only those capsules which may be the
//! nearest of one of its points: with `d` the distance of the block's centre from a capsule, and `h` half its extent, that
//! of a point lies between `d - h` and `d + h`. All is inlined into its caller, which knows what the processor has.

use std::fmt::Debug;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

use tch::kind::Element;

/// A number of a cloud: `f32` in service, `f64` to check.
pub trait Coordinate:
    Copy
    + Debug
    + Default
    + PartialOrd
    + Element
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + Sum
    + Send
    + Sync
    + 'static
{
    /// One.
    const ONE: Self;

    /// Rounds a number to this type.
    fn of(value: f64) -> Self;
    /// Takes a number to double precision.
    fn wide(self) -> f64;
    /// Takes the square root.
    fn square_root(self) -> Self;
}

macro_rules! coordinate {
    ($number:ty) => {
        impl Coordinate for $number {
            const ONE: Self = 1.0;

            #[inline(always)]
            fn of(value: f64) -> Self {
                value as Self
            }

            #[inline(always)]
            fn wide(self) -> f64 {
                f64::from(self)
            }

            #[inline(always)]
            fn square_root(self) -> Self {
                self.sqrt()
            }
        }
    };
}

coordinate!(f32);
coordinate!(f64);

/// Points of a block.
pub const BLOCK: usize = 16;
/// Epsilon in `sqrt(q'q + epsilon^2)`, the distance of a point from a segment, metres: smooth on the segment itself.
pub const LEAST_DISTANCE: f64 = 1e-6;

/// Neighbours.
#[derive(Clone, Debug)]
pub struct Block<T> {
    /// Coordinates, metres.
    pub at: [[T; BLOCK]; 3],
    /// How much each counts; zero where there are fewer.
    pub weight: [T; BLOCK],
    /// Mean of the points.
    pub centre: [T; 3],
    /// Greatest distance of a point from the centre, metres.
    pub reach: T,
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
pub struct Capsules<T> {
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

/// The capsules that points of a block are nearest to.
#[derive(Debug)]
pub struct Nearest<T> {
    /// Signed distance from the surface, metres.
    pub distance: [T; BLOCK],
    /// Its place, as a number like the others: so all are chosen alike.
    pub capsule: [T; BLOCK],
    /// Which part of the way from one end of the segment to the other the nearest point of it is.
    pub share: [T; BLOCK],
    /// From the segment to the point, metres.
    pub way: [[T; BLOCK]; 3],
}

impl<T: Coordinate> Block<T> {
    /// Puts points with weights into blocks, in their order.
    pub fn of_points(points: &[([T; 3], T)]) -> Vec<Self> {
        points.chunks(BLOCK).map(Self::new).collect()
    }

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

impl<T: Coordinate> Capsules<T> {
    /// With room for so many.
    #[must_use]
    pub fn with_capacity(count: usize) -> Self {
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

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.placed.is_empty()
    }

    /// Takes all away.
    pub fn clear(&mut self) {
        self.placed.clear();
        let all = self.from.iter_mut().chain(&mut self.along);
        all.chain([&mut self.radius, &mut self.inverse, &mut self.distance]).for_each(Vec::clear);
    }

    /// Adds one between two ends, metres.
    pub fn push(&mut self, ends: [[f64; 3]; 2], radius: f64) {
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

    /// Finds the nearest of each point of a block, which lie no farther than `reach` from `centre`.
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "side by side in registers")]
    pub fn nearest(&mut self, at: &[[T; BLOCK]; 3], centre: [T; 3], reach: T) -> Nearest<T> {
        self.choose(centre, reach);
        let zeros = [T::ZERO; BLOCK];
        let mut found =
            Nearest { distance: [T::of(f64::MAX); BLOCK], capsule: zeros, share: zeros, way: [zeros, zeros, zeros] };
        for &capsule in &self.near {
            let (of, capsule) = (self.placed[capsule], T::of(capsule as f64));
            for place in 0..BLOCK {
                let (distance, share, way) = of.distance([at[0][place], at[1][place], at[2][place]]);
                let is_nearer = distance < found.distance[place];
                found.distance[place] = if is_nearer { distance } else { found.distance[place] };
                found.capsule[place] = if is_nearer { capsule } else { found.capsule[place] };
                found.share[place] = if is_nearer { share } else { found.share[place] };
                for axis in 0..3 {
                    found.way[axis][place] = if is_nearer { way[axis] } else { found.way[axis][place] };
                }
            }
        }
        found
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

impl<T: Coordinate> Placed<T> {
    /// Signed distance of a point, the share of the segment, and the way from there to the point.
    #[inline(always)]
    fn distance(&self, [x, y, z]: [T; 3]) -> (T, T, [T; 3]) {
        let ([a, b, c], [i, j, k]) = (self.from, self.along);
        let (x, y, z) = (x - a, y - b, z - c);
        let share = (x * i + y * j + z * k) * self.inverse;
        let share = if share > T::ZERO { share } else { T::ZERO };
        let share = if share < T::ONE { share } else { T::ONE };
        let (x, y, z) = (x - share * i, y - share * j, z - share * k);
        let least = T::of(LEAST_DISTANCE);
        ((x * x + y * y + z * z + least * least).square_root() - self.radius, share, [x, y, z])
    }
}
