//! Follows moving joints: each solve starts from where the last one ended.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

fn main() -> Result<(), thalweg::Error> {
    let mut engine = thalweg::load("body_pose")?.deadline_ms(8.0).build()?;
    for frame in 0..30 {
        let swing = (f64::from(frame) * 0.2).sin();
        let seen = engine
            .observe()
            .stamp_nanos(i64::from(frame) * 10_000_000)
            .joint("left_shoulder_y", 0.4 * swing)?
            .joint("left_elbow_y", -0.8 + 0.3 * swing)?;
        let solved = engine.solve(&seen)?;
        let (best, steps) = (solved.best(), solved.answer().statistics.steps);
        println!("frame {frame:2}: loss {:.4} after {steps} steps, wrist {:?}", best.loss, best.joint("left_wrist_y"));
    }
    // What comes next has nothing to do with it.
    engine.reset();
    Ok(())
}
