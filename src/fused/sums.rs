//! Adding up registers together, where the processor at hand makes that cheaper than one by one.

use pulp::Simd;

/// Most registers that are added up together.
const MOST: usize = 16;

/// Adds up the elements of each of sixteen registers, or of eight where they are narrower; none where there is no short
/// way. What is beyond the number of registers means nothing.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(super) fn together<S: Simd>(simd: S, parts: &[S::f32s]) -> Option<[f32; MOST]> {
    use std::any::Any;

    if let Some(v4) = (&simd as &dyn Any).downcast_ref::<pulp::x86::V4>() {
        let parts = <[S::f32s; MOST]>::try_from(parts).ok()?;
        let parts = (&parts as &dyn Any).downcast_ref::<[pulp::f32x16; MOST]>()?;
        return Some(avx512::sixteen(v4.avx512f, parts));
    }
    let avx = (&simd as &dyn Any).downcast_ref::<pulp::x86::V3>()?.avx;
    let parts = <[S::f32s; MOST / 2]>::try_from(parts).ok()?;
    let parts = (&parts as &dyn Any).downcast_ref::<[pulp::f32x8; MOST / 2]>()?;
    Some(avx2::eight(avx, parts))
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

/// As [`avx512`].
#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::__m256;

    use pulp::core_arch::x86::Avx;
    use pulp::{cast, f32x8};

    use super::MOST;

    #[inline(always)]
    pub(super) fn eight(avx: Avx, parts: &[f32x8; MOST / 2]) -> [f32; MOST] {
        let a = four(avx, [parts[0], parts[1], parts[2], parts[3]]);
        let b = four(avx, [parts[4], parts[5], parts[6], parts[7]]);
        let (low, high) = (avx._mm256_permute2f128_ps::<0x20>(a, b), avx._mm256_permute2f128_ps::<0x31>(a, b));
        cast([avx._mm256_add_ps(low, high), avx._mm256_setzero_ps()])
    }

    /// Within each half of a register: sums of four elements of each of four registers.
    #[inline(always)]
    fn four(avx: Avx, [a, b, c, d]: [f32x8; 4]) -> __m256 {
        avx._mm256_hadd_ps(avx._mm256_hadd_ps(cast(a), cast(b)), avx._mm256_hadd_ps(cast(c), cast(d)))
    }
}
