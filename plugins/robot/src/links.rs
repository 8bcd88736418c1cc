//! How the links of a robot follow from what F gives, for the native engine and as tensors.

use tch::{Kind, Tensor};
use thalweg_task::{Body, Link, LinkHead, LinkMotion, LinkPosition, Reading};

use crate::layout::{Column, Layout, Part, Role, limits};
use crate::urdf::{Motion, Robot};

/// Describes the links but the root, in the order of [`Robot::order`]; the points of a target are the links but the root,
/// in the order of the URDF.
pub(crate) fn links(robot: &Robot, layout: &Layout, columns: &[Column]) -> Vec<Link> {
    let moving = robot.moving();
    let positions = positions(robot, layout, columns);
    // Which entry brings each link.
    let mut entry_of = vec![None; robot.links.len()];
    let link = |(entry, &joint): (usize, &usize)| {
        let of = &robot.joints[joint];
        let parent = entry_of[of.parent];
        entry_of[of.child] = Some(entry);
        let matrix = of.origin.rotation.to_rotation_matrix();
        let axis: [f64; 3] = of.axis.into_inner().into();
        let motion = match of.motion {
            Motion::Fixed => LinkMotion::Fixed,
            Motion::Turn | Motion::Spin => LinkMotion::Turn(axis),
            Motion::Slide => LinkMotion::Slide(axis),
        };
        let place = moving.iter().position(|&other| other == joint);
        Link {
            parent,
            point: point(robot, of.child).unwrap_or_default(),
            turned: std::array::from_fn(|at| matrix[(at / 3, at % 3)]),
            offset: of.origin.translation.vector.into(),
            motion,
            position: place.map_or(STILL, |place| positions[place]),
        }
    };
    robot.order.iter().enumerate().map(link).collect()
}

/// The place of a link among the points; none of the root.
pub(crate) fn point(robot: &Robot, link: usize) -> Option<usize> {
    match link.cmp(&robot.root) {
        std::cmp::Ordering::Less => Some(link),
        std::cmp::Ordering::Equal => None,
        std::cmp::Ordering::Greater => Some(link - 1),
    }
}

const STILL: LinkPosition =
    LinkPosition { of: Reading::Still, factor: 1.0, offset: 0.0, limits: [f64::NEG_INFINITY, f64::INFINITY] };

/// How the position of each joint that moves follows from the numbers, as [`crate::layout::positions`] finds it.
fn positions(robot: &Robot, layout: &Layout, columns: &[Column]) -> Vec<LinkPosition> {
    let moving = robot.moving();
    let read = |place: usize| {
        let (number, column) = columns.iter().enumerate().find(|(_, column)| column.joint == place)?;
        Some(match column.part {
            Part::Scaled => {
                LinkPosition { of: Reading::Number(number), factor: column.spread, offset: column.mean, ..STILL }
            }
            Part::Sine | Part::Cosine => LinkPosition { of: Reading::Circle(number), ..STILL },
        })
    };
    let constant = |place: usize| LinkPosition { offset: layout.joints[place].mean, ..STILL };
    let of = |place: usize| match layout.joints[place].role {
        Role::Constant => constant(place),
        _ => read(place).unwrap_or(STILL),
    };
    let position = |(place, &joint): (usize, &usize)| {
        let mimic = robot.joints[joint].mimic.filter(|_| read(place).is_none());
        let Some(mimic) = mimic else { return of(place) };
        let Some(source) = moving.iter().position(|&other| other == mimic.source) else { return STILL };
        let source = of(source);
        let limits = limits(robot, joint);
        LinkPosition {
            of: source.of,
            factor: mimic.multiplier * source.factor,
            offset: mimic.multiplier.mul_add(source.offset, mimic.offset),
            // What turns without end has none.
            limits: if robot.joints[joint].motion == Motion::Spin { STILL.limits } else { limits },
        }
    };
    moving.iter().enumerate().map(position).collect()
}

/// Links as tensors: where they are, and how far points lie from their surface.
#[derive(Debug)]
pub(crate) struct LinkTensors {
    head: LinkHead,
    kind: Kind,
}

/// Where links are: turned `[K, 3, 3]` and placed `[K, 3]`, metres, in the frame of the root.
type Frame = (Tensor, Tensor);

impl LinkTensors {
    pub(crate) fn new(head: LinkHead, kind: Kind) -> Self {
        Self { head, kind }
    }

    /// The description for the native engine.
    pub(crate) fn head(&self) -> &LinkHead {
        &self.head
    }

    fn body(&self) -> &Body {
        &self.head.body
    }

    /// A tensor of constants beside `like`.
    fn constant(&self, values: &[f64], size: &[i64], like: &Tensor) -> Tensor {
        Tensor::from_slice(values).view(size).to_kind(self.kind).to_device(like.device())
    }

