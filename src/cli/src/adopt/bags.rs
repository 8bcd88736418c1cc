//! Joint states of bags.

use std::path::Path;

use thalweg_record::{Bag, BagTopic};

use super::AdoptError;
use super::frames::Frames;
use crate::console::{line, note};

/// Topics that a recording of ours has beside what was observed.
const ANSWER: &str = "/reconstruction";
/// The usual topic of joint states.
const USUAL: &str = "joint_states";
/// Most topics that a refusal lists.
const LISTED: usize = 30;

/// Reads the joint states of a bag, or of all bags in a folder.
pub(super) fn read(path: &Path, wanted: Option<&str>, frames: &mut Frames) -> anyhow::Result<()> {
    let bag = Bag::open(path)?;
    let (topics, notes) = bag.topics()?;
    notes.iter().for_each(|text| note(text));
    let topic = choose(path, &topics, wanted)?;
    let clip = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut states = bag.joint_states(&topic);
    frames.cut();
    for state in states.by_ref() {
        let (logged, reading) = state?;
        let stamp = i64::from(reading.sec) * 1_000_000_000 + i64::from(reading.nanosec);
        let nanos = if stamp == 0 { logged } else { stamp };
        let known: Vec<(usize, f64)> = reading
            .names
            .iter()
            .zip(&reading.positions)
            .filter_map(|(name, position)| Some((frames.place(name)?, *position)))
            .collect();
        if !known.is_empty() {
            frames.take(nanos, known.into_iter(), &clip);
        }
    }
    frames.cut();
    let damage = states.damage();
    if damage.has_lost() {
        note(&format!("{}: lost {damage}", path.display()));
    }
    Ok(())
}

/// The topic that is wanted, the only one, or the one that is called as usual.
fn choose(path: &Path, topics: &[BagTopic], wanted: Option<&str>) -> Result<String, AdoptError> {
    let usable: Vec<&BagTopic> = topics.iter().filter(|topic| topic.has_joint_states() && topic.messages > 0).collect();
    let refuse = |why: String| AdoptError::data(path, why);
    if let Some(wanted) = wanted {
        let is_there = usable.iter().any(|topic| topic.name == wanted);
        let why = || refuse(format!("--topic {wanted}: has no joint states; found {}", listed(topics)));
        return if is_there { Ok(wanted.to_owned()) } else { Err(why()) };
    }
    let observed: Vec<&BagTopic> = usable.iter().copied().filter(|topic| !topic.name.ends_with(ANSWER)).collect();
    let usual: Vec<&BagTopic> =
        observed.iter().copied().filter(|topic| topic.name.rsplit('/').next() == Some(USUAL)).collect();
    match (&usable[..], &observed[..], &usual[..]) {
        ([], ..) => {
            let encoded = topics.iter().find(|topic| topic.has_other_joint_states());
            let hint = encoded.map_or_else(String::new, |topic| {
                format!(
                    "; joint states of {} are encoded as {}, expected cdr",
                    line(&topic.name),
                    line(&topic.encoding)
                )
            });
            Err(refuse(format!("expected sensor_msgs/msg/JointState messages, found {}{hint}", listed(topics))))
        }
        (_, [only], _) | (_, _, [only]) | ([only], ..) => Ok(only.name.clone()),
        _ => Err(refuse(format!(
            "has joint states on several topics, choose one with --topic: {}",
            usable.iter().map(|topic| line(&topic.name)).collect::<Vec<_>>().join(", ")
        ))),
    }
}

fn listed(topics: &[BagTopic]) -> String {
    if topics.is_empty() {
        return "no topic".to_owned();
    }
    let more = if topics.len() > LISTED { format!(", and {} others", topics.len() - LISTED) } else { String::new() };
    let named = topics.iter().take(LISTED).map(|topic| {
        let kind = if topic.kind.is_empty() { "an unknown type".into() } else { line(&topic.kind) };
        format!("{} ({} of {kind})", line(&topic.name), topic.messages)
    });
    named.collect::<Vec<_>>().join(", ") + &more
}
