//! The process around the node: exit codes, signals, panics.

use std::backtrace::Backtrace;
use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::OnceLock;
use std::thread::Builder;
use std::time::Duration;
use thalweg_task::{first_line, is_guarded, panic_text};

use anyhow::{Context, ensure};
use thalweg_nn::files::NewFile;
use thalweg_node::intake::escaped;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// As asked.
    Done = 0,
    /// Bad arguments, parameter file or value.
    Usage = 2,
    /// Cannot configure at start.
    Configure = 3,
    /// Internal error (`EX_SOFTWARE` of sysexits.h).
    Internal = 70,
    /// A panic, as Rust's own.
    Panic = 101,
    /// A second signal, as a shell tells SIGINT.
    Forced = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// The signals that end a node; created before anything may wait for them.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
    /// Kept so that a file at its limit (ulimit -f) is an error of the recorder and not the end of the process.
    _file_size: Signal,
}

/// SIGXFSZ of Linux, which tokio has no name for.
const FILE_SIZE: i32 = 25;

impl Signals {
    /// Takes the signals from their default, which would end the process at once.
    ///
    /// # Errors
    /// What the operating system says.
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            _file_size: signal(SignalKind::from_raw(FILE_SIZE))?,
        })
    }

    /// Waits for the next one and names it.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.hang_up.recv() => "SIGHUP",
        }
    }
}

/// The longest that a process lives after a panic, whatever hangs: launch waits 5 s.
const AFTER_PANIC: Duration = Duration::from_secs(3);

/// What panicked first, where nothing catches it.
static PANIC: OnceLock<String> = OnceLock::new();

/// What has panicked where nothing catches it, if anything has; whoever may end the process in order does so then.
pub(crate) fn panicked() -> Option<&'static str> {
    PANIC.get().map(String::as_str)
}

/// Ends the process at once: what was written is flushed, nothing else is run.
///
/// Never `exit`: it destroys the static objects of Fast DDS while its threads, and perhaps ours, which takes a node from
/// the graph, still use them. That corrupted the heap and ended in SIGABRT in 14 of 24 panics at the start.
pub(crate) fn leave(exit: Exit) -> ! {
    // Whoever reads no more has seen enough.
    drop(std::io::stdout().flush());
    drop(std::io::stderr().flush());
    signal_hook::low_level::exit(i32::from(exit as u8))
}

/// Makes a panic leave its text and backtrace in a file, and one line in the log; one that nothing catches ends the
/// process with [`Exit::Panic`] within [`AFTER_PANIC`], on whatever thread it is.
pub(crate) fn watch_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let text = panic_text(panic.payload());
        let line = first_line(text);
        let is_caught = is_guarded() || std::thread::current().name().is_some_and(|name| name.starts_with(TEAM));
        if is_caught {
            tracing::debug!("panic in a task: {line}");
            return;
        }
        let place = panic.location().map_or_else(String::new, ToString::to_string);
        let folder = log_folder().unwrap_or_else(std::env::temp_dir);
        let told = match keep(&folder, &format!("panic at {place}: {text}\n{}", Backtrace::force_capture())) {
            Ok(path) => format!("; backtrace in {}", path.display()),
            Err(error) => format!("; no backtrace: {error}"),
        };
        tracing::error!("panic at {place}: {line}{told}");
        let is_first = PANIC.set(format!("panic at {place}: {line}")).is_ok();
        // A second one on the way out, or one that C++ would have to unwind, would abort.
        if !is_first && std::thread::panicking() || line.contains("cannot unwind") || line.contains(NESTED) {
            leave(Exit::Panic);
        }
        let end = || {
            std::thread::sleep(AFTER_PANIC);
            leave(Exit::Panic)
        };
        if is_first && Builder::new().name("end".to_owned()).spawn(end).is_err() {
            leave(Exit::Panic);
        }
    }));
}

/// Beginning of the names of an engine's threads: what panics there is caught, and passed on to the engine.
const TEAM: &str = "fused-";

/// What Rust says of a panic in a destructor that runs because of another one.
const NESTED: &str = "panic in a destructor during cleanup";

