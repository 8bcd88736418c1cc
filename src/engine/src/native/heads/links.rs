//! Places of a robot's links and clouds around them: forward kinematics, and the derivatives by what layers give.
//!
//! All is in the frame of the root. What is pulled at a point p by a vector n is a force with a moment, `[n; p x n]`, which
//! adds up over points and, from the tips to the root, over links; a joint takes `s'f` of it, with s the motion of the world
//! that the joint makes there: `[o x a; a]` for a turn about the axis a through o, `[a; 0]` for a slide. The Gauss-Newton
//! matrix adds up in the same way (the composite bodies of Featherstone, Rigid Body Dynamics Algorithms, 2008, chapter 6):
//! with `M = sum w^2 f f'` of all that hangs on joint j, entry i, j of the matrix is `s_i' M s_j` for i between j and the
//! root. So a cloud of a thousand points costs no more rows than the robot has joints.

use pulp::Arch;
use tch::Tensor;
use thalweg_task::{Capsules, Link, LinkHead, LinkMotion, LinkPosition, Reading};

use super::circles::Circles;
use super::cloud::Pulled;
use super::comparison::{Derivative, EncodedTarget, SIX};
use crate::native::kernels::real::Real;

type Vector = [f64; 3];
type Matrix = [f64; 9];
/// A force and its moment about the origin.
type Force = [f64; SIX];

/// Share of the greatest square below which a joint counts as a sum of others.
const DEPENDENT: f64 = 1e-12;

/// A robot, and how its links are compared.
#[derive(Clone, Debug)]
pub(crate) struct Links {
    arch: Arch,
    circles: Circles,
    outputs: usize,
    head: Box<LinkHead>,
    /// The links that a number of the layers moves, from the root outward.
    moving: Vec<usize>,
    /// For each of them, which of them it hangs on.
    above: Vec<Option<usize>>,
}

/// Where a link is.
#[derive(Clone, Copy, Debug, Default)]
struct Pose {
    turned: Matrix,
    place: Vector,
    /// What moves it, see the top of this file; zero where nothing does.
    motion: Force,
}

/// What the links of some rows need.
#[derive(Debug)]
pub(crate) struct LinkSpace<T> {
    poses: Vec<Pose>,
    forces: Vec<Force>,
    inertias: Vec<[Force; SIX]>,
    capsules: Capsules<T>,
    /// Gauss-Newton matrix by the positions of moving links.
    square: Vec<f64>,
    /// Loss of each row's places and cloud.
    loss: Vec<f64>,
    /// Its derivative by what layers give, `[rows, Y]`.
    by_raw: Vec<f64>,
}

impl Links {
    /// Prepares a head for layers with `outputs` outputs; none when they do not fit.
    pub(super) fn new(arch: Arch, head: Box<LinkHead>, outputs: usize) -> Option<Self> {
        let circles = Circles::new(head.sines.clone(), head.least_length, outputs)?;
        if !head.fits(outputs) {
            return None;
        }
        let moves = |link: &Link| link.motion != LinkMotion::Fixed && link.position.of != Reading::Still;
        let moving: Vec<usize> = (0..head.links.len()).filter(|&link| moves(&head.links[link])).collect();
        let above = |&link: &usize| {
            let mut parents = std::iter::successors(head.links[link].parent, |&parent| head.links[parent].parent);
            parents.find_map(|parent| moving.iter().position(|&other| other == parent))
        };
        let above = moving.iter().map(above).collect();
        Some(Self { arch, circles, outputs, moving, above, head })
    }

    pub(super) fn outputs(&self) -> usize {
        self.outputs
    }

    pub(super) fn circles(&self) -> &Circles {
        &self.circles
    }

    /// Numbers of a row's target before those of a cloud.
    pub(super) fn before_cloud(&self) -> usize {
        self.outputs + 3 * self.head.links.len()
    }

    /// Most rows that [`Links::derive`] lists.
    pub(super) fn equations(&self) -> usize {
        self.moving.len()
    }

