//! How often something happened, over the last few reports.

use std::collections::VecDeque;
use std::time::Duration;

use super::status::Status;

/// Reports over which events are counted: `FrequencyStatusParam`'s default.
const WINDOW: usize = 5;

/// Counts events over a sliding window of reports, as `diagnostic_updater::FrequencyStatus` does.
#[derive(Clone, Debug)]
pub struct FrequencyWindow {
    /// Time and count of events at each of the last reports.
    marks: VecDeque<(Duration, u64)>,
    events: u64,
}

impl FrequencyWindow {
    /// Starts counting; `now` is a monotonic time of any origin.
    #[must_use]
    pub fn new(now: Duration) -> Self {
        Self { marks: VecDeque::from([(now, 0)]), events: 0 }
    }

    /// Counts further events.
    pub fn count(&mut self, events: u64) {
        self.events += events;
    }

    /// How many there were since the start.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Ends a report: adds the usual keys to `status`, and slides the window on.
    #[must_use]
    pub fn report(&mut self, now: Duration, status: Status) -> Status {
        let (start, before) = self.marks.front().copied().unwrap_or((now, self.events));
        let (span, events) = (now.saturating_sub(start).as_secs_f64(), self.events - before);
        let frequency = if span > 0.0 { events as f64 / span } else { 0.0 };
        self.marks.push_back((now, self.events));
        if self.marks.len() > WINDOW {
            self.marks.pop_front();
        }
        status
            .with("Events in window", events)
            .with("Events since startup", self.events)
            .with("Duration of window (s)", format!("{span:.6}"))
            .with("Actual frequency (Hz)", format!("{frequency:.6}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value<'a>(status: &'a Status, key: &str) -> &'a str {
        &status.values.iter().find(|(name, _)| name == key).expect("present").1
    }

    #[test]
    fn counts_over_the_last_five_reports() {
        let mut window = FrequencyWindow::new(Duration::ZERO);
        for second in 1..=10 {
            window.count(if second <= 5 { 100 } else { 20 });
            let status = window.report(Duration::from_secs(second), Status::ok("Input", ""));
            let expected = if second <= 5 { "100.000000" } else { "20.000000" };
            if second <= 5 || second == 10 {
                assert_eq!(value(&status, "Actual frequency (Hz)"), expected, "after {second} s");
            }
        }
        assert_eq!(window.events(), 600);
    }

    #[test]
    fn no_time_is_no_frequency() {
        let mut window = FrequencyWindow::new(Duration::from_secs(3));
        let status = window.report(Duration::from_secs(3), Status::ok("Input", ""));
        assert_eq!(value(&status, "Actual frequency (Hz)"), "0.000000");
    }
}