/// Writes a report of a panic into a folder, which is made where it is missing; follows no link, for the folder may be
/// anybody's (`/tmp`), and the name can be foreseen.
fn keep(folder: &Path, report: &str) -> std::io::Result<PathBuf> {
    let path = folder.join(format!("thalweg_node_{}_panic.log", std::process::id()));
    let mut file = NewFile::create(&path)?;
    file.write_all(report.as_bytes())?;
    file.replace()?;
    Ok(path)
}

/// Where ROS 2 keeps logs: `ROS_LOG_DIR`, else `log` in [`ros_home`].
pub(crate) fn log_folder() -> Option<PathBuf> {
    folder("ROS_LOG_DIR").or_else(|| ros_home().map(|home| home.join("log")))
}

/// Where ROS 2 keeps what is a user's: `ROS_HOME`, else `~/.ros`.
fn ros_home() -> Option<PathBuf> {
    folder("ROS_HOME").or_else(|| folder("HOME").map(|home| home.join(".ros")))
}

/// Where recordings go when nothing says otherwise.
pub(super) fn recordings_folder() -> PathBuf {
    ros_home().unwrap_or_default().join("thalweg")
}

fn folder(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Files, sockets and pipes that a node opens, and some to spare: it has about 30 open when it is
/// configured (Fast DDS, `/proc/PID/fd`, November 2026).
const FILES: usize = 48;

/// Domains that the ports of DDS have room for; others are refused by the middleware in words of its own.
const DOMAINS: std::ops::RangeInclusive<u8> = 0..=232;

/// Checks the one number that a node reads from its environment.
fn check_domain(text: Option<&OsStr>) -> anyhow::Result<()> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(()) };
    let domain = text.to_str().and_then(|text| text.parse().ok()).filter(|domain| DOMAINS.contains(domain));
    let (from, to) = (DOMAINS.start(), DOMAINS.end());
    let got = text.to_string_lossy();
    ensure!(domain.is_some(), "ROS_DOMAIN_ID: got '{}', expected a whole number from {from} to {to}", escaped(&got));
    Ok(())
}

/// Checks what rcl and tokio answer with less than a sentence.
///
/// # Errors
/// One sentence about what is missing, with the cure.
pub(crate) fn check_surroundings() -> anyhow::Result<()> {
    check_domain(std::env::var_os("ROS_DOMAIN_ID").as_deref())?;
    ensure!(log_folder().is_some(), "no logging directory: HOME is not set; set it, ROS_HOME or ROS_LOG_DIR");
    let open: std::io::Result<Vec<_>> = (0..FILES).map(|_file| std::fs::File::open("/dev/null")).collect();
    open.map(drop).with_context(|| format!("a node needs {FILES} open files; raise the limit (ulimit -n)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_a_number_that_there_is() {
        let check = |text: &str| check_domain(Some(OsStr::new(text))).map_err(|error| error.to_string());
        assert!(check_domain(None).is_ok() && ["", "0", "1", "232"].iter().all(|text| check(text).is_ok()));
        for text in ["233", "999", "-1", "1.0", "1e2", "abc", "NaN", " 1", "99999999999999999999", "a\nb"] {
            let refusal = check(text).expect_err(text);
            assert_eq!(
                refusal,
                format!("ROS_DOMAIN_ID: got '{}', expected a whole number from 0 to 232", escaped(text))
            );
        }
    }

    #[test]
    fn s4_a_panic_leaves_its_report_in_a_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = keep(&folder.path().join("log"), "panic at a.rs:1: late\n0: main").expect("written");
        assert_eq!(std::fs::read_to_string(path).expect("there"), "panic at a.rs:1: late\n0: main");
        let file = tempfile::NamedTempFile::new().expect("a file");
        assert!(keep(file.path(), "x").is_err(), "a file is no folder");
        let name = folder.path().join(format!("thalweg_node_{}_panic.log", std::process::id()));
        std::os::unix::fs::symlink(file.path(), name).expect("linked");
        assert!(keep(folder.path(), "x").is_err(), "nobody is led elsewhere by a link");
        assert_eq!(std::fs::read(file.path()).expect("there"), b"");
    }
}
