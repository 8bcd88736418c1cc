//! What the engine thread has done: since it started, and since the last report.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use thalweg_engine::Statistics;
use thalweg_engine::time::Suspect;
use thalweg_task::Root;

use crate::intake::Person;

/// Counts of one stretch of time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Stretch {
    solves: u64,
    steps: u64,
    sum_us: f64,
    sum_squares: f64,
    max_us: f64,
    overruns: u64,
    age_max: Duration,
}

/// Where a body stands, and what is odd about the points that say so.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stand {
    /// Where it stands, how it is turned, how large it is.
    pub root: Root,
    /// Whether left and right seem swapped: the mirror image of the points has fitted stored poses better for a while.
    pub is_mirrored: bool,
}

/// Notes of the engine thread, read by diagnostics.
#[derive(Clone, Debug, Default)]
pub struct SolveCounts {
    recent: Stretch,
    solves: u64,
    overruns: u64,
    diverged: u64,
    refusals: u64,
    last_refusal: Option<String>,
    failures: u64,
    last_failure: Option<String>,
    root: Option<Stand>,
    /// Where people stand, by their arrival, where they are told apart.
    roots: BTreeMap<u64, (Person, Stand)>,
    /// How many people something is kept of.
    people: usize,
    /// When the solve began that has not ended.
    begun: Option<Instant>,
    suspects: Option<Vec<Suspect>>,
    gpu_trouble: Option<String>,
}

/// The notes since the last report, and totals.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SolveReport {
    /// Solves since the start.
    pub solves: u64,
    /// Solves since the last report.
    pub recent_solves: u64,
    /// Mean number of steps of those.
    pub steps_mean: f64,
    /// Mean time of those, microseconds.
    pub mean_us: f64,
    /// Longest time of those, microseconds.
    pub max_us: f64,
    /// Standard deviation of those, microseconds.
    pub sigma_us: f64,
    /// How many of those took longer than the deadline.
    pub recent_overruns: u64,
    /// Solves since the start that took longer than the deadline.
    pub overruns: u64,
    /// Greatest age of the newest datum when its answer was ready, of those.
    pub age_max: Duration,
    /// Hypotheses replaced since the start, because they were not finite.
    pub diverged: u64,
    /// Observations since the start that could not be solved, though others can: nothing of them was finite, or they
    /// are none that the task reads.
    pub refusals: u64,
    /// Why the last one since the last report could not.
    pub last_refusal: Option<String>,
    /// Observations since the start at which the task failed.
    pub failures: u64,
    /// Why the last one since the last report could not.
    pub last_failure: Option<String>,
    /// Where the best hypothesis of the last solve stands; none where the task does not find that out.
    pub root: Option<Stand>,
    /// The same of each person, in the order in which they came, where people are told apart.
    pub roots: Vec<(Person, Stand)>,
    /// How many people something is kept of by the engine thread.
    pub people: usize,
    /// For how long the present solve has been going on; zero between two solves.
    pub solving: Duration,
    /// Joints that lie, the most surprising first; none where nobody watches.
    pub suspects: Option<Vec<Suspect>>,
    /// Why a GPU that was asked for is not used, or not any more.
    pub gpu_trouble: Option<String>,
}

impl SolveCounts {
    /// Notes which joints lie.
    pub fn suspects(&mut self, suspects: Vec<Suspect>) {
        self.suspects = Some(suspects);
    }

    /// Notes why a GPU is not used, or that nothing stands in its way; tells whether that is news.
    pub fn gpu(&mut self, trouble: Option<String>) -> bool {
        let is_news = trouble.is_some() && self.gpu_trouble != trouble;
        self.gpu_trouble = trouble;
        is_news
    }

    /// Notes where the best hypothesis of a solve stands, and of whom it is where people are told apart.
    pub fn stands(&mut self, person: Option<&Person>, root: Option<Stand>) {
        match (person, root) {
            (Some(person), Some(root)) => drop(self.roots.insert(person.arrival, (person.clone(), root))),
            (None, root) => self.root = root,
            (Some(_), None) => {}
        }
    }

