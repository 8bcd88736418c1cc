"""The managed lifecycle: every transition, also those that must be refused."""

from __future__ import annotations

import signal
import unittest
from typing import ClassVar

from case import NodeCase
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import GetAvailableStates, GetAvailableTransitions
from messages import ROOT, standing_legs
from peer import NodeProcess, Peer, wait_for

CONFIGURE, CLEANUP = Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_CLEANUP
ACTIVATE, DEACTIVATE = Transition.TRANSITION_ACTIVATE, Transition.TRANSITION_DEACTIVATE

PRIMARY = {
    State.PRIMARY_STATE_UNCONFIGURED: "unconfigured",
    State.PRIMARY_STATE_INACTIVE: "inactive",
    State.PRIMARY_STATE_ACTIVE: "active",
    State.PRIMARY_STATE_FINALIZED: "finalized",
}
WAY = {"inactive": [CONFIGURE], "active": [CONFIGURE, ACTIVATE], "unconfigured": []}
LOOPS = 20


class ByHand(NodeCase):
    """autostart is false: the peer drives."""

    start = {"parameters": {"autostart": False}}
    state = "unconfigured"

    def setUp(self) -> None:
        super().setUp()
        self.bring("unconfigured")

    def bring(self, state: str) -> None:
        """Brings the node into a state by the shortest way."""
        if self.peer.state() == "active":
            self.assertTrue(self.peer.change_state(DEACTIVATE))
        if self.peer.state() == "inactive":
            self.assertTrue(self.peer.change_state(CLEANUP))
        for number in WAY[state]:
            self.assertTrue(self.peer.change_state(number))
        self.assertEqual(self.peer.state(), state)

    def available(self) -> dict[str, tuple[int, str, str]]:
        """Reads what can be asked for now: label to id, start, goal."""
        reply = self.peer.call(GetAvailableTransitions, "~/get_available_transitions")
        found = reply.available_transitions
        return {d.transition.label: (d.transition.id, d.start_state.label, d.goal_state.label) for d in found}

    def test_transitions_by_id(self) -> None:
        steps = (
            (CONFIGURE, "inactive"),
            (ACTIVATE, "active"),
            (DEACTIVATE, "inactive"),
            (CLEANUP, "unconfigured"),
        )
        for number, state in steps:
            self.assertTrue(self.peer.change_state(number))
            self.assertEqual(self.peer.state(), state)

    def test_transitions_by_label(self) -> None:
        steps = {
            "configure": "inactive",
            "activate": "active",
            "deactivate": "inactive",
            "cleanup": "unconfigured",
        }
        for label, state in steps.items():
            self.assertTrue(self.peer.change_state(label=label), label)
            self.assertEqual(self.peer.state(), state)

    def test_label_goes_before_id(self) -> None:
        self.assertTrue(self.peer.change_state(CLEANUP, "configure"))
        self.assertEqual(self.peer.state(), "inactive")

    def test_illegal_transitions_are_refused_and_change_nothing(self) -> None:
        illegal = {
            "unconfigured": [CLEANUP, ACTIVATE, DEACTIVATE, 6, 7],
            "inactive": [CONFIGURE, DEACTIVATE, 5, 7],
            "active": [CONFIGURE, CLEANUP, ACTIVATE, 5, 6],
        }
        for state, numbers in illegal.items():
            self.bring(state)
            for number in [*numbers, Transition.TRANSITION_CREATE, Transition.TRANSITION_DESTROY, 60, 99]:
                self.assertFalse(self.peer.change_state(number), f"{number} in {state}")
            self.assertFalse(self.peer.change_state(label="fly"), state)
            self.assertEqual(self.peer.state(), state)

    def test_available_states(self) -> None:
        states = self.peer.call(GetAvailableStates, "~/get_available_states").available_states
        labels = {state.id: state.label for state in states}
        self.assertLessEqual(PRIMARY.items(), labels.items())
        self.assertEqual(labels[State.TRANSITION_STATE_ERRORPROCESSING], "errorprocessing")
        self.assertEqual(len(labels), 11)

    def test_available_transitions(self) -> None:
        expected = {
            "unconfigured": {"configure": CONFIGURE, "shutdown": 5},
            "inactive": {"cleanup": CLEANUP, "activate": ACTIVATE, "shutdown": 6},
            "active": {"deactivate": DEACTIVATE, "shutdown": 7},
        }
        for state, transitions in expected.items():
            self.bring(state)
            found = self.available()
            self.assertEqual({label: number for label, (number, _, _) in found.items()}, transitions)
            self.assertEqual({start for _, start, _ in found.values()}, {state})

    def test_transition_graph(self) -> None:
        graph = self.peer.call(GetAvailableTransitions, "~/get_transition_graph").available_transitions
        edges = {(d.start_state.label, d.transition.label, d.goal_state.label) for d in graph}
        edges_wanted = {
            ("unconfigured", "configure", "configuring"),
            ("configuring", "transition_success", "inactive"),
            ("configuring", "transition_failure", "unconfigured"),
            ("configuring", "transition_error", "errorprocessing"),
            ("inactive", "activate", "activating"),
            ("active", "deactivate", "deactivating"),
            ("inactive", "cleanup", "cleaningup"),
            ("active", "shutdown", "shuttingdown"),
            ("errorprocessing", "transition_success", "unconfigured"),
        }
        self.assertEqual(edges_wanted - edges, set())

    def test_transition_events(self) -> None:
        self.peer.transitions.clear()
        self.bring("active")

        def seen() -> list[tuple[str, str]]:
            return [(e.start_state.label, e.goal_state.label) for e in self.peer.transitions.messages]

        wanted = [
            ("unconfigured", "configuring"),
            ("configuring", "inactive"),
            ("inactive", "activating"),
            ("activating", "active"),
        ]
        wait_for(lambda: len(seen()) >= 4, what=f"transition events {wanted}, now {seen()}")
        self.assertEqual(seen(), wanted)

    def test_only_active_listens(self) -> None:
        self.bring("active")
        self.peer.solve_eventually()
        self.bring("inactive")

        def unheard() -> bool:
            """r2r takes a subscription from the graph only when a message comes for it."""
            self.peer.publish_joints(standing_legs())
            return self.peer.joints.get_subscription_count() == 0

        wait_for(unheard, what="no subscription while inactive")
        self.peer.reconstruction.clear()
        self.peer.stream(standing_legs(), 0.5)
        self.assertEqual(self.peer.reconstruction.messages, [])
        wait_for(
            lambda: "inactive" in str(self.peer.diagnostic("Lifecycle")), what="inactive on /diagnostics"
        )
        self.bring("active")
        self.peer.solve_eventually()

    def test_up_and_down_again_and_again(self) -> None:
        self.bring("active")
        self.peer.solve_eventually()
        self.bring("unconfigured")
        threads, files = self.node.threads(), self.node.files()
        for loop in range(LOOPS):
            self.bring("active")
            self.bring("unconfigured")
            self.assertTrue(self.node.alive, f"loop {loop}")
        self.bring("active")
        self.peer.solve_eventually()
        self.bring("unconfigured")
        self.assertLessEqual(self.node.threads(), threads + 2)
        self.assertLessEqual(self.node.files(), files + 8)


