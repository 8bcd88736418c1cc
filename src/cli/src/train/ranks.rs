//! Several processes that train one thing, however they were started.

use std::time::Duration;

use clap::Args;
use thalweg_distributed::{Rendezvous, RendezvousError, join};
use thalweg_nn::Ranks;

use crate::failure;

/// Refuses to be one of several processes: each would do all of it, and write the same files.
pub(crate) fn expect_one() -> Result<(), RendezvousError> {
    match Rendezvous::from_env()? {
        Some(place) if place.size > 1 => Err(RendezvousError::Value {
            name: "WORLD_SIZE",
            got: place.size.to_string(),
            expected: "1, for this command is one process (theta, prior and start may be several)".to_owned(),
        }),
        _ => Ok(()),
    }
}

/// How the processes of a training wait for each other.
#[derive(Args)]
pub(crate) struct RanksArguments {
    /// Seconds that a process waits for another one of the same training before all end. The others are met where RANK,
    /// WORLD_SIZE, MASTER_ADDR and MASTER_PORT say, as torchrun, Slurm scripts and PyTorchJob set them
    #[arg(long, default_value_t = 300)]
    timeout: u32,
}

impl RanksArguments {
    /// Meets the other processes, if the environment tells of any, and runs a training with them. Where it fails here, the
    /// others are told why.
    pub(super) fn together(&self, train: impl FnOnce(&Ranks) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let ranks = match Rendezvous::from_env()? {
            Some(place) => join(&place, Duration::from_secs(self.timeout.into()))?,
            None => Ranks::alone(),
        };
        let done = train(&ranks);
        match &done {
            Ok(()) => ranks.leave(),
            Err(error) => ranks.part(&failure::sentence(error)),
        }
        done
    }
}
