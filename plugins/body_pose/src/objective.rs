//! L: how far reconstructed rotations are from the angles and places that were seen.

use std::f64::consts::{FRAC_1_SQRT_2, PI};
use std::str::FromStr;

use nalgebra::{Matrix3, Rotation3, UnitQuaternion};
use tch::kind::Element;
use tch::{Device, Kind, Tensor};
use thalweg_task::{
    KinematicTree, Masked, Objective, Observation, Root, RotationFeatures, RotationHead, SerialAngles, Target, numbers,
};

use crate::angles::{Angles, LEAST_COSINE};
use crate::body::Body;
use crate::free_root::FreeRoot;
use crate::numeric;
use crate::rotation::{LEAST_LENGTH, axis_angle_from_matrix};
use crate::skeleton::{AXIS_ORDERS, JOINTS, OFFSETS, PARENTS};

/// How a joint that was seen whole is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LossKind {
    /// Chord between rotations, `|A - B|_F / sqrt(2) = 2 sin(angle / 2)`: smooth everywhere.
    #[default]
    Rotation,
    /// Difference of rotation vectors, radians (Liu et al., 2023, Eq. 6).
    AxisAngle,
}

impl FromStr for LossKind {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "rotation" => Ok(Self::Rotation),
            "axis_angle" => Ok(Self::AxisAngle),
            _ => Err(()),
        }
    }
}

impl LossKind {
    /// Names of all, the default first.
    pub(crate) const NAMES: [&str; 2] = ["rotation", "axis_angle"];

    /// Columns of a joint in the target.
    fn width(self) -> i64 {
        match self {
            Self::Rotation => 9,
            Self::AxisAngle => 3,
        }
    }

    /// Factor of its residuals.
    fn weight(self) -> f64 {
        match self {
            Self::Rotation => FRAC_1_SQRT_2,
            Self::AxisAngle => 1.0,
        }
    }
}

/// Compares rotations with observed angles and places.
///
/// A joint of which all three axes were seen is compared as one rotation. A joint of which some
/// axes were seen is compared angle by angle, on the circle: the squared chord
/// `4 sin^2(difference / 2)` of each, so that -179 and 179 degrees are two degrees apart. Places of joints, which
/// follow from the rotations between them and the pelvis, are compared coordinate by coordinate, metres times a weight.
/// All residuals are about radians for small errors.
#[derive(Debug)]
pub(crate) struct Comparison {
    kind: LossKind,
    /// Radians that an error of a metre counts as.
    point_weight: f64,
    angles: Angles,
    body: Body,
    /// Where places come from anywhere.
    root: Option<FreeRoot>,
    /// The pose of which a body is taken to be where no angle tells, `[1, 21, 3, 3]`.
    usual: Tensor,
}

impl Comparison {
    pub(crate) fn new(loss: LossKind, point_weight: f64, root: Option<FreeRoot>, usual: Tensor) -> Self {
        let (kind, device) = (usual.kind(), usual.device());
        // The pelvis is placed anyway.
        let leaves = root.as_ref().map_or_else(Vec::new, |root| root.leaves().split_off(1));
        let body = Body::with_leaves(&leaves, kind, device);
        Self { kind: loss, point_weight, angles: Angles::new(kind, device), body, root, usual }
    }

    pub(crate) fn angles(&self) -> &Angles {
        &self.angles
    }

    /// Places the points of the task, `[K, P, 3]`, from rotations `[K, 21, 3, 3]`: metres in the pelvis frame.
    pub(crate) fn points(&self, rotations: &Tensor) -> Tensor {
        let points = self.root.as_ref().map_or(1, FreeRoot::points);
        self.body.positions(rotations).narrow(1, 0, (JOINTS + points) as i64)
    }

    /// Finds roots; empty where places are in the pelvis frame, or none was seen.
    pub(crate) fn roots(&self, rotations: &Tensor, target: &Target) -> Vec<Root> {
        self.root.as_ref().map_or_else(Vec::new, |root| root.roots(&self.rows(rotations), target))
    }

    /// Places all rows of a target: joints, then the pelvis and what else there is.
    fn rows(&self, rotations: &Tensor) -> Tensor {
        let all = self.body.positions(rotations);
        let (joints, rest) = (JOINTS as i64, all.size()[1] - JOINTS as i64 - 1);
        Tensor::cat(&[all.narrow(1, 1, joints), all.narrow(1, 0, 1), all.narrow(1, joints + 1, rest)], 1)
    }

