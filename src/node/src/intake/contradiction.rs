//! Notices a joint that two publishers fight over.

/// Messages over which flips are counted (J18).
const WINDOW: u32 = 10;

/// Flips within the window that make a contradiction.
const ENOUGH: u32 = 5;

/// Smallest jump that counts, rad or m: above the noise of an encoder. A guess.
const LEAST_JUMP: f32 = 0.05;

/// How much nearer the value is to where it came from than to where it was.
const NEARER: f32 = 10.0;

/// Counts how often one joint jumps back to where it had jumped from.
///
/// With publishers that alternate, that is the value before the last one; comparing with the value
/// before the last jump instead also catches publishers of rates up to 1 : 3.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flips {
    here: Option<f32>,
    there: Option<f32>,
    history: u16,
}

impl Flips {
    /// Takes the next value; tells whether the joint is being contradicted.
    pub(super) fn contradicts(&mut self, value: f32) -> bool {
        let flip = self.moved(value);
        self.history = (self.history << 1 | u16::from(flip)) & ((1 << WINDOW) - 1);
        flip && self.history.count_ones() >= ENOUGH
    }

    /// Follows the value; tells whether it jumped back.
    fn moved(&mut self, value: f32) -> bool {
        let jump = self.here.map_or(0.0, |here| (value - here).abs());
        let back = self.there.is_some_and(|there| (value - there).abs() * NEARER <= jump);
        let jumped = jump > LEAST_JUMP;
        if jumped {
            self.there = self.here;
        }
        self.here = Some(value);
        jumped && back
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(values: impl Iterator<Item = f32>) -> usize {
        let mut flips = Flips::default();
        values.filter(|value| flips.contradicts(*value)).count()
    }

    #[test]
    fn alternating_values_contradict_from_the_fifth_flip() {
        let fight = |n: usize| (0..n).map(|i| if i % 2 == 0 { 0.1 } else { 0.9 });
        assert_eq!(count(fight(6)), 0);
        assert_eq!(count(fight(7)), 1);
        assert_eq!(count(fight(20)), 14);
    }

    #[test]
    fn unequal_rates_contradict() {
        assert!(count((0..40).map(|i| if i % 3 == 0 { -1.0 } else { 1.0 })) > 10);
        assert!(count((0..40).map(|i| if i % 4 == 0 { -1.0 } else { 1.0 })) > 5);
    }

    #[test]
    fn motion_does_not_contradict() {
        assert_eq!(count((0..1000).map(|i| (i as f32 * 0.3).sin())), 0);
        assert_eq!(count((0..1000).map(|i| 0.3 * i as f32)), 0);
        assert_eq!(count((0..1000).map(|i| 0.02 * (i % 2) as f32)), 0);
    }
}
