//! The publishers of a configured node, and the messages that answers become.

use std::sync::Arc;

use r2r::diagnostic_msgs::msg::{DiagnosticArray, DiagnosticStatus, KeyValue};
use r2r::geometry_msgs::msg::{Point, Pose, PoseStamped, Quaternion};
use r2r::sensor_msgs::msg::JointState;
use r2r::std_msgs::msg::{Float32MultiArray, Header, MultiArrayDimension, MultiArrayLayout, String as Text};
use r2r::thalweg_msgs::msg::HypothesisArray;
use r2r::visualization_msgs::msg::MarkerArray;
use r2r::{Node, Publisher, QosProfile};
use thalweg_engine::{Answer, Statistics, StopReason};
use thalweg_node::identity::Identities;
use thalweg_node::intake::Provenance;
use thalweg_node::label::label;
use thalweg_node::parameters::{HypothesisOrder, OutputSettings};
use thalweg_task::{JointConvention, Root, TaskSpec};

use super::hypotheses::hypothesis_array;
use super::images::ImagePublishers;
use super::is_heard;
use super::markers::markers;
use crate::node::time::stamp;

/// Gives the quality of service of an output by its name, as `~/reconstruction`.
pub(crate) type OutputQos = dyn Fn(&str) -> QosProfile + Send;

/// Where the topics of answers lie: those of the node, or those of one of several people.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    /// What `~` stands for.
    root: String,
    /// Whose they are: the identity, and the namespace that is theirs by REP-155.
    person: Option<(Arc<str>, String)>,
}

impl Home {
    /// Of the node itself.
    pub(crate) fn of_node() -> Self {
        Self { root: "~".to_owned(), person: None }
    }

    /// Of a person: below the namespace of people and the identity, our topics in a room of this node's name.
    pub(crate) fn of_person(id: &Arc<str>, namespace: &str, node: &str) -> Self {
        let body = format!("{namespace}/{id}");
        Self { root: format!("{body}/{node}"), person: Some((Arc::clone(id), body)) }
    }

    fn topic(&self, name: &str) -> String {
        name.replacen('~', &self.root, 1)
    }

    fn advertise<T: r2r::WrappedTypesupport>(
        &self,
        node: &mut Node,
        name: &str,
        qos: &OutputQos,
    ) -> r2r::Result<Publisher<T>> {
        node.create_publisher(&self.topic(name), qos(name))
    }

    /// Joints by the names of another convention: where that has them for a person, with the identity in their names.
    fn convention(
        &self,
        node: &mut Node,
        convention: &JointConvention,
        qos: &OutputQos,
    ) -> r2r::Result<Publisher<JointState>> {
        let own = format!("~/{}/joint_states", convention.name);
        match &self.person {
            Some((_, body)) => node.create_publisher(&format!("{body}/joint_states"), qos(&own)),
            None => self.advertise(node, &own, qos),
        }
    }

    fn named(&self, joints: &[String]) -> Vec<String> {
        match &self.person {
            Some((id, _)) => joints.iter().map(|joint| format!("{joint}_{id}")).collect(),
            None => joints.to_vec(),
        }
    }
}

