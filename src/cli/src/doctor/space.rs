//! Free space on disks.

use std::path::Path;
use std::process::Command;

use super::finding::Finding;

/// Space below which nothing can be written to speak of, MiB. A guess.
const LEAST_MIB: u64 = 10;

/// Checks the space in a folder, or where it would be made; `enough_mib`: below this it is a warning.
pub(super) fn check(what: &'static str, folder: &Path, enough_mib: u64, cure: &str) -> Finding {
    let name = folder.display();
    let Some(existing) = folder.ancestors().find(|ancestor| ancestor.is_dir()) else {
        return Finding::fail(what, format!("{name} cannot be made"), cure);
    };
    let is_locked = existing.metadata().is_ok_and(|metadata| metadata.permissions().readonly());
    match free_mib(existing) {
        _ if is_locked => Finding::fail(what, format!("{} is read-only", existing.display()), cure),
        Some(free) if free < LEAST_MIB => Finding::fail(what, format!("{free} MiB free in {name}"), cure),
        Some(free) if free < enough_mib => Finding::warn(what, format!("{free} MiB free in {name}"), cure),
        Some(free) => Finding::ok(what, format!("{free} MiB free in {name}")),
        None => Finding::warn(what, format!("free space in {name} is not known"), "look with `df`"),
    }
}

/// Free space where a folder is, by `df`: the standard library has no call for it.
fn free_mib(folder: &Path) -> Option<u64> {
    let output = Command::new("df").arg("-Pk").arg(folder).output().ok()?;
    available(&String::from_utf8_lossy(&output.stdout))
}

/// The fourth column of the second line, 1024-byte blocks (POSIX.1-2017, `df -Pk`).
fn available(table: &str) -> Option<u64> {
    let kib: u64 = table.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()?;
    Some(kib / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Level;

    #[test]
    fn the_table_of_df_is_read() {
        let table = "Filesystem 1024-blocks Used Available Capacity Mounted on\ntmpfs 65536 0 64512 0% /dev/shm\n";
        assert_eq!((available(table), available("df: no such file")), (Some(63), None));
    }

    #[test]
    fn folders_that_do_not_exist_yet_are_measured_where_they_would_be() {
        let folder = std::env::temp_dir().join("not/there/yet");
        let check = |enough| check("log folder", &folder, enough, "tidy up");
        assert_eq!(check(0).level, Level::Ok);
        let finding = check(u64::MAX);
        assert_eq!(finding.level, Level::Warn);
        assert!(finding.to_string().ends_with("; tidy up"), "{finding}");
    }
}
