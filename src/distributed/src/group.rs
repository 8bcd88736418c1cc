//! A process group whose failures have a name: which rank is gone, late, or has ended with an error.

use std::cell::{Cell, RefCell};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tch::Tensor;
use thalweg_nn::{Collectives, NnError, Ranks, Result};

use crate::ffi::{Answer, Failure, Operation, Shim};
use crate::{Rendezvous, RendezvousError};

/// How long a collective is waited for before it is asked whether another rank has met a failure.
const SLICE: Duration = Duration::from_millis(250);
/// How long an answer of the store may take at most, and ranks that are alive to say so once there was a failure, for which
/// they look every 250 ms. A guess.
const GRACE: Duration = Duration::from_secs(3);
/// Parts of the timeout that one grace takes where it is short, and that are kept for finding out who is to blame.
const GRACE_SHARE: u32 = 8;
const KEPT: u32 = 3;
/// Between two looks at the store.
const LOOK: Duration = Duration::from_millis(50);

/// Ranks that are connected through libtorch.
#[derive(Debug)]
pub struct ProcessGroup {
    shim: RefCell<Shim>,
    place: Rendezvous,
    timeout: Duration,
    /// See [`GRACE`].
    grace: Duration,
    /// When [`Collectives::busy`] was last asked, and how long was waited since.
    asked: Cell<Instant>,
    waited: Cell<Duration>,
}

/// Meets the other processes; each waits until all have come, at most for `timeout`. Later, no rank waits longer than that
/// for another one.
///
/// A training of one process has nobody to meet.
///
/// # Errors
/// [`RendezvousError::Join`], [`RendezvousError::Missing`].
pub fn join(place: &Rendezvous, timeout: Duration) -> std::result::Result<Ranks, RendezvousError> {
    if place.size == 1 {
        return Ok(Ranks::alone());
    }
    Ok(Ranks::of(Box::new(ProcessGroup::join(place, timeout)?)))
}

impl ProcessGroup {
    /// Meets the other processes, as [`join`].
    ///
    /// # Errors
    /// As there.
    pub fn join(place: &Rendezvous, timeout: Duration) -> std::result::Result<Self, RendezvousError> {
        let (rank, size, at) = (place.rank, place.size, place.at());
        let refuse = |why: String| RendezvousError::Join { rank, size, at: at.clone(), why };
        let begun = Instant::now();
        // Whoever comes again, after a restart, meets none of the notes of before.
        let prefix = format!("thalweg/{}", place.restart);
        let grace = GRACE.min(timeout / GRACE_SHARE);
        let refuse = |failure: Failure| refuse(failure.why);
        let mut shim = Shim::open(place, &prefix, timeout - grace * KEPT, grace).map_err(refuse)?;
        shim.note(&format!("joined/{rank}"), "").map_err(refuse)?;
        let missing = wait_for(&shim, "joined", size, begun + timeout).map_err(refuse)?;
        if !missing.is_empty() {
            let verb = if missing.len() == 1 { "has" } else { "have" };
            let missing = format!("{} {verb}", named(&missing));
            return Err(RendezvousError::Missing { rank, size, missing, at, seconds: timeout.as_secs() });
        }
        if let Err(why) = shim.connect() {
            shim.has_failed = true;
            return Err(refuse(why));
        }
        let (asked, waited) = (Cell::new(Instant::now()), Cell::default());
        Ok(Self { shim: RefCell::new(shim), place: place.clone(), timeout, grace, asked, waited })
    }

    /// Does a collective, together with all others.
    fn run(&self, operation: Operation, input: &Tensor, output: Option<&Tensor>) -> Result<()> {
        let begun = Instant::now();
        let deadline = begun + self.timeout - self.grace * KEPT;
        let done = self.shim.borrow().begin(operation, input, output).map_err(|failure| failure.why);
        let done = done.and_then(|()| self.finish(deadline));
        self.waited.set(self.waited.get() + begun.elapsed());
        done.map_err(|why| self.lost(&why))
    }

    /// Waits for what was begun, in slices: libtorch notices a lost connection to a neighbour only, and no rank that was
    /// stopped.
    fn finish(&self, deadline: Instant) -> std::result::Result<(), String> {
        let shim = self.shim.borrow();
        loop {
            if shim.wait(SLICE).map_err(|failure| failure.why)? {
                return Ok(());
            }
            match shim.look("failure") {
                Ok(Some(told)) => return Err(told),
                // A store that is late has until the deadline, as ranks have.
                Ok(None) | Err(Failure { is_late: true, .. }) => {}
                Err(failure) => return Err(failure.why),
            }
            if Instant::now() >= deadline {
                return Err(format!("no answer within {} s (--timeout)", self.timeout.as_secs()));
            }
        }
    }

    /// Finds out which rank is to blame; tells the others, so that all end and all know.
    fn lost(&self, why: &str) -> NnError {
        self.shim.borrow_mut().has_failed = true;
        let shim = self.shim.borrow();
        let (rank, size) = (self.place.rank, self.place.size);
        let own = shim.begun();
        let told = shim.look("failure").ok().flatten();
        let noted = shim.note(&format!("here/{rank}"), &own.to_string());
        // The first failure counts; those after it may be its consequences.
        let noted = if told.is_none() { noted.and_then(|()| shim.note("failure", why)) } else { noted };
        let missing = noted.and_then(|()| wait_for(&shim, "here", size, Instant::now() + self.grace));
        let Ok(missing) = missing else { return self.without_store(why) };
        let parting = |rank: usize| shim.look(&format!("parting/{rank}")).ok().flatten().map(|said| (rank, said));
        let parted: Vec<(usize, String)> = (0..size).filter_map(parting).collect();
        let error = if let Some((rank, said)) = parted.first() {
            NnError::LostRank { who: format!("rank {rank} has ended"), why: said.clone() }
        } else if missing.is_empty() {
            self.late(&shim, own, told.as_deref().unwrap_or(why))
        } else {
            let who = format!("{} ended or cannot be reached", named(&missing));
            NnError::LostRank { who, why: told.unwrap_or_else(|| why.to_owned()) }
        };
        let is_silent = |rank: &usize| missing.contains(rank) || parted.iter().any(|(parted, _)| parted == rank);
        self.see_off(&shim, &(0..size).filter(|rank| !is_silent(rank)).collect::<Vec<_>>());
        error
    }

