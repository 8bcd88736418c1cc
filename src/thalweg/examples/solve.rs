//! Completes a body of which an elbow and the neck are seen.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

fn main() -> Result<(), thalweg::Error> {
    let mut engine = thalweg::load("body_pose")?.hypotheses(8).deadline_ms(8.0).build()?;
    let seen = engine.observe().joint("left_elbow_y", -0.8)?.joint("neck_x", 0.1)?;
    for hypothesis in engine.solve(&seen)?.hypotheses() {
        println!("{:.3} {:?}", hypothesis.loss, hypothesis.joint("left_knee_x"));
    }
    Ok(())
}