/// The publishers of a configured node, or of one of several people, and what they publish of.
#[derive(Debug)]
pub(crate) struct Publishers {
    joint_names: Vec<String>,
    spec: TaskSpec,
    reconstruction: Publisher<JointState>,
    /// Where the task has joints: all of them, those observed as they came; and those that were not.
    filled: Option<[Publisher<JointState>; 2]>,
    /// Where the task has joints: standard deviations of `~/reconstruction`.
    deviation: Option<Publisher<JointState>>,
    /// Where joints have other names as well: `~/NAME/joint_states`.
    convention: Option<InConvention>,
    /// Where the task has joints: how surprising each is.
    surprise: Option<Publisher<JointState>>,
    hypotheses: Vec<Publisher<JointState>>,
    /// Where the task renders images.
    images: Option<ImagePublishers>,
    /// Where the task tells classes.
    label: Option<Publisher<Text>>,
    ghosts: Publisher<MarkerArray>,
    weights: Publisher<Float32MultiArray>,
    losses: Publisher<Float32MultiArray>,
    statistics: Publisher<DiagnosticArray>,
    /// Where the task has joints.
    array: Option<Publisher<HypothesisArray>>,
    /// Where the task finds out where the body stands.
    pose: Option<Publisher<PoseStamped>>,
    /// Where a URDF was asked for; whoever comes later gets it, too.
    description: Option<Publisher<Text>>,
    /// Of each hypothesis.
    qos: QosProfile,
    /// Which hypothesis is which of the answer before.
    identities: Identities,
    /// Ghosts drawn last.
    drawn: usize,
}

/// Joints by the names of another convention.
#[derive(Debug)]
struct InConvention {
    publisher: Publisher<JointState>,
    names: Vec<String>,
    /// What was written last.
    before: Vec<f64>,
}

impl Publishers {
    /// Advertises everything.
    ///
    /// # Errors
    /// What rcl says.
    pub(crate) fn create(
        node: &mut Node,
        spec: &TaskSpec,
        (home, hypotheses): (&Home, usize),
        qos: &OutputQos,
    ) -> r2r::Result<Self> {
        let (has_joints, has_classes) = (!spec.joints.is_empty(), !spec.classes.is_empty());
        let joints =
            |node: &mut Node, name: &str| has_joints.then(|| home.advertise::<JointState>(node, name, qos)).transpose();
        let filled = |node: &mut Node| -> r2r::Result<_> {
            Ok([home.advertise(node, "~/joint_states", qos)?, home.advertise(node, "~/completed", qos)?])
        };
        let convention = |node: &mut Node, convention: &JointConvention| -> r2r::Result<_> {
            let (publisher, names) = (home.convention(node, convention, qos)?, home.named(&convention.joints));
            Ok(InConvention { publisher, names, before: Vec::new() })
        };
        let mut publishers = Self {
            joint_names: spec.joints.iter().map(|joint| joint.name.clone()).collect(),
            spec: spec.clone(),
            reconstruction: home.advertise(node, "~/reconstruction", qos)?,
            filled: has_joints.then(|| filled(node)).transpose()?,
            deviation: joints(node, "~/deviation")?,
            convention: spec.convention.as_ref().map(|own| convention(node, own)).transpose()?,
            surprise: joints(node, "~/surprise")?,
            hypotheses: Vec::new(),
            images: spec.image.map(|_| ImagePublishers::create(node, qos)).transpose()?,
            label: has_classes.then(|| home.advertise(node, "~/label", qos)).transpose()?,
            ghosts: home.advertise(node, "~/ghosts", qos)?,
            weights: home.advertise(node, "~/weights", qos)?,
            losses: home.advertise(node, "~/losses", qos)?,
            statistics: home.advertise(node, "~/statistics", qos)?,
            array: has_joints.then(|| home.advertise(node, "~/hypotheses", qos)).transpose()?,
            pose: has_root(spec).then(|| home.advertise(node, "~/pose", qos)).transpose()?,
            description: None,
            qos: qos("~/hypotheses"),
            identities: Identities::default(),
            drawn: 0,
        };
        publishers.resize(node, hypotheses)?;
        Ok(publishers)
    }

    /// Publishes a URDF, once and for all: latched, as robot_state_publisher reads it.
    ///
    /// # Errors
    /// What rcl says.
    pub(crate) fn describe(&mut self, node: &mut Node, urdf: String) -> r2r::Result<()> {
        let latched = QosProfile::default().keep_last(1).transient_local();
        let publisher = node.create_publisher("robot_description", latched)?;
        publisher.publish(&Text { data: urdf })?;
        self.description = Some(publisher);
        Ok(())
    }

