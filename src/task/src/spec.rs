//! A task's description, as data.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tch::{Device, Kind};

use crate::models_folder;
use crate::{JointConvention, ParameterSpec, ParameterValue, Result, Task, TaskError};

/// The kinds of data that a task observes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kinds {
    /// Joint positions by name.
    pub joints: bool,
    /// An image.
    pub image: bool,
    /// Points in space.
    pub points: bool,
}

impl fmt::Display for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [(self.joints, "joints"), (self.image, "image"), (self.points, "points")];
        let names: Vec<_> = all.iter().filter(|(present, _)| *present).map(|(_, name)| *name).collect();
        f.write_str(if names.is_empty() { "nothing" } else { "" })?;
        f.write_str(&names.join(", "))
    }
}

/// One scalar joint that a task reads and writes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JointSpec {
    /// Name, as in `sensor_msgs/JointState` and the URDF.
    pub name: String,
    /// `rad` or `m`.
    pub unit: String,
    /// Least position the mechanism reaches, in `unit`.
    pub lower: f64,
    /// Greatest position the mechanism reaches, in `unit`.
    pub upper: f64,
}

/// Joints that belong together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JointGroup {
    /// Name, unique within the task.
    pub name: String,
    /// Places in [`TaskSpec::joints`].
    pub joints: Vec<usize>,
}

/// The image that a task reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageSpec {
    /// Channels `C`.
    pub channels: i64,
    /// Rows `H`.
    pub height: i64,
    /// Columns `W`.
    pub width: i64,
}

/// The points that a task reads.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PointsSpec {
    /// The names of points, in their order.
    pub names: Vec<String>,
    /// Frame in which positions are given, metres; empty is any.
    pub frame: String,
    /// How messages say the points; none where they have one for each name, in their order.
    pub tracker: Option<Tracker>,
    /// How many points without a name may follow those: a cloud, in the same frame.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cloud: usize,
    /// Whether a point of which x and y alone are observed is a ray: x / z and y / z in the frame of a camera, which looks
    /// along z and has x to the right. Where not, it says what its two coordinates say.
    #[serde(default, skip_serializing_if = "is_no")]
    pub rays: bool,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

fn is_no(flag: &bool) -> bool {
    !*flag
}

impl PointsSpec {
    /// How many points an observation has, `P`: those with a name, then the cloud.
    #[must_use]
    pub fn count(&self) -> usize {
        self.names.len() + self.cloud
    }

    /// Finds a point by name, or by what the tracker calls it; the tracker's upper and lower case are alike.
    #[must_use]
    pub fn index(&self, name: &str) -> Option<usize> {
        let of_tracker = || {
            let mut keypoints = self.tracker.iter().flat_map(|tracker| &tracker.keypoints);
            keypoints.find(|keypoint| keypoint.name.eq_ignore_ascii_case(name))?.point
        };
        self.names.iter().position(|known| known == name).or_else(of_tracker)
    }
}

/// How a tracker of bodies says its points.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tracker {
    /// Its points, in the order in which it sends them.
    pub keypoints: Vec<Keypoint>,
    /// What brings a point into a right-handed frame in metres: the rows are what becomes x, y and z.
    pub axes: [[f64; 3]; 3],
    /// Whether a point at 0 0 0 was not seen.
    pub zeros_are_unseen: bool,
    /// Field of a point that says how sure the tracker is; none says nothing.
    pub confidence: Option<String>,
    /// Values of that field: below the first a point was not seen, from the second on it counts in full.
    pub confidence_range: [f64; 2],
    /// Where numbers of points tell people apart: a point's number is this times the person's, and its own.
    pub ids_per_body: u32,
}

/// A point that a tracker sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keypoint {
    /// The tracker's name of it.
    pub name: String,
    /// The tracker's number of it.
    pub id: u32,
    /// Which point of the task it is; none is not used.
    pub point: Option<usize>,
}

/// A straight piece between two rendered points, to be drawn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bone {
    /// Place of its root among the rendered points; none is the origin of the frame.
    pub from: Option<usize>,
    /// Place of its tip among the rendered points.
    pub to: usize,
    /// The joints that turn it against what it hangs on, as places in [`TaskSpec::joints`].
    pub joints: Vec<usize>,
}

/// How rendered points hang together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkeletonSpec {
    /// Frame of the points.
    pub frame: String,
    /// The bones, from the root outward.
    pub bones: Vec<Bone>,
}

