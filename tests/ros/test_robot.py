"""A robot that was adopted a moment ago: its joints by its own names, silent ones completed, its URDF published."""

from __future__ import annotations

import math
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import ClassVar

from case import NodeCase
from messages import ROOT
from peer import qos, wait_for
from sensor_msgs.msg import JointState
from std_msgs.msg import String

URDF = ROOT / "tests" / "support" / "mixed.urdf"
JOINTS = ("wheel", "wheel_copy", "lift", "shoulder", "elbow", "finger", "finger_copy", "lamp")
LIMITS = {"lift": (0.0, 0.5), "shoulder": (-1.2, 0.6), "elbow": (-2.0, 2.0), "finger": (0.0, 0.04), "lamp": (-1.0, 1.0)}
SECONDS, RATE = 120, 20


def positions(time: float) -> dict[str, float]:
    """What the robot does: lift, elbow and finger follow the shoulder's phase; the lamp never moves."""
    wave = 0.9 * time
    finger = 0.02 + 0.015 * math.sin(wave + 0.6)
    wheel = 1.7 * time
    return dict(zip(JOINTS, (
        wheel, 0.3 - wheel, 0.25 + 0.2 * math.sin(wave), -0.3 + 0.7 * math.sin(wave), 1.3 * math.sin(wave + 0.6),
        finger, -finger, 0.4,
    ), strict=True))


def adopt(folder: Path) -> Path:
    """Adopts the robot from a table of its motion, with the shortest training there is."""
    table = folder / "motion.csv"
    rows = [positions(frame / RATE) for frame in range(SECONDS * RATE)]
    lines = [",".join(["time", *JOINTS])]
    lines += [",".join(str(value) for value in (frame / RATE, *row.values())) for frame, row in enumerate(rows)]
    table.write_text("\n".join(lines) + "\n")
    model = folder / "model"
    command = [ROOT / "target" / "release" / "thalweg", "adopt", URDF, table, "--output", model]
    subprocess.run([*command, "--quick", "--steps", "400", "--buffers", "6"], cwd=ROOT, check=True, capture_output=True)
    return model


class AdoptedRobot(NodeCase):
    """The node with a model that the program has just made."""

    folder: ClassVar[Path]

    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = Path(tempfile.mkdtemp(prefix="thalweg_robot_"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        model = adopt(cls.folder)
        cls.start = {"parameters": {
            "task": "robot", "robot.model": str(model), "budget.deadline": 0.05, "output.robot_description": True,
        }}
        super().setUpClass()
        cls.peer.wait_matched(cls.peer.joints)

    def complete(self, hidden: set[str]) -> dict[str, float]:
        """Publishes a pose without some joints, and takes the answer that explains the others."""
        truth = positions(3.0)
        shown = {name: value for name, value in truth.items() if name not in hidden}
        answer = self.peer.solve(shown)
        found = dict(zip(answer.name, answer.position, strict=True))
        self.assertEqual(sorted(found), sorted(JOINTS))
        for name, (lower, upper) in LIMITS.items():
            self.assertTrue(lower - 1e-6 <= found[name] <= upper + 1e-6, f"{name}: {found[name]}")
        return found

    def test_silent_joints_are_completed(self) -> None:
        truth, hidden = positions(3.0), {"elbow", "finger", "finger_copy"}
        found = self.complete(hidden)
        for name in ("lift", "shoulder"):
            self.assertAlmostEqual(found[name], truth[name], delta=0.15, msg=f"{name} of {found}")
        self.assertAlmostEqual(found["finger_copy"], -found["finger"], delta=1e-6)
        self.assertAlmostEqual(found["lamp"], 0.4, delta=1e-6)

    def test_a_nan_is_a_joint_that_is_silent(self) -> None:
        shown = {**positions(3.0), "elbow": math.nan}
        answer = self.peer.solve(shown)
        found = dict(zip(answer.name, answer.position, strict=True))
        self.assertTrue(math.isfinite(found["elbow"]))

    # The last one: it leaves a wrong position of the elbow to be remembered.
    def test_what_stands_still_while_others_move_is_named(self) -> None:
        surprises = self.peer.subscribe(JointState, "~/surprise")
        self.addCleanup(lambda: self.peer.unsubscribe(surprises))
        begin = time.monotonic()

        def named() -> bool:
            now = time.monotonic() - begin
            stuck = {"elbow": positions(2.0)["elbow"]} if now > 2.0 else {}
            self.peer.publish_joints({**positions(now), **stuck})
            time.sleep(1 / RATE)
            status = self.peer.diagnostic("Joints")
            return status is not None and status.level == "WARN" and float(status.values.get("elbow", 0.0)) > 1.0

        wait_for(named, what="a warning about the elbow")
        message = surprises.messages[-1]
        told = dict(zip(message.name, message.position, strict=True))
        self.assertGreater(told["elbow"], 1.0)
        # The lamp never moves: nothing is known of it.
        self.assertNotIn("lamp", told)

    def test_another_robot_is_refused_until_it_is_gone(self) -> None:
        other = URDF.read_text().replace('"shoulder"', '"collar"')
        publisher = self.peer.publisher(String, "/robot_description", qos(1, latched=True))
        publisher.publish(String(data=URDF.read_text()))
        self.assertEqual(self.peer.state(), "active")
        publisher.publish(String(data=other))
        told = "robot_description is of another robot than the model: it has no joint 'shoulder'"
        wait_for(lambda: self.peer.logged(told, level=40), what=told)
        self.peer.wait_state("unconfigured")
        self.peer.node.destroy_publisher(publisher)
        # It starts itself again.
        self.peer.wait_state("active")
        self.peer.wait_matched(self.peer.joints)
        self.complete({"elbow"})

    def test_its_own_description_is_published(self) -> None:
        heard = self.peer.subscribe(String, "/robot_description", qos(1, latched=True))
        wait_for(lambda: heard.messages, what="the description")
        self.assertEqual(heard.messages[-1].data, URDF.read_text())
