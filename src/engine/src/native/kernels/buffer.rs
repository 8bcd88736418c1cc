//! Memory that starts where a cache line does.

use std::ops::{Deref, DerefMut};

use super::real::Real;

/// Bytes of a cache line, and of the widest register.
const LINE: usize = 64;

/// A slice of fixed length on a cache line, zero at first.
///
/// A register that straddles two lines costs two reads.
#[derive(Debug)]
pub(crate) struct Buffer<T> {
    data: Vec<T>,
    start: usize,
    length: usize,
}

impl<T: Real> Buffer<T> {
    /// Allocates `length` zeros.
    pub(crate) fn zeros(length: usize) -> Self {
        let spare = LINE / size_of::<T>();
        let data = vec![T::ZERO; length + spare];
        // The offset is at most `spare`; an allocator may also decline to say, then nothing is gained.
        let start = data.as_ptr().align_offset(LINE).min(spare);
        Self { data, start, length }
    }
}

impl<T> Deref for Buffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.data[self.start..self.start + self.length]
    }
}

impl<T> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.data[self.start..self.start + self.length]
    }
}
