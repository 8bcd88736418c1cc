//! The file of a defence: backbone, head, bank of negatives, and what they were trained with.

use std::path::Path;

use rand::rngs::StdRng;
use serde::de::DeserializeOwned;
use tch::{Device, Kind, Tensor};
use thalweg_nn::weights::{Weights, fingerprint, save};
use thalweg_nn::{NnError, Result, initial};
use thalweg_task::{LoadOptions, draws};

use crate::backbone::{Backbone, BackboneConfig, within};
use crate::head::{Head, HeadConfig, unit};
use crate::views::ViewsConfig;

/// What the file says it is, in the metadata entry `format`.
const FORMAT: &str = "thalweg-image-defence";
/// The version of the format.
const VERSION: &str = "1";
/// Most negatives in a bank.
const MOST_NEGATIVES: i64 = 1 << 16;
/// How far the length of a negative may be from one: half precision keeps three digits.
const LENGTH_TOLERANCE: f64 = 1e-2;
/// Longest name of a class, bytes.
const LONGEST_NAME: usize = 64;

/// The numbers of the loss beside the weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossConfig {
    /// Temperature tau of the contrast, from 0.01 to 10.
    pub temperature: f64,
    /// Weight lambda of the squared length of the correction r, whose pixels go from -1 to 1; from 0 to 1,000.
    pub shrinkage: f64,
}

impl Default for LossConfig {
    fn default() -> Self {
        Self { temperature: 0.2, shrinkage: 1.0 }
    }
}

impl LossConfig {
    /// Checks that both numbers are in their range.
    ///
    /// # Errors
    /// A sentence that says which number came, and what was expected.
    pub fn check(&self) -> std::result::Result<(), String> {
        let Self { temperature, shrinkage } = self;
        if !(0.01..=10.0).contains(temperature) {
            return Err(format!("temperature: expected 0.01 to 10, got {temperature}"));
        }
        if !(0.0..=1000.0).contains(shrinkage) {
            return Err(format!("shrinkage: expected 0 to 1000, got {shrinkage}"));
        }
        Ok(())
    }
}

/// All that is learned for the defence of one classifier.
#[derive(Debug)]
pub struct Defence {
    /// Names of the classes, in the order of the logits.
    pub classes: Vec<String>,
    /// The classifier.
    pub backbone: Backbone,
    /// The contrastive head on its features.
    pub head: Head,
    /// Projections of other images, the negatives: `[N, P]`, unit length.
    pub bank: Tensor,
    /// The distribution of views that the head learned with.
    pub views: ViewsConfig,
    /// The numbers of the loss.
    pub loss: LossConfig,
}

impl Defence {
    /// Draws a defence that has learned nothing, by He et al. (2015), zeros as biases: where a training begins, and what
    /// tests compute with. Views and loss are the defaults.
    #[must_use]
    pub fn drawn(
        backbone: BackboneConfig,
        head: HeadConfig,
        negatives: i64,
        random: &mut StdRng,
        like: (Kind, Device),
    ) -> Self {
        let features = backbone.features();
        let classes = (0..backbone.classes).map(|class| format!("class {class}")).collect();
        // Biases have one axis, and a bound of zero draws zeros.
        let mut take = |_: &str, shape: &[i64]| {
            let bound = if shape.len() > 1 { initial::he_bound(shape, 0.0) } else { 0.0 };
            Ok::<_, std::convert::Infallible>(initial::uniform(shape, bound, random, like))
        };
        let Ok(backbone) = Backbone::assemble(backbone, &mut take);
        let Ok(own_head) = Head::assemble(head, features, &mut take);
        let bank = draws::normal(random, &[negatives, head.projection]).to_kind(like.0).to_device(like.1);
        let (views, loss) = (ViewsConfig::default(), LossConfig::default());
        Self { classes, backbone, head: own_head, bank: unit(&bank), views, loss }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`NnError`] about the file: not there, damaged, of another format or version, or with a number outside its range.
    pub fn load(path: &Path, options: &LoadOptions) -> Result<Self> {
        let file = Weights::open(path, options.kind, options.device)?;
        file.expect_meta("format", FORMAT)?;
        file.expect_meta("version", VERSION)?;
        let backbone: BackboneConfig = json(&file, "backbone")?;
        let head: HeadConfig = json(&file, "head")?;
        let views: ViewsConfig = json(&file, "views")?;
        let classes: Vec<String> = json(&file, "classes")?;
        let loss = LossConfig { temperature: file.meta("temperature")?, shrinkage: file.meta("shrinkage")? };
        let checks = [backbone.check(), head.check(), views.check(), loss.check(), check_classes(&classes, &backbone)];
        checks.into_iter().collect::<std::result::Result<(), String>>().map_err(|reason| file.refuse(reason))?;
        let (features, projection) = (backbone.features(), head.projection);
        let expected = backbone.tensors().into_iter().map(|(name, _)| format!("backbone.{name}"));
        let expected = expected.chain(head.tensors(features).into_iter().map(|(name, _)| format!("head.{name}")));
        let expected: Vec<String> = expected.chain(["bank".to_owned()]).collect();
        file.expect_names(expected.iter().map(String::as_str))?;
        let backbone = Backbone::assemble(backbone, |name, shape| file.tensor(&format!("backbone.{name}"), shape))?;
        let head = Head::assemble(head, features, |name, shape| file.tensor(&format!("head.{name}"), shape))?;
        let bank = file.rows("bank", projection)?;
        within("the number of negatives", bank.size()[0], 1..=MOST_NEGATIVES).map_err(|reason| file.refuse(reason))?;
        let length = bank.square().sum_dim_intlist([1].as_slice(), false, bank.kind()).sqrt();
        if (length - 1.0).abs().max().double_value(&[]) > LENGTH_TOLERANCE {
            return Err(file.refuse("tensor bank: expected rows of unit length"));
        }
        Ok(Self { classes, backbone, head, bank: unit(&bank), views, loss })
    }

