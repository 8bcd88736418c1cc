//! The transform that brings the surface of a body nearest to a cloud, and its points nearest to those with names.
//!
//! A point q of a cloud has no fixed partner, so there is no closed form as for named points ([`Similarity::fit`]): the seven
//! numbers of the transform are found by a fixed number of Gauss-Newton steps from a start. In the body's own frame q lies
//! at `y = R'(q - t) / s`, at distance d from the nearest capsule, whose nearest point of its axis divides the way between
//! its ends a and b by u; n points from there to y. The residual is `w rho(s d)`, with rho as in [`Body::residual`]. With
//! `v = -w rho' [(1 - u) n, u n, 1]` it changes by `s v_a` with a, by `s v_b` with b, and with turn, shift and size of the
//! body by `s (a x v_a + b x v_b)`, `v_a + v_b` and `v_a a + v_b b + r v_1` (r is the radius). All of that is linear in v: so
//! sums of `v v'` and `v w rho` over the points of each capsule say all that a step needs to know of any number of points.
//!
//! A ray of a named point has a partner, but no closed form either: its residual, [`Similarity::residual`], goes into the same
//! steps. One camera does not tell a large body that is far from a small one that is near: of rays alone the size is fixed.
//!
//! A cloud of one side leaves much of the size to the pose: a small body that reaches out is seen as a large one that does
//! not. So the size is pulled to the usual one, see [`SIZE`]; to that of the frame before it would drift.

use std::ops::Range;

use crate::surface::{BLOCK, Block, Capsules, Coordinate, LEAST_DISTANCE, Nearest};
use crate::{Body, Pair, Similarity, tell_turn};

const FREEDOM: usize = Similarity::FREEDOM;
/// Numbers of v.
pub const PULLS: usize = 7;

/// What finds the transform of a tree where it has no closed form: capsules between its places, against which a cloud is
/// held, and where the search begins. Where none but rays are seen there need be no capsules.
#[derive(Clone, Debug, PartialEq)]
pub struct TreeSurface {
    /// The capsules.
    pub capsules: Vec<TreeCapsule>,
    /// As [`Body::scale`], metres of what was seen.
    pub scale: f64,
    /// As [`Body::gate`], metres of what was seen.
    pub gate: f64,
    /// The places that say where the root was before, and count little.
    pub anchors: Range<usize>,
    /// As in [`tell_turn`]: where other places tell how the body is turned, the search begins at their transform; where
    /// they do not, at that of the anchors.
    pub line: f64,
}

/// A segment between two places of a tree, with a radius.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TreeCapsule {
    /// The places.
    pub ends: [usize; 2],
    /// Metres, above zero.
    pub radius: f64,
}

impl TreeSurface {
    /// Whether places are those of a tree of so many, and sizes are sizes.
    #[must_use]
    pub fn fits(&self, places: usize) -> bool {
        let is_capsule = |capsule: &TreeCapsule| capsule.ends.iter().all(|end| *end < places) && capsule.radius > 0.0;
        self.capsules.iter().all(is_capsule)
            && self.anchors.end <= places
            && [self.scale, self.gate].iter().all(|size| *size > 0.0 && size.is_finite())
    }

    fn body(&self) -> Body {
        Body { capsules: Vec::new(), scale: self.scale, gate: self.gate }
    }
}

/// What a size that is off by one counts as, as if all points of the cloud were off by so much, metres: that is, one tenth as
/// 2 mm. People differ by a tenth.
pub const SIZE: f64 = 0.02;
/// Gauss-Newton steps from a start that is near.
const STEPS: usize = 4;
/// Longest step: a turn, radians; a shift, metres; a change of the size.
const LONGEST: [f64; 3] = [0.5, 0.5, 0.1];
/// What is added to the squares of the transform's derivatives, as a share: rounding must not decide.
const DAMPING: f64 = 1e-9;

/// What the points that are nearest to one capsule say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Moments {
    /// Sum of `v v'`.
    pub square: [[f64; PULLS]; PULLS],
    /// Sum of `v w rho`.
    pub pull: [f64; PULLS],
    /// Whether there are any.
    pub is_there: bool,
}

/// What one point says.
#[derive(Clone, Copy, Debug)]
pub struct Pull {
    /// The nearest capsule.
    pub capsule: usize,
    /// Which part of the way between its ends.
    pub share: f64,
    /// The point in the body's own frame, metres.
    pub own: [f64; 3],
    /// Its weight.
    pub weight: f64,
    /// Its residual, weighted.
    pub residual: f64,
    /// v.
    pub v: [f64; PULLS],
}