    /// Notes who is there, by their arrivals.
    pub fn attend(&mut self, there: &[u64]) {
        self.roots.retain(|arrival, _| there.contains(arrival));
    }

    /// Notes of how many people something is kept.
    pub fn keeps(&mut self, people: usize) {
        self.people = people;
    }

    /// Notes that a solve begins.
    pub fn begins(&mut self) {
        self.begun = Some(Instant::now());
    }

    /// Notes that it has ended, whatever came of it.
    pub fn ends(&mut self) {
        self.begun = None;
    }

    /// Notes a solve and how old its data were when the answer was ready.
    pub fn solved(&mut self, statistics: Statistics, took: Duration, deadline: Option<Duration>, age: Duration) {
        let micros = took.as_secs_f64() * 1e6;
        let overrun = u64::from(deadline.is_some_and(|deadline| took > deadline));
        let recent = &mut self.recent;
        recent.solves += 1;
        recent.steps += u64::from(statistics.steps);
        recent.sum_us += micros;
        recent.sum_squares += micros * micros;
        recent.max_us = recent.max_us.max(micros);
        recent.overruns += overrun;
        recent.age_max = recent.age_max.max(age);
        self.solves += 1;
        self.overruns += overrun;
        self.diverged += u64::from(statistics.diverged);
    }

    /// Notes an observation that cannot be solved.
    pub fn refused(&mut self, why: String) {
        self.refusals += 1;
        self.last_refusal = Some(why);
    }

    /// Notes an observation at which the task failed.
    pub fn failed(&mut self, why: String) {
        self.failures += 1;
        self.last_failure = Some(why);
    }

    /// Tells everything, and begins a new stretch.
    pub fn report(&mut self) -> SolveReport {
        let recent = std::mem::take(&mut self.recent);
        let count = recent.solves.max(1) as f64;
        let mean_us = recent.sum_us / count;
        SolveReport {
            solves: self.solves,
            recent_solves: recent.solves,
            steps_mean: recent.steps as f64 / count,
            mean_us,
            max_us: recent.max_us,
            sigma_us: (recent.sum_squares / count - mean_us * mean_us).max(0.0).sqrt(),
            recent_overruns: recent.overruns,
            overruns: self.overruns,
            age_max: recent.age_max,
            diverged: self.diverged,
            refusals: self.refusals,
            last_refusal: self.last_refusal.take(),
            failures: self.failures,
            last_failure: self.last_failure.take(),
            root: self.root,
            roots: self.roots.values().cloned().collect(),
            people: self.people,
            solving: self.begun.map(|begun| begun.elapsed()).unwrap_or_default(),
            suspects: self.suspects.clone(),
            gpu_trouble: self.gpu_trouble.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_a_stretch_and_totals() {
        let mut counts = SolveCounts::default();
        let steps = |steps| Statistics { steps, ..Statistics::default() };
        let deadline = Some(Duration::from_micros(250));
        counts.solved(steps(4), Duration::from_micros(100), deadline, Duration::from_millis(1));
        counts.solved(steps(8), Duration::from_micros(300), deadline, Duration::from_millis(3));
        counts.refused("no finite loss".to_owned());
        counts.failed("out of memory".to_owned());
        let report = counts.report();
        assert_eq!((report.solves, report.recent_overruns), (2, 1));
        assert_eq!((report.refusals, report.last_refusal.as_deref()), (1, Some("no finite loss")));
        assert_eq!((report.mean_us, report.max_us, report.sigma_us), (200.0, 300.0, 100.0));
        assert_eq!((report.steps_mean, report.age_max), (6.0, Duration::from_millis(3)));
        assert_eq!((report.failures, report.last_failure.as_deref()), (1, Some("out of memory")));
        counts.begins();
        std::thread::sleep(Duration::from_millis(2));
        assert!(counts.report().solving >= Duration::from_millis(2));
        counts.ends();
        let quiet = counts.report();
        assert_eq!(quiet.solving, Duration::ZERO);
        assert_eq!((quiet.solves, quiet.recent_solves, quiet.overruns), (2, 0, 1));
        assert_eq!((quiet.refusals, quiet.last_refusal, quiet.failures, quiet.last_failure), (1, None, 1, None));
    }
}
