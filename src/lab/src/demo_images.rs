//! `thalweg demo-images`: damaged faces in, eight repairs of each out, as one picture.

use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::eval::plot::{ImageGrid, ImageRow};
use anyhow::Context;
use clap::Args;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tch::{Device, Kind, Tensor};
use thalweg::Registry;
use thalweg::clock::SystemClock;
use thalweg::{Choice, LandscapeSource, StartSource};
use thalweg_engine::{AdamConfig, Budget, Engine, EngineConfig, Optimizer, pin_threads};
use thalweg_gan_inversion::{ENTRY, SIDE};
use thalweg_task::sampled;
use thalweg_task::{LoadOptions, Observation, Task};

use thalweg_cli::console;

/// Hypotheses of each face.
const HYPOTHESES: usize = 8;

/// Options of `thalweg demo-images`.
#[derive(Args)]
pub(crate) struct DemoImagesArguments {
    /// Folder of the weights of tasks
    #[arg(long, value_name = "DIR", default_value = "models")]
    models: PathBuf,
    /// Weights of a landscape to descend on, or identity, or random [default: what the start was made for, the latent
    /// of the generator itself]
    #[arg(long, value_name = "FILE")]
    landscape: Option<LandscapeSource>,
    /// Weights of an amortised start, or none, to begin at random points [default: the shipped one]
    #[arg(long, value_name = "FILE")]
    start: Option<StartSource>,
    /// Seeds of the faces, one for each kind of damage
    #[arg(long, value_delimiter = ',', num_args = 1.., default_values_t = [28, 27, 31, 32])]
    faces: Vec<u64>,
    /// Steps of Adam
    #[arg(long, default_value_t = 100)]
    steps: u32,
    /// Learning rate of Adam
    #[arg(long, default_value_t = 0.1)]
    rate: f64,
    /// Weight of the standard normal prior, where there is no start
    #[arg(long, default_value_t = EngineConfig::default().prior_weight)]
    prior_weight: f64,
    /// Pull of hypotheses towards what the start proposes, in proportion to what is hidden
    #[arg(long, default_value_t = 0.03)]
    start_weight: f64,
    /// Where the picture goes
    #[arg(long, value_name = "DIR", default_value = "out")]
    output: PathBuf,
}

/// What happens to a face.
#[derive(Clone, Copy)]
enum Damage {
    Mouth,
    Half,
    Scratches,
    Surroundings,
}

impl Damage {
    const ALL: [Self; 4] = [Self::Mouth, Self::Half, Self::Scratches, Self::Surroundings];

    fn name(self) -> &'static str {
        match self {
            Self::Mouth => "mouth hidden",
            Self::Half => "half a face",
            Self::Scratches => "scratched",
            Self::Surroundings => "eyes and nose only",
        }
    }

    /// Which pixels are lost, row by row.
    fn lost(self, random: &mut StdRng) -> Vec<bool> {
        let pixels = (0..SIDE).flat_map(|y| (0..SIDE).map(move |x| (y, x)));
        match self {
            Self::Mouth => pixels.map(|(y, x)| (38..60).contains(&y) && (14..52).contains(&x)).collect(),
            Self::Half => pixels.map(|(_, x)| x >= SIDE / 2).collect(),
            Self::Surroundings => pixels.map(|(y, x)| !((18..44).contains(&y) && (14..50).contains(&x))).collect(),
            Self::Scratches => {
                let lines: Vec<[f64; 3]> = (0..12).map(|_| scratch(random)).collect();
                let hits =
                    |(y, x): (i64, i64)| lines.iter().any(|[a, b, c]| (a * x as f64 + b * y as f64 - c).abs() < 1.3);
                pixels.map(hits).collect()
            }
        }
    }
}

/// Draws a line `a x + b y = c` through the image, a and b of unit length.
fn scratch(random: &mut StdRng) -> [f64; 3] {
    let (sine, cosine) = random.random_range(0.0..std::f64::consts::PI).sin_cos();
    let mut place = || random.random_range(0.0..SIDE as f64);
    let (x, y) = (place(), place());
    [cosine, sine, cosine * x + sine * y]
}

/// Damages, repairs, draws and tells.
pub(crate) fn run(arguments: &DemoImagesArguments) -> anyhow::Result<()> {
    pin_threads(1);
    let options = LoadOptions { models: arguments.models.clone(), ..LoadOptions::default() };
    let task = Registry::shipped().load(ENTRY.name, &options)?;
    let choice = choice(arguments, task.as_ref())?;
    let start = choice.start.as_ref().map_or("none", |start| start.id());
    let landscape = choice.landscape.id();
    let mut text =
        format!("landscape {landscape}, start {start}, {} steps, {HYPOTHESES} hypotheses\n\n", arguments.steps);
    text += "| face | hidden, % | s | error, seen | hidden (least of 8) | diversity, seen | hidden |\n";
    text += "|---|---|---|---|---|---|---|\n";
    let mut engine = engine(arguments, task, choice)?;
    let mut rows = Vec::new();
    for (damage, seed) in Damage::ALL.into_iter().zip(&arguments.faces) {
        let start = Instant::now();
        let (truth, hidden) = damaged(engine.task(), damage, *seed)?;
        let seen = truth.masked_fill(&hidden, f64::NAN);
        let budget = Budget::of_steps(arguments.steps);
        let solution = engine.solve(&Observation::of_image(&seen), &budget, &SystemClock::default())?;
        let repairs = solution.y_hat.shallow_clone();
        text += &line(damage, start.elapsed().as_secs_f64(), &truth, &hidden, &repairs);
        let images = (0..HYPOTHESES as i64).map(|hypothesis| repairs.get(hypothesis));
        let images = [truth.get(0), seen.get(0)].into_iter().chain(images).collect();
        rows.push(ImageRow { name: damage.name().to_owned(), images });
    }
    let path = arguments.output.join("repaired_faces.png");
    draw(rows, &path)?;
    text += "\n*error*: root mean square over pixels, of 255 levels, of the best hypothesis. *diversity*: the same between two \
             hypotheses.\n";
    console::print(&format!("{text}\nwrote {}\n", path.display()))
}

