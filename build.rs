//! Writes the folders of libtorch and ROS 2 into the binaries, so that they run without `LD_LIBRARY_PATH`.

use std::env;
use std::path::{Path, PathBuf};

pub(crate) fn main() {
    // The variables that torch-sys reads, in its order.
    for name in ["LIBTORCH_LIB", "LIBTORCH", "AMENT_PREFIX_PATH"] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    let libtorch = env::var_os("LIBTORCH_LIB").or_else(|| env::var_os("LIBTORCH"));
    if let Some(root) = libtorch {
        search_at_run_time(&PathBuf::from(root).join("lib"));
    }
    // Without the feature `ros` nothing is looked for there, and this does no harm.
    let prefixes = env::var_os("AMENT_PREFIX_PATH").unwrap_or_default();
    for prefix in env::split_paths(&prefixes) {
        search_at_run_time(&prefix.join("lib"));
    }
}

/// Adds a folder to where the loader looks for libraries.
fn search_at_run_time(folder: &Path) {
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", folder.display());
}
