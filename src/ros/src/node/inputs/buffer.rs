//! What was received and is not solved yet, and counts of it: the part of the input that the engine thread reads.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use thalweg_node::diagnostics::{Level, Status};
use thalweg_node::intake::{
    Cause, FrameQueue, Input, Intake, IntakeConfig, JointConfig, MaskUse, People, PeopleConfig, Person, Provenance,
};
use thalweg_node::parameters::{InputSettings, PointsType};
use thalweg_node::solver::{Attendance, Source};
use thalweg_task::{Masked, Observation, TaskSpec, lock};

use crate::node::time::RosTime;

/// Unknown joints that diagnostics list at most.
const UNKNOWN_SHOWN: usize = 16;

/// What was received and is not solved yet.
#[derive(Debug)]
pub(crate) struct InputBuffer {
    intake: Mutex<Option<Intake>>,
    /// Images and masks that are not decoded yet.
    pub(super) frames: Mutex<FrameQueue>,
    settings: Mutex<Option<InputSettings>>,
    time: Arc<RosTime>,
    /// Messages of each input that had been used when an observation was solved last.
    solved: [AtomicU64; Input::ALL.len()],
    /// Messages of each input that were followed by newer ones before they were solved.
    superseded: [AtomicU64; Input::ALL.len()],
    /// Images that were followed by newer ones before they were decoded.
    skipped: [AtomicU64; Input::ALL.len()],
    observed: AtomicUsize,
    /// Pixels of the image that were observed, and pixels that the task reads.
    pixels: [AtomicUsize; 2],
}

impl InputBuffer {
    pub(crate) fn new(time: Arc<RosTime>) -> Self {
        Self {
            intake: Mutex::new(None),
            frames: Mutex::default(),
            settings: Mutex::new(None),
            time,
            solved: Default::default(),
            superseded: Default::default(),
            skipped: Default::default(),
            observed: AtomicUsize::new(0),
            pixels: Default::default(),
        }
    }

    /// Prepares for a task.
    pub(crate) fn configure(&self, spec: &TaskSpec, settings: &InputSettings) {
        *lock(&self.intake) = Some(Intake::new(spec, config(settings)));
        lock(&self.frames).configure(settings.pairing);
        *lock(&self.settings) = Some(*settings);
        for counter in self.solved.iter().chain(&self.superseded).chain(&self.skipped) {
            counter.store(0, Ordering::Relaxed);
        }
    }

    /// Changes how input is taken, from the next message on.
    pub(crate) fn set(&self, settings: &InputSettings) {
        if let Some(intake) = lock(&self.intake).as_mut() {
            intake.configure(config(settings));
        }
        lock(&self.frames).configure(settings.pairing);
        *lock(&self.settings) = Some(*settings);
    }

    /// Forgets what was received.
    pub(crate) fn clear(&self) {
        if let Some(intake) = lock(&self.intake).as_mut() {
            intake.clear();
        }
        lock(&self.frames).clear();
    }

    /// Forgets what was received, and that anything was observed.
    pub(super) fn close(&self) {
        self.clear();
        self.observed.store(0, Ordering::Relaxed);
    }

    /// Does something with the intake while it is locked; none where no task is loaded.
    pub(super) fn with_intake<T>(&self, work: impl FnOnce(&mut Intake) -> T) -> Option<T> {
        lock(&self.intake).as_mut().map(work)
    }

    /// Counts images that were dropped for newer ones before they were decoded.
    pub(super) fn count_skipped(&self, input: Input, count: u64) {
        self.skipped[input as usize].fetch_add(count, Ordering::Relaxed);
    }

    /// How joints and images are taken of one person.
    pub(crate) fn intake_config(&self) -> IntakeConfig {
        let config = lock(&self.settings).as_ref().map(config).unwrap_or_default();
        IntakeConfig { people: PeopleConfig::default(), ..config }
    }

    /// Forgets who was silent for too long, and does something with those who are there; none where nobody is told apart.
    pub(crate) fn with_people<T>(&self, work: impl FnOnce(&mut People) -> T) -> Option<T> {
        let now = self.time.now_nanos();
        self.with_intake(|intake| {
            let people = intake.people_mut()?;
            people.expire(now);
            Some(work(people))
        })?
    }

    /// Silence after which an input is stale.
    pub(super) fn stale_timeout(&self) -> Duration {
        lock(&self.settings).map_or(Duration::from_secs(1), |settings| settings.stale_timeout)
    }

    /// Whether images wait for masks.
    pub(super) fn masks(&self) -> MaskUse {
        lock(&self.settings).map_or(MaskUse::Auto, |settings| settings.pairing.masks)
    }

