//! `thalweg check`.

use crate::thalweg;

fn keeps_the_contract(args: &[&str]) {
    let run = thalweg(&[&["check"], args].concat()).passed();
    let (title, rules) = run.out.split_once('\n').expect("there is more than the title");
    let (rules, costs) = rules.split_once("     K  ").expect("costs come after the rules");
    let count = rules.lines().count();
    let rows: Vec<Vec<&str>> = costs.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    assert!(rows.len() >= 3 && rows.iter().all(|row| row.len() == 4 && row[3].parse::<f64>().is_ok()), "{costs}");
    assert_eq!(title, format!("{}: {count} of {count} rules kept", args[0]));
    assert!(count >= 19 && rules.lines().all(|line| line.split_whitespace().nth(1) == Some("ok")), "{rules}");
}

#[test]
fn planar_arm_passes() {
    keeps_the_contract(&["planar_arm"]);
    keeps_the_contract(&["planar_arm", "--parameter", "lengths=[1, 0.5, 2]", "--parameter", "limit=1"]);
}

#[test]
fn scripted_passes_and_is_told_as_json() {
    keeps_the_contract(&["scripted"]);
    let hand = thalweg_tests::root().join("models/scripted/hand");
    let told = thalweg(&["check", "--json", hand.to_str().expect("a path of ours")]).passed().out;
    let told: serde_json::Value = serde_json::from_str(&told).expect("it is JSON");
    assert!(told["rules"].as_array().is_some_and(|rules| rules.len() >= 19 && rules[0]["passed"] == true), "{told}");
    let costs = told["costs"].as_array().expect("costs");
    let on = |backend: &str| costs.iter().filter(|cost| cost["backend"] == backend).count();
    assert_eq!((on("tch"), on("fused")), (3, 3), "{told}");
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
