//! Whether a task can run at all: asked after failures that no observation explains.

use rand::SeedableRng;
use rand::rngs::StdRng;

use thalweg::clock::ManualClock;
use thalweg_engine::{Budget, Engine};
use thalweg_task::{guarded, sampled};

/// Seed of what is solved for proof.
const SEED: u64 = 0x7072_6f62;

/// Lets an engine evaluate an observation that its task makes itself; afterwards it is as after a reset.
pub(super) fn can_run(engine: &mut Engine) -> bool {
    engine.reset();
    // Unwind safe: the engine is reset.
    let proof = guarded(|| {
        let obs = sampled(engine.task(), 1, &mut StdRng::seed_from_u64(SEED)).ok()?;
        engine.solve(&obs, &Budget::of_steps(0), &ManualClock::default()).map(drop).ok()
    });
    engine.reset();
    matches!(proof, Ok(Some(())))
}
