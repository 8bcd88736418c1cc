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
    /// A recording, or any MCAP file, that was cut off or damaged; one that is being written is refused
    recording: PathBuf,
    /// The whole file, which must not be there yet [default: x.mcap of x.mcap.active, x.recovered.mcap of x.mcap]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Makes a whole file beside the damaged one.
pub(crate) fn run(arguments: &RecoverArguments) -> anyhow::Result<ExitCode> {
    let recovered = match recover(&arguments.recording, arguments.output.as_deref()) {
        Ok(recovered) => recovered,
        Err(error) => {
            failure::print(&error.into());
            return Ok(ExitCode::from(FAILURE));
        }
    };
    let Recovered { path, messages, damage, is_kept } = recovered;
    let kept = if is_kept { format!("; {} is kept", arguments.recording.display()) } else { String::new() };
    print(&format!("{}: {messages} messages; {damage}{kept}\n", path.display()))?;
    Ok(if damage.has_lost() { ExitCode::from(LOSS) } else { ExitCode::SUCCESS })
}
