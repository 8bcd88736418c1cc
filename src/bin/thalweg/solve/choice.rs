//! Which landscape to descend on.

use std::path::Path;

use thalweg::landscape::{Landscape, LandscapeError, LandscapeShape};
use thalweg_task::TaskSpec;

/// Takes the landscape that was asked for, or the shipped one; says which in words.
///
/// # Errors
/// [`LandscapeError`] about the file.
pub(super) fn landscape(
    wanted: Option<&Path>,
    spec: &TaskSpec,
    models: &Path,
    seed: u64,
) -> Result<(Landscape, String), LandscapeError> {
    match wanted.map(|path| (path, path.to_str())) {
        Some((_, Some("identity"))) => Ok((Landscape::identity(spec.latent), "identity".to_owned())),
        Some((_, Some("random"))) => random(spec, seed),
        Some((path, _)) => trained(path, spec),
        None => shipped(spec, models),
    }
}

fn random(spec: &TaskSpec, seed: u64) -> Result<(Landscape, String), LandscapeError> {
    let landscape = Landscape::random(&LandscapeShape::for_latent(spec.latent), seed, spec.kind, spec.device)?;
    Ok((landscape, format!("random, untrained, seed {seed}")))
}

fn trained(path: &Path, spec: &TaskSpec) -> Result<(Landscape, String), LandscapeError> {
    let landscape = Landscape::trained(path, spec)?;
    let note = format!("trained, {} ({})", landscape.id(), path.display());
    Ok((landscape, note))
}

fn shipped(spec: &TaskSpec, models: &Path) -> Result<(Landscape, String), LandscapeError> {
    let path = models.join(format!("{}_theta.safetensors", spec.name));
    if path.exists() {
        return trained(&path, spec);
    }
    Ok((Landscape::identity(spec.latent), format!("identity ({} does not exist)", path.display())))
}
