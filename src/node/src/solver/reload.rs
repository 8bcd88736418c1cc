//! A new landscape for a running engine: checked where it can do no harm, swapped between two observations.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::plan::SolverError;
use thalweg::clock::{ManualClock, SystemClock};
use thalweg::{LoadError, Plan};
use thalweg_engine::landscape::{Landscape, LandscapeError};
use thalweg_engine::{AdamConfig, Budget, Clock, Engine, EngineConfig, Optimizer};
use thalweg_task::sampled;

/// Steps of the trial.
const STEPS: u32 = 5;
/// The longest that these may take: the task of a landscape that takes longer is not solved in real time.
const TRIAL_TIME: Duration = Duration::from_secs(2);
/// Bytes of a file beyond which it is not read while a node runs: those that are shipped have 1 to 5 MB, and a step with
/// the 16 million weights of such a file takes longer than a solve may. Reading and trying one takes three times its size.
const MOST_BYTES: u64 = 64 << 20;
/// Rows of the trial: a landscape that works for none of them works for nobody.
const ROWS: usize = 4;
/// Seed of what is solved in the trial, and of where that starts.
const SEED: u64 = 0x7472_6961;

/// Checks landscapes with a task of its own, away from the engine at work.
#[derive(Debug)]
pub struct Trial {
    engine: Engine,
}

impl Trial {
    /// Loads the task of a plan a second time.
    ///
    /// # Errors
    /// [`SolverError`] when it cannot be loaded.
    pub fn new(plan: &Plan) -> Result<Self, SolverError> {
        let task = plan.load_task()?;
        let landscape = Landscape::identity(task.spec().latent);
        // The paper's rate, and no prior: what a landscape is worth by itself.
        let optimizer = Optimizer::Adam(AdamConfig { rate: 0.1, ..AdamConfig::default() });
        let config = EngineConfig {
            hypotheses: ROWS,
            fresh: 0,
            warm_start: false,
            optimizer,
            prior_weight: 0.0,
            ..EngineConfig::default()
        };
        Ok(Self { engine: Engine::new(task, landscape, config)? })
    }

    /// Reads a landscape, checks that it fits, and tries it.
    ///
    /// A file that is damaged is read a second time: somebody may just be writing it.
    ///
    /// # Errors
    /// [`SolverError`], saying what was expected and what came.
    pub fn check(&mut self, path: &Path) -> Result<Landscape, SolverError> {
        self.check_by(path, &SystemClock::default())
    }

    fn check_by(&mut self, path: &Path, clock: &dyn Clock) -> Result<Landscape, SolverError> {
        let refuse = |why: String| SolverError::Trial { path: path.to_owned(), why };
        // What cannot be looked at is told by who reads it.
        if let Ok(length) = std::fs::metadata(path).map(|metadata| metadata.len())
            && length > MOST_BYTES
        {
            return Err(refuse(format!("{length} bytes; expected at most {MOST_BYTES} for a reload")));
        }
        let read = || Landscape::trained(path, self.engine.task().spec());
        let landscape = match read() {
            Err(LandscapeError::File(_)) => read()?,
            other => other?,
        };
        let tried = landscape.shallow_clone();
        self.engine.set_landscape(tried)?;
        let solved = self.solve(clock);
        let (first, last) = solved.map_err(|error| refuse(error.to_string()))?;
        if !(last.is_finite() && last < first) {
            let text = format!(
                "{STEPS} steps of a trial, or what of them took {} s, lead from a loss of {first} to {last}; expected a lower one",
                TRIAL_TIME.as_secs()
            );
            return Err(refuse(text));
        }
        Ok(landscape)
    }

    /// Inverts points of the task's own prior; gives the mean loss before the first and after the last step.
    fn solve(&mut self, clock: &dyn Clock) -> Result<(f64, f64), SolverError> {
        self.engine.recall(thalweg_engine::Memory::default())?;
        let mut random = StdRng::seed_from_u64(SEED);
        let refuse = |source| LoadError::Task { name: self.engine.task().spec().name.clone(), source };
        let obs = sampled(self.engine.task(), ROWS, &mut random).map_err(refuse)?;
        let mean = |loss: &[f64]| loss.iter().sum::<f64>() / loss.len() as f64;
        let first = mean(&self.engine.solve(&obs, &Budget::of_steps(0), &ManualClock::default())?.loss);
        self.engine.recall(thalweg_engine::Memory::default())?;
        let budget = Budget { deadline: Some(TRIAL_TIME), ..Budget::of_steps(STEPS) };
        let last = mean(&self.engine.solve(&obs, &budget, clock)?.loss);
        Ok((first, last))
    }
}

