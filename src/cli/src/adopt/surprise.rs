//! Fits how joints usually fit each other, by which one that lies is told.

use std::path::Path;

use thalweg::Registry;
use thalweg::motion::Motion;
use thalweg_robot::Robot;
use thalweg_robot::mirror::Mirror;
use thalweg_train::{SurpriseFit, TrainError, fit_surprise_model};

use super::division::Divided;
use super::timing::even;
use super::training::load;

/// The model in the folder.
pub(super) const SURPRISE: &str = "robot_surprise.safetensors";

/// Fits the model and writes it, and says on how much; without enough motion there is none, which is said.
pub(super) fn fit(
    output: &Path,
    registry: &Registry,
    robot: &Robot,
    divided: &Divided,
) -> anyhow::Result<(String, Option<SurpriseFit>)> {
    let task = load(registry, output)?;
    let mirror = Mirror::of(robot).filter(|_| divided.mirrored > 0);
    let pairs = |motion: Motion| {
        let image = mirror.as_ref().map(|mirror| Motion { joints: mirror.apply(&motion.joints), fps: motion.fps });
        std::iter::once(motion).chain(image).collect::<Vec<_>>()
    };
    let clips: Vec<Vec<Motion>> = divided.motion.iter().filter_map(|piece| even(robot, piece)).map(pairs).collect();
    let fit = match fit_surprise_model(&clips, task.spec()) {
        Ok(fit) => fit,
        Err(error @ TrainError::TooShort { .. }) => return Ok((format!("no joint is told to lie: {error}\n"), None)),
        Err(error) => return Err(error.into()),
    };
    fit.model.save(&output.join(SURPRISE), task.spec(), &[("data", format!("{} pieces of motion", clips.len()))])?;
    let (minutes, hours) = (fit.minutes, fit.hours);
    let text = format!(
        "which joint lies: limits of one false alarm an hour from {minutes:.1} minutes of motion held out in turn, in \
         {hours:.1} hours of streams drawn from it\n"
    );
    Ok((text, Some(fit)))
}
