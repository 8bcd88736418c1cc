//! Answers on their way out: a thread of its own, so that no reader ever holds up the solver.

mod bodies;
mod hypotheses;
mod images;
mod markers;
mod publishers;
mod root_frame;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{Builder, JoinHandle};

use r2r::Publisher;
use thalweg_engine::Answer;
use thalweg_node::intake::Provenance;
use thalweg_node::parameters::OutputSettings;
use thalweg_task::lock;

pub(crate) use bodies::Bodies;
pub(crate) use hypotheses::hypothesis_array;
pub(crate) use publishers::{Home, OutputQos, Publishers, has_root};
pub(crate) use root_frame::RootFrame;

/// Whether anybody outside this process listens.
fn is_heard<T: r2r::WrappedTypesupport + 'static>(publisher: &Publisher<T>) -> bool {
    publisher.get_inter_process_subscription_count().is_ok_and(|count| count > 0)
}

/// What waits to be published: the newest answer only, of each person where people are told apart.
#[derive(Debug, Default)]
struct Slot {
    answers: VecDeque<(Answer, Provenance)>,
    /// Answers that were replaced before they were published.
    replaced: u64,
    published: u64,
    failures: u64,
    last_failure: Option<String>,
    has_ended: bool,
}

/// Numbers of the publishing thread.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OutputReport {
    pub(crate) published: u64,
    pub(crate) replaced: u64,
    pub(crate) failures: u64,
    pub(crate) last_failure: Option<String>,
}

/// The way out, shared by the solver, the publishing thread and the lifecycle.
#[derive(Debug, Default)]
pub(crate) struct Outputs {
    slot: Mutex<Slot>,
    bell: Condvar,
    publishers: Mutex<Option<Publishers>>,
    /// Those of people, by their identities, where they are told apart.
    people: Mutex<BTreeMap<Arc<str>, Publishers>>,
    /// What is told of all of them on one topic.
    bodies: Mutex<Option<Bodies>>,
    /// Where the body's frame is broadcast.
    root_frame: Mutex<Option<RootFrame>>,
    settings: Mutex<Option<OutputSettings>>,
}

impl Outputs {
    /// Starts the publishing thread; it ends after [`Outputs::end`].
    ///
    /// # Errors
    /// What the operating system says when it has no thread left.
    pub(crate) fn start(self: &Arc<Self>) -> std::io::Result<JoinHandle<()>> {
        let outputs = Arc::clone(self);
        Builder::new().name("publish".to_owned()).spawn(move || outputs.serve())
    }

    pub(crate) fn end(&self) {
        lock(&self.slot).has_ended = true;
        self.bell.notify_all();
    }

    /// Hands in an answer; the latest wins.
    pub(crate) fn put(&self, answer: Answer, provenance: Provenance) {
        let mut slot = lock(&self.slot);
        let of_same = |(_, waiting): &(Answer, Provenance)| waiting.person == provenance.person;
        match slot.answers.iter().position(of_same) {
            Some(place) => {
                slot.answers[place] = (answer, provenance);
                slot.replaced += 1;
            }
            None => slot.answers.push_back((answer, provenance)),
        }
        drop(slot);
        self.bell.notify_one();
    }

    /// Forgets an answer that has not gone out yet.
    pub(crate) fn clear(&self) {
        lock(&self.slot).answers.clear();
        if let Some(publishers) = lock(&self.publishers).as_mut() {
            publishers.forget();
        }
        lock(&self.people).values_mut().for_each(Publishers::forget);
        lock(&self.root_frame).iter_mut().for_each(RootFrame::forget);
    }

    pub(crate) fn set(&self, settings: OutputSettings) {
        *lock(&self.settings) = Some(settings);
    }

    pub(crate) fn publishers(&self) -> MutexGuard<'_, Option<Publishers>> {
        lock(&self.publishers)
    }

    /// The topics of people, by their identities.
    pub(crate) fn people(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Publishers>> {
        lock(&self.people)
    }

    /// What is told of all people on one topic.
    pub(crate) fn bodies(&self) -> MutexGuard<'_, Option<Bodies>> {
        lock(&self.bodies)
    }

    /// Forgets somebody; their topics are to be taken from the graph.
    pub(crate) fn part(&self, id: &Arc<str>) -> Option<Publishers> {
        lock(&self.root_frame).iter_mut().for_each(|frame| frame.part(id));
        lock(&self.people).remove(id)
    }

    pub(crate) fn root_frame(&self) -> MutexGuard<'_, Option<RootFrame>> {
        lock(&self.root_frame)
    }

    pub(crate) fn report(&self) -> OutputReport {
        let mut slot = lock(&self.slot);
        let Slot { published, replaced, failures, .. } = *slot;
        OutputReport { published, replaced, failures, last_failure: slot.last_failure.take() }
    }

    fn serve(&self) {
        while let Some(answer) = self.next() {
            let settings = lock(&self.settings).clone();
            let result = settings.and_then(|settings| self.publish(&answer, &settings));
            let mut slot = lock(&self.slot);
            match result {
                None => {}
                Some(Ok(())) => slot.published += 1,
                Some(Err(error)) => {
                    slot.failures += 1;
                    slot.last_failure = Some(error.to_string());
                }
            }
        }
    }

    /// Publishes an answer where it belongs; none where nobody could hear it yet, or any more.
    fn publish(&self, answer: &(Answer, Provenance), settings: &OutputSettings) -> Option<r2r::Result<()>> {
        let provenance = &answer.1;
        let of_person = provenance.person.as_ref().and_then(|person| {
            lock(&self.people).get_mut(&person.id).map(|publishers| publishers.publish(answer, settings))
        });
        // The node's own topics speak of one body: with several people, of who has been there longest.
        let is_nodes = provenance.person.is_none() || provenance.leads;
        let of_node = lock(&self.publishers).as_mut().filter(|_| is_nodes).map(|own| own.publish(answer, settings));
        let frame = lock(&self.root_frame).as_mut().map(|frame| frame.publish(&answer.0, provenance));
        let told = lock(&self.bodies).as_ref().map(|bodies| bodies.publish(&answer.0, provenance));
        [of_person, of_node, told, frame].into_iter().flatten().reduce(Result::and)
    }

    fn next(&self) -> Option<(Answer, Provenance)> {
        let mut slot = lock(&self.slot);
        loop {
            if slot.has_ended {
                return None;
            }
            if let Some(answer) = slot.answers.pop_front() {
                return Some(answer);
            }
            slot = self.bell.wait(slot).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }
}
