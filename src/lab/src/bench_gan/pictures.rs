//! The pictures: rows like figures 5, 7, 8 and 9 of Liu et al. (2023).

use std::path::Path;

use crate::eval::plot::palette::{BLUE, GREEN, ORANGE, PURPLE, VERMILION};
use crate::eval::plot::{Curve as Line, Curves, ImageGrid, ImageRow};
use plotters::style::RGBColor;
use tch::Tensor;
use thalweg_task::Observation;

use super::completions::{self, REGIONS, Region};
use super::curves::Curve;
use super::descent::Descent;
use super::world::{Arm, TestSet, World};

/// Images in a picture.
const ROWS: i64 = 5;
/// Steps of the longest descents that pictures show.
const LONG: u32 = 200;

/// Draws what was measured as curves.
pub(super) fn curves(world: &World, curves: &[Curve], folder: &Path) -> anyhow::Result<()> {
    for (index, test) in world.tests.iter().enumerate() {
        let of_test = || curves.iter().filter(|curve| curve.test == test.name);
        let line = |curve: &Curve, points: Vec<(f64, f64)>| Line {
            name: curve.arm.clone(),
            color: color(&curve.arm).into(),
            points,
        };
        let by_step = |curve: &Curve| {
            let steps = 1..=world.sizes.steps;
            line(curve, steps.filter_map(|step| Some((f64::from(step), curve.at(step)?))).collect())
        };
        let steps = Curves {
            title: format!("Whole images, {}: loss against steps", test.name),
            across: format!("steps (rates chosen at 2, 20 and {} steps)", world.sizes.steps),
            upward: "LPIPS + L2, mean over images".to_owned(),
            curves: of_test().map(by_step).collect(),
        };
        steps.draw().save(folder, &format!("loss_steps_{index}"))?;
        let by_time = |curve: &Curve| line(curve, curve.timed.iter().map(|(s, loss)| (s * 1e3, *loss)).collect());
        let time = Curves {
            title: format!("Whole images, {}: loss against time, one image at a time", test.name),
            across: "milliseconds of one core, from the observation".to_owned(),
            upward: "LPIPS + L2, mean over images".to_owned(),
            curves: of_test().map(by_time).collect(),
        };
        time.draw().save(folder, &format!("loss_milliseconds_{index}"))?;
    }
    Ok(())
}

fn color(arm: &str) -> RGBColor {
    let arm = Arm::ALL.into_iter().find(|other| other.name() == arm);
    match arm {
        Some(Arm::Theta) => VERMILION,
        Some(Arm::ThetaThenX) => PURPLE,
        Some(Arm::RandomTheta) => ORANGE,
        Some(Arm::Encoder) => GREEN,
        Some(Arm::AdamX) | None => BLUE,
    }
}

/// Draws images: inversions after some steps, and completions.
pub(super) fn images(world: &World, curves: &[Curve], folder: &Path) -> anyhow::Result<()> {
    for (index, test) in world.tests.iter().enumerate() {
        inversions(world, curves, test)?.draw().save_as_png(&folder.join(format!("inversions_{index}.png")))?;
        for region in REGIONS {
            let name = format!("{}_{index}.png", region.name.replace(' ', "_"));
            hypotheses(world, curves, test, region)?.draw().save_as_png(&folder.join(name))?;
        }
    }
    Ok(())
}

/// Like Fig. 5 and 9: the image, then what each method has after 2, 20 and [`LONG`] steps.
fn inversions(world: &World, curves: &[Curve], test: &TestSet) -> anyhow::Result<ImageGrid> {
    let shots = [2, 20, LONG].map(|steps| steps.min(world.sizes.steps));
    let count = ROWS.min(test.images.size()[0]);
    let target = test.images.narrow(0, 0, count);
    let mut captions = vec![vec!["target".to_owned()]];
    let mut columns: Vec<Tensor> = vec![target.shallow_clone()];
    for arm in world.arms().filter(|arm| *arm != Arm::RandomTheta) {
        let curve = curves.iter().find(|curve| curve.test == test.name && curve.arm == arm.name());
        let rate = curve.and_then(|curve| curve.rate(shots[1])).unwrap_or(0.1);
        let descent = Descent { world, arm, rate, prior_weight: 0.0, seed: 1 };
        // The encoder's own guess is what it has after no step.
        let shots = if arm == Arm::Encoder { [0, shots[0], shots[2]] } else { shots };
        columns.extend(descent.run(&Observation::of_image(&target), count as usize, &shots)?.images);
        captions.push(shots.iter().map(|steps| format!("{}: {steps}", short(arm))).collect());
    }
    let row = |image: i64| ImageRow { name: String::new(), images: columns.iter().map(|c| c.get(image)).collect() };
    let title = format!("Inversions after so many steps, {}", test.name);
    Ok(ImageGrid { title, captions, rows: (0..count).map(row).collect() })
}

/// Like Fig. 7 and 8: the image, what was seen of it, and hypotheses, best first; two methods.
fn hypotheses(world: &World, curves: &[Curve], test: &TestSet, region: Region) -> anyhow::Result<ImageGrid> {
    let count = 2.min(test.images.size()[0]);
    let mut rows = Vec::new();
    for index in 0..count {
        let image = test.images.narrow(0, index, 1);
        for arm in world.arms().filter(|arm| *arm != Arm::RandomTheta) {
            let mut images = vec![image.get(0), region.seen(&image).get(0)];
            let found =
                completions::complete(world, (arm, completions::rate(curves, arm)), &image, region, index as u64)?;
            images.extend((0..found.size()[0]).map(|hypothesis| found.get(hypothesis)));
            let name = short(arm);
            rows.push(ImageRow { name: name.to_owned(), images });
        }
    }
    let numbers = (1..=completions::HYPOTHESES).map(|hypothesis| format!("{hypothesis}"));
    let captions = vec![vec!["truth".to_owned(), "seen".to_owned()], numbers.collect()];
    let steps = world.sizes.completion_steps;
    let title = format!("{}, {}: eight hypotheses after {steps} steps, best first", capital(region.name), test.name);
    Ok(ImageGrid { title, captions, rows })
}

/// Name of a method where there is little room.
fn short(arm: Arm) -> &'static str {
    match arm {
        Arm::Encoder => "encoder",
        Arm::ThetaThenX => "theta, X",
        _ => arm.name(),
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
