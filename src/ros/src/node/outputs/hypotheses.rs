//! An answer as one message of thalweg_msgs.

use r2r::std_msgs::msg::Header;
use r2r::thalweg_msgs::msg::{Hypothesis, HypothesisArray};
use thalweg_engine::Answer;

/// All hypotheses of an answer, the best first.
///
/// `identities`: `[K]`, the number that stays with each, in the order of the answer.
pub(crate) fn hypothesis_array(
    answer: &Answer,
    identities: &[usize],
    header: &Header,
    joint_names: &[String],
) -> HypothesisArray {
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let hypotheses = answer.joints.iter().zip(&answer.weights).zip(&answer.losses).enumerate();
    let hypotheses = hypotheses.map(|(rank, ((position, weight), loss))| Hypothesis {
        position: position.clone(),
        weight: *weight as f32,
        loss: *loss as f32,
        rank: number(rank),
        identity: number(identities.get(rank).copied().unwrap_or(rank)),
    });
    HypothesisArray {
        header: header.clone(),
        joint_names: joint_names.to_vec(),
        hypotheses: hypotheses.collect(),
        landscape_id: answer.landscape.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rank_and_identity_are_fields() {
        let answer = Answer {
            joints: vec![vec![0.5], vec![1.5]],
            weights: vec![0.75, 0.25],
            losses: vec![0.0, 2.0],
            landscape: "a".to_owned(),
            ..Answer::default()
        };
        let message = hypothesis_array(&answer, &[1, 0], &Header::default(), &["j".to_owned()]);
        let told: Vec<_> =
            message.hypotheses.iter().map(|one| (one.rank, one.identity, one.weight, one.position[0])).collect();
        assert_eq!(told, [(0, 1, 0.75, 0.5), (1, 0, 0.25, 1.5)]);
        assert_eq!((message.joint_names, message.landscape_id), (vec!["j".to_owned()], "a".to_owned()));
    }
}
