//! Typed snapshots of a store.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value};

use super::error::ParameterError;
use super::reader::Reader;
use super::store::Store;
use super::word::words;
use crate::intake::{CloudBox, ImageConfig, Pairing, PeopleConfig};
use thalweg::{DeviceChoice, LandscapeSource, StartSource};
use thalweg_engine::{Budget, EngineConfig};

/// Everything that the node reads, at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Whether the node configures and activates itself.
    pub autostart: bool,
    /// Name of the task.
    pub task: String,
    /// Folder of the weights; empty when the node is to look for it.
    pub models: PathBuf,
    /// Where the landscape comes from.
    pub theta: LandscapeSource,
    /// Where the amortised start comes from.
    pub start: StartSource,
    /// Device that computes.
    pub device: DeviceChoice,
    /// Threads of a solve: of hypotheses natively, of one tensor operation elsewhere.
    pub threads: i32,
    /// Seed of all random numbers; that of `engine` too.
    pub seed: u64,
    /// When a solve ends.
    pub budget: Budget,
    /// How the engine searches.
    pub engine: EngineConfig,
    /// Whether Levenberg-Marquardt takes the place of `engine.optimizer` where it runs natively.
    pub automatic_optimizer: bool,
    /// Whether time counts.
    pub time: bool,
    /// How long loading may take.
    pub load_timeout: Duration,
    /// What is taken as an observation.
    pub input: InputSettings,
    /// What is published.
    pub output: OutputSettings,
    /// What is recorded.
    pub record: RecordSettings,
    /// File that is watched for a new landscape; none when empty.
    pub reload: Option<PathBuf>,
    /// The chosen task's own parameters, their names without that of the task.
    pub task_parameters: Map<String, Value>,
    /// Resident memory beyond which `/diagnostics` warns, bytes.
    pub memory_limit: u64,
    /// Whether time comes from `/clock`.
    pub use_sim_time: bool,
    /// Time between two reports on `/diagnostics`.
    pub diagnostics_period: Duration,
    /// Whether reports carry the node's name with its namespace.
    pub use_fqn: bool,
    /// Quality of service of each input and of `/clock`, by its fully resolved topic.
    pub qos_overrides: BTreeMap<String, QosOverride>,
    /// Quality of service of outputs, by their fully resolved topics.
    pub qos_of_outputs: BTreeMap<String, QosOverride>,
}

/// What is taken as an observation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InputSettings {
    /// Age beyond which the last position of a joint counts as unobserved.
    pub joint_timeout: Duration,
    /// Silence after which an input is reported as stale.
    pub stale_timeout: Duration,
    /// Joints in one message beyond which it is refused.
    pub max_joints: usize,
    /// Whether a message without a stamp is taken as of now.
    pub accept_zero_stamp: bool,
    /// Which of `image` and `image/compressed` are read.
    pub transport: ImageTransport,
    /// The type of message in which points come.
    pub points: PointsType,
    /// Whether pixels are those of a camera's rectified image.
    pub is_rectified: bool,
    /// Where points of a cloud without names count.
    pub cloud_box: CloudBox,
    /// How images are read.
    pub images: ImageConfig,
    /// How images and masks find each other.
    pub pairing: Pairing,
    /// Whether the robot's own description must be that of the model.
    pub robot_description: bool,
    /// How many people are followed.
    pub people: PeopleConfig,
}

/// The type of message in which points come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PointsType {
    /// `sensor_msgs/PointCloud2`.
    #[default]
    Cloud,
    /// `visualization_msgs/MarkerArray`.
    Markers,
    /// `geometry_msgs/PoseArray`.
    Poses,
    /// `zed_msgs/ObjectsStamped`.
    Objects,
    /// `sensor_msgs/PointCloud2` whose points are pixels in the image of a camera.
    Pixels,
    /// `hri_msgs/Skeleton2D`.
    Skeleton2d,
}

words!(PointsType {
    Cloud = "cloud",
    Markers = "markers",
    Poses = "poses",
    Objects = "objects",
    Pixels = "pixels",
    Skeleton2d = "skeleton2d"
});

impl PointsType {
    /// Whether they are seen in the image of a camera, which must be described.
    #[must_use]
    pub fn has_camera(self) -> bool {
        matches!(self, Self::Pixels | Self::Skeleton2d)
    }
}

/// Which of `image` and `image/compressed` are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageTransport {
    /// Whatever comes.
    Both,
    /// `image`.
    Raw,
    /// `image/compressed`.
    Compressed,
}

words!(ImageTransport { Both = "both", Raw = "raw", Compressed = "compressed" });

