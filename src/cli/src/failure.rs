//! Errors on their way out: one sentence and an exit code.

use std::error::Error;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;

use thalweg::LoadError;
use thalweg_body_pose::dataset::DatasetError;
use thalweg_distributed::RendezvousError;
use thalweg_engine::EngineError;
use thalweg_engine::landscape::LandscapeError;
use thalweg_nn::NnError;
use thalweg_node::solver::{ReplayError, SolverError};
use thalweg_record::RecordError;
use thalweg_robot::layout::LayoutError;
use thalweg_robot::model::ModelError;
use thalweg_task::{TaskError, first_line, panic_line};
use thalweg_train::{ImagesError, TrainError};

use crate::adopt::AdoptError;
use crate::console::line;
use crate::doctor::ChecksFailed;
use crate::observation::ObservationError;
use crate::recordings::Lost;
use crate::replay::NotReproduced;
use crate::train::approved::ApprovalError;
use crate::train::retrain::NotPromoted;

/// Any failure that has no code of its own.
const OTHER: u8 = 1;
/// Wrong usage; clap exits with the same code.
const USAGE: u8 = 2;
/// An observation, a recording or a parameter is bad.
const INPUT: u8 = 3;
/// Weights are missing, damaged or made for something else.
const WEIGHTS: u8 = 4;
/// A check failed.
const CHECK: u8 = 5;

/// What the command line itself refuses.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// An observation cannot be used.
    #[error("{from}")]
    Observation {
        /// Where it came from: a path, or standard input.
        from: String,
        /// What is wrong with it.
        source: ObservationError,
    },
    /// A recorded motion cannot be used.
    #[error("recording")]
    Motion(#[source] NnError),
    /// A recorded motion has no such frame.
    #[error("recording {}: there is no frame {frame}; expected 0 to {last}", path.display())]
    Frame {
        /// The recording.
        path: PathBuf,
        /// The frame that was asked for.
        frame: u32,
        /// The last frame there is.
        last: i64,
    },
    /// What is to be hidden is not known to the task.
    #[error("--hide: task {task} has no group, joint or point named '{name}'{hint}")]
    Hide {
        /// Name of the task.
        task: String,
        /// The name that came.
        name: String,
        /// What was meant, perhaps.
        hint: String,
    },
    /// Nothing is left of an observation.
    #[error("{from}: nothing is left to be seen after --hide {hidden}; expected at least one value")]
    AllHidden {
        /// Where the observation came from.
        from: String,
        /// What was hidden.
        hidden: String,
    },
    /// A parameter was given twice.
    #[error("parameter {0} is given twice; expected it once")]
    ParameterTwice(String),
    /// A bag does not hold what is asked for.
    #[error("{}: {why}", path.display())]
    Bag {
        /// The bag.
        path: PathBuf,
        /// What it holds, and what was expected.
        why: String,
    },
    /// Options that exclude each other.
    #[error("--rate {0} is Adam's; --optimizer lm finds its steps itself")]
    RateOfLevenbergMarquardt(f64),
    /// There is no CUDA to compute with.
    #[error("--device cuda: {0}; expected at least one CUDA device, or --device cpu")]
    NoCuda(&'static str),
    /// Motion capture was given to a task that does not read it.
    #[error("--data holds body poses; expected task body_pose, got {0}")]
    DataOfBodyPose(String),
    /// A file of observations cannot be used.
    #[error("{}: {why}", path.display())]
    Observations {
        /// The file.
        path: PathBuf,
        /// What it holds, and what was expected.
        why: String,
    },
    /// Images were given to a task that does not read them.
    #[error("--images holds labelled images; expected task image_defence, got {0}")]
    ImagesOfDefence(String),
}

/// A task broke rules of the contract.
#[derive(Debug, thiserror::Error)]
#[error("task {task} breaks the contract: {rules}")]
pub struct CheckFailed {
    /// Name of the task.
    pub task: String,
    /// The rules that it breaks.
    pub rules: String,
}

/// Prints an error once, with its causes.
///
/// A reader that closed our standard output has seen enough; that is success.
#[expect(clippy::print_stderr, reason = "the one place where errors are printed")]
pub(crate) fn print(error: &anyhow::Error) -> ExitCode {
    if is_closed_pipe(error) {
        return ExitCode::SUCCESS;
    }
    eprintln!("error: {}", line(&sentence(error)));
    ExitCode::from(code(error))
}

/// Runs a program to its exit code; errors and panics (bugs, and what tch raises) are one line each.
pub fn guarded(run: impl FnOnce() -> anyhow::Result<ExitCode>) -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(String::new, |place| format!("{}:{}: ", place.file(), place.line()));
        print_panic(&place, panic_line(panic.payload()));
    }));
    // Unwind safe: nothing is looked at afterwards; the hook has told what happened.
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(code)) => code,
        Ok(Err(error)) => print(&error),
        Err(_) => ExitCode::from(OTHER),
    }
}