/// The encoder of images by default, in the latent of the generator itself: the shipped landscape is quicker than that
/// latent without a start, and its repairs are too much alike (docs/gan.md).
fn choice(arguments: &DemoImagesArguments, task: &dyn Task) -> anyhow::Result<Choice> {
    let landscape = arguments.landscape.as_ref().unwrap_or(&LandscapeSource::BesideModels);
    let start = arguments.start.as_ref().unwrap_or(&StartSource::BesideModels);
    Ok(Choice::load(&arguments.models, (landscape, start), task.spec(), 0)?)
}

fn engine(arguments: &DemoImagesArguments, task: Box<dyn Task>, choice: Choice) -> anyhow::Result<Engine> {
    let config = EngineConfig {
        hypotheses: HYPOTHESES,
        optimizer: Optimizer::Adam(AdamConfig { rate: arguments.rate, ..AdamConfig::default() }),
        // Another face each time.
        warm_start: false,
        fresh: 0,
        prior_weight: arguments.prior_weight,
        start_weight: arguments.start_weight,
        ..EngineConfig::default()
    };
    let mut engine = Engine::new(task, choice.landscape, config)?;
    choice.start.map_or(Ok(()), |start| engine.set_start(start))?;
    Ok(engine)
}

/// A face that the generator makes of a seed, `[1, 3, 64, 64]`, and which pixels are lost, `[1, 1, 64, 64]`.
fn damaged(task: &dyn Task, damage: Damage, seed: u64) -> anyhow::Result<(Tensor, Tensor)> {
    let mut random = StdRng::seed_from_u64(seed);
    let face = sampled(task, 1, &mut random)?;
    let face = face.image.as_ref().context("the task draws images")?.value().shallow_clone();
    let lost = Tensor::from_slice(&damage.lost(&mut random)).view([1, 1, SIDE, SIDE]).to_device(Device::Cpu);
    Ok((face, lost))
}

/// Figures of one face.
fn line(damage: Damage, seconds: f64, truth: &Tensor, hidden: &Tensor, repairs: &Tensor) -> String {
    let levels = |difference: &Tensor, chosen: &Tensor| -> Vec<f64> {
        let chosen = chosen.to_kind(Kind::Float).expand_as(difference);
        let sum = |tensor: Tensor| tensor.sum_dim_intlist([1, 2, 3].as_slice(), false, Kind::Double);
        let mean = sum(difference.square() * &chosen) / sum(chosen.shallow_clone());
        Vec::try_from(mean.sqrt() * 255.0).unwrap_or_default()
    };
    let seen = hidden.logical_not();
    let (errors, hidden_errors) = (levels(&(repairs - truth), &seen), levels(&(repairs - truth), hidden));
    // The mean over pairs of squared differences is twice that to the mean, times K / (K - 1).
    let apart = repairs - repairs.mean_dim([0].as_slice(), true, Kind::Float);
    let between = |chosen: &Tensor| {
        let squares = levels(&apart, chosen).iter().map(|level| level * level).sum::<f64>();
        (2.0 * squares / (HYPOTHESES as f64 - 1.0)).sqrt()
    };
    let share = hidden.to_kind(Kind::Double).mean(Kind::Double).double_value(&[]) * 100.0;
    let least = hidden_errors.iter().copied().fold(f64::INFINITY, f64::min);
    format!(
        "| {} | {share:.0} | {seconds:.1} | {:.0} | {:.0} ({least:.0}) | {:.0} | {:.0} |\n",
        damage.name(),
        errors[0],
        hidden_errors[0],
        between(&seen),
        between(hidden)
    )
}

fn draw(rows: Vec<ImageRow>, path: &Path) -> anyhow::Result<()> {
    let numbers = (1..=HYPOTHESES).map(|hypothesis| hypothesis.to_string()).collect();
    let captions = vec![vec!["truth".to_owned(), "seen".to_owned()], numbers];
    let title = "Damaged faces and eight repairs of each, best first".to_owned();
    Ok(ImageGrid { title, captions, rows }.draw().save_as_png(path)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_damage_leaves_something_and_takes_something() {
        for damage in Damage::ALL {
            let lost = damage.lost(&mut StdRng::seed_from_u64(1));
            let share = lost.iter().filter(|lost| **lost).count() as f64 / lost.len() as f64;
            assert!(lost.len() == 64 * 64 && (0.1..0.9).contains(&share), "{}: {share}", damage.name());
        }
    }
}
