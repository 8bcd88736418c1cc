//! Recordings, bags and weights: what a user is handed.

use std::fs;
use std::path::Path;

use safetensors::SafeTensors;
use tch::{Device, Kind, Tensor};
use thalweg::Registry;
use thalweg_engine::landscape::Landscape;
use thalweg_engine::start::Start;
use thalweg_nn::weights::{Weights, save};
use thalweg_node::solver::{Repetition, Replayer};
use thalweg_record::{Bag, Damage, Reader, RecordError};
use thalweg_task::LoadOptions;

use crate::scratch;
use crate::texts::expect_sentence;

/// Weights, as they are and with the checksum put right, as a landscape and as a start.
pub(crate) fn weights(bytes: &[u8]) -> bool {
    let file = scratch::file("weights.safetensors", bytes);
    let mut is_used = open_weights(&file);
    if let Some((tensors, metadata)) = parts(bytes) {
        let metadata: Vec<(&str, String)> = metadata.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
        if save(&file, &tensors, &metadata).is_ok() {
            is_used |= open_weights(&file);
        }
    }
    is_used
}

type Parts = (Vec<(String, Tensor)>, Vec<(String, String)>);

/// Tensors of 32-bit floats and metadata, where it is such a file.
fn parts(bytes: &[u8]) -> Option<Parts> {
    let (_, header) = SafeTensors::read_metadata(bytes).ok()?;
    let file = SafeTensors::deserialize(bytes).ok()?;
    let tensor = |view: &safetensors::tensor::TensorView<'_>| {
        let values: Vec<f32> = view.data().as_chunks().0.iter().copied().map(f32::from_le_bytes).collect();
        let shape: Vec<i64> = view.shape().iter().map(|size| *size as i64).collect();
        let fits = shape.iter().product::<i64>() == values.len() as i64;
        fits.then(|| Tensor::from_slice(&values).reshape(shape))
    };
    let tensors = file.tensors().into_iter().filter_map(|(name, view)| Some((name, tensor(&view)?))).collect();
    let metadata = header.metadata().clone().unwrap_or_default();
    Some((tensors, metadata.into_iter().filter(|(key, _)| key != "blake3").collect()))
}

/// Whether it is a landscape of the arm.
fn open_weights(file: &Path) -> bool {
    if let Err(error) = Weights::open(file, Kind::Float, Device::Cpu) {
        expect_sentence(&error);
    }
    let task = Registry::shipped().load("planar_arm", &LoadOptions::default()).expect("it has no files");
    if let Err(error) = Start::trained(file, task.spec(), &Landscape::identity(task.spec().latent)) {
        expect_sentence(&error);
    }
    match Landscape::trained(file, task.spec()) {
        Ok(landscape) => {
            let z = Tensor::zeros([2, landscape.dim()], (Kind::Float, Device::Cpu));
            assert_eq!(landscape.map(&z).size(), [2, landscape.latent()]);
            true
        }
        Err(error) => expect_sentence(&error),
    }
}

/// Reads every solve that is whole.
fn solves(file: &Path) -> Result<(u64, Damage), RecordError> {
    let mut reader = Reader::open(file)?;
    let mut count = 0;
    for solve in reader.solves() {
        let solve = solve?;
        assert!(solve.answer.losses.iter().all(|loss| loss.is_finite()), "{:?}", solve.answer.losses);
        count += 1;
    }
    Ok((count, reader.damage()))
}

/// A recording of ours.
pub(crate) fn recording(bytes: &[u8]) -> bool {
    let read = solves(&scratch::file("recording.mcap", bytes));
    read.map_or_else(|error| expect_sentence(&error), |(count, _)| count > 0)
}

/// A bag of anybody: MCAP or SQLite, compressed or not.
pub(crate) fn bag(bytes: &[u8]) -> bool {
    let path = scratch::file("bag/file.mcap", bytes);
    let read = || -> Result<bool, RecordError> {
        let (bag, mut is_used) = (Bag::open(&path)?, false);
        for topic in bag.topics()?.0 {
            if topic.has_joint_states() {
                for state in bag.joint_states(&topic.name) {
                    state?;
                    is_used = true;
                }
            }
        }
        Ok(is_used)
    };
    read().unwrap_or_else(|error| expect_sentence(&error))
}

/// Makes a whole file of a damaged one; nothing is lost when that is recovered again.
pub(crate) fn recover(bytes: &[u8]) -> bool {
    let file = scratch::file("recover.mcap", bytes);
    let (once, twice) = (scratch::path("once.mcap"), scratch::path("twice.mcap"));
    for output in [&once, &twice] {
        if output.exists() {
            fs::remove_file(output).expect("it is ours");
        }
    }
    let first = match thalweg_record::recover(&file, Some(&once)) {
        Ok(first) => first,
        Err(error) => return expect_sentence(&error),
    };
    assert!(first.is_kept && file.exists(), "the damaged file stays");
    let second = thalweg_record::recover(&once, Some(&twice)).expect("what was recovered can be read");
    assert_eq!((second.messages, second.damage), (first.messages, Damage::default()));
    let whole = solves(&file).is_ok_and(|(_, damage)| damage == Damage::default());
    if let (true, Ok((before, _)), Ok((after, _))) = (whole, solves(&file), solves(&once)) {
        assert_eq!(before, after, "solves of a whole recording");
    }
    first.messages > 0
}

/// The list of a bag's files, beside one of them, and a file that it must not reach.
pub(crate) fn metadata(bytes: &[u8]) -> bool {
    let folder = scratch::path("metadata");
    scratch::file("outside.mcap", b"none of the bag's");
    let file = folder.join("demo_0.mcap");
    if !file.exists() {
        scratch::file("metadata/demo_0.mcap", &crate::seeds::recording()[0].1);
    }
    scratch::file("metadata/metadata.yaml", bytes);
    match Bag::open(&folder) {
        Ok(bag) => {
            let listing = bag.listing();
            assert!(listing.files.contains(&file), "a file that is there is read: {listing:?}");
            assert!(listing.files.iter().all(|file| file.starts_with(&folder)), "{listing:?}");
            assert!(!listing.files.iter().any(|file| file.ends_with("outside.mcap")), "{listing:?}");
            listing.notes.is_empty()
        }
        Err(error) => expect_sentence(&error),
    }
}

/// A recording, solved again.
pub(crate) fn replay(bytes: &[u8]) -> bool {
    let file = scratch::file("replay.mcap", bytes);
    let Ok(mut reader) = Reader::open(&file) else { return false };
    let mut replayer = match Replayer::new(&Registry::shipped(), reader.setup(), None, &[]) {
        Ok(replayer) => replayer,
        Err(error) => return expect_sentence(&error),
    };
    let mut is_used = false;
    for solve in reader.solves().map_while(Result::ok) {
        match replayer.repeat(&solve) {
            Ok(repetition) => is_used |= repetition != Repetition::Unanchored,
            Err(error) => is_used |= expect_sentence(&error),
        }
    }
    is_used
}
