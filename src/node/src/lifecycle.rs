//! The states of a managed node, and the ways between them.
//!
//! Numbers and labels are those of `lifecycle_msgs`, the table is rcl_lifecycle's default state
//! machine: whoever drives nav2's nodes drives this one.

use std::fmt;
use std::time::Duration;

/// Where a managed node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum State {
    /// Never met in a running node.
    Unknown = 0,
    /// Nothing is loaded.
    Unconfigured = 1,
    /// Task and landscape are loaded; input is not read.
    Inactive = 2,
    /// Input is read, answers are published.
    Active = 3,
    /// At the end; only the process is left.
    Finalized = 4,
    /// On the way to inactive.
    Configuring = 10,
    /// On the way back to unconfigured.
    CleaningUp = 11,
    /// On the way to finalized.
    ShuttingDown = 12,
    /// On the way to active.
    Activating = 13,
    /// On the way back to inactive.
    Deactivating = 14,
    /// Something failed; tidies up.
    ErrorProcessing = 15,
}

/// All states, by their number.
pub const STATES: [State; 11] = [
    State::Unknown,
    State::Unconfigured,
    State::Inactive,
    State::Active,
    State::Finalized,
    State::Configuring,
    State::CleaningUp,
    State::ShuttingDown,
    State::Activating,
    State::Deactivating,
    State::ErrorProcessing,
];

impl State {
    /// The number in `lifecycle_msgs/State`.
    #[must_use]
    pub fn id(self) -> u8 {
        self as u8
    }

    /// The label that rcl_lifecycle gives.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Unconfigured => "unconfigured",
            Self::Inactive => "inactive",
            Self::Active => "active",
            Self::Finalized => "finalized",
            Self::Configuring => "configuring",
            Self::CleaningUp => "cleaningup",
            Self::ShuttingDown => "shuttingdown",
            Self::Activating => "activating",
            Self::Deactivating => "deactivating",
            Self::ErrorProcessing => "errorprocessing",
        }
    }

    /// Whether the node rests here until somebody asks for a transition.
    #[must_use]
    pub fn is_primary(self) -> bool {
        self.id() < State::Configuring.id()
    }

    /// The transitions that may be taken here, those that the node takes by itself included.
    pub fn transitions(self) -> impl Iterator<Item = &'static Transition> {
        TRANSITIONS.iter().filter(move |transition| transition.from == self)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// One way from a state to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The number in `lifecycle_msgs/Transition`.
    pub id: u8,
    /// The label that rcl_lifecycle gives.
    pub label: &'static str,
    /// Where it starts.
    pub from: State,
    /// Where it leads.
    pub to: State,
}

/// How the work of a transition ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is done.
    Success,
    /// It cannot be done now; nothing has changed.
    Failure,
    /// Something broke.
    Error,
}

impl Outcome {
    fn label(self) -> &'static str {
        match self {
            Self::Success => "transition_success",
            Self::Failure => "transition_failure",
            Self::Error => "transition_error",
        }
    }
}

const fn way(id: u8, label: &'static str, from: State, to: State) -> Transition {
    Transition { id, label, from, to }
}

/// All transitions: rcl_lifecycle, `default_state_machine.c` (Jazzy).
pub const TRANSITIONS: [Transition; 25] = [
    way(1, "configure", State::Unconfigured, State::Configuring),
    way(10, "transition_success", State::Configuring, State::Inactive),
    way(11, "transition_failure", State::Configuring, State::Unconfigured),
    way(12, "transition_error", State::Configuring, State::ErrorProcessing),
    way(2, "cleanup", State::Inactive, State::CleaningUp),
    way(20, "transition_success", State::CleaningUp, State::Unconfigured),
    way(21, "transition_failure", State::CleaningUp, State::Inactive),
    way(22, "transition_error", State::CleaningUp, State::ErrorProcessing),
    way(3, "activate", State::Inactive, State::Activating),
    way(30, "transition_success", State::Activating, State::Active),
    way(31, "transition_failure", State::Activating, State::Inactive),
    way(32, "transition_error", State::Activating, State::ErrorProcessing),
    way(4, "deactivate", State::Active, State::Deactivating),
    way(40, "transition_success", State::Deactivating, State::Inactive),
    way(41, "transition_failure", State::Deactivating, State::Active),
    way(42, "transition_error", State::Deactivating, State::ErrorProcessing),
    way(5, "shutdown", State::Unconfigured, State::ShuttingDown),
    way(6, "shutdown", State::Inactive, State::ShuttingDown),
    way(7, "shutdown", State::Active, State::ShuttingDown),
    way(50, "transition_success", State::ShuttingDown, State::Finalized),
    way(51, "transition_failure", State::ShuttingDown, State::Finalized),
    way(52, "transition_error", State::ShuttingDown, State::ErrorProcessing),
    way(60, "transition_success", State::ErrorProcessing, State::Unconfigured),
    way(61, "transition_failure", State::ErrorProcessing, State::Finalized),
    way(62, "transition_error", State::ErrorProcessing, State::Finalized),
];

