//! The command line of the node: our own few options, and what rcl reads after `--ros-args`.

use super::log::{LogOptions, level};

/// What `--help` prints.
pub(crate) const HELP: &str = "\
Inverts a neural network in real time: a managed ROS 2 node.

usage: thalweg_node [--help] [--version] [--dump-params[=TASK] [--plugins=LIST]] [--ros-args ...]

  --dump-params[=TASK]   print a parameter file with every default, and end; of a task of a library with
                         --plugins=LIST, as the parameter plugins has it
  --ros-args ...         as of every node: -r from:=to, -p name:=value, --params-file FILE,
                         --log-level [thalweg:=]LEVEL, --log-file-name NAME, and --enable-.. or
                         --disable- with stdout-logs, rosout-logs, external-lib-logs (the log file)

Exit codes: 0 ended as asked; 2 bad arguments, parameter file or value; 3 cannot configure at start
(task, weights, landscape, device); 70 internal error; 101 panic;
130 forced by a second signal.
";

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// Run the node, logging so.
    Run(LogOptions),
    Help,
    Version,
    /// Print the parameters of a task, with those libraries.
    DumpParameters(Option<String>, String),
}

/// Reads our own options; those after `--ros-args` up to `--` are rcl's.
///
/// # Errors
/// One sentence about the first option that is not known.
pub(crate) fn parse(arguments: &[String]) -> Result<Request, String> {
    let mut options = LogOptions::default();
    let (mut dumps, mut libraries) = (None, String::new());
    let mut is_ros = false;
    let mut rest = arguments.iter().skip(1);
    while let Some(argument) = rest.next() {
        match (is_ros, argument.as_str()) {
            (_, "--ros-args") => is_ros = true,
            (true, "--") => is_ros = false,
            (true, "--log-level") => read_level(rest.next(), &mut options)?,
            (true, "--log-file-name") => {
                let name = rest.next().filter(|name| !name.is_empty());
                options.file_name = Some(name.ok_or("--log-file-name: expected a name behind it")?.clone());
            }
            (true, "--enable-stdout-logs" | "--disable-stdout-logs") => options.console = argument.starts_with("--e"),
            (true, "--enable-rosout-logs" | "--disable-rosout-logs") => options.rosout = argument.starts_with("--e"),
            (true, "--enable-external-lib-logs" | "--disable-external-lib-logs") => {
                options.file = argument.starts_with("--e");
            }
            (true, _) => {}
            (false, "--help" | "-h") => return Ok(Request::Help),
            (false, "--version") => return Ok(Request::Version),
            (false, "--dump-params") => dumps = Some(None),
            (false, other) => match (other.strip_prefix("--dump-params="), other.strip_prefix("--plugins=")) {
                (Some(task), _) => dumps = Some(Some(task.to_owned())),
                (_, Some(named)) => named.clone_into(&mut libraries),
                _ => return Err(format!("unknown argument '{}'; see --help", other.escape_debug())),
            },
        }
    }
    Ok(match dumps {
        Some(task) => Request::DumpParameters(task, libraries),
        None => Request::Run(options),
    })
}

/// `LEVEL` or `logger:=LEVEL`; levels of other loggers are theirs.
fn read_level(value: Option<&String>, options: &mut LogOptions) -> Result<(), String> {
    let value = value.ok_or("--log-level: expected a level behind it")?;
    let (logger, name) = value.split_once(":=").unwrap_or(("thalweg", value));
    let level = level(name).ok_or_else(|| {
        format!("--log-level: got '{}', expected debug, info, warn, error or fatal", name.escape_debug())
    })?;
    if !logger.starts_with("rcl") && !logger.starts_with("rmw") {
        options.level = level;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    fn level_of(line: &str) -> Option<Level> {
        match read(line) {
            Ok(Request::Run(options)) => Some(options.level),
            _ => None,
        }
    }

    fn read(line: &str) -> Result<Request, String> {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn a_line_as_launch_writes_it() {
        let line = "thalweg_node --ros-args --log-level warn --ros-args -r __node:=a -p task:=b --params-file c";
        assert_eq!(level_of(line), Some(Level::WARN));
        assert_eq!(level_of("n --ros-args --log-level rcl:=debug"), Some(Level::INFO));
        assert_eq!(level_of("n --ros-args --log-level thalweg:=debug --"), Some(Level::DEBUG));
    }

    #[test]
    fn where_the_log_goes() {
        let line =
            "n --ros-args --disable-stdout-logs --enable-rosout-logs --disable-external-lib-logs --log-file-name a";
        let expected =
            LogOptions { console: false, file: false, file_name: Some("a".to_owned()), ..LogOptions::default() };
        assert_eq!(read(line), Ok(Request::Run(expected)));
        let line = "n --ros-args --disable-rosout-logs --disable-stdout-logs --enable-stdout-logs";
        assert_eq!(read(line), Ok(Request::Run(LogOptions { rosout: false, ..LogOptions::default() })));
        assert!(read("n --ros-args --log-file-name").expect_err("no name").contains("expected a name"));
    }

    #[test]
    fn our_own_options() {
        assert_eq!(read("n --version"), Ok(Request::Version));
        assert_eq!(
            read("n --dump-params=planar_arm"),
            Ok(Request::DumpParameters(Some("planar_arm".to_owned()), String::new()))
        );
        let with = Request::DumpParameters(Some("a".to_owned()), "b:c".to_owned());
        assert_eq!(read("n --plugins=b:c --dump-params=a"), Ok(with));
        assert_eq!(read("n --frob").expect_err("unknown"), "unknown argument '--frob'; see --help");
        assert!(read("n --ros-args --log-level loud").expect_err("no level").contains("expected debug"));
    }
}
