//! `thalweg-lab demo-defence`: pictures of our own, attacked, then repaired, and what a classifier takes each for.

mod pictures;

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use tch::{Kind, Tensor};
use thalweg::clock::SystemClock;
use thalweg_cli::console;
use thalweg_engine::landscape::Landscape;
use thalweg_engine::{AdamConfig, Answer, Budget, Engine, EngineConfig, Optimizer, pin_threads, ranked};
use thalweg_image_defence::{Backbone, ImageDefence};
use thalweg_task::{LoadOptions, Observation, Task};
use thalweg_train::ball::{Ball, Norm};

use crate::defence::attacks::{Keep, Pgd};
use crate::eval::plot::palette::{BLUE, INK, VERMILION};
use crate::eval::plot::{Anchor, Picture, colors};
use pictures::PICTURES;

/// Greatest change that Liu et al. (2023) attack with, L2 of pixels from 0 to 1; and their step.
const RADIUS: f64 = 256.0 / 255.0;
const STEP: f64 = 64.0 / 255.0;
/// Corrections and attacks are drawn so many times as strong, about the middle grey.
const AMPLIFIED: f64 = 4.0;
/// Width of a picture, and of the space about it, units.
const IMAGE: f64 = 128.0;
const GAP: f64 = 12.0;
/// Column of the names of rows; heading; line of text below a picture.
const NAMES: f64 = 130.0;
const HEADING: f64 = 60.0;
const LINE: f64 = 24.0;

/// Options of `thalweg-lab demo-defence`.
#[derive(Args)]
pub(crate) struct DemoDefenceArguments {
    /// Folder of the weights of tasks
    #[arg(long, value_name = "DIR", default_value = "models")]
    models: PathBuf,
    /// Greatest change of an attack, L2 of all pixels, black 0, white 1
    #[arg(long, value_name = "LENGTH", default_value_t = RADIUS)]
    radius: f64,
    /// Steps of the attack
    #[arg(long, default_value_t = 200)]
    attack_steps: u32,
    /// Steps of the repair
    #[arg(long, default_value_t = 5)]
    steps: u32,
    /// Rate of Adam, grey levels of 255
    #[arg(long, default_value_t = 2.0)]
    rate: f64,
    /// Where the picture goes
    #[arg(long, value_name = "DIR", default_value = "out")]
    output: PathBuf,
}

/// A picture on its way.
struct Case {
    /// What it was drawn as.
    meant: &'static str,
    /// As drawn, attacked and repaired, `[3, H, W]`.
    images: [Tensor; 3],
    /// What the classifier takes each for, and how surely.
    told: [(String, f64); 3],
}

/// Attacks, repairs, draws and tells.
pub(crate) fn run(arguments: &DemoDefenceArguments) -> anyhow::Result<()> {
    pin_threads(1);
    let options = LoadOptions { models: arguments.models.clone(), ..LoadOptions::default() };
    let task = ImageDefence::load(&options)?;
    let classes = task.spec().classes.clone();
    let drawn = Tensor::stack(&PICTURES.map(|picture| picture.paint()), 0);
    let attacked = attack(arguments, &task.defence().backbone, &drawn)?;
    let logits = |images: &Tensor| tch::no_grad(|| task.defence().backbone.forward(images)).map(|(_, logits)| logits);
    let before = [logits(&drawn)?, logits(&attacked)?];
    let mut engine = engine(arguments, task)?;
    let mut cases = Vec::new();
    for (place, picture) in (0_i64..).zip(PICTURES) {
        let (image, label) = repair(arguments, &mut engine, &attacked.narrow(0, place, 1))?;
        let images = [drawn.get(place), attacked.get(place), image];
        let mut rows = before.iter().map(|logits| thalweg_task::numbers(&logits.get(place))).collect::<Vec<_>>();
        rows.push(label);
        let told: Vec<(String, f64)> =
            rows.iter().map(|row| likeliest(&classes, row)).collect::<anyhow::Result<_>>()?;
        let told = told.try_into().map_err(|_more| anyhow::anyhow!("three images of each picture"))?;
        cases.push(Case { meant: picture.class, images, told });
    }
    let path = arguments.output.join("defended_pictures.png");
    draw(arguments, &cases).save_as_png(&path)?;
    console::print(&format!("{}\nwrote {}\n", table(&cases), path.display()))
}

/// Attacks the classifier alone, as it stands: the repair is not known to the attack.
fn attack(arguments: &DemoDefenceArguments, backbone: &Backbone, drawn: &Tensor) -> anyhow::Result<Tensor> {
    let classify = |image: &Tensor| Ok(backbone.forward(image)?.1);
    let labels = tch::no_grad(|| classify(drawn))?.argmax(1, false);
    let ball = Ball { norm: Norm::L2, radius: arguments.radius };
    let pgd = Pgd { ball, steps: arguments.attack_steps, step: STEP, start: Some(1), keep: Keep::WorstLoss };
    Ok(pgd.attack(&classify, drawn, &labels)?.image)
}

