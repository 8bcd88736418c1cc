//! `thalweg train`: priors and landscapes.

pub(crate) mod approved;
mod classifier;
mod data;
mod device;
mod encoder;
mod exemplars;
mod head;
mod motion;
mod observations;
mod prior;
mod ranks;
mod reading;
pub mod retrain;
mod start;
mod theta;

use clap::Subcommand;
pub(crate) use ranks::expect_one;
use thalweg::Registry;

/// What can be trained.
#[derive(Subcommand)]
pub(crate) enum Train {
    /// Train the pose prior (the forward model of `body_pose`) on motion capture
    Prior(prior::PriorArguments),
    /// Learn how the joints of `body_pose` move in time from motion capture: how far, and where those that fall silent are
    Motion(motion::MotionModelArguments),
    /// Train a landscape for a task (Algorithm 1 of Liu et al., 2023)
    Theta(Box<theta::ThetaArguments>),
    /// Give a landscape examples of training observations, which join in where something is hidden
    Exemplars(exemplars::ExemplarArguments),
    /// Train an amortised start: from an observation to where descents begin on a landscape
    Start(start::StartArguments),
    /// Train an amortised start that sees: from an image, gaps marked, to the latents that it may have
    Encoder(encoder::EncoderArguments),
    /// Train a classifier of images, the backbone of a defence, as it is or against attacks
    Classifier(classifier::ClassifierArguments),
    /// Train the contrastive head of a defence on a classifier, and write the defence
    Head(head::HeadArguments),
}

/// Runs one of the trainings.
pub(crate) fn run(train: &Train, registry: &Registry) -> anyhow::Result<()> {
    if !matches!(train, Train::Prior(_) | Train::Theta(_) | Train::Start(_)) {
        expect_one()?;
    }
    match train {
        Train::Prior(arguments) => prior::run(arguments),
        Train::Motion(arguments) => motion::run(arguments),
        Train::Theta(arguments) => theta::run(arguments, registry),
        Train::Exemplars(arguments) => exemplars::run(arguments, registry),
        Train::Start(arguments) => start::run(arguments, registry),
        Train::Encoder(arguments) => encoder::run(arguments, registry),
        Train::Classifier(arguments) => classifier::run(arguments),
        Train::Head(arguments) => head::run(arguments),
    }
}
