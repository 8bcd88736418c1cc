//! The program `thalweg-lab`.

use std::process::ExitCode;

fn main() -> ExitCode {
    thalweg_lab::main()
}
