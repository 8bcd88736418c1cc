//! What a program does about graphics drivers before it asks them anything.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

const RUNTIME_FOLDER: &str = "XDG_RUNTIME_DIR";

/// Starts the program anew, as the same process, where drivers would complain.
///
/// Mesa looks for a display wherever adapters are listed, and prints an error each time where no desktop has set
/// `XDG_RUNTIME_DIR`, as in a container or a service. A process that has threads may not set its own environment.
///
/// # Errors
/// Why the program cannot be started anew; it can go on, and drivers may print.
pub fn keep_quiet() -> io::Result<()> {
    if std::env::var_os(RUNTIME_FOLDER).is_some() {
        return Ok(());
    }
    let mut command = Command::new(std::env::current_exe()?);
    Err(command.args(std::env::args_os().skip(1)).env(RUNTIME_FOLDER, std::env::temp_dir()).exec())
}
