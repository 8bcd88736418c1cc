//! Several people at once: who is there, and what came of each.
//!
//! People are told apart by the identity that comes with what is seen of them. The first `most` of them keep their places,
//! for as long as they are not silent for too long; whoever comes while all are taken is counted, and not followed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use thalweg_task::{JointConvention, Observation, PointsSpec, TaskSpec, Tracker};

use super::Taken;
use super::intake::{Intake, IntakeConfig};
use super::joints::{JointBoard, JointMessage};
use super::keypoints::{Reading, body_of};
use super::points::{CloudMessage, read_keypoints};
use super::provenance::Provenance;
use super::refusal::{Cause, Refusal};
use super::stamp::Stamp;
use super::text::escaped;

/// Longest identity, bytes; those of ros4hri have five.
const IDENTITY_BYTES: usize = 64;
/// People without a place who are remembered, so that they can be counted.
const OTHERS: usize = 256;

/// Somebody who is followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Letters, digits and underscores, no digit first: part of names of topics.
    pub id: Arc<str>,
    /// Number of the arrival: another one where the same identity comes back after a silence.
    pub arrival: u64,
}

/// How many people are followed, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeopleConfig {
    /// Most people at once; with one nobody is told apart.
    pub most: usize,
    /// Silence after which somebody is forgotten.
    pub timeout: Duration,
}

impl Default for PeopleConfig {
    fn default() -> Self {
        Self { most: 1, timeout: Duration::from_secs(2) }
    }
}

/// What came of somebody.
#[derive(Debug)]
struct Present {
    person: Person,
    intake: Intake,
    /// When something of them was used last, nanoseconds.
    heard: i64,
    /// [`Intake::revision`] when they were solved last.
    solved: u64,
}

/// Everybody who is there.
#[derive(Debug)]
pub struct People {
    spec: TaskSpec,
    config: IntakeConfig,
    present: BTreeMap<Arc<str>, Present>,
    arrivals: u64,
    /// How often it was asked who is due.
    rounds: usize,
    /// Who came while all places were taken, and when last, nanoseconds.
    others: BTreeMap<Arc<str>, i64>,
}

/// Makes an identity of what a tracker or a name says; none where it is none. One that begins with a digit gets a `b` (for
/// body) before it, for no name in ROS 2 begins so.
#[must_use]
pub fn identity(text: &str) -> Option<Arc<str>> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let fits = (1..IDENTITY_BYTES).contains(&text.len()) && text.bytes().all(is_plain);
    fits.then(|| if text.starts_with(|c: char| c.is_ascii_digit()) { format!("b{text}").into() } else { text.into() })
}

impl People {
    pub(super) fn new(spec: &TaskSpec, config: IntakeConfig) -> Self {
        let (present, others) = (BTreeMap::new(), BTreeMap::new());
        Self { spec: spec.clone(), config, present, arrivals: 0, rounds: 0, others }
    }

    /// Changes how input is taken, but for how many people are followed.
    pub(super) fn configure(&mut self, config: IntakeConfig) {
        let most = self.config.people.most;
        self.config = IntakeConfig { people: PeopleConfig { most, ..config.people }, ..config };
        let of_one = self.of_one();
        self.present.values_mut().for_each(|present| present.intake.configure(of_one));
    }

    /// Forgets everybody.
    pub(super) fn clear(&mut self) {
        self.present.clear();
        self.others.clear();
    }

    /// How what came of one person is taken.
    fn of_one(&self) -> IntakeConfig {
        IntakeConfig { people: PeopleConfig::default(), ..self.config }
    }

    /// Those who are followed, in the order in which they came.
    #[must_use]
    pub fn there(&self) -> Vec<Person> {
        let mut there: Vec<Person> = self.present.values().map(|present| present.person.clone()).collect();
        there.sort_unstable_by_key(|person| person.arrival);
        there
    }

    /// Those of whom something came since they were solved last. In each round somebody else comes first: where time is
    /// short, it is the last who get less.
    #[must_use]
    pub fn due(&mut self) -> Vec<Person> {
        let is_due = |present: &&Present| present.intake.revision() != present.solved;
        let mut due: Vec<Person> = self.present.values().filter(is_due).map(|present| present.person.clone()).collect();
        due.sort_unstable_by_key(|person| person.arrival);
        self.rounds = self.rounds.wrapping_add(1);
        let first = self.rounds.checked_rem(due.len()).unwrap_or(0);
        due.rotate_left(first);
        due
    }