    /// Allocates what `rows` rows need.
    pub(super) fn space<T: Real>(&self, rows: usize) -> LinkSpace<T> {
        let (links, moving) = (self.head.links.len(), self.moving.len());
        LinkSpace {
            poses: vec![Pose::default(); links],
            forces: vec![[0.0; SIX]; links],
            inertias: vec![[[0.0; SIX]; SIX]; links],
            capsules: Capsules::with_capacity(self.head.body.capsules.len()),
            square: vec![0.0; moving * moving],
            loss: vec![0.0; rows],
            by_raw: vec![0.0; rows * self.outputs],
        }
    }

    /// Scores the places and the cloud of hypothesis `row`, which is in place `place`: fills in what [`LinkSpace::row`]
    /// gives.
    pub(super) fn score<T: Real>(
        &self,
        raw: &[T],
        encoded: &EncodedTarget<T>,
        (row, place): (usize, usize),
        space: &mut LinkSpace<T>,
    ) {
        self.forward(raw, space);
        space.loss[place] = self.pull(encoded, row, space, false);
        let LinkSpace { poses, forces, by_raw, .. } = space;
        let by_raw = &mut by_raw[place * self.outputs..][..self.outputs];
        by_raw.fill(0.0);
        for (at, link) in self.head.links.iter().enumerate().rev() {
            let force = forces[at];
            if let Some(parent) = link.parent {
                forces[parent].iter_mut().zip(force).for_each(|(sum, more)| *sum += more);
            }
            spread(&link.position, raw, dot(&poses[at].motion, &force), |column, value| by_raw[column] += value);
        }
    }

    /// Lists how residuals of places and cloud change with `raw`, behind the rows that are there: rows that have the same
    /// product with their own transpose, summed up, as all rows of weighted derivatives.
    pub(super) fn derive<T: Real>(
        &self,
        raw: &[T],
        encoded: &EncodedTarget<T>,
        row: usize,
        space: &mut LinkSpace<T>,
        rows: &mut Vec<Derivative<T>>,
    ) {
        self.forward(raw, space);
        self.pull(encoded, row, space, true);
        for (at, link) in self.head.links.iter().enumerate().rev() {
            if let Some(parent) = link.parent {
                let (before, own) = space.inertias.split_at_mut(at);
                add(&mut before[parent], &own[0]);
            }
        }
        self.moving.iter().for_each(|&link| mirror(&mut space.inertias[link]));
        let count = self.moving.len();
        let LinkSpace { poses, inertias, square, .. } = space;
        square.fill(0.0);
        for (at, &link) in self.moving.iter().enumerate() {
            let carried = inertias[link].map(|row| dot(&row, &poses[link].motion));
            for other in std::iter::successors(Some(at), |&other| self.above[other]) {
                square[at * count + other] = dot(&poses[self.moving[other]].motion, &carried);
            }
        }
        factor(square, count);
        let mut next = rows.last().map_or(0, |derivative| derivative.row + 1);
        for column in 0..count {
            let mut is_there = false;
            for at in column..count {
                let entry = square[at * count + column];
                if entry != 0.0 {
                    let position = &self.head.links[self.moving[at]].position;
                    is_there |= list(position, raw, entry, next, rows);
                }
            }
            next += usize::from(is_there);
        }
    }

    /// Places all links and capsules.
    fn forward<T: Real>(&self, raw: &[T], space: &mut LinkSpace<T>) {
        let LinkSpace { poses, capsules, .. } = space;
        for (at, link) in self.head.links.iter().enumerate() {
            let above = link.parent.map_or(Pose { turned: IDENTITY, ..Pose::default() }, |parent| poses[parent]);
            let turned = product(&above.turned, &link.turned);
            let place = plus(above.place, apply(&above.turned, link.offset));
            let (position, is_free) = position(&link.position, raw);
            poses[at] = match link.motion {
                LinkMotion::Fixed => Pose { turned, place, motion: [0.0; SIX] },
                LinkMotion::Turn(axis) => {
                    let world = apply(&turned, axis);
                    let motion = if is_free { join(cross(place, world), world) } else { [0.0; SIX] };
                    Pose { turned: product(&turned, &about(axis, position)), place, motion }
                }
                LinkMotion::Slide(axis) => {
                    let world = apply(&turned, axis);
                    let motion = if is_free { join(world, [0.0; 3]) } else { [0.0; SIX] };
                    Pose { turned, place: plus(place, world.map(|entry| entry * position)), motion }
                }
            };
        }
        capsules.clear();
        for capsule in &self.head.body.capsules {
            let end = |end: Vector| match capsule.link {
                Some(link) => plus(poses[link].place, apply(&poses[link].turned, end)),
                None => end,
            };
            capsules.push(capsule.ends.map(end), capsule.radius);
        }
    }

