//! Log lines: to the console as rcutils writes them, and to `/rosout`.
//!
//! rcl no longer publishes `/rosout` for its clients, and r2r does not either; so we do. The
//! console honours the variables that rcutils documents.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use r2r::rcl_interfaces::msg::Log;
use thalweg_task::printable;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use super::time::{RosTime, stamp};
use thalweg_task::lock;

/// Lines that wait for `/rosout` at most; further ones reach the console only. A guess.
const WAITING: usize = 1000;

/// rcutils' default of `RCUTILS_CONSOLE_OUTPUT_FORMAT`.
const FORMAT: &str = "[{severity}] [{time}] [{name}]: {message}";

/// What the command line says of the log, by rcl's options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogOptions {
    /// Least severity that is logged.
    pub(crate) level: Level,
    /// Whether lines go to the console.
    pub(crate) console: bool,
    /// Whether lines go to `/rosout`.
    pub(crate) rosout: bool,
    /// Whether lines go to a file in the log folder.
    pub(crate) file: bool,
    /// Beginning of the file's name, in place of the program's.
    pub(crate) file_name: Option<String>,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { level: Level::INFO, console: true, rosout: true, file: true, file_name: None }
    }
}

/// The log file: rcl makes it while the node is made, so the first lines wait for it.
#[derive(Debug)]
enum LogFile {
    /// Lines until then.
    Waiting(Vec<String>),
    Open(File),
    /// Not wanted, or it could not be written.
    Off,
}

impl LogFile {
    fn write(&mut self, text: &str) {
        match self {
            Self::Waiting(lines) => lines.push(text.to_owned()),
            // A full disk must not end the node; the console has the line.
            Self::Open(file) => drop(writeln!(file, "{text}")),
            Self::Off => {}
        }
    }
}

/// One line of the log.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    level: Level,
    nanos: i64,
    text: String,
    file: &'static str,
    line: u32,
}

/// How the console shows lines.
struct Console {
    format: String,
    is_coloured: bool,
    to_stdout: bool,
    is_on: bool,
}

/// Takes what the program logs.
struct Lines {
    console: Console,
    logger: Arc<OnceLock<String>>,
    time: Arc<RosTime>,
    rosout: Option<Sender<Line>>,
    file: Arc<Mutex<LogFile>>,
    least: Level,
}

/// What is needed to serve `/rosout` later.
#[derive(Debug)]
pub(crate) struct Rosout {
    pub(crate) lines: Receiver<Line>,
    /// Name of the logger, once the node has its name.
    pub(crate) logger: Arc<OnceLock<String>>,
    file: Arc<Mutex<LogFile>>,
    file_name: Option<String>,
}

/// Starts logging, as the command line says.
pub(crate) fn start(options: &LogOptions, time: Arc<RosTime>) -> Rosout {
    let (sender, lines) = channel(WAITING);
    let logger = Arc::new(OnceLock::new());
    let file = if options.file { LogFile::Waiting(Vec::new()) } else { LogFile::Off };
    let file = Arc::new(Mutex::new(file));
    let layer = Lines {
        console: Console { is_on: options.console, ..Console::from_environment() },
        logger: Arc::clone(&logger),
        time,
        rosout: options.rosout.then_some(sender),
        file: Arc::clone(&file),
        least: options.level,
    };
    // Fails only where logging has been started already, in tests.
    drop(tracing_subscriber::registry().with(layer).try_init());
    Rosout { lines, logger, file, file_name: options.file_name.clone() }
}

impl Rosout {
    /// Writes what was logged, and what will be, into the log file: the one that rcl has made for this process in
    /// `folder`, else one that is named as rcl names them.
    pub(crate) fn open_file(&self, folder: &Path) {
        let mut file = lock(&self.file);
        let LogFile::Waiting(lines) = &mut *file else { return };
        let lines = std::mem::take(lines);
        *file = self.file_in(folder).map_or(LogFile::Off, LogFile::Open);
        lines.iter().for_each(|line| file.write(line));
    }

