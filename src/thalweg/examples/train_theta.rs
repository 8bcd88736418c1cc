//! Trains a landscape for the arm, in seconds, and descends on it.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;

use rand::SeedableRng;
use rand::rngs::StdRng;
use thalweg::Registry;
use thalweg::task::{LoadOptions, sampled};
use thalweg_train::{CollectionOptions, Data, ThetaOptions, train};

fn main() -> Result<(), Box<dyn Error>> {
    let load = || Registry::shipped().load("planar_arm", &LoadOptions::default());
    let task = load()?;
    let data = Data { training: sampled(task.as_ref(), 512, &mut StdRng::seed_from_u64(1))?, ..Data::default() };
    let options = ThetaOptions {
        hidden: 64,
        buffers: 8,
        collection: CollectionOptions { descents: 256, steps: 5, ..CollectionOptions::default() },
        ..ThetaOptions::default()
    };
    let landscape = train(&options, &load, &data, &mut |progress| {
        println!("buffer {}: loss {:.3} to {:.3}", progress.buffer, progress.first, progress.last);
        true
    })?;

    let folder = tempfile::tempdir()?;
    let file = folder.path().join("planar_arm_theta.safetensors");
    landscape.save(&file, task.spec(), &[])?;
    let mut engine = thalweg::load("planar_arm")?.landscape(file.as_path()).steps(10).build()?;
    let seen = engine.observe().point("tip_3", [0.4, 0.2, 0.0])?;
    println!("loss {:.4} after 10 steps", engine.solve(&seen)?.best().loss);
    Ok(())
}