    /// Brings observed angles `[O, 63]` and places of pelvis and joints `[O, 22, 3]`, metres, into the layout
    /// `[O, 21, columns]` of the residuals; none when there are neither.
    ///
    /// Columns: the rotation (matrix entries, or a rotation vector), then, only when a joint was
    /// seen in part, sine and cosine of the angles by place in the chain, then, only with places, x, y and z. The
    /// pelvis, which is at the origin whatever the pose, is left out. Beside the angles, how much each counts, `[O, 63]`,
    /// where they differ; a rotation counts as little as the least of its angles.
    ///
    /// With a free root the rows of places are those of [`FreeRoot`], and rows behind the joints have places only.
    pub(crate) fn encode(&self, joints: Option<(&Masked, Option<&Tensor>)>, obs: &Observation) -> Option<Target> {
        let joints = joints.map(|(joints, counts)| self.encode_joints(joints, counts));
        if let Some(root) = &self.root {
            return match root.encode(obs, &|row| self.told(obs, row)) {
                Some(places) => Some(self.with_places(joints, &places)),
                None => joints,
            };
        }
        let points = obs.points.as_ref();
        // Where none was seen, points are as good as absent.
        let is_seen = |points: &&Masked| places(points.observed()).any().int64_value(&[]) != 0;
        let Some(points) = points.filter(|points| joints.is_none() || is_seen(points)) else { return joints };
        let value = places(points.value());
        let seen = places(points.observed()).to_kind(value.kind());
        let Target { value: rotation, weight } = joints.unwrap_or_else(|| {
            let size = [value.size()[0], JOINTS as i64, self.kind.width()];
            let zeros = Tensor::zeros(size, (value.kind(), value.device()));
            Target { value: zeros.shallow_clone(), weight: zeros }
        });
        let value = Tensor::cat(&[rotation, value * &seen], -1);
        Some(Target { value, weight: Tensor::cat(&[weight, seen * self.point_weight], -1) })
    }

    /// Places of all rows of a target, metres, for the angles that a row of an observation has; joints of which not all are
    /// seen are as usual.
    fn told(&self, obs: &Observation, row: i64) -> Vec<[f64; 3]> {
        let rotations = obs.joints.as_ref().map(|joints| {
            let shape = [1, JOINTS as i64, 3];
            let slots = |tensor: &Tensor| self.angles.to_slots(&tensor.narrow(0, row, 1).view(shape));
            let seen = slots(joints.observed()).all_dim(-1, true).unsqueeze(-1);
            self.angles.compose(&slots(joints.value())).where_self(&seen, &self.usual)
        });
        numbers::<f64>(&self.rows(rotations.as_ref().unwrap_or(&self.usual))).as_chunks().0.to_vec()
    }

    /// Puts places, `[O, rows, 6]`, beside joints.
    fn with_places(&self, joints: Option<Target>, places: &Tensor) -> Target {
        let [rows, all, _] = places.size()[..] else { unreachable!("it has three axes") };
        let (kind, device) = self.angles.kind_and_device();
        let places = places.to_kind(kind).to_device(device);
        let joints = joints.unwrap_or_else(|| {
            let zeros = Tensor::zeros([rows, JOINTS as i64, self.kind.width()], (kind, device));
            Target { value: zeros.shallow_clone(), weight: zeros }
        });
        let behind = [rows, all - JOINTS as i64, joints.value.size()[2]];
        let behind = Tensor::zeros(behind, (kind, device));
        let beside = |joints: &Tensor, places: &Tensor| {
            Tensor::cat(&[Tensor::cat(&[joints, &behind], 1), places.shallow_clone()], -1)
        };
        Target {
            value: beside(&joints.value, &places.narrow(-1, 0, 3)),
            weight: beside(&joints.weight, &places.narrow(-1, 3, 3)),
        }
    }

    fn encode_joints(&self, joints: &Masked, counts: Option<&Tensor>) -> Target {
        let value = joints.value();
        match (value.device(), value.kind()) {
            (Device::Cpu, Kind::Float) => encode_numbers(self.kind, joints, counts, |entry| entry as f32),
            (Device::Cpu, Kind::Double) => encode_numbers(self.kind, joints, counts, |entry| entry),
            _ => self.encode_tensors(joints, counts),
        }
    }

    /// As [`encode_numbers`], on any device.
    fn encode_tensors(&self, joints: &Masked, counts: Option<&Tensor>) -> Target {
        let shape = [-1, JOINTS as i64, 3];
        let by_slot = self.angles.to_slots(&joints.value().view(shape));
        let seen = self.angles.to_slots(&joints.observed().view(shape));
        let whole = seen.all_dim(-1, true);
        let part = seen.logical_and(&whole.logical_not());
        let rotation = self.features(&self.angles.compose(&by_slot));
        // A residual is squared.
        let counts = counts.map(|counts| self.angles.to_slots(&counts.view(shape)).sqrt());
        let weight = whole.to_kind(rotation.kind()).expand_as(&rotation) * self.kind.weight();
        let weight = match &counts {
            Some(counts) => weight * counts.amin(-1, true),
            None => weight,
        };
        if part.any().int64_value(&[]) == 0 {
            return Target { value: rotation * whole, weight };
        }
        let sines = Tensor::stack(&[by_slot.sin(), by_slot.cos()], -1).flatten(-2, -1);
        let twice = |slots: &Tensor| slots.unsqueeze(-1).expand([-1, -1, -1, 2], false).flatten(-2, -1);
        let part = twice(&part.to_kind(sines.kind()));
        let value = Tensor::cat(&[rotation * whole, sines * &part], -1);
        let part = match &counts {
            Some(counts) => part * twice(counts),
            None => part,
        };
        Target { value, weight: Tensor::cat(&[weight, part], -1) }
    }

