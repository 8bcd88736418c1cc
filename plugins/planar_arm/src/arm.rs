//! The arm in plain numbers, forwards and backwards.

use std::f64::consts::{PI, TAU};

use crate::Parameters;

/// Rounding that the cosine of the elbow is allowed beyond one.
const COSINE_SLACK: f64 = 1e-12;

/// Elbow angles below this are one solution, radians: the arm is straight. What
/// [`COSINE_SLACK`] is as an angle, `sqrt(2 * 1e-12)`, rounded up.
const STRAIGHT: f64 = 2e-6;

/// The kinematics of the arm, in closed form.
///
/// The base sits at the origin of `base_link`; at zero angles all links lie along its x axis, and
/// positive angles turn counter-clockwise, towards y.
#[derive(Clone, Debug)]
pub struct Arm {
    parameters: Parameters,
}

impl Arm {
    /// Builds the arm.
    #[must_use]
    pub fn new(parameters: Parameters) -> Self {
        Self { parameters }
    }

    /// Dimensions of the arm.
    #[must_use]
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Places the tips of the three links, metres, for three joint angles, radians.
    #[must_use]
    pub fn forward(&self, joints: [f64; 3]) -> [[f64; 2]; 3] {
        let (mut heading, mut tip) = (0.0, [0.0; 2]);
        std::array::from_fn(|link| {
            heading += joints[link];
            let length = self.parameters.lengths[link];
            tip = [tip[0] + length * heading.cos(), tip[1] + length * heading.sin()];
            tip
        })
    }

    /// Finds all joint angles that bring the last tip to `tip`, its link pointing along `heading`.
    ///
    /// `tip`: metres in `base_link`; `heading`: radians from x towards y, the sum of the three
    /// angles. Returns at most two solutions, elbow angle positive first; none when out of reach
    /// or beyond the joint limits.
    ///
    /// Wrist position, then law of cosines: Siciliano, Sciavicco, Villani, Oriolo, *Robotics:
    /// Modelling, Planning and Control* (2009), section 2.12.1.
    #[must_use]
    pub fn inverse(&self, tip: [f64; 2], heading: f64) -> Vec<[f64; 3]> {
        let [_, _, hand] = self.parameters.lengths;
        let wrist = [tip[0] - hand * heading.cos(), tip[1] - hand * heading.sin()];
        let solution = |[shoulder, elbow]: [f64; 2]| [shoulder, elbow, wrap(heading - shoulder - elbow)];
        self.inverse_of_wrist(wrist).into_iter().map(solution).filter(|joints| self.within_limits(joints)).collect()
    }

    /// Finds both pairs of shoulder and elbow angles that bring the second tip to `wrist`.
    fn inverse_of_wrist(&self, wrist: [f64; 2]) -> Vec<[f64; 2]> {
        let [upper, fore, _] = self.parameters.lengths;
        let square = wrist[0] * wrist[0] + wrist[1] * wrist[1];
        let cosine = (square - upper * upper - fore * fore) / (2.0 * upper * fore);
        if cosine.abs() > 1.0 + COSINE_SLACK {
            return Vec::new();
        }
        let elbow = cosine.clamp(-1.0, 1.0).acos();
        let shoulder = |elbow: f64| {
            let bend = (fore * elbow.sin()).atan2(upper + fore * elbow.cos());
            wrap(wrist[1].atan2(wrist[0]) - bend)
        };
        let both = [elbow, -elbow].map(|elbow| [shoulder(elbow), elbow]);
        both[..if elbow < STRAIGHT { 1 } else { 2 }].to_vec()
    }

    /// Whether all joint angles lie within the limits.
    #[must_use]
    pub fn within_limits(&self, joints: &[f64; 3]) -> bool {
        joints.iter().all(|angle| angle.abs() <= self.parameters.limit)
    }

    /// Gives the latent whose joint angles these are; infinite at the limits.
    #[must_use]
    pub fn latent(&self, joints: [f64; 3]) -> [f64; 3] {
        joints.map(|angle| (angle / self.parameters.limit).atanh())
    }
}

/// Brings an angle into `[-pi, pi)`.
fn wrap(angle: f64) -> f64 {
    (angle + PI).rem_euclid(TAU) - PI
}
