//! The node as a child process, which ends with whoever started it.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, sleep};
use std::time::{Duration, Instant};
use thalweg_task::lock;

use anyhow::Context;

/// The node's program.
const PROGRAM: &str = "thalweg_node";

/// Lines that a child's log keeps. A guess: an error and what led to it.
const LINES: usize = 20;

/// The longest that a child may take to end by itself; the node promises 2 s.
const PATIENCE: Duration = Duration::from_secs(3);

/// A program that runs until it is told to end.
#[derive(Debug)]
pub struct NodeProcess {
    name: String,
    child: Child,
    lines: Arc<Mutex<VecDeque<String>>>,
}

impl NodeProcess {
    /// Starts `thalweg_node` with these arguments; see [`find_node`].
    ///
    /// # Errors
    /// When it is not found or does not start.
    pub fn start(arguments: &[impl AsRef<str>]) -> anyhow::Result<Self> {
        Self::start_program(&find_node()?, arguments)
    }

    /// Starts a program that ends by SIGINT. What it prints is kept, not shown.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn start_program(program: &Path, arguments: &[impl AsRef<str>]) -> anyhow::Result<Self> {
        let name = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
        let mut command = Command::new(program);
        command.args(arguments.iter().map(AsRef::as_ref));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let lines = Arc::default();
        if let Some(errors) = child.stderr.take() {
            let kept = Arc::clone(&lines);
            Builder::new().name("child log".to_owned()).spawn(move || keep(errors, &kept))?;
        }
        Ok(Self { name, child, lines })
    }

    /// Number of the process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it printed last on standard error, one line after the other.
    #[must_use]
    pub fn last_lines(&self) -> String {
        let lines = lock(&self.lines);
        lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }

    /// Checks that it still runs.
    ///
    /// # Errors
    /// When it has ended: its status, and what it said last.
    pub fn check(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => anyhow::bail!("{} has ended: {status}; it said last: {}", self.name, self.last_lines()),
        }
    }

    /// Ends it by SIGINT, and by force when it takes too long; returns how it ended.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn end(mut self) -> anyhow::Result<ExitStatus> {
        Ok(self.stop()?)
    }

    fn stop(&mut self) -> std::io::Result<ExitStatus> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(status);
        }
        interrupt(self.child.id())?;
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            sleep(Duration::from_millis(10));
        }
        self.child.kill()?;
        self.child.wait()
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        // It has ended, or nothing more can be done.
        drop(self.stop());
    }
}

/// Sends SIGINT; the standard library can only kill.
fn interrupt(process: u32) -> std::io::Result<()> {
    Command::new("sh").args(["-c", "kill -INT \"$0\"", &process.to_string()]).status().map(drop)
}

/// Keeps the last lines of a child's log, and the pipe empty.
fn keep(log: impl Read, kept: &Mutex<VecDeque<String>>) {
    for line in BufReader::new(log).split(b'\n').map_while(Result::ok) {
        let mut kept = lock(kept);
        kept.push_back(String::from_utf8_lossy(&line).into_owned());
        if kept.len() > LINES {
            kept.pop_front();
        }
    }
}

/// Finds `thalweg_node`: beside this program, in an installed package, or in `PATH`.
///
/// # Errors
/// When it is in none of these places.
pub fn find_node() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("cannot find this program")?;
    let beside = own.parent().map(|folder| folder.join(PROGRAM));
    let paths = |variable: &str| std::env::var_os(variable).unwrap_or_default();
    let (prefixes, path) = (paths("AMENT_PREFIX_PATH"), paths("PATH"));
    let installed = std::env::split_paths(&prefixes).map(|prefix| prefix.join("lib/thalweg").join(PROGRAM));
    let in_path = std::env::split_paths(&path).map(|folder| folder.join(PROGRAM));
    let mut places = beside.into_iter().chain(installed).chain(in_path);
    places.find(|place| place.is_file()).with_context(|| {
        format!(
            "{PROGRAM} is not found beside this program, in AMENT_PREFIX_PATH or in PATH; build it with --features ros"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_interrupted_and_its_last_words_are_kept() {
        // Not sh, which cannot catch a signal that its parent ignored, as a script's `make test &` does.
        let script = "import signal, sys, time\n\
            def end(*_):\n    print('bye', file=sys.stderr)\n    sys.exit(7)\n\
            signal.signal(signal.SIGINT, end)\n\
            print('hello', file=sys.stderr, flush=True)\n\
            while True: time.sleep(0.05)";
        let mut child = NodeProcess::start_program(Path::new("python3"), &["-c", script]).expect("Python starts");
        let lines = Arc::clone(&child.lines);
        while child.last_lines().is_empty() {
            sleep(Duration::from_millis(5));
        }
        child.check().expect("it runs");
        assert_eq!(child.end().expect("it ends").code(), Some(7));
        while lines.lock().expect("not poisoned").len() < 2 {
            sleep(Duration::from_millis(5));
        }
        assert_eq!(*lines.lock().expect("not poisoned"), ["hello", "bye"]);
    }

    #[test]
    fn a_child_that_has_ended_is_told_with_its_status() {
        let mut child = NodeProcess::start_program(Path::new("sh"), &["-c", "exit 3"]).expect("sh starts");
        while child.check().is_ok() {
            sleep(Duration::from_millis(5));
        }
        let text = child.check().expect_err("it has ended").to_string();
        assert!(text.starts_with("sh has ended: exit status: 3"), "{text}");
    }
}
