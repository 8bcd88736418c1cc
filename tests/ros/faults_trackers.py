"""Provocations by trackers of bodies: the P rows from P16 on."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator

from messages import point_cloud
from node_process import NodeProcess
from peer import Peer, wait_for
from rig import Rig
from sensor_msgs.msg import PointCloud2
from test_body_places import Point, places

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


def p19_two_keypoints(rig: Rig) -> None:
    with tracked() as (_, peer, clouds, points):
        wait_root(peer, clouds, points, "OK", "Seen")
        unseen: Point = (math.nan, math.nan, math.nan)
        wrists = [point if index in (20, 21) else unseen for index, point in enumerate(points)]
        wait_root(peer, clouds, wrists, "WARN", "too few points")
        wait_root(peer, clouds, points, "OK", "Seen")
