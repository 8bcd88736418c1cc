//! Recorded solves, done again.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tch::{Device, Tensor};

use super::plan::Assignment;
use crate::parameters::{ParameterError, Settings, Store, full_table};
use thalweg::clock::ManualClock;
use thalweg::{LoadError, Registry};
use thalweg_engine::landscape::{Landscape, LandscapeError};
use thalweg_engine::start::Start;
use thalweg_engine::{Answer, Budget, Engine, EngineError, Memory, WarmStart};
use thalweg_record::{Before, Person, Setup, Solve};
use thalweg_task::{Root, numbers};

/// Most people whose memories are kept: more than a node follows at once, and some who have gone.
const MOST_PEOPLE: usize = 64;

/// Why a recording cannot be repeated here.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The recorded parameters cannot be read.
    #[error("the recording's parameters are no JSON object: {0}")]
    Parameters(String),
    /// The recorded parameters are refused.
    #[error("the recording's parameters: {0}")]
    Refused(#[from] ParameterError),
    /// Task or engine cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The forward model is another one than that of the recording.
    #[error("the recording was made with model {expected} of task {task}, here is {got}")]
    OtherModel {
        /// The task.
        task: String,
        /// Fingerprint of then.
        expected: String,
        /// Fingerprint of now.
        got: String,
    },
    /// The landscape or start of a solve is in none of the files at hand.
    #[error("{what} {id} is in none of the {files} files that were tried; name its file")]
    NoWeights {
        /// Landscape or start.
        what: &'static str,
        /// Its identity.
        id: String,
        /// How many files were tried.
        files: usize,
    },
    /// A landscape does not fit.
    #[error(transparent)]
    Landscape(#[from] LandscapeError),
    /// The engine refuses a recorded solve.
    #[error("solve {index}: {source}")]
    Engine {
        /// Its number.
        index: u64,
        /// What the engine says.
        source: EngineError,
    },
}

/// The first number that came out otherwise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// Which number: z, loss, joints or points.
    pub what: &'static str,
    /// Its place in the recorded list; where the lists differ in length, the end of the shorter one.
    pub place: usize,
    /// The recorded number.
    pub recorded: f64,
    /// That of now.
    pub repeated: f64,
}

/// What came of one solve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Repetition {
    /// The same bits.
    Same,
    /// Other numbers.
    Different(Difference),
    /// It goes on from a solve that is lost; it can be repeated from the next anchor on.
    Unanchored,
}

/// Repeats the solves of a recording, in their order.
///
/// Where people are told apart each goes on from their own solves; so the engine has the memory of one, and those of the
/// others are kept.
#[derive(Debug)]
pub struct Replayer {
    engine: Engine,
    /// Files in which landscapes and starts are looked for.
    files: Vec<PathBuf>,
    /// Number of the last solve that was repeated; none when the next one has to be anchored.
    last: Option<u64>,
    /// Of whom that was.
    person: Option<Person>,
    others: Others,
}

/// What is kept of people of whom the last solve was not: of each the number of their own last solve, and the engine's
/// memory behind it.
#[derive(Debug, Default)]
struct Others {
    /// Who was solved longest ago comes first.
    kept: Vec<(Option<Person>, u64, Memory)>,
}

impl Others {
    /// Keeps what is known of somebody, in place of who was solved longest ago where there are too many. Who comes anew
    /// has another number of arrival, and what was kept of before is of no use.
    fn keep(&mut self, person: Option<Person>, last: u64, memory: Memory) {
        self.kept.push((person, last, memory));
        if self.kept.len() > MOST_PEOPLE {
            self.kept.remove(0);
        }
    }

    /// What is known of somebody, who has it then.
    fn take(&mut self, person: Option<&Person>) -> Option<(u64, Memory)> {
        let place = self.kept.iter().position(|(kept, ..)| kept.as_ref() == person)?;
        let (_, last, memory) = self.kept.remove(place);
        Some((last, memory))
    }
}