    /// Loss of places and cloud of hypothesis `row`; leaves its derivatives as forces on links, or, with `is_squared`, the
    /// products of residuals' derivatives.
    fn pull<T: Real>(&self, encoded: &EncodedTarget<T>, row: usize, space: &mut LinkSpace<T>, is_squared: bool) -> f64 {
        let LinkSpace { poses, forces, inertias, capsules, .. } = space;
        forces.fill([0.0; SIX]);
        if is_squared {
            inertias.fill([[0.0; SIX]; SIX]);
        }
        let mut loss = 0.0;
        let mut take = |link: usize, force: Force, residual: f64| {
            if is_squared {
                square(&mut inertias[link], &force);
            } else {
                forces[link].iter_mut().zip(force).for_each(|(sum, more)| *sum += 2.0 * residual * more);
            }
        };
        if let Some((value, weight)) = encoded.link_places(row) {
            for (at, link) in self.head.links.iter().enumerate() {
                let place = poses[at].place;
                for (axis, own) in place.iter().enumerate() {
                    let weight = weight[3 * link.point + axis].wide();
                    if weight != 0.0 {
                        let residual = (own - value[3 * link.point + axis].wide()) * weight;
                        loss += residual * residual;
                        let along = std::array::from_fn(|other| if other == axis { weight } else { 0.0 });
                        take(at, join(along, cross(place, along)), residual);
                    }
                }
            }
        }
        if let Some((cloud, row)) = encoded.cloud(row) {
            let body = &self.head.body;
            cloud.visit(self.arch, row, (capsules, body), |point| {
                loss += point.residual * point.residual;
                let Pulled { capsule, residual, row } = point;
                if let Some(link) = body.capsules[capsule].link {
                    take(link, row, residual);
                }
            });
        }
        loss
    }
}

impl<T: Real> LinkSpace<T> {
    /// Of no links.
    pub(super) fn none() -> Self {
        Self {
            poses: Vec::new(),
            forces: Vec::new(),
            inertias: Vec::new(),
            capsules: Capsules::with_capacity(0),
            square: Vec::new(),
            loss: Vec::new(),
            by_raw: Vec::new(),
        }
    }

    /// The loss of places and cloud of the row in place `place`, and its derivative by what layers give, `[Y]`.
    pub(super) fn row(&self, place: usize, outputs: usize) -> (f64, &[f64]) {
        (self.loss[place], &self.by_raw[place * outputs..][..outputs])
    }
}

/// Numbers of a target, columns from `first` on.
pub(super) fn columns(tensor: &Tensor, first: usize) -> Tensor {
    tensor.narrow(1, first as i64, tensor.size()[1] - first as i64)
}

/// The position of a joint, and whether it is free to move.
fn position<T: Real>(of: &LinkPosition, raw: &[T]) -> (f64, bool) {
    let reading = match of.of {
        Reading::Still => 0.0,
        Reading::Number(number) => raw[number].wide(),
        Reading::Circle(sine) => raw[sine].wide().atan2(raw[sine + 1].wide()),
    };
    let [lower, upper] = of.limits;
    let position = of.factor * reading + of.offset;
    (position.clamp(lower, upper), of.of != Reading::Still && lower <= position && position <= upper)
}

