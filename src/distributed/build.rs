//! Compiles the shim to libtorch's c10d, as torch-sys compiles its own, and writes the folder of libtorch into the tests.

use std::env;
use std::path::PathBuf;

#[path = "../../build.rs"]
mod run_path;

fn main() {
    run_path::main();
    for name in ["LIBTORCH", "LIBTORCH_INCLUDE", "LIBTORCH_CXX11_ABI", "CXX", "CXXFLAGS"] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    println!("cargo:rerun-if-changed=shim");
    let libtorch = env::var_os("LIBTORCH_INCLUDE").or_else(|| env::var_os("LIBTORCH")).unwrap_or_else(|| "/usr".into());
    let include = PathBuf::from(libtorch).join("include");
    let abi = env::var("LIBTORCH_CXX11_ABI").unwrap_or_else(|_| "1".to_owned());
    cc::Build::new()
        .cpp(true)
        .pic(true)
        .warnings(false)
        .include("shim/stand_ins")
        .include(&include)
        .include(include.join("torch/csrc/api/include"))
        .flag("-std=c++17")
        .flag(format!("-D_GLIBCXX_USE_CXX11_ABI={abi}"))
        .define("USE_C10D_GLOO", None)
        .file("shim/process_group.cpp")
        .compile("thalweg_process_group");
    // Behind the shim, which needs them; torch-sys says where they are.
    for library in ["torch_cpu", "c10"] {
        println!("cargo:rustc-link-lib={library}");
    }
}