#[expect(clippy::print_stderr, reason = "a panic has no other way out")]
fn print_panic(place: &str, text: &str) {
    eprintln!("panic: {place}{}", line(text));
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let kind = |cause: &(dyn Error + 'static)| cause.downcast_ref::<io::Error>().map(io::Error::kind);
    error.chain().any(|cause| kind(cause) == Some(io::ErrorKind::BrokenPipe))
}

/// Joins an error and its causes; a cause that its effect has already told is left out.
pub(crate) fn sentence(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        let line = first_line(&cause);
        if text.is_empty() {
            line.clone_into(&mut text);
        } else if !text.ends_with(line) {
            text = format!("{text}: {line}");
        }
    }
    text
}

/// Tells the exit code by the outermost error that has one.
fn code(error: &anyhow::Error) -> u8 {
    error.chain().find_map(code_of).unwrap_or(OTHER)
}

fn code_of(cause: &(dyn Error + 'static)) -> Option<u8> {
    if cause.is::<CheckFailed>()
        || cause.is::<ChecksFailed>()
        || cause.is::<NotReproduced>()
        || cause.is::<NotPromoted>()
    {
        return Some(CHECK);
    }
    if cause.is::<AdoptError>() || cause.is::<ModelError>() || cause.is::<LayoutError>() {
        return Some(INPUT);
    }
    if cause.is::<DatasetError>() || cause.is::<ObservationError>() || cause.is::<Lost>() || cause.is::<ApprovalError>()
    {
        return Some(INPUT);
    }
    if let Some(error) = cause.downcast_ref::<RendezvousError>() {
        return Some(code_of_rendezvous(error));
    }
    if let Some(error) = cause.downcast_ref::<InputError>() {
        return Some(code_of_input(error));
    }
    if let Some(error) = cause.downcast_ref::<TrainError>() {
        return code_of_training(error);
    }
    if let Some(error) = cause.downcast_ref::<ReplayError>() {
        return Some(code_of_replay(error));
    }
    if cause.is::<RecordError>() || cause.is::<ImagesError>() {
        return Some(INPUT);
    }
    let task = cause.downcast_ref::<TaskError>().map(code_of_task);
    let engine = cause.downcast_ref::<EngineError>().and_then(code_of_engine);
    let landscape = cause.downcast_ref::<LandscapeError>().and_then(code_of_landscape);
    let nn = cause.downcast_ref::<NnError>().map(code_of_nn);
    let load = cause.downcast_ref::<LoadError>().and_then(code_of_load);
    let solver = cause.downcast_ref::<SolverError>().and_then(code_of_solver);
    let library = cause.downcast_ref::<thalweg::Error>().and_then(code_of_library);
    task.or(nn).or(load).or(engine).or(landscape).or(solver).or(library)
}

fn code_of_input(error: &InputError) -> u8 {
    match error {
        InputError::RateOfLevenbergMarquardt(_)
        | InputError::NoCuda(_)
        | InputError::DataOfBodyPose(_)
        | InputError::ImagesOfDefence(_) => USAGE,
        _ => INPUT,
    }
}

fn code_of_rendezvous(error: &RendezvousError) -> u8 {
    match error {
        RendezvousError::HalfSet { .. } | RendezvousError::Value { .. } => USAGE,
        RendezvousError::Join { .. } | RendezvousError::Missing { .. } => OTHER,
    }
}

fn code_of_training(error: &TrainError) -> Option<u8> {
    match error {
        TrainError::NoObservations { .. } | TrainError::TooLittleMotion { .. } | TrainError::TooShort { .. } => {
            Some(INPUT)
        }
        TrainError::Option { .. } => Some(USAGE),
        TrainError::NotFinite { .. } | TrainError::Sent { .. } => None,
        // Transparent, as the engine's own below.
        TrainError::Task(error) => Some(code_of_task(error)),
        TrainError::Weights(error) => Some(code_of_nn(error)),
        TrainError::Engine(error) => code_of_engine(error),
        TrainError::Landscape(error) => code_of_landscape(error),
    }
}

fn code_of_task(error: &TaskError) -> u8 {
    match error {
        TaskError::Weights(error) => code_of_nn(error),
        TaskError::NotObserved { .. }
        | TaskError::EmptyObservation { .. }
        | TaskError::Infinite { .. }
        | TaskError::UnknownName { .. }
        | TaskError::Parameter { .. } => INPUT,
        TaskError::Contract { .. } => CHECK,
        TaskError::Shape { .. } | TaskError::Torch(_) | TaskError::Panicked { .. } => OTHER,
    }
}

fn code_of_nn(error: &NnError) -> u8 {
    match error {
        NnError::Io { .. } | NnError::Weights { .. } | NnError::OtherTraining { .. } => WEIGHTS,
        NnError::UnequalRanks { .. } => CHECK,
        NnError::LostRank { .. } | NnError::Shape { .. } | NnError::Torch(_) => OTHER,
    }
}

fn code_of_engine(error: &EngineError) -> Option<u8> {
    match error {
        EngineError::Option { .. } | EngineError::NoResidual { .. } | EngineError::EmptyBudget => Some(USAGE),
        EngineError::Latent { .. } | EngineError::ElementType { .. } | EngineError::StartDimension { .. } => {
            Some(WEIGHTS)
        }
        // Transparent: the task's error is not in the chain, only its cause is.
        EngineError::Task(error) => Some(code_of_task(error)),
        _ => None,
    }
}

fn code_of_solver(error: &SolverError) -> Option<u8> {
    match error {
        // Transparent, too.
        SolverError::Landscape(error) => code_of_landscape(error),
        SolverError::Engine(error) => code_of_engine(error),
        SolverError::Load(error) => code_of_load(error),
        _ => None,
    }
}

fn code_of_load(error: &LoadError) -> Option<u8> {
    match error {
        LoadError::Landscape(error) => code_of_landscape(error),
        LoadError::Task { source, .. } => Some(code_of_task(source)),
        LoadError::Start(error) => Some(code_of_task(error)),
        LoadError::Motion(error) | LoadError::Surprise(error) => Some(code_of_nn(error)),
        LoadError::Engine(error) => code_of_engine(error),
        LoadError::Device { .. } => None,
    }
}

fn code_of_library(error: &thalweg::Error) -> Option<u8> {
    match error {
        thalweg::Error::Task(error) => Some(code_of_task(error)),
        thalweg::Error::Engine(error) => code_of_engine(error),
        thalweg::Error::Load(error) => code_of_load(error),
        thalweg::Error::Option { .. } => Some(USAGE),
        thalweg::Error::Value { .. } | thalweg::Error::Twice { .. } => Some(INPUT),
    }
}

/// What a recording says is input, but for the weights that it was made with.
fn code_of_replay(error: &ReplayError) -> u8 {
    match error {
        ReplayError::OtherModel { .. } | ReplayError::NoWeights { .. } => WEIGHTS,
        ReplayError::Load(error) => code_of_load(error).unwrap_or(INPUT),
        ReplayError::Landscape(error) => code_of_landscape(error).unwrap_or(INPUT),
        ReplayError::Parameters(_) | ReplayError::Refused(_) | ReplayError::Engine { .. } => INPUT,
    }
}

fn code_of_landscape(error: &LandscapeError) -> Option<u8> {
    match error {
        LandscapeError::File(_)
        | LandscapeError::OtherTask { .. }
        | LandscapeError::OtherModel { .. }
        | LandscapeError::OtherLatent { .. } => Some(WEIGHTS),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn landscape_without_file() -> anyhow::Error {
        let source = io::Error::other("gone");
        LandscapeError::File(NnError::Io { path: "theta".into(), source }).into()
    }

    #[test]
    fn causes_are_told_once() {
        assert_eq!(sentence(&landscape_without_file()), "landscape theta: gone");
        assert_eq!(sentence(&landscape_without_file().context("cannot start")), "cannot start: landscape theta: gone");
    }

    #[test]
    fn stacks_are_cut() {
        let torch =
            TaskError::Torch(tch::TchError::Torch("bad shape\nException raised from f at g.cpp\n#0".to_owned()));
        let text = sentence(&torch.into());
        assert!(text.contains("bad shape") && !text.contains("Exception"), "{text}");
        assert_eq!(
            first_line("called on an Err value: Torch(\"bad shape\\nException"),
            "called on an Err value: Torch(\"bad shape"
        );
    }

    #[test]
    fn the_outermost_error_decides_the_code() {
        let no_file = || NnError::Io { path: "a".into(), source: io::Error::other("gone") };
        let io = || TaskError::from(no_file());
        assert_eq!(code(&io().into()), WEIGHTS);
        assert_eq!(code(&landscape_without_file().context("cannot start")), WEIGHTS);
        assert_eq!(code(&InputError::Motion(no_file()).into()), INPUT);
        assert_eq!(code(&EngineError::Task(io()).into()), WEIGHTS);
        assert_eq!(code(&EngineError::EmptyBudget.into()), USAGE);
        assert_eq!(code(&CheckFailed { task: "a".to_owned(), rules: "b".to_owned() }.into()), CHECK);
        assert_eq!(code(&anyhow::anyhow!("something else")), OTHER);
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        let closed = anyhow::Error::from(io::Error::from(io::ErrorKind::BrokenPipe)).context("cannot write");
        assert!(is_closed_pipe(&closed));
        assert!(!is_closed_pipe(&anyhow::Error::from(io::Error::other("disk full"))));
    }
}
