//! What remains of panics: locks that are taken all the same, and texts.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

thread_local! {
    /// Whether a panic on this thread is caught, and told by whoever catches it.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs what may panic; whoever calls tells what the panic says, and drops what was half done.
///
/// # Errors
/// What the panic carries.
pub fn guarded<T>(work: impl FnOnce() -> T) -> std::thread::Result<T> {
    let before = GUARDED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(before);
    result
}

/// Whether a panic on this thread would be caught by [`guarded`]: then it ends nothing, and a panic hook may leave it be.
#[must_use]
pub fn is_guarded() -> bool {
    GUARDED.get()
}

/// Locks a mutex, even after a panic of who held it last.
///
/// For critical sections of one assignment or one read, which a panic cannot leave half done.
pub fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a panic says.
#[must_use]
pub fn panic_text(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("a panic without text")
}

/// The first line of what a panic says: libtorch adds its stack in further ones.
#[must_use]
pub fn panic_line(payload: &(dyn Any + Send)) -> &str {
    first_line(panic_text(payload))
}

/// Cuts libtorch's C++ stack off, which comes in further lines, escaped after a panic.
#[must_use]
pub fn first_line(text: &str) -> &str {
    let end = text.find("\\nException").unwrap_or(text.len());
    text[..end].lines().next().unwrap_or_default().trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_tells_its_first_line() {
        let of = |panic: Box<dyn Any + Send>| panic_line(panic.as_ref()).to_owned();
        assert_eq!(of(Box::new("bad shape\nException raised from f at g.cpp")), "bad shape");
        assert_eq!(of(Box::new("Torch(\"bad shape\\nException".to_owned())), "Torch(\"bad shape");
        assert_eq!(of(Box::new(3)), "a panic without text");
    }

    #[test]
    fn a_guarded_panic_is_known_as_such() {
        let inner = guarded(|| {
            let caught = guarded(|| -> () { panic!("inside") });
            (is_guarded(), caught.is_err())
        });
        assert_eq!(inner.ok(), Some((true, true)));
        assert!(!is_guarded(), "over");
    }

    #[test]
    fn a_lock_outlives_a_panic() {
        let mutex = Mutex::new(1);
        let held = || {
            let _guard = lock(&mutex);
            panic!("while held");
        };
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(held)).is_err());
        assert_eq!(*lock(&mutex), 1);
    }
}
