"""A robot seen from outside: places of its links by name, and clouds around it, over the middleware."""

from __future__ import annotations

import math
import shutil
import tempfile
import time
from pathlib import Path
from typing import ClassVar

from case import NodeCase
from messages import nanos_of, point_cloud
from peer import wait_for
from recordings import recorded_stream, replayed
from robot_links import Links
from sensor_msgs.msg import JointState, PointCloud2

ARM = "left_shoulder", "left_elbow"
FOLDER = Path(tempfile.mkdtemp(prefix="thalweg_clouds_"))


class SeenRobot(NodeCase):
    """The shipped robot, whose links and cloud are observed."""

    start: ClassVar[dict] = {"parameters": {
        "task": "robot", "robot.point_weight": 4.0, "robot.cloud_weight": 8.0, "budget.deadline": 0.1,
        "input.joint_timeout": 0.3, "input.stale_timeout": 0.3, "record.folder": str(FOLDER),
    }}

    @classmethod
    def setUpClass(cls) -> None:
        cls.addClassCleanup(shutil.rmtree, FOLDER, ignore_errors=True)
        super().setUpClass()
        cls.links = Links()
        cls.points = cls.peer.publisher(PointCloud2, "/points", matched=1)
        cls.clouds = cls.peer.publisher(PointCloud2, "/cloud", matched=1)
        cls.peer.wait_matched(cls.peer.joints)
        # A pose that F can give: what it makes of some angles.
        shown = {"left_hip_pitch_joint": -0.4, "left_knee_joint": 0.7, "left_shoulder_pitch_joint": -0.5,
                 "left_elbow_joint": 0.9, "right_elbow_joint": 0.3, "waist_yaw_joint": 0.2}
        cls.peer.solve_eventually(shown)
        answer = cls.peer.solve(shown)
        cls.pose = dict(zip(answer.name, answer.position, strict=True))
        cls.places = cls.links.places(cls.pose)
        time.sleep(0.4)  # Angles from before no longer count.

    def off(self, found: JointState) -> float:
        """Mean distance of links from where they are, metres."""
        places = self.links.places(dict(zip(found.name, found.position, strict=True)))
        return sum(math.dist(places[name], self.places[name]) for name in places) / len(places)

    def reach(self, send, near: float, what: str) -> None:
        """Sends until an answer to it is near the pose."""
        best = [math.inf]
        sent: set[int] = set()

        def reached() -> bool:
            stamp = self.peer.now_nanos()
            # An answer has the newest stamp of what it is of.
            sent.add(send(stamp) or stamp)
            time.sleep(0.05)
            answers = [m for m in self.peer.reconstruction.messages[-3:] if nanos_of(m.header.stamp) in sent]
            best[0] = min([best[0], *(self.off(answer) for answer in answers)])
            return best[0] < near

        try:
            wait_for(reached, timeout=20.0, what=what)
        except AssertionError as error:
            raise AssertionError(f"{what}: nearest {best[0]:.3f} m") from error
        self.assertEqual(self.peer.state(), "active")

    def test_all_joints_are_found_from_places_of_links(self) -> None:
        self.assertEqual(list(self.places), [name for name in self.links.names if name != self.links.root])
        cloud = list(self.places.values())
        self.reach(lambda stamp: self.points.publish(point_cloud(cloud, stamp, "pelvis")), 0.02, "links from places")

    def test_places_that_were_not_seen_are_completed(self) -> None:
        unseen = (math.nan,) * 3
        cloud = [unseen if name.startswith(ARM) else place for name, place in self.places.items()]
        self.reach(lambda stamp: self.points.publish(point_cloud(cloud, stamp, "pelvis")), 0.12, "hidden links")

    def test_silent_joints_are_found_from_a_cloud(self) -> None:
        heard = {name: value for name, value in self.pose.items() if not name.startswith(ARM)}
        cloud = self.links.cloud(self.pose, 3000)

        def send(stamp: int) -> int:
            self.clouds.publish(point_cloud(cloud, stamp, "pelvis"))
            return self.peer.publish_joints(heard)

        self.reach(send, 0.03, "an arm from a cloud")
        status = self.peer.diagnostic("Input cloud")
        self.assertIsNotNone(status)

    def test_a_cloud_alone_is_solved(self) -> None:
        time.sleep(0.4)
        cloud = self.links.cloud(self.pose, 3000)
        self.reach(lambda stamp: self.clouds.publish(point_cloud(cloud, stamp, "pelvis")), 0.15, "a pose from a cloud")

    def test_a_recording_holds_all_that_a_solve_depends_on(self) -> None:
        heard = {name: value for name, value in self.pose.items() if not name.startswith(ARM)}

        def send(step: int) -> None:
            stamp = self.peer.now_nanos()
            self.clouds.publish(point_cloud(self.links.cloud(self.pose, 900, seed=step), stamp, "pelvis"))
            self.peer.publish_joints(heard)

        file = recorded_stream(self.peer, FOLDER, send)
        self.assertIn("reproduced bit for bit", replayed(file))
