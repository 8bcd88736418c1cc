//! The engine's team of threads, `src/engine/src/native/team.rs` as it stands, on loom's threads in place of the
//! system's: each function runs under every order in which they may come, and every value that weak memory allows, and
//! panics where one of them goes wrong. `tests/orders.rs` calls them: the team's own tests stay out of it that way.

use std::panic::{AssertUnwindSafe, catch_unwind};

use loom::model::Builder;

/// Loom's in place of the standard library's, as `src/engine/src/native/sync.rs` has them.
mod sync {
    pub(super) use loom::hint::spin_loop;
    pub(super) use loom::sync::atomic::{AtomicU8, Ordering};
    pub(super) use loom::sync::{Arc, Mutex, MutexGuard};
    pub(super) use loom::thread::{Builder, JoinHandle, Thread, current, park, yield_now};
    use std::time::Duration;

    pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// There is no time here: nobody waits awake, for that is an order of threads like any other.
    pub(super) struct Stopwatch;

    impl Stopwatch {
        pub(super) fn start() -> Self {
            Self
        }

        pub(super) fn elapsed(&self) -> Duration {
            Duration::ZERO
        }

        pub(super) fn is_within(&self, _: Duration) -> bool {
            false
        }
    }

    /// There are no processors either.
    pub(super) fn current_processor() -> Option<usize> {
        None
    }

    pub(super) fn leave_processor(_: Option<usize>) {}
}

#[allow(dead_code, reason = "what the engine uses and these tests do not")]
#[path = "../../../src/engine/src/native/team.rs"]
mod team;

use team::Team;

/// Tries every order in which a thread is interrupted at most so often: bugs need few interruptions.
fn model(preemptions: usize, run: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(run);
}

/// Jobs come back in their order, again and again.
pub fn two_rounds_of_two_threads() {
    model(3, || {
        let team = Team::new(2).expect("a thread");
        let mut jobs = vec![1, 10];
        for round in 1..=2 {
            team.each(&mut jobs, |job| *job += 1);
            assert_eq!(jobs, [1 + round, 10 + round]);
        }
    });
}

/// Each thread has its own job.
pub fn a_round_of_three_threads() {
    model(2, || {
        let team = Team::new(3).expect("two threads");
        let mut jobs = vec![1, 10, 100];
        team.each(&mut jobs, |job| *job *= 2);
        assert_eq!(jobs, [2, 20, 200]);
    });
}

/// A panic comes out, and no job is lost.
pub fn a_panic_in_either_thread_is_passed_on() {
    for bad in [0, 1] {
        model(2, move || {
            let team = Team::new(2).expect("a thread");
            let mut jobs = vec![0, 0];
            jobs[bad] = 7;
            let work: fn(&mut i32) = |job| assert_ne!(*job, 7, "as asked");
            let caught = catch_unwind(AssertUnwindSafe(|| team.each(&mut jobs, work)));
            assert!(caught.is_err() && jobs.len() == 2, "{bad}: {jobs:?}");
        });
    }
}

/// A thread that never worked is told to end.
pub fn a_team_without_work_ends() {
    model(3, || drop(Team::<u8>::new(2).expect("a thread")));
}