    /// Advertises as many hypotheses as there are now.
    ///
    /// # Errors
    /// What rcl says.
    pub(crate) fn resize(&mut self, node: &mut Node, hypotheses: usize) -> r2r::Result<()> {
        while self.hypotheses.len() > hypotheses {
            if let Some(publisher) = self.hypotheses.pop() {
                node.destroy_publisher(publisher);
            }
        }
        for rank in self.hypotheses.len()..hypotheses {
            let topic = format!("~/hypotheses/h{rank}/joint_states");
            self.hypotheses.push(node.create_publisher(&topic, self.qos.clone())?);
        }
        self.images.as_mut().map_or(Ok(()), |images| images.resize(node, hypotheses, &self.qos))
    }

    /// Takes everything from the graph.
    pub(crate) fn destroy(self, node: &mut Node) {
        node.destroy_publisher(self.reconstruction);
        node.destroy_publisher(self.ghosts);
        node.destroy_publisher(self.weights);
        node.destroy_publisher(self.losses);
        node.destroy_publisher(self.statistics);
        let convention = self.convention.map(|convention| convention.publisher);
        let of_joints = self.filled.into_iter().flatten().chain(self.deviation).chain(self.surprise).chain(convention);
        for publisher in self.hypotheses.into_iter().chain(of_joints) {
            node.destroy_publisher(publisher);
        }
        if let Some(array) = self.array {
            node.destroy_publisher(array);
        }
        if let Some(label) = self.label {
            node.destroy_publisher(label);
        }
        if let Some(pose) = self.pose {
            node.destroy_publisher(pose);
        }
        if let Some(description) = self.description {
            node.destroy_publisher(description);
        }
        if let Some(images) = self.images {
            images.destroy(node);
        }
    }

    /// Forgets which hypothesis was which.
    pub(crate) fn forget(&mut self) {
        self.identities.clear();
        self.convention.iter_mut().for_each(|convention| convention.before.clear());
    }

    /// Publishes an answer; what nobody listens to is not even built.
    ///
    /// # Errors
    /// What rcl says to the first message that could not go out; the others were tried.
    pub(super) fn publish(&mut self, solved: &(Answer, Provenance), settings: &OutputSettings) -> r2r::Result<()> {
        let (answer, provenance) = solved;
        let header = header(provenance, settings);
        let identities = self.identities.of(answer);
        let places = match settings.order {
            HypothesisOrder::Rank => (0..identities.len()).collect(),
            HypothesisOrder::Identity => ranks(&identities),
        };
        let mut result = Ok(());
        if let Some(best) = answer.joints.first() {
            result = self.reconstruction.publish(&self.joint_state(&header, best));
            result = result.and(self.publish_filled(best, provenance, &header));
            result = result.and(self.publish_convention(best, &header));
            if let Some(publisher) = self.deviation.as_ref().filter(|publisher| is_heard(publisher)) {
                result = result.and(publisher.publish(&self.joint_state(&header, &answer.deviation)));
            }
        }
        result = result.and(self.publish_surprise(provenance, &header));
        if let (Some(pose), Some(root), Some(frame_id)) = (&self.pose, answer.roots.first(), &provenance.points_frame) {
            let header = Header { frame_id: frame_id.replace('\0', ""), ..header.clone() };
            result = result.and(pose.publish(&PoseStamped { header, pose: pose_of(root) }));
        }
        if settings.hypotheses {
            for (publisher, &rank) in self.hypotheses.iter().zip(&places) {
                if let Some(joints) = answer.joints.get(rank)
                    && is_heard(publisher)
                {
                    result = result.and(publisher.publish(&self.joint_state(&header, joints)));
                }
            }
        }
        if let Some(images) = &self.images {
            result = result.and(images.publish(answer, &header, settings.hypotheses.then_some(&places)));
        }
        if let Some(publisher) = self.label.as_ref().filter(|publisher| is_heard(publisher))
            && let Some(data) = label(answer, &self.spec, provenance.stamp_nanos, &header.frame_id)
        {
            result = result.and(publisher.publish(&Text { data }));
        }
        if let Some(array) = self.array.as_ref().filter(|array| is_heard(array)) {
            let message = hypothesis_array(answer, &identities, &header, &self.joint_names);
            result = result.and(array.publish(&message));
        }
        for (publisher, values) in [(&self.weights, &answer.weights), (&self.losses, &answer.losses)] {
            if is_heard(publisher) {
                let values: Vec<f64> = places.iter().filter_map(|&rank| values.get(rank).copied()).collect();
                result = result.and(publisher.publish(&per_hypothesis(&values)));
            }
        }
        if is_heard(&self.statistics) {
            result = result.and(self.statistics.publish(&statistics(answer, &header)));
        }
        result.and(self.publish_ghosts(solved, &identities, &header, settings))
    }

