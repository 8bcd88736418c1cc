//! How far completed poses are from the truth, and from each other.
//!
//! The protocol is DPoser's (Lu et al., 2024): errors on the joints that were hidden, the least
//! and the mean over hypotheses, and the average pairwise distance (APD) as diversity. Rotations
//! are compared beside positions, for a position says nothing about a twist.

use tch::{Kind, Tensor};
use thalweg_body_pose::Body;
use thalweg_body_pose::rotation::geodesic;
use thalweg_body_pose::skeleton::JOINTS;

/// Tells joints that were hidden from joints that were seen.
#[derive(Debug)]
pub struct Visibility {
    hidden: Tensor,
    visible: Tensor,
}

impl Visibility {
    /// Hides joints, as places in `thalweg_body_pose::skeleton::NAMES`.
    #[must_use]
    pub fn hiding(joints: &[usize]) -> Self {
        let index = |is_hidden: bool| {
            let chosen = (0..JOINTS).filter(|joint| joints.contains(joint) == is_hidden).map(|joint| joint as i64);
            Tensor::from_slice(&chosen.collect::<Vec<_>>())
        };
        Self { hidden: index(true), visible: index(false) }
    }

    /// Places of the hidden joints, an index `[N]`.
    pub fn hidden(&self) -> &Tensor {
        &self.hidden
    }

    /// Places of the visible joints, an index `[N]`.
    pub fn visible(&self) -> &Tensor {
        &self.visible
    }

    /// The mask of the scalar joints, three for each joint: `[1, 63]`, true where seen.
    pub fn mask(&self) -> Tensor {
        let seen = Tensor::zeros([JOINTS as i64], (Kind::Bool, tch::Device::Cpu)).index_fill(0, &self.visible, 1);
        seen.unsqueeze(-1).expand([-1, 3], false).flatten(0, 1).unsqueeze(0)
    }
}

/// Errors of K hypotheses about one pose.
#[derive(Clone, Debug)]
pub struct PoseErrors {
    /// Mean angle between hidden joints and the truth, one for each hypothesis, degrees.
    pub hidden_deg: Vec<f64>,
    /// Mean distance of hidden joints from the truth, one for each hypothesis, millimetres.
    pub hidden_mm: Vec<f64>,
    /// Mean angle between visible joints and the truth, one for each hypothesis, degrees.
    pub visible_deg: Vec<f64>,
    /// Average pairwise distance of the hypotheses on hidden joints, centimetres.
    pub diversity_cm: f64,
}

impl PoseErrors {
    /// Compares hypotheses with the truth.
    ///
    /// `rotations`: `[K, 21, 3, 3]`, each relative to its parent; `truth`: `[1, 21, 3, 3]`.
    #[must_use]
    pub fn measure(body: &Body, visibility: &Visibility, rotations: &Tensor, truth: &Tensor) -> Self {
        let _no_grad = tch::no_grad_guard();
        // Entry 0 of the positions is the pelvis, entry 1 + j joint j.
        let places = &visibility.hidden + 1;
        let hidden = body.positions(rotations).index_select(1, &places);
        let true_places = body.positions(truth).index_select(1, &places);
        Self {
            hidden_deg: values(&mean_angle_deg(rotations, truth, &visibility.hidden)),
            hidden_mm: values(&(mean_distance(&hidden, &true_places) * 1e3)),
            visible_deg: values(&mean_angle_deg(rotations, truth, &visibility.visible)),
            diversity_cm: average_pairwise_distance(&hidden) * 1e2,
        }
    }
}

/// Averages the geodesic distance to the truth over joints, degrees.
///
/// `rotations`: `[K, J, 3, 3]`, `truth`: `[1 or K, J, 3, 3]`, `joints`: indices `[N]`. Returns `[K]`.
pub fn mean_angle_deg(rotations: &Tensor, truth: &Tensor, joints: &Tensor) -> Tensor {
    let angle = geodesic(&rotations.index_select(1, joints), &truth.index_select(1, joints));
    angle.mean_dim(1, false, Kind::Double).rad2deg()
}

/// Averages the Euclidean distance over points, in the unit of the points.
///
/// `points`: `[K, P, 3]`, `truth`: `[1 or K, P, 3]`. Returns `[K]`.
pub fn mean_distance(points: &Tensor, truth: &Tensor) -> Tensor {
    lengths(&(points - truth)).mean_dim(1, false, Kind::Double)
}

