//! Topics of several people: made when somebody comes, taken from the graph when they go.
//!
//! ```text
//! NAMESPACE/ID/joint_states    joints by REP-155, with `body_pose.names: rep155`
//! NAMESPACE/ID/NODE/..         what `~/..` has of one person
//! ~/people, NAMESPACE/tracked  who is there
//! ~/bodies                     what was found of each, on one topic
//! ```

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use r2r::std_msgs::msg::String as Text;
use r2r::{Node, Publisher, PublisherUntyped, QosProfile};
use thalweg_node::diagnostics::{Level, Status};
use thalweg_node::intake::{Input, Person};
use thalweg_node::parameters::Settings;
use thalweg_node::solver::{SolveReport, Solver};
use thalweg_task::TaskSpec;

use super::executor::Executor;
use super::inputs::InputBuffer;
use super::names::Names;
use super::outputs::{Bodies, Home, Outputs, Publishers, has_root};
use super::parameters::Parameters;
use super::time::{RosTime, stamp};

/// Time between two looks at who is there.
const LOOK: Duration = Duration::from_millis(50);

/// What a list of identities is in ros4hri.
const IDS_LIST: &str = "hri_msgs/msg/IdsList";

/// What people are told apart for while a task is loaded.
#[derive(Debug)]
struct Following {
    spec: TaskSpec,
    namespace: String,
    list: Publisher<Text>,
    /// The same as ros4hri has it; none where the node was built without its messages.
    tracked: Option<PublisherUntyped>,
    /// Who was there when it was said last, and how many others.
    told: Option<(Vec<Person>, usize)>,
    /// For whom no topics could be made.
    failed: BTreeSet<Arc<str>>,
}

/// The topics of people.
#[derive(Debug)]
pub(crate) struct PeopleTopics {
    node: String,
    names: Names,
    executor: Executor,
    time: Arc<RosTime>,
    parameters: Arc<Parameters>,
    buffer: Arc<InputBuffer>,
    outputs: Arc<Outputs>,
    solver: Arc<Solver>,
    following: tokio::sync::Mutex<Option<Following>>,
}

impl PeopleTopics {
    pub(crate) fn new(
        (node, names): (&str, &Names),
        (executor, time, parameters): (&Executor, &Arc<RosTime>, &Arc<Parameters>),
        (buffer, outputs, solver): (&Arc<InputBuffer>, &Arc<Outputs>, &Arc<Solver>),
    ) -> Self {
        Self {
            node: node.to_owned(),
            names: names.clone(),
            executor: executor.clone(),
            time: Arc::clone(time),
            parameters: Arc::clone(parameters),
            buffer: Arc::clone(buffer),
            outputs: Arc::clone(outputs),
            solver: Arc::clone(solver),
            following: tokio::sync::Mutex::new(None),
        }
    }

    /// Begins to follow people, where more than one is to be.
    ///
    /// # Errors
    /// One sentence where the task cannot tell people apart, or would hear itself; what rcl says.
    pub(crate) async fn open(&self, spec: &TaskSpec, settings: &Settings) -> anyhow::Result<()> {
        self.close().await?;
        let most = settings.input.people.most;
        if most < 2 {
            return Ok(());
        }
        self.check(spec, settings)?;
        let namespace = settings.output.people_namespace.clone();
        let topic = format!("{namespace}/tracked");
        let qos = self.parameters.qos_of(&self.names.resolve("~/bodies"), QosProfile::default());
        let (spec, named) = (spec.clone(), spec.clone());
        let create = move |node: &mut Node| -> r2r::Result<_> {
            let latched = || QosProfile::default().keep_last(1).transient_local();
            let list = node.create_publisher("~/people", latched())?;
            let tracked = node.create_publisher_untyped(&topic, IDS_LIST, latched()).ok();
            Ok((list, tracked, Bodies::create(node, &named, qos)?))
        };
        let (list, tracked, bodies) = self.executor.with(create).await??;
        *self.outputs.bodies() = Some(bodies);
        let following = Following { spec, namespace, list, tracked, told: None, failed: BTreeSet::new() };
        *self.following.lock().await = Some(following);
        Ok(())
    }

    fn check(&self, spec: &TaskSpec, settings: &Settings) -> anyhow::Result<()> {
        let most = settings.input.people.most;
        ensure!(
            has_root(spec) || spec.convention.is_some(),
            "input.people is {most}, and nothing that task {} reads says of whom it is; for body_pose set \
             body_pose.keypoints to a table, body_pose.names to rep155, or both",
            spec.name
        );
        let has_cloud = spec.points.as_ref().is_some_and(|points| points.cloud > 0);
        ensure!(
            !has_cloud,
            "input.people is {most}, and a cloud says nothing of whom it is; set {}.cloud_weight to 0, or input.people to 1",
            spec.name
        );
        let person = settings.task_parameters.get("person").and_then(serde_json::Value::as_str).unwrap_or_default();
        ensure!(
            person.is_empty(),
            "input.people is {most}, and {}.person names one of them, '{person}'; leave it empty",
            spec.name
        );
        let joints = self.names.of_input(Input::Joints);
        let is_own = joints.strip_prefix(&settings.output.people_namespace).is_some_and(|rest| rest.starts_with('/'));
        ensure!(
            !(is_own && spec.convention.is_some()),
            "joint_states is {joints}, which lies in output.people_namespace, where answers are published: the node \
             would hear itself; choose another namespace"
        );
        Ok(())
    }