fn engine(arguments: &DemoDefenceArguments, task: ImageDefence) -> anyhow::Result<Engine> {
    let latent = task.spec().latent;
    let config = EngineConfig {
        hypotheses: 1,
        fresh: 0,
        warm_start: false,
        prior_weight: 0.0,
        optimizer: Optimizer::Adam(AdamConfig { rate: arguments.rate, ..AdamConfig::default() }),
        ..EngineConfig::default()
    };
    Ok(Engine::new(Box::new(task), Landscape::identity(latent), config)?)
}

/// Repairs one image, `[1, 3, H, W]`, as the node does: the image, `[3, H, W]`, and its logits.
fn repair(arguments: &DemoDefenceArguments, engine: &mut Engine, image: &Tensor) -> anyhow::Result<(Tensor, Vec<f64>)> {
    engine.solve(&Observation::of_image(image), &Budget::of_steps(arguments.steps), &SystemClock::default())?;
    let answer = Answer::of(engine, std::time::Duration::ZERO)?;
    let pixels = answer.images.first().context("the task renders images")?;
    let size = [pixels.channels, pixels.height, pixels.width].map(i64::from);
    let label = answer.labels.first().context("the task tells classes")?;
    Ok((Tensor::from_slice(&pixels.data).view(size), label.clone()))
}

fn likeliest(classes: &[String], logits: &[f64]) -> anyhow::Result<(String, f64)> {
    let found = ranked(classes, logits).context("the classifier gives numbers that are not finite")?;
    let (class, share) = found.first().context("there are classes")?;
    Ok(((*class).to_owned(), *share))
}

fn table(cases: &[Case]) -> String {
    let mut text = "| drawn as | taken for | attacked | repaired |\n|---|---|---|---|\n".to_owned();
    for Case { meant, told, .. } in cases {
        let cells: Vec<String> = told.iter().map(|(class, share)| format!("{class} {:.0} %", 100.0 * share)).collect();
        text += &format!("| {meant} | {} |\n", cells.join(" | "));
    }
    let same = |place: usize| cases.iter().filter(|case| case.told[place].0 == case.told[0].0).count();
    let (right, all) = (cases.iter().filter(|case| case.told[0].0 == case.meant).count(), cases.len());
    text + &format!(
        "\n{right} of {all} pictures are taken for what they were drawn as; attacked, {} keep their class, repaired {}.\n",
        same(1),
        same(2)
    )
}

/// Rows: as drawn, attacked, repaired; then what the attack did and what the repair did.
fn draw(arguments: &DemoDefenceArguments, cases: &[Case]) -> Picture {
    let names = ["as drawn", "attacked", "repaired", "the attack, x 4", "the repair, x 4"];
    let height = IMAGE + LINE + GAP;
    let width = NAMES + cases.len() as f64 * (IMAGE + GAP) + GAP;
    let mut picture = Picture::new(width.ceil() as u32, (HEADING + names.len() as f64 * height + GAP).ceil() as u32);
    let title = format!(
        "Eight pictures, attacked (PGD, {} steps, L2 {:.2}), repaired in {} steps; the attack does not know the repair",
        arguments.attack_steps, arguments.radius, arguments.steps
    );
    picture.text((GAP, HEADING / 2.0), title, 20.0, INK, Anchor::Left);
    for (row, name) in names.iter().enumerate() {
        let y = HEADING + row as f64 * height;
        picture.text((GAP, y + IMAGE / 2.0), *name, 15.0, INK, Anchor::Left);
        for (column, Case { images: [drawn, attacked, repaired], told, .. }) in cases.iter().enumerate() {
            let x = NAMES + column as f64 * (IMAGE + GAP);
            let change = |to: &Tensor, from: &Tensor| ((to - from) * AMPLIFIED + 0.5).clamp(0.0, 1.0);
            let image = match row {
                0 => drawn.shallow_clone(),
                1 => attacked.shallow_clone(),
                2 => repaired.shallow_clone(),
                3 => change(attacked, drawn),
                _ => change(repaired, attacked),
            };
            let (columns, colors) = colors(&image.to_kind(Kind::Float));
            picture.pixels((x, y), IMAGE / columns as f64, columns, colors);
            if let Some((class, share)) = told.get(row) {
                let kept = *class == told[0].0;
                let text = format!("{class} {:.0} %", 100.0 * share);
                let color = if kept { BLUE } else { VERMILION };
                picture.text((x + IMAGE / 2.0, y + IMAGE + LINE / 2.0), text, 15.0, color, Anchor::Middle);
            }
        }
    }
    picture
}
