//! A few threads that work on parts of a step, and sleep in between.

mod seat;

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{Builder, JoinHandle, Thread, current, park, yield_now};
use std::time::{Duration, Instant};
use thalweg_task::lock;

use seat::{leave, seat};

/// How long a thread waits for its next job before it sleeps: about as long as a sleeper takes to wake up. The next step
/// of a solve comes sooner; between two solves all sleep. More would only be lost where the cores are busy.
const PATIENCE: Duration = Duration::from_micros(20);
/// How long the caller waits for the others before it sleeps, in times of its own part: one who sleeps may be woken on the
/// processor of who wakes it, and then both are in each other's way ([`leave`]).
const FORBEARANCE: u32 = 3;
/// Rounds of waiting before others may have the processor: a thread that was woken here has to run before it can leave.
const ROUNDS: u32 = 20;

/// What a thread is asked for.
const NOTHING: u8 = 0;
const WORK: u8 = 1;
const END: u8 = 2;

/// Threads that belong to one engine, and take jobs of the kind `J`.
///
/// A job is handed over and back, so that nothing is shared, and nothing allocated, while working.
#[derive(Debug)]
pub(crate) struct Team<J> {
    desks: Vec<(Arc<Desk<J>>, JoinHandle<()>)>,
}

/// Where one thread gets its job.
#[derive(Debug)]
struct Desk<J> {
    /// What is asked for; [`NOTHING`] once it is done.
    order: AtomicU8,
    tray: Mutex<Tray<J>>,
}

#[derive(Debug)]
struct Tray<J> {
    job: Option<J>,
    work: Option<fn(&mut J)>,
    /// Who waits.
    caller: Option<Thread>,
    /// The processor of who waits.
    seat: Option<usize>,
    panic: Option<Box<dyn Any + Send>>,
}

impl<J> Desk<J> {
    /// A panic leaves nothing half done in a tray: it is caught before.
    fn tray(&self) -> MutexGuard<'_, Tray<J>> {
        lock(&self.tray)
    }

    /// Waits until what is asked for is as wanted; sleeps after a time without.
    fn wait(&self, patience: Duration, wanted: impl Fn(u8) -> bool) -> u8 {
        let begin = Instant::now();
        while begin.elapsed() < patience {
            for _ in 0..ROUNDS {
                let order = self.order.load(Ordering::Acquire);
                if wanted(order) {
                    return order;
                }
                std::hint::spin_loop();
            }
            yield_now();
        }
        loop {
            let order = self.order.load(Ordering::Acquire);
            if wanted(order) {
                return order;
            }
            park();
        }
    }

    /// What its thread does until it is told to end.
    fn sit(&self) {
        while self.wait(PATIENCE, |order| order != NOTHING) == WORK {
            let mut tray = self.tray();
            leave(tray.seat);
            if let Tray { job: Some(job), work: Some(work), panic, .. } = &mut *tray {
                *panic = catch_unwind(AssertUnwindSafe(|| work(job))).err();
            }
            let caller = tray.caller.take();
            drop(tray);
            self.order.store(NOTHING, Ordering::Release);
            if let Some(caller) = caller {
                caller.unpark();
            }
        }
    }
}

impl<J: Send + 'static> Team<J> {
    /// Starts threads; `size` counts the one that calls, too.
    ///
    /// # Errors
    /// When the system gives no more threads.
    pub(crate) fn new(size: usize) -> io::Result<Self> {
        let mut team = Self { desks: Vec::new() };
        for index in 1..size {
            let tray = Mutex::new(Tray { job: None, work: None, caller: None, seat: None, panic: None });
            let desk = Arc::new(Desk { order: AtomicU8::new(NOTHING), tray });
            let mine = Arc::clone(&desk);
            let thread = Builder::new().name(format!("fused-{index}")).spawn(move || mine.sit())?;
            team.desks.push((desk, thread));
        }
        Ok(team)
    }

    /// How many jobs can be done at once.
    pub(crate) fn size(&self) -> usize {
        self.desks.len() + 1
    }

    /// Works on each job, the first one here and each other one on a thread of its own; there may be as many as
    /// [`Team::size`]. A panic of any is passed on, when all have ended.
    pub(crate) fn each(&self, jobs: &mut Vec<J>, work: fn(&mut J)) {
        debug_assert!(jobs.len() <= self.size(), "more jobs than threads");
        let (busy, seat) = (jobs.len().saturating_sub(1), seat());
        for (job, (desk, thread)) in jobs.drain(jobs.len().min(1)..).zip(&self.desks) {
            *desk.tray() = Tray { job: Some(job), work: Some(work), caller: Some(current()), seat, panic: None };
            desk.order.store(WORK, Ordering::Release);
            thread.thread().unpark();
        }
        let begin = Instant::now();
        let mut panic = catch_unwind(AssertUnwindSafe(|| jobs.iter_mut().for_each(work))).err();
        let patience = PATIENCE.max(FORBEARANCE * begin.elapsed());
        for (desk, _) in &self.desks[..busy] {
            desk.wait(patience, |order| order == NOTHING);
            let mut tray = desk.tray();
            jobs.extend(tray.job.take());
            panic = panic.or_else(|| tray.panic.take());
        }
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }
}

impl<J> Drop for Team<J> {
    fn drop(&mut self) {
        for (desk, thread) in &self.desks {
            desk.order.store(END, Ordering::Release);
            thread.thread().unpark();
        }
        for (_, thread) in self.desks.drain(..) {
            // It cannot have panicked: work is caught.
            drop(thread.join());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_come_back_in_their_order_again_and_again() {
        let team = Team::new(3).expect("two threads");
        let mut jobs = vec![1, 10, 100];
        for round in 1..200 {
            team.each(&mut jobs, |job| *job += 1);
            assert_eq!(jobs, [1 + round, 10 + round, 100 + round]);
        }
        jobs.truncate(2);
        team.each(&mut jobs, |job| *job = -*job);
        assert_eq!(jobs, [-200, -209]);
        team.each(&mut Vec::new(), |_| panic!("there is nothing to do"));
    }

    #[test]
    fn jobs_run_on_threads_of_their_own() {
        let team = Team::new(3).expect("two threads");
        let mut names = vec![String::new(); 3];
        team.each(&mut names, |name| *name = current().name().unwrap_or_default().to_owned());
        assert_eq!(names[1..], ["fused-1", "fused-2"]);
        assert_ne!(names[0], "fused-1");
    }

    #[test]
    fn a_panic_is_passed_on_and_the_team_goes_on() {
        let team = Team::new(2).expect("a thread");
        for bad in [0, 1] {
            let mut jobs = vec![0, 0];
            jobs[bad] = 7;
            let work: fn(&mut i32) = |job| assert_ne!(*job, 7, "as asked");
            let caught = catch_unwind(AssertUnwindSafe(|| team.each(&mut jobs, work)));
            assert!(caught.is_err() && jobs.len() == 2, "{bad}: {jobs:?}");
        }
        let mut jobs = vec![1, 2];
        team.each(&mut jobs, |job| *job *= 2);
        assert_eq!(jobs, [2, 4]);
    }
}
