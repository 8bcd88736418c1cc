//! `thalweg-lab bench streams`: real motion of which joints drop out, and every way to bridge the gap.

mod clips;
mod constants;
mod filters;
mod measures;
mod methods;
mod report;
mod scenarios;

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use thalweg_cli::console::print;

use constants::{Arm, Trial};
use measures::Tally;
use methods::{METHODS, Player};
use report::Row;
use scenarios::{Scenario, Stream};

use crate::clips::{Clip, ClipArguments};

/// Options of `thalweg-lab bench streams`.
#[derive(Args)]
pub(crate) struct StreamArguments {
    #[command(flatten)]
    source: ClipArguments,
    /// Frames a second
    #[arg(long, value_delimiter = ',', default_values_t = [30.0, 100.0])]
    rates: Vec<f64>,
    /// Every so many-th clip is played at rates above 50 Hz; all below
    #[arg(long, default_value_t = 3)]
    thin: u32,
    /// Most steps of a solve: so much is time for, whatever else the machine does
    #[arg(long, default_value_t = 6)]
    steps: u32,
    /// Methods, by their keys
    #[arg(long, value_name = "KEY", value_delimiter = ',', value_parser = methods::key)]
    methods: Vec<String>,
    /// Scenarios, by their names
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = scenarios::name)]
    scenarios: Vec<String>,
    /// Tries values of a constant in place of the usual one: NAME=VALUE,VALUE. Of several constants of a method, all
    /// combinations. On --set validation, never on what is judged by
    #[arg(long = "try", value_name = "NAME=VALUES", value_parser = constants::trial)]
    trials: Vec<Trial>,
    /// An amortised start for the method of that name, from `thalweg train start`
    #[arg(long, value_name = "FILE")]
    start: Option<PathBuf>,
    /// Where the results go
    #[arg(long, value_name = "DIR", default_value = "out/bench_streams")]
    output: PathBuf,
}

/// Plays, measures, writes and prints.
///
/// # Errors
/// What the data, the weights or the engine refuse.
pub(crate) fn run(arguments: &StreamArguments) -> anyhow::Result<()> {
    thalweg_engine::pin_threads(1);
    let begin = Instant::now();
    let clips = clips::load(arguments, wanted(&arguments.methods, "nearest"))?;
    anyhow::ensure!(!clips.played.is_empty(), "no clip lasts for a second");
    let arms = constants::arms(|key| wanted(&arguments.methods, key), &arguments.trials);
    let mut rows = Vec::new();
    for &rate in &arguments.rates {
        let thinned = if rate > 50.0 { arguments.thin.max(1) as usize } else { 1 };
        let played: Vec<&Clip> = clips.played.iter().step_by(thinned).collect();
        for scenario in scenarios::ALL.iter().filter(|one| wanted(&arguments.scenarios, one.name)) {
            for arm in &arms {
                let Some(mut player) = Player::new(arm, (arguments, &clips))? else { continue };
                rows.push(measure(&mut player, &played, (rate, scenario), arm)?);
                tracing::info!("{rate} Hz, {}, {}: {:.0} s", scenario.name, arm.name(), begin.elapsed().as_secs_f64());
            }
        }
    }
    print(&report::write(arguments, &clips.played, &rows)?)
}

fn wanted(names: &[String], name: &str) -> bool {
    names.is_empty() || names.iter().any(|wanted| wanted == name)
}

/// One method in one scenario, over all clips.
fn measure(
    player: &mut Player,
    clips: &[&Clip],
    (rate, scenario): (f64, &'static Scenario),
    arm: &Arm,
) -> anyhow::Result<Row> {
    let mut tally = Tally::default();
    for (index, clip) in clips.iter().enumerate() {
        for variant in 0..scenario.variants() {
            let Some(stream) = Stream::new(clip, rate, scenario, variant, index as u64)? else { continue };
            tally.add(&stream, &player.play(&stream)?);
        }
    }
    Ok(Row { rate, scenario: scenario.name, method: arm.method.key, name: arm.name(), measures: tally.measures() })
}
