//! What the node occupies over a long time under input.

use std::fmt;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Serialize;

use super::bench::Bench;

/// Messages a second.
const RATE: f64 = 1000.0;

/// Time before the first sample: caches fill, libtorch allocates.
const SETTLING: Duration = Duration::from_secs(30);

/// Time between two samples.
const PERIOD: Duration = Duration::from_secs(1);

/// What the node occupies at one moment.
#[derive(Clone, Copy, Debug, Serialize)]
struct Sample {
    /// Time since the first sample.
    seconds: f64,
    /// Resident memory, KiB.
    rss_kib: u64,
    threads: u64,
    /// Open file descriptors.
    descriptors: u64,
}

/// A long run.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Soak {
    input_hz: f64,
    /// Answers that came back over the whole time.
    answered: usize,
    rss_slope_kib_per_hour: f64,
    samples: Vec<Sample>,
}

/// Feeds the node and looks at it each second, for so many seconds after some time of settling.
pub(super) fn measure(bench: &Bench, seconds: u32) -> anyhow::Result<Soak> {
    let mut node = bench.node(bench.budget)?;
    bench.warm_up(&mut bench.through_node(), RATE, "node")?;
    let length = Duration::from_secs(u64::from(seconds)) + SETTLING;
    let (mut sent, mut answered, has_ended) = (0_u64, 0, AtomicBool::new(false));
    let (result, samples) = scope(|scope| {
        let watching = scope.spawn(|| watch(node.id(), &has_ended));
        let note = |_stamp| {
            sent += 1;
            answered += bench.answers.try_iter().count();
        };
        let result = bench.turn(RATE, length, |turn| turn.publish(bench.peer.joints(), note));
        has_ended.store(true, Ordering::Relaxed);
        (result, watching.join())
    });
    result?;
    bench.check()?;
    node.check()?;
    node.end()?;
    let samples = samples.map_err(|_panic| anyhow::anyhow!("the watch over the node panicked"))??;
    anyhow::ensure!(samples.len() > 1, "fewer than two samples");
    let rss_slope_kib_per_hour = slope(&samples) * 3600.0;
    Ok(Soak { input_hz: sent as f64 / length.as_secs_f64(), answered, rss_slope_kib_per_hour, samples })
}

fn watch(process: u32, has_ended: &AtomicBool) -> anyhow::Result<Vec<Sample>> {
    let (begin, mut samples) = (Instant::now(), Vec::new());
    let mut due = begin + SETTLING;
    while !has_ended.load(Ordering::Relaxed) {
        if Instant::now() >= due {
            let seconds = begin.elapsed().saturating_sub(SETTLING).as_secs_f64();
            samples.push(sample(process, seconds)?);
            due += PERIOD;
        }
        sleep(Duration::from_millis(10));
    }
    Ok(samples)
}

fn sample(process: u32, seconds: f64) -> anyhow::Result<Sample> {
    let path = format!("/proc/{process}/status");
    let status = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let field = |name: &str| field(&status, name).with_context(|| format!("{path} has no {name}"));
    let descriptors = fs::read_dir(format!("/proc/{process}/fd")).context("cannot list open files")?.count() as u64;
    Ok(Sample { seconds, rss_kib: field("VmRSS")?, threads: field("Threads")?, descriptors })
}

/// The number behind `name:` in `/proc/PID/status`.
fn field(status: &str, name: &str) -> Option<u64> {
    let rest = |line: &str| line.strip_prefix(name)?.strip_prefix(':').map(str::to_owned);
    status.lines().find_map(rest)?.split_whitespace().next()?.parse().ok()
}

/// Slope of the least squares line through the memory, KiB/s.
fn slope(samples: &[Sample]) -> f64 {
    let count = samples.len() as f64;
    let time = samples.iter().map(|sample| sample.seconds).sum::<f64>() / count;
    let rss = samples.iter().map(|sample| sample.rss_kib as f64).sum::<f64>() / count;
    let covariance: f64 = samples.iter().map(|s| (s.seconds - time) * (s.rss_kib as f64 - rss)).sum();
    let variance: f64 = samples.iter().map(|s| (s.seconds - time).powi(2)).sum();
    covariance / variance
}

impl fmt::Display for Soak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |kib: f64| kib / 1024.0;
        let range = |value: fn(&Sample) -> u64| {
            let values = || self.samples.iter().map(value);
            let mean = values().sum::<u64>() as f64 / self.samples.len() as f64;
            (values().min().unwrap_or(0), mean, values().max().unwrap_or(0))
        };
        let seconds = self.samples.last().map_or(0.0, |sample| sample.seconds);
        writeln!(f, "\nsoak: {seconds:.0} s at {:.0} Hz, {} answers", self.input_hz, self.answered)?;
        let (least, mean, most) = range(|sample| sample.rss_kib);
        let (least, mean, most) = (mib(least as f64), mib(mean), mib(most as f64));
        let slope = mib(self.rss_slope_kib_per_hour);
        writeln!(f, "  memory      min {least:.1}  mean {mean:.1}  max {most:.1} MiB, slope {slope:+.2} MiB/h")?;
        let (least, mean, most) = range(|sample| sample.threads);
        writeln!(f, "  threads     min {least}  mean {mean:.1}  max {most}")?;
        let (least, mean, most) = range(|sample| sample.descriptors);
        writeln!(f, "  open files  min {least}  mean {mean:.1}  max {most}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(memory: &[u64]) -> Vec<Sample> {
        let sample = |(second, rss_kib): (usize, &u64)| Sample {
            seconds: second as f64,
            rss_kib: *rss_kib,
            threads: 9,
            descriptors: 40,
        };
        memory.iter().enumerate().map(sample).collect()
    }

    #[test]
    fn slopes_are_of_the_best_line() {
        assert!((slope(&samples(&[10, 12, 14, 16])) - 2.0).abs() < 1e-12);
        assert!(slope(&samples(&[10, 12, 12, 10])).abs() < 1e-12);
    }

    #[test]
    fn fields_of_a_process() {
        let status = "Name:\tx\nVmHWM:\t  9 kB\nVmRSS:\t   1234 kB\nThreads:\t7\n";
        assert_eq!(
            (field(status, "VmRSS"), field(status, "Threads"), field(status, "Vm")),
            (Some(1234), Some(7), None)
        );
        let own = sample(std::process::id(), 0.0).expect("this process runs");
        assert!(own.rss_kib > 0 && own.threads > 0 && own.descriptors > 2);
    }

    #[test]
    fn the_text_names_least_mean_and_most() {
        let samples = samples(&[1024, 2048, 3072]);
        let soak = Soak { input_hz: 1000.0, answered: 5, rss_slope_kib_per_hour: 2048.0, samples };
        let text = soak.to_string();
        assert!(text.contains("min 1.0  mean 2.0  max 3.0 MiB, slope +2.00 MiB/h"), "{text}");
        assert!(text.contains("threads     min 9  mean 9.0  max 9"), "{text}");
    }
}
