"""What tools expect of a node: one-shot completion, hypotheses in one message, type descriptions, logs."""

from __future__ import annotations

import math
import tempfile
import time
import unittest
from pathlib import Path

from case import NodeCase
from messages import ROOT, joint_state, standing_legs
from node_process import NodeProcess, run_to_end
from peer import Peer, qos, wait_for
from rcl_interfaces.msg import Log
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from thalweg_msgs.msg import HypothesisArray
from thalweg_msgs.srv import Complete
from type_description_interfaces.srv import GetTypeDescription

STEPS = {"budget.steps": 20, "budget.deadline": 5.0}
"""Enough for an answer that does not depend on the machine's speed."""


class OneShot(NodeCase):
    """~/complete, of a node that is not even active."""

    start = {"parameters": {**STEPS, "autostart": False}}
    state = "unconfigured"

    def complete(self, observed: JointState) -> Complete.Response:
        """Asks for a completion."""
        return self.peer.call(Complete, "~/complete", observed=observed)

    def test_in_every_state(self) -> None:
        stamp = time.time_ns()
        refused = self.complete(joint_state(standing_legs(), stamp))
        self.assertFalse(refused.success)
        self.assertIn("configure", refused.message)
        self.assertTrue(self.peer.change_state(label="configure"))
        first = self.complete(joint_state(standing_legs(), stamp))
        self.assertTrue(first.success, first.message)
        answer = first.answer
        self.assertEqual(answer.header.stamp.sec * 10**9 + answer.header.stamp.nanosec, stamp)
        self.assertEqual(len(answer.joint_names), 63)
        ranks = [one.rank for one in answer.hypotheses]
        self.assertEqual(ranks, list(range(len(ranks))))
        self.assertGreater(len(ranks), 1)
        losses = [one.loss for one in answer.hypotheses]
        self.assertEqual(losses, sorted(losses))
        self.assertAlmostEqual(sum(one.weight for one in answer.hypotheses), 1.0, places=4)
        self.assertTrue(all(math.isfinite(value) for one in answer.hypotheses for value in one.position))
        place = {name: index for index, name in enumerate(answer.joint_names)}
        for name, value in standing_legs().items():
            self.assertAlmostEqual(answer.hypotheses[0].position[place[name]], value, delta=0.2, msg=name)

    def test_what_is_wrong_is_said(self) -> None:
        self.peer.change_state(label="configure")
        for observed, text in (
            (JointState(), "nothing to complete"),
            (joint_state({"wheel": 1.0}, time.time_ns()), "0 of 1 names match"),
            (joint_state({"left_knee_x": math.nan}, time.time_ns()), "nothing to complete"),
        ):
            told = self.complete(observed)
            self.assertFalse(told.success)
            self.assertIn(text, told.message)


class Aside(NodeCase):
    """A completion changes nothing of the stream beside it."""

    start = {"parameters": STEPS}

    def test_the_stream_goes_on_and_a_bag_of_last_year_is_answered(self) -> None:
        self.peer.solve_eventually()
        old = joint_state(standing_legs(), time.time_ns() - 365 * 86_400 * 10**9)
        before = self.peer.solve(standing_legs())
        for _ in range(3):
            reply = self.peer.call(Complete, "~/complete", observed=old)
            self.assertTrue(reply.success, reply.message)
            self.assertEqual(reply.answer.header.stamp, old.header.stamp)
        after = self.peer.solve(standing_legs())
        for a, b in zip(before.position, after.position, strict=True):
            self.assertAlmostEqual(a, b, delta=0.5)

    def test_identities_stay_from_frame_to_frame(self) -> None:
        heard = self.peer.subscribe(HypothesisArray, "~/hypotheses")
        self.peer.solve_eventually()
        wait_for(lambda: heard.messages, what="an array of hypotheses")
        self.peer.stream(standing_legs(), 1.0, rate=30.0)
        wait_for(lambda: len(heard.messages) > 5, what="some more")
        arrays = heard.messages
        for before, after in zip(arrays, arrays[1:], strict=False):
            self.assertEqual(sorted(one.identity for one in after.hypotheses), list(range(len(after.hypotheses))))
            last = {one.identity: one.position for one in before.hypotheses}
            if len(last) != len(after.hypotheses):
                continue

            def distance(a: list[float], b: list[float]) -> float:
                return sum((x - y) ** 2 for x, y in zip(a, b, strict=True))

            own = min(after.hypotheses, key=lambda one: distance(last[one.identity], one.position))
            nearest = min(last, key=lambda number: distance(last[number], own.position))
            self.assertEqual(own.identity, nearest, "the nearest pair of two frames has one identity")