    fn file_in(&self, folder: &Path) -> Option<File> {
        let program = std::env::current_exe().ok()?;
        let program = program.file_name()?.to_string_lossy().into_owned();
        let begin = format!("{}_{}_", self.file_name.as_deref().unwrap_or(&program), std::process::id());
        let made = std::fs::read_dir(folder).ok().into_iter().flatten().flatten().map(|entry| entry.path());
        let is_ours = |path: &std::path::PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(&begin) && name.ends_with(".log") && !name.ends_with("_panic.log")
        };
        let millis = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let path = made.into_iter().find(is_ours).unwrap_or_else(|| folder.join(format!("{begin}{millis}.log")));
        std::fs::create_dir_all(folder).ok()?;
        OpenOptions::new().create(true).append(true).open(path).ok()
    }
}

/// Reads a level as ROS names it.
pub(crate) fn level(name: &str) -> Option<Level> {
    match name.to_ascii_lowercase().as_str() {
        "debug" => Some(Level::DEBUG),
        "info" => Some(Level::INFO),
        "warn" => Some(Level::WARN),
        "error" | "fatal" => Some(Level::ERROR),
        _ => None,
    }
}

impl Line {
    /// The message for `/rosout`.
    pub(crate) fn message(&self, logger: &str) -> Log {
        let level = match self.level {
            Level::ERROR => Log::ERROR as u8,
            Level::WARN => Log::WARN as u8,
            Level::INFO => Log::INFO as u8,
            _ => Log::DEBUG as u8,
        };
        Log {
            stamp: stamp(self.nanos),
            level,
            name: logger.to_owned(),
            msg: self.text.clone(),
            file: self.file.to_owned(),
            function: String::new(),
            line: self.line,
        }
    }
}

impl Console {
    fn from_environment() -> Self {
        let is_set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let to_stdout = is_set("RCUTILS_LOGGING_USE_STDOUT").as_deref() == Some("1");
        let is_terminal = if to_stdout { std::io::stdout().is_terminal() } else { std::io::stderr().is_terminal() };
        let is_coloured = match is_set("RCUTILS_COLORIZED_OUTPUT").as_deref() {
            Some("1") => true,
            Some("0") => false,
            _ => is_terminal && is_set("NO_COLOR").is_none(),
        };
        let format = is_set("RCUTILS_CONSOLE_OUTPUT_FORMAT").unwrap_or_else(|| FORMAT.to_owned());
        Self { format, is_coloured, to_stdout, is_on: true }
    }

    /// A console that is gone must not end the node.
    fn show(&self, line: &Line, logger: &str) {
        if !self.is_on {
            return;
        }
        let mut text = self.text(line, logger, self.is_coloured);
        text.push('\n');
        let result = if self.to_stdout {
            std::io::stdout().write_all(text.as_bytes())
        } else {
            std::io::stderr().write_all(text.as_bytes())
        };
        let Ok(()) = result else { return };
    }

    fn text(&self, line: &Line, logger: &str, is_coloured: bool) -> String {
        let (severity, colour) = match line.level {
            Level::ERROR => ("ERROR", "\u{1b}[31m"),
            Level::WARN => ("WARN", "\u{1b}[33m"),
            Level::INFO => ("INFO", ""),
            _ => ("DEBUG", "\u{1b}[32m"),
        };
        let time = format!("{}.{:09}", line.nanos.div_euclid(1_000_000_000), line.nanos.rem_euclid(1_000_000_000));
        let text = self
            .format
            .replace("{severity}", severity)
            .replace("{time}", &time)
            .replace("{time_as_nanoseconds}", &line.nanos.to_string())
            .replace("{name}", logger)
            .replace("{file_name}", line.file)
            .replace("{function_name}", "")
            .replace("{line_number}", &line.line.to_string())
            .replace("{message}", &line.text);
        if is_coloured && !colour.is_empty() { format!("{colour}{text}\u{1b}[0m") } else { text }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let metadata = event.metadata();
        // Other crates have nothing to say to the user of a node below a warning.
        let is_ours = metadata.target().starts_with("thalweg");
        if *metadata.level() > self.least || !(is_ours || *metadata.level() <= Level::WARN) {
            return;
        }
        let mut text = Text::default();
        event.record(&mut text);
        let line = Line {
            level: *metadata.level(),
            nanos: self.time.now_nanos(),
            text: cut(&printable(&text.0)),
            file: metadata.file().unwrap_or_default(),
            line: metadata.line().unwrap_or(0),
        };
        let logger = self.logger.get().map_or("thalweg", String::as_str);
        self.console.show(&line, logger);
        lock(&self.file).write(&self.console.text(&line, logger, false));
        if let Some(rosout) = &self.rosout {
            // Full means that /rosout is not served yet or too slow; the console has the line.
            drop(rosout.try_send(line));
        }
    }
}

