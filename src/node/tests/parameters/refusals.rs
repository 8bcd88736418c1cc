//! The sentences by which values are refused, and what refusals leave behind.

use thalweg_task::ParameterValue::{self, Bool, Double, DoubleArray, Integer, IntegerArray};

use super::{store, store_with, text, values};

/// Refusals that are the same at the start and at run time.
fn always_refused() -> Vec<(&'static str, ParameterValue, &'static str)> {
    vec![
        ("budget.steps", Integer(1_000_000_000), "budget.steps must be in [0, 100000], got 1000000000"),
        ("budget.steps", Integer(-1), "budget.steps must be in [0, 100000], got -1"),
        ("optimizer.rate", Integer(1), "optimizer.rate must be a double, got the integer 1 (write 1.0)"),
        ("budget.steps", Double(3.0), "budget.steps must be an integer, got the double 3.0 (write 3)"),
        ("budget.steps", Double(3.5), "budget.steps must be an integer, got the double 3.5"),
        ("record.enabled", text("false"), "record.enabled must be a bool, got the string \"false\" (write false)"),
        ("theta", Integer(7), "theta must be a string, got the integer 7 (write \"7\")"),
        ("optimizer.rate", Double(0.0), "optimizer.rate must be in [1.0e-6, 10.0], got 0.0"),
        ("budget.deadline", Double(f64::NAN), "budget.deadline must be finite, got .nan"),
        ("budget.deadline", Double(f64::NEG_INFINITY), "budget.deadline must be finite, got -.inf"),
        ("planar_arm.limit", Double(1e300), "planar_arm.limit must be in [0.1, 3.141592653589793], got 1.0e+300"),
        ("planar_arm.lengths", DoubleArray(vec![1.0]), "planar_arm.lengths must have 3 elements, got 1"),
        (
            "planar_arm.lengths",
            DoubleArray(vec![1.0, -1.0, 1.0]),
            "planar_arm.lengths[1] must be in [0.01, 100.0], got -1.0",
        ),
        (
            "planar_arm.lengths",
            DoubleArray(vec![1.0, 1.0, f64::INFINITY]),
            "planar_arm.lengths[2] must be finite, got .inf",
        ),
        (
            "planar_arm.lengths",
            IntegerArray(vec![1, 2, 3]),
            "planar_arm.lengths must be a double_array, got the integer_array [1, 2, 3] (write [1.0, 2.0, 3.0])",
        ),
        (
            "task",
            text("body_pos"),
            "task must be one of body_pose, planar_arm, gan_inversion, image_defence, robot, scripted, got body_pos",
        ),
        ("body_pose.loss", text(""), "body_pose.loss must be one of rotation, axis_angle, got \"\""),
        (
            "input.points_type",
            text("cloud2"),
            "input.points_type must be one of cloud, markers, poses, objects, pixels, skeleton2d, got cloud2",
        ),
        ("robot.cloud_weight", Double(-1.0), "robot.cloud_weight must be in 0.0 or [1.0e-6, 1000.0], got -1.0"),
        ("robot.cloud_points", Integer(2001), "robot.cloud_points must be in [50, 2000], got 2001"),
        ("robot.cloud_gate", Double(0.0), "robot.cloud_gate must be in [0.02, 10.0], got 0.0"),
        ("memory.limit", Integer(63), "memory.limit must be in [64, 1048576], got 63"),
        ("input.cloud_box", DoubleArray(vec![0.0; 5]), "input.cloud_box must have 6 elements, got 5"),
        (
            "input.cloud_box",
            DoubleArray(vec![0.0, 0.0, 0.0, 1000.0, 1.0, 1.0]),
            "input.cloud_box[3] must be in [-100.0, 100.0], got 1000.0",
        ),
        ("body_pose.names", text("rep-155"), "body_pose.names must be one of own, rep155, got \"rep-155\""),
        ("body_pose.stature", Double(17.0), "body_pose.stature must be in 0.0 or [0.7, 2.8], got 17.0"),
        (
            "device",
            text("cuda:x"),
            "device must be one of cpu, cuda, cuda:N, gpu, gpu:N, gpu:NAME, auto, got \"cuda:x\"",
        ),
        ("device", text("cuda:"), "device must be one of cpu, cuda, cuda:N, gpu, gpu:N, gpu:NAME, auto, got \"cuda:\""),
        ("device", text("gpu:"), "device must be one of cpu, cuda, cuda:N, gpu, gpu:N, gpu:NAME, auto, got \"gpu:\""),
        ("warm_start.fresh", Integer(8), "warm_start.fresh must be below hypotheses = 8, got 8"),
        ("hypotheses", Integer(2), "warm_start.fresh must be below hypotheses = 2, got 2"),
        ("input.colour_key", text("red"), "input.colour_key must be empty or a colour as #rrggbb, got 'red'"),
        (
            "output.people_namespace",
            text("humans"),
            "output.people_namespace must be a namespace, as /humans/bodies: slashes before words of letters, digits and \
             underscores, got 'humans'",
        ),
        ("input.people", Integer(17), "input.people must be in [1, 16], got 17"),
        ("input.mask", text("maybe"), "input.mask must be one of auto, required, ignored, got maybe"),
        ("budget.step", Integer(1), "unknown parameter 'budget.step'; the nearest known name is 'budget.steps'"),
        ("", Integer(1), "unknown parameter ''; the nearest known name is 'task'"),
    ]
}