/// Memory for fits, and the result of the last.
#[derive(Debug)]
pub struct SurfaceFit<T> {
    capsules: Capsules<T>,
    /// Ends in the body's own frame, and radius, metres.
    ends: Vec<([[f64; 3]; 2], f64)>,
    moments: Vec<Moments>,
    /// Squared residuals of the cloud, and of the size.
    loss: f64,
    /// What the size is pulled to, and how much: a residual's factor.
    size: [f64; 2],
    /// Sum over named points and cloud: squares of derivatives by the transform, and what is left of their product with
    /// residuals, as a step.
    square: [[f64; FREEDOM]; FREEDOM],
    step: [f64; FREEDOM],
}

impl<T: Coordinate> SurfaceFit<T> {
    /// For so many capsules.
    #[must_use]
    pub fn new(count: usize) -> Self {
        Self {
            capsules: Capsules::with_capacity(count),
            ends: Vec::with_capacity(count),
            moments: vec![Moments::default(); count],
            loss: 0.0,
            size: [1.0, 0.0],
            square: [[0.0; FREEDOM]; FREEDOM],
            step: [0.0; FREEDOM],
        }
    }

    /// Puts the capsules where the places of a body are, metres in its own frame.
    pub fn place(&mut self, surface: &TreeSurface, own: impl Fn(usize) -> [f64; 3]) {
        self.capsules.clear();
        self.ends.clear();
        for capsule in &surface.capsules {
            let ends = capsule.ends.map(&own);
            self.capsules.push(ends, capsule.radius);
            self.ends.push((ends, capsule.radius));
        }
    }

    /// Finds the transform from the start that the target gives; where it is `known`, what belongs to it.
    ///
    /// `pairs`: points with names, places and rays, then anchors, of which there are `anchors`. Where no place and no cloud is
    /// among them, the size is the usual one.
    #[inline(always)]
    pub fn find(
        &mut self,
        blocks: &[Block<T>],
        (pairs, anchors): (&[Pair], usize),
        (range, known): ([f64; 2], Option<Similarity>),
        surface: &TreeSurface,
    ) -> Similarity {
        let (named, held) = pairs.split_at(pairs.len() - anchors.min(pairs.len()));
        let usual = 1f64.clamp(range[0], range[1]);
        let are_rays = blocks.is_empty() && !named.is_empty() && named.iter().all(|pair| pair.is_ray);
        let range = if are_rays { [usual; 2] } else { range };
        self.pull_size(blocks, usual, SIZE);
        if let Some(known) = known {
            return self.descend(blocks, pairs, (known, 0), range, surface);
        }
        let places = named.iter().filter(|pair| !pair.is_ray);
        let is_told = tell_turn(places.map(|pair| pair.seen), surface.line);
        let start = Similarity::fit(if is_told || held.is_empty() { pairs } else { held }, range);
        self.descend(blocks, pairs, (start, STEPS), range, surface)
    }

    /// Pulls the size, as if a cloud were off by `metres` where it is off by one.
    pub fn pull_size(&mut self, blocks: &[Block<T>], to: f64, metres: f64) {
        let square = |weight: &T| weight.wide() * weight.wide();
        let all: f64 = blocks.iter().flat_map(|block| &block.weight).map(square).sum();
        self.size = [to, metres * all.sqrt()];
    }

    /// What the size is pulled to, and how much: a residual's factor.
    #[must_use]
    pub fn size(&self) -> [f64; 2] {
        self.size
    }

    /// Goes so many steps from a start.
    #[inline(always)]
    pub fn descend(
        &mut self,
        blocks: &[Block<T>],
        pairs: &[Pair],
        (start, steps): (Similarity, usize),
        range: [f64; 2],
        surface: &TreeSurface,
    ) -> Similarity {
        let mut fit = start;
        for _ in 0..steps {
            self.measure(blocks, &fit, surface);
            fit = self.solve(pairs, fit, range);
            fit = fit.moved(self.step, LONGEST, range);
        }
        self.measure(blocks, &fit, surface);
        let [to, weight] = self.size;
        self.loss += ((fit.scale() - to) * weight).powi(2);
        self.solve(pairs, fit, range)
    }