/// Everything about a task that is not arithmetic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskSpec {
    /// Name, snake_case, unique in a registry.
    pub name: String,
    /// Dimension `X` of the latent; its prior is the standard normal distribution.
    pub latent: i64,
    /// Shape of one row of F's output (`Y`, without the axis `K`).
    pub output: Vec<i64>,
    /// Joints that are read and written; empty when the task has none.
    pub joints: Vec<JointSpec>,
    /// Joints that belong together, by name: limbs, for instance.
    pub groups: Vec<JointGroup>,
    /// Whether joints can be observed (they can be written without being read).
    pub reads_joints: bool,
    /// The image that is read.
    pub image: Option<ImageSpec>,
    /// The points that are read.
    pub points: Option<PointsSpec>,
    /// How the rendered points hang together, where they do.
    pub skeleton: Option<SkeletonSpec>,
    /// Names of the classes that a label tells apart, in the order of its logits; empty when the task classifies nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// Other names and angles for the joints, which are read beside their own and written on a topic of their own.
    #[serde(skip)]
    pub convention: Option<JointConvention>,
    /// Whether the objective gives residuals, as Levenberg-Marquardt needs.
    pub residual: bool,
    /// What a landscape trained for this task is bound to: changes whenever F changes.
    pub fingerprint: String,
    /// Device on which the task computes.
    #[serde(skip, default = "cpu")]
    pub device: Device,
    /// Element type in which the task computes.
    #[serde(skip, default = "float")]
    pub kind: Kind,
}

fn cpu() -> Device {
    Device::Cpu
}

fn float() -> Kind {
    Kind::Float
}

impl TaskSpec {
    /// The kinds of data that the task observes.
    #[must_use]
    pub fn observes(&self) -> Kinds {
        Kinds { joints: self.reads_joints, image: self.image.is_some(), points: self.points.is_some() }
    }

    /// Shape of one row of an observed kind, or `None` when the task does not observe it.
    #[must_use]
    pub fn shape_of(&self, kind: &str) -> Option<Vec<i64>> {
        match kind {
            "joints" if self.reads_joints => Some(vec![self.joints.len() as i64]),
            "image" => self.image.map(|image| vec![image.channels, image.height, image.width]),
            "points" => self.points.as_ref().map(|points| vec![points.count() as i64, 3]),
            _ => None,
        }
    }

    /// Finds a joint by name.
    ///
    /// # Errors
    /// [`TaskError::UnknownName`], with the nearest known name.
    pub fn joint_index(&self, name: &str) -> Result<usize> {
        self.joints.iter().position(|joint| joint.name == name).ok_or_else(|| TaskError::UnknownName {
            kind: "joint",
            name: name.to_owned(),
            hint: nearest(name, self.joints.iter().map(|joint| joint.name.as_str())),
        })
    }
}

impl TaskSpec {
    /// Finds a group of joints by name.
    ///
    /// # Errors
    /// [`TaskError::UnknownName`], with the nearest known name.
    pub fn group(&self, name: &str) -> Result<&JointGroup> {
        self.groups.iter().find(|group| group.name == name).ok_or_else(|| TaskError::UnknownName {
            kind: "group of joints",
            name: name.to_owned(),
            hint: nearest(name, self.groups.iter().map(|group| group.name.as_str())),
        })
    }
}

/// Says which known name is nearest to a wrong one, as the end of a sentence.
#[must_use]
pub fn nearest<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> String {
    known
        .min_by_key(|name| edit_distance(wrong, name))
        .map_or_else(String::new, |name| format!("; the nearest known name is '{name}'"))
}

/// Counts insertions, deletions and substitutions between two words (Levenshtein, 1966).
#[must_use]
pub fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let substitute = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// How a task is to be loaded.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// Device on which to compute.
    pub device: Device,
    /// Element type in which to compute; `Float` in service, `Double` to check gradients.
    pub kind: Kind,
    /// Folder of the shipped weights; [`models_folder`] where nobody says.
    pub models: PathBuf,
    /// The task's own parameters, by name.
    pub parameters: serde_json::Map<String, serde_json::Value>,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self { device: Device::Cpu, kind: Kind::Float, models: models_folder(), parameters: serde_json::Map::new() }
    }
}

/// What a plugin hands to the registry: enough to list the task without loading it.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Name of the task.
    pub name: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// What it observes.
    pub observes: Kinds,
    /// Describes what the user may set: each entry of [`LoadOptions::parameters`] that the task knows.
    pub parameters: fn() -> Vec<ParameterSpec>,
    /// Names parameters of the node whose defaults do not suit the task, and what its parameter file has instead.
    pub suited: fn() -> Vec<(&'static str, ParameterValue)>,
    /// Loads the task.
    pub load: fn(&LoadOptions) -> Result<Box<dyn Task>>,
}
