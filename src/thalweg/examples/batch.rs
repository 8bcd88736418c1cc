//! Solves several observations at once: each hypothesis explains its own.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

fn main() -> Result<(), thalweg::Error> {
    let places = [[0.5, 0.1, 0.0], [0.3, 0.4, 0.0], [-0.2, 0.5, 0.0], [-0.4, -0.3, 0.0]];
    let mut engine = thalweg::load("planar_arm")?.hypotheses(places.len()).steps(100).build()?;
    let tip = |place: &[f64; 3]| engine.observe().point("tip_3", *place);
    let seen = places.iter().map(tip).collect::<Result<Vec<_>, _>>()?;
    for (hypothesis, place) in engine.solve_each(&seen)?.hypotheses().zip(places) {
        println!("tip at {place:?}: angles {:.2?}, loss {:.3}", hypothesis.joints(), hypothesis.loss);
    }
    Ok(())
}