/// What is published.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputSettings {
    /// Greatest rate of publications, Hz; zero for one with each observation.
    pub rate: f64,
    /// Whether every hypothesis is published.
    pub hypotheses: bool,
    /// What the numbers of hypotheses in topics mean.
    pub order: HypothesisOrder,
    /// Whether markers are published.
    pub ghosts: bool,
    /// Whether the task's URDF is published.
    pub robot_description: bool,
    /// Frame of what is published; empty for that of the observation.
    pub frame_id: String,
    /// Frame of the body that is broadcast; none when empty.
    pub root_frame: String,
    /// Namespace of the topics of several people.
    pub people_namespace: String,
}

/// What the number N of `~/hypotheses/hN` means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HypothesisOrder {
    /// Its rank in this answer: 0 is the best.
    Rank,
    /// The hypothesis itself: the nearest one of the answer before had the same.
    Identity,
}

words!(HypothesisOrder { Rank = "rank", Identity = "identity" });

/// What is recorded, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordSettings {
    /// Whether solves are recorded while the node is active.
    pub enabled: bool,
    /// Whether every step is recorded.
    pub steps: bool,
    /// Folder of recordings; empty when the node is to look for it.
    pub folder: PathBuf,
    /// Bytes at which a recording goes on in a new file.
    pub file_bytes: u64,
    /// Time after which a recording goes on in a new file.
    pub file_duration: Duration,
    /// Bytes of all recordings beyond which the oldest are removed; zero for no limit.
    pub total_bytes: u64,
    /// Solves that may wait for the disk.
    pub queue: usize,
}

/// Quality of service of one input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QosOverride {
    /// Whether lost messages are sent again.
    pub reliability: Reliability,
    /// How many messages are kept until they are taken.
    pub depth: usize,
    /// Which messages are kept.
    pub history: History,
    /// Whether a message from before the start is wanted.
    pub durability: Durability,
}

/// Whether lost messages are sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reliability {
    /// They are lost.
    BestEffort,
    /// They are sent again.
    Reliable,
}

/// Which messages are kept until they are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum History {
    /// The newest.
    KeepLast,
    /// All.
    KeepAll,
}

/// Whether a message from before the start is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It is not.
    Volatile,
    /// It is.
    TransientLocal,
}

words!(Reliability { BestEffort = "best_effort", Reliable = "reliable" });
words!(History { KeepLast = "keep_last", KeepAll = "keep_all" });
words!(Durability { Volatile = "volatile", TransientLocal = "transient_local" });

/// How hypotheses move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Levenberg-Marquardt where it runs natively, else Adam.
    Auto,
    /// First order, for every task.
    Adam,
    /// Damped least squares, for tasks with residuals.
    LevenbergMarquardt,
}

words!(Method { Auto = "auto", Adam = "adam", LevenbergMarquardt = "levenberg_marquardt" });

impl Settings {
    /// Reads a store that was declared with [`super::full_table`].
    ///
    /// `time_seed` is taken where the seed is to come from the time.
    ///
    /// # Errors
    /// [`ParameterError`] when the store lacks a parameter or has it with another type: it was
    /// declared with another table.
    pub fn read(store: &Store, time_seed: u64) -> Result<Self, ParameterError> {
        let from = Reader { store };
        let seed = u64::try_from(from.integer("random_seed")?).unwrap_or(time_seed);
        let task = from.text("task")?.to_owned();
        Ok(Self {
            autostart: from.truth("autostart")?,
            models: PathBuf::from(from.text("models")?),
            theta: from.theta()?,
            start: from.start()?,
            device: from.device()?,
            threads: i32::try_from(from.integer("threads")?).unwrap_or(i32::MAX),
            seed,
            budget: from.budget()?,
            engine: from.engine(seed)?,
            automatic_optimizer: from.method()? == Method::Auto,
            time: from.truth("time.enabled")?,
            load_timeout: from.duration("load_timeout")?,
            input: from.input()?,
            output: from.output()?,
            record: from.record()?,
            reload: Some(PathBuf::from(from.text("reload.path")?)).filter(|path| !path.as_os_str().is_empty()),
            task_parameters: from.below(&format!("{task}.")),
            task,
            memory_limit: u64::try_from(from.integer("memory.limit")?).unwrap_or(0) << 20,
            use_sim_time: from.truth("use_sim_time")?,
            diagnostics_period: from.duration("diagnostic_updater.period")?,
            use_fqn: from.truth("diagnostic_updater.use_fqn")?,
            qos_overrides: from.qos_overrides("subscription")?,
            qos_of_outputs: from.qos_overrides("publisher")?,
        })
    }
}