    /// Publishes how surprising the joints are that were observed; nothing where none is judged.
    fn publish_surprise(&self, provenance: &Provenance, header: &Header) -> r2r::Result<()> {
        let Some(publisher) = self.surprise.as_ref().filter(|publisher| is_heard(publisher)) else { return Ok(()) };
        let told = self.joint_names.iter().zip(&provenance.joint_surprise).filter(|(_, surprise)| surprise.is_finite());
        let (name, position): (Vec<String>, Vec<f64>) = told.map(|(name, surprise)| (name.clone(), *surprise)).unzip();
        if name.is_empty() {
            return Ok(());
        }
        publisher.publish(&JointState { header: header.clone(), name, position, ..JointState::default() })
    }

    /// Publishes `best`, `[J]`, by the names of another convention.
    fn publish_convention(&mut self, best: &[f64], header: &Header) -> r2r::Result<()> {
        let (Some(own), Some(convention)) = (&mut self.convention, &self.spec.convention) else { return Ok(()) };
        if !is_heard(&own.publisher) {
            return Ok(());
        }
        let position = (convention.write)(best, (!own.before.is_empty()).then_some(own.before.as_slice()));
        own.before.clone_from(&position);
        let name = own.names.clone();
        own.publisher.publish(&JointState { header: header.clone(), name, position, ..JointState::default() })
    }

    /// Publishes `best`, `[J]`, with what was observed of it as it came, and beside it what was not observed.
    fn publish_filled(&self, best: &[f64], provenance: &Provenance, header: &Header) -> r2r::Result<()> {
        let Some([all, completed]) = &self.filled else { return Ok(()) };
        let Provenance { observed_joints, joint_positions, .. } = provenance;
        let observed = |joint: usize| {
            let position = joint_positions.get(joint).filter(|position| position.is_finite())?;
            observed_joints.get(joint).filter(|is_observed| **is_observed).map(|_| *position)
        };
        let mut result = Ok(());
        if is_heard(all) {
            let position: Vec<f64> =
                best.iter().enumerate().map(|(joint, found)| observed(joint).unwrap_or(*found)).collect();
            result = all.publish(&self.joint_state(header, &position));
        }
        if is_heard(completed) {
            let places = (0..best.len()).filter(|joint| observed(*joint).is_none());
            let (name, position) = places.map(|joint| (self.joint_names[joint].clone(), best[joint])).unzip();
            let message = JointState { header: header.clone(), name, position, ..JointState::default() };
            result = result.and(completed.publish(&message));
        }
        result
    }

