//! Where a joint is and how fast it moves, from readings that may be noisy.

use super::model::{VELOCITY_SMOOTHING, turned};

/// Share of a new reading in the usual period. A guess.
const SHARE: f64 = 0.2;
/// Share of a new reading in what is known of noise: some twenty readings tell it. A guess.
const NOISE_SHARE: f64 = 0.05;
/// A period this many times the usual one was a silence, and counts as no more. A guess.
const LONGEST_PERIOD: f64 = 3.0;
/// Variance of noise, squared radians or metres, that is rounding: far below what any encoder resolves.
const LEAST_NOISE: f64 = 1e-10;
/// Seconds below which two readings say nothing about velocity.
const SHORTEST: f64 = 1e-4;

/// An alpha-beta filter of one joint whose gains follow from the noise that readings show.
///
/// Without noise the position is the reading, and the velocity an average over [`VELOCITY_SMOOTHING`]; with noise both gains
/// fall to those of the Kalman filter in its steady state (Kalata, "The Tracking Index", 1984).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AlphaBeta {
    /// Radians or metres.
    position: f64,
    /// Per second.
    velocity: f64,
    /// The last reading and the last difference of two.
    reading: f64,
    change: f64,
    /// The last difference of two differences, and the mean product of such neighbours.
    bend: f64,
    product: f64,
    /// Readings since the first one, or since a silence.
    count: f64,
    /// Gains of the last reading.
    gains: [f64; 2],
    /// Usual seconds between two readings; none before the second.
    period: Option<f64>,
}

impl AlphaBeta {
    /// Begins with a first reading.
    pub(super) fn new(reading: f64) -> Self {
        Self { position: reading, reading, count: 1.0, ..Self::default() }
    }

    /// The filter after one more reading: see [`AlphaBeta::take`].
    #[must_use]
    pub(super) fn after(mut self, reading: f64, seconds: f64, drive: f64, is_angle: bool) -> Self {
        self.take(reading, seconds, drive, is_angle);
        self
    }

    /// Takes a reading `seconds` after the last one. `drive`: spectral density of the joint's acceleration, squared radians
    /// or metres by cubic seconds.
    pub(super) fn take(&mut self, reading: f64, seconds: f64, drive: f64, is_angle: bool) {
        if seconds < SHORTEST {
            return;
        }
        let usual = self.period.unwrap_or(seconds);
        let period = usual + SHARE * (seconds.min(LONGEST_PERIOD * usual) - usual);
        if seconds > LONGEST_PERIOD * usual {
            *self = Self { period: Some(period), product: self.product, ..Self::new(reading) };
            return;
        }
        self.period = Some(period);
        self.listen(turned(reading - self.reading, is_angle));
        self.reading = reading;
        let [alpha, beta] = self.gains_for(seconds, drive);
        let expected = self.position + self.velocity * seconds;
        let off = turned(reading - expected, is_angle);
        // Of readings beyond half a turn, too.
        self.position = reading - (1.0 - alpha) * off;
        self.velocity += beta * off / seconds;
        self.gains = [alpha, beta];
    }

    /// Learns of noise from the difference of two readings.
    ///
    /// Differences of differences of white noise of variance r have products of -4 r with their neighbours; those of a motion
    /// that is smooth at this rate have positive ones.
    fn listen(&mut self, change: f64) {
        let bend = change - self.change;
        if self.count >= 3.0 {
            self.product += NOISE_SHARE * (bend * self.bend - self.product);
        }
        (self.change, self.bend) = (change, bend);
        self.count += 1.0;
    }

    /// Variance of the readings' noise.
    fn noise(&self) -> f64 {
        (-0.25 * self.product).max(0.0)
    }

