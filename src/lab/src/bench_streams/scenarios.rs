//! What drops out, when, and how noisy the rest is.

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::index;
use rand_distr::{Distribution, Normal};
use tch::Tensor;
use thalweg_body_pose::skeleton::{JOINTS, group};
use thalweg_task::numbers;

use super::clips::rotations;
use crate::clips::Clip;
use crate::one_of::one_of;

/// Seconds that all is seen at first.
const WARM_UP: f64 = 0.5;
/// Readings of a slow tracker, a second.
const SLOW_HZ: f64 = 10.0;
/// Longest age that is measured: bounds how long a run takes.
const LONGEST: f64 = 12.0;

/// What happens to a stream.
#[derive(Debug)]
pub(super) struct Scenario {
    pub(super) name: &'static str,
    what: What,
    /// Standard deviation of the noise of what is seen, degrees.
    noise_deg: f64,
}

/// How joints are lost.
#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    /// Each of these groups in turn, for good; a group of random joints among them.
    ForGood(&'static [&'static str]),
    /// Limbs for so many seconds, again and again, with as long a time between.
    Bursts(f64),
    /// Both arms are seen by a slow tracker.
    Slow,
}

const RANDOM: &str = "random joints";
const LIMBS: &[&str] = &["arms", "legs", "left_arm", "right_leg", "left_elbow", RANDOM];
const FEW: &[&str] = &["arms", "legs"];
/// Limbs that bursts take in turn.
const BURST_LIMBS: [&str; 4] = ["left_arm", "right_leg", "right_arm", "left_leg"];

pub(super) static ALL: [Scenario; 7] = [
    Scenario { name: "for good", what: What::ForGood(LIMBS), noise_deg: 0.0 },
    Scenario { name: "noise of 1 degree", what: What::ForGood(FEW), noise_deg: 1.0 },
    Scenario { name: "noise of 5 degrees", what: What::ForGood(FEW), noise_deg: 5.0 },
    Scenario { name: "bursts of 0.1 s", what: What::Bursts(0.1), noise_deg: 0.0 },
    Scenario { name: "bursts of 0.5 s", what: What::Bursts(0.5), noise_deg: 0.0 },
    Scenario { name: "bursts of 2 s", what: What::Bursts(2.0), noise_deg: 0.0 },
    Scenario { name: "slow tracker", what: What::Slow, noise_deg: 0.0 },
];

/// Reads the name of a scenario.
pub(super) fn name(text: &str) -> Result<String, String> {
    one_of(text, ALL.iter().map(|one| one.name))
}

impl Scenario {
    /// How many streams it makes of a clip.
    pub(super) fn variants(&self) -> usize {
        match self.what {
            What::ForGood(groups) => groups.len(),
            What::Bursts(_) | What::Slow => 1,
        }
    }
}

/// One stream: the truth, and what of it is seen.
pub(super) struct Stream {
    pub(super) rate: f64,
    /// Rotations of the truth, `[T, 21, 3, 3]`.
    pub(super) rotations: Tensor,
    /// Angles of the truth, radians, `[T, 63]`.
    pub(super) angles: Vec<f64>,
    /// What is seen: noisy, NaN where not, `[T, 63]`.
    pub(super) seen: Vec<[f64; 3 * JOINTS]>,
    /// Seconds since each joint was seen last, `[T, 21]`; zero where it is seen.
    pub(super) ages: Vec<[f64; JOINTS]>,
}

impl Stream {
    /// Makes variant `variant` of a scenario of a clip; none where the clip is too short for it.
    pub(super) fn new(
        clip: &Clip,
        rate: f64,
        scenario: &Scenario,
        variant: usize,
        seed: u64,
    ) -> anyhow::Result<Option<Self>> {
        let joints = clip.motion.resampled(rate).joints;
        let frames = joints.size()[0].min(((WARM_UP + LONGEST) * rate) as i64);
        let joints = joints.narrow(0, 0, frames);
        if (frames as f64) < (WARM_UP + 0.2) * rate {
            return Ok(None);
        }
        let flat: Vec<f64> = numbers(&joints);
        let mut random = StdRng::seed_from_u64(seed * 100 + variant as u64);
        let chosen = RandomJoints::draw(&mut random);
        let noise = Normal::new(0.0, scenario.noise_deg.to_radians())?;
        let (mut seen, mut ages, mut last) = (Vec::new(), Vec::new(), [0.0; JOINTS]);
        for (frame, pose) in flat.as_chunks().0.iter().enumerate() {
            let hidden = match scenario.hidden(frame as f64 / rate, rate, variant) {
                Hidden::Named(joints) => joints,
                Hidden::Random => chosen.0.clone(),
            };
            let mut row: [f64; 3 * JOINTS] = *pose;
            row.iter_mut().for_each(|angle| *angle += noise.sample(&mut random));
            let now = frame as f64 / rate;
            let mut age = [0.0; JOINTS];
            for joint in 0..JOINTS {
                if hidden.contains(&joint) {
                    row[3 * joint..3 * joint + 3].fill(f64::NAN);
                    age[joint] = now - last[joint];
                } else {
                    last[joint] = now;
                }
            }
            seen.push(row);
            ages.push(age);
        }
        Ok(Some(Self { rate, rotations: rotations(&joints), angles: flat, seen, ages }))
    }
}

/// A third of the joints.
struct RandomJoints(Vec<usize>);

impl RandomJoints {
    fn draw(random: &mut StdRng) -> Self {
        Self(index::sample(random, JOINTS, JOINTS / 3).into_vec())
    }
}

enum Hidden {
    Named(Vec<usize>),
    Random,
}

impl Scenario {
    /// The joints that are hidden at a time.
    fn hidden(&self, seconds: f64, rate: f64, variant: usize) -> Hidden {
        let nothing = Hidden::Named(Vec::new());
        if seconds < WARM_UP {
            return nothing;
        }
        let joints = |name: &str| match group(name) {
            Some(joints) => joints,
            None => thalweg_body_pose::skeleton::NAMES.iter().position(|known| *known == name).into_iter().collect(),
        };
        match self.what {
            What::ForGood(groups) if groups[variant] == RANDOM => Hidden::Random,
            What::ForGood(groups) => Hidden::Named(joints(groups[variant])),
            What::Bursts(length) => {
                let period = ((seconds - WARM_UP) / length) as usize;
                let limb = BURST_LIMBS[period / 2 % BURST_LIMBS.len()];
                if period.is_multiple_of(2) { Hidden::Named(joints(limb)) } else { nothing }
            }
            What::Slow => {
                // Seen at the first frame of each tenth of a second.
                let is_read = (seconds * SLOW_HZ).fract() < SLOW_HZ / rate - 1e-9;
                if is_read { nothing } else { Hidden::Named(joints("arms")) }
            }
        }
    }
}