#[test]
fn refused_at_the_start_and_at_run_time() {
    for (name, value, sentence) in always_refused() {
        let at_start = store_with(&[(name, value.clone())]).expect_err(sentence);
        assert_eq!(at_start, sentence);
        let mut running = store();
        let before = values(&running);
        let refusal = running.set(&[(name.to_owned(), value)], true).expect_err(sentence);
        assert_eq!(refusal.to_string(), sentence);
        assert_eq!((running.refusals(), running.changes()), (1, 0));
        assert_eq!(values(&running), before);
    }
}

#[test]
fn fixed_parameters_are_refused_at_run_time_only() {
    let mut running = store_with(&[("autostart", Bool(false)), ("task", text("planar_arm"))]).expect("at the start");
    let mut refusal = |name: &str, value, is_unconfigured| {
        running.set(&[(name.to_owned(), value)], is_unconfigured).err().map(|error| error.to_string())
    };
    let read_only = Some("autostart is read-only; restart needed".to_owned());
    assert_eq!(refusal("autostart", Bool(true), true), read_only);
    assert_eq!(refusal("autostart", Bool(true), false), read_only);
    assert_eq!(refusal("autostart", Bool(false), false), None, "it stays as it is");
    let active = Some("task can be changed only in state unconfigured; clean up first".to_owned());
    assert_eq!(refusal("task", text("body_pose"), false), active);
    assert_eq!(refusal("task", text("body_pose"), true), None);
    assert_eq!(refusal("budget.deadline", Double(0.02), false), None);
    assert_eq!((running.refusals(), running.changes()), (3, 2));
}

#[test]
fn one_refusal_refuses_all() {
    let mut running = store();
    let before = values(&running);
    let pair = [("budget.steps", Integer(10)), ("budget.tolerance", Double(2.0))];
    let pair = pair.map(|(name, value)| (name.to_owned(), value));
    running.set(&pair, false).expect_err("the tolerance is out of range");
    assert_eq!(values(&running), before);
}

#[test]
fn pairs_are_judged_together() {
    let mut running = store();
    let pair = |hypotheses, fresh| {
        [("hypotheses".to_owned(), Integer(hypotheses)), ("warm_start.fresh".to_owned(), Integer(fresh))]
    };
    let refusal = running.set(&pair(2, 5), false).expect_err("five of two cannot be fresh");
    assert_eq!(refusal.to_string(), "warm_start.fresh must be below hypotheses = 2, got 5");
    assert_eq!(running.get("hypotheses"), Some(&Integer(8)));
    assert_eq!(running.set(&pair(1, 0), false).expect("none of one is fresh").len(), 2);
    assert_eq!(running.set(&pair(1, 0), false).expect("again").len(), 0, "nothing has changed");
    assert_eq!(running.set(&pair(16, 0), false).expect("more").len(), 1);
    assert_eq!(running.changes(), 3);
}

#[test]
fn the_last_of_a_name_counts() {
    let mut running = store();
    let twice = [("budget.steps".to_owned(), Integer(5)), ("budget.steps".to_owned(), Integer(6))];
    assert_eq!(running.set(&twice, false).expect("both are good"), twice[1..]);
}

/// A refusal must fit on a line, whatever came.
#[test]
fn refusals_are_short() {
    let long = "x".repeat(5_000_000);
    for (name, value) in [("task", text(&long)), (long.as_str(), Integer(1)), ("budget.steps", text(&long))] {
        let refusal = store_with(&[(name, value)]).expect_err("it is refused");
        assert!(refusal.len() < 300, "{} characters", refusal.len());
    }
}