class Description(NodeCase):
    """The body's URDF for whoever comes, and whenever."""

    start = {"parameters": {"output.robot_description": True}}

    def test_a_late_joiner_gets_it(self) -> None:
        heard = self.peer.subscribe(String, "/robot_description", qos(1, latched=True))
        text = wait_for(lambda: heard.messages, what="a URDF")[0].data
        self.assertEqual(text, (ROOT / "urdf/human_21.urdf").read_text())


class Types(NodeCase):
    """~/get_type_description, as rclcpp's."""

    start = {"parameters": {"autostart": False}}
    state = "unconfigured"

    def describe(self, name: str, type_hash: str = "", sources: bool = True) -> GetTypeDescription.Response:
        """Asks for a type."""
        return self.peer.call(GetTypeDescription, "~/get_type_description", type_name=name, type_hash=type_hash,
                              include_type_sources=sources)

    def test_types_of_the_node(self) -> None:
        told = self.describe("sensor_msgs/msg/JointState")
        self.assertTrue(told.successful, told.failure_reason)
        fields = [field.name for field in told.type_description.type_description.fields]
        self.assertEqual(fields, ["header", "name", "position", "velocity", "effort"])
        others = {one.type_name for one in told.type_description.referenced_type_descriptions}
        self.assertEqual(others, {"std_msgs/msg/Header", "builtin_interfaces/msg/Time"})
        self.assertIn("string[] name", {one.type_name: one for one in told.type_sources}["sensor_msgs/msg/JointState"].raw_file_contents)
        self.assertTrue(self.describe("thalweg_msgs/srv/Complete", sources=False).successful)

    def test_what_is_not_there_is_said(self) -> None:
        for name in ("sensor_msgs/msg/Nothing", "../../etc/passwd", "", "a/b", "/msg/x"):
            told = self.describe(name)
            self.assertFalse(told.successful)
            self.assertIn("unknown type", told.failure_reason)
        told = self.describe("sensor_msgs/msg/JointState", "RIHS01_0")
        self.assertIn("has the hash RIHS01_", told.failure_reason)


class Logs(unittest.TestCase):
    """Console, /rosout and file, each by rcl's options."""

    def logged(self, *arguments: str) -> tuple[str, str, list[str]]:
        """Starts a node with options; gives the console, the log file and what came on /rosout."""
        with tempfile.TemporaryDirectory() as folder:
            environment = {"ROS_LOG_DIR": folder}
            options = ["--ros-args", *arguments, "--"]
            with NodeProcess(arguments=options, environment=environment) as node, Peer() as peer:
                peer.wait_state("active")
                heard = peer.subscribe(Log, "/rosout", None)
                time.sleep(1.0)
                self.assertEqual(node.stop(), 0)
                # What the node said last may still be on its way.
                deadline = time.monotonic() + 5.0
                while not any("shutting down" in line.msg for line in heard.messages) and time.monotonic() < deadline:
                    time.sleep(0.05)
                lines = [line.msg for line in heard.messages if line.name == "thalweg"] or peer.logged("")
                files = sorted(Path(folder).glob("*.log"))
                return node.stderr(), "".join(f"{path.name}\n{path.read_text()}" for path in files), lines

    def test_all_three_by_default(self) -> None:
        console, file, rosout = self.logged()
        for line in ("configured: task body_pose", "configure: unconfigured -> inactive", "activate: inactive -> active"):
            self.assertIn(line, console)
            self.assertIn(line, file)
        self.assertIn("thalweg_node_", file)
        # What was said before this peer was found is not repeated on /rosout.
        self.assertTrue(any("shutting down" in line for line in rosout), rosout)

    def test_console_off_and_another_name(self) -> None:
        console, file, _ = self.logged("--disable-stdout-logs", "--enable-rosout-logs", "--log-file-name", "my_own")
        self.assertNotIn("configured: task", console)
        self.assertIn("configured: task", file)
        self.assertTrue(file.startswith("my_own_"), file[:80])

    def test_file_off(self) -> None:
        console, file, _ = self.logged("--disable-external-lib-logs")
        self.assertIn("configured: task", console)
        self.assertNotIn("configured: task", file)


class NodeNames(unittest.TestCase):
    """A name that rcl refuses is refused with its reason."""

    def test_names(self) -> None:
        for options, text in (
            ({"name": "a-b"}, "a-b"),
            ({"name": "1a"}, "1a"),
            ({"namespace": "/x/b-c"}, "b-c"),
        ):
            code, _, errors = run_to_end(**options)
            self.assertEqual(code, 2, errors)
            self.assertIn(text, errors)


if __name__ == "__main__":
    unittest.main()
