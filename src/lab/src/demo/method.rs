//! The rivals, as data: how each of them descends.

use std::path::PathBuf;

use thalweg_engine::landscape::Landscape;
use thalweg_engine::start::Start;
use thalweg_engine::{AdamConfig, Engine, EngineConfig, LmConfig, Optimizer};
use thalweg_task::Task;

/// How one of the rivals descends.
#[derive(Clone, Debug)]
pub(super) struct Method {
    /// The name by which it is reported.
    pub(super) name: &'static str,
    /// Step size of Adam.
    pub(super) rate: f64,
    /// Weight of `|x|^2 / X`.
    pub(super) prior: f64,
    /// Whether time counts.
    pub(super) time: bool,
    /// Whether a frame starts from where the last one ended.
    pub(super) warm_start: bool,
    /// The landscape's file; none is the latent of F.
    pub(super) theta: Option<PathBuf>,
    /// The amortised start's file, with which Levenberg-Marquardt takes Adam's place; none: points are drawn.
    pub(super) start: Option<PathBuf>,
}

impl Method {
    /// The landscape.
    ///
    /// # Errors
    /// When its file is missing, damaged or made for something else.
    pub(super) fn landscape(&self, task: &dyn Task) -> anyhow::Result<Landscape> {
        let spec = task.spec();
        match &self.theta {
            Some(file) => Ok(Landscape::trained(file, spec)?),
            None => Ok(Landscape::identity(spec.latent)),
        }
    }

    /// An engine that descends so.
    ///
    /// # Errors
    /// As [`Method::landscape`], and when an option does not fit.
    pub(super) fn engine(&self, task: Box<dyn Task>, config: &EngineConfig) -> anyhow::Result<Engine> {
        let landscape = self.landscape(task.as_ref())?;
        let optimizer = match self.start {
            Some(_) => Optimizer::LevenbergMarquardt(LmConfig::of_streams()),
            None => Optimizer::Adam(AdamConfig { rate: self.rate, ..AdamConfig::default() }),
        };
        let start = self.start.as_deref().map(|file| Start::trained(file, task.spec(), &landscape)).transpose()?;
        let (warm_start, prior_weight) = (self.warm_start, self.prior);
        let config = EngineConfig { optimizer, warm_start, prior_weight, ..config.clone() };
        let mut engine = Engine::new(task, landscape, config)?;
        start.map_or(Ok(()), |start| engine.set_start(start))?;
        Ok(engine)
    }

    /// The parameters of a node that descends so.
    #[cfg(feature = "ros")]
    pub(super) fn parameters(&self) -> Vec<(&'static str, String)> {
        let theta = self.theta.as_deref().map_or_else(|| "identity".to_owned(), absolute);
        let start = self.start.as_deref().map_or_else(|| "none".to_owned(), absolute);
        let kind = if self.start.is_some() { "levenberg_marquardt" } else { "adam" };
        let mut parameters = vec![
            ("theta", theta),
            ("start.file", start),
            ("optimizer.kind", kind.to_owned()),
            ("optimizer.prior_weight", format!("{:?}", self.prior)),
            ("warm_start.enabled", self.warm_start.to_string()),
            ("time.enabled", self.time.to_string()),
        ];
        if self.start.is_none() {
            parameters.push(("optimizer.rate", format!("{:?}", self.rate)));
        }
        parameters
    }
}

/// A path that means the same to another process.
#[cfg(feature = "ros")]
pub(super) fn absolute(path: &std::path::Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_error| path.to_owned()).display().to_string()
}
