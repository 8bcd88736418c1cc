//! Rows J1 to J16: single messages.

use thalweg_node::intake::{Cause, JointBoard, JointConfig, Stamp, Taken};

use crate::messages::{Joints, NOW, SECOND, at, causes, joint_specs};

const NAMES: [&str; 3] = ["hip", "knee", "lift"];

fn board() -> JointBoard {
    JointBoard::new(&joint_specs(), JointConfig::default())
}

/// Takes one message on a fresh board; gives what was taken and the positions.
fn take(joints: &Joints) -> (Taken, Vec<f32>) {
    let mut board = board();
    let taken = board.take(&joints.message(), NOW);
    (taken, positions(&mut board, NOW))
}

fn positions(board: &mut JointBoard, now: i64) -> Vec<f32> {
    board.snapshot(now).map_or_else(|| vec![f32::NAN; 3], |snapshot| snapshot.positions)
}

/// Equal, NaN to NaN.
fn assert_positions(got: &[f32], expected: [f32; 3]) {
    let same = got.iter().zip(expected).all(|(a, b)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()));
    assert!(same && got.len() == 3, "got {got:?}, expected {expected:?}");
}

fn text(taken: &Taken) -> &str {
    &taken.refusals.first().expect("something was refused").text
}

#[test]
fn j0_a_good_message_is_used_whole() {
    let (taken, positions) = take(&Joints::new(&NAMES, &[0.1, 0.2, 0.3]));
    assert_eq!(taken, Taken { used: 3, ..Taken::default() });
    assert_positions(&positions, [0.1, 0.2, 0.3]);
}

#[test]
fn j1_nan_is_unobserved() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let (taken, positions) = take(&Joints::new(&NAMES, &[bad, 0.2, 0.3]));
        assert_eq!((taken.used, causes(&taken)), (2, vec![Cause::NonfiniteJoint]));
        assert!(text(&taken).contains("1 of 3 joints, first 'hip'"), "{}", text(&taken));
        assert_positions(&positions, [f32::NAN, 0.2, 0.3]);
    }
}

#[test]
fn j1_nan_hides_what_its_own_source_said_before_and_nobody_elses() {
    let mut board = board();
    board.take(&Joints::new(&NAMES, &[0.1, 0.2, 0.3]).message(), NOW);
    board.take(&Joints::new(&NAMES, &[f64::NAN, 0.2, 0.3]).message(), NOW);
    assert_positions(&positions(&mut board, NOW), [f32::NAN, 0.2, 0.3]);
    board.take(&Joints::new(&["hip"], &[0.5]).message(), NOW);
    board.take(&Joints::new(&NAMES, &[f64::NAN, 0.2, 0.3]).message(), NOW);
    assert_positions(&positions(&mut board, NOW), [0.5, 0.2, 0.3]);
}

#[test]
fn j2_lengths_that_differ_refuse_the_message() {
    for lengths in [(3, 2), (2, 3)] {
        let (taken, positions) = take(&Joints::new(&NAMES[..lengths.0], &[0.1, 0.2, 0.3][..lengths.1]));
        assert_eq!((taken.used, causes(&taken)), (0, vec![Cause::LengthMismatch]));
        let text = text(&taken);
        assert!(text.contains(&format!("{} names and {} positions", lengths.0, lengths.1)), "{text}");
        assert_positions(&positions, [f32::NAN; 3]);
    }
}

#[test]
fn j3_names_without_positions_are_refused() {
    let mut joints = Joints::new(&NAMES, &[]);
    joints.has_other_fields = true;
    let (taken, _) = take(&joints);
    assert_eq!((taken.used, taken.is_heartbeat, causes(&taken)), (0, false, vec![Cause::NoPositions]));
}

#[test]
fn j4_positions_without_names_are_refused() {
    let (taken, positions) = take(&Joints::new(&[], &[0.1, 0.2, 0.3]));
    assert_eq!((taken.used, causes(&taken)), (0, vec![Cause::NoNames]));
    assert_positions(&positions, [f32::NAN; 3]);
}

