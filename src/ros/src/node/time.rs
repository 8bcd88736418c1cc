//! ROS time: the system's clock, or `/clock` where `use_sim_time` is set.
//!
//! r2r reads `use_sim_time` once; a node must follow it at any time, and notice jumps.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use r2r::builtin_interfaces::msg::Time;

/// A step of `/clock` above this is a jump forward, not the tick of a coarse clock. A guess:
/// simulators tick at 10 Hz at the least.
const FORWARD_JUMP: i64 = 1_000_000_000;

/// Nanoseconds of a second.
const SECOND: i64 = 1_000_000_000;

/// How the time moved out of order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Jump {
    /// Back, by nanoseconds.
    Back(i64),
    /// Forward, by nanoseconds.
    Forward(i64),
}

/// The node's time source.
#[derive(Debug, Default)]
pub(crate) struct RosTime {
    is_simulated: AtomicBool,
    /// Nanoseconds of `/clock`; zero before the first tick.
    simulated: AtomicI64,
    ticks: AtomicU64,
    jumps: AtomicU64,
    /// Messages on `/clock` that are no time.
    refused: AtomicU64,
}

impl RosTime {
    /// Follows `/clock` or the system.
    pub(crate) fn simulate(&self, simulate: bool) {
        self.simulated.store(0, Ordering::Release);
        self.is_simulated.store(simulate, Ordering::Release);
    }

    pub(crate) fn is_simulated(&self) -> bool {
        self.is_simulated.load(Ordering::Acquire)
    }

    /// Whether there is a time: `/clock` has ticked, or the system's clock rules.
    pub(crate) fn is_known(&self) -> bool {
        !self.is_simulated() || self.simulated.load(Ordering::Acquire) != 0
    }

    /// The time, nanoseconds; zero while nothing has come on `/clock`.
    pub(crate) fn now_nanos(&self) -> i64 {
        if self.is_simulated() {
            return self.simulated.load(Ordering::Acquire);
        }
        self.system_nanos()
    }

    /// The system's time, nanoseconds.
    pub(crate) fn system_nanos(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
    }

    /// The time as a stamp.
    pub(crate) fn stamp(&self) -> Time {
        stamp(self.now_nanos())
    }

    /// Takes a tick of `/clock`; says whether time jumped.
    pub(crate) fn tick(&self, time: &Time) -> Option<Jump> {
        let nanos = i64::from(time.sec) * SECOND + i64::from(time.nanosec);
        let before = self.simulated.swap(nanos, Ordering::AcqRel);
        self.ticks.fetch_add(1, Ordering::Relaxed);
        let step = nanos.saturating_sub(before);
        let jump = match step {
            _ if before == 0 => None,
            ..0 => Some(Jump::Back(-step)),
            FORWARD_JUMP.. => Some(Jump::Forward(step)),
            _ => None,
        };
        if jump.is_some() {
            self.note_jump();
        }
        jump
    }

    pub(crate) fn note_jump(&self) {
        self.jumps.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a message on `/clock` that does not decode, or whose time is none.
    pub(crate) fn refuse(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    pub(crate) fn ticks(&self) -> u64 {
        self.ticks.load(Ordering::Relaxed)
    }

    pub(crate) fn jumps(&self) -> u64 {
        self.jumps.load(Ordering::Relaxed)
    }
}

/// Nanoseconds as a stamp; what does not fit is cut to what does.
pub(crate) fn stamp(nanos: i64) -> Time {
    let sec = i32::try_from(nanos.div_euclid(SECOND)).unwrap_or(if nanos < 0 { i32::MIN } else { i32::MAX });
    Time { sec, nanosec: u32::try_from(nanos.rem_euclid(SECOND)).unwrap_or(0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t4_t5_jumps_of_the_clock_are_noticed() {
        let time = RosTime::default();
        time.simulate(true);
        assert!(!time.is_known());
        assert_eq!(time.tick(&stamp(100 * SECOND)), None, "the first tick is no jump");
        assert_eq!(time.tick(&stamp(100 * SECOND + SECOND / 10)), None);
        assert_eq!(time.tick(&stamp(3700 * SECOND)), Some(Jump::Forward(3600 * SECOND - SECOND / 10)));
        assert_eq!(time.tick(&stamp(10 * SECOND)), Some(Jump::Back(3690 * SECOND)));
        assert_eq!((time.jumps(), time.now_nanos()), (2, 10 * SECOND));
    }

    #[test]
    fn simulated_time_starts_anew_when_switched_on() {
        let time = RosTime::default();
        assert!(time.is_known() && time.now_nanos() > 0);
        time.simulate(true);
        time.tick(&stamp(5));
        time.simulate(false);
        time.simulate(true);
        assert!(!time.is_known());
    }

    #[test]
    fn stamps_hold_any_time() {
        assert_eq!(stamp(-1), Time { sec: -1, nanosec: 999_999_999 });
        assert_eq!(stamp(i64::MAX).sec, i32::MAX);
        assert_eq!(stamp(1_500_000_000), Time { sec: 1, nanosec: 500_000_000 });
    }
}