impl Replayer {
    /// Loads what the recording was made with, as its parameters say, on the CPU.
    ///
    /// `models`: folder of the weights in place of the recorded one. `files`: further weights, for landscapes
    /// that were loaded while the node ran, or have been replaced since.
    ///
    /// # Errors
    /// [`ReplayError`].
    pub fn new(
        registry: &Registry,
        setup: &Setup,
        models: Option<&Path>,
        files: &[PathBuf],
    ) -> Result<Self, ReplayError> {
        let settings = settings(registry, setup, models)?;
        let Assignment { mut plan, .. } = Assignment::of(&settings, registry.clone())?;
        (plan.options.device, plan.gpu) = (Device::Cpu, None);
        let beside = |kind: &str| plan.options.models.join(format!("{}_{kind}.safetensors", plan.task));
        let files = [files, &[beside("theta"), beside("start")]].concat();
        let (engine, loaded) = plan.load()?;
        if loaded.spec.fingerprint != setup.fingerprint {
            let (expected, got) = (setup.fingerprint.clone(), loaded.spec.fingerprint);
            return Err(ReplayError::OtherModel { task: setup.task.clone(), expected, got });
        }
        Ok(Self { engine, files, last: None, person: None, others: Others::default() })
    }

    /// The engine that repeats.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Does a solve again and compares.
    ///
    /// # Errors
    /// [`ReplayError`] when it cannot be done at all.
    pub fn repeat(&mut self, solve: &Solve) -> Result<Repetition, ReplayError> {
        if !self.anchor(solve)? {
            return Ok(Repetition::Unanchored);
        }
        let refuse = |source| ReplayError::Engine { index: solve.index, source };
        let budget = Budget::of_steps(solve.answer.statistics.steps);
        let obs = solve.seen.observation(solve.stamp_nanos);
        let solution = self.engine.solve(&obs, &budget, &ManualClock::default()).map_err(refuse)?;
        let z = doubles(&numbers::<f32>(&solution.z));
        let repeated = Answer::of(&mut self.engine, Duration::ZERO).map_err(refuse)?;
        self.last = Some(solve.index);
        let (recorded, points) = (&solve.answer, |answer: &Answer| answer.points.concat().concat());
        let roots = |answer: &Answer| answer.roots.iter().flat_map(Root::numbers).collect::<Vec<_>>();
        let pairs = [
            ("loss", &recorded.losses, &repeated.losses),
            ("z", &doubles(&solve.z), &z),
            ("joints", &recorded.joints.concat(), &repeated.joints.concat()),
            ("points", &points(recorded), &points(&repeated)),
            ("roots", &roots(recorded), &roots(&repeated)),
        ];
        let different = pairs.into_iter().find_map(|(what, recorded, repeated)| compare(what, recorded, repeated));
        Ok(different.map_or(Repetition::Same, Repetition::Different))
    }

    /// Brings the engine to where it was before the solve; says whether that is known.
    fn anchor(&mut self, solve: &Solve) -> Result<bool, ReplayError> {
        let refuse = |source| ReplayError::Engine { index: solve.index, source };
        self.use_weights(solve)?;
        let (hypotheses, fresh) = (solve.answer.losses.len(), solve.fresh as usize);
        let config = self.engine.config();
        if (config.hypotheses, config.fresh) != (hypotheses, fresh) {
            self.engine.set_population(hypotheses, fresh).map_err(refuse)?;
        }
        self.turn_to(solve.person.as_ref());
        let warm = match &solve.before {
            Before::Cold => None,
            Before::Warm(warm) => Some(warm),
            Before::Chained if self.last.and_then(|last| last.checked_add(1)) == Some(solve.index) => return Ok(true),
            Before::Chained => {
                self.last = None;
                return Ok(false);
            }
        };
        let tensor = |warm: &thalweg_record::Warm, z: &[f32]| {
            let rows = warm.loss.len() as i64;
            Tensor::from_slice(z).view([rows, (z.len() as i64).checked_div(rows).unwrap_or(0)])
        };
        let linearised = warm.filter(|warm| !warm.linearised.is_empty()).map(|warm| tensor(warm, &warm.linearised));
        let (leader, offset) = (warm.and_then(|warm| warm.leader), warm.and_then(|warm| warm.offset.clone()));
        let warm = warm.map(|warm| WarmStart { z: tensor(warm, &warm.z), loss: warm.loss.clone() });
        let index = solve.index.saturating_sub(1);
        self.engine.recall(Memory { index, warm, leader, offset, linearised, ..Memory::default() }).map_err(refuse)?;
        Ok(true)
    }

