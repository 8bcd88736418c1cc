//! What is carried from one observation to the next: of whom it is, where people are told apart.
//!
//! The engine, with its weights, is one for all of them: it carries nothing but its memory, which is taken out and put in.

use std::collections::BTreeMap;
use std::mem::{replace, take};

use thalweg_engine::time::{Timeline, Watch};
use thalweg_engine::{Engine, EngineError, Memory};
use thalweg_task::{Root, TaskSpec};

use super::sides::Sides;

/// What is carried besides the engine's memory.
#[derive(Debug, Default)]
pub(super) struct Carried {
    /// What it expects of joints that are silent; none where time does not count.
    pub(super) timeline: Option<Timeline>,
    /// Tells which joint lies; none where it is not known how joints fit each other.
    pub(super) watch: Option<Watch>,
    /// Where the best hypothesis stood last, for a task that finds that out.
    pub(super) root: Option<Root>,
    /// The frame in which that was.
    pub(super) root_frame: Option<String>,
    /// Whether left and right of the points seem swapped.
    pub(super) sides: Sides,
}

impl Carried {
    /// Forgets all that was seen.
    pub(super) fn forget(&mut self) {
        self.timeline.iter_mut().for_each(Timeline::forget);
        self.watch.iter_mut().for_each(Watch::forget);
        (self.root, self.root_frame, self.sides) = (None, None, Sides::default());
    }

    /// Where the body stood before, for an observation whose points are in `frame`: in another one that says nothing.
    pub(super) fn root_in(&mut self, frame: Option<&String>) -> Option<Root> {
        if frame.is_some() && self.root_frame.as_ref() != frame {
            (self.root, self.root_frame, self.sides) = (None, frame.cloned(), Sides::default());
        }
        self.root
    }

    /// The same for somebody of whom nothing was seen.
    fn of_nobody(&self, spec: &TaskSpec) -> Self {
        let timeline = self.timeline.as_ref().and_then(|timeline| Timeline::new(timeline.model().clone(), spec));
        let mut carried = Self { timeline, watch: self.watch.clone(), ..Self::default() };
        carried.forget();
        carried
    }
}

/// Whose memory the engine has, and what is kept of the others, each by the number of the arrival.
#[derive(Debug, Default)]
pub(super) struct Minds {
    present: Option<u64>,
    others: BTreeMap<u64, (Memory, Carried)>,
}

impl Minds {
    /// Gives an engine the memory of somebody, who is new perhaps.
    ///
    /// # Errors
    /// [`EngineError`] where that memory does not fit the engine any more; it has none then.
    pub(super) fn enter(&mut self, who: u64, engine: &mut Engine, carried: &mut Carried) -> Result<(), EngineError> {
        if self.present == Some(who) {
            return Ok(());
        }
        let known = self.others.remove(&who);
        let (memory, own) = known.unwrap_or_else(|| (Memory::default(), carried.of_nobody(engine.task().spec())));
        let before = (engine.take_memory(), replace(carried, own));
        if let Some(previous) = self.present.replace(who) {
            self.others.insert(previous, before);
        }
        engine.recall(memory)
    }

    /// Keeps those who are there, and forgets all others.
    pub(super) fn keep(&mut self, there: &[u64], engine: &mut Engine, carried: &mut Carried) {
        self.others.retain(|who, _| there.contains(who));
        if self.present.is_some_and(|who| !there.contains(&who)) {
            self.present = None;
            drop(engine.take_memory());
            carried.forget();
        }
    }

    /// Forgets everybody but whose memory the engine has.
    pub(super) fn clear(&mut self) {
        self.others.clear();
    }

    /// Forgets where everybody's descents ended, as after a change of the landscape.
    pub(super) fn cool(&mut self) {
        for (memory, _) in self.others.values_mut() {
            *memory = Memory { index: take(memory).index, ..Memory::default() };
        }
    }

    /// How many people something is kept of.
    pub(super) fn count(&self) -> usize {
        self.others.len() + usize::from(self.present.is_some())
    }
}
