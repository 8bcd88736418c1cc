//! `thalweg bench-node`: how long the running node takes, beside a node that does nothing.

#[cfg(feature = "ros")]
mod ages;
#[cfg(feature = "ros")]
mod bench;
#[cfg(feature = "ros")]
mod report;
#[cfg(feature = "ros")]
mod round_trips;
#[cfg(feature = "ros")]
mod soak;
#[cfg(feature = "ros")]
mod track;

use std::path::PathBuf;

use clap::Args;

/// What `--help` prints below the options.
const HELP: &str = "\
Starts thalweg_node and an echo, each in a process of its own, in a ROS domain of their own on this
machine, and plays the motion to both with the arms hidden, in turns of a second.

The first table: time from publishing on joint_states until the message with the same stamp is back;
missed are stamps that were never answered. The node may take its budget and 5 ms longer than the
echo, p99 against p99. A budget above 80 % of the period cannot keep up by design; there the table
uses 60 % of the period, and says so.
The second table: input faster than the node solves. The newest data of an answer may be two solve
periods old, by the node's own diagnostics.
Both depend on what else the machine does; the load is printed above.

Examples:
  thalweg bench-node
  thalweg bench-node --budget-ms 4 --json out/bench_node.json
  thalweg bench-node --soak 3600";

/// Options of `thalweg bench-node`.
#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct BenchNodeArguments {
    /// Hypotheses of the node
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    hypotheses: u16,
    /// Time for each solve, milliseconds [default: the node's]
    #[arg(long, value_parser = milliseconds)]
    budget_ms: Option<f64>,
    /// Messages a second, one row of the first table each
    #[arg(long, value_delimiter = ',', default_value = "30,100,200", value_parser = rate)]
    rates: Vec<f64>,
    /// Messages a second, one row of the second table each
    #[arg(long, value_delimiter = ',', default_value = "1000,2000", value_parser = rate)]
    flood_rates: Vec<f64>,
    /// Seconds for each row
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// Watch the memory of the node under 1 kHz input for so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(2..))]
    soak: Option<u32>,
    /// ROS domain to be in [default: a free one]
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=232))]
    domain: Option<u8>,
    /// Folder of the weights of tasks
    #[arg(long, value_name = "DIR", default_value = "models")]
    models: PathBuf,
    /// The motion to play
    #[arg(long, default_value = "assets/motion.safetensors")]
    motion: PathBuf,
    /// File that everything is written to
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// A budget that the node takes: `budget.deadline` in milliseconds.
fn milliseconds(text: &str) -> Result<f64, String> {
    within(text, 0.5, 10_000.0)
}

fn rate(text: &str) -> Result<f64, String> {
    within(text, 1.0, 10_000.0)
}

fn within(text: &str, least: f64, most: f64) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_error| "expected a number".to_owned())?;
    let is_within = (least..=most).contains(&value);
    if is_within { Ok(value) } else { Err(format!("expected a number in [{least}, {most}]")) }
}

/// Measures, and prints tables.
#[cfg(feature = "ros")]
pub(crate) fn run(arguments: &BenchNodeArguments) -> anyhow::Result<()> {
    // Before anything else: the first time this starts the program anew.
    thalweg_ros::client::peer::enter_domain(arguments.domain)?;
    let bench = bench::Bench::start(arguments)?;
    let mut report = report::Report::new(arguments, &bench);
    thalweg_cli::console::print(&report.title())?;
    for rate in &arguments.rates {
        report.round_trips.extend(round_trips::measure(&bench, *rate)?);
    }
    thalweg_cli::console::print(&report.round_trips_table())?;
    for rate in &arguments.flood_rates {
        report.ages.push(ages::measure(&bench, *rate)?);
    }
    thalweg_cli::console::print(&report.ages_table())?;
    if let Some(seconds) = arguments.soak {
        let soak = report.soak.insert(soak::measure(&bench, seconds)?);
        thalweg_cli::console::print(&soak.to_string())?;
    }
    report.save(arguments.json.as_deref())
}

/// Says that there is nothing to measure.
#[cfg(not(feature = "ros"))]
pub(crate) fn run(_arguments: &BenchNodeArguments) -> anyhow::Result<()> {
    anyhow::bail!("this build has no ROS; build thalweg with --features ros where a ROS 2 prefix is sourced")
}

/// Sends joints back as they come: what the node is compared with, started by `bench-node`.
#[cfg(feature = "ros")]
pub(crate) fn echo() -> anyhow::Result<()> {
    thalweg_ros::client::bench::echo()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_and_rates_have_limits() {
        assert_eq!((milliseconds("0.5"), rate("200")), (Ok(0.5), Ok(200.0)));
        assert_eq!(milliseconds("0.4"), Err("expected a number in [0.5, 10000]".to_owned()));
        assert!(rate("NaN").is_err() && rate("0").is_err() && rate("fast").is_err());
    }
}