    /// Squared residuals of the cloud at the last fit, and of the size.
    #[must_use]
    pub fn loss(&self) -> f64 {
        self.loss
    }

    /// Squares of derivatives by the transform at the last fit, of pairs and cloud.
    #[must_use]
    pub fn square(&self) -> &[[f64; FREEDOM]; FREEDOM] {
        &self.square
    }

    /// The step that was left at the last fit, and was not gone.
    #[must_use]
    pub fn step(&self) -> &[f64; FREEDOM] {
        &self.step
    }

    /// What the points of a capsule said at the last fit.
    #[must_use]
    pub fn moments(&self, capsule: usize) -> &Moments {
        &self.moments[capsule]
    }

    /// How v of a point of a capsule becomes derivatives by the transform: for each of its numbers a row.
    #[must_use]
    pub fn lift(&self, capsule: usize, fit: &Similarity) -> [[f64; PULLS]; FREEDOM] {
        let ([[a, b, c], [d, e, f]], radius) = self.ends[capsule];
        let s = fit.scale();
        let free = f64::from(u8::from(fit.has_free_scale()));
        [
            [0.0, -s * c, s * b, 0.0, -s * f, s * e, 0.0],
            [s * c, 0.0, -s * a, s * f, 0.0, -s * d, 0.0],
            [-s * b, s * a, 0.0, -s * e, s * d, 0.0, 0.0],
            [1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0],
            [0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0],
            [0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0],
            [free * a, free * b, free * c, free * d, free * e, free * f, free * radius],
        ]
    }

    /// How the loss changes with the ends of a capsule, in the body's own frame, where the transform goes the step that was
    /// left.
    #[must_use]
    pub fn forces(&self, capsule: usize, fit: &Similarity) -> [[f64; 3]; 2] {
        let Moments { square, pull, .. } = &self.moments[capsule];
        let lift = self.lift(capsule, fit);
        let follow: [f64; PULLS] =
            std::array::from_fn(|at| (0..FREEDOM).map(|number| lift[number][at] * self.step[number]).sum());
        let twice = 2.0 * fit.scale();
        let force = |at: usize| twice * (pull[at] + dot(&square[at], &follow));
        [[force(0), force(1), force(2)], [force(3), force(4), force(5)]]
    }

    /// Sums up what points say at a transform.
    #[inline(always)]
    fn measure(&mut self, blocks: &[Block<T>], fit: &Similarity, surface: &TreeSurface) {
        self.moments.fill(Moments::default());
        self.loss = 0.0;
        if self.capsules.is_empty() {
            return;
        }
        let (back, body) = (Back::new(fit), surface.body());
        for block in blocks {
            let own = back.block(block);
            let found = self.capsules.nearest(&own.at, own.centre, own.reach);
            let said = Said::new(&found, &block.weight, &body, back.size);
            self.loss += total(said.residual.map(|residual| residual * residual)).wide();
            said.add(&found, &block.weight, &mut self.moments);
        }
    }

    /// What each point says at a transform.
    pub fn pulls(&mut self, blocks: &[Block<T>], fit: &Similarity, surface: &TreeSurface) -> Vec<Pull> {
        let (back, body) = (Back::new(fit), surface.body());
        let mut pulls = Vec::new();
        let blocks = if self.capsules.is_empty() { &[] } else { blocks };
        for block in blocks {
            let own = back.block(block);
            let found = self.capsules.nearest(&own.at, own.centre, own.reach);
            let said = Said::new(&found, &block.weight, &body, back.size);
            let is_there = |place: &usize| block.weight[*place] != T::ZERO;
            pulls.extend((0..BLOCK).filter(is_there).map(|place| Pull {
                capsule: found.capsule[place].wide() as usize,
                share: found.share[place].wide(),
                own: own.at.map(|axis| axis[place].wide()),
                weight: block.weight[place].wide(),
                residual: said.residual[place].wide(),
                v: said.v.map(|entries| entries[place].wide()),
            }));
        }
        pulls
    }

