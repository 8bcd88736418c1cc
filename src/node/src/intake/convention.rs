//! Joints by the names of a standard, as those of the task.

use thalweg_task::JointConvention;

use super::joints::JointMessage;

/// Farthest position that is translated, radians or metres; beyond, a joint stays as it came, and is told as unknown. As far as
/// positions of the task's own joints are exact (ten thousand turns).
const FARTHEST: f64 = 62_832.0;

/// Replaces joints of the convention by those of the task, `own`, that they say something of; others stay as they came. None
/// where there is none of the convention, or the message is none.
pub(super) fn translated(
    message: &JointMessage<'_>,
    convention: &JointConvention,
    own: &[String],
) -> Option<(Vec<String>, Vec<f64>)> {
    if message.names.len() != message.positions.len() {
        return None;
    }
    let mut theirs = vec![f64::NAN; convention.joints.len()];
    let (mut names, mut positions, mut is_any) = (Vec::new(), Vec::new(), false);
    for (name, position) in message.names.iter().zip(message.positions) {
        match (convention.place_of)(name).and_then(|place| theirs.get_mut(place)) {
            Some(slot) if position.is_nan() || position.abs() <= FARTHEST => (*slot, is_any) = (*position, true),
            _ => {
                names.push(name.clone());
                positions.push(*position);
            }
        }
    }
    if !is_any {
        return None;
    }
    let read = (convention.read)(&theirs);
    for (name, position) in own.iter().zip(read).filter(|(_, position)| position.is_finite()) {
        names.push(name.clone());
        positions.push(position);
    }
    Some((names, positions))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::Stamp;

    /// Twice the only joint.
    fn doubled() -> JointConvention {
        JointConvention {
            name: "doubled",
            joints: vec!["twice".to_owned()],
            place_of: |name| (name == "twice").then_some(0),
            read: |positions| vec![positions[0] / 2.0],
            write: |joints, _| vec![joints[0] * 2.0],
        }
    }

    fn message<'a>(names: &'a [String], positions: &'a [f64]) -> JointMessage<'a> {
        JointMessage { stamp: Stamp::default(), frame_id: "", names, positions, has_other_fields: false }
    }

    #[test]
    fn joints_of_the_convention_become_those_of_the_task_and_others_stay() {
        let own = ["a".to_owned()];
        let names = ["other", "twice"].map(str::to_owned);
        let found = translated(&message(&names, &[3.0, 4.0]), &doubled(), &own).expect("a joint of the convention");
        assert_eq!(found, (vec!["other".to_owned(), "a".to_owned()], vec![3.0, 2.0]));
        let unseen = translated(&message(&names, &[3.0, f64::NAN]), &doubled(), &own).expect("it is named");
        assert_eq!(unseen, (vec!["other".to_owned()], vec![3.0]));
        assert_eq!(translated(&message(&own, &[1.0]), &doubled(), &own), None);
        assert_eq!(translated(&message(&names, &[1.0]), &doubled(), &own), None, "it is refused as it came");
        assert_eq!(translated(&message(&names[1..], &[1e9]), &doubled(), &own), None, "and so is this");
    }
}
