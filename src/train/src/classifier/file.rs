//! The file of a classifier, between the training of a backbone and that of its head.

use std::path::Path;

use tch::{Device, Kind};
use thalweg_image_defence::{Backbone, BackboneConfig};
use thalweg_nn::weights::{Weights, save};

use crate::TrainError;

/// What the file says it is, in the metadata entry `format`.
const FORMAT: &str = "thalweg-classifier";
/// The version of the format.
const VERSION: &str = "1";

/// A backbone and the names of its classes.
#[derive(Debug)]
pub struct Classifier {
    /// The network, without norms.
    pub backbone: Backbone,
    /// Names of the classes, in the order of the logits.
    pub classes: Vec<String>,
}

impl Classifier {
    /// Writes a file, atomically; `how` tells how it was trained.
    ///
    /// # Errors
    /// [`TrainError::Weights`] when the file cannot be written.
    pub fn save(&self, path: &Path, how: &[(&str, String)]) -> Result<(), TrainError> {
        let json = |value: serde_json::Value| value.to_string();
        let config = serde_json::to_value(self.backbone.config()).unwrap_or_default();
        let mut metadata = vec![
            ("format", FORMAT.to_owned()),
            ("version", VERSION.to_owned()),
            ("backbone", json(config)),
            ("classes", json(serde_json::json!(self.classes))),
        ];
        metadata.extend(how.iter().cloned());
        Ok(save(path, &self.backbone.named(), &metadata)?)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`TrainError::Weights`] about the file: missing, damaged, of another format, or with a number outside its range.
    pub fn load(path: &Path) -> Result<Self, TrainError> {
        let file = Weights::open(path, Kind::Float, Device::Cpu)?;
        file.expect_meta("format", FORMAT)?;
        file.expect_meta("version", VERSION)?;
        let text = |key: &str| file.meta::<String>(key);
        let bad = |error: serde_json::Error| file.refuse(format!("its description cannot be read: {error}"));
        let config: BackboneConfig = serde_json::from_str(&text("backbone")?).map_err(bad)?;
        let classes: Vec<String> = serde_json::from_str(&text("classes")?).map_err(bad)?;
        config.check().map_err(|reason| file.refuse(reason))?;
        if classes.len() as i64 != config.classes {
            let reason = format!("expected names of {} classes, got {}", config.classes, classes.len());
            return Err(file.refuse(reason).into());
        }
        let names = config.tensors();
        file.expect_names(names.iter().map(|(name, _)| name.as_str()))?;
        let backbone = Backbone::assemble(config, |name, shape| file.tensor(name, shape))?;
        Ok(Self { backbone, classes })
    }
}