class MissingWeights(NodeCase):
    """Configuring without weights is an error that the node gets out of."""

    start: ClassVar = {
        "parameters": {"autostart": False, "models": str(ROOT / "no_models"), "reload.root": str(ROOT)}
    }
    state = "unconfigured"

    def test_error_processing_leads_back_and_the_next_try_works(self) -> None:
        self.peer.transitions.clear()
        self.assertFalse(self.peer.change_state(CONFIGURE))
        self.assertEqual(self.peer.state(), "unconfigured")
        events = wait_for(lambda: self.peer.transitions.messages, what="transition events")
        wait_for(
            lambda: "errorprocessing" in [e.goal_state.label for e in self.peer.transitions.messages],
            what=f"errorprocessing among {[e.goal_state.label for e in events]}",
        )
        wait_for(lambda: self.peer.logged(str(ROOT / "no_models"), 40), what="an error that names the folder")
        result = self.peer.set_parameters(models=str(ROOT / "models"))[0]
        self.assertTrue(result.successful, result.reason)
        self.assertTrue(self.peer.change_state(CONFIGURE))
        self.assertTrue(self.peer.change_state(ACTIVATE))
        self.peer.solve_eventually()


class Shutdown(unittest.TestCase):
    """Shutdown is a transition from every primary state. As in rclcpp the process stays, for whoever started it to end."""

    def shut_down(self, state: str, number: int, label: str) -> None:
        """Starts a node, brings it into a state and shuts it down."""
        with NodeProcess(parameters={"autostart": False}) as node, Peer() as peer:
            peer.wait_state("unconfigured")
            for step in WAY[state]:
                self.assertTrue(peer.change_state(step))
            self.assertTrue(peer.change_state(number, label))
            peer.wait_state("finalized")
            self.assertFalse(peer.change_state(CONFIGURE), "there is no way back")
            self.assertEqual(node.timed_end(signal.SIGINT)[0], 0, node.stderr())

    def test_from_unconfigured_by_id(self) -> None:
        self.shut_down("unconfigured", Transition.TRANSITION_UNCONFIGURED_SHUTDOWN, "")

    def test_from_inactive_by_label(self) -> None:
        self.shut_down("inactive", 0, "shutdown")

    def test_from_active_by_id(self) -> None:
        self.shut_down("active", Transition.TRANSITION_ACTIVE_SHUTDOWN, "")


if __name__ == "__main__":
    unittest.main()
