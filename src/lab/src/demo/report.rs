//! The result in numbers: a table for people, JSON for machines.

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;
use thalweg_nn::files::write_atomically;
use thalweg_task::mean;

use super::DemoArguments;
use super::measurement::{Measurement, Summary};
use super::method::Method;
use super::pictures::Recorded;
use super::player::Player;

/// Errors nearer to each other than this share are called alike: what runs differ by.
///
/// A guess: the same command with the same seed, run four times, gave 10.9 to 11.3 degrees for theta and
/// 12.9 to 15.2 for x-descent (arms hidden, November 2026), for the clock decides how many steps there are.
const ALIKE: f64 = 0.1;

/// The methods that the summary names.
const DEFAULT: &str = "start";
const PLAIN: &str = "x-descent";

/// What lies between the motion and the methods.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Way {
    /// ROS 2, or nothing.
    pub(super) over: &'static str,
    /// Time after which an answer is late: the budget, or the next frame.
    pub(super) limit_ms: f64,
}

/// How the arms were run; nothing about the machine.
#[derive(Debug, Serialize)]
pub(super) struct Settings {
    #[serde(flatten)]
    way: Way,
    task: &'static str,
    /// Fingerprint of the forward model.
    model: String,
    /// Names of the methods; the lists below have their order.
    methods: Vec<&'static str>,
    /// How each descends, and what computes.
    engines: Vec<String>,
    /// Fingerprint of each landscape.
    landscapes: Vec<String>,
    rates: Vec<f64>,
    theta_prior: f64,
    x_prior: f64,
    budget_ms: f64,
    hypotheses: usize,
    fresh: usize,
    seed: u64,
    frames: i64,
    fps: f64,
    /// Whether frames waited for the frame clock.
    paced: bool,
}

impl Settings {
    /// # Errors
    /// When a method cannot be prepared.
    pub(super) fn new(
        arguments: &DemoArguments,
        player: &Player,
        frames: i64,
        methods: &[Method],
        way: Way,
    ) -> anyhow::Result<Self> {
        let config = arguments.config();
        let landscapes = methods.iter().map(|method| Ok(method.landscape(player.task())?.id().to_owned()));
        Ok(Self {
            way,
            task: thalweg_body_pose::ENTRY.name,
            model: player.fingerprint().to_owned(),
            landscapes: landscapes.collect::<anyhow::Result<_>>()?,
            engines: methods
                .iter()
                .map(|method| Ok(arguments.arm(method)?.describe()))
                .collect::<anyhow::Result<_>>()?,
            methods: methods.iter().map(|method| method.name).collect(),
            rates: methods.iter().map(|method| method.rate).collect(),
            theta_prior: arguments.theta_prior,
            x_prior: arguments.x_prior,
            budget_ms: arguments.budget_ms,
            hypotheses: config.hypotheses,
            fresh: config.fresh,
            seed: config.seed,
            frames,
            fps: player.fps(),
            paced: !arguments.fast,
        })
    }
}

/// One phase: the arms side by side.
#[derive(Debug, Serialize)]
struct PhaseReport {
    hidden: &'static str,
    /// Mean error of hidden joints where the last pose that was seen whole is held, degrees.
    hold_deg: f64,
    methods: Vec<Summary>,
    /// The first method against each of the others.
    verdicts: Vec<String>,
}

/// Everything that is reported.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    settings: Settings,
    phases: Vec<PhaseReport>,
    /// Frames that began more than a frame late.
    frames_late: usize,
    /// Frames without an answer of their own, each method's in each phase; none within one process.
    missed: Vec<Vec<usize>>,
    /// Most memory that the process has held, megabytes of 10^6 bytes; null where the system does not tell.
    peak_memory_mb: Option<f64>,
}

impl Report {
    pub(super) fn new(settings: Settings, phases: &[Recorded], frames_late: usize, missed: Vec<Vec<usize>>) -> Self {
        let (budget_ms, limit_ms, names) = (settings.budget_ms, settings.way.limit_ms, settings.methods.clone());
        let phase = |recorded: &Recorded| {
            let hidden = |all: &'_ Vec<Measurement>| all.get(recorded.shown as usize..).unwrap_or_default().to_vec();
            let each = names.iter().zip(&recorded.measured);
            let methods: Vec<_> = each.filter_map(|(name, all)| Summary::of(name, &hidden(all), limit_ms)).collect();
            let hold_deg = mean(&recorded.held).unwrap_or(0.0);
            PhaseReport {
                hidden: recorded.group,
                hold_deg,
                verdicts: verdicts(recorded.group, &methods, budget_ms),
                methods,
            }
        };
        let phases = phases.iter().map(phase).collect();
        Self { settings, phases, frames_late, missed, peak_memory_mb: peak_memory_mb() }
    }

