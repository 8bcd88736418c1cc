//! Watches a descent step by step.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::sync::{Arc, Mutex, PoisonError};

use thalweg::engine::{Cadence, Event, Observer};

/// The least loss after each step.
#[derive(Default)]
struct Curve(Vec<f64>);

impl Observer for Curve {
    fn observe(&mut self, event: &Event<'_>) {
        if let Event::Step { best, .. } = event {
            self.0.push(best.iter().copied().fold(f64::INFINITY, f64::min));
        }
    }
}

fn main() -> Result<(), thalweg::Error> {
    let mut engine = thalweg::load("planar_arm")?.steps(20).build()?;
    let curve = Arc::new(Mutex::new(Curve::default()));
    engine.watch(Cadence::Always, Arc::clone(&curve));
    let seen = engine.observe().point("tip_3", [0.4, 0.2, 0.0])?;
    engine.solve(&seen)?;
    for (step, loss) in curve.lock().unwrap_or_else(PoisonError::into_inner).0.iter().enumerate() {
        println!("step {:2}: {loss:.4}", step + 1);
    }
    Ok(())
}
