//! Where weights and other shipped files lie.

use std::env;
use std::path::{Path, PathBuf};

/// Finds a file or folder that is shipped, as `urdf/human_21.urdf`: in an installed package (`share/thalweg` below a
/// prefix of `AMENT_PREFIX_PATH`, or around this program), else below the folder of work, as in a checkout.
#[must_use]
pub fn shipped(name: &str) -> PathBuf {
    let prefixes = env::var_os("AMENT_PREFIX_PATH").unwrap_or_default();
    let named = env::split_paths(&prefixes).filter(|prefix| !prefix.as_os_str().is_empty()).collect::<Vec<_>>();
    // PREFIX/bin/thalweg, PREFIX/lib/thalweg/thalweg_node; bin/thalweg may be a link.
    let program = env::current_exe().unwrap_or_default();
    let around = program.ancestors().skip(2).take(2).map(Path::to_path_buf);
    let mut installed = named.into_iter().chain(around).map(|prefix| prefix.join("share/thalweg").join(name));
    installed.find(|path| path.exists()).unwrap_or_else(|| PathBuf::from(name))
}

/// The folder of weights, where none is named: `THALWEG_MODELS`, else what [`shipped`] finds as `models`.
#[must_use]
pub fn models_folder() -> PathBuf {
    let named = env::var_os("THALWEG_MODELS").filter(|folder| !folder.is_empty());
    named.map_or_else(|| shipped("models"), PathBuf::from)
}
