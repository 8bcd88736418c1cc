//! What an image shows, as text for whoever reads `~/label`.

use serde_json::{Value, json};
use thalweg_engine::{Answer, ranked};
use thalweg_task::TaskSpec;

/// Most classes that are named.
const NAMED: usize = 5;
/// Nanoseconds of a second.
const SECOND: i64 = 1_000_000_000;

/// Tells as JSON what class the best hypothesis of an answer has, how sure that is, and the five likeliest; stamp and frame
/// are those of the observation.
///
/// None where the task classifies nothing, or a score is not finite: there is no such number in JSON, and none is published.
#[must_use]
pub fn label(answer: &Answer, spec: &TaskSpec, stamp_nanos: i64, frame_id: &str) -> Option<String> {
    let scored = ranked(&spec.classes, answer.labels.first()?)?;
    let (class, confidence) = *scored.first()?;
    let told = |(class, confidence): &(&str, f64)| json!({ "class": class, "confidence": confidence });
    let top: Vec<Value> = scored.iter().take(NAMED).map(told).collect();
    let stamp = json!({ "sec": stamp_nanos.div_euclid(SECOND), "nanosec": stamp_nanos.rem_euclid(SECOND) });
    let told = json!({ "stamp": stamp, "frame_id": frame_id, "class": class, "confidence": confidence, "top": top });
    Some(told.to_string())
}

#[cfg(test)]
mod tests {
    use thalweg_task::LoadOptions;

    use super::*;

    fn spec(classes: &[&str]) -> TaskSpec {
        let task = thalweg::Registry::shipped().load("planar_arm", &LoadOptions::default()).expect("it needs no file");
        TaskSpec { classes: classes.iter().map(|&class| class.to_owned()).collect(), ..task.spec().clone() }
    }

    #[test]
    fn the_likeliest_class_is_told_with_those_after_it() {
        let spec = spec(&["a", "b", "c \"d\"", "e", "f", "g"]);
        let answer = Answer { labels: vec![vec![0.0, 0.0, 9.0, 0.0, 0.0, 1.0], vec![9.0; 6]], ..Answer::default() };
        let text = label(&answer, &spec, 1_500_000_007, "eye").expect("a label");
        let json: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!((&json["class"], &json["frame_id"]), (&"c \"d\"".into(), &"eye".into()));
        assert_eq!(json["stamp"], json!({ "sec": 1, "nanosec": 500_000_007 }));
        let top = json["top"].as_array().expect("a list");
        assert_eq!((top.len(), &top[1]["class"], &top[0]["confidence"]), (5, &"g".into(), &json["confidence"]));
        assert!(json["confidence"].as_f64().is_some_and(|confidence| confidence > 0.99), "{text}");
    }

    #[test]
    fn what_is_no_number_is_not_told() {
        let spec = spec(&["a", "b"]);
        let answer = |logits: &[f64]| Answer { labels: vec![logits.to_vec()], ..Answer::default() };
        assert!(label(&answer(&[0.0, 1.0]), &spec, 0, "").is_some());
        assert_eq!(label(&answer(&[0.0, f64::NAN]), &spec, 0, ""), None);
        assert_eq!(label(&answer(&[0.0, f64::INFINITY]), &spec, 0, ""), None);
        assert_eq!(label(&Answer::default(), &spec, 0, ""), None);
    }
}
