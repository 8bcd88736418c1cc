//! Several ranks on loopback: what they compute together, and what they say of one that is gone.
//!
//! Ranks are threads here, each with a process group of its own; `src/cli/tests` has processes.
#![allow(clippy::unwrap_used, reason = "a test")]

mod agreement;
mod collectives;
mod faults;

use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use thalweg_distributed::{Rendezvous, join};
use thalweg_nn::Ranks;

/// Waits longer than any rank computes here.
const PATIENCE: Duration = Duration::from_secs(60);

fn places(size: usize) -> Vec<Rendezvous> {
    // Free a moment ago; ranks come at once.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let place = |rank| Rendezvous {
        rank,
        size,
        local_rank: rank,
        address: "127.0.0.1".to_owned(),
        port,
        agent_holds_store: false,
        restart: 0,
    };
    (0..size).map(place).collect()
}

/// Runs one function on each of `size` ranks; gives what each came to.
fn together<T: Send>(size: usize, timeout: Duration, work: impl Fn(&Ranks) -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let work = &work;
        let ranks: Vec<_> = places(size)
            .into_iter()
            .map(|place| {
                scope.spawn(move || {
                    let ranks = join(&place, timeout).unwrap();
                    let result = work(&ranks);
                    ranks.leave();
                    result
                })
            })
            .collect();
        ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
    })
}
