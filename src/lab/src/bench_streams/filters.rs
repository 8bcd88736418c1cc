//! The rivals that every roboticist tries first, joint by joint.

use thalweg_body_pose::skeleton::JOINTS;
use thalweg_engine::time::turned;

use super::constants::Arm;

const COUNT: usize = 3 * JOINTS;

/// Goes by the last reading, its velocity, or a Kalman filter.
#[derive(Clone, Copy, Debug)]
pub(super) enum Filter {
    /// The last reading.
    Hold,
    /// The last reading and its velocity, averaged over `smooth` seconds, which decays within `decay` seconds.
    Velocity { smooth: f64, decay: f64 },
    /// A Kalman filter for each joint: position and a velocity that decays within `decay` seconds, driven by white noise of
    /// `drive` rad^2/s^3; readings with noise of `noise` rad.
    Kalman { decay: f64, drive: f64, noise: f64 },
}

/// Constants of the filters: of some tried on validation clips those of the least error, each age alike (docs/streams.md).
const SMOOTH: f64 = 0.03;
const DECAY: f64 = 0.06;
const KALMAN_DECAY: f64 = 0.05;
const DRIVE: f64 = 100.0;
const NOISE: f64 = 0.01;

impl Filter {
    pub(super) fn velocity(arm: &Arm) -> Self {
        Self::Velocity { smooth: arm.value("velocity.smooth", SMOOTH), decay: arm.value("velocity.decay", DECAY) }
    }

    pub(super) fn kalman(arm: &Arm) -> Self {
        let (decay, drive) = (arm.value("kalman.decay", KALMAN_DECAY), arm.value("kalman.drive", DRIVE));
        Self::Kalman { decay, drive, noise: arm.value("kalman.noise", NOISE) }
    }
}

/// What a filter knows of one joint.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    position: f64,
    velocity: f64,
    /// Covariance: position, both, velocity.
    covariance: [f64; 3],
    is_known: bool,
}

/// A filter for all joints.
#[derive(Debug)]
pub(super) struct Filters {
    filter: Filter,
    states: [State; COUNT],
    /// Last reading of each joint and its age, seconds.
    last: [(f64, f64); COUNT],
}

impl Filters {
    pub(super) fn new(filter: Filter) -> Self {
        Self { filter, states: [State::default(); COUNT], last: [(0.0, 0.0); COUNT] }
    }

    /// Takes a frame `seconds` after the one before, NaN where nothing is seen; gives all joints.
    pub(super) fn step(&mut self, seen: &[f64; COUNT], seconds: f64) -> [f64; COUNT] {
        let mut all = [0.0; COUNT];
        for (joint, out) in all.iter_mut().enumerate() {
            let state = &mut self.states[joint];
            self.last[joint].1 += seconds;
            match self.filter {
                _ if !state.is_known && seen[joint].is_nan() => {}
                _ if !state.is_known => {
                    *state =
                        State { position: seen[joint], is_known: true, covariance: [0.01, 0.0, 4.0], velocity: 0.0 };
                    self.last[joint] = (seen[joint], 0.0);
                }
                Filter::Kalman { .. } => state.filter(self.filter, seen[joint], seconds),
                Filter::Hold | Filter::Velocity { .. } if !seen[joint].is_nan() => {
                    let (before, age) = std::mem::replace(&mut self.last[joint], (seen[joint], 0.0));
                    let share = match self.filter {
                        Filter::Velocity { smooth, .. } => 1.0 - (-age / smooth).exp(),
                        _ => 0.0,
                    };
                    let velocity = turned(seen[joint] - before, true) / age;
                    state.velocity += share * (velocity - state.velocity);
                    state.position = seen[joint];
                }
                Filter::Velocity { decay, .. } => {
                    let (position, age) = self.last[joint];
                    state.position = position + state.velocity * decay * (1.0 - (-age / decay).exp());
                }
                Filter::Hold => {}
            }
            *out = state.position;
        }
        all
    }
}

impl State {
    fn filter(&mut self, filter: Filter, seen: f64, seconds: f64) {
        let Filter::Kalman { decay, drive, noise } = filter else { return };
        let kept = (-seconds / decay).exp();
        let way = decay * (1.0 - kept);
        self.position += way * self.velocity;
        self.velocity *= kept;
        let [a, b, c] = self.covariance;
        // White acceleration over a step, as if velocity did not decay meanwhile.
        let added = [drive * seconds.powi(3) / 3.0, drive * seconds * seconds / 2.0, drive * seconds];
        self.covariance =
            [a + 2.0 * way * b + way * way * c + added[0], kept * (b + way * c) + added[1], kept * kept * c + added[2]];
        if seen.is_nan() {
            return;
        }
        let [a, b, c] = self.covariance;
        let (innovation, total) = (turned(seen - self.position, true), a + noise * noise);
        self.position += a / total * innovation;
        self.velocity += b / total * innovation;
        self.covariance = [a - a * a / total, b - a * b / total, c - b * b / total];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A joint that moves at 1 rad/s for half a second, then is silent for 0.2 s.
    fn last(filter: Filter) -> f64 {
        let mut filters = Filters::new(filter);
        let mut out = 0.0;
        for frame in 0..70 {
            let seen = if frame < 50 { [0.01 * f64::from(frame); COUNT] } else { [f64::NAN; COUNT] };
            out = filters.step(&seen, 0.01)[5];
        }
        out
    }

    #[test]
    fn filters_hold_or_go_on() {
        assert!((last(Filter::Hold) - 0.49).abs() < 1e-9);
        let fast = last(Filter::Velocity { smooth: 0.03, decay: 10.0 });
        assert!((fast - 0.69).abs() < 0.01, "{fast}");
        let kalman = last(Filter::Kalman { decay: 10.0, drive: 1.0, noise: 1e-3 });
        assert!((kalman - 0.69).abs() < 0.01, "{kalman}");
        let decayed = last(Filter::Velocity { smooth: 0.03, decay: 0.05 });
        assert!((0.5..0.56).contains(&decayed), "{decayed}");
    }
}
