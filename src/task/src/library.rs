//! A task in a shared library: what it exports, and how its panics stay inside.
//!
//! Rust has no stable layout of types. So a library says in [`Exported`] what it was built of, and whoever
//! loads it compares that with its own before it calls anything. Panics must not cross: the library's copy of the
//! standard library is another one than the program's.

mod guarded_task;

use std::mem::size_of;

use crate::{
    DenseForm, Entry, LoadOptions, Observation, ParameterSpec, ParameterValue, Reconstruction, Result, Target, Task,
    TaskError, TaskSpec, guarded, panic_line,
};

use guarded_task::GuardedTask;

/// Name of the symbol that a library exports.
pub const SYMBOL: &str = "THALWEG_TASK";
/// First bytes of what stands there.
pub const MAGIC: u64 = u64::from_le_bytes(*b"thalweg\0");
/// Version of [`Exported`]; it changes with that type only.
pub const ABI: u32 = 1;
/// Longest fingerprint, bytes.
const FINGERPRINT_BYTES: usize = 240;

/// What a library and whoever loads it must have in common: the contract's source, compiler, target, libtorch, what a
/// panic does.
pub const FINGERPRINT: &str = env!("THALWEG_CONTRACT");

/// Sizes of the types that cross, bytes: features of crates that they are made of may change them.
const SIZES: [u32; 12] = [
    size_of::<Entry>() as u32,
    size_of::<LoadOptions>() as u32,
    size_of::<serde_json::Map<String, serde_json::Value>>() as u32,
    size_of::<serde_json::Value>() as u32,
    size_of::<TaskSpec>() as u32,
    size_of::<TaskError>() as u32,
    size_of::<Observation>() as u32,
    size_of::<Target>() as u32,
    size_of::<Reconstruction>() as u32,
    size_of::<DenseForm<'static>>() as u32,
    size_of::<ParameterSpec>() as u32,
    size_of::<ParameterValue>() as u32,
];

/// What stands at [`SYMBOL`]: with a layout of C up to the function, which is called when all before it agrees.
#[repr(C)]
#[derive(Debug)]
pub struct Exported {
    magic: u64,
    abi: u32,
    length: u32,
    fingerprint: [u8; FINGERPRINT_BYTES],
    sizes: [u32; 12],
    entry: fn() -> std::result::Result<&'static Entry, String>,
}

/// Why a library cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// The symbol is of something else.
    #[error("what it exports as {SYMBOL} was not made by thalweg_task::export!")]
    Magic,
    /// It was made for another version of [`Exported`].
    #[error("it has ABI {got}, this program has {ABI}")]
    Abi {
        /// Its version.
        got: u32,
    },
    /// It was built of something else.
    #[error("it was built of {got}, this program of {FINGERPRINT}")]
    Fingerprint {
        /// What it was built of.
        got: String,
    },
    /// Types differ in size.
    #[error("types that both share differ in size (serde_json with other features, perhaps): {got:?}, here {SIZES:?}")]
    Sizes {
        /// Its sizes.
        got: [u32; 12],
    },
}

impl Exported {
    /// Says what this crate was built of; `entry` describes the task.
    #[must_use]
    pub const fn new(entry: fn() -> std::result::Result<&'static Entry, String>) -> Self {
        let text = FINGERPRINT.as_bytes();
        assert!(text.len() <= FINGERPRINT_BYTES, "the fingerprint is longer than its field");
        let mut fingerprint = [0; FINGERPRINT_BYTES];
        let mut at = 0;
        while at < text.len() {
            fingerprint[at] = text[at];
            at += 1;
        }
        Self { magic: MAGIC, abi: ABI, length: text.len() as u32, fingerprint, sizes: SIZES, entry }
    }

    /// Compares with what this program was built of.
    ///
    /// # Errors
    /// [`Mismatch`] about the first part that differs.
    pub fn check(&self) -> std::result::Result<(), Mismatch> {
        if self.magic != MAGIC {
            return Err(Mismatch::Magic);
        }
        if self.abi != ABI {
            return Err(Mismatch::Abi { got: self.abi });
        }
        let length = (self.length as usize).min(FINGERPRINT_BYTES);
        if self.fingerprint[..length] != *FINGERPRINT.as_bytes() {
            let got = crate::printable(&String::from_utf8_lossy(&self.fingerprint[..length])).into_owned();
            return Err(Mismatch::Fingerprint { got });
        }
        if self.sizes == SIZES { Ok(()) } else { Err(Mismatch::Sizes { got: self.sizes }) }
    }

