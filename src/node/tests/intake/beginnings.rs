//! Row J8: time that begins anew, and what is used with a remark.

use thalweg_node::intake::{Cause, Input, Intake, IntakeConfig, JointBoard, JointConfig};

use crate::messages::{Cloud, Joints, NOW, Picture, SECOND, at, causes, joint_specs, task_spec};

/// Messages of one source, one after the other; tells which were used, and what was said.
fn stream(stamps: impl Iterator<Item = i64>) -> (Vec<bool>, Vec<Cause>) {
    let mut board = JointBoard::new(&joint_specs(), JointConfig::default());
    let mut said = Vec::new();
    let used = stamps.map(|nanos| {
        let taken = board.take(&Joints::new(&["hip"], &[0.1]).stamped(at(nanos)).message(), NOW);
        said.extend(causes(&taken));
        taken.used == 1
    });
    (used.collect(), said)
}

#[test]
fn j8_a_run_of_older_stamps_is_a_new_beginning() {
    let before = (0..50).map(|index| 1000 * SECOND + index * SECOND / 50);
    let after = (0..100).map(|index| 2 * SECOND + index * SECOND / 50);
    let (used, said) = stream(before.chain(after));
    let refused: Vec<_> = (0..150).filter(|place| !used[*place]).collect();
    assert_eq!(refused, (50..59).collect::<Vec<_>>(), "the tenth is the beginning");
    assert_eq!(said, [vec![Cause::OutOfOrder; 9], vec![Cause::NewBeginning]].concat(), "told once");
}

#[test]
fn j8_every_loop_of_a_bag_is_a_new_beginning() {
    let (used, said) = stream((0..3).flat_map(|_| (0..40).map(|index| 2 * SECOND + index * SECOND / 50)));
    assert_eq!(used.iter().filter(|used| !**used).count(), 2 * 9);
    assert_eq!(said.iter().filter(|cause| **cause == Cause::NewBeginning).count(), 2);
}

#[test]
fn j8_what_is_late_falls_or_stands_still_begins_nothing() {
    // Two sources of one name, one of them a second late.
    let (used, said) = stream((1..200).map(|index| NOW - SECOND * (index % 2) + index));
    assert_eq!(used.iter().filter(|used| **used).count(), 100, "the first and those in order");
    assert!(!said.contains(&Cause::NewBeginning));
    for step in [0, -1] {
        let (used, said) = stream(std::iter::once(NOW).chain((0..200).map(|index| NOW - SECOND + step * index)));
        assert_eq!(used.iter().filter(|used| **used).count(), 1, "step {step}");
        assert_eq!(said, [Cause::OutOfOrder; 200]);
    }
}

#[test]
fn j8_images_and_points_begin_anew_as_joints_do() {
    let mut intake = Intake::new(&task_spec(), IntakeConfig::default());
    for nanos in (0..5).map(|index| NOW + index).chain((0..12).map(|index| 2 * SECOND + index)) {
        let picture = Picture { stamp: at(nanos), ..Picture::new("mono8", 4, 4, &[100; 16]) };
        intake.take_image(&picture.message(), NOW);
        let cloud = Cloud { stamp: at(nanos), ..Cloud::new(&[[1.0; 3], [2.0; 3]]) };
        intake.take_points(&cloud.message(&cloud.fields()), NOW);
    }
    for input in [Input::Image, Input::Points] {
        let channel = intake.channel(input);
        assert_eq!((channel.seen, channel.used, channel.noticed), (17, 8, 1), "{input:?}");
        assert_eq!(channel.tally.totals().collect::<Vec<_>>(), [(Cause::OutOfOrder, 9)]);
        assert_eq!(channel.tally.notices().collect::<Vec<_>>(), [(Cause::NewBeginning, 1)]);
    }
}

#[test]
fn what_is_used_with_a_remark_is_noticed_and_not_refused() {
    let mut intake = Intake::new(&task_spec(), IntakeConfig::default());
    for index in 0..30 {
        // A second ahead, and the lift beyond its limit.
        let joints = Joints::new(&["hip", "lift"], &[0.1, 0.9]).stamped(at(NOW + SECOND + index));
        assert_eq!(intake.take_joints(&joints.message(), NOW).used, 2);
    }
    let joints = Joints::new(&["hip", "lift"], &[f64::NAN, 0.3]).stamped(at(NOW + SECOND + 30));
    intake.take_joints(&joints.message(), NOW + SECOND + 30);
    let channel = intake.channel(Input::Joints);
    assert_eq!((channel.seen, channel.used, channel.noticed), (31, 31, 30));
    assert_eq!(channel.tally.totals().collect::<Vec<_>>(), [(Cause::NonfiniteJoint, 1)]);
    assert_eq!(channel.tally.notices().collect::<Vec<_>>(), [(Cause::FutureStamp, 30), (Cause::OutOfLimits, 30)]);
    let last = intake.channel_mut(Input::Joints).tally.since_last().last.expect("told");
    assert_eq!((last.cause, last.is_used), (Cause::NonfiniteJoint, false));
}
