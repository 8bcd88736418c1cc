//! Writes `urdf/human_21.urdf`, or the file named by the first argument.
//!
//! `cargo run --release -p thalweg-body-pose --example write_urdf`

use std::path::{Path, PathBuf};

fn main() -> thalweg_nn::Result<()> {
    let shipped = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../urdf/human_21.urdf");
    let path = std::env::args_os().nth(1).map_or_else(shipped, PathBuf::from);
    thalweg_nn::files::write_atomically(&path, thalweg_body_pose::urdf::human_21().as_bytes())
}
