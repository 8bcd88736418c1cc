//! `thalweg check`.

mod costs;

use clap::Args;
use thalweg::Registry;
use thalweg_engine::pin_threads;
use thalweg_task::{LoadOptions, conformance};

use crate::console;
use crate::failure::CheckFailed;
use crate::task_options::TaskOptions;

/// Options of `thalweg check`.
#[derive(Args)]
#[command(after_help = "\
Each line is one rule: what was measured, or what is wrong. Values are drawn from fixed seeds, so the
report is the same every time. Below them: what F costs, and F, L and the gradient, for K hypotheses; medians in
milliseconds, on this machine as busy as it is. Exit code 5 when a rule is broken; 4 when the weights cannot be loaded.

Examples:
  thalweg check body_pose
  thalweg check my_task/ --json
  thalweg check body_pose --parameter loss=axis_angle
  thalweg check planar_arm --parameter 'lengths=[0.4, 0.3, 0.1]'")]
pub(crate) struct CheckArguments {
    /// Task to check; `thalweg tasks` lists them; or the folder of a scripted task
    task: String,
    #[command(flatten)]
    task_options: TaskOptions,
    /// Print JSON: {task, rules, costs}
    #[arg(long)]
    json: bool,
    /// Measure no costs
    #[arg(long)]
    no_costs: bool,
}

/// Checks a task against every rule of the contract and prints the report.
pub(crate) fn run(arguments: &CheckArguments, registry: &Registry) -> anyhow::Result<()> {
    pin_threads(1);
    let options = arguments.task_options.load_options()?;
    let load = |options: &LoadOptions| registry.load(&arguments.task, options);
    // Weights and parameters are told apart from broken rules: they have exit codes of their own.
    drop(load(&options)?);
    let report = quietly(|| conformance::check(&load, &options));
    // What breaks rules is not worth measuring, and may not even run.
    let costs = if report.passed() && !arguments.no_costs { costs::measure(&load, &options)? } else { Vec::new() };
    if arguments.json {
        console::print(&format!(
            "{:#}\n",
            serde_json::json!({ "task": report.task, "rules": report.outcomes, "costs": costs })
        ))?;
    } else {
        console::print(&format!("{report}{}", costs::table(&costs)))?;
    }
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