/// What tells one version of a file from another, whatever its name points to.
type Version = (u64, u64, Option<SystemTime>);

/// Watches a path for a new file: a rename, a change of a link's target, a rewrite.
#[derive(Debug, Default)]
pub struct FileWatch {
    path: PathBuf,
    /// What was there when it was looked at last, and what was taken last.
    seen: Option<Version>,
    taken: Option<Version>,
}

impl FileWatch {
    /// Watches a path; what lies there now counts as taken.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        let version = version(path);
        Self { path: path.to_owned(), seen: version, taken: version }
    }

    /// The path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Looks at the path; says whether there is a new file that has not changed since the last look.
    pub fn is_new(&mut self) -> bool {
        let now = version(&self.path);
        let is_steady = now.is_some() && now == self.seen;
        self.seen = now;
        let is_new = is_steady && now != self.taken;
        if is_new {
            self.taken = now;
        }
        is_new
    }
}

/// Inode, size and time of the last change; none where there is no file.
fn version(path: &Path) -> Option<Version> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.ino(), metadata.len(), metadata.modified().ok()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tch::{Device, Kind};
    use thalweg::Registry;
    use thalweg_engine::landscape::LandscapeShape;

    use super::*;

    /// A clock by which whatever is measured takes as long as a whole trial may.
    struct Slow(ManualClock);

    impl Clock for Slow {
        fn now(&self) -> Duration {
            self.0.advance(TRIAL_TIME);
            self.0.now()
        }
    }

    #[test]
    fn a_landscape_that_is_too_large_or_too_slow_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("theta.safetensors");
        let mut trial = Trial::new(&Plan::of(Registry::shipped(), "planar_arm")).expect("it has no files");
        let spec = trial.engine.task().spec().clone();
        let shape = LandscapeShape { z: 8, x: spec.latent, hidden: 16 };
        let landscape = Landscape::random(&shape, 7, Kind::Float, Device::Cpu).expect("a shape");
        landscape.save(&path, &spec, &[]).expect("there is room");
        assert!(trial.check(&path).is_ok(), "it is sound, small and quick");
        let refusal = trial.check_by(&path, &Slow(ManualClock::default())).expect_err("too slow").to_string();
        assert!(refusal.contains("or what of them took 2 s, lead from a loss of"), "{refusal}");
        let file = fs::File::options().write(true).open(&path).expect("it is there");
        // Sparse: neither is on the disk, and what is too large is not read.
        file.set_len(MOST_BYTES + 1).expect("there is room");
        let refusal = trial.check(&path).expect_err("too large").to_string();
        assert!(refusal.contains("67108865 bytes; expected at most 67108864 for a reload"), "{refusal}");
        file.set_len(MOST_BYTES).expect("there is room");
        let refusal = trial.check(&path).expect_err("it ends in zeros").to_string();
        assert!(!refusal.contains("for a reload"), "this size is allowed: {refusal}");
    }

    #[test]
    fn w13_a_path_is_watched_and_not_a_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::write(at("a"), b"1").expect("there is room");
        let mut watch = FileWatch::new(&at("a"));
        assert!(!watch.is_new() && !watch.is_new(), "it was there");
        fs::write(at("b"), b"22").expect("there is room");
        fs::rename(at("b"), at("a")).expect("renamed");
        assert!((!watch.is_new() && watch.is_new()) && !watch.is_new(), "once, at the second look");
        fs::remove_file(at("a")).expect("there");
        assert!(!watch.is_new() && !watch.is_new(), "nothing is there");
        fs::write(at("c"), b"333").expect("there is room");
        std::os::unix::fs::symlink(at("c"), at("a")).expect("linked");
        assert!(!watch.is_new() && watch.is_new(), "a link counts as what it points to");
        fs::write(at("d"), b"4444").expect("there is room");
        std::os::unix::fs::symlink(at("d"), at("e")).expect("linked");
        fs::rename(at("e"), at("a")).expect("renamed");
        assert!(!watch.is_new() && watch.is_new());
        fs::write(at("d"), b"55555").expect("there is room");
        assert!(!watch.is_new());
        fs::write(at("d"), b"666666").expect("there is room");
        assert!(!watch.is_new() && watch.is_new(), "not while it still changes");
    }
}
