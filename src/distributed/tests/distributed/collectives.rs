//! Sums, shares and comparisons.

use std::time::Duration;

use tch::{Kind, Tensor};
use thalweg_nn::{NnError, Ranks, State};

use super::{PATIENCE, together};

#[test]
fn sums_are_the_same_bits_everywhere() {
    for size in [2, 3] {
        let all = together(size, PATIENCE, |ranks| {
            let here = Tensor::arange(1000, (Kind::Float, tch::Device::Cpu)) / 7.0 + ranks.rank() as f64 * 0.1;
            Vec::<f32>::try_from(ranks.sum(&here).unwrap()).unwrap()
        });
        assert!(all.iter().all(|sum| *sum == all[0]));
        let expected = 500.0 / 7.0 * size as f64 + 0.1 * (0..size).sum::<usize>() as f64;
        assert!((f64::from(all[0][500]) - expected).abs() < 1e-3, "{} is not {expected}", all[0][500]);
    }
}

#[test]
fn shares_of_unequal_length_are_joined_in_order() {
    let all = together(3, PATIENCE, |ranks| {
        let share = ranks.share(8);
        let rows = Tensor::arange_start(2 * share.start as i64, 2 * share.end as i64, (Kind::Int64, tch::Device::Cpu));
        Vec::<i64>::try_from(ranks.join(&rows, 8, 2).unwrap()).unwrap()
    });
    assert!(all.iter().all(|rows| *rows == (0..16).collect::<Vec<i64>>()), "{all:?}");
}

/// A rank without rows has no mean; it must not make that of the others no number.
#[test]
fn means_are_weighted_by_rows() {
    let all = together(3, PATIENCE, |ranks| {
        let mean = |count: usize| {
            let share: Vec<f64> = ranks.share(count).map(|row| row as f64).collect();
            ranks.means(&[share.iter().sum::<f64>() / share.len() as f64], count).unwrap()[0]
        };
        [mean(2), mean(7)]
    });
    assert!(all.iter().all(|means| (means[0] - 0.5).abs() < 1e-12 && (means[1] - 3.0).abs() < 1e-12), "{all:?}");
}

#[test]
fn what_rank_0_has_reaches_all() {
    let bytes: Vec<u8> = (0..100_000u32).map(|value| (value % 251) as u8).collect();
    let all = together(2, PATIENCE, |ranks: &Ranks| {
        let none = ranks.bytes_of_first(None).unwrap();
        let some = ranks.bytes_of_first(ranks.is_first().then(|| bytes.clone())).unwrap();
        (none, some, ranks.of_first(ranks.rank() as f64 + 5.0).unwrap(), ranks.all(!ranks.is_first()).unwrap())
    });
    for (none, some, number, all) in all {
        assert_eq!((none, some.as_ref(), number, all), (None, Some(&bytes), 5.0, false));
    }
}

#[test]
fn what_another_rank_has_reaches_all() {
    let bytes: Vec<u8> = (0..70_000u32).map(|value| (value % 241) as u8).collect();
    let all = together(3, PATIENCE, |ranks: &Ranks| {
        let own = (ranks.rank() == 2).then(|| bytes.clone());
        [ranks.bytes_of(2, own).unwrap(), ranks.bytes_of(1, None).unwrap(), ranks.bytes_of(1, Some(vec![])).unwrap()]
    });
    for found in all {
        assert_eq!(found, [Some(bytes.clone()), None, Some(vec![])]);
    }
}

/// Only what a rank computes counts, not how long it waits for a slower one.
#[test]
fn a_slow_rank_is_known_to_all() {
    let slow = together(3, PATIENCE, |ranks| {
        for round in 0..2 {
            std::thread::sleep(Duration::from_millis(if ranks.rank() == 1 { 300 } else { 1 }));
            ranks.agree_on(&State::default(), round).unwrap();
        }
        (ranks.slow(), ranks.slow())
    });
    for (slow, after) in slow {
        let slow = slow.unwrap();
        assert_eq!((slow.slow_rank, after), (1, None));
        assert!(slow.seconds >= 0.3 && slow.others < 0.2, "{slow:?}");
    }
}

/// What was trained must not differ, to the last bit.
#[test]
fn states_that_differ_are_refused_by_all() {
    let all = together(2, PATIENCE, |ranks| {
        let value = if ranks.is_first() { 1.0f32 } else { 1.000_000_1 };
        let state = State { tensors: vec![("h".to_owned(), Tensor::from_slice(&[value]))], ..State::default() };
        ranks.agree_on(&state, 7).unwrap_err().to_string()
    });
    for text in all {
        assert!(
            text.starts_with("what was trained after round 7: not the same on all ranks, rank 1 differs"),
            "{text}"
        );
    }
}

#[test]
fn ranks_that_differ_are_refused_by_all() {
    let all = together(3, PATIENCE, |ranks| {
        ranks.agree("the task", "planar_arm").unwrap();
        match ranks.agree("the seed", if ranks.rank() == 2 { "1" } else { "2" }) {
            Err(error @ NnError::UnequalRanks { .. }) => error.to_string(),
            other => panic!("{other:?}"),
        }
    });
    for text in all {
        assert!(text.starts_with("the seed: not the same on all ranks, rank 2 differs; expected"), "{text}");
    }
}