    /// How many people came for whom there is no place.
    #[must_use]
    pub fn others(&self) -> usize {
        self.others.len()
    }

    /// Most people at once.
    #[must_use]
    pub fn most(&self) -> usize {
        self.config.people.most
    }

    /// Forgets who was silent for too long.
    pub fn expire(&mut self, now: i64) {
        let timeout = self.config.people.timeout.as_nanos();
        let is_late = |heard: i64| u128::from(heard.abs_diff(now)) > timeout;
        self.present.retain(|_, present| !is_late(present.heard));
        self.others.retain(|_, heard| !is_late(*heard));
    }

    /// What is observed of somebody; none where nothing is, or they are gone.
    pub(super) fn observation(&mut self, person: &Person, now: i64) -> Option<(Observation, Provenance)> {
        let first = self.present.values().map(|present| present.person.arrival).min();
        let present = self.present.get_mut(&person.id).filter(|present| present.person == *person)?;
        present.solved = present.intake.revision();
        let (obs, provenance) = present.intake.observation(now)?;
        let leads = first == Some(person.arrival);
        Some((obs, Provenance { person: Some(person.clone()), leads, ..provenance }))
    }

    /// Takes keypoints of any number of people.
    pub(super) fn take_keypoints(&mut self, stamp: Stamp, frame_id: &str, readings: &[Reading], now: i64) -> Taken {
        let Some(PointsSpec { tracker: Some(tracker), .. }) = &self.spec.points else {
            return refused(nobody("points", "a table of keypoints (body_pose.keypoints) that tells people apart"));
        };
        if readings.is_empty() {
            return self.take_nothing(stamp, frame_id, now);
        }
        let (groups, nameless) = by_body(readings, tracker);
        let mut taken = Taken::default();
        for (id, readings) in groups {
            let of_one = self.take(&id, now, |intake| intake.take_keypoints(stamp, frame_id, &readings, now));
            merge(&mut taken, of_one);
        }
        if nameless > 0 {
            let what = format!("{nameless} keypoints");
            merge(&mut taken, refused(nobody(&what, "a field body_id, or numbers by the table's ids_per_body")));
        }
        taken
    }

    /// Takes a cloud of keypoints, as [`People::take_keypoints`].
    pub(super) fn take_points(&mut self, message: &CloudMessage<'_>, now: i64) -> Taken {
        let Some(spec) = self.spec.points.clone() else { return Taken::default() };
        let Some(tracker) = &spec.tracker else { return self.take_keypoints(message.stamp, "", &[], now) };
        match read_keypoints(message, tracker, &spec, false) {
            Ok((readings, notice)) => {
                let mut taken = self.take_keypoints(message.stamp, message.frame_id, &readings, now);
                taken.refusals.extend(notice);
                taken
            }
            Err(refusal) => refused(refusal),
        }
    }

    /// Nobody is seen: keypoints of before no longer hold.
    fn take_nothing(&mut self, stamp: Stamp, frame_id: &str, now: i64) -> Taken {
        let mut taken = Taken { is_heartbeat: true, ..Taken::default() };
        for present in self.present.values_mut() {
            taken.refusals.extend(present.intake.take_keypoints(stamp, frame_id, &[], now).refusals);
        }
        taken.refusals.truncate(1);
        taken
    }

    /// Takes joints whose names carry the identity of a person; `board` judges what is nobody's.
    pub(super) fn take_joints(&mut self, message: &JointMessage<'_>, board: &mut JointBoard, now: i64) -> Taken {
        if message.names.len() != message.positions.len() || message.names.is_empty() {
            return board.take(message, now);
        }
        let groups = self.spec.convention.as_ref().map(|convention| by_name(message, convention)).unwrap_or_default();
        let is_named: BTreeSet<usize> = groups.values().flatten().copied().collect();
        let mut taken = Taken::default();
        for (id, places) in &groups {
            let names: Vec<String> = places.iter().map(|place| message.names[*place].clone()).collect();
            let positions: Vec<f64> = places.iter().map(|place| message.positions[*place]).collect();
            let of_one = JointMessage { names: &names, positions: &positions, ..*message };
            merge(&mut taken, self.take(id, now, |intake| intake.take_joints(&of_one, now)));
        }
        let rest = (0..message.names.len()).filter(|place| !is_named.contains(place));
        let mut own = rest.map(|place| &message.names[place]).filter(|name| self.is_own(name)).peekable();
        if let Some(first) = own.peek().map(|name| escaped(name)) {
            let what = format!("{} joints, first '{first}',", own.count());
            merge(&mut taken, refused(nobody(&what, "names with an identity behind them, as waist_ab12e")));
        } else if groups.is_empty() {
            // Not one of the task's: told as any unknown name is.
            return board.take(message, now);
        }
        taken
    }