#[test]
fn j5_unknown_names_are_told_once() {
    let mut board = board();
    let joints = Joints::new(&["hip", "tail", "fin"], &[0.1, 0.2, 0.3]);
    let taken = board.take(&joints.message(), NOW);
    assert_eq!((taken.used, causes(&taken)), (1, vec![]));
    assert_eq!(taken.unknown, ["tail", "fin"]);
    assert!(board.take(&joints.message(), NOW).unknown.is_empty());
    assert!(board.take(&Joints::new(&["tail", "knee"], &[0.1, 0.2]).message(), NOW).unknown.is_empty());
    board.clear();
    assert!(board.take(&joints.message(), NOW).unknown.is_empty());
    assert_eq!(board.unknown_names().collect::<Vec<_>>(), ["fin", "tail"]);
}

#[test]
fn j5_no_known_name_is_refused_with_the_nearest_names() {
    let (taken, _) = take(&Joints::new(&["hipp", "knees", "left", "tail"], &[0.1, 0.2, 0.3, 0.4]));
    assert_eq!((taken.used, causes(&taken)), (0, vec![Cause::UnknownJoint]));
    let text = text(&taken);
    assert!(text.starts_with("0 of 4 names match"), "{text}");
    for (wrong, near) in [("hipp", "hip"), ("knees", "knee"), ("left", "lift")] {
        assert!(text.contains(&format!("'{wrong}'; the nearest known name is '{near}'")), "{text}");
    }
}

#[test]
fn j6_duplicates_that_agree_count_once() {
    let (taken, positions) = take(&Joints::new(&["hip", "knee", "hip", "hip"], &[0.1, 0.2, 0.1, 0.1]));
    assert_eq!((taken.used, causes(&taken)), (2, vec![]));
    assert_positions(&positions, [0.1, 0.2, f32::NAN]);
}

#[test]
fn j6_duplicates_that_differ_are_refused() {
    let (taken, positions) = take(&Joints::new(&["hip", "knee", "knee", "hip"], &[0.1, 0.2, 0.2, 0.4]));
    assert_eq!((taken.used, causes(&taken)), (1, vec![Cause::DuplicateJoint]));
    assert_positions(&positions, [f32::NAN, 0.2, f32::NAN]);
}

#[test]
fn j7_an_empty_message_is_a_heartbeat() {
    let (taken, _) = take(&Joints::new(&[], &[]).stamped(Stamp::default()));
    assert_eq!(taken, Taken { is_heartbeat: true, ..Taken::default() });
}

#[test]
fn j9_a_zero_stamp_is_now_and_told_once() {
    let mut board = board();
    let joints = Joints::new(&NAMES, &[0.1, 0.2, 0.3]).stamped(Stamp::default());
    let taken = board.take(&joints.message(), NOW);
    assert_eq!((taken.used, causes(&taken)), (3, vec![Cause::ZeroStamp]));
    assert_eq!(board.snapshot(NOW).expect("observed").stamp_nanos, NOW);
    assert_eq!(board.take(&joints.message(), NOW + 1).refusals, []);
    let older = Joints::new(&NAMES, &[0.1, 0.2, 0.3]).stamped(at(NOW - SECOND));
    assert_eq!(board.take(&older.message(), NOW + 1).used, 3, "a zero stamp has no place in the order");
}

#[test]
fn j9_a_zero_stamp_is_refused_where_it_is_not_accepted() {
    let config = JointConfig { accept_zero_stamp: false, ..JointConfig::default() };
    let mut board = JointBoard::new(&joint_specs(), config);
    let joints = Joints::new(&NAMES, &[0.1, 0.2, 0.3]).stamped(Stamp::default());
    for _ in 0..2 {
        let taken = board.take(&joints.message(), NOW);
        assert_eq!((taken.used, causes(&taken)), (0, vec![Cause::ZeroStamp]));
    }
}

#[test]
fn j10_a_future_stamp_is_noticed_then_refused() {
    for (ahead, used, expected) in
        [(SECOND / 20, 3, vec![]), (SECOND / 2, 3, vec![Cause::FutureStamp]), (6 * SECOND, 0, vec![Cause::FutureStamp])]
    {
        let (taken, _) = take(&Joints::new(&NAMES, &[0.1, 0.2, 0.3]).stamped(at(NOW + ahead)));
        assert_eq!((taken.used, causes(&taken)), (used, expected), "{ahead} ns ahead");
    }
}

