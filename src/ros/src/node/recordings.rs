//! Recordings of a running node: when they begin and end, and the services that say so.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use thalweg_task::lock;

use r2r::std_srvs::srv::Trigger;
use thalweg_task::ParameterValue;

use super::engine_thread::ask;
use super::executor::Executor;
use super::parameters::Parameters;
use super::services::{open, trigger};
use super::state::NodeState;
use super::tasks::Tasks;
use thalweg_node::diagnostics::{Level, Status};
use thalweg_node::parameters::RecordSettings;
use thalweg_node::solver::{Recording, Solver};
use thalweg_record::{RecordOptions, RecordReport, Recorder};
use tokio::sync::Notify;

/// Time between two looks at the recorder's thread.
const LOOK: Duration = Duration::from_millis(200);

/// A recording that is under way.
#[derive(Debug)]
struct Running {
    settings: RecordSettings,
    recorder: Arc<Recorder>,
}

/// The recordings of a node, one at a time.
#[derive(Debug)]
pub(crate) struct Recordings {
    parameters: Arc<Parameters>,
    state: Arc<NodeState>,
    solver: Arc<Solver>,
    /// Held from one state to the next, so that changes come one after the other.
    gate: tokio::sync::Mutex<()>,
    running: Mutex<Option<Running>>,
    /// Why there is no recording although one is wanted.
    refusal: Mutex<Option<String>>,
    /// Solves that were dropped when diagnostics were told last.
    told: Mutex<u64>,
}

impl Recordings {
    pub(crate) fn new(parameters: &Arc<Parameters>, state: &Arc<NodeState>, solver: &Arc<Solver>) -> Self {
        let (parameters, state, solver) = (Arc::clone(parameters), Arc::clone(state), Arc::clone(solver));
        let (gate, running, told) = (tokio::sync::Mutex::new(()), Mutex::new(None), Mutex::new(0));
        Self { parameters, state, solver, gate, running, refusal: Mutex::default(), told }
    }

    /// Begins, changes or ends a recording, so that there is one exactly while the node is active and wants one.
    ///
    /// A change of what is recorded, or where, ends the recording and begins another.
    ///
    /// # Errors
    /// That the engine thread has ended, or that there is no thread left. Trouble with files is told by
    /// diagnostics, and solving goes on.
    pub(crate) async fn follow(&self, is_active: bool) -> anyhow::Result<()> {
        let _gate = self.gate.lock().await;
        let wanted = Some(self.parameters.settings().record.clone()).filter(|settings| is_active && settings.enabled);
        if self.running().as_ref().map(|running| &running.settings) == wanted.as_ref() {
            return Ok(());
        }
        self.end().await?;
        *lock(&self.refusal) = None;
        match wanted {
            Some(settings) => self.begin(settings).await,
            None => Ok(()),
        }
    }

    async fn begin(&self, settings: RecordSettings) -> anyhow::Result<()> {
        let Some(setup) = self.parameters.recording_setup() else { return Ok(()) };
        let options = match self.options(&settings) {
            Ok(options) => options,
            Err(error) => {
                tracing::error!("not recording: {error:#}");
                *lock(&self.refusal) = Some(format!("{error:#}"));
                return Ok(());
            }
        };
        let recorder = Arc::new(Recorder::start(options)?);
        let begun = Arc::clone(&recorder);
        // Waits for the disk.
        tokio::task::spawn_blocking(move || begun.begin(setup)).await?;
        let recording = Recording { recorder: Arc::clone(&recorder), steps: settings.steps };
        ask(&self.solver, |solver| solver.record(Some(recording))).await?;
        let report = recorder.report();
        match (&report.failure, &report.file) {
            (Some(failure), _) => tracing::error!("not recording: {failure}"),
            (None, file) => tracing::info!("recording into {}", text(file.as_ref())),
        }
        *self.running() = Some(Running { settings, recorder });
        Ok(())
    }

    /// What the recorder is told; its folder with links resolved, for they may have changed since it was set.
    fn options(&self, settings: &RecordSettings) -> anyhow::Result<RecordOptions> {
        let folder = self.parameters.roots().map(|roots| roots.record_folder(&settings.folder)).transpose()?;
        Ok(RecordOptions {
            folder: folder.unwrap_or_else(|| settings.folder.clone()),
            max_segment_bytes: settings.file_bytes,
            max_segment_duration: settings.file_duration,
            max_total_bytes: settings.total_bytes,
            queue: settings.queue,
        })
    }