    /// All are alive: those that have begun fewer collectives than the others have not come in time.
    fn late(&self, shim: &Shim, own: u64, why: &str) -> NnError {
        let begun = |rank: usize| shim.look(&format!("here/{rank}")).ok().flatten().and_then(|said| said.parse().ok());
        let begun: Vec<u64> = (0..self.place.size).map(|rank| begun(rank).unwrap_or(own)).collect();
        let most = begun.iter().copied().max().unwrap_or(own);
        let late: Vec<usize> = (0..begun.len()).filter(|rank| begun[*rank] < most).collect();
        if late.is_empty() {
            return NnError::LostRank { who: "the network between ranks failed".to_owned(), why: why.to_owned() };
        }
        let who = format!("{} did not come to where the others wait", named(&late));
        NnError::LostRank { who, why: why.to_owned() }
    }

    /// The store does not answer: its holder is gone.
    fn without_store(&self, why: &str) -> NnError {
        let holder = if self.place.agent_holds_store { "torchrun" } else { "rank 0" };
        let who = format!("{holder}, where all ranks meet ({}), ended or cannot be reached", self.place.at());
        NnError::LostRank { who, why: why.to_owned() }
    }

    /// Who holds the store stays until those that are alive have read who is to blame.
    fn see_off(&self, shim: &Shim, alive: &[usize]) {
        if shim.note(&format!("seen/{}", self.place.rank), "").is_err() || !self.place.holds_store() {
            return;
        }
        let deadline = Instant::now() + self.grace;
        let is_seen = |rank: &usize| matches!(shim.look(&format!("seen/{rank}")), Ok(Some(_)));
        while !alive.iter().all(is_seen) && Instant::now() < deadline {
            sleep(LOOK);
        }
    }
}

impl Collectives for ProcessGroup {
    fn rank(&self) -> usize {
        self.place.rank
    }

    fn size(&self) -> usize {
        self.place.size
    }

    fn local_rank(&self) -> usize {
        self.place.local_rank
    }

    fn sum(&self, tensor: &Tensor) -> Result<()> {
        self.run(Operation::Sum, tensor, None)
    }

    fn broadcast(&self, tensor: &Tensor, from: usize) -> Result<()> {
        self.run(Operation::Broadcast { from }, tensor, None)
    }

    fn gather(&self, tensor: &Tensor) -> Result<Tensor> {
        let size: Vec<i64> = std::iter::once(self.place.size as i64).chain(tensor.size()).collect();
        let all = Tensor::zeros(size.as_slice(), (tensor.kind(), tensor.device()));
        self.run(Operation::Gather, tensor, Some(&all))?;
        Ok(all)
    }

    fn busy(&self) -> f64 {
        let busy = self.asked.replace(Instant::now()).elapsed().saturating_sub(self.waited.take());
        busy.as_secs_f64()
    }

    fn part(&self, why: &str) {
        let rank = self.place.rank;
        let shim = self.shim.borrow();
        // Where the others are already gone, nobody reads it, and what is to be said was said.
        if shim.has_failed || shim.note(&format!("parting/{rank}"), why).is_err() {
            return;
        }
        let told = shim.note("failure", &format!("rank {rank} has ended: {why}"));
        let told = told.and_then(|()| wait_for(&shim, "here", self.place.size, Instant::now() + self.grace));
        if let Ok(missing) = told {
            let alive = (0..self.place.size).filter(|other| *other != rank && !missing.contains(other));
            self.see_off(&shim, &alive.collect::<Vec<_>>());
        }
        drop(shim);
        self.shim.borrow_mut().has_failed = true;
    }

    fn leave(&self) {
        let shim = self.shim.borrow();
        let noted = shim.note(&format!("left/{}", self.place.rank), "");
        // Whoever is still sending must not find its peer gone; and when the store is gone, its holder has seen all leave.
        if noted.is_ok() && wait_for(&shim, "left", self.place.size, Instant::now() + self.grace).is_err() {
            return;
        }
        self.see_off(&shim, &(0..self.place.size).collect::<Vec<_>>());
    }
}

/// Waits until all ranks have written `what/RANK`; gives those that have not.
fn wait_for(shim: &Shim, what: &str, size: usize, deadline: Instant) -> Answer<Vec<usize>> {
    let mut missing: Vec<usize> = (0..size).collect();
    loop {
        let mut still = Vec::new();
        for rank in missing {
            if shim.look(&format!("{what}/{rank}"))?.is_none() {
                still.push(rank);
            }
        }
        if still.is_empty() || Instant::now() >= deadline {
            return Ok(still);
        }
        missing = still;
        sleep(LOOK);
    }
}

fn named(ranks: &[usize]) -> String {
    let names: Vec<String> = ranks.iter().map(ToString::to_string).collect();
    format!("{} {}", if ranks.len() == 1 { "rank" } else { "ranks" }, names.join(", "))
}
