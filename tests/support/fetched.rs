//! Weights that are fetched, not shipped.

use std::io::Write;

/// Whether `tools/setup_gan.sh` has run; says so where it has not. In CI it has to.
pub fn gan() -> bool {
    let is_there = crate::root().join("models/gan_inversion.safetensors").exists();
    if !is_there {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "in CI tools/setup_gan.sh has to run first");
        // Past the test harness, which swallows what a passing test prints.
        writeln!(std::io::stderr(), "skipped: the weights of gan_inversion are not there; run tools/setup_gan.sh")
            .expect("stderr is open");
    }
    is_there
}
