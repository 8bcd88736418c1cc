"""The planar arm: joints and points together, held against its closed form."""

from __future__ import annotations

import math
import time
import unittest
from collections.abc import Callable

from case import NodeCase
from messages import ARM_JOINTS, arm_tips, joint_state, nanos_of, point_cloud
from peer import wait_for
from sensor_msgs.msg import PointCloud2

ANGLES = (0.4, 0.6, -0.3)
Angles = dict[str, float]
Point = tuple[float, float, float]
UNSEEN: Point = (math.nan, math.nan, math.nan)


def near(expected: Angles, tolerance: float) -> Callable[[Angles], bool]:
    """Tells whether angles are within a tolerance, radians."""
    return lambda angles: all(abs(angles[name] - angle) < tolerance for name, angle in expected.items())


class PlanarArm(NodeCase):
    """A task that observes joints and points; it starts in a namespace-free graph of its own.

    Its budget is generous: on a slow, busy machine 8 ms may not even be one step through libtorch, and what is tested
    here is where descents lead.
    """

    start = {"parameters": {"task": "planar_arm", "budget.deadline": 0.05}}

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.points = cls.peer.publisher(PointCloud2, "/points", matched=1)
        cls.peer.wait_matched(cls.peer.joints)

    def settle(self, joints: Angles, points: list[Point] | None, holds: Callable[[Angles], bool]) -> None:
        """Publishes one observation again and again until the angles that come back satisfy `holds`."""
        time.sleep(0.7)
        stamps: set[int] = set()
        last: Angles = {}

        def satisfied() -> bool:
            stamps.add(self.publish(joints, points))
            time.sleep(0.02)
            messages = self.peer.reconstruction.messages[-5:]
            for answer in (m for m in messages if nanos_of(m.header.stamp) in stamps):
                last.update(zip(answer.name, answer.position, strict=True))
            return bool(last) and holds(last)

        try:
            wait_for(satisfied, what="the angles")
        except AssertionError as error:
            raise AssertionError(f"{error}; the last are {last}") from None
        self.assertEqual(sorted(last), sorted(ARM_JOINTS))

    def publish(self, joints: Angles, points: list[Point] | None) -> int:
        """Publishes what there is, with one stamp."""
        stamp = self.peer.now_nanos()
        if joints:
            self.peer.joints.publish(joint_state(joints, stamp))
        if points:
            self.points.publish(point_cloud(points, stamp))
        return stamp

    def test_points_alone_give_the_angles(self) -> None:
        self.settle({}, arm_tips(ANGLES), near(dict(zip(ARM_JOINTS, ANGLES, strict=True)), 0.05))

    def test_joints_alone_are_followed(self) -> None:
        seen = {"joint_1": -0.5, "joint_3": 0.8}
        self.settle(seen, None, near(seen, 0.05))

    def test_joints_and_points_are_merged(self) -> None:
        tip = arm_tips(ANGLES)[2]
        first = {"joint_1": ANGLES[0]}

        def explained(angles: Angles) -> bool:
            reached = arm_tips(angles[name] for name in ARM_JOINTS)[2]
            return math.dist(reached, tip) < 0.03 and near(first, 0.15)(angles)

        self.settle(first, [UNSEEN, UNSEEN, tip], explained)

    def refuse_points(self, message: PointCloud2, cause: str) -> None:
        """Publishes a cloud that must be refused by cause, then a good one that must be used."""
        before = self.peer.diagnostic("Input points")
        count = before.count(f"refused {cause}") if before else 0
        message.header.stamp = point_cloud([], self.peer.now_nanos()).header.stamp
        self.points.publish(message)

        def counted() -> bool:
            status = self.peer.diagnostic("Input points")
            return status is not None and status.count(f"refused {cause}") > count

        wait_for(counted, what=f"refused {cause}; now {self.peer.diagnostic('Input points')}")
        self.settle({}, arm_tips(ANGLES), lambda _: True)

    def test_clouds_that_cannot_be_read_are_refused_by_cause(self) -> None:
        tips = arm_tips(ANGLES)
        short = point_cloud(tips, 0)
        short.data = short.data[:-8]
        zero = point_cloud(tips, 0)
        zero.point_step = 0
        flat = point_cloud(tips, 0)
        flat.fields = flat.fields[:2]
        huge = point_cloud([], 0)
        huge.width = huge.height = 2**32 - 1
        cases = [
            (short, "bad_layout"),
            (zero, "bad_layout"),
            (huge, "bad_layout"),
            (flat, "missing_field"),
            (point_cloud(tips[:2], 0), "wrong_count"),
            (point_cloud(tips, 0, "map"), "wrong_frame"),
        ]
        for message, cause in cases:
            with self.subTest(cause=cause, width=message.width):
                self.refuse_points(message, cause)


if __name__ == "__main__":
    unittest.main()
