//! `thalweg check`.

use crate::thalweg;

fn keeps_the_contract(args: &[&str]) {
    let run = thalweg(&[&["check"], args].concat()).passed();
    let (title, rules) = run.out.split_once('\n').expect("there is more than the title");
    let count = rules.lines().count();
    assert_eq!(title, format!("{}: {count} of {count} rules kept", args[0]));
    assert!(count >= 19 && rules.lines().all(|line| line.split_whitespace().nth(1) == Some("ok")), "{rules}");
}

#[test]
fn planar_arm_passes() {
    keeps_the_contract(&["planar_arm"]);
    keeps_the_contract(&["planar_arm", "--parameter", "lengths=[1, 0.5, 2]", "--parameter", "limit=1"]);
}

#[test]
fn body_pose_passes() {
    keeps_the_contract(&["body_pose"]);
    keeps_the_contract(&["body_pose", "--parameter", "loss=axis_angle"]);
}

#[test]
fn what_cannot_be_loaded_is_no_broken_rule() {
    thalweg(&["check", "body_poes"]).refused(3, "unknown task 'body_poes'; the nearest known name is 'body_pose'");
    thalweg(&["check", "body_pose", "--models", "no/folder"])
        .refused(4, "no/folder/body_pose.safetensors: No such file or directory (os error 2)");
}
