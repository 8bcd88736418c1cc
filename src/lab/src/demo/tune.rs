//! `thalweg demo --tune`: which step size completes best.

use std::io::{Write, stdout};

use super::measurement::{Measurement, Summary};
use super::player::Phase;
use super::{DemoArguments, HIDDEN};

/// Step sizes that are compared.
const RATES: [f64; 6] = [0.5, 0.2, 0.1, 0.05, 0.01, 0.001];
/// Share of the frames that is played.
const SHARE: i64 = 5;

/// Plays the first fifth of the frames to an arm for each step size, and prints a table.
pub(super) fn run(arguments: &DemoArguments) -> anyhow::Result<()> {
    let player = arguments.player(None)?;
    let frames = (arguments.frames(&player) / SHARE).max(1);
    let theta = RATES.iter().map(|&rate| arguments.theta(rate));
    let x_descent = RATES.iter().map(|&rate| arguments.x_descent(rate));
    let mut arms = theta.chain(x_descent).map(|method| arguments.arm(&method)).collect::<anyhow::Result<Vec<_>>>()?;
    let mut results = Vec::new();
    for group in HIDDEN {
        let mut measured: Vec<Vec<Measurement>> = vec![Vec::new(); arms.len()];
        player.play(&Phase::hiding(group, 0)?, &mut arms, frames, false, &mut |moment| {
            measured.iter_mut().zip(moment.measurements).for_each(|(all, one)| all.push(one.clone()));
            Ok(())
        })?;
        let both = arms.iter().zip(&measured);
        results
            .push(both.filter_map(|(arm, all)| Summary::of(arm.name(), all, arguments.budget_ms)).collect::<Vec<_>>());
    }
    let rates: Vec<f64> = arms.iter().map(super::Arm::rate).collect();
    print(frames, arguments.budget_ms, &rates, &results)
}

/// Prints the step sizes of each arm, and the one with the least mean over both phases.
fn print(frames: i64, budget_ms: f64, rates: &[f64], results: &[Vec<Summary>]) -> anyhow::Result<()> {
    let [arms, legs] = results else { return Ok(()) };
    let mut output = stdout().lock();
    writeln!(output, "first {frames} frames, {budget_ms} ms; hidden error in degrees, median of the visible loss")?;
    writeln!(output, "method      rate   hidden arms    loss   hidden legs    loss   mean")?;
    let both = || rates.iter().zip(arms.iter().zip(legs));
    let score = |(arms, legs): (&Summary, &Summary)| 0.5 * (arms.hidden_deg + legs.hidden_deg);
    for (rate, (a, l)) in both() {
        let (name, losses, mean) = (a.method, [a.loss_median, l.loss_median], score((a, l)));
        write!(output, "{name:<10} {rate:>5}   {:>11.2}  {:>6.4}   ", a.hidden_deg, losses[0])?;
        writeln!(output, "{:>11.2}  {:>6.4}  {mean:>5.2}", l.hidden_deg, losses[1])?;
    }
    for name in ["theta", "x-descent"] {
        let own = both().filter(|(_, (arms, _))| arms.method == name);
        let best = own.min_by(|a, b| score(a.1).total_cmp(&score(b.1)));
        if let Some((rate, pair)) = best {
            writeln!(output, "{name}: the least mean is {:.2} degrees, at {rate}", score(pair))?;
        }
    }
    Ok(())
}
