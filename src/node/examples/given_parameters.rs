//! `thalweg params --given` for any number of arguments, one start: what a test asks that holds files against rcl.
//!
//! Reads a JSON list of arguments a line, and answers each with a line: what they give the node, or `{"error": ".."}`.

use std::io::{BufRead, Write};

use serde_json::json;
use thalweg_node::parameters::{full_name, given};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut output = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let arguments: Vec<String> = serde_json::from_str(&line?)?;
        let node = full_name(&arguments, "thalweg");
        let told = match given(&arguments, &node) {
            Ok(given) => given.to_json(&node),
            Err(error) => json!({"error": error.to_string()}),
        };
        writeln!(output, "{told}")?;
    }
    Ok(())
}
