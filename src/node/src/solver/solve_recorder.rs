//! What a recorder is handed of each solve.

use std::mem::take;
use std::sync::{Arc, Mutex};

use super::settings::available;
use crate::intake::Provenance;
use crate::label::label;
use crate::parameters::Store;
use thalweg::Loaded;
use thalweg_engine::{Answer, Cadence, Engine, Event, Memory, Observer, WarmStart};
use thalweg_record::{Before, Person, Recorder, Setup, Solve, Trace, Warm};
use thalweg_task::Seen;
use thalweg_task::{lock, numbers};

/// Where solves are recorded, and how much of them.
#[derive(Clone, Debug)]
pub struct Recording {
    /// Takes them.
    pub recorder: Arc<Recorder>,
    /// Whether every step is recorded, not the solution alone.
    pub steps: bool,
}

/// What the solves of a loaded task have in common.
///
/// `node`: full name under which topics are recorded; `seed`: the one that was drawn, where `random_seed` is -1.
#[must_use]
pub fn setup(loaded: &Loaded, node: &str, store: &Store, seed: u64) -> Setup {
    let mut parameters = store.to_json();
    // What was used: sums are split by it.
    if let Some(threads) = parameters.get_mut("threads") {
        let asked = threads.as_u64().and_then(|threads| u32::try_from(threads).ok()).unwrap_or(1);
        *threads = available(asked).into();
    }
    Setup {
        node: node.to_owned(),
        task: loaded.spec.name.clone(),
        fingerprint: loaded.spec.fingerprint.clone(),
        joints: loaded.spec.joints.iter().map(|joint| joint.name.clone()).collect(),
        theta: loaded.landscape_id.clone(),
        start: loaded.start_id.clone().unwrap_or_default(),
        seed,
        optimizer: loaded.optimizer.to_owned(),
        backend: loaded.backend.name().to_owned(),
        parameters: parameters.to_string(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// Notes of the present solve, taken while the engine works.
#[derive(Clone, Debug)]
pub(super) struct SolveRecorder {
    recording: Recording,
    notes: Arc<Mutex<Solve>>,
}

/// The engine's half of a recorder of solves.
struct SolveObserver {
    steps: bool,
    notes: Arc<Mutex<Solve>>,
}

impl SolveRecorder {
    /// Listens to an engine, in place of whoever listened before.
    pub(super) fn new(recording: Recording, engine: &mut Engine) -> Self {
        let notes = Arc::default();
        let cadence = if recording.steps { Cadence::Always } else { Cadence::Ends };
        engine.clear_observers();
        engine.add_observer(cadence, Box::new(SolveObserver { steps: recording.steps, notes: Arc::clone(&notes) }));
        Self { recording, notes }
    }

    /// Hands the solve over that has just ended, with what was made of it.
    pub(super) fn hand_over(&self, engine: &Engine, answer: &Answer, provenance: &Provenance) {
        // Of the images only the best one is recorded.
        let images = answer.images.iter().take(1).cloned().collect();
        let person = provenance.person.as_ref();
        let solve = Solve {
            person: person.map(|person| Person { id: person.id.to_string(), arrival: person.arrival }),
            stamp_nanos: provenance.stamp_nanos,
            frame_id: provenance.frame_id.clone(),
            received_nanos: provenance.received_nanos,
            fresh: u32::try_from(engine.config().fresh).unwrap_or(u32::MAX),
            answer: Answer { images, ..answer.clone() },
            label: label(answer, engine.task().spec(), provenance.stamp_nanos, &provenance.frame_id),
            ..take(&mut *lock(&self.notes))
        };
        self.recording.recorder.put(Box::new(solve));
    }
}

impl Observer for SolveObserver {
    fn observe(&mut self, event: &Event<'_>) {
        let mut notes = lock(&self.notes);
        match event {
            Event::Begin { obs, memory, z, loss } => {
                let Memory { index, leader, offset, linearised, .. } = memory;
                let warm = |warm: &WarmStart| Warm {
                    z: numbers(&warm.z),
                    loss: warm.loss.clone(),
                    leader: *leader,
                    offset: offset.clone(),
                    linearised: linearised.as_ref().map_or_else(Vec::new, numbers),
                };
                let before = memory.warm.as_ref().map_or(Before::Cold, |found| Before::Warm(warm(found)));
                let trace = self.steps.then(|| Trace { z: numbers(z), loss: loss.to_vec() });
                *notes = Solve { index: *index, seen: Seen::of(obs), before, trace, ..Solve::default() };
            }
            Event::Step { z, loss, .. } => {
                if let Some(trace) = &mut notes.trace {
                    trace.z.extend(numbers::<f32>(z));
                    trace.loss.extend_from_slice(loss);
                }
            }
            Event::End { solution } => notes.z = numbers(&solution.z),
        }
    }
}