    /// Describes F's last step and the comparison for evaluation without tensors.
    pub(crate) fn head(&self) -> RotationHead {
        let features = match self.kind {
            LossKind::Rotation => RotationFeatures::Matrix,
            LossKind::AxisAngle => RotationFeatures::Vector { least_angle: LEAST_ANGLE },
        };
        let angles = AXIS_ORDERS.iter().map(|order| SerialAngles::of_axes(order.axes())).collect();
        let fixed =
            || KinematicTree { parents: PARENTS.to_vec(), offsets: OFFSETS.to_vec(), scale: None, surface: None };
        let tree = match &self.root {
            Some(root) => {
                let (parents, offsets) = root.tree();
                Some(KinematicTree {
                    parents,
                    offsets,
                    scale: Some(root.scale()),
                    surface: Some(root.surface().clone()),
                })
            }
            None => (self.point_weight > 0.0).then(fixed),
        };
        RotationHead { least_length: LEAST_LENGTH, features, angles, least_cosine: LEAST_COSINE, tree }
    }

    /// Scores rotations `[K, 21, 3, 3]`.
    pub(crate) fn objective(&self, rotations: &Tensor, target: &Target) -> Objective {
        let width = self.kind.width();
        if let Some(root) = self.root.as_ref().filter(|_| target.value.size()[1] > JOINTS as i64) {
            let columns = target.value.size()[2] - 3;
            let joints = |tensor: &Tensor| tensor.narrow(1, 0, JOINTS as i64).narrow(-1, 0, columns);
            let joints = Target { value: joints(&target.value), weight: joints(&target.weight) };
            let Objective { residual, .. } = self.objective(rotations, &joints);
            let places = root.residual(&self.rows(rotations), target);
            let all = residual
                .map_or_else(|| places.shallow_clone(), |joints| Tensor::cat(&[joints, places.shallow_clone()], 1));
            return Objective::of_residual(all);
        }
        let value = target.value.narrow(-1, 0, width);
        let mut difference = vec![self.difference(&self.features(rotations), &value)];
        let more = target.value.size()[2] - width;
        if more >= SINES as i64 {
            let sines = self.angles.sines(rotations).flatten(-2, -1);
            difference.push(sines - target.value.narrow(-1, width, SINES as i64));
        }
        if more % SINES as i64 > 0 {
            let places = places(&self.body.positions(rotations));
            difference.push(places - target.value.narrow(-1, width + more - 3, 3));
        }
        Objective::of_residual((Tensor::cat(&difference, -1) * &target.weight).flatten(1, -1))
    }

    fn features(&self, rotations: &Tensor) -> Tensor {
        match self.kind {
            LossKind::Rotation => rotations.flatten(-2, -1),
            LossKind::AxisAngle => axis_angle_from_matrix(rotations),
        }
    }

    fn difference(&self, features: &Tensor, value: &Tensor) -> Tensor {
        let near = features - value;
        if self.kind == LossKind::Rotation {
            return near;
        }
        // The same rotation has a second vector, a full turn shorter; the nearer one counts.
        let length = squares(value).sqrt().clamp_min(LEAST_ANGLE);
        let far = features - value * (1.0 - 2.0 * PI / length);
        near.where_self(&squares(&near).le_tensor(&squares(&far)), &far)
    }
}

/// Leaves the pelvis out of `[O, 22, 3]`.
fn places(points: &Tensor) -> Tensor {
    points.narrow(1, 1, JOINTS as i64)
}

/// Columns of the angles of a joint.
const SINES: usize = 6;

