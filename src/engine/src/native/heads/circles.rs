//! Angles among the numbers that layers give: as they are, or as sine and cosine, which are brought to length one.

use super::comparison::{Derivative, SIX, score};
use crate::native::kernels::real::Real;

/// Which numbers are sines; a cosine follows each. Without any, nothing is done.
#[derive(Clone, Debug, Default)]
pub(crate) struct Circles {
    sines: Vec<usize>,
    /// For each number, whether it is of a pair, and the place of that pair's sine.
    pair: Vec<Option<usize>>,
    /// For each number, whether it is an angle that is compared by its chord; empty where none is.
    chords: Vec<bool>,
    least_length: f64,
}

impl Circles {
    /// Of layers with so many outputs; none when pairs do not fit in, or overlap.
    pub(super) fn new(sines: Vec<usize>, least_length: f64, outputs: usize) -> Option<Self> {
        let mut pair = vec![None; outputs];
        for &sine in &sines {
            for place in sine..=sine.checked_add(1)? {
                if pair.get_mut(place)?.replace(sine).is_some() {
                    return None;
                }
            }
        }
        Some(Self { sines, pair, least_length, ..Self::default() })
    }

    /// Of layers with so many outputs, of which some are angles; none when there are no such outputs.
    pub(super) fn of_angles(angles: &[usize], outputs: usize) -> Option<Self> {
        let mut chords = vec![false; outputs];
        for &angle in angles {
            *chords.get_mut(angle)? = true;
        }
        Some(Self { chords, ..Self::default() })
    }

    /// Sine and cosine of half of what lies between number `place` and its value, where it is an angle.
    fn half<T: Real>(&self, number: T, value: T, place: usize) -> Option<(T, T)> {
        let is_angle = self.chords.get(place).copied().unwrap_or(false);
        is_angle.then(|| ((number - value) / T::of(2.0)).sine_and_cosine())
    }

    /// A pair at length one, and the length it had.
    fn unit<T: Real>(&self, row: &[T], sine: usize) -> ([T; 2], T) {
        let (s, c, least) = (row[sine], row[sine + 1], T::of(self.least_length));
        let length = (s * s + c * c + least * least).square_root();
        ([s / length, c / length], length)
    }

    /// Brings pairs in a row of numbers to length one.
    pub(super) fn apply<T: Real>(&self, row: &mut [T]) {
        for &sine in &self.sines {
            let ([s, c], _) = self.unit(row, sine);
            (row[sine], row[sine + 1]) = (s, c);
        }
    }

    /// Scores a row, and puts the loss's derivative in its place.
    #[allow(clippy::needless_range_loop, reason = "a pair is scored with its sine")]
    pub(super) fn pull<T: Real>(&self, row: &mut [T], value: &[T], weight: &[T]) -> T {
        let mut loss = T::ZERO;
        for place in 0..row.len() {
            match self.pair.get(place).copied().flatten() {
                None => match self.half(row[place], value[place], place) {
                    Some((sine, cosine)) => {
                        let [by_chord] = score([T::of(2.0) * sine], &weight[place..], &mut loss);
                        row[place] = by_chord * cosine;
                    }
                    None => [row[place]] = score([row[place] - value[place]], &weight[place..], &mut loss),
                },
                Some(sine) if sine == place => {
                    let ([s, c], length) = self.unit(row, sine);
                    let [by_s, by_c] = score([s - value[sine], c - value[sine + 1]], &weight[sine..], &mut loss);
                    let along = by_s * s + by_c * c;
                    (row[sine], row[sine + 1]) = ((by_s - along * s) / length, (by_c - along * c) / length);
                }
                // With its sine.
                Some(_) => {}
            }
        }
        loss
    }

    /// How the residual of number `place` changes with `raw`, the layers' output.
    pub(super) fn derive<T: Real>(&self, raw: &[T], place: usize, (value, weight): (T, T)) -> Derivative<T> {
        let mut by_raw = [T::ZERO; SIX];
        let Some(sine) = self.pair.get(place).copied().flatten() else {
            let cosine = self.half(raw[place], value, place).map_or(T::ONE, |(_, cosine)| cosine);
            by_raw[0] = cosine * weight;
            return Derivative { row: 0, first: place, count: 1, by_raw };
        };
        let (unit, length) = self.unit(raw, sine);
        let mine = unit[place - sine];
        for (entry, other) in unit.into_iter().enumerate() {
            let same = if entry == place - sine { T::ONE } else { T::ZERO };
            by_raw[entry] = (same - mine * other) / length * weight;
        }
        Derivative { row: 0, first: sine, count: 2, by_raw }
    }
}
