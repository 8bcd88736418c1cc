//! Errors of many completed poses at once, each with several hypotheses.
//!
//! The protocol is DPoser's (Lu et al., 2024): what was seen is put back before joints are placed,
//! errors count on hidden joints, and least, mean and standard deviation over hypotheses are
//! taken pose by pose, then averaged. `P` poses, `S` hypotheses of each.

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};
use thalweg_body_pose::Body;
use thalweg_body_pose::rotation::geodesic;
use thalweg_body_pose::skeleton::JOINTS;

/// Errors of `S` hypotheses about each of `P` poses, double precision.
///
/// A column is NaN where nothing was hidden, or nothing seen.
#[derive(Debug)]
pub struct CompletionErrors {
    /// Mean angle between hidden joints and the truth, degrees, `[P, S]`.
    pub hidden_deg: Tensor,
    /// Mean distance of hidden joints from the truth, millimetres, `[P, S]`; seen joints put back.
    pub hidden_mm: Tensor,
    /// Mean angle between seen joints and the truth, degrees, `[P, S]`.
    pub visible_deg: Tensor,
    /// Mean distance of seen joints from the truth, millimetres, `[P, S]`; nothing put back.
    pub visible_mm: Tensor,
    /// Places of the joints, seen ones put back, metres, `[P, S, 21, 3]`.
    places: Tensor,
    /// Which joints were hidden, as zero and one, `[P, 21]`.
    hidden: Tensor,
}

/// Least, mean and population standard deviation over hypotheses, averaged over poses.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OverHypotheses {
    /// The least, chosen knowing the truth.
    pub min: f64,
    /// The mean: what one hypothesis has, on average.
    pub mean: f64,
    /// The standard deviation.
    pub std: f64,
}

/// What the first `S` hypotheses say.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CompletionSummary {
    /// The number S.
    pub hypotheses: i64,
    /// Angle on hidden joints, degrees.
    pub hidden_deg: OverHypotheses,
    /// Distance on hidden joints, millimetres.
    pub hidden_mm: OverHypotheses,
    /// Angle on seen joints, mean over hypotheses, degrees.
    pub visible_deg: f64,
    /// Distance on seen joints, mean over hypotheses, millimetres.
    pub visible_mm: f64,
    /// Average pairwise distance of hidden joints between hypotheses (APD), centimetres.
    pub diversity_cm: f64,
}

impl CompletionErrors {
    /// Compares hypotheses with the truth.
    ///
    /// `hidden`: boolean `[P, 21]`; `found`: `[P * S, 21, 3, 3]`, pose after pose;
    /// `truth`: `[P, 21, 3, 3]`. Rotations are relative to the parent.
    #[must_use]
    pub fn measure(body: &Body, hidden: &Tensor, found: &Tensor, truth: &Tensor) -> Self {
        let _no_grad = tch::no_grad_guard();
        let (poses, joints) = (truth.size()[0], JOINTS as i64);
        let shape = [poses, -1, joints, 3, 3];
        let (found, truth) = (found.to_kind(Kind::Double).view(shape), truth.to_kind(Kind::Double).view(shape));
        let hypotheses = found.size()[1];
        let mask = hidden.view([poses, 1, joints, 1, 1]);
        let whole = found.where_self(&mask, &truth);
        let places = |rotations: &Tensor| {
            let all = body.positions(&rotations.reshape([-1, joints, 3, 3]));
            all.narrow(1, 1, joints).view([poses, -1, joints, 3])
        };
        let (placed, true_places, raw) = (places(&whole), places(&truth), places(&found));
        let hidden = hidden.to_kind(Kind::Double);
        let visible = 1.0 - &hidden;
        let angle = geodesic(&found, &truth.expand_as(&found)).rad2deg();
        let millimetres = |at: &Tensor| lengths(&(at - &true_places)) * 1e3;
        debug_assert_eq!(placed.size()[1], hypotheses);
        Self {
            hidden_deg: over_joints(&angle, &hidden),
            hidden_mm: over_joints(&millimetres(&placed), &hidden),
            visible_deg: over_joints(&angle, &visible),
            visible_mm: over_joints(&millimetres(&raw), &visible),
            places: placed,
            hidden,
        }
    }

    /// Summarises the first `hypotheses` of each pose.
    #[must_use]
    pub fn summary(&self, hypotheses: i64) -> CompletionSummary {
        let first = |errors: &Tensor| errors.narrow(1, 0, hypotheses);
        let mean = |errors: &Tensor| first(errors).mean(Kind::Double).double_value(&[]);
        CompletionSummary {
            hypotheses,
            hidden_deg: over_hypotheses(&first(&self.hidden_deg)),
            hidden_mm: over_hypotheses(&first(&self.hidden_mm)),
            visible_deg: mean(&self.visible_deg),
            visible_mm: mean(&self.visible_mm),
            diversity_cm: 1e2 * self.diversity(hypotheses),
        }
    }

    /// Picks one hypothesis of each pose, `[P]`, and averages its errors on hidden joints: degrees
    /// and millimetres.
    #[must_use]
    pub fn of_picked(&self, picked: &Tensor) -> (f64, f64) {
        let mean = |errors: &Tensor| errors.gather(1, &picked.unsqueeze(1), false).mean(Kind::Double).double_value(&[]);
        (mean(&self.hidden_deg), mean(&self.hidden_mm))
    }