/// Longest line, characters: more tells nobody more. A guess.
const LONGEST: usize = 4096;

/// Cuts a line that is too long, and marks the cut.
fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Collects the message of an event and its fields.
#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let result = match field.name() {
            "message" => write!(self.0, "{value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
        // Writing to a string does not fail.
        let Ok(()) = result else { return };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Line {
        Line { level: Level::WARN, nanos: 1_500_000_000, text: "late".to_owned(), file: "a.rs", line: 7 }
    }

    #[test]
    fn the_console_writes_as_rcutils_does() {
        let console = Console { format: FORMAT.to_owned(), is_coloured: false, to_stdout: false, is_on: true };
        assert_eq!(console.text(&line(), "a.b", false), "[WARN] [1.500000000] [a.b]: late");
        let format = "{file_name}:{line_number} {time_as_nanoseconds}".to_owned();
        let console = Console { format, is_coloured: true, to_stdout: false, is_on: true };
        assert_eq!(console.text(&line(), "", true), "\u{1b}[33ma.rs:7 1500000000\u{1b}[0m");
    }

    #[test]
    fn rosout_gets_the_line() {
        let message = line().message("thalweg");
        assert_eq!((message.msg.as_str(), message.level), ("late", 30));
    }

    /// Whatever is in an event: one line, which paints nothing.
    #[test]
    fn an_event_is_one_line() {
        let (rosout, mut lines) = channel(9);
        let console = Console { format: String::new(), is_coloured: false, to_stdout: false, is_on: true };
        let (logger, time) = (Arc::default(), Arc::default());
        let (rosout, file) = (Some(rosout), Arc::new(Mutex::new(LogFile::Off)));
        let layer = Lines { console, logger, time, rosout, file, least: Level::INFO };
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::error!(name = "a\0b", "folder '{}' is none", "x\n[FATAL] [1.0] [other]: red \u{1b}[31m\u{9b}31m");
            tracing::info!("{}", "y".repeat(100_000));
        });
        let text = lines.try_recv().expect("a line").text;
        assert_eq!(text, "folder 'x\\n[FATAL] [1.0] [other]: red \\u{1b}[31m\\u{9b}31m' is none name=\"a\\0b\"");
        assert_eq!(lines.try_recv().expect("a line").text.chars().count(), LONGEST + 1);
    }

    #[test]
    fn the_file_has_the_lines_from_before_it_was_made() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(format!("name_{}_1.log", std::process::id()));
        std::fs::write(&path, "rcl's\n").expect("the folder is ours");
        let (_sender, lines) = channel(1);
        let file = Arc::new(Mutex::new(LogFile::Waiting(vec!["early".to_owned()])));
        let rosout = Rosout { lines, logger: Arc::default(), file, file_name: Some("name".to_owned()) };
        rosout.open_file(folder.path());
        lock(&rosout.file).write("late");
        assert_eq!(std::fs::read_to_string(path).expect("it is there"), "rcl's\nearly\nlate\n");
    }

    #[test]
    fn levels_are_named_as_ros_names_them() {
        assert_eq!(level("WARN"), Some(Level::WARN));
        assert_eq!(level("fatal"), Some(Level::ERROR));
        assert_eq!(level("loud"), None);
    }
}
