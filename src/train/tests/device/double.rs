//! Compiles the double, and runs a test beside it.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use tch::Device;

/// The device that is not the processor.
pub(crate) const DEVICE: Device = Device::Cuda(0);
/// Says that the double is loaded.
const INSIDE: &str = "THALWEG_TEST_DEVICE";

/// The library with the double, compiled where none is there that is newer than its source.
fn library() -> &'static PathBuf {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let variable = |name: &str| std::env::var_os(name);
        let libtorch = PathBuf::from(variable("LIBTORCH").expect("tests are run by tools/run.sh"));
        let include = variable("LIBTORCH_INCLUDE").map_or_else(|| libtorch.clone(), PathBuf::from).join("include");
        let source = thalweg_tests::root().join("src/train/tests/device/another_device.cpp");
        let name: String =
            libtorch.to_string_lossy().chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect();
        let library = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("another_device{name}.so"));
        let changed = |path: &PathBuf| path.metadata().and_then(|metadata| metadata.modified());
        if changed(&library).is_ok_and(|made| changed(&source).is_ok_and(|written| made > written)) {
            return library;
        }
        let abi =
            variable("LIBTORCH_CXX11_ABI").map_or_else(|| "1".to_owned(), |abi| abi.to_string_lossy().into_owned());
        // Another run of the tests may be loading what is there.
        let made = library.with_extension(std::process::id().to_string());
        let mut compiler = Command::new(variable("CXX").unwrap_or_else(|| "c++".into()));
        compiler.args(["-std=c++17", "-fPIC", "-shared", "-w"]).arg(format!("-D_GLIBCXX_USE_CXX11_ABI={abi}"));
        compiler.arg("-I").arg(&include).arg("-I").arg(include.join("torch/csrc/api/include")).arg(&source);
        compiler.arg("-L").arg(libtorch.join("lib")).args(["-ltorch_cpu", "-lc10", "-o"]).arg(&made);
        let output = compiler.output().expect("a C++ compiler, as torch-sys needs one");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        std::fs::rename(&made, &library).unwrap();
        library
    })
}

/// Runs this test again in a process that has the double, or its body where this is that process.
///
/// `name`: the test's, with its module.
pub(crate) fn elsewhere(name: &str, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args([name, "--exact", "--nocapture", "--test-threads=1"]).env(INSIDE, "1").env("LD_PRELOAD", library());
    let output = again.output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // libtorch's errors carry a trace of its own frames, on the same line or on lines of their own.
    let shortened =
        text.lines().filter(|line| !line.starts_with("frame #")).map(|line| line.split("\\nframe #").next());
    let text = shortened.flatten().collect::<Vec<_>>().join("\n");
    assert!(output.status.success() && text.contains("1 passed"), "{name}:\n{text}");
}
