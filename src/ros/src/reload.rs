//! Another landscape for a running node: by a service, and when a watched file changes.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use thalweg_task::lock;

use anyhow::Context;
use r2r::std_srvs::srv::Trigger;

use super::core::Core;
use super::services::{open, trigger};
use super::tasks::Tasks;
use thalweg_node::lifecycle::State;
use thalweg_node::solver::{Assignment, Trial, Watch};

/// Time between two looks at the watched path; a file is taken at the second look that shows it unchanged.
const LOOK: Duration = Duration::from_millis(100);

/// What the reloads of a node have come to.
#[derive(Debug, Default)]
pub(crate) struct Reloads {
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
    pub(crate) fn report(&self) -> ReloadReport {
        lock(&self.report).clone()
    }

    /// Forgets what belongs to the task that was loaded.
    pub(crate) fn forget(&self) {
        *lock(&self.trial) = None;
        lock(&self.report).refusal = None;
    }

    /// Reads, checks and swaps. Blocks for the time of a trial; the engine works meanwhile.
    fn take(&self, core: &Core, path: &Path) -> anyhow::Result<String> {
        let plan = Assignment::of(&core.settings()?, core.registry.clone())?.plan;
        let landscape = {
            let mut trial = lock(&self.trial);
            let trial = match trial.as_mut() {
                Some(trial) => trial,
                None => trial.insert(Trial::new(&plan)?),
            };
            trial.check(path)?
        };
        let (id, kind) = (landscape.id().to_owned(), landscape.kind_name());
        core.solver.swap(landscape)?;
        if let Some(loaded) = core.loaded().as_mut() {
            if let Some(start) = loaded.start_id.take() {
                tracing::warn!("start {start} was made for another landscape and is dropped");
            }
            (loaded.landscape_id, loaded.landscape_kind, loaded.landscape_file) =
                (id.clone(), kind, Some(path.to_owned()));
        }
        Ok(id)
    }
}

/// Reloads and says what came of it; a refusal leaves the running landscape alone.
async fn reload(core: Arc<Core>, path: Option<PathBuf>) -> Result<String, String> {
    let host = Arc::clone(&core);
    let taken = tokio::task::spawn_blocking(move || {
        let loaded = host.loaded().as_ref().map(|loaded| loaded.landscape_file.clone());
        let loaded = loaded.filter(|_| matches!(host.state(), State::Inactive | State::Active));
        let loaded = loaded.context("nothing is loaded: reload in the states inactive and active")?;
        let path = path.or(host.settings()?.reload).or(loaded);
        let path = path.context("theta is the identity, and reload.path is empty: there is no file to read")?;
        host.reloads.take(&host, &path)
    });
    let taken = taken.await.map_err(anyhow::Error::from).and_then(|taken| taken);
    let mut report = lock(&core.reloads.report);
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
            core.alarm.notify_one();
            Err(text)
        }
    }
}

/// Opens the service and watches the path.
///
/// # Errors
/// What rcl says, or that the ROS thread has ended.
pub(crate) async fn serve(core: &Arc<Core>, tasks: &Tasks) -> anyhow::Result<()> {
    let requests = open::<Trigger::Service>(core, "~/reload_landscape").await?;
    let host = Arc::clone(core);
    tasks.spawn(trigger(requests, move || reload(Arc::clone(&host), None)));
    tasks.spawn(watch(Arc::clone(core)));
    Ok(())
}

async fn watch(core: Arc<Core>) {
    let mut watched: Option<Watch> = None;
    let mut look = tokio::time::interval(LOOK);
    loop {
        look.tick().await;
        let Some(path) = core.settings().ok().and_then(|settings| settings.reload) else {
            watched = None;
            continue;
        };
        let watch = match watched.as_mut() {
            Some(watch) if watch.path() == path => watch,
            _ => watched.insert(Watch::new(&path)),
        };
        if matches!(core.state(), State::Inactive | State::Active) && watch.is_new() {
            // It has told what came of it.
            drop(reload(Arc::clone(&core), Some(path)).await);
        }
    }
}
