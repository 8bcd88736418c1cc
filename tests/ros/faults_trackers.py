"""Provocations by trackers of bodies: the P rows from P16 on."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

from messages import body_joints, point_cloud
from node_process import NodeProcess
from peer import Peer, Status, wait_for
from rig import Rig
from sensor_msgs.msg import PointCloud2, PointField
from test_body_places import Point, places
from test_trackers import XYZ, cloud

FRAME = "camera"


@contextlib.contextmanager
def tracked(keypoints: str = "joints") -> Iterator[tuple[NodeProcess, Peer, object, list[Point]]]:
    """A node that reads a tracker, what publishes, and the places of a standing body, which has been solved."""
    parameters = {"body_pose.keypoints": keypoints, "input.joint_timeout": 0.2}
    with NodeProcess(name="tracker", parameters=parameters) as node, Peer("/tracker", name="witness") as peer:
        peer.wait_state("active")
        clouds = peer.publisher(PointCloud2, "/points", matched=1)
        peer.wait_matched(peer.joints)
        peer.solve_eventually()
        answer = peer.solve()
        own = places(dict(zip(answer.name, answer.position, strict=True)))
        yield node, peer, clouds, [(x + 0.2, -y, 2.0 - z) for x, y, z in own]
        assert peer.state() == "active", peer.state()
        assert node.stop() == 0, node.stderr()[-1500:]


def wait_refused(peer: Peer, clouds: object, points: list[Point], cause: str, text: str) -> None:
    """Publishes until a refusal is counted and told."""

    def told() -> bool:
        clouds.publish(point_cloud(points, peer.now_nanos(), FRAME))
        status = peer.diagnostic("Input points")
        return bool(status) and status.count(f"refused {cause}") > 0 and text in str(status)

    wait_for(told, what=f"a refusal: {cause}")


def wait_root(peer: Peer, clouds: object, points: list[Point], level: str, text: str) -> None:
    """Publishes until the status of the root says so."""

    def told() -> bool:
        clouds.publish(point_cloud(points, peer.now_nanos(), FRAME))
        time.sleep(0.02)
        status = peer.diagnostic("Root")
        return bool(status) and status.level == level and text in status.message

    wait_for(told, what=f"a root that is {level}: {text}")


def p16_another_table(rig: Rig) -> None:
    with tracked("mediapipe_33") as (_, peer, clouds, points):
        wait_refused(peer, clouds, points, "wrong_count", "got 22 points; expected 33")


def p17_millimetres(rig: Rig) -> None:
    with tracked() as (_, peer, clouds, points):
        wait_root(peer, clouds, points, "OK", "Seen")
        far = [(1e3 * x, 1e3 * y, 1e3 * z) for x, y, z in points]
        wait_refused(peer, clouds, far, "out_of_limits", "is the unit that of the table?")
        wait_root(peer, clouds, points, "OK", "Seen")


def p18_mirror_image(rig: Rig) -> None:
    with tracked() as (_, peer, clouds, points):
        wait_root(peer, clouds, points, "OK", "Seen")
        mirrored = [(-x, y, z) for x, y, z in points]
        wait_root(peer, clouds, mirrored, "WARN", "left and right seem swapped")
        wait_root(peer, clouds, points, "OK", "Seen")


def p19_two_keypoints(rig: Rig) -> None:
    with tracked() as (_, peer, clouds, points):
        wait_root(peer, clouds, points, "OK", "Seen")
        unseen: Point = (math.nan, math.nan, math.nan)
        wrists = [point if index in (20, 21) else unseen for index, point in enumerate(points)]
        wait_root(peer, clouds, wrists, "WARN", "too few points")
        wait_root(peer, clouds, points, "OK", "Seen")


def p16_another_order(rig: Rig) -> None:
    with tracked() as (_, peer, clouds, points):
        wait_root(peer, clouds, points, "OK", "Seen")
        wait_root(peer, clouds, points[::-1], "WARN", "are these keypoints of another table")
        wait_root(peer, clouds, points, "OK", "Seen")


def wait_noticed(peer: Peer, publish: Callable[[], None], cause: str, text: str) -> None:
    """Publishes until something that is used nevertheless is counted and told."""

    def told() -> bool:
        publish()
        time.sleep(0.02)
        status = peer.diagnostic("Input points")
        return bool(status) and status.count(f"noticed {cause}") > 0 and text in str(status)

    wait_for(told, what=f"a notice: {cause}")


def p23_two_trackers(rig: Rig) -> None:
    with tracked() as (_, peer, clouds, points):
        wait_root(peer, clouds, points, "OK", "Seen")
        other = peer.publisher(PointCloud2, "/points", matched=1)
        away = [(x + 1.0, y, z) for x, y, z in points]

        def publish() -> None:
            for publisher, seen in ((clouds, points), (other, away)):
                publisher.publish(point_cloud(seen, peer.now_nanos(), FRAME))
                time.sleep(0.01)

        wait_noticed(peer, publish, "contradiction", "to and fro")

        def is_named() -> bool:
            publish()
            status = peer.diagnostic("Graph")
            return bool(status) and status.level == "WARN" and "contradict each other" in status.message

        wait_for(is_named, what="both publishers by name")
        peer.node.destroy_publisher(other)
        wait_root(peer, clouds, points, "OK", "Seen")


def p24_another_frame(rig: Rig) -> None:
    with tracked() as (_, peer, clouds, points):
        wait_root(peer, clouds, points, "OK", "Seen")
        moved = [(x + 5.0, z, -y) for x, y, z in points]
        wait_noticed(
            peer,
            lambda: clouds.publish(point_cloud(moved, peer.now_nanos(), "another")),
            "changed_frame",
            "got points in frame 'another', in 'camera' before",
        )

        def is_there() -> bool:
            clouds.publish(point_cloud(moved, peer.now_nanos(), "another"))
            time.sleep(0.02)
            status = peer.diagnostic("Root")
            return bool(status) and status.level == "OK" and near(status, moved[0], 0.15)

        wait_for(is_there, what="the root in the other frame")


def near(status: Status, place: Point, distance: float) -> bool:
    """Whether a status of a root tells this place."""
    return math.dist([float(word) for word in status.values["Position (m)"].split()], place) < distance


@contextlib.contextmanager
def several(people: int = 2, **further: object) -> Iterator[tuple[Peer, Callable[..., None]]]:
    """A node that follows people, and what publishes those who are given: numbers and where they stand."""
    parameters = {
        "body_pose.keypoints": "joints",
        "input.people": people,
        "input.person_timeout": 0.5,
        "budget.deadline": 0.03,
        **further,
    }
    standing = places(dict.fromkeys(body_joints(), 0.0))
    fields = [*XYZ, ("person_id", PointField.INT32, "i")]
    with NodeProcess(name="tracker", parameters=parameters) as node, Peer("/tracker", name="witness") as peer:
        peer.wait_state("active")
        clouds = peer.publisher(PointCloud2, "/points", matched=1)

        def publish(*there: tuple[int | None, Point]) -> None:
            rows: list[tuple[Any, ...]] = []
            for number, (x, y, z) in there:
                identity = () if number is None else (number,)
                rows += [(a + x, y - b, z - c, *identity) for a, b, c in standing]
            has_identity = all(number is not None for number, _ in there)
            clouds.publish(cloud(rows, peer.now_nanos(), fields if has_identity else XYZ))
            time.sleep(0.03)

        yield peer, publish
        assert peer.state() == "active", peer.state()
        assert node.stop() == 0, node.stderr()[-1500:]


def wait_for_person(peer: Peer, publish: Callable[[], None], identity: str, place: Point) -> None:
    """Publishes until somebody is seen at a place."""

    def is_there() -> bool:
        publish()
        status = peer.diagnostic(f"Root of {identity}")
        return bool(status) and status.level == "OK" and near(status, place, 0.15)

    wait_for(is_there, what=f"{identity} at {place}")


HERE: Point = (0.0, 0.0, 2.5)
THERE: Point = (2.0, 0.3, 3.5)


def p20_nobody_in_particular(rig: Rig) -> None:
    with several() as (peer, publish):

        def told() -> bool:
            publish((None, HERE))
            status = peer.diagnostic("Input points")
            return bool(status) and status.count("refused no_person") > 0 and "nobody in particular" in str(status)

        wait_for(told, what="a refusal: no_person")
        wait_for_person(peer, lambda: publish((3, HERE)), "b3", HERE)


def p21_more_people(rig: Rig) -> None:
    with several() as (peer, publish):
        wait_for_person(peer, lambda: publish((1, HERE), (2, THERE)), "b2", THERE)

        def told() -> bool:
            publish((1, HERE), (2, THERE), (3, (-2.0, 0.0, 3.0)))
            points, people = peer.diagnostic("Input points"), peer.diagnostic("People")
            is_counted = bool(points) and points.count("refused too_many_people") > 0
            return is_counted and bool(people) and people.level == "WARN" and people.values["Others"] == "1"

        wait_for(told, what="the third, counted")
        wait_for_person(peer, lambda: publish((1, HERE), (2, THERE)), "b1", HERE)


def p22_an_identity_comes_back(rig: Rig) -> None:
    with several() as (peer, publish):
        wait_for_person(peer, lambda: publish((1, HERE)), "b1", HERE)
        wait_for(lambda: (found := peer.diagnostic("People")) and found.values["In memory"] == "0", what="nobody left")
        wait_for_person(peer, lambda: publish((1, THERE)), "b1", THERE)
