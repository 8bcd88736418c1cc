//! `thalweg generate`: shell completions and man pages, for whoever installs the program.

use std::path::PathBuf;

use clap::{Args, Command};
use clap_complete::Shell;

/// Shells that completions are written for.
const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

/// Options of `thalweg generate`.
#[derive(Args)]
pub(crate) struct GenerateArguments {
    /// Folder that they go to: completions and man1 below it
    #[arg(value_name = "FOLDER")]
    output: PathBuf,
}

/// Writes completions for bash, zsh and fish, and a man page for each command.
pub(crate) fn run(arguments: &GenerateArguments, mut program: Command) -> anyhow::Result<()> {
    let [completions, man] = ["completions", "man1"].map(|name| arguments.output.join(name));
    for folder in [&completions, &man] {
        std::fs::create_dir_all(folder)?;
    }
    for shell in SHELLS {
        clap_complete::generate_to(shell, &mut program, "thalweg", &completions)?;
    }
    Ok(clap_mangen::generate_to(program, man)?)
}
