//! Which landscape to descend on, and where to begin.

use std::path::{Path, PathBuf};

use thalweg_engine::landscape::{Landscape, LandscapeShape};
use thalweg_engine::start::Start;
use thalweg_task::{TaskError, TaskSpec};

use crate::plan::LoadError;
use crate::source::{LandscapeSource, StartSource};

/// A landscape and a start made for it.
#[derive(Debug)]
pub struct Choice {
    /// The landscape.
    pub landscape: Landscape,
    /// Its file; none is the identity.
    pub landscape_file: Option<PathBuf>,
    /// Where hypotheses begin; none where they are drawn.
    pub start: Option<Start>,
    /// The start's file.
    pub start_file: Option<PathBuf>,
}

impl Choice {
    /// Loads what is asked for, or what lies beside the weights of the task; `seed` is that of a random landscape.
    ///
    /// # Errors
    /// [`LoadError::Landscape`] or [`LoadError::Start`] about a file that does not fit. A start that lies
    /// beside the weights and was made for another landscape is left out, with a warning.
    pub fn load(
        models: &Path,
        (landscape, start): (&LandscapeSource, &StartSource),
        spec: &TaskSpec,
        seed: u64,
    ) -> Result<Self, LoadError> {
        let landscape_file = match landscape {
            LandscapeSource::Identity | LandscapeSource::Random => None,
            LandscapeSource::File(path) => Some(path.clone()),
            LandscapeSource::BesideModels => usual_theta(models, spec)?,
        };
        let is_random = *landscape == LandscapeSource::Random;
        let landscape = match &landscape_file {
            Some(file) => Landscape::trained(file, spec)?,
            None if is_random => {
                Landscape::random(&LandscapeShape::for_latent(spec.latent), seed, spec.kind, spec.device)?
            }
            None => Landscape::identity(spec.latent),
        };
        let start_file = match start {
            StartSource::File(path) => Some(path.clone()),
            StartSource::None => None,
            StartSource::BesideModels if is_random => None,
            StartSource::BesideModels => usual_start(models, spec, &landscape)?,
        };
        let start = start_file.as_deref().map(|file| Start::trained(file, spec, &landscape)).transpose()?;
        Ok(Self { landscape, landscape_file, start, start_file })
    }
}

/// The landscape to descend on: what the start beside the weights was made for; without one the landscape beside them.
/// Where that has steps of its own, it is the start, and the search goes on in x.
fn usual_theta(models: &Path, spec: &TaskSpec) -> Result<Option<PathBuf>, LoadError> {
    let made_for =
        beside(models, spec, "start").map(|path| Start::made_for(&path, spec)).transpose().map_err(TaskError::from)?;
    let leads_into_x = match made_for {
        Some(landscape) => landscape == Landscape::identity(spec.latent).id(),
        None => steps_beside(models, spec)?.is_some(),
    };
    Ok(beside(models, spec, "theta").filter(|_| !leads_into_x))
}

/// The landscape beside the weights, where it has steps of its own.
fn steps_beside(models: &Path, spec: &TaskSpec) -> Result<Option<PathBuf>, LoadError> {
    let Some(file) = beside(models, spec, "theta") else { return Ok(None) };
    Ok(Landscape::trained(&file, spec)?.steps().is_some().then_some(file))
}

fn usual_start(models: &Path, spec: &TaskSpec, landscape: &Landscape) -> Result<Option<PathBuf>, LoadError> {
    let Some(file) = beside(models, spec, "start") else {
        return if landscape.shape().is_none() { steps_beside(models, spec) } else { Ok(None) };
    };
    let made_for = Start::made_for(&file, spec).map_err(TaskError::from)?;
    if made_for != landscape.id() {
        let landscape = landscape.id();
        tracing::warn!("no start: {} was made for landscape {made_for}, not for {landscape}", file.display());
        return Ok(None);
    }
    Ok(Some(file))
}

/// The task's file of a kind in the folder of the weights, when it is there.
pub(crate) fn beside(models: &Path, spec: &TaskSpec, kind: &str) -> Option<PathBuf> {
    Some(models.join(format!("{}_{kind}.safetensors", spec.name))).filter(|path| path.exists())
}
