"""What a row of the fault table has in hand: the node, a peer, and the means to judge a reaction."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from messages import good_pose
from peer import ANY_TIME, NodeProcess, Peer, Status, wait_for

REACTION = 3.0
"""Seconds within which a fault must be told on /diagnostics; 1 s is the promise, the rest is the machine's load."""

TRIES = 3
"""How often is tried what was too slow: a fault makes it slow each time, a busy machine does not."""


class NotHere(Exception):
    """Says that a row cannot be run on this machine, and why."""


class TooSlow(AssertionError):
    """Says that something took longer than it may, or that too little came of it in a time.

    A node that is at fault is slow each time, a machine that does something else is not: such rows run again.
    """


def in_time(seconds: float, limit: float, what: str) -> None:
    """Raises TooSlow when it took longer than the limit."""
    if seconds > limit:
        raise TooSlow(f"{what}: {seconds:.3f} s, at most {limit:.3f} s expected")


def tried(act: Callable[[], Any], what: str) -> Any:
    """Acts, up to three times where it was too slow, and tells each; gives what came of it."""
    for attempt in range(1, TRIES):
        try:
            return act()
        except TooSlow as error:
            print(f"RETRY {what}: too slow at try {attempt} of {TRIES}: {error}", file=sys.stderr, flush=True)
    return act()


@dataclass(frozen=True)
class Row:
    """One row of faults.toml; what each key means is said there."""

    id: str
    input: str
    reaction: str
    how: str = ""
    node: str = "shared"
    status: str = ""
    counter: str = ""
    level: str = ""
    text: str = ""
    within: float = REACTION
    good: str = "next"
    not_run: str = ""
    found_by: str = "catalogue"
    parameters: Mapping[str, Any] = field(default_factory=dict)


class Rig:
    """Runs provocations and waits for reactions."""

    def __init__(self, row: Row, node: NodeProcess, peer: Peer) -> None:
        self.row, self.node, self.peer = row, node, peer
        self.measured: dict[str, float] = {}
        self.begin = time.time()
        self.before = self.count()

    def mark(self) -> None:
        """Says that the fault happens now: reactions are timed from here."""
        self.begin = time.time()

    def measure(self, name: str, value: float) -> float:
        """Notes a number for the record."""
        self.measured[name] = round(value, 4)
        return value

    def status(self, task: str = "", since: float = 0.0) -> Status | None:
        """Gives the newest status of a task, by default the row's."""
        return self.peer.diagnostic(task or self.row.status, since)

    def count(self, key: str = "", task: str = "") -> int:
        """Reads a counter, by default the row's."""
        status = self.status(task)
        return status.count(key or self.row.counter) if status else 0

    def refusals(self) -> dict[str, str]:
        """Gives the counters of everything that was refused on joint_states."""
        status = self.status("Input joint_states")
        values = status.values if status else {}
        return {key: value for key, value in values.items() if key.startswith("refused ")}

    def await_reaction(self) -> None:
        """Waits until level, text and counter of the row are on /diagnostics; notes how long it took."""
        if not self.row.status:
            return
        self._await_counter()
        self._await_level()
        in_time(self.measured.get("reaction_s", 0.0), self.row.within, "the reaction")

    def _await_counter(self) -> None:
        if not self.row.counter:
            return
        what = f"{self.row.status}: '{self.row.counter}' above {self.before}"
        self._await(lambda status: status.count(self.row.counter) > self.before, what)

    def _await_level(self) -> None:
        if not (self.row.level or self.row.text):
            return
        what = f"{self.row.status}: {self.row.level} '{self.row.text}'"
        level, text = self.row.level, self.row.text
        self._await(lambda status: (not level or status.level == level) and text in status.message, what)

    def _await(self, holds: Any, what: str) -> None:
        def seen() -> float | None:
            arrivals = [
                arrival for arrival in list(self.peer.diagnostics.arrivals) if arrival[0] >= self.begin
            ]
            for when, array in arrivals:
                found = self.peer.read(array, self.row.status)
                if found and holds(found):
                    return when
            return None

        when = wait_for(seen, max(ANY_TIME / 2, 2 * self.row.within), what)
        self.measured["reaction_s"] = round(max(self.measured.get("reaction_s", 0.0), when - self.begin), 3)

    def check_alive(self) -> None:
        """Asserts that the node lives and that no bad number ever came from it."""
        assert (
            self.node.alive
        ), f"the node has ended with {self.node.process.returncode}:\n{self.node.stderr()[-2000:]}"
        assert not self.peer.nonfinite, f"numbers that are not finite: {self.peer.nonfinite[:3]}"

    def check_good(self) -> None:
        """Asserts that good input works: the very next message, or one of the next where the row says so."""
        if self.row.good == "next":
            self.peer.solve(good_pose())
        elif self.row.good == "eventually":
            self.measure("messages_until_good", self.peer.solve_eventually(good_pose()))
