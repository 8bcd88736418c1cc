//! What long jobs share: a progress bar, a log file of JSON lines, a stop on Ctrl-C.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use thalweg_nn::files::open_append;
use thalweg_nn::{Ranks, SlowRank};

use crate::console;

/// Exit code of a program ended by an interrupt, as shells have it.
const INTERRUPTED: i32 = 130;
/// How long a slow rank that was named is not named again.
const NAMED_AGAIN: Duration = Duration::from_secs(60);

/// A running job.
pub struct Job {
    bar: ProgressBar,
    /// Of the first rank, where there are several.
    log: Option<File>,
    stopped: Arc<AtomicBool>,
    failure: Option<anyhow::Error>,
    /// The rank that was last named as slow, and when.
    named: Option<(usize, Instant)>,
}

impl Job {
    /// Opens the log (appending: a resumed job goes on writing) and shows the bar.
    pub fn start(title: &str, length: u64, log: &Path) -> anyhow::Result<Self> {
        let style =
            ProgressStyle::with_template("{prefix} [{elapsed_precise}<{eta_precise}] {wide_bar} {pos}/{len} {msg}")?;
        let bar = ProgressBar::new(length).with_style(style).with_prefix(title.to_owned());
        Self::shown(bar, Some(opened(log)?))
    }

    /// As [`Job::start`] on the first rank; the others show nothing and write nothing.
    pub fn on(ranks: &Ranks, title: &str, length: u64, log: &Path) -> anyhow::Result<Self> {
        if ranks.is_first() { Self::start(title, length, log) } else { Self::shown(ProgressBar::hidden(), None) }
    }

    fn shown(bar: ProgressBar, log: Option<File>) -> anyhow::Result<Self> {
        let stopped = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stopped);
        let handler = move || {
            // The first time the job ends at its next report, with a checkpoint; the second time at once.
            if flag.swap(true, Ordering::Relaxed) {
                std::process::exit(INTERRUPTED);
            }
        };
        ctrlc::set_handler(handler).context("cannot catch Ctrl-C")?;
        Ok(Self { bar, log, stopped, failure: None, named: None })
    }

    /// Moves the bar and writes one line; returns whether to go on.
    pub fn report(&mut self, position: u64, message: &str, line: &impl Serialize) -> bool {
        self.bar.set_position(position);
        self.bar.set_message(message.to_owned());
        self.failure = self.failure.take().or(self.write(line).err());
        self.failure.is_none() && !self.stopped.load(Ordering::Relaxed)
    }

    /// Names a rank that the others wait for, in the log and above the bar; the first rank does.
    pub fn name_slow(&mut self, slow: Option<SlowRank>) {
        let is_news = |slow: &SlowRank| {
            self.named.is_none_or(|(rank, when)| rank != slow.slow_rank || when.elapsed() >= NAMED_AGAIN)
        };
        let Some(slow) = slow.filter(|slow| self.log.is_some() && is_news(slow)) else { return };
        self.named = Some((slow.slow_rank, Instant::now()));
        let SlowRank { slow_rank, seconds, others } = slow;
        self.bar.suspend(|| {
            console::note(&format!(
                "rank {slow_rank} computes {seconds:.2} s a round, the others {others:.2} s, and wait for it"
            ));
        });
        self.failure = self.failure.take().or(self.write(&slow).err());
    }

    fn write(&mut self, line: &impl Serialize) -> anyhow::Result<()> {
        let Some(log) = &mut self.log else { return Ok(()) };
        // In one piece, so that who kills the process cuts no line off.
        let line = serde_json::to_string(line)? + "\n";
        log.write_all(line.as_bytes()).context("cannot write the log")
    }

    /// Where the bar stands.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.bar.position()
    }

    /// Where it was stopped on one rank, it is on all.
    pub fn agree(&mut self, ranks: &Ranks) -> anyhow::Result<()> {
        let goes_on = self.failure.is_none() && !self.stopped.load(Ordering::Relaxed);
        if !ranks.all(goes_on)? {
            self.stopped.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Ends the job; an error when it was stopped, or when its log could not be written.
    pub fn finish(mut self, checkpoint: &Path) -> anyhow::Result<()> {
        self.expect_running(checkpoint)
    }

    /// Between two parts of a job: an error as [`Job::finish`] gives it.
    pub fn expect_running(&mut self, checkpoint: &Path) -> anyhow::Result<()> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        if self.stopped.load(Ordering::Relaxed) {
            anyhow::bail!("stopped; the same command resumes from {}", checkpoint.display());
        }
        Ok(())
    }

    /// Removes the checkpoint of a finished job.
    pub fn forget(checkpoint: &Path) -> anyhow::Result<()> {
        if !checkpoint.exists() {
            return Ok(());
        }
        std::fs::remove_file(checkpoint).with_context(|| format!("cannot remove {}", checkpoint.display()))
    }
}

fn opened(log: &Path) -> anyhow::Result<File> {
    if let Some(folder) = log.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    let told = || format!("cannot write the log {}", log.display());
    let is_cut_off = log.is_file() && !ends_a_line(log).with_context(told)?;
    let mut file = open_append(log).with_context(told)?;
    if is_cut_off {
        file.write_all(b"\n").with_context(told)?;
    }
    Ok(file)
}

/// Whether a file is empty or ends with the end of a line: a machine that loses power cuts lines off.
fn ends_a_line(path: &Path) -> std::io::Result<bool> {
    let mut file = File::open(path)?;
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

impl Drop for Job {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_was_cut_off_spoils_no_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("logs").join("theta.log");
        for (before, after) in [("", "7\n"), ("6\n", "6\n7\n"), ("6\n{\"buf", "6\n{\"buf\n7\n")] {
            opened(&log).expect("a folder is made for it");
            std::fs::write(&log, before).expect("a file");
            opened(&log).expect("it is there").write_all(b"7\n").expect("it can be written");
            assert_eq!(std::fs::read_to_string(&log).expect("text"), after);
        }
    }
}
