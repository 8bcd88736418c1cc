//! Class scores, read.

/// Orders classes by how likely the logits `[C]` make them, the likeliest first, each with its share of the exponentials
/// (softmax): they sum to one. None where a logit is not finite, or there is another number of names.
#[must_use]
pub fn ranked<'a>(classes: &'a [String], logits: &[f64]) -> Option<Vec<(&'a str, f64)>> {
    if logits.is_empty() || logits.len() != classes.len() || !logits.iter().all(|logit| logit.is_finite()) {
        return None;
    }
    let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let shares: Vec<f64> = logits.iter().map(|logit| (logit - most).exp()).collect();
    let sum: f64 = shares.iter().sum();
    let mut ranked: Vec<_> = classes.iter().map(String::as_str).zip(shares.iter().map(|share| share / sum)).collect();
    // Stable: of equals, the first.
    ranked.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    Some(ranked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_ranked_by_their_share() {
        let classes = ["cat", "dog", "owl"].map(str::to_owned);
        let found = ranked(&classes, &[1000.0, 1000.0 + 3_f64.ln(), 1000.0]).expect("finite");
        assert_eq!(found.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["dog", "cat", "owl"]);
        assert!((found[0].1 - 0.6).abs() < 1e-12 && (found[1].1 - 0.2).abs() < 1e-12, "{found:?}");
        assert_eq!(ranked(&classes, &[1.0, f64::NAN, 0.0]), None);
        assert_eq!(ranked(&classes, &[f64::INFINITY, 1.0, 0.0]), None);
        assert_eq!(ranked(&classes, &[1.0, 0.0]), None);
        assert_eq!(ranked(&[], &[]), None);
    }
}