    /// The task; asked for after [`Exported::check`].
    ///
    /// # Errors
    /// What a panic says, of the task while it describes its parameters.
    pub fn entry(&self) -> std::result::Result<&'static Entry, String> {
        (self.entry)()
    }
}

/// Exports a task, an [`Entry`], from a library of the type `cdylib`.
///
/// ```text
/// thalweg_task::export!(ENTRY);
/// ```
#[macro_export]
macro_rules! export {
    ($entry:expr) => {
        #[unsafe(no_mangle)]
        #[doc(hidden)]
        pub static THALWEG_TASK: $crate::library::Exported = {
            const THE_ENTRY: $crate::Entry = $entry;
            static GUARDED: $crate::Entry = $crate::Entry {
                parameters: || $crate::library::list(THE_ENTRY.parameters),
                suited: || $crate::library::list(THE_ENTRY.suited),
                load: |options| $crate::library::load(THE_ENTRY.load, options),
                ..THE_ENTRY
            };
            $crate::library::Exported::new(|| $crate::library::described(&THE_ENTRY, &GUARDED))
        };
    };
}

/// Tries what describes the task, for [`export!`](crate::export).
///
/// # Errors
/// What a panic says.
#[doc(hidden)]
pub fn described(entry: &Entry, guarded_entry: &'static Entry) -> std::result::Result<&'static Entry, String> {
    hush();
    let tried = guarded(|| drop(((entry.parameters)(), (entry.suited)())));
    tried.map(|()| guarded_entry).map_err(|panic| panic_line(panic.as_ref()).to_owned())
}

/// Lists what a task says; nothing where that panics, for [`export!`](crate::export).
#[doc(hidden)]
pub fn list<T>(of: fn() -> Vec<T>) -> Vec<T> {
    guarded(of).unwrap_or_default()
}

/// Loads a task whose panics are errors, for [`export!`](crate::export).
///
/// # Errors
/// What the task refuses, and [`TaskError::Panicked`].
#[doc(hidden)]
pub fn load(load: fn(&LoadOptions) -> Result<Box<dyn Task>>, options: &LoadOptions) -> Result<Box<dyn Task>> {
    Ok(Box::new(GuardedTask::new(caught(|| load(options))?)))
}

/// Turns a panic into an error.
fn caught<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    guarded(work).unwrap_or_else(|panic| Err(TaskError::Panicked { what: panic_line(panic.as_ref()).to_owned() }))
}

/// Keeps panics that are caught out of the program's standard error; the hook is that of the library's own copy of the
/// standard library.
fn hush() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !crate::is_guarded() {
                before(panic);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nobody() -> std::result::Result<&'static Entry, String> {
        Err("nobody".to_owned())
    }

    #[test]
    fn what_differs_is_told() {
        let ours = Exported::new(nobody);
        assert_eq!(ours.check(), Ok(()));
        assert_eq!(Exported { magic: 1, ..Exported::new(nobody) }.check(), Err(Mismatch::Magic));
        assert_eq!(Exported { abi: 7, ..Exported::new(nobody) }.check(), Err(Mismatch::Abi { got: 7 }));
        let mut other = Exported::new(nobody);
        other.fingerprint[0] = b'X';
        other.length = u32::MAX;
        assert!(matches!(other.check(), Err(Mismatch::Fingerprint { got }) if got.starts_with('X')));
        let sizes = Exported { sizes: [1; 12], ..Exported::new(nobody) };
        assert!(matches!(sizes.check(), Err(Mismatch::Sizes { .. })));
    }

    #[test]
    fn the_fingerprint_names_its_parts() {
        for part in ["contract ", "rustc ", "libtorch "] {
            assert!(FINGERPRINT.contains(part), "{FINGERPRINT}");
        }
    }
}