    /// Averages the distance between hypotheses over pairs, hidden joints and poses, metres.
    fn diversity(&self, hypotheses: i64) -> f64 {
        let pairs = hypotheses * (hypotheses - 1);
        if pairs == 0 {
            return 0.0;
        }
        let places = self.places.narrow(1, 0, hypotheses);
        let apart = lengths(&(places.unsqueeze(1) - places.unsqueeze(2)));
        let weight = self.hidden.view([-1, 1, 1, JOINTS as i64]);
        let joints = self.hidden.sum_dim_intlist(1, false, Kind::Double);
        // The diagonal is zero, and each pair is there twice.
        let sum = (apart * weight).sum_dim_intlist([1, 2, 3].as_slice(), false, Kind::Double);
        (sum / joints).mean(Kind::Double).double_value(&[]) / pairs as f64
    }
}

/// Averages `[P, S, 21]` over the joints that weigh, `[P, 21]`: `[P, S]`.
fn over_joints(errors: &Tensor, weight: &Tensor) -> Tensor {
    let weight = weight.unsqueeze(1);
    (errors * &weight).sum_dim_intlist(-1, false, Kind::Double) / weight.sum_dim_intlist(-1, false, Kind::Double)
}

fn over_hypotheses(errors: &Tensor) -> OverHypotheses {
    let average = |values: &Tensor| values.mean(Kind::Double).double_value(&[]);
    let mean = errors.mean_dim(1, true, Kind::Double);
    let variance = (errors - &mean).square().mean_dim(1, false, Kind::Double);
    OverHypotheses { min: average(&errors.amin(1, false)), mean: average(&mean), std: average(&variance.sqrt()) }
}

fn lengths(vectors: &Tensor) -> Tensor {
    vectors.square().sum_dim_intlist(-1, false, Kind::Double).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;
    use thalweg_body_pose::rotation::matrix_from_axis_angle;

    const DOUBLE: (Kind, Device) = (Kind::Double, Device::Cpu);
    /// Places of the joints in question.
    const LEFT_HIP: i64 = 0;
    const LEFT_ELBOW: i64 = 17;
    /// Length of the forearm, metres.
    const FOREARM: f64 = 0.146 * 1.75;

    /// The body at rest but for one joint of each row, turned about z by degrees.
    fn turned(rows: &[(i64, f64)]) -> Tensor {
        let vectors = Tensor::zeros([rows.len() as i64, JOINTS as i64, 3], DOUBLE);
        for (row, (joint, angle)) in rows.iter().enumerate() {
            vectors.get(row as i64).get(*joint).get(2).copy_(&Tensor::from(angle.to_radians()));
        }
        matrix_from_axis_angle(&vectors)
    }

    fn hiding(rows: &[&[i64]]) -> Tensor {
        let mask = Tensor::zeros([rows.len() as i64, JOINTS as i64], (Kind::Bool, Device::Cpu));
        for (row, joints) in rows.iter().enumerate() {
            joints.iter().for_each(|joint| mask.get(row as i64).get(*joint).copy_(&Tensor::from(true)));
        }
        mask
    }

    fn near(got: f64, expected: f64) {
        assert!((got - expected).abs() < 1e-6, "got {got}, expected {expected}");
    }

    /// Distance of two wrists, metres, whose elbows differ by so many degrees.
    fn chord(degrees: f64) -> f64 {
        2.0 * (degrees / 2.0).to_radians().sin() * FOREARM
    }

    #[test]
    fn each_pose_has_its_own_mask_and_its_own_hypotheses() {
        // Pose 0 hides elbow and wrist, pose 1 the hip alone; two hypotheses each.
        let (truth, hidden) =
            (turned(&[(LEFT_ELBOW, 0.0), (LEFT_HIP, 0.0)]), hiding(&[&[LEFT_ELBOW, 19], &[LEFT_HIP]]));
        let found = turned(&[(LEFT_ELBOW, 40.0), (LEFT_ELBOW, 10.0), (LEFT_HIP, 30.0), (LEFT_ELBOW, 25.0)]);
        let errors = CompletionErrors::measure(&Body::new(Kind::Double, Device::Cpu), &hidden, &found, &truth);
        let summary = errors.summary(2);
        // Pose 0: 40 and 10 degrees over two joints; pose 1: 30 and 0 over one.
        near(summary.hidden_deg.min, (5.0 + 0.0) / 2.0);
        near(summary.hidden_deg.mean, (12.5 + 15.0) / 2.0);
        near(summary.hidden_deg.std, (7.5 + 15.0) / 2.0);
        // Only the last hypothesis errs where it could see: 25 degrees over twenty joints.
        near(summary.visible_deg, 25.0 / 20.0 / 4.0);
        // The elbow moves the wrist alone; a hip does not move itself.
        near(summary.hidden_mm.min, 1e3 * chord(10.0) / 2.0 / 2.0);
        near(summary.diversity_cm, 1e2 * chord(30.0) / 2.0 / 2.0);
        near(errors.summary(1).diversity_cm, 0.0);
        let (picked_deg, picked_mm) = errors.of_picked(&Tensor::from_slice(&[1i64, 0]));
        near(picked_deg, (5.0 + 30.0) / 2.0);
        near(picked_mm, 1e3 * chord(10.0) / 4.0);
    }

    #[test]
    fn what_was_seen_is_put_back_before_joints_are_placed() {
        // The hidden wrist hangs on an elbow that was seen, and that the hypothesis has wrong.
        let (truth, hidden) = (turned(&[(LEFT_ELBOW, 0.0)]), hiding(&[&[19]]));
        let errors = CompletionErrors::measure(
            &Body::new(Kind::Double, Device::Cpu),
            &hidden,
            &turned(&[(LEFT_ELBOW, 50.0)]),
            &truth,
        );
        let summary = errors.summary(1);
        near(summary.hidden_mm.mean, 0.0);
        near(summary.visible_deg, 50.0 / 20.0);
        // Of the seen joints none but the hidden wrist hangs on the elbow.
        near(summary.visible_mm, 0.0);
    }
}
