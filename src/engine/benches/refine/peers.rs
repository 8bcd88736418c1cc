//! The same step in Python, where there is one.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Names a python that has torch or jax.
const VARIABLE: &str = "THALWEG_BENCH_PYTHON";
/// What it is asked for.
pub(crate) const LIBRARIES: [&str; 2] = ["torch", "jax"];

/// A python that times steps when asked.
pub(crate) struct Peers {
    child: Option<(Child, ChildStdin, BufReader<ChildStdout>)>,
    /// Why a library does not answer.
    absent: BTreeMap<&'static str, String>,
}

impl Peers {
    /// Starts the python that the environment names, to compute on so many threads.
    pub(crate) fn start(threads: usize) -> Self {
        let mut absent = BTreeMap::new();
        let child = std::env::var_os(VARIABLE).and_then(|python| {
            let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/steps.py");
            let mut command = Command::new(python);
            command.arg(script).arg(threads.to_string());
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
            let mut child = command.spawn().ok()?;
            let (input, output) = (child.stdin.take()?, BufReader::new(child.stdout.take()?));
            Some((child, input, output))
        });
        if child.is_none() {
            absent.extend(LIBRARIES.map(|library| (library, format!("{VARIABLE} names no python"))));
        }
        Self { child, absent }
    }

    /// Microseconds of an Adam step; none where the library is not present.
    pub(crate) fn time(&mut self, library: &'static str, in_z: bool, hypotheses: usize) -> Option<f64> {
        if self.absent.contains_key(library) {
            return None;
        }
        let (_, input, output) = self.child.as_mut()?;
        let start = if in_z { "z" } else { "x" };
        let mut answer = String::new();
        let asked = writeln!(input, "{library} {start} {hypotheses}").and_then(|()| output.read_line(&mut answer));
        match (asked, answer.trim().parse()) {
            (Ok(_), Ok(micros)) => Some(micros),
            _ => {
                self.absent.insert(library, answer.trim().to_owned());
                None
            }
        }
    }

    /// Says who is not present, and why.
    pub(crate) fn describe(&self) -> Vec<String> {
        self.absent.iter().map(|(library, why)| format!("{library} is not present: {why}")).collect()
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        if let Some((mut child, input, _)) = self.child.take() {
            drop(input);
            // It ends with its input.
            drop(child.wait());
        }
    }
}