    /// Follows nobody any more, and takes all of their topics from the graph.
    ///
    /// # Errors
    /// That the ROS thread has ended.
    pub(crate) async fn close(&self) -> anyhow::Result<()> {
        let mut following = self.following.lock().await;
        let Some(Following { list, tracked, .. }) = following.take() else { return Ok(()) };
        let (people, bodies) = (std::mem::take(&mut *self.outputs.people()), self.outputs.bodies().take());
        let destroy = move |node: &mut Node| {
            if let Some(bodies) = bodies {
                bodies.destroy(node);
            }
            people.into_values().for_each(|publishers| publishers.destroy(node));
            node.destroy_publisher(list);
            if let Some(tracked) = tracked {
                node.destroy_publisher_untyped(tracked);
            }
        };
        Ok(self.executor.with(destroy).await?)
    }

    /// Follows who comes and goes until the node ends.
    pub(crate) async fn watch(&self) {
        let mut look = tokio::time::interval(LOOK);
        loop {
            look.tick().await;
            if let Err(error) = self.look().await {
                tracing::debug!("people: {error:#}");
            }
        }
    }

    async fn look(&self) -> anyhow::Result<()> {
        let mut following = self.following.lock().await;
        let Some(following) = following.as_mut() else { return Ok(()) };
        let seen = self.buffer.with_people(|people| (people.there(), people.others()));
        let Some((there, others)) = seen else { return Ok(()) };
        self.part(&there).await?;
        for person in &there {
            let is_known = self.outputs.people().contains_key(&person.id) || following.failed.contains(&person.id);
            if !is_known && let Err(error) = self.meet(&person.id, following).await {
                tracing::error!("no topics for person {}: {error:#}", person.id);
                following.failed.insert(Arc::clone(&person.id));
            }
        }
        following.failed.retain(|id| there.iter().any(|person| person.id == *id));
        let now = (there, others);
        if following.told.as_ref() != Some(&now) {
            self.tell(following, &now);
            following.told = Some(now);
            // So that the engine thread forgets who has gone.
            self.solver.wake();
        }
        Ok(())
    }

    /// Takes the topics of those from the graph who are not there any more.
    async fn part(&self, there: &[Person]) -> anyhow::Result<()> {
        let is_gone = |id: &&Arc<str>| !there.iter().any(|person| person.id == **id);
        let gone: Vec<Arc<str>> = self.outputs.people().keys().filter(is_gone).cloned().collect();
        for id in gone {
            if let Some(publishers) = self.outputs.part(&id) {
                self.executor.with(move |node: &mut Node| publishers.destroy(node)).await?;
            }
        }
        Ok(())
    }

    /// Makes the topics of somebody new.
    async fn meet(&self, id: &Arc<str>, following: &mut Following) -> anyhow::Result<()> {
        let (names, parameters) = (self.names.clone(), Arc::clone(&self.parameters));
        let qos = move |topic: &str| parameters.qos_of(&names.resolve(topic), QosProfile::default());
        let home = Home::of_person(id, &following.namespace, &self.node);
        let spec = following.spec.clone();
        let create = move |node: &mut Node| Publishers::create(node, &spec, (&home, 0), &qos);
        let publishers = self.executor.with(create).await??;
        self.outputs.people().insert(Arc::clone(id), publishers);
        Ok(())
    }

    /// Says who is there; a list that does not go out is followed by the next.
    fn tell(&self, following: &Following, (there, others): &(Vec<Person>, usize)) {
        let ids: Vec<&str> = there.iter().map(|person| person.id.as_ref()).collect();
        let data = serde_json::json!({ "ids": ids, "others": others }).to_string();
        drop(following.list.publish(&Text { data }));
        if let Some(tracked) = &following.tracked {
            let now = stamp(self.time.now_nanos());
            let stamp = serde_json::json!({ "sec": now.sec, "nanosec": now.nanosec });
            let list = serde_json::json!({ "header": { "stamp": stamp, "frame_id": "" }, "ids": ids });
            if let Err(error) = tracked.publish(list) {
                tracing::debug!("{IDS_LIST}: {error}");
            }
        }
    }

    /// Who is there, for diagnostics; none where nobody is told apart.
    pub(crate) fn status(&self, report: &SolveReport) -> Option<Status> {
        let (there, others, most) =
            self.buffer.with_people(|people| (people.there(), people.others(), people.most()))?;
        let mut status = Status::ok("People", if there.is_empty() { "Nobody" } else { "Followed" });
        if others > 0 {
            let text = format!("{others} people more than input.people, {most}; those who came first are followed");
            status.worsen(Level::Warn, text);
        }
        let ids: Vec<&str> = there.iter().map(|person| person.id.as_ref()).collect();
        let status = status.with("Followed", format!("{} of {most}", ids.len())).with("Identities", ids.join(", "));
        Some(status.with("Others", others).with("In memory", report.people))
    }
}
