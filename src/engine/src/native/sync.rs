//! What the team's threads are made of, and which processor one runs on.
//!
//! `fuzz/team_model` compiles `team.rs` with loom's threads in place of these, and tries every order of theirs.

pub(super) use std::hint::spin_loop;
pub(super) use std::sync::atomic::{AtomicU8, Ordering};
pub(super) use std::sync::{Arc, Mutex, MutexGuard};
pub(super) use std::thread::{Builder, JoinHandle, Thread, current, park, yield_now};
use std::time::{Duration, Instant};

pub(super) use thalweg_task::lock;

/// Measures how long a thread has waited, or worked.
pub(super) struct Stopwatch(Instant);

impl Stopwatch {
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    /// Whether a thread that waits may stay awake for this long.
    pub(super) fn is_within(&self, time: Duration) -> bool {
        self.elapsed() < time
    }
}

/// The processor that the calling thread runs on; none where the system does not tell.
pub(super) fn current_processor() -> Option<usize> {
    #[cfg(target_os = "linux")]
    return Some(rustix::thread::sched_getcpu());
    #[cfg(not(target_os = "linux"))]
    None
}

/// Moves the calling thread off the processor of another one, if it may run elsewhere.
///
/// Linux wakes a thread where it was, or beside the one who wakes it; kernels that are not told which processors share a
/// cache do not look for an idle one then (seen in a virtual machine). Two threads on one processor take turns for good, for
/// each sleeps too often to be moved later: steps of 53 microseconds took 158.
pub(super) fn leave_processor(other: Option<usize>) {
    #[cfg(target_os = "linux")]
    if let Some(other) = other.filter(|other| current_processor() == Some(*other))
        && let Ok(allowed) = rustix::thread::sched_getaffinity(None)
    {
        let mut elsewhere = allowed;
        elsewhere.unset(other);
        // Where there is no other processor this is an error, and nothing changes.
        if rustix::thread::sched_setaffinity(None, &elsewhere).is_ok() {
            // It is there; from now on it may be anywhere again. The same set was accepted before.
            rustix::thread::sched_setaffinity(None, &allowed).unwrap_or_default();
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = other;
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::thread::sched_getaffinity;

    use super::*;

    #[test]
    fn a_thread_leaves_the_processor_of_another_and_may_come_back() {
        let allowed = sched_getaffinity(None).expect("it is known");
        // Whoever has moved may be moved back at any time.
        let has_moved = (0..100).any(|_| {
            let before = current_processor();
            leave_processor(before);
            current_processor() != before
        });
        assert_eq!(has_moved, allowed.count() > 1);
        let after = sched_getaffinity(None).expect("it is known");
        assert!(after == allowed, "a thread may run where it could before");
    }

    #[test]
    fn a_thread_stays_where_the_other_is_not() {
        leave_processor(None);
        leave_processor(current_processor().map(|processor| processor + 1));
    }
}
