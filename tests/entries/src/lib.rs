//! Where bytes from outside enter, one function each: fuzzers call it with what they invent (`fuzz/`), a test with the
//! kept seeds and mutants of them (`mutants.rs`).
//!
//! A function takes any bytes and returns; it panics where something is wrong: a panic of ours, or a broken promise
//! (a number that is not finite, a recovered file that is not whole).

#![allow(clippy::unwrap_used, reason = "for tests only")]

mod files;
mod messages;
mod motion;
mod scratch;
pub mod seeds;
mod texts;

/// A way in.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Name, as in `fuzz/fuzz_targets` and `fuzz/corpus`.
    pub name: &'static str,
    /// Takes whatever comes, and says whether something of it was of use.
    pub take: fn(&[u8]) -> bool,
    /// Inputs from which others are made: the first one sound, others nearly so.
    pub seeds: fn() -> seeds::Seeds,
    /// How often the test takes a mutant: many where one costs microseconds, few where it costs milliseconds.
    pub mutants: u32,
}

/// All of them.
pub const ENTRIES: &[Entry] = &[
    entry("joints", messages::joints, seeds::joints, 20_000),
    entry("points", messages::points, seeds::points, 20_000),
    entry("camera", messages::camera, seeds::camera, 5_000),
    entry("image", messages::image, seeds::image, 10_000),
    entry("mask", messages::mask, seeds::mask, 10_000),
    entry("compressed", messages::compressed, seeds::compressed, 5_000),
    entry("picture", messages::picture, seeds::picture, 5_000),
    entry("clock", messages::clock, seeds::clock, 20_000),
    entry("parameters", texts::parameters, seeds::parameters, 2_000),
    entry("observation", texts::observation, seeds::observation, 20_000),
    entry("description", texts::description, seeds::description, 10_000),
    entry("weights", files::weights, seeds::weights, 3_000),
    entry("recording", files::recording, seeds::recording, 2_000),
    entry("bag", files::bag, seeds::bag, 1_500),
    entry("recover", files::recover, seeds::recording, 500),
    entry("metadata", files::metadata, seeds::metadata, 3_000),
    entry("replay", files::replay, seeds::replay, 150),
    entry("bvh", motion::bvh, seeds::bvh, 2_000),
    entry("amc", motion::amc, seeds::amc, 2_000),
    entry("npz", motion::npz, seeds::npz, 2_000),
    #[cfg(feature = "view")]
    entry("urdf", texts::urdf, seeds::urdf, 10_000),
];

const fn entry(name: &'static str, take: fn(&[u8]) -> bool, seeds: fn() -> seeds::Seeds, mutants: u32) -> Entry {
    Entry { name, take, seeds, mutants }
}

/// Takes bytes by the entry of a name.
///
/// # Panics
/// Where there is none of that name, and where something is wrong.
pub fn take(name: &str, bytes: &[u8]) {
    let entry = ENTRIES.iter().find(|entry| entry.name == name).expect("the name of an entry");
    (entry.take)(bytes);
}