    fn publish_ghosts(
        &mut self,
        (answer, provenance): &(Answer, Provenance),
        identities: &[usize],
        header: &Header,
        settings: &OutputSettings,
    ) -> r2r::Result<()> {
        let Some(skeleton) = self.spec.skeleton.as_ref().filter(|_| settings.ghosts && is_heard(&self.ghosts)) else {
            return Ok(());
        };
        // Points lie in the task's frame, whatever frame the observation was given in; where it is known where that
        // stands, they are drawn there.
        let mut header = header.clone();
        let placed = provenance.points_frame.as_ref().filter(|_| !answer.roots.is_empty()).map(|frame_id| {
            header.frame_id = frame_id.replace('\0', "");
            let points = answer.points.iter().zip(&answer.roots);
            let points = points.map(|(points, root)| points.iter().map(|point| root.place(*point)).collect()).collect();
            Answer { points, weights: answer.weights.clone(), ..Answer::default() }
        });
        if placed.is_none() && settings.frame_id.is_empty() {
            header.frame_id.clone_from(&skeleton.frame);
        }
        let answer = placed.as_ref().unwrap_or(answer);
        let clear = self.drawn > answer.points.len();
        self.drawn = answer.points.len();
        self.ghosts.publish(&markers(
            answer,
            (provenance.observed_joints.as_slice(), identities),
            (skeleton, &header),
            clear,
        ))
    }

    fn joint_state(&self, header: &Header, position: &[f64]) -> JointState {
        JointState {
            header: header.clone(),
            name: self.joint_names.clone(),
            position: position.to_vec(),
            ..JointState::default()
        }
    }
}

/// Whether a task finds out where the body stands: its points come from any frame.
pub(crate) fn has_root(spec: &TaskSpec) -> bool {
    spec.points.as_ref().is_some_and(|points| points.tracker.is_some())
}

pub(super) fn pose_of(root: &Root) -> Pose {
    let ([x, y, z], [i, j, k, w]) = (root.position, root.rotation);
    Pose { position: Point { x, y, z }, orientation: Quaternion { x: i, y: j, z: k, w } }
}

/// The ranks in the order of identities, from the identities in the order of ranks: `[K]` both.
fn ranks(identities: &[usize]) -> Vec<usize> {
    let mut ranks = vec![0; identities.len()];
    identities.iter().enumerate().for_each(|(rank, &identity)| ranks[identity] = rank);
    ranks
}

fn header(provenance: &Provenance, settings: &OutputSettings) -> Header {
    let own = &settings.frame_id;
    let frame_id = if own.is_empty() { &provenance.frame_id } else { own };
    Header { stamp: stamp(provenance.stamp_nanos), frame_id: frame_id.replace('\0', "") }
}

/// What a solve has cost, and which landscape it was made on; stamped as its reconstruction.
fn statistics(answer: &Answer, header: &Header) -> DiagnosticArray {
    let Statistics { steps, evaluations, diverged } = answer.statistics;
    let values = [
        ("theta", answer.landscape.clone()),
        ("stop", answer.stop.map_or("", StopReason::name).to_owned()),
        ("steps", steps.to_string()),
        ("evaluations", evaluations.to_string()),
        ("diverged", diverged.to_string()),
        ("hypotheses", answer.losses.len().to_string()),
        ("loss", answer.losses.first().map_or_else(String::new, ToString::to_string)),
        ("took_ms", format!("{:.3}", answer.took.as_secs_f64() * 1e3)),
    ];
    let root = answer.roots.first().map(|root| {
        let state = if root.is_seen { "seen" } else { "held" };
        [("root", state.to_owned()), ("scale", root.scale.to_string()), ("misfit", root.misfit.to_string())]
    });
    let values = values.into_iter().chain(root.into_iter().flatten());
    let values = values.map(|(key, value)| KeyValue { key: key.to_owned(), value }).collect();
    let status = DiagnosticStatus { name: "solve".to_owned(), values, ..DiagnosticStatus::default() };
    DiagnosticArray { header: header.clone(), status: vec![status] }
}

fn per_hypothesis(values: &[f64]) -> Float32MultiArray {
    let size = u32::try_from(values.len()).unwrap_or(u32::MAX);
    let dim = vec![MultiArrayDimension { label: "hypothesis".to_owned(), size, stride: size }];
    Float32MultiArray {
        layout: MultiArrayLayout { dim, data_offset: 0 },
        data: values.iter().map(|value| *value as f32).collect(),
    }
}
