//! The command line of the node: our own few options, and what rcl reads after `--ros-args`.

use tracing::Level;

use super::log::level;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
Inverts a neural network in real time: a managed ROS 2 node.

usage: thalweg_node [--help] [--version] [--dump-params[=TASK]] [--ros-args ...]

  --dump-params[=TASK]   print a parameter file with every default, and end
  --ros-args ...         as of every node: -r from:=to, -p name:=value, --params-file FILE,
                         --log-level [thalweg:=]LEVEL

Exit codes: 0 ended as asked; 2 bad arguments, parameter file or value; 3 cannot configure at start
(task, weights, landscape, device); 70 internal error; 101 panic;
130 forced by a second signal.
";

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// Run the node, logging from this level on.
    Run(Level),
    Help,
    Version,
    /// Print the parameters of a task.
    DumpParameters(Option<String>),
}

/// Reads our own options; those after `--ros-args` up to `--` are rcl's.
///
/// # Errors
/// One sentence about the first option that is not known.
pub(crate) fn parse(arguments: &[String]) -> Result<Request, String> {
    let mut request = Request::Run(Level::INFO);
    let mut is_ros = false;
    let mut rest = arguments.iter().skip(1);
    while let Some(argument) = rest.next() {
        match (is_ros, argument.as_str()) {
            (_, "--ros-args") => is_ros = true,
            (true, "--") => is_ros = false,
            (true, "--log-level") => read_level(rest.next(), &mut request)?,
            (true, _) => {}
            (false, "--help" | "-h") => return Ok(Request::Help),
            (false, "--version") => return Ok(Request::Version),
            (false, "--dump-params") => return Ok(Request::DumpParameters(None)),
            (false, other) => match other.strip_prefix("--dump-params=") {
                Some(task) => return Ok(Request::DumpParameters(Some(task.to_owned()))),
                None => return Err(format!("unknown argument '{}'; see --help", other.escape_debug())),
            },
        }
    }
    Ok(request)
}

/// `LEVEL` or `logger:=LEVEL`; levels of other loggers are theirs.
fn read_level(value: Option<&String>, request: &mut Request) -> Result<(), String> {
    let value = value.ok_or("--log-level: expected a level behind it")?;
    let (logger, name) = value.split_once(":=").unwrap_or(("thalweg", value));
    let level = level(name).ok_or_else(|| {
        format!("--log-level: got '{}', expected debug, info, warn, error or fatal", name.escape_debug())
    })?;
    if !logger.starts_with("rcl") && !logger.starts_with("rmw") {
        *request = Request::Run(level);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Request, String> {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn a_line_as_launch_writes_it() {
        let line = "thalweg_node --ros-args --log-level warn --ros-args -r __node:=a -p task:=b --params-file c";
        assert_eq!(read(line), Ok(Request::Run(Level::WARN)));
        assert_eq!(read("n --ros-args --log-level rcl:=debug"), Ok(Request::Run(Level::INFO)));
        assert_eq!(read("n --ros-args --log-level thalweg:=debug --"), Ok(Request::Run(Level::DEBUG)));
    }

    #[test]
    fn our_own_options() {
        assert_eq!(read("n --version"), Ok(Request::Version));
        assert_eq!(read("n --dump-params=planar_arm"), Ok(Request::DumpParameters(Some("planar_arm".to_owned()))));
        assert_eq!(read("n --frob").expect_err("unknown"), "unknown argument '--frob'; see --help");
        assert!(read("n --ros-args --log-level loud").expect_err("no level").contains("expected debug"));
    }
}
