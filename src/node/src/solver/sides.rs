//! Notices a tracker that has left and right swapped, as one that is shown a mirror image.

use std::collections::VecDeque;

use thalweg_engine::Engine;
use thalweg_task::Observation;

/// Every how many observations the points are held against their mirror image: what it costs (two looks at the stored
/// poses) is a fraction of a solve's time then.
const EVERY: u32 = 10;
/// Looks over which the mean is taken.
const WINDOW: usize = 20;
/// Mean of the logarithm of the ratio of misfits above which sides are swapped. On validation clips of a second it is at
/// most -0.09 for points as they are (docs/trackers.md), so at least 0.09 for mirrored ones.
const SWAPPED: f64 = 0.05;

/// What was found in the last looks.
#[derive(Clone, Debug, Default)]
pub(super) struct Sides {
    looks: VecDeque<f64>,
    passed: u32,
}

impl Sides {
    /// Takes an observation that was solved.
    pub(super) fn look(&mut self, engine: &mut Engine, obs: &Observation) {
        self.passed += 1;
        if self.passed < EVERY {
            return;
        }
        self.passed = 0;
        let Some(ratio) = engine.handedness(obs) else { return };
        self.note(ratio);
    }

    fn note(&mut self, ratio: f64) {
        if self.looks.len() == WINDOW {
            self.looks.pop_front();
        }
        self.looks.push_back(ratio);
    }

    /// Whether left and right are swapped.
    pub(super) fn are_swapped(&self) -> bool {
        self.looks.len() == WINDOW && self.looks.iter().sum::<f64>() > SWAPPED * WINDOW as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_are_swapped_when_the_mirror_image_fits_better_for_a_while() {
        let mut sides = Sides::default();
        for _ in 1..WINDOW {
            sides.note(1.0);
            assert!(!sides.are_swapped(), "too early");
        }
        sides.note(1.0);
        assert!(sides.are_swapped());
        // The tracker is mended.
        for _ in 0..WINDOW {
            sides.note(-1.0);
        }
        assert!(!sides.are_swapped());
        // A pose or two that are much like their mirror image tell nothing.
        sides.note(0.4);
        assert!(!sides.are_swapped());
    }
}
