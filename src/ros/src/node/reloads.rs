//! Another landscape for a running node: by a service, and when a watched file changes.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use thalweg_task::{guarded, lock, panic_line};

use anyhow::Context;
use r2r::std_srvs::srv::Trigger;

use super::executor::Executor;
use super::parameters::Parameters;
use super::services::{open, trigger};
use super::state::NodeState;
use super::tasks::Tasks;
use thalweg::{Loaded, Registry};
use thalweg_node::lifecycle::State;
use thalweg_node::solver::{Assignment, FileWatch, Solver, Trial};
use tokio::sync::Notify;

/// Time between two looks at the watched path; a file is taken at the second look that shows it unchanged.
const LOOK: Duration = Duration::from_millis(100);

/// The reloads of a node, and what they have come to.
#[derive(Debug)]
pub(crate) struct Reloads {
    registry: Registry,
    parameters: Arc<Parameters>,
    state: Arc<NodeState>,
    solver: Arc<Solver>,
    /// Wakes diagnostics when a landscape was refused.
    alarm: Arc<Notify>,
    /// Checks landscapes, one at a time; made for the task that is loaded.
    trial: Mutex<Option<Trial>>,
    report: Mutex<ReloadReport>,
}

/// How often landscapes were reloaded, and why the last one was refused.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReloadReport {
    pub(crate) taken: u64,
    pub(crate) refused: u64,
    /// Until the next one that is taken.
    pub(crate) refusal: Option<String>,
}

impl Reloads {
    pub(crate) fn new(
        registry: Registry,
        parameters: &Arc<Parameters>,
        state: &Arc<NodeState>,
        solver: &Arc<Solver>,
        alarm: &Arc<Notify>,
    ) -> Self {
        let (parameters, state) = (Arc::clone(parameters), Arc::clone(state));
        let (solver, alarm) = (Arc::clone(solver), Arc::clone(alarm));
        Self { registry, parameters, state, solver, alarm, trial: Mutex::default(), report: Mutex::default() }
    }

    pub(crate) fn report(&self) -> ReloadReport {
        lock(&self.report).clone()
    }

    /// Forgets what belongs to the task that was loaded.
    pub(crate) fn forget(&self) {
        *lock(&self.trial) = None;
        lock(&self.report).refusal = None;
    }

    /// Reads, checks and swaps; `real` is the path with links resolved. Blocks for the time of a trial; the engine works
    /// meanwhile.
    fn take(&self, path: &Path, real: &Path) -> anyhow::Result<String> {
        let plan = Assignment::of(&self.parameters.settings(), self.registry.clone())?.plan;
        let landscape = {
            let mut trial = lock(&self.trial);
            let trial = match trial.as_mut() {
                Some(trial) => trial,
                None => trial.insert(Trial::new(&plan)?),
            };
            trial.check(real)?
        };
        let (id, kind, has_steps) = (landscape.id().to_owned(), landscape.kind_name(), landscape.steps().is_some());
        self.solver.swap(landscape)?;
        if let Some(loaded) = self.state.loaded().as_mut() {
            if has_steps && loaded.starts_by_steps {
                (loaded.start_id, loaded.start_file) = (Some(id.clone()), Some(path.to_owned()));
                return Ok(id);
            }
            if let Some(start) = loaded.start_id.take() {
                tracing::warn!("start {start} was made for another landscape and is dropped");
            }
            (loaded.landscape_id, loaded.landscape_kind, loaded.landscape_file) =
                (id.clone(), kind, Some(path.to_owned()));
        }
        Ok(id)
    }

    /// Takes the file of a path, else of the parameter, else the one that is loaded.
    fn take_any(&self, path: Option<PathBuf>) -> anyhow::Result<String> {
        let file = |loaded: &Loaded| match loaded.starts_by_steps {
            true => loaded.start_file.clone(),
            false => loaded.landscape_file.clone(),
        };
        let loaded = self.state.loaded().as_ref().map(file);
        let loaded = loaded.filter(|_| self.is_ready());
        let loaded = loaded.context("nothing is loaded: reload in the states inactive and active")?;
        let path = path.or_else(|| self.parameters.settings().reload.clone());
        // What was loaded was allowed when it was.
        let real = path.as_ref().map(|path| self.allowed(path)).transpose()?;
        let (path, real) = (path.or_else(|| loaded.clone()), real.or(loaded));
        let (path, real) =
            path.zip(real).context("theta is the identity, and reload.path is empty: there is no file to read")?;
        // A landscape that makes libtorch panic is one that does not fit.
        let taken = guarded(|| self.take(&path, &real));
        taken.unwrap_or_else(|panic| {
            *lock(&self.trial) = None;
            Err(anyhow::anyhow!("{}: {}", path.display(), panic_line(panic.as_ref())))
        })
    }

    /// The path with links resolved, for they may have changed since it was set.
    fn allowed(&self, path: &Path) -> anyhow::Result<PathBuf> {
        let real = self.parameters.roots().map(|roots| roots.read_file(path)).transpose()?;
        Ok(real.unwrap_or_else(|| path.to_owned()))
    }

    fn is_ready(&self) -> bool {
        matches!(self.state.state(), State::Inactive | State::Active)
    }
}

/// Reloads and says what came of it; a refusal leaves the running landscape alone.
async fn reload(reloads: Arc<Reloads>, path: Option<PathBuf>) -> Result<String, String> {
    let host = Arc::clone(&reloads);
    let taken = tokio::task::spawn_blocking(move || host.take_any(path));
    let taken = taken.await.map_err(anyhow::Error::from).and_then(|taken| taken);
    let mut report = lock(&reloads.report);
    match taken {
        Ok(id) => {
            tracing::info!("landscape {id} from the next observation on");
            (report.taken, report.refusal) = (report.taken + 1, None);
            Ok(id)
        }
        Err(error) => {
            let text = format!("{error:#}");
            tracing::error!("reload refused, the landscape stays: {text}");
            (report.refused, report.refusal) = (report.refused + 1, Some(text.clone()));
            reloads.alarm.notify_one();
            Err(text)
        }
    }
}

/// Opens the service and watches the path.
///
/// # Errors
/// What rcl says, or that the ROS thread has ended.
pub(crate) async fn serve(executor: &Executor, reloads: &Arc<Reloads>, tasks: &Tasks) -> anyhow::Result<()> {
    let requests = open::<Trigger::Service>(executor, "~/reload_landscape").await?;
    let host = Arc::clone(reloads);
    tasks.spawn(trigger(requests, move || reload(Arc::clone(&host), None)));
    tasks.spawn(watch(Arc::clone(reloads)));
    Ok(())
}

async fn watch(reloads: Arc<Reloads>) {
    let mut watched: Option<FileWatch> = None;
    let mut look = tokio::time::interval(LOOK);
    loop {
        look.tick().await;
        let settings = reloads.parameters.settings();
        let Some(path) = &settings.reload else {
            watched = None;
            continue;
        };
        let watch = match watched.as_mut() {
            Some(watch) if watch.path() == path => watch,
            _ => watched.insert(FileWatch::new(path)),
        };
        if reloads.is_ready() && watch.is_new() {
            // It has told what came of it.
            drop(reload(Arc::clone(&reloads), Some(path.clone())).await);
        }
    }
}
