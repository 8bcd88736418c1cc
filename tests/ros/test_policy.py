"""The SROS 2 policy lists what the node does on a graph, all of it and nothing else."""

from __future__ import annotations

import fnmatch
import os
import sys
import time
import unittest
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from typing import Any

import pictures
from clock_source import ClockSource
from messages import ROOT
from peer import NodeProcess, Peer, wait_for
from sensor_msgs.msg import JointState

NODE = "/thalweg"
POLICY = ROOT / "sros2" / "thalweg.policy.xml"
VERBS = {
    "topics subscribe": "get_subscriber_names_and_types_by_node",
    "topics publish": "get_publisher_names_and_types_by_node",
    "services reply": "get_service_names_and_types_by_node",
    "services request": "get_client_names_and_types_by_node",
}
"""What a policy allows, and how the graph is asked for it."""


def full(name: str) -> str:
    """Resolves a name of a policy: absolute, private (~) or relative to the root namespace."""
    return f"{NODE}/{name[1:]}" if name.startswith("~") else name if name.startswith("/") else f"/{name}"


def allowed() -> dict[str, set[str]]:
    """Reads the policy: for each verb the names."""
    profile = ElementTree.parse(POLICY).getroot().find("enclaves/enclave/profiles/profile")
    assert profile is not None and (profile.attrib["ns"], profile.attrib["node"]) == ("/", "thalweg")
    found: dict[str, set[str]] = {verb: set() for verb in VERBS}
    for group in profile:
        ((verb, rule),) = group.attrib.items()
        assert rule == "ALLOW", group.attrib
        found[f"{group.tag} {verb}"] |= {full(name.text or "") for name in group}
    return found


def used(parameters: Mapping[str, Any]) -> dict[str, set[str]]:
    """Runs a node until it is active, and asks the graph what it does there."""
    with NodeProcess(parameters={"use_sim_time": True, **parameters}) as node, Peer(NODE) as peer:
        peer.wait_state("active")
        with ClockSource(peer):

            def asked() -> dict[str, set[str]]:
                return {
                    verb: {name for name, _ in getattr(peer.node, ask)("thalweg", "/")} for verb, ask in VERBS.items()
                }

            wait_for(lambda: "/clock" in asked()["topics subscribe"], what="the node follows /clock")
            wait_for(lambda: len(asked()["services reply"]) >= 17, what="its services are found")
            if "input.people" in parameters:
                wait_for(lambda: is_followed(peer, asked()["topics publish"]), what="topics of somebody")
            found = asked()
        assert node.stop() == 0, node.stderr()[-1500:]
    return found


def is_followed(peer: Peer, published: set[str]) -> bool:
    """Publishes joints of somebody, stamped as of now; tells whether their topics are there."""
    peer.joints.publish(JointState(name=["l_elbow_a1", "r_elbow_a1"], position=[0.5, 0.4]))
    time.sleep(0.05)
    return "/humans/bodies/a1/joint_states" in published


class Policy(unittest.TestCase):
    """sros2/thalweg.policy.xml."""

    def test_it_lists_what_the_node_does(self) -> None:
        runs = [used({"task": "planar_arm"}), used({
            "body_pose.keypoints": "joints", "body_pose.names": "rep155", "output.robot_description": True,
            "input.points_type": "pixels",
        })]
        runs.append(used({
            "body_pose.keypoints": "joints", "body_pose.names": "rep155", "input.people": 2, "output.root_frame": "body",
        }))
        model = str(ROOT / "models" / "robots" / "unitree_g1")
        runs.append(used({"task": "robot", "robot.model": model, "robot.cloud_weight": 8.0}))
        for task, observer in pictures.OBSERVERS.items():
            if reason := pictures.missing(task):
                self.assertNotEqual(os.environ.get("CI"), "true", reason)
                print(f"SKIPPED in part: topics of {task}: {reason}", file=sys.stderr)
            else:
                runs.append(used(observer.parameters))
        for verb, names in allowed().items():
            there = set().union(*(run[verb] for run in runs))
            unlisted = {name for name in there if not any(fnmatch.fnmatchcase(name, rule) for rule in names)}
            self.assertEqual(unlisted, set(), f"{verb}: the node does what the policy does not allow")
            if len(runs) == 4 + len(pictures.OBSERVERS):
                unused = {rule for rule in names if not fnmatch.filter(there, rule)}
                self.assertEqual(unused, set(), f"{verb}: the policy allows what the node does not do")

    def test_no_name_is_wider_than_a_number(self) -> None:
        """A wildcard stands for the number of a hypothesis, or for the identity of a person, and for nothing else."""
        wide = [name for names in allowed().values() for name in names if "*" in name or "?" in name]
        numbered = [f"{NODE}/hypotheses/*/image", f"{NODE}/hypotheses/*/joint_states"]
        self.assertEqual(sorted(wide), ["/humans/bodies/*", *numbered])


if __name__ == "__main__":
    unittest.main()
