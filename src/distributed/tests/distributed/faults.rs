//! Ranks that are gone, late, or never come: the others say which.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use tch::Tensor;
use thalweg_distributed::join;
use thalweg_nn::Ranks;

use super::{PATIENCE, places, together};

/// Waited for in vain, so short; but joining takes ten seconds where no name server answers (see the shim).
const SOON: Duration = Duration::from_secs(20);

fn sum(ranks: &Ranks) -> Result<Tensor, String> {
    ranks.sum(&Tensor::from_slice(&[1.0f32])).map_err(|error| error.to_string())
}

#[test]
fn a_rank_that_does_not_come_in_time_is_named() {
    let told = Barrier::new(3);
    let texts = together(3, SOON, |ranks| {
        drop(sum(ranks).unwrap());
        // Rank 1 is alive, and computes for longer than the others wait.
        let text = if ranks.rank() == 1 { String::new() } else { sum(ranks).unwrap_err() };
        told.wait();
        text
    });
    for rank in [0, 2] {
        assert!(texts[rank].starts_with("rank 1 did not come to where the others wait: "), "{}", texts[rank]);
    }
}

#[test]
fn a_rank_that_ends_with_an_error_says_why() {
    let begun = Instant::now();
    let texts = together(3, PATIENCE, |ranks| {
        drop(sum(ranks).unwrap());
        if ranks.rank() == 2 {
            ranks.part("the disk is full");
            return String::new();
        }
        sum(ranks).unwrap_err()
    });
    for text in &texts[..2] {
        assert_eq!(text, "rank 2 has ended: the disk is full; this rank ends, too");
    }
    assert!(begun.elapsed() < PATIENCE / 2, "nobody waits for it");
}

#[test]
fn ranks_that_never_come_are_named() {
    let places = places(3);
    let texts: Vec<String> = thread::scope(|scope| {
        let come = |place| scope.spawn(move || join(place, SOON).unwrap_err().to_string());
        let come: Vec<_> = [&places[0], &places[2]].map(come).into();
        come.into_iter().map(|rank| rank.join().unwrap()).collect()
    });
    for (text, rank) in texts.iter().zip([0, 2]) {
        let expected = format!("rank {rank} of 3: rank 1 has not come to {} within 20 s (--timeout)", places[0].at());
        // The store goes with rank 0, so the other one may be told that instead.
        assert!(*text == expected || rank == 2 && text.contains("cannot join the others"), "{text}");
    }
    assert_eq!(texts[0], format!("rank 0 of 3: rank 1 has not come to {} within 20 s (--timeout)", places[0].at()));
}

#[test]
fn without_rank_0_there_is_nowhere_to_meet() {
    let place = &places(2)[1];
    let text = join(place, SOON).unwrap_err().to_string();
    assert!(text.starts_with(&format!("rank 1 of 2 cannot join the others at {}: ", place.at())), "{text}");
}
