//! What the robot says, moment by moment.

use anyhow::ensure;
use thalweg::motion::Motion;
use thalweg_task::{TaskSpec, numbers};

use super::RATE;

/// Lengths of the scenes, seconds: all is seen, the arm is silent, the knee lies.
pub(super) const WHOLE: f64 = 20.0;
pub(super) const SILENT: f64 = 15.0;
pub(super) const LYING: f64 = 40.0;
/// How much more than its position the knee says, rad: 20 degrees.
const LIE: f64 = 0.349;
/// The group that falls silent, and the joint that lies.
const ARM: &str = "left_elbow_link_branch";
const KNEE: &str = "right_knee_joint";

/// One reading.
pub(super) struct Scene {
    /// Time of the reading, ns.
    pub(super) nanos: i64,
    /// Where the joints are, `[J]`, rad.
    pub(super) truth: Vec<f64>,
    /// What the robot says, `[J]`, rad; NaN where it is silent.
    pub(super) sent: Vec<f64>,
}

/// All readings.
pub(super) struct Scenes {
    pub(super) frames: Vec<Scene>,
    /// Places of the joints of the arm.
    pub(super) arm: Vec<usize>,
    /// Place of the knee.
    pub(super) knee: usize,
}

impl Scenes {
    /// Makes the readings from a motion, which is repeated where it is shorter.
    ///
    /// # Errors
    /// When the robot has no such arm or knee.
    pub(super) fn of(motion: &Motion, spec: &TaskSpec) -> anyhow::Result<Self> {
        let (arm, knee) = (spec.group(ARM)?.joints.clone(), spec.joint_index(KNEE)?);
        let joints = spec.joints.len();
        let values: Vec<f64> = numbers(&motion.joints);
        let rows: Vec<&[f64]> = values.chunks_exact(joints).collect();
        ensure!(!rows.is_empty(), "the motion has no frames");
        let [silent, lying] = [WHOLE, WHOLE + SILENT].map(frame_of);
        let scene = |number: usize| {
            let truth = rows[number % rows.len()].to_vec();
            let mut sent = truth.clone();
            if (silent..lying).contains(&number) {
                arm.iter().for_each(|&joint| sent[joint] = f64::NAN);
            } else if number >= lying {
                sent[knee] += LIE;
            }
            Scene { nanos: 1_000_000_000 + (number as f64 / RATE * 1e9) as i64, truth, sent }
        };
        let frames = (0..frame_of(WHOLE + SILENT + LYING)).map(scene).collect();
        Ok(Self { frames, arm, knee })
    }
}

/// The frame at a time, seconds.
pub(super) fn frame_of(seconds: f64) -> usize {
    (seconds * RATE) as usize
}
