//! How old the newest data of an answer are when input comes faster than the node solves.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Serialize;
use thalweg_ros::client::peer::{Diagnostics, Peer};

use super::bench::Bench;

/// Time before the first report that counts.
const SETTLING: Duration = Duration::from_secs(3);

/// How often `/diagnostics` is looked at; it comes ten times a second at most.
const LOOK: Duration = Duration::from_millis(20);

/// The part of the node that solves.
const OPTIMIZER: &str = ": Optimizer";

/// One row of the table.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    /// Messages a second that really went out.
    pub(super) input_hz: f64,
    pub(super) solves_hz: f64,
    /// Mean time of one solve, as the node says.
    pub(super) solve_mean_ms: f64,
    /// Longest one.
    pub(super) solve_max_ms: f64,
    /// Time from one solve to the next.
    pub(super) period_ms: f64,
    pub(super) worst_age_ms: f64,
}

impl Row {
    /// What the worst age may be: two solve periods.
    pub(super) fn allowed_ms(&self) -> f64 {
        2.0 * self.period_ms
    }
}

/// What one report says of the optimizer.
#[derive(Clone, Copy, Debug)]
struct Report {
    received: Instant,
    solves: f64,
    solve_mean_us: f64,
    solve_max_us: f64,
    age_max_s: f64,
}

impl Report {
    fn read(diagnostics: &Diagnostics) -> Option<Self> {
        let value = |key| diagnostics.value(OPTIMIZER, key)?.parse().ok();
        Some(Self {
            received: diagnostics.received,
            solves: value("Solves")?,
            solve_mean_us: value("Solve mean (us)")?,
            solve_max_us: value("Solve max (us)")?,
            age_max_s: value("Age of data max (s)")?,
        })
    }
}

/// Floods the node with input and reads its diagnostics.
pub(super) fn measure(bench: &Bench, rate: f64) -> anyhow::Result<Row> {
    let mut node = bench.node(bench.budget)?;
    bench.warm_up(&mut bench.through_node(), rate, "node")?;
    let length = Duration::from_secs(u64::from(bench.seconds)) + SETTLING;
    let (peer, mut sent, has_ended) = (&bench.peer, 0_u64, AtomicBool::new(false));
    let (result, reports, took) = scope(|scope| {
        let gathering = scope.spawn(|| gather(peer, &has_ended));
        let begin = Instant::now();
        let result = bench.turn(rate, length, |turn| turn.publish(peer.joints(), |_stamp| sent += 1));
        has_ended.store(true, Ordering::Relaxed);
        (result, gathering.join().unwrap_or_default(), begin.elapsed())
    });
    result?;
    bench.check()?;
    node.check()?;
    node.end()?;
    let row = summarize(&reports).with_context(|| format!("fewer than two reports on /diagnostics at {rate} Hz"))?;
    Ok(Row { input_hz: sent as f64 / took.as_secs_f64(), ..row })
}

/// Takes every report until the end, those of the first seconds left out.
fn gather(peer: &Peer, has_ended: &AtomicBool) -> Vec<Report> {
    let begin = Instant::now();
    let mut reports: Vec<Report> = Vec::new();
    while !has_ended.load(Ordering::Relaxed) {
        let latest = peer.diagnostics().and_then(|diagnostics| Report::read(&diagnostics));
        let is_new = |report: &Report| {
            let is_settled = report.received.saturating_duration_since(begin) >= SETTLING;
            is_settled && reports.last().is_none_or(|last| last.received < report.received)
        };
        reports.extend(latest.filter(is_new));
        sleep(LOOK);
    }
    reports
}

/// The first report begins the time that counts; its own numbers are of before.
fn summarize(reports: &[Report]) -> Option<Row> {
    let (first, counted) = reports.split_first()?;
    let last = counted.last()?;
    let solves = last.solves - first.solves;
    let seconds = last.received.saturating_duration_since(first.received).as_secs_f64();
    let weigh = |(before, report): (&Report, &Report)| report.solve_mean_us * (report.solves - before.solves);
    let solving_us: f64 = reports.iter().zip(counted).map(weigh).sum();
    let greatest = |value: fn(&Report) -> f64| counted.iter().map(value).fold(0.0, f64::max);
    (solves > 0.0).then_some(Row {
        input_hz: 0.0,
        solves_hz: solves / seconds,
        solve_mean_ms: solving_us / solves * 1e-3,
        period_ms: seconds / solves * 1e3,
        solve_max_ms: greatest(|report| report.solve_max_us) * 1e-3,
        worst_age_ms: greatest(|report| report.age_max_s) * 1e3,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_before_the_first_report_does_not_count() {
        let start = Instant::now();
        let report = |second, solves, solve_mean_us, age_max_s| Report {
            received: start + Duration::from_secs(second),
            solves,
            solve_mean_us,
            solve_max_us: solve_mean_us + 1000.0,
            age_max_s,
        };
        let reports = [report(0, 50.0, 9e9, 9.0), report(1, 150.0, 8000.0, 0.015), report(2, 250.0, 9000.0, 0.012)];
        let row = summarize(&reports).expect("three reports");
        let close = |value: f64, expected: f64| (value - expected).abs() < 1e-9;
        assert!(close(row.solves_hz, 100.0) && close(row.period_ms, 10.0) && close(row.solve_mean_ms, 8.5));
        assert!(close(row.solve_max_ms, 10.0) && close(row.worst_age_ms, 15.0) && close(row.allowed_ms(), 20.0));
        assert!(summarize(&reports[..1]).is_none());
    }
}
