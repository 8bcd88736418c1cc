//! Round trips of joints: out on one topic, back on another, told apart by their stamps.

use std::collections::HashMap;
use std::sync::mpsc::Receiver;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::client::peer::{JointWriter, Received};

/// One stretch of messages.
pub struct Turn<'a> {
    /// Time between two messages.
    pub period: Duration,
    /// How long to go on.
    pub length: Duration,
    /// Names of the joints that are observed.
    pub names: &'a [String],
    /// Their positions after some time, rad.
    pub positions: &'a dyn Fn(Duration) -> &'a [f64],
    /// Whether to stop before the time is over.
    pub is_stopped: &'a dyn Fn() -> bool,
}

impl Turn<'_> {
    /// Publishes messages stamped with the system's time; one that is late is not made up for.
    ///
    /// `sending`: told each stamp, just before its message goes out.
    ///
    /// # Errors
    /// What rcl says.
    pub fn publish(&self, writer: &JointWriter, mut sending: impl FnMut(i64)) -> anyhow::Result<()> {
        let begin = Instant::now();
        let mut due = begin;
        // Half a period less: the last message is one period before the end, however it is rounded.
        let last = begin + self.length.saturating_sub(self.period / 2);
        while due < last && !(self.is_stopped)() {
            sleep(due.saturating_duration_since(Instant::now()));
            let positions = (self.positions)(begin.elapsed());
            let stamp = system_nanos();
            sending(stamp);
            writer.publish(stamp, self.names, positions)?;
            due = (due + self.period).max(Instant::now());
        }
        Ok(())
    }
}

/// What became of messages.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RoundTrips {
    /// How many went out.
    pub sent: usize,
    /// How long the answered ones took, milliseconds.
    pub millis: Vec<f64>,
}

impl RoundTrips {
    /// How many were never answered.
    #[must_use]
    pub fn missed(&self) -> usize {
        self.sent.saturating_sub(self.millis.len())
    }
}

/// A way through another process.
pub struct Route<'a> {
    writer: &'a JointWriter,
    answers: &'a Receiver<Received>,
    /// When each message went out, by its stamp.
    sent: HashMap<i64, Instant>,
}

impl<'a> Route<'a> {
    /// Joins both ends; answers to what was sent before are dropped.
    #[must_use]
    pub fn new(writer: &'a JointWriter, answers: &'a Receiver<Received>) -> Self {
        answers.try_iter().for_each(drop);
        Self { writer, answers, sent: HashMap::new() }
    }

    /// Publishes for a turn.
    ///
    /// # Errors
    /// What rcl says.
    pub fn send(&mut self, turn: &Turn<'_>) -> anyhow::Result<()> {
        let sent = &mut self.sent;
        turn.publish(self.writer, |stamp| {
            sent.insert(stamp, Instant::now());
        })
    }

    /// Waits for an answer, and forgets what was sent until then; says whether one came.
    pub fn wait_for_answer(&mut self, longest: Duration) -> bool {
        let has_come = self.answers.recv_timeout(longest).is_ok();
        self.sent.clear();
        has_come
    }

    /// Waits so long for the last answers, and matches all of them.
    #[must_use]
    pub fn collect(self, patience: Duration) -> RoundTrips {
        sleep(patience);
        match_stamps(self.sent, self.answers.try_iter())
    }
}

/// Takes the first answer to each message; answers to nothing of ours are passed over.
fn match_stamps(mut sent: HashMap<i64, Instant>, answers: impl Iterator<Item = Received>) -> RoundTrips {
    let count = sent.len();
    let took = |answer: Received| {
        let sent = sent.remove(&answer.stamp_nanos)?;
        Some(answer.received.saturating_duration_since(sent).as_secs_f64() * 1e3)
    };
    RoundTrips { sent: count, millis: answers.filter_map(took).collect() }
}

/// The system's time, nanoseconds since 1970.
fn system_nanos() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_matched_by_stamp_once() {
        let now = Instant::now();
        let sent = HashMap::from([(1, now), (2, now), (3, now)]);
        let answer = |stamp_nanos, millis| Received {
            stamp_nanos,
            received: now + Duration::from_millis(millis),
            names: Vec::new(),
            positions: Vec::new(),
        };
        let answers = [answer(3, 5), answer(1, 7), answer(1, 9), answer(8, 1)];
        let trips = match_stamps(sent, answers.into_iter());
        assert_eq!((trips.sent, trips.missed(), trips.millis), (3, 1, vec![5.0, 7.0]));
    }
}
