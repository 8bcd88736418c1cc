//! Stamps of messages: which ones are times, and which are believed.

use super::bounds::{STAMP_AHEAD, STAMP_NANOSEC, STAMP_SEC};
use super::refusal::{Cause, Refusal};

/// Nanoseconds in a second.
const SECOND: i64 = 1_000_000_000;

/// Future that is worth a notice, nanoseconds: clocks of one robot agree to far better (J10).
const NOTICED_FUTURE: i64 = SECOND / 10;

/// Future beyond which a stamp is refused, nanoseconds.
const REFUSED_FUTURE: i64 = STAMP_AHEAD.greatest as i64 * SECOND;

/// Messages of a run of older stamps with which time begins anew, as after a reboot, in a loop of a bag or after a
/// reset of a simulator.
///
/// Ten: twice what waits in a queue of sensor data (5), so that no queue that is emptied late makes a beginning; at
/// the rates of joints it takes less than a second. A guess.
pub(super) const NEW_BEGINNING: u32 = 10;

/// A `builtin_interfaces/Time`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// Seconds since the epoch.
    pub sec: i32,
    /// Nanoseconds within the second.
    pub nanosec: u32,
}

impl Stamp {
    /// Converts to nanoseconds since the epoch.
    ///
    /// # Errors
    /// [`Cause::BadStamp`] when seconds are negative or nanoseconds make a second or more (J11).
    pub fn nanos(self) -> Result<i64, Refusal> {
        let Self { sec, nanosec } = self;
        if !STAMP_SEC.holds(f64::from(sec)) || !STAMP_NANOSEC.holds(f64::from(nanosec)) {
            let text = format!("got stamp {sec} s + {nanosec} ns; expected sec >= 0 and nanosec < 1000000000");
            return Err(Refusal::new(Cause::BadStamp, text));
        }
        Ok(i64::from(sec) * SECOND + i64::from(nanosec))
    }

    /// Tells whether the stamp was never filled in.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self == Self::default()
    }
}

/// A stamp that was believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The time to go by, nanoseconds.
    pub nanos: i64,
    /// Whether the stamp was zero and now stands for it; such stamps have no order.
    pub is_zero: bool,
    /// What is worth a word although the message is used.
    pub notice: Option<Refusal>,
}

/// Judges a stamp by the time `now_nanos`.
///
/// A zero stamp is now where `accept_zero` says so, with a notice (J9). A stamp more than 0.1 s in
/// the future gets a notice, one more than 5 s ahead is refused (J10).
///
/// # Errors
/// [`Cause::BadStamp`], [`Cause::ZeroStamp`] or [`Cause::FutureStamp`].
pub fn judge(stamp: Stamp, now_nanos: i64, accept_zero: bool) -> Result<Judged, Refusal> {
    if stamp.is_zero() {
        return judge_zero(now_nanos, accept_zero);
    }
    let nanos = stamp.nanos()?;
    let ahead = nanos.saturating_sub(now_nanos);
    let seconds = ahead as f64 / SECOND as f64;
    if ahead > REFUSED_FUTURE {
        let text = format!("got a stamp {seconds:.3} s in the future; expected at most 5 s; refused");
        return Err(Refusal::new(Cause::FutureStamp, text));
    }
    let notice = (ahead > NOTICED_FUTURE).then(|| {
        let text = format!("got a stamp {seconds:.3} s in the future; expected at most 0.1 s; used");
        Refusal::notice(Cause::FutureStamp, text)
    });
    Ok(Judged { nanos, is_zero: false, notice })
}

fn judge_zero(now_nanos: i64, accept_zero: bool) -> Result<Judged, Refusal> {
    if accept_zero {
        let text = "got stamp 0, taken as now; expected the time of the measurement";
        let notice = Refusal::notice(Cause::ZeroStamp, text);
        return Ok(Judged { nanos: now_nanos, is_zero: true, notice: Some(notice) });
    }
    let text = "got stamp 0; expected the time of the measurement (input.accept_zero_stamp is false)";
    Err(Refusal::new(Cause::ZeroStamp, text))
}

/// The order of stamps of one source.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Order {
    last: Option<i64>,
    /// The run of older stamps that came since: the newest of them, and how many rose.
    run: Option<(i64, u32)>,
}

