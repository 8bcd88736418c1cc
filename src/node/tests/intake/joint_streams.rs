//! Rows J8, J17 and J18: what several messages do together.

use std::time::Duration;

use thalweg_node::intake::{Cause, JointBoard, JointConfig};

use crate::messages::{Joints, NOW, SECOND, at, causes, joint_specs};

fn board() -> JointBoard {
    JointBoard::new(&joint_specs(), JointConfig::default())
}

#[test]
fn j8_an_older_stamp_of_the_same_source_is_refused() {
    let mut board = board();
    let mut take = |names: &[&str], nanos| {
        let positions = vec![0.1; names.len()];
        board.take(&Joints::new(names, &positions).stamped(at(nanos)).message(), NOW)
    };
    assert_eq!(take(&["hip", "knee"], NOW).used, 2);
    let older = take(&["hip", "knee"], NOW - 1);
    assert_eq!((older.used, causes(&older)), (0, vec![Cause::OutOfOrder]));
    assert_eq!(take(&["hip", "knee"], NOW).used, 2, "the same stamp again is in order");
    assert_eq!(take(&["lift"], NOW - SECOND).used, 1, "another source has its own order");
    board.clear();
    let joints = Joints::new(&["hip", "knee"], &[0.1, 0.1]).stamped(at(NOW - SECOND));
    assert_eq!(board.take(&joints.message(), NOW).used, 2, "after clear there is no order");
}

#[test]
fn j17_publishers_are_merged_and_stale_joints_fall_out() {
    let mut board = board();
    board.take(&Joints::new(&["hip"], &[0.1]).stamped(at(NOW)).message(), NOW);
    let later = NOW + 3 * SECOND / 10;
    board.take(&Joints::new(&["knee", "lift"], &[0.2, 0.3]).stamped(at(later - 5)).message(), later);
    let both = board.snapshot(later).expect("observed");
    assert_eq!(both.positions, [0.1, 0.2, 0.3]);
    assert_eq!((both.stamp_nanos, both.received_nanos, both.oldest_nanos), (later - 5, later, NOW));
    assert_eq!((both.observed, both.stale, both.frame_id.as_str()), (3, 0, "base"));

    assert_eq!(board.expire(NOW + SECOND / 2), None, "exactly the timeout still holds");
    let fallen = board.expire(NOW + SECOND / 2 + 1).expect("the hip fell out");
    assert_eq!(fallen.cause, Cause::StaleJoint);
    assert!(fallen.text.contains("1 joints fell out, first 'hip'"), "{fallen}");
    assert_eq!(board.expire(NOW + SECOND / 2 + 1), None, "told once");
    let one = board.snapshot(NOW + SECOND / 2 + 1).expect("observed");
    assert!(one.positions[0].is_nan() && one.positions[1..] == [0.2, 0.3]);
    assert_eq!((one.observed, one.stale, one.oldest_nanos), (2, 1, later));

    assert_eq!(board.snapshot(NOW + 2 * SECOND), None);
    board.take(&Joints::new(&["hip"], &[0.4]).stamped(at(NOW + 2 * SECOND)).message(), NOW + 2 * SECOND);
    let back = board.snapshot(NOW + 2 * SECOND).expect("observed");
    assert_eq!((back.positions[0], back.observed, back.stale), (0.4, 1, 2));
}

#[test]
fn j17_the_timeout_can_be_changed() {
    let mut board = board();
    board.take(&Joints::new(&["hip"], &[0.1]).message(), NOW);
    board.configure(JointConfig { timeout: Duration::from_secs(60), ..JointConfig::default() });
    assert!(board.snapshot(NOW + 59 * SECOND).is_some());
    assert!(board.snapshot(NOW + 61 * SECOND).is_none());
}

#[test]
fn j17_a_clock_that_jumped_back_makes_joints_stale() {
    let mut board = board();
    board.take(&Joints::new(&["hip"], &[0.1]).message(), NOW);
    assert_eq!(board.snapshot(NOW - 3600 * SECOND), None);
}

/// Two publishers, alternating, that disagree by `difference` on the hip; counts contradictions.
fn fight(difference: f64, message: impl Fn(usize, f64) -> Joints) -> (usize, usize) {
    let mut board = board();
    let (mut used, mut contradictions) = (0, 0);
    for index in 0..20 {
        let position = 0.2 + if index % 2 == 0 { 0.0 } else { difference };
        let taken = board.take(&message(index, position).message(), NOW);
        used += taken.used;
        contradictions += causes(&taken).iter().filter(|cause| **cause == Cause::Contradiction).count();
    }
    (used, contradictions)
}

#[test]
fn j18_publishers_that_fight_are_noticed_and_used() {
    let same_names = |_: usize, position: f64| Joints::new(&["hip"], &[position]);
    assert_eq!(fight(0.5, same_names), (20, 14));
    assert_eq!(fight(0.04, same_names), (20, 0), "a small difference is noise");
}

#[test]
fn j18_publishers_that_fight_over_a_shared_joint_are_noticed() {
    let other_names = |index: usize, position: f64| {
        let other = ["knee", "lift"][index % 2];
        Joints::new(&["hip", other], &[position, 0.2])
    };
    assert_eq!(fight(0.5, other_names), (40, 14));
}