    /// Whether a name is one of the task's joints, or of the convention's.
    fn is_own(&self, name: &str) -> bool {
        let is_of_convention = |convention: &JointConvention| (convention.place_of)(name).is_some();
        self.spec.joints.iter().any(|joint| joint.name == name)
            || self.spec.convention.as_ref().is_some_and(is_of_convention)
    }

    /// Hands something to the intake of a person, who is new perhaps.
    fn take(&mut self, id: &Arc<str>, now: i64, take: impl FnOnce(&mut Intake) -> Taken) -> Taken {
        self.expire(now);
        if let Some(present) = self.present.get_mut(id) {
            let taken = take(&mut present.intake);
            present.heard = if taken.used > 0 { now } else { present.heard };
            return taken;
        }
        if self.present.len() >= self.config.people.most {
            if self.others.len() < OTHERS || self.others.contains_key(id) {
                self.others.insert(Arc::clone(id), now);
            }
            let text = format!(
                "got person {id}; expected at most {} (input.people), who came first: {}",
                self.config.people.most,
                self.there().iter().map(|person| person.id.as_ref()).collect::<Vec<_>>().join(", ")
            );
            return refused(Refusal::new(Cause::TooManyPeople, text));
        }
        let mut intake = Intake::new(&self.spec, self.of_one());
        let taken = take(&mut intake);
        // Somebody of whom nothing can be used is nobody yet.
        if taken.used > 0 {
            self.arrivals += 1;
            let person = Person { id: Arc::clone(id), arrival: self.arrivals };
            self.others.remove(id);
            self.present.insert(Arc::clone(id), Present { person, intake, heard: now, solved: 0 });
        }
        taken
    }
}

/// Divides readings by whose they are; says how many are nobody's.
fn by_body(readings: &[Reading], tracker: &Tracker) -> (BTreeMap<Arc<str>, Vec<Reading>>, usize) {
    let (mut groups, mut nameless) = (BTreeMap::<Arc<str>, Vec<Reading>>::new(), 0);
    for reading in readings {
        // Trackers write a negative number while they do not know who it is.
        let body = body_of(reading, tracker).filter(|body| *body >= 0);
        match body.and_then(|body| identity(&body.to_string())) {
            Some(id) => groups.entry(id).or_default().push(*reading),
            None => nameless += 1,
        }
    }
    (groups, nameless)
}

/// Divides the places of a message by the identities behind the convention's names.
fn by_name(message: &JointMessage<'_>, convention: &JointConvention) -> BTreeMap<Arc<str>, Vec<usize>> {
    let mut groups = BTreeMap::<Arc<str>, Vec<usize>>::new();
    for (place, name) in message.names.iter().enumerate() {
        let bare = (convention.place_of)(name).and_then(|joint| convention.joints.get(joint));
        let behind = bare.and_then(|bare| name.strip_prefix(bare.as_str())?.strip_prefix('_'));
        if let Some(id) = behind.and_then(identity) {
            groups.entry(id).or_default().push(place);
        }
    }
    groups
}

fn nobody(what: &str, expected: &str) -> Refusal {
    let text = format!("got {what} of nobody in particular; expected {expected}, for input.people is above 1");
    Refusal::new(Cause::NoPerson, text)
}

fn refused(refusal: Refusal) -> Taken {
    Taken { refusals: vec![refusal], ..Taken::default() }
}

/// Adds what became of one person's part of a message; one refusal for each cause is enough.
fn merge(all: &mut Taken, one: Taken) {
    all.used += one.used;
    all.unknown.extend(one.unknown);
    for refusal in one.refusals {
        if !all.refusals.iter().any(|known| (known.cause, known.is_used) == (refusal.cause, refusal.is_used)) {
            all.refusals.push(refusal);
        }
    }
}
