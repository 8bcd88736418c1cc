//! How well a prior reconstructs poses.

use serde::Serialize;
use tch::{Kind, Tensor, no_grad};

use super::{PoseSet, Vae};
use crate::body::Body;
use crate::rotation::geodesic;

/// Mean errors of reconstructed poses.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// Poses measured.
    pub poses: i64,
    /// Mean joint position error, millimetres, pelvis and its axes as frame.
    pub position_mm: f64,
    /// Mean geodesic error of the joints' rotations, degrees.
    pub geodesic_deg: f64,
}

impl Figures {
    /// Compares rotations `[B, 21, 3, 3]` with the truth.
    #[must_use]
    pub fn compare(body: &Body, rotations: &Tensor, truth: &Tensor) -> Self {
        let difference = body.positions(rotations) - body.positions(truth);
        // The pelvis is the origin of both and would only dilute the mean.
        let distance =
            difference.narrow(1, 1, truth.size()[1]).square().sum_dim_intlist(-1, false, Kind::Double).sqrt();
        Self {
            poses: truth.size()[0],
            position_mm: distance.mean(Kind::Double).double_value(&[]) * 1e3,
            geodesic_deg: geodesic(rotations, truth).mean(Kind::Double).double_value(&[]).to_degrees(),
        }
    }
}

/// Measures what encoder and decoder together reconstruct, with the mean latent of each pose.
#[must_use]
pub fn measure(vae: &Vae, body: &Body, set: &PoseSet) -> Figures {
    no_grad(|| {
        let (mean, _) = vae.encode(&set.sixd);
        Figures::compare(body, &vae.decode(&mean), &set.rotations)
    })
}