    async fn end(&self) -> anyhow::Result<()> {
        let Some(Running { recorder, .. }) = self.running().take() else { return Ok(()) };
        ask(&self.solver, |solver| solver.record(None)).await?;
        let report = tokio::task::spawn_blocking(move || {
            recorder.end();
            recorder.report()
        });
        let RecordReport { written, dropped, .. } = report.await?;
        tracing::info!("recording ended: {written} solves, {dropped} dropped");
        Ok(())
    }

    /// Ends the recording when the node ends; the engine thread is gone by then.
    pub(crate) fn close(&self) {
        if let Some(running) = self.running().take() {
            running.recorder.end();
        }
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        lock(&self.running)
    }

    fn recorder(&self) -> Option<Arc<Recorder>> {
        self.running().as_ref().map(|running| Arc::clone(&running.recorder))
    }

    /// Closes the present file, so that it is complete, and goes on in another.
    async fn save(&self) -> Result<String, String> {
        let recorder = self.recorder().ok_or("nothing is being recorded")?;
        let saved = tokio::task::spawn_blocking(move || recorder.save()).await.map_err(|error| error.to_string())?;
        saved.map(|path| path.display().to_string()).map_err(|error| error.to_string())
    }

    /// Whether the thread of the present recording has ended by itself.
    pub(crate) fn has_ended(&self) -> bool {
        self.recorder().is_some_and(|recorder| recorder.has_ended())
    }

    /// Tells as soon as a recording stops, or goes on again.
    pub(crate) async fn watch(&self, alarm: &Notify) {
        let (mut look, mut told) = (tokio::time::interval(LOOK), None);
        loop {
            look.tick().await;
            let failure = self.recorder().and_then(|recorder| recorder.report().failure);
            if failure.is_some() != told.is_some() {
                match &failure {
                    Some(failure) => tracing::error!("recording has stopped: {failure}"),
                    None => tracing::info!("recording no longer fails"),
                }
                alarm.notify_one();
            }
            told = failure;
        }
    }

    /// What diagnostics tell.
    pub(crate) fn status(&self) -> Status {
        let Some(recorder) = self.recorder() else {
            let mut status = Status::ok("Recorder", "Not recording");
            if let Some(refusal) = lock(&self.refusal).as_ref() {
                status.worsen(Level::Error, format!("not recording: {refusal}"));
            }
            return status.with("Recording", false);
        };
        let report = recorder.report();
        let mut status = Status::ok("Recorder", "Recording");
        let new = report.dropped.saturating_sub(std::mem::replace(&mut *lock(&self.told), report.dropped));
        if new > 0 {
            status.worsen(Level::Warn, format!("{new} solves were dropped: the disk does not keep up"));
        }
        if let Some(failure) = &report.failure {
            status.worsen(Level::Error, format!("recording has stopped: {failure}"));
        }
        status
            .with("Recording", report.failure.is_none())
            .with("File", text(report.file.as_ref()))
            .with("Written", report.written)
            .with("Dropped", report.dropped)
            .with("Bytes", report.bytes)
            .with("Files", report.segments)
    }
}

/// Opens the services of recordings.
///
/// # Errors
/// What rcl says, or that the ROS thread has ended.
pub(crate) async fn serve(executor: &Executor, recordings: &Arc<Recordings>, tasks: &Tasks) -> anyhow::Result<()> {
    for (name, enable) in [("~/start_recording", true), ("~/stop_recording", false)] {
        let (requests, host) = (open::<Trigger::Service>(executor, name).await?, Arc::clone(recordings));
        tasks.spawn(trigger(requests, move || switch(Arc::clone(&host), enable)));
    }
    let (requests, host) = (open::<Trigger::Service>(executor, "~/save_recording").await?, Arc::clone(recordings));
    tasks.spawn(trigger(requests, move || {
        let host = Arc::clone(&host);
        async move { host.save().await }
    }));
    Ok(())
}

/// Sets the parameter `record.enabled`, and says what came of it.
async fn switch(recordings: Arc<Recordings>, enable: bool) -> Result<String, String> {
    let change = ("record.enabled".to_owned(), ParameterValue::Bool(enable));
    recordings.parameters.set(&[change]).map_err(|error| error.to_string())?;
    recordings.follow(recordings.state.is_opened()).await.map_err(|error| format!("{error:#}"))?;
    if let Some(refusal) = lock(&recordings.refusal).clone() {
        return Err(refusal);
    }
    match recordings.recorder().map(|recorder| recorder.report()) {
        Some(RecordReport { failure: Some(failure), .. }) => Err(failure),
        Some(report) => Ok(text(report.file.as_ref())),
        None if enable => Ok("recording begins when the node is activated".to_owned()),
        None => Ok("not recording".to_owned()),
    }
}

fn text(path: Option<&PathBuf>) -> String {
    path.map_or_else(String::new, |path| path.display().to_string())
}