/// Averages the distance between hypotheses over all pairs and points, in the unit of the points.
///
/// `points`: `[K, P, 3]`. Zero when there is no pair. DPoser's APD (Lu et al., 2024).
#[must_use]
pub fn average_pairwise_distance(points: &Tensor) -> f64 {
    let hypotheses = points.size()[0];
    let pairs = hypotheses * (hypotheses - 1);
    if pairs == 0 {
        return 0.0;
    }
    let distance = lengths(&(points.unsqueeze(0) - points.unsqueeze(1)));
    // The diagonal is zero, and each pair is there twice.
    distance.mean_dim(-1, false, Kind::Double).sum(Kind::Double).double_value(&[]) / pairs as f64
}

fn lengths(vectors: &Tensor) -> Tensor {
    vectors.square().sum_dim_intlist(-1, false, Kind::Double).sqrt()
}

fn values(tensor: &Tensor) -> Vec<f64> {
    (0..tensor.size()[0]).map(|index| tensor.double_value(&[index])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;
    use thalweg_body_pose::rotation::matrix_from_axis_angle;
    use thalweg_body_pose::skeleton::group;

    const DOUBLE: (Kind, Device) = (Kind::Double, Device::Cpu);

    /// Poses of the body at rest but for one joint of each row, turned about z.
    fn turned(rows: &[(i64, f64)]) -> Tensor {
        let vectors = Tensor::zeros([rows.len() as i64, JOINTS as i64, 3], DOUBLE);
        for (row, (joint, angle)) in rows.iter().enumerate() {
            let mut entry = vectors.get(row as i64).get(*joint).get(2);
            entry.copy_(&Tensor::from(*angle));
        }
        matrix_from_axis_angle(&vectors)
    }

    fn near(got: f64, expected: f64) {
        assert!((got - expected).abs() < 1e-6, "got {got}, expected {expected}");
    }

    #[test]
    fn an_elbow_off_by_forty_degrees_is_five_over_eight_hidden_joints() {
        let visibility = Visibility::hiding(&group("arms").expect("the arms are a group"));
        let (elbow, hip) = (17, 0);
        let poses = turned(&[(elbow, 40f64.to_radians()), (hip, 26f64.to_radians())]);
        let body = Body::new(Kind::Double, Device::Cpu);
        let errors = PoseErrors::measure(&body, &visibility, &poses, &turned(&[(hip, 0.0)]));
        near(errors.hidden_deg[0], 5.0);
        near(errors.visible_deg[0], 0.0);
        near(errors.hidden_deg[1], 0.0);
        near(errors.visible_deg[1], 2.0);
        // The elbow moves the wrist alone, on a circle whose radius is the forearm, 0.146 * 1.75 m.
        let wrist_mm = 2.0 * 20f64.to_radians().sin() * 0.146 * 1750.0;
        near(errors.hidden_mm[0], wrist_mm / 8.0);
        near(errors.hidden_mm[1], 0.0);
        near(errors.diversity_cm, wrist_mm / 80.0);
    }

    #[test]
    fn pairwise_distance_is_the_mean_over_pairs() {
        // One point, three hypotheses at 0, 3 and 4 on a line and off it: distances 3, 4, 5.
        let points = Tensor::from_slice(&[0.0, 0.0, 0.0, 3.0, 0.0, 0.0, 0.0, 4.0, 0.0]).view([3, 1, 3]);
        near(average_pairwise_distance(&points), 4.0);
        near(average_pairwise_distance(&points.narrow(0, 0, 1)), 0.0);
        near(mean_distance(&points, &points.narrow(0, 1, 1)).double_value(&[2]), 5.0);
    }

    #[test]
    fn the_mask_hides_three_axes_of_each_hidden_joint() {
        let mask = Visibility::hiding(&[0, 20]).mask();
        assert_eq!(mask.size(), [1, 63]);
        let hidden: Vec<i64> = (0..63).filter(|&joint| mask.int64_value(&[0, joint]) == 0).collect();
        assert_eq!(hidden, [0, 1, 2, 60, 61, 62]);
    }
}
