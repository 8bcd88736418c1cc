//! The C++ side, `shim/process_group.cpp`, as safe calls: libtorch has no C interface to its process groups.
//!
//! Each function of the shim catches what libtorch throws, and writes a sentence into a buffer of ours.
#![expect(unsafe_code, reason = "calls of C++")]

use std::ffi::{CString, c_char, c_int, c_void};
use std::ptr::{self, NonNull};
use std::time::Duration;

use tch::Tensor;

use crate::Rendezvous;

/// Bytes of an error or a value; what is longer is cut.
const TEXT: usize = 2048;

/// As in the shim.
const DONE: c_int = 0;
const PENDING: c_int = 2;
const LATE: c_int = 3;

/// A group of the shim's: only its address is known here.
#[repr(C)]
struct Opaque {
    _private: [u8; 0],
}

// What the shim defines; the pointers to tensors are those that tch itself hands to C++, `at::Tensor *`.
unsafe extern "C" {
    fn thalweg_group_open(
        address: *const c_char,
        port: u16,
        rank: c_int,
        size: c_int,
        holds_store: bool,
        prefix: *const c_char,
        timeout_ms: u64,
        answer_ms: u64,
        text: *mut c_char,
        capacity: usize,
    ) -> *mut Opaque;
    fn thalweg_group_connect(group: *mut Opaque, text: *mut c_char, capacity: usize) -> c_int;
    fn thalweg_group_begin(
        group: *mut Opaque,
        operation: c_int,
        from: c_int,
        input: *const c_void,
        output: *const c_void,
        text: *mut c_char,
        capacity: usize,
    ) -> c_int;
    fn thalweg_group_wait(group: *mut Opaque, limit_ms: u64, text: *mut c_char, capacity: usize) -> c_int;
    fn thalweg_group_note(
        group: *mut Opaque,
        key: *const c_char,
        value: *const c_char,
        text: *mut c_char,
        capacity: usize,
    ) -> c_int;
    fn thalweg_group_look(group: *mut Opaque, key: *const c_char, text: *mut c_char, capacity: usize) -> c_int;
    fn thalweg_group_begun(group: *const Opaque) -> u64;
    fn thalweg_group_close(group: *mut Opaque, has_failed: bool);
}

/// What a collective does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Operation {
    /// Sums over ranks, in place.
    Sum,
    /// Takes what a rank has, in place.
    Broadcast {
        /// The rank.
        from: usize,
    },
    /// Gathers `[..]` of all ranks as `[size, ..]`.
    Gather,
}

impl Operation {
    /// As the shim numbers it, and the rank that it starts from.
    fn numbers(self) -> (c_int, c_int) {
        match self {
            Self::Sum => (0, 0),
            Self::Broadcast { from } => (1, from as c_int),
            Self::Gather => (2, 0),
        }
    }
}

/// A process group, and the store where its ranks meet. It stays on the thread that has opened it.
#[derive(Debug)]
pub(crate) struct Shim {
    group: NonNull<Opaque>,
    /// Whether a collective failed: the connections are then left to the end of the process.
    pub(crate) has_failed: bool,
}

/// Why a call of the shim did not do what it should.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What libtorch says, in a line.
    pub(crate) why: String,
    /// Whether the store has not answered in time; it may yet.
    pub(crate) is_late: bool,
}

pub(crate) type Answer<T> = Result<T, Failure>;

impl Shim {
    /// Joins the store of a rendezvous, or holds it.
    ///
    /// Joining takes `timeout` at most, and so does each collective; once all have met, an answer of the store takes `answer`.
    pub(crate) fn open(place: &Rendezvous, prefix: &str, timeout: Duration, answer: Duration) -> Answer<Self> {
        let (address, prefix) = (text(&place.address)?, text(prefix)?);
        let mut told = [0u8; TEXT];
        // SAFETY: both texts end with a zero and outlive the call, which copies them; `told` has as many bytes as are said.
        let group = unsafe {
            thalweg_group_open(
                address.as_ptr(),
                place.port,
                place.rank as c_int,
                place.size as c_int,
                place.holds_store(),
                prefix.as_ptr(),
                milliseconds(timeout),
                milliseconds(answer),
                told.as_mut_ptr().cast(),
                told.len(),
            )
        };
        let failure = || Failure { why: sentence(&told), is_late: false };
        NonNull::new(group).map(|group| Self { group, has_failed: false }).ok_or_else(failure)
    }

