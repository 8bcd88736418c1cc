//! How the stream of answers flows: its rate, how long answers take, and the loss over time.

use std::collections::VecDeque;
use std::time::Duration;

use thalweg_node::display::ShownAnswer;

/// Time over which the rate is counted.
const RATE_WINDOW: Duration = Duration::from_secs(2);

/// Answers over which percentiles are taken.
const LATENCIES: usize = 512;

/// Time that the chart shows.
pub const HISTORY: Duration = Duration::from_secs(10);

/// The most points that the chart keeps: more than pixels are not seen.
const POINTS: usize = 2048;

/// What is known of the stream so far.
#[derive(Clone, Debug, Default)]
pub struct Pace {
    arrivals: VecDeque<Duration>,
    latencies: VecDeque<Duration>,
    losses: VecDeque<(Duration, f64)>,
    has_latency: bool,
}

impl Pace {
    /// Notes an answer that came at a time.
    pub fn note(&mut self, at: Duration, shown: &ShownAnswer) {
        if self.arrivals.back().is_some_and(|last| at < *last) {
            // A recording that begins again, or a clock that was set.
            *self = Self::default();
        }
        self.arrivals.push_back(at);
        while self.arrivals.front().is_some_and(|first| at - *first > RATE_WINDOW) {
            self.arrivals.pop_front();
        }
        self.has_latency = shown.latency.is_some();
        self.latencies.push_back(shown.latency.unwrap_or(shown.answer.took));
        if self.latencies.len() > LATENCIES {
            self.latencies.pop_front();
        }
        if let Some(loss) = shown.answer.losses.first().copied().filter(|loss| loss.is_finite()) {
            self.losses.push_back((at, loss));
        }
        while self.losses.front().is_some_and(|(then, _)| at - *then > HISTORY) || self.losses.len() > POINTS {
            self.losses.pop_front();
        }
    }

    /// Answers a second, once there are two.
    #[must_use]
    pub fn rate(&self) -> Option<f64> {
        let span = self.arrivals.back()?.checked_sub(*self.arrivals.front()?)?.as_secs_f64();
        (span > 0.0).then(|| (self.arrivals.len() - 1) as f64 / span)
    }

    /// The time below which a share of answers lies (nearest rank), once there is one.
    #[must_use]
    pub fn latency(&self, share: f64) -> Option<Duration> {
        let mut sorted: Vec<Duration> = self.latencies.iter().copied().collect();
        sorted.sort_unstable();
        let rank = (share * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.max(1) - 1).copied()
    }

    /// Whether latencies count from the observation; otherwise they are the time of the solve alone.
    #[must_use]
    pub fn has_latency(&self) -> bool {
        self.has_latency
    }

    /// Losses of the best hypothesis, each with its time; oldest first.
    pub fn losses(&self) -> impl ExactSizeIterator<Item = (Duration, f64)> + Clone + '_ {
        self.losses.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use thalweg_engine::Answer;

    use super::*;

    fn shown(millis: u64, loss: f64) -> ShownAnswer {
        let answer = Answer { losses: vec![loss], ..Answer::default() };
        ShownAnswer { latency: Some(Duration::from_millis(millis)), answer, ..ShownAnswer::default() }
    }

    #[test]
    fn rate_percentiles_and_history() {
        let mut pace = Pace::default();
        assert!(pace.rate().is_none() && pace.latency(0.5).is_none());
        for index in 0..1500u64 {
            pace.note(Duration::from_millis(10 * index), &shown(1 + index % 100, index as f64));
        }
        assert!((pace.rate().expect("many") - 100.0).abs() < 1e-9);
        let of = |share| pace.latency(share).expect("many").as_millis();
        assert!((48..=54).contains(&of(0.5)) && (98..=100).contains(&of(0.99)), "{} {}", of(0.5), of(0.99));
        let first = pace.losses().next().expect("many").0;
        assert_eq!(first, Duration::from_millis(4990), "ten seconds before the last");
    }

    #[test]
    fn a_recording_that_begins_again_starts_anew() {
        let mut pace = Pace::default();
        pace.note(Duration::from_secs(5), &shown(1, 1.0));
        pace.note(Duration::ZERO, &shown(1, f64::NAN));
        assert_eq!((pace.losses().len(), pace.rate()), (0, None));
    }
}
