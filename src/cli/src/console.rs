//! The way to standard output.

use std::io::Write;

use anyhow::Context;

/// Prints the result of a command.
///
/// # Errors
/// When standard output cannot be written; `println!` would panic, for a closed pipe too.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut output = std::io::stdout().lock();
    output.write_all(text.as_bytes()).and_then(|()| output.flush()).context("cannot write to standard output")
}