    /// Calls a function of the shim that fills a buffer; true when it has done what it should, false when that is pending.
    fn call(
        &self,
        told: &mut [u8; TEXT],
        function: impl FnOnce(*mut Opaque, *mut c_char, usize) -> c_int,
    ) -> Answer<bool> {
        match function(self.group.as_ptr(), told.as_mut_ptr().cast(), told.len()) {
            DONE => Ok(true),
            PENDING => Ok(false),
            status => Err(Failure { why: sentence(told), is_late: status == LATE }),
        }
    }

    /// Connects all ranks; they have to be there.
    pub(crate) fn connect(&self) -> Answer<()> {
        // SAFETY: the group is alive until `drop`, and `call` gives a buffer of the length that it says.
        let connect = |group, told, capacity| unsafe { thalweg_group_connect(group, told, capacity) };
        self.call(&mut [0; TEXT], connect).map(|_done| ())
    }

    /// Begins a collective; `output` is for [`Operation::Gather`].
    pub(crate) fn begin(&self, operation: Operation, input: &Tensor, output: Option<&Tensor>) -> Answer<()> {
        let input = input.as_ptr().cast();
        let output = output.map_or(ptr::null(), |output| output.as_ptr().cast());
        let (operation, from) = operation.numbers();
        let begin = |group, told, capacity| {
            // SAFETY: the group is alive; tensors are alive during the call, and what runs on afterwards holds references of
            // its own to their memory. Only a gathering reads `output`, and its caller gives one.
            unsafe { thalweg_group_begin(group, operation, from, input, output, told, capacity) }
        };
        self.call(&mut [0; TEXT], begin).map(|_done| ())
    }

    /// Waits for what was begun; false when it still goes on after `limit`.
    pub(crate) fn wait(&self, limit: Duration) -> Answer<bool> {
        // SAFETY: as for `connect`; a collective was begun, for only `ProcessGroup::run` calls this, behind `begin`.
        let wait = |group, told, capacity| unsafe { thalweg_group_wait(group, milliseconds(limit), told, capacity) };
        self.call(&mut [0; TEXT], wait)
    }

    /// Writes a key into the store.
    pub(crate) fn note(&self, key: &str, value: &str) -> Answer<()> {
        let (key, value) = (text(key)?, text(value)?);
        let note = |group, told, capacity| {
            // SAFETY: as for `connect`; both texts end with a zero and outlive the call, which copies them.
            unsafe { thalweg_group_note(group, key.as_ptr(), value.as_ptr(), told, capacity) }
        };
        self.call(&mut [0; TEXT], note).map(|_done| ())
    }

    /// Reads a key of the store; none where nobody has written it.
    pub(crate) fn look(&self, key: &str) -> Answer<Option<String>> {
        let (key, mut told) = (text(key)?, [0; TEXT]);
        // SAFETY: as for `note`.
        let look = |group, told, capacity| unsafe { thalweg_group_look(group, key.as_ptr(), told, capacity) };
        Ok(self.call(&mut told, look)?.then(|| sentence(&told)))
    }

    /// Number of collectives that this rank has begun.
    pub(crate) fn begun(&self) -> u64 {
        // SAFETY: the group is alive; what is read is atomic.
        unsafe { thalweg_group_begun(self.group.as_ptr()) }
    }
}

impl Drop for Shim {
    fn drop(&mut self) {
        // SAFETY: nobody uses the group afterwards, and nobody else frees it.
        unsafe { thalweg_group_close(self.group.as_ptr(), self.has_failed) }
    }
}

fn text(text: &str) -> Answer<CString> {
    CString::new(text).map_err(|error| Failure { why: error.to_string(), is_late: false })
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The first line of what the shim wrote, for libtorch appends a stack, without the place in Gloo's source before it.
fn sentence(told: &[u8]) -> String {
    let whole = told.split(|byte| *byte == 0).next().unwrap_or_default();
    let whole = String::from_utf8_lossy(whole);
    let line = whole.lines().next().unwrap_or_default();
    let place = line.starts_with("[/").then(|| line.split_once("] ")).flatten();
    place.map_or(line, |(_, rest)| rest).to_owned()
}

#[cfg(test)]
mod tests {
    use super::sentence;

    #[test]
    fn what_libtorch_says_is_cut_to_its_sentence() {
        assert_eq!(
            sentence(b"[/gloo/pair.cc:538] Read error [127.0.0.1]:1: reset\nstack\0more"),
            "Read error [127.0.0.1]:1: reset"
        );
        assert_eq!(sentence(b"[127.0.0.1] is odd\0"), "[127.0.0.1] is odd");
    }
}