    /// Finds the next step at a transform; where the size is at an end of its range, and would leave it, it stays.
    #[inline(always)]
    fn solve(&mut self, pairs: &[Pair], fit: Similarity, [least, greatest]: [f64; 2]) -> Similarity {
        let mut fit = fit.with_free_scale(least < greatest);
        let mut right = self.sum(pairs, &fit);
        self.step = solved(&self.square, &right);
        let leaves = |step: f64| fit.scale() <= least && step < 0.0 || fit.scale() >= greatest && step > 0.0;
        if fit.has_free_scale() && leaves(self.step[FREEDOM - 1]) {
            fit = fit.with_free_scale(false);
            self.square[FREEDOM - 1] = [0.0; FREEDOM];
            self.square.iter_mut().for_each(|row| row[FREEDOM - 1] = 0.0);
            right[FREEDOM - 1] = 0.0;
            self.step = solved(&self.square, &right);
        }
        fit
    }

    /// Sums up squares of derivatives by the transform; gives their product with residuals.
    #[inline(always)]
    fn sum(&mut self, pairs: &[Pair], fit: &Similarity) -> [f64; FREEDOM] {
        let (mut square, mut right) = ([[0.0; FREEDOM]; FREEDOM], [0.0; FREEDOM]);
        for pair in pairs {
            for (column, residual) in fit.columns_of(pair).iter().zip(fit.residual(pair)) {
                for (number, a) in column.iter().enumerate() {
                    square[number].iter_mut().zip(column).for_each(|(sum, b)| *sum += a * b);
                    right[number] += a * residual;
                }
            }
        }
        for capsule in 0..self.ends.len() {
            let Moments { square: inner, pull, is_there } = &self.moments[capsule];
            if !is_there {
                continue;
            }
            let lift = self.lift(capsule, fit);
            for (number, row) in lift.iter().enumerate() {
                let mut carried = [0.0; PULLS];
                for (factor, inner) in row.iter().zip(inner) {
                    carried.iter_mut().zip(inner).for_each(|(sum, entry)| *sum += factor * entry);
                }
                for (sum, other) in square[number].iter_mut().zip(&lift) {
                    *sum += dot(&carried, other);
                }
                right[number] += dot(row, pull);
            }
        }
        if fit.has_free_scale() {
            let [to, weight] = self.size;
            square[FREEDOM - 1][FREEDOM - 1] += weight * weight;
            right[FREEDOM - 1] += (fit.scale() - to) * weight * weight;
        }
        self.square = square;
        right
    }
}

/// Brings points into a body's own frame.
struct Back<T> {
    /// `R' / s`, row by row, and t.
    matrix: [[T; 3]; 3],
    translation: [T; 3],
    size: T,
    inverse: T,
}

/// A block in a body's own frame.
struct Own<T> {
    at: [[T; BLOCK]; 3],
    centre: [T; 3],
    reach: T,
}

impl<T: Coordinate> Back<T> {
    fn new(fit: &Similarity) -> Self {
        let (matrix, translation, scale) = fit.parts();
        let turned = std::array::from_fn(|row| std::array::from_fn(|column| T::of(matrix[column][row] / scale)));
        Self { matrix: turned, translation: translation.map(T::of), size: T::of(scale), inverse: T::of(scale.recip()) }
    }

    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "side by side in registers")]
    fn block(&self, block: &Block<T>) -> Own<T> {
        let Self { matrix, translation: [x, y, z], inverse, .. } = self;
        let mut at = [[T::ZERO; BLOCK]; 3];
        for place in 0..BLOCK {
            let (i, j, k) = (block.at[0][place] - *x, block.at[1][place] - *y, block.at[2][place] - *z);
            for axis in 0..3 {
                at[axis][place] = matrix[axis][0] * i + matrix[axis][1] * j + matrix[axis][2] * k;
            }
        }
        let (i, j, k) = (block.centre[0] - *x, block.centre[1] - *y, block.centre[2] - *z);
        let centre = matrix.map(|row| row[0] * i + row[1] * j + row[2] * k);
        Own { at, centre, reach: block.reach * *inverse }
    }
}

/// What the points of a block say.
struct Said<T> {
    residual: [T; BLOCK],
    v: [[T; BLOCK]; PULLS],
}

