//! Two threads where another program keeps a core busy: the caller must do itself what no helper has begun.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{scope, sleep};
use std::time::Duration;

use thalweg_engine::BackendChoice;

use super::{ADAM_IN_X, LM_IN_X, Turns, observation, turn};

/// Turns of each arm.
const ROUNDS: usize = 60;
/// Pause between turns.
const PAUSE: Duration = Duration::from_millis(3);
/// Hypotheses.
const K: usize = 8;

/// Lines of a table: a step with one and two threads, alone and beside one that spins on a core.
pub(super) fn measure() -> Vec<String> {
    let mut lines = vec![
        String::new(),
        format!("microseconds of a step at K = {K}, median, beside a thread of another program that never rests:"),
        "| descent | beside it | 1 thread | 2 threads | x |".to_owned(),
        "|---|---|---|---|---|".to_owned(),
    ];
    for descent in [ADAM_IN_X, LM_IN_X] {
        for is_busy in [false, true] {
            let is_over = AtomicBool::new(false);
            let medians = scope(|scope| {
                if is_busy {
                    scope.spawn(|| {
                        while !is_over.load(Ordering::Relaxed) {
                            std::hint::spin_loop();
                        }
                    });
                }
                let observation = observation(false);
                let mut engines = [1, 2].map(|threads| descent.engine(BackendChoice::Fused, K, threads));
                let mut turns = [const { Turns(Vec::new()) }; 2];
                for round in 0..=ROUNDS {
                    for (engine, turns) in engines.iter_mut().zip(&mut turns) {
                        turn(engine, &observation, descent.steps(), round, turns);
                        sleep(PAUSE);
                    }
                }
                is_over.store(true, Ordering::Relaxed);
                turns.map(|turns| turns.figures().median)
            });
            let [one, two] = medians;
            let beside = if is_busy { "a busy core" } else { "nothing" };
            lines.push(format!("| {} | {beside} | {one:.0} | {two:.0} | {:.2} |", descent.name, two / one));
        }
    }
    lines
}