    /// Frames of all links, in the order of the description, for each row of numbers `[K, Y]`.
    fn frames(&self, y_hat: &Tensor) -> Vec<Frame> {
        let rows = y_hat.size()[0];
        let mut frames: Vec<Frame> = Vec::with_capacity(self.head.links.len());
        for link in &self.head.links {
            let turned = self.constant(&link.turned, &[1, 3, 3], y_hat).expand([rows, 3, 3], false);
            let offset = self.constant(&link.offset, &[1, 3], y_hat).expand([rows, 3], false);
            let (turned, place) = match link.parent.map(|parent| &frames[parent]) {
                Some((above, at)) => (above.matmul(&turned), at + turn(above, &offset)),
                None => (turned, offset),
            };
            let position = || self.position(&link.position, y_hat);
            let frame = match link.motion {
                LinkMotion::Fixed => (turned, place),
                LinkMotion::Turn(axis) => (turned.matmul(&self.about(axis, &position())), place),
                LinkMotion::Slide(axis) => {
                    let axis = self.constant(&axis, &[1, 3], y_hat).expand([rows, 3], false);
                    let place = place + turn(&turned, &axis) * position().unsqueeze(1);
                    (turned, place)
                }
            };
            frames.push(frame);
        }
        frames
    }

    /// Position of a joint, `[K]`.
    fn position(&self, of: &LinkPosition, y_hat: &Tensor) -> Tensor {
        let reading = match of.of {
            Reading::Still => y_hat.select(1, 0).zeros_like(),
            Reading::Number(number) => y_hat.select(1, number as i64),
            Reading::Circle(sine) => y_hat.select(1, sine as i64).atan2(&y_hat.select(1, sine as i64 + 1)),
        };
        let [lower, upper] = of.limits;
        (reading * of.factor + of.offset).clamp(lower, upper)
    }

    /// The rotation about an axis by angles `[K]`: `[K, 3, 3]` (Rodrigues).
    fn about(&self, [x, y, z]: [f64; 3], angle: &Tensor) -> Tensor {
        let across = self.constant(&[0.0, -z, y, z, 0.0, -x, -y, x, 0.0], &[1, 3, 3], angle);
        let unit = self.constant(&[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0], &[1, 3, 3], angle);
        let angle = angle.view([-1, 1, 1]);
        let square = across.matmul(&across);
        unit + across * angle.sin() + square * (-angle.cos() + 1.0)
    }

    /// Residuals of places and a cloud, `[K, 3 P + N]`, where those of a target are `[O, 3 P + 3 N]`.
    pub(crate) fn residual(&self, y_hat: &Tensor, value: &Tensor, weight: &Tensor) -> Tensor {
        let frames = self.frames(y_hat);
        let places = 3 * frames.len() as i64;
        let mut of_points: Vec<Option<&Tensor>> = vec![None; frames.len()];
        self.head.links.iter().zip(&frames).for_each(|(link, (_, place))| of_points[link.point] = Some(place));
        let placed = Tensor::cat(&of_points.into_iter().flatten().collect::<Vec<_>>(), 1);
        let residual = (placed - value.narrow(1, 0, places)) * weight.narrow(1, 0, places);
        let rest = value.size()[1] - places;
        if rest == 0 {
            return residual;
        }
        let part = |tensor: &Tensor| tensor.narrow(1, places, rest).view([tensor.size()[0], rest / 3, 3]);
        let (points, weight) = (part(value), part(weight).select(2, 0));
        let within = self.distances(&frames, &points).clamp(-self.body().gate, self.body().gate);
        let ratio = &within / self.body().scale;
        let cloud = within / (ratio.square() + 1.0).sqrt() * weight;
        Tensor::cat(&[residual, cloud], 1)
    }

    /// Signed distances `[K, N]`, metres, of points `[O, N, 3]` from the surface of the capsules.
    fn distances(&self, frames: &[Frame], points: &Tensor) -> Tensor {
        let rows = frames.first().map_or(1, |(_, place)| place.size()[0]);
        let mut least: Option<Tensor> = None;
        for capsule in &self.body().capsules {
            let end = |end: [f64; 3]| {
                let own = self.constant(&end, &[1, 3], points).expand([rows, 3], false);
                match capsule.link {
                    Some(link) => &frames[link].1 + turn(&frames[link].0, &own),
                    None => own,
                }
            };
            let [from, to] = capsule.ends.map(|place| end(place).unsqueeze(1));
            let (along, way) = (to - &from, points - from);
            // A capsule keeps its length.
            let length: f64 = (0..3).map(|axis| (capsule.ends[1][axis] - capsule.ends[0][axis]).powi(2)).sum();
            let inverse = if length > SHORTEST * SHORTEST { length.recip() } else { 0.0 };
            let share = (sum(&(&way * &along)) * inverse).clamp(0.0, 1.0);
            let apart = way - along * share.unsqueeze(-1);
            let distance = (sum(&apart.square()) + SHORTEST * SHORTEST).sqrt() - capsule.radius;
            least = Some(least.map_or_else(|| distance.shallow_clone(), |least| least.minimum(&distance)));
        }
        least.unwrap_or_else(|| points.select(2, 0).zeros_like().expand([rows, points.size()[1]], false))
    }
}

/// Epsilon of a distance, metres: as the engine's.
const SHORTEST: f64 = 1e-6;

fn sum(tensor: &Tensor) -> Tensor {
    tensor.sum_dim_intlist(-1, false, tensor.kind())
}

/// Turns vectors `[K, 3]` by matrices `[K, 3, 3]`.
fn turn(matrices: &Tensor, vectors: &Tensor) -> Tensor {
    matrices.matmul(&vectors.unsqueeze(-1)).squeeze_dim(-1)
}