    /// Gives the engine what is known of somebody; nothing of who is new, or of whom it does not fit any more.
    fn turn_to(&mut self, person: Option<&Person>) {
        if self.person.as_ref() == person {
            return;
        }
        let (before, memory) = (std::mem::replace(&mut self.person, person.cloned()), self.engine.take_memory());
        if let Some(last) = self.last.take() {
            // Derivatives that served are found anew: the same bits, in less memory.
            self.others.keep(before, last, Memory { spare: None, ..memory });
        }
        if let Some((last, memory)) = self.others.take(person) {
            self.last = self.engine.recall(memory).is_ok().then_some(last);
        }
    }

    /// Takes the landscape and the start of a solve, where they are others.
    fn use_weights(&mut self, solve: &Solve) -> Result<(), ReplayError> {
        let refuse = |source| ReplayError::Engine { index: solve.index, source };
        if self.engine.landscape().id() != solve.answer.landscape {
            let landscape = self.landscape(&solve.answer.landscape)?;
            self.engine.set_landscape(landscape).map_err(refuse)?;
            self.last = None;
        }
        let id = self.engine.start().map_or("", Start::id);
        if id != solve.answer.start && !solve.answer.start.is_empty() {
            let (spec, landscape) = (self.engine.task().spec(), self.engine.landscape());
            let read = |file: &PathBuf| Start::trained(file, spec, landscape).ok();
            let start = self.files.iter().filter_map(read).find(|start| start.id() == solve.answer.start);
            let files = self.files.len();
            let start =
                start.ok_or_else(|| ReplayError::NoWeights { what: "start", id: solve.answer.start.clone(), files })?;
            self.engine.set_start(start).map_err(refuse)?;
            self.last = None;
        }
        Ok(())
    }

    fn landscape(&self, id: &str) -> Result<Landscape, ReplayError> {
        let spec = self.engine.task().spec();
        let identity = Landscape::identity(spec.latent);
        if identity.id() == id {
            return Ok(identity);
        }
        let read = |file: &PathBuf| Landscape::trained(file, spec).ok();
        let found = self.files.iter().filter_map(read).find(|landscape| landscape.id() == id);
        let files = self.files.len();
        found.ok_or_else(|| ReplayError::NoWeights { what: "landscape", id: id.to_owned(), files })
    }
}

/// The recorded parameters; the seed is the one that was drawn.
fn settings(registry: &Registry, setup: &Setup, models: Option<&Path>) -> Result<Settings, ReplayError> {
    let refuse = |error: serde_json::Error| ReplayError::Parameters(error.to_string());
    let values = serde_json::from_str(&setup.parameters).map_err(refuse)?;
    let (store, unknown) = Store::from_json(full_table(registry, &[]), &values)?;
    // Quality of service depends on where topics lie, and has no say in what is solved.
    for name in unknown.iter().filter(|name| !name.starts_with("qos_overrides.")) {
        tracing::warn!("the recording has a parameter that is not known any more: {name}");
    }
    let mut settings = Settings::read(&store, setup.seed)?;
    // Where the choice was open, a node on a GPU took another method than one on a CPU; what it took is recorded.
    settings.automatic_optimizer &= setup.optimizer != settings.engine.optimizer.name();
    if let Some(models) = models {
        models.clone_into(&mut settings.models);
    }
    Ok(settings)
}

fn doubles(values: &[f32]) -> Vec<f64> {
    values.iter().copied().map(f64::from).collect()
}

/// The first place where two lists differ in a bit.
fn compare(what: &'static str, recorded: &[f64], repeated: &[f64]) -> Option<Difference> {
    let place = recorded.iter().zip(repeated).position(|(a, b)| a.to_bits() != b.to_bits());
    let place = place.or_else(|| (recorded.len() != repeated.len()).then(|| recorded.len().min(repeated.len())))?;
    let at = |list: &[f64]| list.get(place).copied().unwrap_or(f64::NAN);
    Some(Difference { what, place, recorded: at(recorded), repeated: at(repeated) })
}
