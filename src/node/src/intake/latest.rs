//! The newest image or cloud, for as long as it holds.

use std::time::Duration;

use super::refusal::Refusal;
use super::stamp::{Order, Stamp, judge};
use super::{Decoded, Taken, judge_frame};

/// Values that hold until newer ones come or they are too old.
#[derive(Debug)]
pub(super) struct Held {
    /// Row-major values, NaN where unobserved.
    pub(super) values: Vec<f32>,
    /// How much each point counts; empty is 1 for all.
    pub(super) confidence: Vec<f32>,
    /// When they were measured, nanoseconds.
    pub(super) stamp: i64,
    /// When they were received, nanoseconds.
    pub(super) received: i64,
    /// Frame of the message.
    pub(super) frame_id: String,
}

/// Keeps the newest of a stream of messages.
#[derive(Debug, Default)]
pub(super) struct Latest {
    held: Option<Held>,
    order: Order,
    zero_stamp_told: bool,
}

/// Header of a message and how to judge it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header<'a> {
    pub(super) stamp: Stamp,
    pub(super) frame_id: &'a str,
    pub(super) now: i64,
    pub(super) accept_zero_stamp: bool,
}

impl Latest {
    /// Judges the header and decodes; what came last and is usable is held.
    ///
    /// `decode` gives `None` when the message says that nothing is observed. So does a message
    /// of which every value is unobserved.
    pub(super) fn take(
        &mut self,
        header: Header<'_>,
        decode: impl FnOnce() -> Result<Option<Decoded>, Refusal>,
    ) -> Taken {
        let mut taken = Taken::default();
        if let Err(refusal) = self.merge(header, decode, &mut taken) {
            taken.refusals.push(refusal);
        }
        taken
    }

    fn merge(
        &mut self,
        header: Header<'_>,
        decode: impl FnOnce() -> Result<Option<Decoded>, Refusal>,
        taken: &mut Taken,
    ) -> Result<(), Refusal> {
        let judged = judge(header.stamp, header.now, header.accept_zero_stamp)?;
        let decoded = decode()?;
        taken.refusals.extend(self.order.admit(&judged, header.now)?);
        let told = judged.is_zero && std::mem::replace(&mut self.zero_stamp_told, true);
        taken.refusals.extend(judged.notice.filter(|_| !told));
        let Some(decoded) = decoded else {
            (taken.is_heartbeat, self.held) = (true, None);
            return Ok(());
        };
        let mut decoded = decoded;
        taken.refusals.append(&mut decoded.notices);
        taken.used = decoded.values.iter().filter(|value| !value.is_nan()).count();
        let frame_id = judge_frame(header.frame_id).map(str::to_owned).unwrap_or_else(|refusal| {
            taken.refusals.push(refusal);
            String::new()
        });
        let Decoded { values, confidence, .. } = decoded;
        let (stamp, received) = (judged.nanos, header.now);
        self.held = (taken.used > 0).then_some(Held { values, confidence, stamp, received, frame_id });
        Ok(())
    }

    /// What came last, however old it is.
    pub(super) fn last(&self) -> Option<&Held> {
        self.held.as_ref()
    }

    /// Forgets what came, as after a jump of the clock.
    pub(super) fn clear(&mut self) {
        (self.held, self.order) = (None, Order::default());
    }

    /// What holds at `now`, unless it was received longer than `timeout` ago.
    pub(super) fn holding(&mut self, now: i64, timeout: Duration) -> Option<&Held> {
        let is_old = |held: &Held| u128::from(held.received.abs_diff(now)) > timeout.as_nanos();
        if self.held.as_ref().is_some_and(is_old) {
            self.held = None;
        }
        self.held.as_ref()
    }
}
