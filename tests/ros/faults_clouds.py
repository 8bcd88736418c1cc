"""Provocations by clouds of points around a robot: the P rows from P25 on."""

from __future__ import annotations

import contextlib
import math
import struct
import time
from collections.abc import Iterator

from messages import point_cloud
from node_process import NodeProcess
from peer import Peer, wait_for
from rig import Rig
from robot_links import Links, Point
from sensor_msgs.msg import PointCloud2

FRAME = "pelvis"
POSE = {"left_elbow_joint": 0.8, "right_elbow_joint": 0.4, "left_knee_joint": 0.5}


@contextlib.contextmanager
def watched(**more: object) -> Iterator[tuple[Peer, object, list[Point]]]:
    """A node with a robot that a camera sees, what publishes, and a good cloud, which has been solved."""
    parameters = {"task": "robot", "robot.cloud_weight": 8.0, "budget.deadline": 0.1, **more}
    with NodeProcess(name="watched", parameters=parameters) as node, Peer("/watched", name="witness") as peer:
        peer.wait_state("active")
        clouds = peer.publisher(PointCloud2, "/cloud", matched=1)
        peer.wait_matched(peer.joints)
        peer.solve_eventually(POSE)
        answer = peer.solve(POSE)
        cloud = Links().cloud(dict(zip(answer.name, answer.position, strict=True)), 600)
        yield peer, clouds, cloud
        # Whatever came, the next good one is solved.
        before = used(peer)
        wait_for(lambda: send(peer, clouds, cloud) or used(peer) > before, what="a good cloud that is used")
        peer.solve_eventually(POSE)
        assert peer.state() == "active", peer.state()
        assert node.stop() == 0, node.stderr()[-1500:]


def send(peer: Peer, clouds: object, cloud: list[Point]) -> None:
    """Publishes a cloud, stamped now."""
    clouds.publish(point_cloud(cloud, peer.now_nanos(), FRAME))
    time.sleep(0.05)


def used(peer: Peer) -> int:
    """How many clouds were used."""
    status = peer.diagnostic("Input cloud")
    return status.count("Used") if status else 0


def wait_refused(peer: Peer, clouds: object, message: PointCloud2 | list[Point], cause: str, text: str) -> None:
    """Publishes until a refusal is counted and told."""

    def told() -> bool:
        if isinstance(message, list):
            send(peer, clouds, message)
        else:
            message.header = point_cloud([], peer.now_nanos(), FRAME).header
            clouds.publish(message)
            time.sleep(0.2)
        status = peer.diagnostic("Input cloud")
        return bool(status) and status.count(f"refused {cause}") > 0 and text in str(status)

    wait_for(told, what=f"a refusal: {cause}")


def p25_a_huge_cloud(rig: Rig) -> None:
    with watched() as (peer, clouds, cloud):
        many = [cloud[at % len(cloud)] for at in range(500_000)]
        message = point_cloud(many, peer.now_nanos(), FRAME)
        message.data = b"".join(struct.pack("<3f", *point) for point in many)
        before = used(peer)

        def is_used() -> bool:
            message.header = point_cloud([], peer.now_nanos(), FRAME).header
            clouds.publish(message)
            time.sleep(0.3)
            return used(peer) > before

        wait_for(is_used, what="a cloud of 500,000 points that is used")


def p26_nothing_in_the_box(rig: Rig) -> None:
    with watched(**{"input.cloud_box": [-3.0, -3.0, -3.0, 3.0, 3.0, 3.0]}) as (peer, clouds, cloud):
        away = [(x + 10.0, y, z) for x, y, z in cloud]
        wait_refused(peer, clouds, away, "nothing_seen", "got 0 of 600 points in the box")


def p27_a_cloud_of_nan(rig: Rig) -> None:
    with watched() as (peer, clouds, _):
        wait_refused(peer, clouds, [(math.nan,) * 3] * 50, "nothing_seen", "0 of 50 points that are finite")


def p28_millimetres(rig: Rig) -> None:
    with watched() as (peer, clouds, cloud):
        far = [(1e3 * x, 1e3 * y, 1e3 * z) for x, y, z in cloud]
        wait_refused(peer, clouds, far, "out_of_limits", "are these millimetres?")


def p29_an_empty_cloud(rig: Rig) -> None:
    with watched() as (peer, clouds, _):
        for _ in range(5):
            send(peer, clouds, [])
        answer = peer.solve(POSE)
        assert all(math.isfinite(position) for position in answer.position)


def p30_another_frame(rig: Rig) -> None:
    with watched() as (peer, clouds, cloud):

        def told() -> bool:
            clouds.publish(point_cloud(cloud, peer.now_nanos(), "camera"))
            time.sleep(0.05)
            status = peer.diagnostic("Input cloud")
            return bool(status) and status.count("refused wrong_frame") > 0

        wait_for(told, what="a refusal of another frame")
