//! Chooses what to descend on: a trained landscape, an untrained one, or the latent of the task itself.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use thalweg::LandscapeSource;
use thalweg::task::models_folder;

fn main() -> Result<(), thalweg::Error> {
    let trained = LandscapeSource::File(models_folder().join("body_pose_theta.safetensors"));
    for landscape in [trained, LandscapeSource::Random, LandscapeSource::Identity] {
        let mut engine = thalweg::load("body_pose")?.landscape(landscape).start("none").steps(20).build()?;
        let seen = engine.observe().joint("left_elbow_y", -0.8)?.joint("neck_x", 0.1)?;
        let loss = engine.solve(&seen)?.best().loss;
        let loaded = engine.loaded();
        println!("{} ({}): loss {loss:.4} by {}", loaded.landscape_kind, loaded.landscape_id, loaded.optimizer);
    }
    Ok(())
}
