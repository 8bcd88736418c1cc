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
    #[arg(long, default_value_t = 8)]
    hypotheses: u16,
    /// Time for each solve, milliseconds [default: the node's]
    #[arg(long)]
    budget_ms: Option<f64>,
    /// Messages a second, one row of the first table each
    #[arg(long, value_delimiter = ',', default_value = "30,100,200,500,1000")]
    rates: Vec<f64>,
    /// Messages a second, one row of the second table each
    #[arg(long, value_delimiter = ',', default_value = "1000,2000")]
    flood_rates: Vec<f64>,
    /// Seconds for each row
    #[arg(long, default_value_t = 20)]
    seconds: u32,
    /// Watch the memory of the node under 1 kHz input for so many seconds
    #[arg(long, value_name = "SECONDS")]
    soak: Option<u32>,
    /// ROS domain to be in [default: a free one]
    #[arg(long)]
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
