//! The other side of the node: a program that publishes joints and listens to what comes back.
//!
//! Benchmarks and demonstrations talk to a node in a process of its own through this; what it hands
//! out is free of ROS types.
//!
//! ```text
//! enter_domain ──> Peer ──joint_states──> NodeProcess (thalweg_node)
//!                    ^─────~/reconstruction, /diagnostics──┘
//! ```

mod domain;
mod joints;
mod link;
mod points;
mod process;
mod service;

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use thalweg_task::lock;

use anyhow::Context as _;
use r2r::diagnostic_msgs::msg::{DiagnosticArray, DiagnosticStatus};
use r2r::geometry_msgs::msg::PoseStamped;
use r2r::sensor_msgs::msg::JointState;
use r2r::{Node, QosProfile, WrappedTypesupport};

use thalweg_node::diagnostics::{Level, Status};

pub(super) use link::Link;

pub use domain::enter_domain;
pub use joints::{JointWriter, Received};
pub use points::{NumberedPoint, PointWriter, ReceivedPose};
pub use process::{NodeProcess, find_node};

/// The node's input, relative to the namespace.
pub const JOINT_STATES: &str = "joint_states";

/// The node's answer, as it is named unless the node is remapped.
pub const RECONSTRUCTION: &str = "/thalweg/reconstruction";

/// The node's input of places, relative to the namespace.
const POINTS: &str = "points";

/// Where the node says that the root stands, as it is named unless the node is remapped.
const POSE: &str = "/thalweg/pose";

/// Time between two looks at the graph while waiting for somebody.
const LOOK: Duration = Duration::from_millis(20);

/// What was said last on `/diagnostics`.
#[derive(Clone, Debug)]
pub struct Diagnostics {
    /// When it came.
    pub received: Instant,
    /// The statuses of one report; names begin with that of the node.
    pub statuses: Vec<Status>,
}

impl Diagnostics {
    /// The value of a key of the status whose name ends so.
    #[must_use]
    pub fn value(&self, status: &str, key: &str) -> Option<&str> {
        let status = self.statuses.iter().find(|candidate| candidate.name.ends_with(status))?;
        status.values.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }
}

/// A ROS node beside thalweg's, in this process; leaves the graph when dropped.
#[derive(Debug)]
pub struct Peer {
    link: Link,
    joints: JointWriter,
    diagnostics: Arc<Mutex<Option<Diagnostics>>>,
}

impl Peer {
    /// Joins the graph under a name, ready to publish on `joint_states`.
    ///
    /// # Errors
    /// What rcl says; it reads the environment and this program's arguments.
    pub fn connect(name: &str) -> anyhow::Result<Self> {
        let link = Link::join(name)?;
        let joints = link.writer(JOINT_STATES)?;
        let diagnostics = Arc::default();
        let latest = Arc::clone(&diagnostics);
        link.subscribe("/diagnostics", QosProfile::default(), move |message| keep(&latest, message))?;
        Ok(Self { link, joints, diagnostics })
    }

    /// Publishes positions on `joint_states`; names that are not given are unobserved.
    ///
    /// `positions`: one for each name, rad.
    ///
    /// # Errors
    /// What rcl says.
    pub fn publish_joints(&self, stamp_nanos: i64, names: &[String], positions: &[f64]) -> anyhow::Result<()> {
        self.joints.publish(stamp_nanos, names, positions)
    }

    /// Publishes on `joint_states`.
    #[must_use]
    pub fn joints(&self) -> &JointWriter {
        &self.joints
    }

    /// How many subscribers `joint_states` has in other processes.
    #[must_use]
    pub fn subscribers(&self) -> usize {
        self.joints.subscribers()
    }

    /// Advertises joints on another topic.
    ///
    /// # Errors
    /// What rcl says.
    pub fn writer(&self, topic: &str) -> anyhow::Result<JointWriter> {
        self.link.writer(topic)
    }

    /// Listens to the node's best hypotheses; the channel ends with the peer.
    ///
    /// # Errors
    /// What rcl says.
    pub fn reconstructions(&self) -> anyhow::Result<Receiver<Received>> {
        self.listen(RECONSTRUCTION)
    }

    /// Listens to the joints on a topic; the channel ends with the peer.
    ///
    /// # Errors
    /// What rcl says.
    pub fn listen(&self, topic: &str) -> anyhow::Result<Receiver<Received>> {
        self.hear::<JointState, _>(topic)
    }

    /// Advertises numbered points on `points`; `confidence` is the field that says how sure the tracker is.
    ///
    /// # Errors
    /// What rcl says.
    pub fn point_writer(&self, confidence: &str) -> anyhow::Result<PointWriter> {
        // As drivers of cameras do.
        let create = |node: &mut Node| node.create_publisher(POINTS, QosProfile::sensor_data());
        let publisher = self.link.with(create)?.with_context(|| format!("cannot advertise {POINTS}"))?;
        Ok(PointWriter::new(publisher, confidence))
    }

    /// Listens to where the root stands; the channel ends with the peer.
    ///
    /// # Errors
    /// What rcl says.
    pub fn poses(&self) -> anyhow::Result<Receiver<ReceivedPose>> {
        self.hear::<PoseStamped, _>(POSE)
    }

    /// Listens to messages of a type on a topic.
    fn hear<M, T>(&self, topic: &str) -> anyhow::Result<Receiver<T>>
    where
        M: WrappedTypesupport + Into<T> + Send + 'static,
        T: Send + 'static,
    {
        let (sender, receiver) = channel();
        // Where nobody waits any more, that is the receiver's choice.
        let pass_on = move |message: M| drop(sender.send(message.into()));
        self.link.subscribe(topic, QosProfile::default(), pass_on)?;
        Ok(receiver)
    }

    /// What came last on `/diagnostics`.
    #[must_use]
    pub fn diagnostics(&self) -> Option<Diagnostics> {
        lock(&self.diagnostics).clone()
    }
}

fn keep(latest: &Mutex<Option<Diagnostics>>, message: DiagnosticArray) {
    let statuses = message.status.into_iter().map(status).collect();
    let report = Diagnostics { received: Instant::now(), statuses };
    *lock(latest) = Some(report);
}

/// Looks again and again until it is so or the time is over; says whether it is so.
pub fn wait_until(longest: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let begin = Instant::now();
    while !is_so() {
        if begin.elapsed() > longest {
            return false;
        }
        std::thread::sleep(LOOK);
    }
    true
}

fn status(message: DiagnosticStatus) -> Status {
    let level = match message.level {
        0 => Level::Ok,
        1 => Level::Warn,
        3 => Level::Stale,
        _ => Level::Error,
    };
    let values = message.values.into_iter().map(|pair| (pair.key, pair.value)).collect();
    Status { name: message.name, level, message: message.message, values }
}