#[test]
fn j11_a_stamp_that_is_no_time_is_refused() {
    for stamp in
        [Stamp { sec: 1, nanosec: 1_000_000_000 }, Stamp { sec: -1, nanosec: 0 }, Stamp { sec: 0, nanosec: u32::MAX }]
    {
        let (taken, _) = take(&Joints::new(&NAMES, &[0.1, 0.2, 0.3]).stamped(stamp));
        assert_eq!((taken.used, causes(&taken)), (0, vec![Cause::BadStamp]), "{stamp:?}");
    }
}

#[test]
fn j12_an_overshoot_is_clamped_and_what_is_beyond_is_kept_and_counted() {
    let (taken, positions) = take(&Joints::new(&NAMES, &[1.0005, 0.2, 0.9]));
    assert_eq!((taken.used, causes(&taken)), (3, vec![Cause::OutOfLimits]));
    assert!(text(&taken).contains("1 of 3 joints, first 'lift': got 0.9"), "{}", text(&taken));
    assert_positions(&positions, [1.0, 0.2, 0.9]);
}

#[test]
fn j13_whole_turns_are_taken_off_and_too_many_are_refused() {
    let turns = std::f64::consts::TAU;
    let (taken, positions) = take(&Joints::new(&NAMES, &[0.5 + 3.0 * turns, 1e6, 0.3]));
    assert_eq!((taken.used, causes(&taken)), (2, vec![Cause::Precision]));
    assert!((positions[0] - 0.5).abs() < 1e-6 && positions[1].is_nan(), "{positions:?}");
}

#[test]
fn j14_subnormals_pass_and_what_overflows_is_refused() {
    let (taken, positions) = take(&Joints::new(&NAMES, &[-0.0, f64::MIN_POSITIVE / 4.0, 1e308]));
    assert_eq!((taken.used, causes(&taken)), (2, vec![Cause::Overflow]));
    assert!(positions[..2] == [0.0, 0.0] && positions[2].is_nan(), "{positions:?}");
}

#[test]
fn j15_bad_names_are_refused_and_shown_escaped() {
    let long = "x".repeat(10_000);
    for (bad, shown) in [
        ("", "''"),
        ("hip\0", "'hip\\0'"),
        ("hip\n", "'hip\\n'"),
        ("\u{1b}[2J", "'\\u{1b}[2J'"),
        ("hip\u{FFFD}", "'hip\u{FFFD}'"),
        (long.as_str(), "…'"),
    ] {
        let (taken, positions) = take(&Joints::new(&["knee", bad], &[0.2, 0.3]));
        assert_eq!((taken.used, causes(&taken)), (1, vec![Cause::BadName]), "{bad:?}");
        assert!(text(&taken).contains(shown) && text(&taken).len() < 300, "{}", text(&taken));
        assert!(!text(&taken).chars().any(char::is_control) && taken.unknown.is_empty());
        assert_positions(&positions, [f32::NAN, 0.2, f32::NAN]);
    }
}

#[test]
fn j15_a_bad_frame_is_left_out() {
    let mut board = board();
    let mut joints = Joints::new(&NAMES, &[0.1, 0.2, 0.3]);
    joints.frame_id = "ba\0se".into();
    let taken = board.take(&joints.message(), NOW);
    assert_eq!((taken.used, causes(&taken)), (3, vec![Cause::BadName]));
    assert_eq!(board.snapshot(NOW).expect("observed").frame_id, "");
}

#[test]
fn j16_too_many_joints_are_refused_as_a_whole() {
    let names: Vec<String> = (0..100_000).map(|joint| format!("joint_{joint}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for joints in
        [Joints::new(&names, &[]), Joints::new(&[], &vec![0.0; 100_000]), Joints::new(&names, &vec![0.0; 100_000])]
    {
        let (taken, _) = take(&joints);
        assert_eq!((taken.used, causes(&taken)), (0, vec![Cause::TooManyJoints]));
        assert!(text(&taken).contains("got 100000 joints; expected at most 4096") && taken.unknown.is_empty());
    }
}
