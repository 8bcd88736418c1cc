//! Follows a node by its topics, and puts what belongs to one observation together.
//!
//! ```text
//! ~/reconstruction, ~/hypotheses/.., ~/deviation, ~/statistics, ~/losses, ~/weights ─┐
//! ~/people, ~/bodies, joint_states, points, image, /diagnostics ─────────────────────────────────────────┴─> Assembler ─> ShownAnswer
//! ```

mod assembler;
mod messages;

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};
use thalweg_task::lock;

use r2r::diagnostic_msgs::msg::DiagnosticArray;
use r2r::sensor_msgs::msg::{Image, JointState, PointCloud2};
use r2r::std_msgs::msg::{Float32MultiArray, String as Text};
use r2r::{QosProfile, WrappedTypesupport};

use super::peer::{JOINT_STATES, Link};
use assembler::Assembler;
use thalweg_node::display::{MOST_HYPOTHESES, MOST_PEOPLE, ShownAnswer};

/// The name of whoever watches, unless it is remapped.
const NAME: &str = "thalweg_view";

/// A window needs the newest answer only, and must never hold up the node that publishes it.
const NEWEST: QosProfile = QosProfile::default().best_effort().keep_last(2);

/// The newest answer of each of several people: they come one behind the other.
const MANY: QosProfile = QosProfile::default().best_effort().keep_last(MOST_PEOPLE);

/// Follows a node by its topics until it is dropped.
#[derive(Debug)]
pub struct Follower {
    wish: Option<Sender<usize>>,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    /// Joins the graph and listens to a node; `take` gets each shown on a thread of its own and must not wait.
    ///
    /// `target`: the node's name, relative to the namespace, or absolute. Reads the command line for what rcl reads
    /// there.
    ///
    /// # Errors
    /// What rcl says.
    pub fn open(target: &str, take: impl FnMut(ShownAnswer) + Send + 'static) -> anyhow::Result<Self> {
        let link = Link::join(NAME)?;
        let (wish, wishes) = channel();
        let assembler = Arc::new(Mutex::new(Assembler::new(target, Box::new(take), wish.clone())));
        listen(&link, target, &assembler)?;
        let target = target.to_owned();
        // Subscribing waits for the node's thread, which those that take messages must not.
        let widen = move || widen(&link, &target, &assembler, &wishes);
        let thread = Builder::new().name("follower".to_owned()).spawn(widen)?;
        Ok(Self { wish: Some(wish), thread: Some(thread) })
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        // Zero hypotheses are never wished for: it means the end.
        self.wish.take().map(|wish| wish.send(0));
        self.thread.take().map(JoinHandle::join);
    }
}

type Shared = Arc<Mutex<Assembler>>;

/// Hands the messages of a topic to the assembler.
fn hear<M: WrappedTypesupport + Send + 'static>(
    (link, assembler): (&Link, &Shared),
    topic: &str,
    qos: QosProfile,
    put: impl Fn(&mut Assembler, M) + Send + 'static,
) -> anyhow::Result<()> {
    let assembler = Arc::clone(assembler);
    link.subscribe(topic, qos, move |message| put(&mut lock(&assembler), message))
}

fn listen(link: &Link, target: &str, assembler: &Shared) -> anyhow::Result<()> {
    let (to, sensor) = ((link, assembler), QosProfile::sensor_data);
    let own = |topic: &str| format!("{target}/{topic}");
    hear(to, &own("reconstruction"), NEWEST, |assembler, message: JointState| assembler.hypothesis(0, message))?;
    hear(to, &own("deviation"), NEWEST, |assembler, message: JointState| assembler.deviation(message))?;
    hear(to, &own("statistics"), NEWEST, |assembler, message: DiagnosticArray| assembler.statistics(&message))?;
    hear(to, &own("losses"), NEWEST, |assembler, message: Float32MultiArray| assembler.losses(&message.data))?;
    hear(to, &own("weights"), NEWEST, |assembler, message: Float32MultiArray| assembler.weights(&message.data))?;
    hear(to, &own("reconstruction/image"), NEWEST, |assembler, message: Image| assembler.image_of(0, &message))?;
    hear(to, &own("bodies"), MANY, |assembler, message: Text| assembler.body(&message.data))?;
    let latched = QosProfile::default().keep_last(1).transient_local();
    hear(to, &own("people"), latched, |assembler, message: Text| assembler.people(&message.data))?;
    hear(to, JOINT_STATES, sensor(), |assembler, message: JointState| assembler.seen_joints(&message))?;
    hear(to, "points", sensor(), |assembler, message: PointCloud2| assembler.seen_points(&message))?;
    hear(to, "image", sensor(), |assembler, message: Image| assembler.seen_image(&message))?;
    hear(to, "/diagnostics", QosProfile::default(), |assembler, message: DiagnosticArray| {
        assembler.diagnostics(&message)
    })
}

/// Listens to further hypotheses as the node begins to solve for more.
fn widen(link: &Link, target: &str, assembler: &Shared, wishes: &Receiver<usize>) {
    let mut heard = 1;
    while let Ok(wanted @ 1..) = wishes.recv() {
        if wanted > MOST_HYPOTHESES {
            tracing::info!("of {wanted} hypotheses {MOST_HYPOTHESES} are followed: more cannot be told apart");
        }
        while heard < wanted.min(MOST_HYPOTHESES) {
            if let Err(error) = hypothesis(link, target, assembler, heard) {
                tracing::warn!("hypothesis {heard} is not shown: {error:#}");
            }
            heard += 1;
        }
    }
}

fn hypothesis(link: &Link, target: &str, assembler: &Shared, rank: usize) -> anyhow::Result<()> {
    let topic = |kind| format!("{target}/hypotheses/h{rank}/{kind}");
    let to = (link, assembler);
    hear(to, &topic("joint_states"), NEWEST, move |assembler, message: JointState| {
        assembler.hypothesis(rank, message)
    })?;
    hear(to, &topic("image"), NEWEST, move |assembler, message: Image| assembler.image_of(rank, &message))
}
