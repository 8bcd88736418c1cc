//! How many steps reach a loss, and what they cost.

use std::time::Duration;

use crate::defaults;

/// Share of the processor's time that a GPU must stay below: what differs by less may be the other way round tomorrow, and
/// the processor is what is better proved.
const MARGIN: f64 = 0.9;

/// What a solve takes, and where it ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Side {
    pub(super) time: Duration,
    pub(super) loss: f64,
}

impl Side {
    /// Whether it ends as low: within what a step must gain that is worth going on for. NaN never does.
    fn is_as_low_as(self, other: Self) -> bool {
        self.loss <= other.loss * (1.0 + defaults::TOLERANCE)
    }

    pub(super) fn is_faster_than(self, other: Self) -> bool {
        self.time < other.time.mul_f64(MARGIN)
    }
}

/// How a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The loss was reached.
    Reached,
    /// It was not, in more time than the other side takes.
    Slower,
    /// It was not, in as many steps as are allowed.
    OutOfSteps,
    /// There was no time left to try more steps.
    OutOfTime,
}

/// The last number of steps that was tried, or the least one that was found to reach the loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Found {
    pub(super) steps: u32,
    pub(super) side: Side,
    pub(super) end: End,
}

/// Tries 1, 2, 4, .. steps until the loss of the other side is reached or its time is used up. Where steps that reach it are
/// too slow, and half as many did not reach it, looks between the two.
///
/// `run` solves with so many steps; none where no time is left for it.
///
/// # Errors
/// What `run` fails with.
pub(super) fn search<E>(
    other: Side,
    most: u32,
    mut run: impl FnMut(u32) -> Result<Option<Side>, E>,
) -> Result<Found, E> {
    let nothing = Side { time: Duration::ZERO, loss: f64::NAN };
    let mut last = Found { steps: 0, side: nothing, end: End::OutOfTime };
    let mut steps = 1.min(most);
    loop {
        let Some(side) = run(steps)? else { return Ok(last) };
        if side.is_as_low_as(other) {
            let reached = Found { steps, side, end: End::Reached };
            return if side.is_faster_than(other) { Ok(reached) } else { between(other, last.steps, reached, run) };
        }
        last = Found { steps, side, end: End::OutOfTime };
        if !side.is_faster_than(other) {
            return Ok(Found { end: End::Slower, ..last });
        }
        if steps >= most {
            return Ok(Found { end: End::OutOfSteps, ..last });
        }
        steps = steps.saturating_mul(2).min(most);
    }
}

/// Looks for fewer steps that reach it, down to an eighth of them.
fn between<E>(
    other: Side,
    mut too_few: u32,
    mut reached: Found,
    mut run: impl FnMut(u32) -> Result<Option<Side>, E>,
) -> Result<Found, E> {
    while !reached.side.is_faster_than(other) && reached.steps - too_few > (reached.steps / 8).max(1) {
        let steps = too_few + (reached.steps - too_few) / 2;
        match run(steps)? {
            None => break,
            Some(side) if side.is_as_low_as(other) => reached = Found { steps, side, ..reached },
            Some(_) => too_few = steps,
        }
    }
    Ok(reached)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(micros: u64, loss: f64) -> Side {
        Side { time: Duration::from_micros(micros), loss }
    }

    /// A descent of which each step takes so many microseconds, after as many more, and which needs so many.
    fn of(step: u64, needed: u32, tried: &mut Vec<u32>) -> Found {
        let run = |steps: u32| {
            tried.push(steps);
            Ok::<_, ()>(Some(side(step * (1 + u64::from(steps)), if steps >= needed { 1.02 } else { 2.0 })))
        };
        search(side(1000, 1.0), 64, run).unwrap()
    }

    #[test]
    fn steps_are_doubled_until_the_loss_is_reached() {
        let mut tried = Vec::new();
        let found = of(10, 13, &mut tried);
        assert_eq!((found.steps, found.end, tried), (16, End::Reached, vec![1, 2, 4, 8, 16]));
        assert!(found.side.is_faster_than(side(1000, 1.0)));
    }

    #[test]
    fn half_as_many_more_are_tried_where_twice_as_many_are_too_slow() {
        let mut tried = Vec::new();
        let found = of(35, 18, &mut tried);
        assert_eq!((found.steps, found.end, tried), (24, End::Reached, vec![1, 2, 4, 8, 16, 32, 24]));
        assert!(found.side.is_faster_than(side(1000, 1.0)));
        // Nor does it help where even the fewest are too slow.
        let found = of(50, 18, &mut Vec::new());
        assert_eq!((found.steps, found.end), (18, End::Reached));
        assert!(!found.side.is_faster_than(side(1000, 1.0)));
    }

    #[test]
    fn who_is_slower_before_it_is_there_has_lost() {
        let mut tried = Vec::new();
        let found = of(300, 13, &mut tried);
        assert_eq!((found.steps, found.end, tried), (2, End::Slower, vec![1, 2]));
        let found = of(1, 100, &mut Vec::new());
        assert_eq!((found.steps, found.end), (64, End::OutOfSteps));
    }

    #[test]
    fn time_that_is_over_and_numbers_that_are_none_decide_for_the_other_side() {
        let found = search(side(1000, 1.0), 64, |_| Ok::<_, ()>(None)).unwrap();
        assert_eq!((found.steps, found.end), (0, End::OutOfTime));
        for (got, other) in [(f64::NAN, 1.0), (1.0, f64::NAN), (f64::INFINITY, 1.0)] {
            let found = search(side(1000, other), 4, |_| Ok::<_, ()>(Some(side(1, got)))).unwrap();
            assert_eq!((found.steps, found.end), (4, End::OutOfSteps));
        }
        assert_eq!(search(side(1000, 1.0), 4, |_| Err::<Option<Side>, _>("lost")), Err("lost"));
    }
}
