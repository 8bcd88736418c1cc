//! `thalweg check`.

use clap::Args;
use thalweg::Registry;
use thalweg_engine::pin_threads;
use thalweg_task::conformance;

use crate::console;
use crate::failure::CheckFailed;
use crate::task_options::TaskOptions;

/// Options of `thalweg check`.
#[derive(Args)]
#[command(after_help = "\
Each line is one rule: what was measured, or what is wrong. Values are drawn from fixed seeds, so the
report is the same every time. Exit code 5 when a rule is broken; 4 when the weights cannot be loaded.

Examples:
  thalweg check body_pose
  thalweg check body_pose --parameter loss=axis_angle
  thalweg check planar_arm --parameter 'lengths=[0.4, 0.3, 0.1]'")]
pub(crate) struct CheckArguments {
    /// Task to check; `thalweg tasks` lists them
    task: String,
    #[command(flatten)]
    task_options: TaskOptions,
}

/// Checks a task against every rule of the contract and prints the report.
pub(crate) fn run(arguments: &CheckArguments, registry: &Registry) -> anyhow::Result<()> {
    pin_threads(1);
    let entry = registry.find(&arguments.task)?;
    let options = arguments.task_options.load_options()?;
    // Weights and parameters are told apart from broken rules: they have exit codes of their own.
    drop((entry.load)(&options)?);
    let report = quietly(|| conformance::check(&entry.load, &options));
    console::print(&report.to_string())?;
    if report.passed() {
        return Ok(());
    }
    Err(CheckFailed { task: report.task.clone(), rules: report.failures().join(", ") }.into())
}

/// Runs without a word from panics: the report tells them rule by rule.
fn quietly<T>(run: impl FnOnce() -> T) -> T {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let result = run();
    std::panic::set_hook(hook);
    result
}