impl Order {
    /// Lets a stamp pass that is not older than the one before it (J8); gives a notice where time began anew.
    ///
    /// A remembered stamp that lies further ahead than any that is believed dates from before a
    /// jump of the clock and counts no more. [`NEW_BEGINNING`] older stamps that rise, with none in order between
    /// them, are a new beginning: two sources of one name that alternate make none.
    pub(super) fn admit(&mut self, judged: &Judged, now_nanos: i64) -> Result<Option<Refusal>, Refusal> {
        if judged.is_zero {
            return Ok(None);
        }
        let believed = self.last.filter(|last| last.saturating_sub(now_nanos) <= REFUSED_FUTURE);
        let late = believed.filter(|last| judged.nanos < *last);
        let count = if late.is_some() { self.count(judged.nanos) } else { 0 };
        let notice = match late {
            Some(last) if count < NEW_BEGINNING => return Err(out_of_order(judged.nanos, last)),
            Some(last) => Some(new_beginning(judged.nanos, last)),
            None => None,
        };
        *self = Self { last: Some(judged.nanos), run: None };
        Ok(notice)
    }

    /// Counts an older stamp into the run; one that is older than the run begins another.
    fn count(&mut self, nanos: i64) -> u32 {
        let (newest, count) = match self.run {
            Some((newest, count)) if nanos > newest => (nanos, count.saturating_add(1)),
            Some((newest, count)) if nanos == newest => (newest, count),
            _ => (nanos, 1),
        };
        self.run = Some((newest, count));
        count
    }
}

fn seconds_between(earlier: i64, later: i64) -> f64 {
    later.saturating_sub(earlier) as f64 / SECOND as f64
}

fn out_of_order(nanos: i64, last: i64) -> Refusal {
    let late = seconds_between(nanos, last);
    let text = format!("got stamp {nanos} ns, {late:.6} s older than the one before it; expected {last} ns or later");
    Refusal::new(Cause::OutOfOrder, text)
}

fn new_beginning(nanos: i64, last: i64) -> Refusal {
    let late = seconds_between(nanos, last);
    let text = format!(
        "got {NEW_BEGINNING} stamps one after the other that are older than before, now {nanos} ns, by {late:.3} s; \
         expected time to go on; taken as a new beginning and used"
    );
    Refusal::notice(Cause::NewBeginning, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_000 * SECOND;

    fn at(nanos: i64) -> Stamp {
        Stamp { sec: (nanos / SECOND) as i32, nanosec: (nanos % SECOND) as u32 }
    }

    #[test]
    fn j10_the_bounds_of_the_future() {
        let judge = |ahead| judge(at(NOW + ahead), NOW, true);
        assert_eq!(judge(NOTICED_FUTURE), Ok(Judged { nanos: NOW + NOTICED_FUTURE, is_zero: false, notice: None }));
        let noticed = judge(NOTICED_FUTURE + 1).expect("used").notice.expect("noticed");
        assert_eq!(noticed.cause, Cause::FutureStamp);
        assert!(judge(REFUSED_FUTURE).is_ok());
        assert_eq!(judge(REFUSED_FUTURE + 1).expect_err("refused").cause, Cause::FutureStamp);
    }

    #[test]
    fn extreme_clocks_do_not_overflow() {
        for now in [i64::MIN, -1, 0, i64::MAX] {
            for stamp in [Stamp { sec: 0, nanosec: 1 }, Stamp { sec: i32::MAX, nanosec: 999_999_999 }] {
                let mut order = Order::default();
                if let Ok(judged) = judge(stamp, now, true) {
                    assert_eq!(order.admit(&judged, now), Ok(None));
                    assert_eq!(order.admit(&judged, i64::MIN), Ok(None));
                    assert_eq!(order.admit(&judged, i64::MAX), Ok(None));
                }
            }
        }
    }

    #[test]
    fn a_stamp_from_before_a_jump_of_the_clock_mutes_nobody() {
        let mut order = Order::default();
        let judged = |nanos| Judged { nanos, is_zero: false, notice: None };
        assert_eq!(order.admit(&judged(NOW), NOW), Ok(None));
        assert_eq!(order.admit(&judged(NOW - 1), NOW).expect_err("older").cause, Cause::OutOfOrder);
        let back = NOW - 10 * SECOND;
        assert_eq!(order.admit(&judged(back), back), Ok(None));
    }
}
