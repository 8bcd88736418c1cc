//! Reads recordings of ours, whole or damaged.

use std::collections::BTreeMap;
use std::path::Path;

use super::damage::Damage;
use super::error::RecordError;
use super::message;
use super::schema::Kind;
use super::segment::sequence;
use super::setup::METADATA;
use super::solve::{Setup, Solve, Trace};
use super::storage::{Item, Storage};
use super::topics::Topic;
use thalweg_engine::Answer;
use thalweg_task::Seen;

/// Reads the solves of one file, one after the other.
pub struct Reader {
    storage: Storage,
    setup: Setup,
    /// Parts of the next solve, and its sequence number.
    seen: Seen,
    trace: Option<(u64, Trace)>,
    sequence: u32,
    /// Identity of whom they are; none of nobody in particular.
    who: Option<String>,
    /// Messages of each topic, so far.
    topics: BTreeMap<String, u64>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("path", &self.storage.path()).field("setup", &self.setup).finish_non_exhaustive()
    }
}

impl Reader {
    /// Opens a file and reads what its solves have in common.
    ///
    /// # Errors
    /// [`RecordError`] when it cannot be read, is no bag, or none of ours.
    pub fn open(path: &Path) -> Result<Self, RecordError> {
        let mut storage = Storage::open(path)?;
        let refuse = |why: &str| RecordError::NoSetup { path: path.to_owned(), why: why.to_owned() };
        let setup = loop {
            match storage.next()? {
                Some(Item::Metadata(metadata)) if metadata.name == METADATA => {
                    break Setup::from_map(&metadata.metadata, path)?;
                }
                Some(Item::Metadata(_) | Item::Topic(_)) => {}
                Some(Item::Message(..)) | None => return Err(refuse("is missing")),
            }
        };
        Ok(Self { storage, setup, seen: Seen::default(), trace: None, sequence: 0, who: None, topics: BTreeMap::new() })
    }

    /// What all solves have in common.
    #[must_use]
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// What was lost, up to where has been read.
    #[must_use]
    pub fn damage(&self) -> Damage {
        self.storage.damage()
    }

    /// Messages of each topic, up to where has been read.
    #[must_use]
    pub fn topics(&self) -> &BTreeMap<String, u64> {
        &self.topics
    }

    /// The solves that are whole, in their order.
    ///
    /// What does not decode, or holds a number that is not finite or larger than a node can have, is passed over and
    /// counted in [`Reader::damage`].
    pub fn solves(&mut self) -> impl Iterator<Item = Result<Solve, RecordError>> + '_ {
        std::iter::from_fn(|| self.next_solve().transpose())
    }

    fn next_solve(&mut self) -> Result<Option<Solve>, RecordError> {
        while let Some(item) = self.storage.next()? {
            let Item::Message(topic, header, bytes) = item else { continue };
            match self.topics.get_mut(&topic.name) {
                Some(count) => *count += 1,
                None => drop(self.topics.insert(topic.name.clone(), 1)),
            }
            let Some((who, part)) = self.setup.part(&topic.name) else { continue };
            // All messages of a solve stand together.
            if header.sequence != self.sequence || who != self.who.as_deref() {
                (self.seen, self.trace, self.sequence) = (Seen::default(), None, header.sequence);
                self.who = who.map(str::to_owned);
            }
            match self.take(part, &topic, &bytes) {
                Some(Some(solve)) if !is_finite(&solve) => self.storage.damage_mut().not_finite += 1,
                Some(Some(solve)) => return Ok(Some(solve)),
                Some(None) => {}
                None => self.storage.damage_mut().messages += 1,
            }
        }
        Ok(None)
    }

    /// Takes one message: a part, or the solve that it completes. None when it does not decode.
    fn take(&mut self, part: &str, topic: &Topic, bytes: &[u8]) -> Option<Option<Solve>> {
        match (part, topic.kind()) {
            ("/observation/joint_states", kind) if kind == Kind::JointState.name() => {
                self.seen.joints = message::seen_joints(&message::read_joint_state(bytes)?, &self.setup);
            }
            ("/observation/points", kind) if kind == Kind::PointCloud2.name() => {
                (self.seen.points, self.seen.confidence) = message::read_points(bytes)?;
            }
            ("/observation/image", kind) if kind == Kind::Image.name() => {
                self.seen.image = Some(message::read_image(bytes)?);
            }
            ("/descent", kind) if kind == Kind::Descent.name() => self.trace = Some(message::read_descent(bytes)?),
            ("/solve", kind) if kind == Kind::Solve.name() => return self.complete(bytes).map(Some),
            _ => {}
        }
        Some(None)
    }

    fn complete(&mut self, bytes: &[u8]) -> Option<Solve> {
        let solve = message::read_solve(bytes)?;
        let who = solve.person.as_ref().map(|person| person.id.as_str());
        if sequence(solve.index) != self.sequence || who != self.who.as_deref() {
            return None;
        }
        let trace = self.trace.take().filter(|(index, _)| *index == solve.index).map(|(_, trace)| trace);
        let Seen { expected, root, .. } = &solve.seen;
        let seen = Seen { expected: expected.clone(), root: *root, ..std::mem::take(&mut self.seen) };
        Some(Solve { seen, trace, ..solve })
    }
}

/// Whether nothing that is learnt from is NaN or infinite; unobserved values are NaN by design.
fn is_finite(solve: &Solve) -> bool {
    let Answer { losses, weights, joints, points, .. } = &solve.answer;
    let doubles = losses.iter().chain(weights).chain(joints.iter().flatten()).chain(points.iter().flatten().flatten());
    let trace = solve.trace.as_ref();
    solve.z.iter().all(|value| value.is_finite())
        && doubles.into_iter().all(|value| value.is_finite())
        && trace.is_none_or(|trace| trace.z.iter().all(|z| z.is_finite()) && trace.loss.iter().all(|l| l.is_finite()))
}
