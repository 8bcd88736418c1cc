"""Joints as REP-155 has them: read beside the task's own names, and written on a topic of their own."""

from __future__ import annotations

import math

from case import NodeCase
from messages import body_joints
from peer import wait_for
from sensor_msgs.msg import JointState

LIMBS = [f"{side}_{joint}" for side in "lr" for joint in (
    "y_shoulder", "p_shoulder", "r_shoulder", "elbow", "y_hip", "p_hip", "r_hip", "knee",
)]
JOINTS = ["waist", "r_head", "y_head", "p_head", *LIMBS]


class Rep155(NodeCase):
    """A person with an identity, as ros4hri publishes it."""

    start = {"parameters": {"body_pose.names": "rep155", "body_pose.person": "a1b2", "budget.deadline": 0.05}}

    def test_names_of_rep_155_go_in_and_out(self) -> None:
        told = self.peer.subscribe(JointState, "~/rep155/joint_states")
        self.addCleanup(lambda: self.peer.unsubscribe(told))
        seen = {"waist": 0.1, "r_head": 0.0, "y_head": 0.2, "p_head": 0.1, **dict.fromkeys(LIMBS, 0.05)}
        seen |= {"l_p_shoulder": 0.4, "r_p_shoulder": 0.4, "l_elbow": 0.5, "r_elbow": 0.4, "l_knee": -0.4, "r_knee": -0.3}
        hidden = {name: position for name, position in seen.items() if not name.startswith("l_") or "hip" in name}

        def answered() -> JointState | None:
            answer = self.peer.solve({f"{name}_zz": position for name, position in hidden.items()})
            self.assertEqual(sorted(answer.name), sorted(body_joints()), "its own names are as ever")
            return told.messages[-1] if told.messages else None

        message = wait_for(answered, what="joints of REP-155")
        found = dict(zip(message.name, message.position, strict=True))
        self.assertEqual(sorted(found), sorted(f"{name}_a1b2" for name in JOINTS))
        self.assertTrue(all(math.isfinite(position) for position in found.values()))
        for name in ("r_elbow", "r_knee", "l_p_hip", "y_head"):
            self.assertAlmostEqual(found[f"{name}_a1b2"], seen[name], delta=0.25, msg=f"{name} of {found}")

    def test_a_head_that_is_never_seen_is_completed(self) -> None:
        """hri_fullbody sends zero for what its tracker does not see."""
        never = dict.fromkeys(("waist", "r_head", "y_head", "p_head"), 0.0)
        self.peer.solve({**never, "l_elbow": 0.5, "r_elbow": 0.5})
        observed = wait_for(lambda: self.peer.diagnostic("Input joint_states"), what="diagnostics")
        wait_for(
            lambda: self.peer.diagnostic("Input joint_states").values.get("Joints observed") == "6 of 63",
            what=f"two elbows and nothing else: {observed}",
        )
