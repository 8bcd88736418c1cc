//! Beside what the build of every crate does: names what the contract with shared libraries consists of.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[path = "../../build.rs"]
mod run_paths;

fn main() {
    run_paths::main();
    let sources = sources();
    for file in &sources {
        println!("cargo:rerun-if-changed={}", file.display());
    }
    let contract = format!("contract {:016x}", hash(&sources));
    let parts = [contract, compiler(), variable("TARGET"), libtorch(), variable("CARGO_CFG_PANIC")];
    println!("cargo:rustc-env=THALWEG_CONTRACT={}", parts.join("; "));
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_default()
}

/// The compiler and its commit: the layout of types is its choice.
fn compiler() -> String {
    let asked = Command::new(variable("RUSTC")).arg("-vV").output();
    let text = asked.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let line = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).unwrap_or("unknown").trim().to_owned();
    format!("rustc {} ({:.9})", line("release:"), line("commit-hash:"))
}

/// The libtorch whose tensors are passed on; torch-sys checks the same file.
fn libtorch() -> String {
    let version = fs::read_to_string(PathBuf::from(variable("LIBTORCH")).join("build-version"));
    format!("libtorch {}", version.as_deref().map_or("unknown", str::trim))
}

/// What crosses the border is declared in these two crates.
fn sources() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in ["src", "../nn/src"] {
        collect(Path::new(folder), &mut files);
    }
    files.sort();
    files
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
}

/// FNV-1a, 64 bit, of all the text.
fn hash(files: &[PathBuf]) -> u64 {
    let bytes = files.iter().flat_map(|file| fs::read(file).unwrap_or_default());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
