//! Where answers pass on their way out, or do not: so that nobody waits for a long solve whose answer is not wanted.

use std::sync::Mutex;

use thalweg_task::lock;

/// Lets what was begun while it was open pass, as long as it has not been closed since.
#[derive(Debug, Default)]
pub(super) struct Gate {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    is_open: bool,
    /// How often it was closed.
    closings: u64,
}

/// Permission to pass, good until the gate is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pass(Option<u64>);

impl Gate {
    /// Lets things pass from now on.
    pub(super) fn open(&self) {
        lock(&self.state).is_open = true;
    }

    /// Lets nothing pass from now on; waits only for what is just passing.
    pub(super) fn close(&self) {
        let mut state = lock(&self.state);
        (state.is_open, state.closings) = (false, state.closings + 1);
    }

    /// The permission of what is begun now.
    pub(super) fn pass(&self) -> Pass {
        let state = lock(&self.state);
        Pass(state.is_open.then_some(state.closings))
    }

    /// Hands something out if its permission is still good; the gate cannot be closed meanwhile.
    pub(super) fn hand_out(&self, pass: Pass, work: impl FnOnce()) {
        let state = lock(&self.state);
        if state.is_open && pass.0 == Some(state.closings) {
            work();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(gate: &Gate, pass: Pass) -> bool {
        let mut passed = false;
        gate.hand_out(pass, || passed = true);
        passed
    }

    #[test]
    fn what_was_begun_before_a_closing_never_passes() {
        let gate = Gate::default();
        assert!(!passes(&gate, gate.pass()), "closed at first");
        gate.open();
        let pass = gate.pass();
        assert!(passes(&gate, pass) && passes(&gate, pass));
        gate.close();
        assert!(!passes(&gate, pass));
        gate.open();
        assert!(!passes(&gate, pass), "it was asked for before");
        assert!(passes(&gate, gate.pass()));
    }
}
