//! What was wrong with single joints of one message, gathered without allocating.

use super::joints::JointMessage;
use super::refusal::{Cause, Refusal};
use super::text::escaped;

/// Causes that concern single joints, and what was expected.
const EXPECTED: [(Cause, &str); 6] = [
    (Cause::NonfiniteJoint, "finite positions"),
    (Cause::Overflow, "positions that fit a 32 bit float"),
    (Cause::Precision, "at most 10000 turns, or 1000 m"),
    (Cause::DuplicateJoint, "one position for each name"),
    (Cause::OutOfLimits, "positions within the limits; used"),
    (Cause::Contradiction, "one publisher for each joint, but it flips between two positions; used"),
];

/// Counts, for each cause of [`EXPECTED`], joints and the first place.
#[derive(Debug, Default)]
pub(super) struct Findings {
    counts: [(usize, usize); EXPECTED.len()],
}

impl Findings {
    /// Notes one joint at a place of the message.
    pub(super) fn note(&mut self, cause: Cause, place: usize) {
        for ((known, _), count) in EXPECTED.iter().zip(&mut self.counts) {
            if *known == cause {
                *count = (count.0 + 1, if count.0 == 0 { place } else { count.1 });
            }
        }
    }

    /// Says what was found, one refusal for each cause.
    pub(super) fn report(&self, message: &JointMessage<'_>, refusals: &mut Vec<Refusal>) {
        for ((cause, expected), &(count, place)) in EXPECTED.iter().zip(&self.counts) {
            if count > 0 {
                let (name, position, all) =
                    (escaped(&message.names[place]), message.positions[place], message.names.len());
                let text = format!("{count} of {all} joints, first '{name}': got {position:?}; expected {expected}");
                let is_used = matches!(cause, Cause::OutOfLimits | Cause::Contradiction);
                refusals.push(Refusal { is_used, ..Refusal::new(*cause, text) });
            }
        }
    }
}