/// Hands on what a derivative by a position is by what layers give.
fn spread<T: Real>(of: &LinkPosition, raw: &[T], by_position: f64, mut take: impl FnMut(usize, f64)) {
    let by_reading = by_position * of.factor;
    match of.of {
        Reading::Still => {}
        Reading::Number(number) => take(number, by_reading),
        Reading::Circle(sine) => {
            let (s, c) = (raw[sine].wide(), raw[sine + 1].wide());
            let square = s * s + c * c;
            if square > 0.0 {
                take(sine, by_reading * c / square);
                take(sine + 1, -by_reading * s / square);
            }
        }
    }
}

/// Lists a derivative by a position as one by what layers give; tells whether there was any.
fn list<T: Real>(of: &LinkPosition, raw: &[T], by_position: f64, row: usize, rows: &mut Vec<Derivative<T>>) -> bool {
    let (mut by_raw, mut first, mut count) = ([T::ZERO; SIX], usize::MAX, 0);
    spread(of, raw, by_position, |column, value| {
        first = first.min(column);
        by_raw[count] = T::of(value);
        count += 1;
    });
    if count > 0 {
        rows.push(Derivative { row, first, count, by_raw });
    }
    count > 0
}

/// Puts the lower factor of a symmetric matrix, of which the lower half is given, in its place; what depends on what came
/// before gets nothing of its own.
fn factor(matrix: &mut [f64], size: usize) {
    let greatest = (0..size).map(|at| matrix[at * size + at]).fold(0.0, f64::max);
    for column in 0..size {
        let known: f64 = matrix[column * size..][..column].iter().map(|entry| entry * entry).sum();
        let square = matrix[column * size + column] - known;
        let lead = if square > DEPENDENT * greatest { square.sqrt() } else { 0.0 };
        for row in column + 1..size {
            let known: f64 =
                (0..column).map(|before| matrix[row * size + before] * matrix[column * size + before]).sum();
            let entry = matrix[row * size + column] - known;
            matrix[row * size + column] = if lead > 0.0 { entry / lead } else { 0.0 };
        }
        matrix[column * size + column] = lead;
    }
}

const IDENTITY: Matrix = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];

/// The rotation about an axis of length one by an angle (Rodrigues).
fn about([x, y, z]: Vector, angle: f64) -> Matrix {
    let (s, c) = angle.sin_cos();
    let d = 1.0 - c;
    [
        c + x * x * d,
        x * y * d - z * s,
        x * z * d + y * s,
        y * x * d + z * s,
        c + y * y * d,
        y * z * d - x * s,
        z * x * d - y * s,
        z * y * d + x * s,
        c + z * z * d,
    ]
}

fn product(a: &Matrix, b: &Matrix) -> Matrix {
    std::array::from_fn(|at| (0..3).map(|k| a[at / 3 * 3 + k] * b[3 * k + at % 3]).sum())
}

fn apply(a: &Matrix, v: Vector) -> Vector {
    std::array::from_fn(|row| a[3 * row] * v[0] + a[3 * row + 1] * v[1] + a[3 * row + 2] * v[2])
}

fn plus(a: Vector, b: Vector) -> Vector {
    std::array::from_fn(|axis| a[axis] + b[axis])
}

fn cross(a: Vector, b: Vector) -> Vector {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

fn join([a, b, c]: Vector, [d, e, f]: Vector) -> Force {
    [a, b, c, d, e, f]
}

fn dot(a: &Force, b: &Force) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Adds the lower half of `f f'`.
fn square(sum: &mut [Force; SIX], force: &Force) {
    for (at, (row, a)) in sum.iter_mut().zip(force).enumerate() {
        row[..=at].iter_mut().zip(force).for_each(|(sum, b)| *sum += a * b);
    }
}

/// Fills in the upper half of a symmetric matrix.
fn mirror(matrix: &mut [Force; SIX]) {
    let lower = *matrix;
    *matrix = std::array::from_fn(|row| std::array::from_fn(|column| lower[row.max(column)][row.min(column)]));
}

fn add(sum: &mut [Force; SIX], more: &[Force; SIX]) {
    for (row, more) in sum.iter_mut().zip(more) {
        row.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
    }
}
