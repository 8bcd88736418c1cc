//! A few threads that work on parts of a step, and sleep in between.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use super::sync::{
    Arc, AtomicU8, Builder, JoinHandle, Mutex, MutexGuard, Ordering, Stopwatch, Thread, current, current_processor,
    leave_processor, lock, park, spin_loop, yield_now,
};

/// How long a thread waits for its next job before it sleeps: about as long as a sleeper takes to wake up. The next step
/// of a solve comes sooner; between two solves all sleep. More would only be lost where the cores are busy.
const SPIN_TIME: Duration = Duration::from_micros(20);
/// How long the caller waits for the others before it sleeps, in times of its own part: one who sleeps may be woken on the
/// processor of who wakes it, and then both are in each other's way ([`leave_processor`]).
const CALLER_SPIN: u32 = 3;
/// Rounds of waiting before others may have the processor: a thread that was woken here has to run before it can leave.
const SPINS_BEFORE_YIELD: u32 = 20;

/// What a thread is asked for.
const NOTHING: u8 = 0;
const WORK: u8 = 1;
const END: u8 = 2;
/// It has begun what it was asked for.
const BUSY: u8 = 3;

/// Threads that belong to one engine, and take jobs of the kind `J`.
///
/// A job is handed over and back, so that nothing is shared, and nothing allocated, while working.
#[derive(Debug)]
pub(crate) struct Team<J> {
    workers: Vec<(Arc<Worker<J>>, JoinHandle<()>)>,
}

/// One thread, as others see it.
#[derive(Debug)]
struct Worker<J> {
    /// What is asked for: from [`WORK`] whoever is first claims it, the thread by [`BUSY`] or the caller by [`NOTHING`];
    /// [`NOTHING`] once it is done.
    order: AtomicU8,
    slot: Mutex<JobSlot<J>>,
}

/// A job on its way to a thread and back.
#[derive(Debug)]
struct JobSlot<J> {
    job: Option<J>,
    work: Option<fn(&mut J)>,
    /// Who waits.
    caller: Option<Thread>,
    /// The processor that it runs on.
    processor: Option<usize>,
    panic: Option<Box<dyn Any + Send>>,
}

impl<J> JobSlot<J> {
    /// Does the job; a panic is kept.
    fn work(&mut self) {
        if let Self { job: Some(job), work: Some(work), panic, .. } = self {
            *panic = catch_unwind(AssertUnwindSafe(|| work(job))).err();
        }
    }
}

impl<J> Worker<J> {
    /// A panic leaves nothing half done in a slot: it is caught before.
    fn slot(&self) -> MutexGuard<'_, JobSlot<J>> {
        lock(&self.slot)
    }

    /// Waits until what is asked for is as wanted; sleeps after a time without.
    fn wait(&self, spin_time: Duration, wanted: impl Fn(u8) -> bool) -> u8 {
        let begin = Stopwatch::start();
        while begin.is_within(spin_time) {
            for _ in 0..SPINS_BEFORE_YIELD {
                let order = self.order.load(Ordering::Acquire);
                if wanted(order) {
                    return order;
                }
                spin_loop();
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

    /// Whether what is asked for becomes this claim: nobody else has claimed it before.
    fn claim(&self, claim: u8) -> bool {
        self.order.compare_exchange(WORK, claim, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Does here what its thread has not begun.
    fn claim_and_work(&self) {
        if self.claim(NOTHING) {
            self.slot().work();
        }
    }

    /// What its thread does until it is told to end.
    fn run(&self) {
        while self.wait(SPIN_TIME, |order| order != NOTHING) != END {
            if !self.claim(BUSY) {
                continue;
            }
            let mut slot = self.slot();
            leave_processor(slot.processor);
            slot.work();
            let caller = slot.caller.take();
            drop(slot);
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
    pub(super) fn new(size: usize) -> io::Result<Self> {
        let mut team = Self { workers: Vec::new() };
        for index in 1..size {
            let slot = Mutex::new(JobSlot { job: None, work: None, caller: None, processor: None, panic: None });
            let worker = Arc::new(Worker { order: AtomicU8::new(NOTHING), slot });
            let mine = Arc::clone(&worker);
            let thread = Builder::new().name(format!("fused-{index}")).spawn(move || mine.run())?;
            team.workers.push((worker, thread));
        }
        Ok(team)
    }

    /// How many jobs can be done at once.
    pub(super) fn size(&self) -> usize {
        self.workers.len() + 1
    }

    /// Works on each job, the first one here and each other one on a thread of its own, or here, where that thread has not
    /// begun it when the one before is done: on a busy machine a thread that is woken may wait longer for a processor than
    /// the job takes. There may be as many jobs as [`Team::size`]. A panic of any is passed on, when all have ended.
    pub(super) fn each(&self, jobs: &mut Vec<J>, work: fn(&mut J)) {
        debug_assert!(jobs.len() <= self.size(), "more jobs than threads");
        let (busy, processor) = (jobs.len().saturating_sub(1), current_processor());
        for (job, (worker, thread)) in jobs.drain(jobs.len().min(1)..).zip(&self.workers) {
            *worker.slot() =
                JobSlot { job: Some(job), work: Some(work), caller: Some(current()), processor, panic: None };
            worker.order.store(WORK, Ordering::Release);
            thread.thread().unpark();
        }
        let begin = Stopwatch::start();
        let mut panic = catch_unwind(AssertUnwindSafe(|| jobs.iter_mut().for_each(work))).err();
        let spin_time = SPIN_TIME.max(CALLER_SPIN * begin.elapsed());
        // First what nobody has begun, then the wait for the others.
        self.workers[..busy].iter().for_each(|(worker, _)| worker.claim_and_work());
        for (worker, _) in &self.workers[..busy] {
            worker.wait(spin_time, |order| order == NOTHING);
            let mut slot = worker.slot();
            jobs.extend(slot.job.take());
            panic = panic.or_else(|| slot.panic.take());
        }
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }
}

impl<J> Drop for Team<J> {
    fn drop(&mut self) {
        for (worker, thread) in &self.workers {
            worker.order.store(END, Ordering::Release);
            thread.thread().unpark();
        }
        for (_, thread) in self.workers.drain(..) {
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
    #[allow(clippy::disallowed_methods, reason = "a thread that ends at once stands for one that is gone")]
    fn what_no_thread_has_begun_is_done_by_the_caller() {
        let mut team = Team::new(3).expect("two threads");
        // Threads that never get a processor: they are gone.
        for (worker, thread) in &mut team.workers {
            worker.order.store(END, Ordering::Release);
            thread.thread().unpark();
            std::mem::replace(thread, std::thread::spawn(|| {})).join().expect("it ends");
        }
        let mut names = vec![String::new(); 3];
        team.each(&mut names, |name| *name = current().name().unwrap_or_default().to_owned());
        assert!(names.iter().all(|name| *name == names[0] && !name.starts_with("fused")), "{names:?}");
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "the test gives the other thread time")]
    fn threads_take_part_when_they_can() {
        let team = Team::new(2).expect("a thread");
        let here = current().id();
        let mut jobs = vec![(here, true); 2];
        let work: fn(&mut (std::thread::ThreadId, bool)) = |job| {
            *job = (current().id(), true);
            std::thread::sleep(Duration::from_millis(200));
        };
        for _ in 0..50 {
            team.each(&mut jobs, work);
            if jobs[1].0 != here {
                return;
            }
        }
        panic!("the thread never had a processor in ten seconds");
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