/// What a client may ask for; the rest the node takes by itself.
const ASKED_FOR: [&str; 5] = ["configure", "cleanup", "activate", "deactivate", "shutdown"];

/// Why a transition is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("transition {asked} is not possible in state {state}; expected {expected}")]
pub struct TransitionError {
    /// The label or number that came.
    pub asked: String,
    /// Where the node stands.
    pub state: State,
    /// What is possible.
    pub expected: String,
}

/// Finds the transition that a client asks for; a label goes before the number, as in rclcpp.
///
/// # Errors
/// [`TransitionError`] when there is none from `state`, or when it is not the client's to take.
pub fn asked(state: State, id: u8, label: &str) -> Result<&'static Transition, TransitionError> {
    let mut possible = state.transitions().filter(|transition| ASKED_FOR.contains(&transition.label));
    let found =
        possible.find(|transition| if label.is_empty() { transition.id == id } else { transition.label == label });
    found.ok_or_else(|| TransitionError {
        asked: if label.is_empty() { id.to_string() } else { format!("'{}'", label.escape_debug()) },
        state,
        expected: names(state),
    })
}

fn names(state: State) -> String {
    let possible = state.transitions().filter(|transition| ASKED_FOR.contains(&transition.label));
    let names: Vec<_> = possible.map(|transition| format!("{} ({})", transition.label, transition.id)).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// Where a passing state leads when its work has ended.
#[must_use]
pub fn after(state: State, outcome: Outcome) -> Option<&'static Transition> {
    state.transitions().find(|transition| transition.label == outcome.label())
}

/// Pauses between tries to run again what was given up: 1, 2, 4, 8, 16, 32 s, then 60 s each time.
///
/// What has run for longer than the longest pause has recovered, and begins with 1 s again.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pauses {
    last: Option<Duration>,
}

impl Pauses {
    /// The first pause.
    const FIRST: Duration = Duration::from_secs(1);
    /// The longest pause.
    pub const LONGEST: Duration = Duration::from_secs(60);

    /// The pause before the next try, after what was tried last has run for so long.
    pub fn next(&mut self, ran: Duration) -> Duration {
        let longer = self.last.filter(|_| ran < Self::LONGEST).map(|last| last.saturating_mul(2).min(Self::LONGEST));
        *self.last.insert(longer.unwrap_or(Self::FIRST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_passing_state_ends_somewhere_whatever_happens() {
        for state in STATES.into_iter().filter(|state| !state.is_primary()) {
            for outcome in [Outcome::Success, Outcome::Failure, Outcome::Error] {
                let transition = after(state, outcome).expect("listed");
                assert!(transition.to.is_primary() || transition.to == State::ErrorProcessing, "{transition:?}");
            }
        }
    }

    #[test]
    fn clients_ask_by_number_or_label() {
        assert_eq!(asked(State::Unconfigured, 1, "").expect("by number").label, "configure");
        assert_eq!(asked(State::Active, 0, "shutdown").expect("by label").id, 7);
        // The label goes first, as in rclcpp.
        assert_eq!(asked(State::Inactive, 2, "activate").expect("by label").id, 3);
    }

    #[test]
    fn what_is_not_possible_is_refused_with_what_is() {
        let error = asked(State::Active, 1, "").expect_err("already configured");
        assert_eq!(
            error.to_string(),
            "transition 1 is not possible in state active; expected deactivate (4), shutdown (7)"
        );
        assert!(asked(State::Finalized, 1, "").is_err());
        assert!(asked(State::Configuring, 10, "").is_err(), "not the client's to take");
    }

    #[test]
    fn pauses_grow_until_something_has_run_for_long() {
        let mut pauses = Pauses::default();
        let mut next = |ran| pauses.next(Duration::from_secs(ran)).as_secs();
        let grown: Vec<u64> = (0..9).map(|_| next(3)).collect();
        assert_eq!(grown, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!([next(60), next(0), next(59), next(1000)], [1, 2, 4, 1]);
    }

    #[test]
    fn numbers_are_told_apart() {
        let mut ids: Vec<u8> = TRANSITIONS.iter().map(|transition| transition.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), TRANSITIONS.len());
    }
}
