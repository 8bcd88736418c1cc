//! A robot's model on disk: a folder.

use std::path::{Path, PathBuf};

use tch::{Device, Kind, Tensor};
use thalweg_nn::weights::{self, Weights};
use thalweg_nn::{NnError, Perceptron, files};

use crate::decoder::{SLOPE, widths};
use crate::layout::Layout;
use crate::urdf::{Robot, UrdfError};

/// The robot's description in the folder.
pub const DESCRIPTION: &str = "robot.urdf";
/// The decoder's weights in the folder.
pub const WEIGHTS: &str = "robot.safetensors";
/// Largest description that is read, bytes: meshes are files of their own, and the largest that we saw has 0.2 MB.
pub const DESCRIPTION_BYTES: u64 = 16 << 20;
/// What the weights file says it is.
const FORMAT: &str = "thalweg-robot";
/// Largest latent.
pub const MOST_LATENT: i64 = 32;
/// Widest hidden layer.
const MOST_HIDDEN: i64 = 4096;

/// A robot and the prior of its joints.
#[derive(Debug)]
pub struct Model {
    /// The robot.
    pub robot: Robot,
    /// The URDF as it was given.
    pub description: String,
    /// What stands for its joints.
    pub layout: Layout,
    /// The learned layers, from the latent `[K, X]` to the learned numbers `[K, R]`.
    pub decoder: Perceptron,
    /// Dimension X of the latent.
    pub latent: i64,
}

/// Why there is no model.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The description cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The description cannot be used.
    #[error("{}: {source}", path.display())]
    Urdf {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: UrdfError,
    },
    /// The weights cannot be used.
    #[error(transparent)]
    Weights(#[from] NnError),
}

/// Reads a robot's description: the text, and what it says.
///
/// # Errors
/// [`ModelError::Io`] or [`ModelError::Urdf`].
pub fn read_description(path: &Path) -> Result<(String, Robot), ModelError> {
    let io = |source| ModelError::Io { path: path.to_owned(), source };
    let text = files::read_text(path, DESCRIPTION_BYTES).map_err(io)?;
    let robot = Robot::parse(&text).map_err(|source| ModelError::Urdf { path: path.to_owned(), source })?;
    Ok((text, robot))
}

impl Model {
    /// Reads a folder.
    ///
    /// # Errors
    /// [`ModelError`] about its description or its weights, among them weights of another robot.
    pub fn load(folder: &Path, kind: Kind, device: Device) -> Result<Self, ModelError> {
        let (description, robot) = read_description(&folder.join(DESCRIPTION))?;
        let file = Weights::open(&folder.join(WEIGHTS), kind, device)?;
        file.expect_meta("format", FORMAT)?;
        file.expect_meta("version", "1")?;
        let (latent, hidden): (i64, i64) = (file.meta("latent")?, file.meta("hidden")?);
        if !(1..=MOST_LATENT).contains(&latent) || !(1..=MOST_HIDDEN).contains(&hidden) {
            let expected = format!("expected a latent of 1 to {MOST_LATENT} and layers of 1 to {MOST_HIDDEN}");
            return Err(file.refuse(format!("{expected}, got {latent} and {hidden}")).into());
        }
        let layout: String = file.meta("layout")?;
        let layout: Layout =
            serde_json::from_str(&layout).map_err(|error| file.refuse(format!("layout of joints: {error}")))?;
        if !layout.fits(&robot) {
            let names = layout.joints.iter().map(|joint| joint.name.as_str()).collect::<Vec<_>>().join(", ");
            let why = format!("made for joints {names}, which are not those of {DESCRIPTION} beside it");
            return Err(file.refuse(why).into());
        }
        let learned = layout.learned(&robot).len() as i64;
        if learned == 0 {
            return Err(file.refuse("layout of joints: none is learned".to_owned()).into());
        }
        let decoder = Perceptron::load(&file, "decoder", &widths(latent, hidden, learned), SLOPE)?;
        Ok(Self { robot, description, layout, decoder, latent })
    }

    /// Writes description and weights; `how` tells where they come from.
    ///
    /// # Errors
    /// [`NnError::Io`].
    pub fn save(&self, folder: &Path, how: &[(&str, String)]) -> Result<(), NnError> {
        files::write_atomically(&folder.join(DESCRIPTION), self.description.as_bytes())?;
        let hidden = self.decoder.parameters().first().map_or(0, |weight| weight.size()[0]);
        let layout = serde_json::to_string(&self.layout).unwrap_or_default();
        let mut metadata = vec![
            ("format", FORMAT.to_owned()),
            ("version", "1".to_owned()),
            ("latent", self.latent.to_string()),
            ("hidden", hidden.to_string()),
            ("layout", layout),
        ];
        metadata.extend_from_slice(how);
        let tensors: Vec<(String, Tensor)> = self.decoder.named("decoder");
        weights::save(&folder.join(WEIGHTS), &tensors, &metadata)
    }
}