    /// Notes how much of an image, `[1, C, H, W]`, is observed.
    fn count_pixels(&self, image: Option<&Masked>) {
        let counts = image.map_or([0; 2], |image| {
            let (size, observed) = (image.value().size(), image.count());
            let channels = size.get(1).copied().unwrap_or(1).max(1);
            [observed / channels, size.iter().product::<i64>() / channels]
        });
        for (noted, count) in self.pixels.iter().zip(counts) {
            noted.store(usize::try_from(count).unwrap_or(0), Ordering::Relaxed);
        }
    }

    /// Adds what was used and what was refused.
    pub(super) fn add_to(&self, input: Input, mut status: Status) -> Status {
        let mut intake = lock(&self.intake);
        let Some(intake) = intake.as_mut() else { return status };
        // On a robot others publish joints of theirs: no trouble while those of the task come from anywhere.
        let is_fed = self.observed.load(Ordering::Relaxed) > 0;
        let last = intake.channel_mut(input).tally.since_last().last;
        if let Some(last) = last.filter(|last| last.cause != Cause::UnknownJoint || !is_fed) {
            status.worsen(Level::Warn, last.text);
        }
        let channel = intake.channel(input);
        let superseded = self.superseded[input as usize].load(Ordering::Relaxed);
        let used = channel.used.saturating_sub(superseded);
        let skipped = self.skipped[input as usize].load(Ordering::Relaxed);
        status = status.with("Used", used).with("Superseded", superseded + skipped).with("Noticed", channel.noticed);
        for (cause, count) in channel.tally.totals() {
            status = status.with(format!("refused {cause}"), count);
        }
        for (cause, count) in channel.tally.notices() {
            status = status.with(format!("noticed {cause}"), count);
        }
        if input == Input::Joints {
            let unknown: Vec<_> = intake.unknown_names().take(UNKNOWN_SHOWN).collect();
            let observed = self.observed.load(Ordering::Relaxed);
            status = status
                .with("Joints observed", format!("{observed} of {}", intake.joints()))
                .with("Unknown joints", unknown.join(", "));
        }
        if matches!(input, Input::Image | Input::Compressed) {
            let [observed, all] = self.pixels.each_ref().map(|count| count.load(Ordering::Relaxed));
            status = status.with("Pixels observed", format!("{observed} of {all}"));
        }
        status
    }
}

/// What the engine thread reads.
#[derive(Debug)]
pub(crate) struct ObservationSource(pub(crate) Arc<InputBuffer>);

impl Source for ObservationSource {
    fn observation(&mut self) -> Option<(Observation, Provenance)> {
        self.newest(Intake::observation)
    }

    fn people(&mut self) -> Option<Attendance> {
        self.0.with_people(|people| Attendance { there: people.there(), due: people.due() })
    }

    fn observation_of(&mut self, person: &Person) -> Option<(Observation, Provenance)> {
        self.newest(|intake, now| intake.observation_of(person, now))
    }

    fn now_nanos(&self) -> i64 {
        self.0.time.now_nanos()
    }
}

impl ObservationSource {
    /// Counts what is passed over, and takes what is newest.
    fn newest(
        &self,
        take: impl FnOnce(&mut Intake, i64) -> Option<(Observation, Provenance)>,
    ) -> Option<(Observation, Provenance)> {
        let inputs = &self.0;
        let mut intake = lock(&inputs.intake);
        let intake = intake.as_mut()?;
        for input in Input::ALL {
            let used = intake.channel(input).used;
            let solved = inputs.solved[input as usize].swap(used, Ordering::Relaxed);
            let superseded = used.saturating_sub(solved).saturating_sub(1);
            inputs.superseded[input as usize].fetch_add(superseded, Ordering::Relaxed);
        }
        let newest = take(intake, inputs.time.now_nanos());
        let count = |observed: &[bool]| observed.iter().filter(|observed| **observed).count();
        let observed = newest.as_ref().map_or(0, |(_, provenance)| count(&provenance.observed_joints));
        inputs.observed.store(observed, Ordering::Relaxed);
        inputs.count_pixels(newest.as_ref().and_then(|(obs, _)| obs.image.as_ref()));
        newest
    }
}

fn config(settings: &InputSettings) -> IntakeConfig {
    let InputSettings {
        joint_timeout,
        stale_timeout,
        max_joints,
        accept_zero_stamp,
        images,
        people,
        cloud_box,
        points,
        is_rectified,
        ..
    } = *settings;
    let joints = JointConfig { timeout: joint_timeout, max_joints, accept_zero_stamp };
    let are_pixels = points == PointsType::Pixels;
    IntakeConfig { joints, images, stale_timeout, people, cloud_box, are_pixels, is_rectified }
}
