"""The body from the places of its joints, held against the kinematics of its URDF."""

from __future__ import annotations

import math
import time
import unittest
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from pathlib import Path

from case import NodeCase
from messages import nanos_of, point_cloud
from peer import wait_for
from sensor_msgs.msg import JointState, PointCloud2

URDF = Path(__file__).parents[2] / "urdf" / "human_21.urdf"
Point = tuple[float, float, float]
Matrix = list[list[float]]
# Metres, mean over the joints that were seen. A solve has milliseconds.
NEAR = 0.03


def turn(axis: int, angle: float) -> Matrix:
    """A rotation about a coordinate axis, radians."""
    sine, cosine = math.sin(angle), math.cos(angle)
    matrix = [[float(row == column) for column in range(3)] for row in range(3)]
    one, two = (axis + 1) % 3, (axis + 2) % 3
    matrix[one][one] = matrix[two][two] = cosine
    matrix[one][two], matrix[two][one] = -sine, sine
    return matrix


def times(matrix: Matrix, vector: list[float]) -> list[float]:
    """Multiplies a matrix by a vector."""
    return [sum(m * v for m, v in zip(row, vector, strict=True)) for row in matrix]


def product(one: Matrix, two: Matrix) -> Matrix:
    """Multiplies two matrices."""
    return [list(row) for row in zip(*(times(one, list(column)) for column in zip(*two, strict=True)), strict=True)]


def places(angles: Mapping[str, float]) -> list[Point]:
    """Pelvis and joints in the pelvis frame, metres, in the order of the task: that of the URDF."""
    names = {name.rsplit("_", 1)[0] for name in angles}
    return [tuple(place) for name, (_, place) in frames(angles).items() if name == "pelvis" or name in names]


def frames(angles: Mapping[str, float]) -> dict[str, tuple[Matrix, list[float]]]:
    """Orientation and place of each link in the pelvis frame, metres, in the order of the URDF."""
    found = {"pelvis": ([[float(row == column) for column in range(3)] for row in range(3)], [0.0] * 3)}
    for joint in ElementTree.parse(URDF).getroot().findall("joint"):
        name = joint.attrib["name"]
        if joint.attrib["type"] != "revolute":
            continue
        orientation, place = found[joint.find("parent").attrib["link"]]
        offset = [float(number) for number in joint.find("origin").attrib["xyz"].split()]
        moved = [a + b for a, b in zip(place, times(orientation, offset), strict=True)]
        axis = joint.find("axis").attrib["xyz"].split().index("1")
        child = joint.find("child").attrib["link"]
        found[child] = (product(orientation, turn(axis, angles[name])), moved)
    return found


class BodyPlaces(NodeCase):
    """A body that is seen by a tracker of places, not by encoders."""

    start = {"parameters": {"body_pose.point_weight": 10.0}}

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.points = cls.peer.publisher(PointCloud2, "/points", matched=1)
        cls.peer.wait_matched(cls.peer.joints)

    def bent(self) -> list[Point]:
        """The places of a pose that the prior knows: what the node makes of some angles."""
        self.peer.solve_eventually()
        answer = self.peer.solve()
        return places(dict(zip(answer.name, answer.position, strict=True)))

    def assert_reached(self, seen: list[Point]) -> None:
        """Publishes places until the answer's are near those that are not NaN."""
        time.sleep(0.7)  # Angles from before no longer count.
        stamps: set[int] = set()
        apart = [math.inf]

        def error(answer: JointState) -> float:
            got = places(dict(zip(answer.name, answer.position, strict=True)))
            pairs = [pair for pair in zip(got, seen, strict=True) if not math.isnan(pair[1][0])]
            return sum(math.dist(one, other) for one, other in pairs) / len(pairs)

        def reached() -> bool:
            stamp = self.peer.now_nanos()
            stamps.add(stamp)
            self.points.publish(point_cloud(seen, stamp, "pelvis"))
            time.sleep(0.02)
            fresh = [m for m in self.peer.reconstruction.messages[-5:] if nanos_of(m.header.stamp) in stamps]
            apart.extend(error(answer) for answer in fresh)
            return apart[-1] < NEAR

        try:
            wait_for(reached, what="places")
        except AssertionError as failure:
            raise AssertionError(f"{failure}; the last were {apart[-5:]} m apart") from None

    def test_places_alone_give_the_pose(self) -> None:
        self.assert_reached(self.bent())

    def test_hands_and_feet_are_enough_to_reach_them(self) -> None:
        whole = self.bent()
        unseen: Point = (math.nan, math.nan, math.nan)
        # Ankles, head and wrists, behind the pelvis in the list.
        self.assert_reached([place if index in (7, 8, 15, 20, 21) else unseen for index, place in enumerate(whole)])


if __name__ == "__main__":
    unittest.main()
