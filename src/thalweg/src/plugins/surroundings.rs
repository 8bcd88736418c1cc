//! What a library may change for the whole process, and how it is put back.
//!
//! A library that is opened or loaded runs here. The folder that relative paths begin at, the locale by which numbers are
//! read, what signals do, and which of them the thread takes belong to everybody, so whatever of these a library changes
//! meanwhile is put back, and told.

use std::env;
use std::ffi::{CStr, CString};
use std::path::{Path, PathBuf};
use std::ptr;

use thalweg_task::printable;

/// Signals that a process may handle: those of Unix, but KILL and STOP.
const SIGNALS: std::ops::RangeInclusive<i32> = 1..=31;

/// What of the process belongs to everybody, at one moment.
struct Surroundings {
    folder: Option<PathBuf>,
    locale: Option<CString>,
    handlers: Vec<(i32, libc::sigaction)>,
    mask: Option<libc::sigset_t>,
}

/// Runs code of a library; what it changes for the whole process is put back, and told in a warning.
pub(crate) fn kept<T>(library: &Path, work: impl FnOnce() -> T) -> T {
    let before = Surroundings::now();
    let result = work();
    let changed = before.put_back();
    if !changed.is_empty() {
        let library = library.display().to_string();
        tracing::warn!("plugin {}: it changed {}; put back", printable(&library), changed.join(", "));
    }
    result
}

impl Surroundings {
    fn now() -> Self {
        let handlers = SIGNALS.filter_map(|signal| Some((signal, handler(signal)?))).collect();
        Self { folder: env::current_dir().ok(), locale: locale(), handlers, mask: mask() }
    }

    /// Puts back what is not as it was; gives its names.
    fn put_back(self) -> Vec<String> {
        let mut changed = Vec::new();
        let now = Self::now();
        if let Some(folder) = self.folder.filter(|folder| now.folder.as_ref() != Some(folder)) {
            let failed = env::set_current_dir(folder).is_err();
            changed.push(format!("the working folder{}", if failed { " (which is gone)" } else { "" }));
        }
        if let Some(locale) = self.locale.filter(|locale| now.locale.as_ref() != Some(locale)) {
            set_locale(&locale);
            changed.push("the locale".to_owned());
        }
        for ((signal, before), (_, after)) in self.handlers.iter().zip(&now.handlers) {
            if before.sa_sigaction != after.sa_sigaction {
                set_handler(*signal, before);
                changed.push(format!("what signal {signal} does"));
            }
        }
        if let (Some(before), Some(after)) = (self.mask, now.mask) {
            let blocked = SIGNALS.filter(|signal| is_in(&after, *signal) != is_in(&before, *signal));
            let blocked: Vec<String> = blocked.map(|signal| signal.to_string()).collect();
            if !blocked.is_empty() {
                set_mask(&before);
                changed.push(format!("which signals its thread takes ({})", blocked.join(", ")));
            }
        }
        changed
    }
}

#[expect(unsafe_code, reason = "C has no safe way to ask for the locale")]
fn locale() -> Option<CString> {
    // SAFETY: asked with a null pointer, it changes nothing and gives a text of C, which is copied at once, or null. Nobody
    // here sets the locale but `set_locale`, on the thread that asks.
    let name = unsafe { libc::setlocale(libc::LC_ALL, ptr::null()) };
    if name.is_null() {
        return None;
    }
    // SAFETY: not null, so it is a text of C that lives until the locale is set again.
    Some(unsafe { CStr::from_ptr(name) }.to_owned())
}

#[expect(unsafe_code, reason = "C has no safe way to set the locale")]
fn set_locale(name: &CStr) {
    // SAFETY: a text of C, which it gave itself. Others that read numbers meanwhile see one locale or the other, as they did
    // when the library set it.
    unsafe { libc::setlocale(libc::LC_ALL, name.as_ptr()) };
}

#[expect(unsafe_code, reason = "the operating system fills in a structure")]
fn handler(signal: i32) -> Option<libc::sigaction> {
    // SAFETY: a structure of numbers and addresses, for which zeros are values.
    let mut found: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: it changes nothing where nothing new is given, and fills in the structure, or refuses the signal.
    let refused = unsafe { libc::sigaction(signal, ptr::null(), &raw mut found) };
    (refused == 0).then_some(found)
}

#[expect(unsafe_code, reason = "a handler of a signal is an address")]
fn set_handler(signal: i32, handler: &libc::sigaction) {
    // SAFETY: what it gave itself for this signal a moment before, so the handler is still there.
    unsafe { libc::sigaction(signal, handler, ptr::null_mut()) };
}

#[expect(unsafe_code, reason = "the operating system fills in a structure")]
fn mask() -> Option<libc::sigset_t> {
    // SAFETY: a set of bits, for which zeros are a value.
    let mut found: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: it changes nothing where nothing new is given, and fills in the set.
    let refused = unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, ptr::null(), &raw mut found) };
    (refused == 0).then_some(found)
}

#[expect(unsafe_code, reason = "the operating system reads a structure")]
fn set_mask(mask: &libc::sigset_t) {
    // SAFETY: what it gave itself for this thread a moment before.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, mask, ptr::null_mut()) };
}

#[expect(unsafe_code, reason = "the operating system reads a structure")]
fn is_in(mask: &libc::sigset_t, signal: i32) -> bool {
    // SAFETY: it reads a bit of the set, or refuses the signal.
    unsafe { libc::sigismember(mask, signal) == 1 }
}
