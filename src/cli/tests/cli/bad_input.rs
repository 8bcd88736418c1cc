//! Every way to hand in something wrong, the sentence and the exit code.

use crate::{solve, thalweg, thalweg_with};

/// Fails unless an observation of the arm is refused as bad input, with this sentence.
fn bad_arm(obs: &str, sentence: &str) {
    solve("planar_arm", obs, &[]).refused(3, &format!("standard input: {sentence}"));
}

fn bad_usage(args: &[&str], text: &str) {
    let run = thalweg_with(r#"{"joints": {"joint_1": 0}}"#, &[&["solve", "--task", "planar_arm"], args].concat());
    assert_eq!(run.code, 2, "{}", run.err);
    assert!(run.err.starts_with("error: ") && run.err.contains(text), "{}", run.err);
}

#[test]
fn names_that_are_not_known() {
    bad_arm(r#"{"joints": {"join_2": 1}}"#, "unknown joint 'join_2'; the nearest known name is 'joint_2'");
    bad_arm(r#"{"points": {"tip3": [1, 2, 3]}}"#, "unknown point 'tip3'; the nearest known name is 'tip_3'");
    bad_arm(
        r#"{"joint": {"joint_1": 1}}"#,
        "not an observation: unknown field `joint`, expected one of `stamp_nanos`, `joints`, `points`, `rays`, `cloud`, \
         `image` at line 1 column 8",
    );
    solve("planar_arm", r#"{"joints": {"joint_1": 1}}"#, &["--hide", "left_arm"]).refused(
        3,
        "--hide: task planar_arm has no group, joint or point named 'left_arm'; the nearest known name is 'joint_1'",
    );
    solve("body_pose", r#"{"joints": {"left_elbow": 1}}"#, &[])
        .refused(3, "standard input: unknown joint 'left_elbow'; the nearest known name is 'left_elbow_x'");
}

#[test]
fn names_given_twice() {
    bad_arm(r#"{"joints": {"joint_1": 1, "joint_1": 2}}"#, "joint 'joint_1' is given twice; expected it once");
    bad_arm(
        r#"{"joints": {"name": ["joint_1", "joint_1"], "position": [1, 2]}}"#,
        "joint 'joint_1' is given twice; expected it once",
    );
    bad_arm(r#"{"points": {"tip_1": null, "tip_1": null}}"#, "point 'tip_1' is given twice; expected it once");
}

#[test]
fn lists_that_do_not_fit() {
    bad_arm(
        r#"{"joints": {"name": ["joint_1", "joint_2"], "position": [1]}}"#,
        "joints: got 2 names and 1 positions, expected as many of both",
    );
    bad_arm(
        r#"{"joints": {"name": ["joint_1"], "position": [1], "velocity": [1]}}"#,
        "joints: unknown field 'velocity' beside the lists 'name' and 'position'",
    );
    bad_arm(r#"{"joints": {"name": [1], "position": [1]}}"#, "joints.name[0]: got 1, expected the name of a joint");
}

#[test]
fn values_that_are_no_numbers() {
    bad_arm(
        r#"{"joints": {"joint_1": "0.5"}}"#,
        "joint 'joint_1': got \"0.5\", expected an angle within 10,000 turns, a slide within 1000 m, or null",
    );
    bad_arm(
        r#"{"joints": {"joint_1": 1e39}}"#,
        "joint 'joint_1': got 1e+39, expected an angle within 10,000 turns, a slide within 1000 m, or null",
    );
    bad_arm(r#"{"joints": {"joint_1": 1e999}}"#, "not JSON: number out of range at line 1 column 28");
    bad_arm(
        r#"{"joints": {"joint_1": NaN}}"#,
        "not JSON: expected value at line 1 column 24; JSON has no NaN and no infinity, null is unobserved",
    );
    bad_arm(r#"{"points": {"tip_1": [1, 2]}}"#, "point 'tip_1': got [1,2], expected [x, y, z] or null");
    bad_arm(
        r#"{"points": {"tip_1": [1, true, 2]}}"#,
        "point 'tip_1', y: got true, expected a number within 100 m, or null",
    );
    bad_arm(
        r#"{"stamp_nanos": 0.5}"#,
        "not an observation: invalid type: floating point `0.5`, expected i64 at line 1 column 19",
    );
}

#[test]
fn texts_that_are_no_observation() {
    bad_arm("", "not JSON: EOF while parsing a value at line 1 column 0");
    bad_arm("{\n  \"joints\": {\"joint_1\": 1\n", "not JSON: EOF while parsing an object at line 3 column 0");
    bad_arm("{} {}", "not JSON: trailing characters at line 1 column 4");
    bad_arm(
        r#"{"joints": [1, 2, 3]}"#,
        "not an observation: invalid type: sequence, expected an object of values by name at line 1 column 11",
    );
    bad_arm(r#"[0, {"joint_1": 1}, null, null]"#, "not an observation: got a list, expected an object");
    let deep = format!(r#"{{"joints": {{"joint_1": {}"#, "[".repeat(100_000));
    bad_arm(&deep, "not JSON: EOF while parsing a list at line 1 column 100023");
    thalweg(&["solve", "--task", "planar_arm", "no/such.json"])
        .refused(3, "no/such.json: cannot read the observation: No such file or directory (os error 2)");
}

#[test]
fn nothing_to_see() {
    let nothing = "nothing is observed; expected at least one value of what task planar_arm observes: joints, points";
    bad_arm("{}", nothing);
    bad_arm(r#"{"joints": null}"#, nothing);
    bad_arm(r#"{"joints": {"joint_1": null}, "points": {"tip_1": [null, null, null]}}"#, nothing);
    solve("planar_arm", r#"{"joints": {"joint_1": 1}}"#, &["--hide", "joint_2,joint_1"]).refused(
        3,
        "standard input: nothing is left to be seen after --hide joint_2,joint_1; expected at least one value",
    );
}

#[test]
fn kinds_that_the_task_does_not_observe() {
    let image = r#"{"image": {"height": 1, "width": 1, "channels": 1, "pixels": [0.5]}}"#;
    bad_arm(image, "task planar_arm does not observe image; it observes joints, points");
    solve("body_pose", r#"{"points": {"tip_1": [1, 2, 3]}}"#, &[])
        .refused(3, "standard input: task body_pose does not observe points; it observes joints");
}

#[test]
fn parameters_that_do_not_fit() {
    let solve = |parameters: &[&str]| solve("planar_arm", r#"{"joints": {"joint_1": 1}}"#, parameters);
    solve(&["--parameter", "lenghts=[1, 1, 1]"])
        .refused(3, "unknown parameter 'lenghts'; the nearest known name is 'lengths'");
    solve(&["--parameter", "limit=9"]).refused(3, "parameter limit: got 9, expected a number, 0.1 to 3.1416 rad");
    solve(&["--parameter", "limit=far"])
        .refused(3, "parameter limit: got \"far\", expected a number, 0.1 to 3.1416 rad");
    solve(&["--parameter", "limit=1", "--parameter", "limit=2"])
        .refused(3, "parameter limit is given twice; expected it once");
}

#[test]
fn options_that_make_no_sense() {
    bad_usage(&[], "<OBSERVATION|--recording <MOTION>>");
    bad_usage(&["-", "--recording", "a", "--frame", "0"], "cannot be used with");
    bad_usage(&["-", "--hypotheses", "0"], "expected a whole number from 1 to 65536");
    bad_usage(&["-", "--budget-ms", "0"], "expected a number from 0.001 to 3600000 ms");
    bad_usage(&["-", "--budget-ms=-1"], "expected a number from 0.001 to 3600000 ms");
    bad_usage(&["-", "--budget-ms", "NaN"], "--budget-ms");
    bad_usage(&["-", "--parameter", "limit"], "expected NAME=VALUE");
    bad_usage(&["-", "--optimizer", "sgd"], "[possible values: auto, adam, lm]");
    bad_usage(&["-", "--rate=-1"], "expected a number from 0.000001 to 10");
    bad_usage(&["-", "--prior-weight", "inf"], "expected 0, or a number from 0.000001 to 1000");
    bad_usage(&["-", "--tolerance", "NaN"], "expected 0, or a number from 0.000000000001 to 1");
    bad_usage(&["-", "--optimizer", "lm", "--rate", "0.1"], "--rate 0.1 is Adam's");
}

#[test]
fn a_solution_that_cannot_be_written() {
    let run = solve("planar_arm", r#"{"joints": {"joint_1": 1}}"#, &["--output", "Cargo.toml/solution.json"]);
    assert_eq!(run.code, 1);
    assert!(run.err.starts_with("error: cannot write the solution: Cargo.toml/solution.json: "), "{}", run.err);
}
