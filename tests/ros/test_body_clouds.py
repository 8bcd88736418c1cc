"""A person in a cloud without names, anywhere before a camera, over the middleware."""

from __future__ import annotations

import math
import shutil
import tempfile
import time
import unittest
from pathlib import Path
from typing import ClassVar

from body_cloud import body_cloud
from case import NodeCase
from geometry_msgs.msg import PoseStamped
from messages import nanos_of, point_cloud
from peer import NodeProcess, wait_for
from recordings import recorded_stream, replayed
from sensor_msgs.msg import PointCloud2
from test_body_places import Point, places

FRAME = "camera"
FOLDER = Path(tempfile.mkdtemp(prefix="thalweg_body_clouds_"))
PLACE = (0.3, -0.2, 2.5)
ARM = "left_shoulder", "left_elbow", "left_wrist"


def seen(point: Point) -> Point:
    """A point of the pelvis frame before a camera whose y points down; the person faces it."""
    x, y, z = point
    return (x + PLACE[0], -y + PLACE[1], -z + PLACE[2])


class Clouded(NodeCase):
    """A node that sees a cloud; the pose is what the prior makes of some angles."""

    start: ClassVar[dict] = {"parameters": {
        "body_pose.cloud_weight": 8.0, "budget.deadline": 0.1, "input.joint_timeout": 0.3, "input.stale_timeout": 0.3,
        "record.folder": str(FOLDER),
    }}

    @classmethod
    def setUpClass(cls) -> None:
        cls.addClassCleanup(shutil.rmtree, FOLDER, ignore_errors=True)
        super().setUpClass()
        cls.clouds = cls.peer.publisher(PointCloud2, "/cloud", matched=1)
        cls.poses = cls.peer.subscribe(PoseStamped, "/thalweg/pose")
        cls.peer.wait_matched(cls.peer.joints)
        shown = {"left_elbow_y": -0.9, "right_elbow_y": 0.4, "left_shoulder_z": -0.7, "left_knee_x": 0.6}
        cls.peer.solve_eventually(shown)
        answer = cls.peer.solve(shown)
        cls.pose = dict(zip(answer.name, answer.position, strict=True))
        cls.places = places(cls.pose)
        time.sleep(0.4)  # Angles from before no longer count.

    def reach(self, heard: dict[str, float], near: float, what: str) -> None:
        """Publishes clouds, and angles that are heard, until places of joints are near, and the pelvis too."""
        best = [math.inf, math.inf]
        cloud = body_cloud(self.pose, seen, 2000)
        sent: set[int] = set()

        def reached() -> bool:
            stamp = self.peer.now_nanos()
            sent.add(stamp)
            self.clouds.publish(point_cloud(cloud, stamp, FRAME))
            if heard:
                sent.add(self.peer.publish_joints(heard))
            time.sleep(0.1)
            for answer in [m for m in self.peer.reconstruction.messages[-3:] if nanos_of(m.header.stamp) in sent]:
                found = places(dict(zip(answer.name, answer.position, strict=True)))
                apart = [math.dist(a, b) for a, b in zip(found, self.places, strict=True)]
                best[0] = min(best[0], sum(apart) / len(apart))
            for pose in [m for m in self.poses.messages[-3:] if m.header.frame_id == FRAME]:
                at = pose.pose.position
                best[1] = min(best[1], math.dist((at.x, at.y, at.z), PLACE))
            return best[0] < near and best[1] < 0.08

        try:
            wait_for(reached, timeout=20.0, what=what)
        except AssertionError as error:
            raise AssertionError(f"{what}: nearest {best} m, {self.peer.diagnostic('Root')}") from error
        self.assertEqual(self.peer.state(), "active")

    def test_a_cloud_alone_gives_pose_and_root(self) -> None:
        time.sleep(0.4)
        self.reach({}, 0.1, "a person from a cloud")
        wait_for(lambda: self.peer.diagnostic("Root"), what="a status of the root")

    def test_a_silent_arm_is_found_from_a_cloud(self) -> None:
        heard = {name: value for name, value in self.pose.items() if not name.startswith(ARM)}
        self.reach(heard, 0.03, "an arm from a cloud")

    def test_a_recording_holds_all_that_a_solve_depends_on(self) -> None:
        heard = {name: value for name, value in self.pose.items() if not name.startswith(ARM)}

        def send(step: int) -> None:
            stamp = self.peer.now_nanos()
            self.clouds.publish(point_cloud(body_cloud(self.pose, seen, 900 + step), stamp, FRAME))
            self.peer.publish_joints(heard)

        file = recorded_stream(self.peer, FOLDER, send)
        self.assertIn("reproduced bit for bit", replayed(file))


class People(unittest.TestCase):
    """A cloud says nothing of whom it is."""

    def test_several_people_in_a_cloud_are_refused_in_words(self) -> None:
        parameters = {"body_pose.cloud_weight": 8.0, "input.people": 2, "body_pose.keypoints": "azure_kinect_32"}
        with NodeProcess(parameters=parameters) as node:
            wait_for(lambda: "a cloud says nothing of whom it is" in node.stderr(), what="a sentence")


if __name__ == "__main__":
    unittest.main()
