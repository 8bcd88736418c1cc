//! Element types and their vectors, as wide as the processor has them.

use pulp::Simd;
use thalweg_task::Coordinate;

/// An element type that a native model computes in: `f32` in service, `f64` to check.
pub(crate) trait Real: Coordinate {
    /// Distance between one and the next number.
    const EPSILON: f64;

    /// A register of elements.
    type Lanes<S: Simd>: Copy;

    /// Takes sine and cosine of an angle, radians.
    fn sine_and_cosine(self) -> (Self, Self);
    /// Angle of the point (`x`, `self`), radians.
    fn angle(self, x: Self) -> Self;

    /// How many elements a register has.
    fn lanes<S: Simd>() -> usize;
    /// Views a slice as registers; what does not fill one is left out.
    fn registers<S: Simd>(slice: &[Self]) -> &[Self::Lanes<S>];
    /// As [`Real::registers`], to write.
    fn registers_mut<S: Simd>(slice: &mut [Self]) -> &mut [Self::Lanes<S>];
    /// Fills a register with one number.
    fn splat<S: Simd>(simd: S, value: Self) -> Self::Lanes<S>;
    /// Computes `a b + c`, rounded once.
    fn times_plus<S: Simd>(simd: S, a: Self::Lanes<S>, b: Self::Lanes<S>, c: Self::Lanes<S>) -> Self::Lanes<S>;
    /// Computes `a b`.
    fn times<S: Simd>(simd: S, a: Self::Lanes<S>, b: Self::Lanes<S>) -> Self::Lanes<S>;
    /// Computes `a + b`.
    fn plus<S: Simd>(simd: S, a: Self::Lanes<S>, b: Self::Lanes<S>) -> Self::Lanes<S>;
    /// Computes `a - b`.
    fn minus<S: Simd>(simd: S, a: Self::Lanes<S>, b: Self::Lanes<S>) -> Self::Lanes<S>;
    /// Computes `a / b`.
    fn over<S: Simd>(simd: S, a: Self::Lanes<S>, b: Self::Lanes<S>) -> Self::Lanes<S>;
    /// Takes square roots.
    fn roots<S: Simd>(simd: S, a: Self::Lanes<S>) -> Self::Lanes<S>;
    /// Takes the greater of each pair; not a number where both are not.
    fn greater<S: Simd>(simd: S, a: Self::Lanes<S>, b: Self::Lanes<S>) -> Self::Lanes<S>;
    /// Adds up the elements of each register.
    fn add_up<S: Simd, const R: usize, const I: usize>(simd: S, parts: [[Self::Lanes<S>; R]; I]) -> [[Self; R]; I];
    /// Takes `yes` where `by` is above zero, `no` elsewhere.
    fn choose<S: Simd>(simd: S, by: Self::Lanes<S>, yes: Self::Lanes<S>, no: Self::Lanes<S>) -> Self::Lanes<S>;
}

macro_rules! real {
    ($real:ty, $lanes:ident, $count:ident, $view:ident, $view_mut:ident, $splat:ident, $mul_add:ident, $mul:ident,
     $add:ident, $max:ident, $above:ident, $select:ident, $reduce:ident, $sub:ident, $div:ident, $sqrt:ident, $tree:path) => {
        impl Real for $real {
            const EPSILON: f64 = <$real>::EPSILON as f64;

            type Lanes<S: Simd> = S::$lanes;

            #[inline(always)]
            fn sine_and_cosine(self) -> (Self, Self) {
                self.sin_cos()
            }

            #[inline(always)]
            fn angle(self, x: Self) -> Self {
                self.atan2(x)
            }

            #[inline(always)]
            fn lanes<S: Simd>() -> usize {
                S::$count
            }

            #[inline(always)]
            fn registers<S: Simd>(slice: &[Self]) -> &[S::$lanes] {
                S::$view(slice).0
            }

            #[inline(always)]
            fn registers_mut<S: Simd>(slice: &mut [Self]) -> &mut [S::$lanes] {
                S::$view_mut(slice).0
            }

            #[inline(always)]
            fn splat<S: Simd>(simd: S, value: Self) -> S::$lanes {
                simd.$splat(value)
            }

            #[inline(always)]
            fn times_plus<S: Simd>(simd: S, a: S::$lanes, b: S::$lanes, c: S::$lanes) -> S::$lanes {
                simd.$mul_add(a, b, c)
            }

            #[inline(always)]
            fn times<S: Simd>(simd: S, a: S::$lanes, b: S::$lanes) -> S::$lanes {
                simd.$mul(a, b)
            }

            #[inline(always)]
            fn plus<S: Simd>(simd: S, a: S::$lanes, b: S::$lanes) -> S::$lanes {
                simd.$add(a, b)
            }

            #[inline(always)]
            fn minus<S: Simd>(simd: S, a: S::$lanes, b: S::$lanes) -> S::$lanes {
                simd.$sub(a, b)
            }

            #[inline(always)]
            fn over<S: Simd>(simd: S, a: S::$lanes, b: S::$lanes) -> S::$lanes {
                simd.$div(a, b)
            }

            #[inline(always)]
            fn roots<S: Simd>(simd: S, a: S::$lanes) -> S::$lanes {
                simd.$sqrt(a)
            }

            #[inline(always)]
            fn greater<S: Simd>(simd: S, a: S::$lanes, b: S::$lanes) -> S::$lanes {
                simd.$max(a, b)
            }

            #[inline(always)]
            fn add_up<S: Simd, const R: usize, const I: usize>(simd: S, parts: [[S::$lanes; R]; I]) -> [[Self; R]; I] {
                match $tree(simd, parts.as_flattened()) {
                    Some(sums) => std::array::from_fn(|i| std::array::from_fn(|r| sums[i * R + r])),
                    None => parts.map(|parts| parts.map(|part| simd.$reduce(part))),
                }
            }

            #[inline(always)]
            fn choose<S: Simd>(simd: S, by: S::$lanes, yes: S::$lanes, no: S::$lanes) -> S::$lanes {
                simd.$select(simd.$above(by, simd.$splat(0.0)), yes, no)
            }
        }
    };
}

real!(
    f32,
    f32s,
    F32_LANES,
    as_simd_f32s,
    as_mut_simd_f32s,
    splat_f32s,
    mul_add_f32s,
    mul_f32s,
    add_f32s,
    max_f32s,
    greater_than_f32s,
    select_f32s,
    reduce_sum_f32s,
    sub_f32s,
    div_f32s,
    sqrt_f32s,
    super::sums::together
);
real!(
    f64,
    f64s,
    F64_LANES,
    as_simd_f64s,
    as_mut_simd_f64s,
    splat_f64s,
    mul_add_f64s,
    mul_f64s,
    add_f64s,
    max_f64s,
    greater_than_f64s,
    select_f64s,
    reduce_sum_f64s,
    sub_f64s,
    div_f64s,
    sqrt_f64s,
    super::sums::none
);
