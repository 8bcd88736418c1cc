//! `thalweg recover`: whole files of those that were cut off.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use thalweg_record::{Recovered, recover};

use crate::console::print;
use crate::failure;

/// Nothing was recovered; clap has 2.
const FAILURE: u8 = 1;
/// Something was lost. The other commands end so on bad input, which is a failure here.
const LOSS: u8 = 3;

/// Options of `thalweg recover`.
///
/// Exit codes: 0 nothing was lost, 1 failure, 2 wrong usage, 3 recovered with loss.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct RecoverArguments {
    /// A recording that was cut off or damaged; x.mcap.active becomes x.mcap
    recording: PathBuf,
}

/// Makes a whole file in place of the damaged one.
pub(crate) fn run(arguments: &RecoverArguments) -> anyhow::Result<ExitCode> {
    let Recovered { path, messages, damage } = match recover(&arguments.recording) {
        Ok(recovered) => recovered,
        Err(error) => {
            failure::print(&error.into());
            return Ok(ExitCode::from(FAILURE));
        }
    };
    print(&format!("{}: {messages} messages; {damage}\n", path.display()))?;
    Ok(if damage.has_lost() { ExitCode::from(LOSS) } else { ExitCode::SUCCESS })
}
