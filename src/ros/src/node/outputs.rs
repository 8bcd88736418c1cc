//! Answers on their way out: a thread of its own, so that no reader ever holds up the solver.

mod hypotheses;
mod images;
mod markers;
mod publishers;

use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{Builder, JoinHandle};

use r2r::Publisher;
use thalweg_engine::Answer;
use thalweg_node::intake::Provenance;
use thalweg_node::parameters::OutputSettings;
use thalweg_task::lock;

pub(crate) use hypotheses::hypothesis_array;
pub(crate) use publishers::{OutputQos, Publishers};

/// Whether anybody outside this process listens.
fn is_heard<T: r2r::WrappedTypesupport + 'static>(publisher: &Publisher<T>) -> bool {
    publisher.get_inter_process_subscription_count().is_ok_and(|count| count > 0)
}

/// What waits to be published: the newest answer only.
#[derive(Debug, Default)]
struct Slot {
    answer: Option<(Answer, Provenance)>,
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
        slot.replaced += u64::from(slot.answer.replace((answer, provenance)).is_some());
        drop(slot);
        self.bell.notify_one();
    }

    /// Forgets an answer that has not gone out yet.
    pub(crate) fn clear(&self) {
        lock(&self.slot).answer = None;
        if let Some(publishers) = lock(&self.publishers).as_mut() {
            publishers.forget();
        }
    }

    pub(crate) fn set(&self, settings: OutputSettings) {
        *lock(&self.settings) = Some(settings);
    }

    pub(crate) fn publishers(&self) -> MutexGuard<'_, Option<Publishers>> {
        lock(&self.publishers)
    }

    pub(crate) fn report(&self) -> OutputReport {
        let mut slot = lock(&self.slot);
        let Slot { published, replaced, failures, .. } = *slot;
        OutputReport { published, replaced, failures, last_failure: slot.last_failure.take() }
    }

    fn serve(&self) {
        while let Some(answer) = self.next() {
            let settings = lock(&self.settings).clone();
            let result = settings.and_then(|settings| {
                lock(&self.publishers).as_mut().map(|publishers| publishers.publish(&answer, &settings))
            });
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

    fn next(&self) -> Option<(Answer, Provenance)> {
        let mut slot = lock(&self.slot);
        loop {
            if slot.has_ended {
                return None;
            }
            if let Some(answer) = slot.answer.take() {
                return Some(answer);
            }
            slot = self.bell.wait(slot).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }
}
