//! Where weights lie.

use std::env;
use std::path::{Path, PathBuf};

/// The folder of weights, where none is named: `THALWEG_MODELS`, else that of an installed package
/// (`share/thalweg/models` below a prefix of `AMENT_PREFIX_PATH`, or beside the folder of this program), else `models`.
#[must_use]
pub fn models_folder() -> PathBuf {
    if let Some(folder) = env::var_os("THALWEG_MODELS").filter(|folder| !folder.is_empty()) {
        return PathBuf::from(folder);
    }
    let prefixes = env::var_os("AMENT_PREFIX_PATH").unwrap_or_default();
    let named = env::split_paths(&prefixes).collect::<Vec<_>>();
    // PREFIX/bin/thalweg, PREFIX/lib/thalweg/thalweg_node.
    let program = env::current_exe().unwrap_or_default();
    let around = program.ancestors().skip(2).take(2).map(Path::to_path_buf);
    let mut installed = named.into_iter().chain(around).map(|prefix| prefix.join("share/thalweg/models"));
    installed.find(|folder| folder.is_dir()).unwrap_or_else(|| PathBuf::from("models"))
}