    pub(super) fn save(&self, path: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        Ok(write_atomically(path, text.as_bytes())?)
    }

    /// Says in some ten lines what was hidden, how far off it was found, how fast, and where to look.
    ///
    /// # Errors
    /// Never, but that formatting may.
    pub(super) fn summary(&self, folder: &Path) -> Result<String, std::fmt::Error> {
        let Settings { hypotheses, budget_ms, frames, fps, way, .. } = &self.settings;
        let mut text = String::from("\n");
        let (seconds, groups) = (*frames as f64 / fps, self.row(|phase| phase.hidden.to_owned()));
        writeln!(
            text,
            "A body moved for {seconds:.0} s. Its arms, and then its legs, were seen at first and then hidden."
        )?;
        writeln!(text, "Mean error of the hidden joints, degrees, and in brackets the best of {hypotheses} guesses:")?;
        writeln!(text, "  {:<24}{groups}", "hidden:")?;
        let of = |name: &str| {
            self.row(|phase| {
                let found = phase.methods.iter().find(|summary| summary.method == name);
                found.map_or_else(String::new, |all| format!("{:.1} ({:.1})", all.hidden_deg, all.hidden_deg_min))
            })
        };
        writeln!(text, "  {:<24}{}", "thalweg, the default", of(DEFAULT))?;
        writeln!(text, "  {:<24}{}", "hold the last value", self.row(|phase| format!("{:.1}", phase.hold_deg)))?;
        writeln!(text, "  {:<24}{}", "plain gradient descent", of(PLAIN))?;
        let all: Vec<&Summary> = self.phases.iter().flat_map(|phase| phase.methods.first()).collect();
        let most = |of: fn(&Summary) -> f64| all.iter().map(|summary| of(summary)).fold(0.0, f64::max);
        let (p50, p99) = (most(|summary| summary.solve_ms_p50), most(|summary| summary.solve_ms_p99));
        writeln!(
            text,
            "An answer took {p50:.1} ms (99 %: {p99:.1} ms; {budget_ms} ms are allowed to search), {}.",
            way.over
        )?;
        let missed: usize = self.missed.iter().flatten().sum();
        if missed > 0 || self.frames_late > 0 {
            let late = self.frames_late;
            writeln!(text, "The machine was busy: {missed} frames had no answer of their own, {late} began late.")?;
        }
        let file = |name: &str| folder.join(name).display().to_string();
        writeln!(text, "Pictures: {} and {}.", file("demo_filmstrip.png"), file("demo_error.png"))?;
        writeln!(text, "Every figure, of two more methods, too: {}. What they mean: docs/demo.md.", file("demo.json"))?;
        Ok(text)
    }

    /// One cell for each phase.
    fn row(&self, cell: impl Fn(&PhaseReport) -> String) -> String {
        self.phases.iter().map(|phase| format!("{:<14}", cell(phase))).collect::<String>().trim_end().to_owned()
    }
}

fn verdicts(hidden: &str, methods: &[Summary], budget_ms: f64) -> Vec<String> {
    let Some((first, others)) = methods.split_first() else { return Vec::new() };
    others.iter().map(|other| verdict(hidden, [first, other], budget_ms)).collect()
}

/// Says which of two methods completes better, as measured.
fn verdict(hidden: &str, [a, b]: [&Summary; 2], budget_ms: f64) -> String {
    let (better, worse) = if a.hidden_deg <= b.hidden_deg { (a, b) } else { (b, a) };
    let less = 1.0 - better.hidden_deg / worse.hidden_deg;
    let difference = if less >= ALIKE {
        format!("{:.0} % less", less * 100.0)
    } else {
        format!("alike, as runs differ by up to {:.0} %", ALIKE * 100.0)
    };
    format!(
        "Hidden {hidden}: {} errs by {:.2} degrees, {} by {:.2}: {difference}, at {budget_ms} ms.",
        better.method, better.hidden_deg, worse.method, worse.hidden_deg
    )
}

/// Reads the peak of the resident memory from Linux's accounts of this process.
fn peak_memory_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024.0 / 1e6)
}