    /// Gains of position and velocity; the first readings count more, for they are all there is.
    fn gains_for(&self, seconds: f64, drive: f64) -> [f64; 2] {
        let greatest = 1.0 - (-seconds / VELOCITY_SMOOTHING).exp();
        let noise = self.noise();
        if noise < LEAST_NOISE {
            return [1.0, greatest];
        }
        let index = (drive * seconds.powi(3) / noise).sqrt();
        let root = (4.0 + index - (8.0 * index + index * index).sqrt()) / 4.0;
        let alpha = 1.0 - root * root;
        let beta = 2.0 * (2.0 - alpha) - 4.0 * root;
        // Least squares of a line through so many readings.
        let pairs = self.count * (self.count + 1.0);
        [alpha.max(2.0 * (2.0 * self.count - 1.0) / pairs).min(1.0), beta.max(6.0 / pairs).min(greatest)]
    }

    /// The position, radians or metres.
    pub(super) fn position(&self) -> f64 {
        self.position
    }

    /// The usual seconds between two readings; none before the second.
    pub(super) fn period(&self) -> Option<f64> {
        self.period
    }

    /// The velocity, per second, in proportion to how much of it is no noise.
    pub(super) fn velocity(&self) -> f64 {
        let Some(period) = self.period else { return 0.0 };
        let [alpha, beta] = self.gains;
        let square = self.velocity * self.velocity;
        let gain = 2.0 * beta * beta / (alpha * (4.0 - beta - 2.0 * alpha)) / (period * period);
        if square > 0.0 { self.velocity * square / (square + self.noise() * gain) } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};
    use rand_distr::StandardNormal;

    const SECONDS: f64 = 0.01;

    /// Mean squared errors of position and velocity, beside that of the readings, of a joint that swings.
    fn errors(noise: f64) -> [f64; 3] {
        let mut random = StdRng::seed_from_u64(3);
        let mut filter = AlphaBeta::new(0.0);
        let mut sums = [0.0; 3];
        for frame in 1..2000 {
            let (sine, cosine) = (2.0 * f64::from(frame) * SECONDS).sin_cos();
            let drawn: f64 = random.sample(StandardNormal);
            let reading = 0.5 * sine + noise * drawn;
            filter.take(reading, SECONDS, 50.0, true);
            let off = [filter.position() - 0.5 * sine, filter.velocity() - cosine, reading - 0.5 * sine];
            sums.iter_mut().zip(off).for_each(|(sum, off)| *sum += off * off / 2000.0);
        }
        sums
    }

    #[test]
    fn without_noise_the_position_is_the_reading() {
        let [position, velocity, _] = errors(0.0);
        assert!(position == 0.0 && velocity < 3e-3, "{position} {velocity}");
    }

    #[test]
    fn noise_is_averaged_out() {
        let [position, velocity, reading] = errors(0.1);
        assert!(position < 0.4 * reading && velocity < 1.0, "{position} {velocity} {reading}");
    }

    #[test]
    fn another_pace_is_learned() {
        let mut filter = AlphaBeta::new(0.0);
        (1..50).for_each(|frame| filter.take(f64::from(frame) * SECONDS, SECONDS, 50.0, false));
        assert!((filter.velocity() - 1.0).abs() < 1e-3, "{filter:?}");
        (1..30).for_each(|frame| filter.take(0.5 + 0.1 * f64::from(frame), 0.1, 50.0, false));
        let period = filter.period().expect("it has one");
        assert!((period - 0.1).abs() < 2e-3 && (filter.velocity() - 1.0).abs() < 1e-3, "{filter:?}");
        // A silence is no pace, and says nothing about velocity.
        filter.take(9.0, 5.0, 50.0, false);
        assert!(filter.period().expect("it has one") < 0.15 && filter.velocity() == 0.0, "{filter:?}");
    }

    #[test]
    fn the_far_side_of_the_circle_is_no_jump() {
        let mut filter = AlphaBeta::new(3.0);
        (1..50).for_each(|frame| filter.take(turned(3.0 + 0.01 * f64::from(frame), true), SECONDS, 50.0, true));
        assert!((filter.velocity() - 1.0).abs() < 1e-3, "{filter:?}");
    }
}