impl<T: Coordinate> Said<T> {
    /// As [`Body::residual`], side by side, of distances that are `size` times as long.
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "side by side in registers")]
    fn new(found: &Nearest<T>, weight: &[T; BLOCK], body: &Body, size: T) -> Self {
        let (gate, scale, least) = (T::of(body.gate), T::of(body.scale), T::of(LEAST_DISTANCE));
        let mut said = Self { residual: [T::ZERO; BLOCK], v: [[T::ZERO; BLOCK]; PULLS] };
        for place in 0..BLOCK {
            let (distance, weight) = (found.distance[place] * size, weight[place]);
            let below = if distance < gate { distance } else { gate };
            let within = if below > -gate { below } else { -gate };
            let ratio = within / scale;
            let square = ratio * ratio + T::ONE;
            let root = square.square_root();
            said.residual[place] = within / root * weight;
            let slope = weight / (square * root);
            let slope = if within == distance { -slope } else { T::ZERO };
            let [i, j, k] = [0, 1, 2].map(|axis| found.way[axis][place]);
            let length = (i * i + j * j + k * k + least * least).square_root();
            let (share, along) = (found.share[place], slope / length);
            let (from, to) = ((T::ONE - share) * along, share * along);
            let v = [from * i, from * j, from * k, to * i, to * j, to * k, slope];
            for (entries, entry) in said.v.iter_mut().zip(v) {
                entries[place] = entry;
            }
        }
        said
    }

    /// Adds to the sums of capsules.
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "side by side in registers")]
    fn add(&self, found: &Nearest<T>, weight: &[T; BLOCK], moments: &mut [Moments]) {
        let mut is_left: [bool; BLOCK] = std::array::from_fn(|place| weight[place] != T::ZERO);
        while let Some(first) = is_left.iter().position(|is_left| *is_left) {
            let capsule = found.capsule[first];
            let mut own = self.v;
            let mut residual = self.residual;
            for place in 0..BLOCK {
                let is_own = found.capsule[place] == capsule;
                is_left[place] &= !is_own;
                let share = if is_own { T::ONE } else { T::ZERO };
                residual[place] = residual[place] * share;
                for number in 0..PULLS {
                    own[number][place] = own[number][place] * share;
                }
            }
            let sums = &mut moments[capsule.wide() as usize];
            sums.is_there = true;
            for number in 0..PULLS {
                sums.pull[number] += total(product(&own[number], &residual)).wide();
                for other in 0..=number {
                    let sum = total(product(&own[number], &own[other])).wide();
                    sums.square[number][other] += sum;
                    if other < number {
                        sums.square[other][number] += sum;
                    }
                }
            }
        }
    }
}

#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "side by side in registers")]
fn product<T: Coordinate>(a: &[T; BLOCK], b: &[T; BLOCK]) -> [T; BLOCK] {
    let mut product = [T::ZERO; BLOCK];
    for place in 0..BLOCK {
        product[place] = a[place] * b[place];
    }
    product
}

/// Adds up, half by half.
#[inline(always)]
fn total<T: Coordinate>(of: [T; BLOCK]) -> T {
    let eight: [T; 8] = std::array::from_fn(|at| of[at] + of[at + 8]);
    let four: [T; 4] = std::array::from_fn(|at| eight[at] + eight[at + 4]);
    (four[0] + four[2]) + (four[1] + four[3])
}

fn dot(a: &[f64; PULLS], b: &[f64; PULLS]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Solves `square step = -right` (Cholesky); what nothing decides stays, and so does all where numbers are not finite.
#[allow(clippy::needless_range_loop, reason = "rows and columns of two matrices")]
fn solved(square: &[[f64; FREEDOM]; FREEDOM], right: &[f64; FREEDOM]) -> [f64; FREEDOM] {
    let mut factor = [[0.0; FREEDOM]; FREEDOM];
    for row in 0..FREEDOM {
        for column in 0..=row {
            let known: f64 = (0..column).map(|at| factor[row][at] * factor[column][at]).sum();
            let entry = square[row][column] - known;
            factor[row][column] = if row == column {
                let entry = entry + DAMPING * square[row][row];
                if entry > f64::MIN_POSITIVE { entry.sqrt() } else { f64::INFINITY }
            } else {
                entry / factor[column][column]
            };
        }
    }
    let mut step = [0.0; FREEDOM];
    for row in 0..FREEDOM {
        let known: f64 = (0..row).map(|at| factor[row][at] * step[at]).sum();
        step[row] = (-right[row] - known) / factor[row][row];
    }
    for row in (0..FREEDOM).rev() {
        let known: f64 = (row + 1..FREEDOM).map(|at| factor[at][row] * step[at]).sum();
        step[row] = (step[row] - known) / factor[row][row];
    }
    if step.iter().all(|entry| entry.is_finite()) { step } else { [0.0; FREEDOM] }
}

#[cfg(test)]
mod tests;
