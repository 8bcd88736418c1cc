//! Which crates the engine is made of: whoever builds it builds these, and no others.
#![allow(clippy::disallowed_types, reason = "cargo is asked")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// Ours.
const ROOMS: &str = "thalweg-engine thalweg-nn thalweg-task";
/// What the three name in their `Cargo.toml`.
const NAMED: &str =
    "blake3 nalgebra pulp rand rand_distr rustix safetensors serde serde_json tch tempfile thiserror tracing";
/// What those bring, beside tch.
const BROUGHT: &str = "arrayvec bitflags bytemuck byteorder cfg-if constant_time_eq cpufeatures fastrand getrandom itoa libc libm \
    linux-raw-sys memchr num-complex num-traits once_cell paste pin-project-lite ppv-lite86 proc-macro2 \
    pulp-wasm-simd-flag quote rand_chacha rand_core raw-cpuid reborrow serde_core serde_derive syn thiserror-impl \
    tracing-attributes tracing-core unicode-ident zerocopy zerocopy-derive zmij";
/// What nalgebra brings: lanes of numbers, of which only names are used.
const NALGEBRA_BRINGS: &str = "approx nalgebra-macros num-rational safe_arch simba wide";
/// What tch brings: arrays, and an archive reader for Python's weights, which are never read with it.
const TCH_BRINGS: &str = "adler2 aes base64ct block-buffer bzip2 bzip2-sys cipher crc32fast crypto-common deranged \
    digest flate2 generic-array half hmac inout lazy_static matrixmultiply miniz_oxide ndarray num-conv num-integer \
    password-hash pbkdf2 powerfmt rawpointer sha1 sha2 simd-adler32 subtle time time-core torch-sys typenum zip zstd \
    zstd-safe zstd-sys";

/// Names of all crates that a build of the engine needs; those of build scripts and tests are not counted.
fn crates() -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "-e", "normal", "-p", "thalweg-engine", "--prefix", "none", "--offline", "--locked"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .output()
        .expect("cargo built this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("names are text");
    text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn nothing_else_is_built_for_the_engine() {
    let allowed: BTreeSet<&str> =
        [ROOMS, NAMED, BROUGHT, NALGEBRA_BRINGS, TCH_BRINGS].into_iter().flat_map(str::split_whitespace).collect();
    let crates = crates();
    let new: Vec<_> = crates.iter().filter(|name| !allowed.contains(name.as_str())).collect();
    assert!(new.is_empty(), "not on the list: {new:?}");
    assert!(crates.contains("tch") && crates.contains("thalweg-nn"), "{crates:?}");
}

/// What must not come back, whoever brings it: arguments, pictures, recordings, ROS 2, windows.
#[test]
fn none_of_the_rooms_above_is_reached() {
    let crates = crates();
    for name in ["argmin", "clap", "image", "indicatif", "kiss3d", "mcap", "plotters", "r2r", "tokio", "thalweg"] {
        assert!(!crates.contains(name), "{name}");
    }
}
