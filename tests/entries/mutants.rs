//! The kept inputs of every fuzz target, and mutants of them, taken by the same functions: no nightly needed.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use thalweg_entries::{ENTRIES, Entry};

/// Largest mutant, bytes.
const LONGEST: usize = 1 << 16;

/// Numbers at which arithmetic goes wrong, as bytes.
const EDGES: [&[u8]; 12] = [
    &[0],
    &[0xFF],
    &[0x7F],
    &[0x80],
    &[0xFF; 4],
    &[0xFF; 8],
    &[0xFF, 0xFF, 0xFF, 0x7F],
    &[0, 0, 0, 0x80],
    &[0, 0, 0, 0, 0, 0, 0xF0, 0x7F],
    &[0, 0, 0xC0, 0x7F],
    b"-9223372036854775808",
    b"1e308",
];

/// The folder of an entry's kept inputs.
fn corpus(entry: &Entry) -> PathBuf {
    thalweg_tests::root().join("fuzz/corpus").join(entry.name)
}

/// Kept inputs, in the order of their names.
fn kept(entry: &Entry) -> Vec<(String, Vec<u8>)> {
    let files = fs::read_dir(corpus(entry)).into_iter().flatten().map(|file| file.unwrap());
    let mut kept: Vec<_> =
        files.map(|file| (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap())).collect();
    kept.sort();
    kept
}

/// Changes bytes in one to four places, as fuzzers do: flips, edges, cuts, repetitions, parts of another input.
fn mutant(seed: &[u8], other: &[u8], random: &mut StdRng) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..random.random_range(1..=4) {
        let place = random.random_range(0..=bytes.len());
        let end = (place + random.random_range(1..=16)).min(bytes.len());
        match random.random_range(0..8) {
            0 | 1 if place < bytes.len() => bytes[place] ^= 1 << random.random_range(0..8),
            2 if place < bytes.len() => bytes[place] = random.random(),
            3 => bytes.truncate(place),
            4 => drop(bytes.drain(place..end)),
            5 => {
                let part = bytes[place..end].repeat(random.random_range(1..=64));
                bytes.splice(place..place, part);
            }
            6 if !other.is_empty() => {
                let from = random.random_range(0..other.len());
                let until = (from + random.random_range(1..=64)).min(other.len());
                bytes.splice(place..end, other[from..until].iter().copied());
            }
            _ => {
                let edge = EDGES.choose(random).unwrap();
                let end = (place + edge.len()).min(bytes.len());
                bytes.splice(place..end, edge.iter().copied());
            }
        }
        bytes.truncate(LONGEST);
    }
    bytes
}

/// Takes an input; where something is wrong it is kept in a file that the sentence names.
fn expect_taken(entry: &Entry, name: &str, bytes: &[u8]) {
    if catch_unwind(AssertUnwindSafe(|| (entry.take)(bytes))).is_err() {
        let path = std::env::temp_dir().join(format!("thalweg_{}_{name}", entry.name));
        fs::write(&path, bytes).unwrap();
        panic!("{} does not bear {name}, see above; the input is in {}", entry.name, path.display());
    }
}

/// `THALWEG_UPDATE=1` writes the seeds anew; what a fuzzer found stays beside them.
#[test]
fn seeds_are_kept() {
    for entry in ENTRIES {
        let seeds = (entry.seeds)();
        if std::env::var_os("THALWEG_UPDATE").is_some_and(|update| update == "1") {
            fs::create_dir_all(corpus(entry)).unwrap();
            for (name, bytes) in &seeds {
                fs::write(corpus(entry).join(name), bytes).unwrap();
            }
        }
        let kept = kept(entry);
        for (name, _) in &seeds {
            assert!(
                kept.iter().any(|(kept, _)| kept == name),
                "{}: seed {name} is not in {:?}",
                entry.name,
                corpus(entry)
            );
        }
        assert!(kept.iter().all(|(name, bytes)| bytes.len() < 1 << 15 || name.starts_with("found")), "{}", entry.name);
    }
}

/// Else mutants of it would end at the first check.
#[test]
fn the_first_seed_is_of_use() {
    tch::set_num_threads(1);
    let useless = ENTRIES.iter().filter(|entry| !(entry.take)(&(entry.seeds)()[0].1)).map(|entry| entry.name);
    assert_eq!(useless.collect::<Vec<_>>(), Vec::<&str>::new());
}

#[test]
fn kept_inputs_and_their_mutants_are_borne() {
    tch::set_num_threads(1);
    for entry in ENTRIES {
        let kept = kept(entry);
        kept.iter().for_each(|(name, bytes)| expect_taken(entry, name, bytes));
        let mut random = StdRng::seed_from_u64(17);
        for number in 0..entry.mutants {
            let (seed, other) = (kept.choose(&mut random).unwrap(), kept.choose(&mut random).unwrap());
            expect_taken(entry, &format!("{}_{number}", seed.0), &mutant(&seed.1, &other.1, &mut random));
        }
    }
}
