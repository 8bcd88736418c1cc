//! Notices a joint that two publishers fight over, and a body that two trackers do.

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

/// Smallest jump of a body that counts, metres from one message to the next: no body moves so, at any rate of a tracker. A
/// guess.
const LEAST_STRIDE: f32 = 0.2;

/// The same for the two positions between which a body goes to and fro: it moves on meanwhile, and is seen with noise.
const BODY_NEARER: f32 = 4.0;

/// Counts how often a body jumps back to where it had jumped from, as [`Flips`].
#[derive(Clone, Debug, Default)]
pub(super) struct BodyFlips {
    here: Vec<f32>,
    there: Vec<f32>,
    history: u16,
}

impl BodyFlips {
    /// Takes the next points `[P, 3]`, metres, NaN where unobserved; gives how far the body jumps, metres, where two
    /// trackers contradict each other.
    pub(super) fn contradict(&mut self, points: &[f32]) -> Option<f32> {
        let jump = apart(points, &self.here).unwrap_or(0.0);
        let back = apart(points, &self.there).is_some_and(|back| back * BODY_NEARER <= jump);
        let is_jump = jump > LEAST_STRIDE;
        if is_jump {
            self.there.clone_from(&self.here);
        }
        self.here = points.to_vec();
        let flip = is_jump && back;
        self.history = (self.history << 1 | u16::from(flip)) & ((1 << WINDOW) - 1);
        (flip && self.history.count_ones() >= ENOUGH).then_some(jump)
    }
}

/// Mean distance of the points that both have; none where there are none.
fn apart(one: &[f32], other: &[f32]) -> Option<f32> {
    let pairs = one.as_chunks::<3>().0.iter().zip(other.as_chunks::<3>().0);
    let distance = |(a, b): (&[f32; 3], &[f32; 3])| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt();
    let seen: Vec<f32> = pairs.map(distance).filter(|distance| !distance.is_nan()).collect();
    (!seen.is_empty()).then(|| seen.iter().sum::<f32>() / seen.len() as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A body of two points of which one is not seen at times, at x.
    fn body(x: f32, is_whole: bool) -> [f32; 6] {
        let hidden = if is_whole { x } else { f32::NAN };
        [x, 0.0, 2.0, hidden, 1.0, 2.0]
    }

    #[test]
    fn two_bodies_in_turn_contradict_and_one_that_moves_or_flickers_does_not() {
        let count = |bodies: Vec<[f32; 6]>| {
            let mut flips = BodyFlips::default();
            bodies.into_iter().filter(|body| flips.contradict(body).is_some()).count()
        };
        let walk = |frame: usize| 0.05 * frame as f32;
        assert_eq!(count((0..20).map(|i| body(walk(i) + (i % 2) as f32, i % 5 > 0)).collect()), 14);
        assert_eq!(count((0..100).map(|i| body(walk(i), i % 2 > 0)).collect()), 0);
        assert_eq!(count((0..100).map(|i| body((0.3 * i as f32).sin(), true)).collect()), 0);
        assert_eq!(count(vec![[f32::NAN; 6]; 20]), 0);
    }

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
