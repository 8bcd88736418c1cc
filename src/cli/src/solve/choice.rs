//! Which landscape to descend on, and where to begin.

use std::path::Path;

use thalweg::{Choice, LandscapeSource, LoadError, StartSource};
use thalweg_engine::landscape::{Landscape, LandscapeShape};
use thalweg_task::TaskSpec;

/// Takes what was asked for, or what is shipped; says what in words, landscape and start.
///
/// # Errors
/// [`LoadError`] about a file.
pub(super) fn choose(
    (landscape, start): (Option<&Path>, Option<&Path>),
    spec: &TaskSpec,
    models: &Path,
    seed: u64,
) -> Result<(Choice, [String; 2]), LoadError> {
    let is = |path: Option<&Path>, word: &str| path.and_then(Path::to_str) == Some(word);
    let theta = match landscape {
        None => LandscapeSource::BesideModels,
        Some(_) if is(landscape, "identity") || is(landscape, "random") => LandscapeSource::Identity,
        Some(path) => LandscapeSource::File(path.to_owned()),
    };
    let start = match start {
        Some(_) if is(start, "none") => StartSource::None,
        None if is(landscape, "random") => StartSource::None,
        None => StartSource::BesideModels,
        Some(path) => StartSource::File(path.to_owned()),
    };
    let mut choice = Choice::load(models, (&theta, &start), spec)?;
    if is(landscape, "random") {
        choice.landscape = Landscape::random(&LandscapeShape::for_latent(spec.latent), seed, spec.kind, spec.device)?;
    }
    let words = [landscape_words(&choice, seed), start_words(&choice)];
    Ok((choice, words))
}

fn landscape_words(choice: &Choice, seed: u64) -> String {
    match (&choice.landscape_file, choice.landscape.kind_name()) {
        (Some(path), _) => format!("trained, {} ({})", choice.landscape.id(), path.display()),
        (None, "random") => format!("random, untrained, seed {seed}"),
        (None, kind) => kind.to_owned(),
    }
}

fn start_words(choice: &Choice) -> String {
    match (&choice.start, &choice.start_file) {
        (Some(start), Some(path)) => format!("{} ({})", start.id(), path.display()),
        _ => "drawn".to_owned(),
    }
}
