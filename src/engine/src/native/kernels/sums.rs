//! Adding up registers together, where the processor at hand makes that cheaper than one by one.

use pulp::Simd;

/// Registers that are added up together.
const MOST: usize = 16;

/// Adds up the elements of each of sixteen registers; none where there is no short way.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(super) fn together<S: Simd>(simd: S, parts: &[S::f32s]) -> Option<[f32; MOST]> {
    use std::any::Any;

    let v4 = (&simd as &dyn Any).downcast_ref::<pulp::x86::V4>()?;
    let parts = <[S::f32s; MOST]>::try_from(parts).ok()?;
    let parts = (&parts as &dyn Any).downcast_ref::<[pulp::f32x16; MOST]>()?;
    Some(avx512::sixteen(v4.avx512f, parts))
}

/// Adds up the elements of each of some registers; none where there is no short way.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
pub(super) fn together<S: Simd>(_: S, _: &[S::f32s]) -> Option<[f32; MOST]> {
    None
}

/// As [`together`], of registers for which there is no short way anywhere.
#[inline(always)]
pub(super) fn none<S: Simd>(_: S, _: &[S::f64s]) -> Option<[f64; MOST]> {
    None
}

/// Written without closures: those would not be inlined into code for wider registers.
#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::arch::x86_64::__m512;

    use pulp::core_arch::x86::Avx512f;
    use pulp::{cast, f32x16};

    use super::MOST;

    #[inline(always)]
    pub(super) fn sixteen(v4: Avx512f, parts: &[f32x16; MOST]) -> [f32; MOST] {
        let a = four(v4, [parts[0], parts[1], parts[2], parts[3]]);
        let b = four(v4, [parts[4], parts[5], parts[6], parts[7]]);
        let c = four(v4, [parts[8], parts[9], parts[10], parts[11]]);
        let d = four(v4, [parts[12], parts[13], parts[14], parts[15]]);
        let (low, high) = (halves(v4, a, b), halves(v4, c, d));
        let (even, odd) = (v4._mm512_shuffle_f32x4::<0x88>(low, high), v4._mm512_shuffle_f32x4::<0xDD>(low, high));
        cast(v4._mm512_add_ps(even, odd))
    }

    /// Within each quarter of a register: sums of four elements of each of four registers.
    #[inline(always)]
    fn four(v4: Avx512f, [a, b, c, d]: [f32x16; 4]) -> __m512 {
        let (ab, cd) = (two(v4, cast(a), cast(b)), two(v4, cast(c), cast(d)));
        let (ab, cd) = (v4._mm512_castps_pd(ab), v4._mm512_castps_pd(cd));
        let (low, high) = (v4._mm512_unpacklo_pd(ab, cd), v4._mm512_unpackhi_pd(ab, cd));
        v4._mm512_add_ps(v4._mm512_castpd_ps(low), v4._mm512_castpd_ps(high))
    }

    /// Within each quarter of a register: sums of two elements of each of two registers.
    #[inline(always)]
    fn two(v4: Avx512f, a: __m512, b: __m512) -> __m512 {
        v4._mm512_add_ps(v4._mm512_unpacklo_ps(a, b), v4._mm512_unpackhi_ps(a, b))
    }

    /// Adds the upper halves to the lower ones, and puts two registers into one.
    #[inline(always)]
    fn halves(v4: Avx512f, a: __m512, b: __m512) -> __m512 {
        let (low, high) = (v4._mm512_shuffle_f32x4::<0x44>(a, b), v4._mm512_shuffle_f32x4::<0xEE>(a, b));
        v4._mm512_add_ps(low, high)
    }
}
