//! `thalweg train`: priors and landscapes.

mod data;
mod device;
mod prior;
pub(crate) mod retrain;
mod start;
mod theta;

use clap::Subcommand;

/// What can be trained.
#[derive(Subcommand)]
pub(crate) enum Train {
    /// Train the pose prior (the forward model of `body_pose`) on motion capture
    Prior(prior::PriorArguments),
    /// Train a landscape for a task (Algorithm 1 of Liu et al., 2023)
    Theta(Box<theta::ThetaArguments>),
    /// Train an amortised start: from an observation to where descents begin on a landscape
    Start(start::StartArguments),
}

/// Runs one of the trainings.
pub(crate) fn run(train: &Train) -> anyhow::Result<()> {
    match train {
        Train::Prior(arguments) => prior::run(arguments),
        Train::Theta(arguments) => theta::run(arguments),
        Train::Start(arguments) => start::run(arguments),
    }
}
