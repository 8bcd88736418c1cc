//! Which hypothesis is reported first.

use super::solution::rank;

/// How much less another loss has to be, as a share of it, to be better. A guess.
const MARGIN: f64 = 0.1;
/// Seconds for which it has to be so. A guess.
const PATIENCE: f64 = 0.25;

/// The row that is reported first, and for how long another one has been better.
///
/// A stream that jumps between two explanations is worse than one that stays with the second best for a while.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Leader {
    /// Row of the hypothesis.
    pub row: usize,
    /// Seconds for which another one has been better by a margin.
    pub behind: f64,
}

impl Leader {
    /// The leader of rows with these losses, `elapsed` seconds after `before`.
    pub(crate) fn next(before: Option<Self>, losses: &[f64], elapsed: f64) -> Option<Self> {
        let best = *rank(losses).first()?;
        let Some(Self { row, behind }) = before.filter(|leader| leader.row < losses.len()) else {
            return Some(Self { row: best, behind: 0.0 });
        };
        let is_behind = losses[row] > losses[best] * (1.0 + MARGIN);
        let behind = if is_behind { behind + elapsed } else { 0.0 };
        Some(if behind >= PATIENCE { Self { row: best, behind: 0.0 } } else { Self { row, behind } })
    }

    /// The leader of rows with these losses, from the leader of before and the seconds since; none where time does not
    /// count, and the best row is reported.
    pub(crate) fn of(lead: Option<(Option<Self>, f64)>, losses: &[f64]) -> Option<Self> {
        let (before, elapsed) = lead?;
        Self::next(before, losses, elapsed)
    }

    /// The rows, best first, but for the leader, which comes before all.
    pub(crate) fn order(self, losses: &[f64]) -> Vec<usize> {
        let mut order = rank(losses);
        if let Some(place) = order.iter().position(|row| *row == self.row) {
            order[..=place].rotate_right(1);
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_hypothesis_changes_only_when_another_is_better_for_some_time() {
        let mut leader = Leader::next(None, &[2.0, 1.0, 3.0], 0.01);
        assert_eq!(leader, Some(Leader { row: 1, behind: 0.0 }));
        for _ in 0..24 {
            leader = Leader::next(leader, &[0.5, 1.0, 3.0], 0.01);
            assert_eq!(leader.map(|leader| leader.row), Some(1));
        }
        // A moment of being about as good is enough to stay.
        leader = Leader::next(leader, &[0.95, 1.0, 3.0], 0.01);
        assert_eq!(leader, Some(Leader { row: 1, behind: 0.0 }));
        for _ in 0..26 {
            leader = Leader::next(leader, &[0.5, 1.0, 3.0], 0.01);
        }
        assert_eq!(leader, Some(Leader { row: 0, behind: 0.0 }));
    }

    #[test]
    fn the_leader_comes_first_and_the_others_keep_their_order() {
        let leader = Leader { row: 2, behind: 0.0 };
        assert_eq!(leader.order(&[2.0, 1.0, 4.0, 3.0]), [2, 1, 0, 3]);
        assert_eq!(
            Leader::next(Some(Leader { row: 9, behind: 0.0 }), &[2.0, 1.0], 0.1).map(|leader| leader.row),
            Some(1)
        );
    }
}