    /// Writes a file, atomically; weights in half precision where `half` says so.
    ///
    /// # Errors
    /// [`NnError::Weights`] when a number is outside the range that [`Defence::load`] accepts, [`NnError::Io`] when the
    /// file cannot be written.
    pub fn save(&self, path: &Path, half: bool) -> Result<()> {
        let refuse = |reason: String| NnError::Weights { path: path.to_owned(), reason };
        let config = self.backbone.config();
        let checks = [
            config.check(),
            self.head.config().check(),
            self.views.check(),
            self.loss.check(),
            check_classes(&self.classes, config),
        ];
        checks.into_iter().collect::<std::result::Result<(), String>>().map_err(refuse)?;
        let kind = if half { Kind::Half } else { Kind::Float };
        let tensors: Vec<_> =
            self.named().into_iter().map(|(name, tensor)| (name, tensor.detach().to_kind(kind))).collect();
        let text = |value: serde_json::Result<String>| value.map_err(|error| refuse(error.to_string()));
        let metadata = [
            ("format", FORMAT.to_owned()),
            ("version", VERSION.to_owned()),
            ("backbone", text(serde_json::to_string(config))?),
            ("head", text(serde_json::to_string(&self.head.config()))?),
            ("views", text(serde_json::to_string(&self.views))?),
            ("classes", text(serde_json::to_string(&self.classes))?),
            ("temperature", self.loss.temperature.to_string()),
            ("shrinkage", self.loss.shrinkage.to_string()),
        ];
        save(path, &tensors, &metadata)
    }

    /// Names all tensors as in the file.
    #[must_use]
    pub fn named(&self) -> Vec<(String, Tensor)> {
        let under = |prefix: &'static str, named: Vec<(String, Tensor)>| {
            named.into_iter().map(move |(name, tensor)| (format!("{prefix}.{name}"), tensor))
        };
        let all = under("backbone", self.backbone.named()).chain(under("head", self.head.named()));
        all.chain([("bank".to_owned(), self.bank.shallow_clone())]).collect()
    }

    /// Hashes weights and the numbers beside them: the landscape that is descended changes with each.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut named = self.named();
        let LossConfig { temperature, shrinkage } = self.loss;
        named.push(("loss".to_owned(), Tensor::from_slice(&[temperature, shrinkage])));
        fingerprint(&named)
    }
}

fn json<T: DeserializeOwned>(file: &Weights, key: &str) -> Result<T> {
    let text: String = file.meta(key)?;
    serde_json::from_str(&text).map_err(|error| file.refuse(format!("metadata '{key}': {error}")))
}

/// Checks that there is a printable name for each class, and none twice.
fn check_classes(classes: &[String], backbone: &BackboneConfig) -> std::result::Result<(), String> {
    if classes.len() as i64 != backbone.classes {
        return Err(format!("expected names of {} classes, got {}", backbone.classes, classes.len()));
    }
    let plain = |name: &str| !name.is_empty() && name.len() <= LONGEST_NAME && !name.chars().any(char::is_control);
    if let Some(name) = classes.iter().find(|name| !plain(name)) {
        return Err(format!("expected names of classes of 1 to {LONGEST_NAME} printable bytes, got {name:?}"));
    }
    let mut sorted: Vec<&String> = classes.iter().collect();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!("the class {:?} is there twice", pair[0])),
        None => Ok(()),
    }
}
