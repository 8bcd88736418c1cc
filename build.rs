//! Writes libtorch's folder into the binaries, so that they run without `LD_LIBRARY_PATH`.

use std::env;
use std::path::PathBuf;

fn main() {
    // The variables that torch-sys reads, in its order.
    for name in ["LIBTORCH_LIB", "LIBTORCH"] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    let library = env::var_os("LIBTORCH_LIB").or_else(|| env::var_os("LIBTORCH"));
    if let Some(root) = library {
        let folder = PathBuf::from(root).join("lib");
        println!("cargo:rustc-link-arg=-Wl,-rpath,{}", folder.display());
    }
}
