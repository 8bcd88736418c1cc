//! What this machine could do: arithmetic and reading, measured.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use pulp::{Simd, WithSimd};
use thalweg_engine::vectors;

use crate::median;

/// Sums that run side by side: enough to hide the latency of an addition, and not more than AVX2 has registers.
const SUMS: usize = 12;
/// Additions of each in one measurement: less than a millisecond.
const ROUNDS: usize = 100_000;
/// Bytes that one measurement of reading takes at least.
const BYTES: usize = 64 << 20;

/// Samples of one core's speed, taken between the arms.
#[derive(Default)]
pub(crate) struct Machine {
    /// Floating point operations per second, single precision.
    flops: Vec<f64>,
    /// Bytes per second, by the number of weights that are read over and over.
    bytes: BTreeMap<usize, Vec<f64>>,
}

/// Multiplies and adds, from registers to registers.
struct Multiply;

impl WithSimd for Multiply {
    /// How many operations it were.
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let (factor, term) = (simd.splat_f32s(black_box(0.999)), simd.splat_f32s(black_box(0.001)));
        let mut sums = [simd.splat_f32s(1.0); SUMS];
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = simd.mul_add_f32s(*sum, factor, term);
            }
        }
        black_box(sums);
        (2 * SUMS * S::F32_LANES * ROUNDS) as f64
    }
}

/// Reads numbers in their order and adds them up.
struct Read<'a>(&'a [f32]);

impl WithSimd for Read<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let mut sums = [simd.splat_f32s(0.0); SUMS];
        for group in S::as_simd_f32s(self.0).0.chunks_exact(SUMS) {
            for (sum, value) in sums.iter_mut().zip(group) {
                *sum = simd.add_f32s(*sum, *value);
            }
        }
        black_box(sums);
    }
}

/// One core's speed at some time.
#[derive(Clone, Copy)]
pub(crate) struct Speed {
    /// Floating point operations per second, single precision.
    flops: f64,
    /// Bytes per second.
    bytes: f64,
}

impl Speed {
    /// The least microseconds of an Adam step on some cores: each weight read twice, or used for two multiplications
    /// and two additions for each hypothesis, whichever takes longer. Cores share the arithmetic only.
    pub(crate) fn roofline(self, weights: usize, hypotheses: usize, cores: usize) -> f64 {
        let flops = self.flops * cores as f64;
        1e6 * ((8 * weights) as f64 / self.bytes).max((4 * weights * hypotheses) as f64 / flops)
    }
}

impl Machine {
    /// Takes a sample, reading `weights` numbers again and again.
    pub(crate) fn sample(&mut self, weights: usize) -> Speed {
        let arch = vectors();
        let start = Instant::now();
        let operations = arch.dispatch(Multiply);
        let flops = operations / start.elapsed().as_secs_f64();
        let values = vec![1.0_f32; weights];
        let passes = BYTES.div_ceil(4 * weights);
        arch.dispatch(Read(black_box(&values)));
        let start = Instant::now();
        (0..passes).for_each(|_| arch.dispatch(Read(black_box(&values))));
        let bytes = (4 * weights * passes) as f64 / start.elapsed().as_secs_f64();
        self.flops.push(flops);
        self.bytes.entry(weights).or_default().push(bytes);
        Speed { flops, bytes }
    }

    /// Says what was measured.
    pub(crate) fn describe(&self) -> Vec<String> {
        let mut lines = vec![format!("one core: {:.0} GFLOP/s", median(&mut self.flops.clone()) / 1e9)];
        for (weights, bytes) in &self.bytes {
            let (size, speed) = (4.0 * *weights as f64 / 1e6, median(&mut bytes.clone()) / 1e9);
            lines.push(format!("one core: {speed:.0} GB/s, reading {size:.2} MB again and again"));
        }
        lines
    }
}
