//! Which hypothesis of an answer is which of the answer before: for whoever draws or follows one of them.
//!
//! An answer is ranked, and ranks change from one to the next while the hypotheses themselves hardly move. So each gets a
//! number that stays with it: the nearest pairs of the last answer's and this one's are matched first, as long as there
//! are some. That is not the assignment with the least sum, which costs K cubed, but agrees with it where hypotheses lie
//! further apart than they move.

use thalweg_engine::Answer;

/// Numbers of an image that are compared at most, spread evenly over it.
const PIXELS: usize = 256;

/// Remembers the hypotheses of the last answer.
#[derive(Clone, Debug, Default)]
pub struct Identities {
    /// What each is compared by, in the order of their numbers.
    last: Vec<Vec<f32>>,
}

impl Identities {
    /// Gives each hypothesis of an answer its number, in the order of the answer: `[K]`, 0 to K-1, each once.
    ///
    /// The first answer, and one with another K, numbers them by rank.
    pub fn of(&mut self, answer: &Answer) -> Vec<usize> {
        let shapes: Vec<Vec<f32>> = (0..answer.losses.len()).map(|rank| shape(answer, rank)).collect();
        let fits = self.last.len() == shapes.len() && self.last.iter().zip(&shapes).all(|(a, b)| a.len() == b.len());
        let numbers = if fits { self.matched(&shapes) } else { (0..shapes.len()).collect() };
        let mut last = vec![Vec::new(); shapes.len()];
        for (shape, &number) in shapes.into_iter().zip(&numbers) {
            last[number] = shape;
        }
        self.last = last;
        numbers
    }

    /// Forgets the last answer, as after a jump of the clock.
    pub fn clear(&mut self) {
        self.last.clear();
    }

    fn matched(&self, shapes: &[Vec<f32>]) -> Vec<usize> {
        let count = shapes.len();
        let mut pairs: Vec<(f32, usize, usize)> = Vec::with_capacity(count * count);
        for (rank, shape) in shapes.iter().enumerate() {
            for (number, last) in self.last.iter().enumerate() {
                let distance: f32 = shape.iter().zip(last).map(|(a, b)| (a - b).powi(2)).sum();
                pairs.push((distance, rank, number));
            }
        }
        // Equal distances: the better rank first, so that what is identical keeps its order.
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        let (mut numbers, mut is_taken) = (vec![None; count], vec![false; count]);
        for (_, rank, number) in pairs {
            if numbers[rank].is_none() && !is_taken[number] {
                numbers[rank] = Some(number);
                is_taken[number] = true;
            }
        }
        numbers.into_iter().map(|number| number.unwrap_or_default()).collect()
    }
}

/// What a hypothesis is compared by: joints, else points, else some pixels.
fn shape(answer: &Answer, rank: usize) -> Vec<f32> {
    if let Some(joints) = answer.joints.get(rank) {
        return joints.iter().map(|position| *position as f32).collect();
    }
    if let Some(points) = answer.points.get(rank) {
        return points.iter().flatten().map(|coordinate| *coordinate as f32).collect();
    }
    let pixels = answer.images.get(rank).map_or(&[][..], |image| image.data.as_slice());
    pixels.iter().step_by(pixels.len().div_ceil(PIXELS).max(1)).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(joints: &[&[f64]]) -> Answer {
        let joints: Vec<Vec<f64>> = joints.iter().map(|row| row.to_vec()).collect();
        Answer { losses: vec![0.0; joints.len()], joints, ..Answer::default() }
    }

    #[test]
    fn ranks_change_and_identities_do_not() {
        let mut identities = Identities::default();
        assert_eq!(identities.of(&answer(&[&[0.0, 0.0], &[1.0, 0.0], &[0.0, 2.0]])), [0, 1, 2]);
        assert_eq!(identities.of(&answer(&[&[0.1, 2.0], &[0.1, 0.0], &[1.1, 0.0]])), [2, 0, 1]);
        assert_eq!(identities.of(&answer(&[&[1.2, 0.1], &[0.2, 2.0], &[0.2, 0.0]])), [1, 2, 0]);
    }

    #[test]
    fn equal_ones_keep_their_order_and_another_number_begins_anew() {
        let mut identities = Identities::default();
        let same: &[&[f64]] = &[&[1.0], &[1.0], &[1.0]];
        assert_eq!(identities.of(&answer(same)), [0, 1, 2]);
        assert_eq!(identities.of(&answer(same)), [0, 1, 2]);
        assert_eq!(identities.of(&answer(&same[..2])), [0, 1]);
        assert_eq!(identities.of(&answer(&[&[5.0], &[1.0]])), [1, 0]);
        identities.clear();
        assert_eq!(identities.of(&answer(&[&[1.0], &[5.0]])), [0, 1]);
        assert!(identities.of(&Answer::default()).is_empty());
    }
}
