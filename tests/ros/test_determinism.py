"""The same seed and the same messages give the same answers, to the bit, where the budget counts steps."""

from __future__ import annotations

import unittest

from messages import standing_legs
from peer import NodeProcess, Peer

# The clock must not decide how many steps there are; joints must not fall out on a slow machine.
PARAMETERS = {"budget.steps": 5, "budget.deadline": 10.0, "input.joint_timeout": 60.0}


def answers(seed: int, start: str = "") -> list[list[float]]:
    """Sends six poses to a new node, one after the other; gives all joints of each answer."""
    with NodeProcess(parameters={**PARAMETERS, "random_seed": seed, "start.file": start}), Peer() as peer:
        peer.wait_state("active")
        poses = [{name: value + 0.02 * step for name, value in standing_legs().items()} for step in range(6)]
        return [list(peer.solve(pose).position) for pose in poses]


class Determinism(unittest.TestCase):
    """`random_seed`, as amcl has it."""

    def test_a_seed_repeats_itself(self) -> None:
        self.assertEqual(answers(3), answers(3))

    def test_another_seed_finds_other_answers(self) -> None:
        # A start proposes the same whatever the seed.
        self.assertNotEqual(answers(3, start="none"), answers(4, start="none"))


if __name__ == "__main__":
    unittest.main()