/// Encodes number by number: a few angles cost a few microseconds so, as tensors hundreds.
fn encode_numbers<T: Element>(
    kind: LossKind,
    joints: &Masked,
    counts: Option<&Tensor>,
    round: impl Fn(f64) -> T,
) -> Target {
    let (angles, seen) = (plain::<f64>(&joints.value().to_kind(Kind::Double)), plain::<bool>(joints.observed()));
    let (angles, seen) = (angles.as_chunks::<3>().0, seen.as_chunks::<3>().0);
    // A residual is squared.
    let counts = counts.map(|counts| plain::<f64>(&counts.to_kind(Kind::Double).sqrt()));
    let counts = counts.as_ref().map_or(&[][..], |counts| counts.as_chunks::<3>().0);
    let is_part = |seen: &[bool; 3]| seen.contains(&true) && seen.contains(&false);
    let width = kind.width() as usize;
    let columns = if seen.iter().any(is_part) { width + SINES } else { width };
    let mut value = vec![round(0.0); angles.len() * columns];
    let mut weight = vec![round(0.0); angles.len() * columns];
    let places = value.chunks_exact_mut(columns).zip(weight.chunks_exact_mut(columns));
    for (index, ((value, weight), (angles, seen))) in places.zip(angles.iter().zip(seen)).enumerate() {
        let (axes, counts) = (AXIS_ORDERS[index % JOINTS].axes(), counts.get(index).unwrap_or(&[1.0; 3]));
        if seen == &[true; 3] {
            let rotation = numeric::rotation(axes, angles);
            match kind {
                LossKind::Rotation => set(value, &rotation, &round),
                LossKind::AxisAngle => set(value, &rotation_vector(&rotation), &round),
            }
            let least = counts.iter().copied().fold(1.0, f64::min);
            weight[..width].fill(round(kind.weight() * least));
        } else if is_part(seen) {
            let slots = axes.into_iter().enumerate().filter(|(_, axis)| seen[*axis]);
            for (slot, axis) in slots {
                let (sine, cosine) = angles[axis].sin_cos();
                let place = width + 2 * slot;
                (value[place], value[place + 1]) = (round(sine), round(cosine));
                weight[place..place + 2].fill(round(counts[axes[slot]]));
            }
        }
    }
    let tensor = |values: &[T]| Tensor::from_slice(values).view([-1, JOINTS as i64, columns as i64]);
    Target { value: tensor(&value), weight: tensor(&weight) }
}

fn set<T>(to: &mut [T], from: &[f64], round: impl Fn(f64) -> T) {
    to.iter_mut().zip(from).for_each(|(to, entry)| *to = round(*entry));
}

/// The rotation vector of a matrix, at most pi long, radians.
fn rotation_vector(rotation: &[f64; 9]) -> [f64; 3] {
    let matrix = Matrix3::from_row_slice(rotation);
    let rotation = UnitQuaternion::from_rotation_matrix(&Rotation3::from_matrix_unchecked(matrix));
    rotation.scaled_axis().into()
}

/// Reads the numbers of a tensor on the CPU.
fn plain<T: Element + Default + Clone>(tensor: &Tensor) -> Vec<T> {
    let tensor = tensor.contiguous();
    let mut values = vec![T::default(); tensor.numel()];
    tensor.copy_data(&mut values, tensor.numel());
    values
}

/// Angle below which a rotation vector's other form, almost a full turn long, is not worth a look.
const LEAST_ANGLE: f64 = 1e-3;

fn squares(vectors: &Tensor) -> Tensor {
    vectors.square().sum_dim_intlist(-1, true, vectors.kind())
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use thalweg_task::draws;

    use super::*;

    #[test]
    fn numbers_and_tensors_encode_alike() {
        let mut random = StdRng::seed_from_u64(4);
        let cases = [(Kind::Double, false, 1e-12), (Kind::Double, true, 1e-12), (Kind::Float, true, 1e-6)];
        let losses = [(LossKind::Rotation, 1.0), (LossKind::AxisAngle, 10.0)];
        for ((kind, parts, tolerance), (loss, factor)) in cases.iter().flat_map(|case| losses.map(|loss| (*case, loss)))
        {
            let usual = Tensor::eye(3, (kind, Device::Cpu)).expand([1, JOINTS as i64, 3, 3], false);
            let comparison = Comparison::new(loss, 0.0, None, usual);
            let tolerance = tolerance * factor;
            let angles = draws::uniform(&mut random, &[5, JOINTS as i64, 3]).to_kind(kind) * 6.0 - 3.0;
            let width = if parts { 3 } else { 1 };
            let gaps = draws::uniform(&mut random, &[5, JOINTS as i64, width]).lt(0.3);
            let joints = Masked::new(&angles.masked_fill(&gaps, f64::NAN).flatten(1, -1));
            let counts = draws::uniform(&mut random, &[5, 3 * JOINTS as i64]).to_kind(kind);
            let both = |counts| (comparison.encode_joints(&joints, counts), comparison.encode_tensors(&joints, counts));
            for (got, expected) in [both(None), both(Some(&counts))] {
                for (got, expected) in [(got.value, expected.value), (got.weight, expected.weight)] {
                    assert_eq!((got.size(), got.kind()), (expected.size(), expected.kind()));
                    let apart = (got - expected).abs().max().double_value(&[]);
                    assert!(apart <= tolerance, "{kind:?} {parts}: {apart}");
                }
            }
        }
    }
}
