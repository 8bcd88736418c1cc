//! Asking for memory before it is needed.

/// Asks for the memory of a slice, to be in the second-level cache soon.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
#[expect(unsafe_code, reason = "no library has a prefetch; weights that come from afar cost half as much with it")]
pub(super) fn fetch<L>(slice: &[L]) {
    use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};

    /// Bytes of a cache line.
    const LINE: usize = 64;

    for element in slice.iter().step_by((LINE / size_of::<L>()).max(1)) {
        // SAFETY: SSE, all that is required, is part of every x86-64 processor; a prefetch reads and writes nothing that
        // a program could tell, whatever the address, and this one is that of an element.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(std::ptr::from_ref(element).cast()) };
    }
}

/// As on x86-64, where nothing is asked for: other processors have no stable intrinsic for it.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
pub(super) fn fetch<L>(_: &[L]) {}
