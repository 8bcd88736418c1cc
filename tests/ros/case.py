"""What the test cases share: one node and one peer for each class."""

from __future__ import annotations

import unittest
from collections.abc import Mapping
from typing import Any, ClassVar

from peer import NodeProcess, Peer


class NodeCase(unittest.TestCase):
    """Starts one node for the whole class; `start` says how. The node must end with exit code 0."""

    start: ClassVar[Mapping[str, Any]] = {}
    target: ClassVar[str] = "/thalweg"
    joint_topic: ClassVar[str] = "/joint_states"
    state: ClassVar[str] = "active"
    node: ClassVar[NodeProcess]
    peer: ClassVar[Peer]

    @classmethod
    def setUpClass(cls) -> None:
        cls.node = NodeProcess(**cls.start)
        cls.peer = cls.make_peer()
        cls.addClassCleanup(cls.finish)
        try:
            cls.peer.wait_state(cls.state)
        except AssertionError as error:
            raise AssertionError(f"{error}\nstandard error of the node:\n{cls.node.stderr()}") from None

    @classmethod
    def make_peer(cls) -> Peer:
        """Joins the graph as what talks to this node."""
        return Peer(cls.target, cls.joint_topic)

    @classmethod
    def finish(cls) -> None:
        """Stops the node first, so that the peer sees it end."""
        errors = cls.node.stderr()
        code = cls.node.stop()
        cls.node.__exit__()
        cls.peer.close()
        if code != 0:
            raise AssertionError(f"exit code {code} instead of 0; standard error:\n{errors[-3000:]}")
        if cls.peer.nonfinite:
            raise AssertionError(f"numbers that are not finite were published: {cls.peer.nonfinite[:3]}")

    def setUp(self) -> None:
        self.assertTrue(self.node.alive, f"the node has ended; standard error:\n{self.node.stderr()[-3000:]}")
