"""Provocations by clouds of points around a robot or a body: the P rows from P25 on."""

from __future__ import annotations

import contextlib
import math
import struct
import time
from collections.abc import Callable, Iterator

from body_cloud import body_cloud
from messages import point_cloud
from node_process import NodeProcess
from peer import Peer, wait_for
from rig import Rig
from robot_links import Links, Point
from sensor_msgs.msg import PointCloud2
from test_body_clouds import seen
from test_body_places import places

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


@contextlib.contextmanager
def clouded(**more: object) -> Iterator[tuple[Peer, object, object, list[Point], list[Point]]]:
    """A node that sees a person, what publishes clouds and keypoints, a good cloud, and the places of joints."""
    parameters = {"body_pose.cloud_weight": 8.0, "budget.deadline": 0.1, "input.stale_timeout": 0.5, **more}
    with NodeProcess(name="watched", parameters=parameters) as node, Peer("/watched", name="witness") as peer:
        peer.wait_state("active")
        clouds = peer.publisher(PointCloud2, "/cloud", matched=1)
        points = peer.publisher(PointCloud2, "/points", matched=1)
        peer.wait_matched(peer.joints)
        peer.solve_eventually()
        answer = peer.solve()
        pose = dict(zip(answer.name, answer.position, strict=True))
        yield peer, clouds, points, body_cloud(pose, seen, 600), [seen(place) for place in places(pose)]
        peer.solve_eventually()
        assert peer.state() == "active", peer.state()
        assert node.stop() == 0, node.stderr()[-1500:]


def wait_counted(peer: Peer, publish: Callable[[], None], count: str, text: str) -> None:
    """Publishes until a refusal or a notice of clouds is counted and told."""

    def told() -> bool:
        publish()
        time.sleep(0.05)
        status = peer.diagnostic("Input cloud")
        return bool(status) and status.count(count) > 0 and text in str(status)

    wait_for(told, what=count)


def p31_another_frame_of_a_body(rig: Rig) -> None:
    with clouded() as (peer, clouds, _, cloud, _):

        def publish(frame: str, shift: float) -> None:
            moved = [(x + shift, y, z) for x, y, z in cloud]
            clouds.publish(point_cloud(moved, peer.now_nanos(), frame))
            time.sleep(0.05)

        def stands(place: Point) -> bool:
            status = peer.diagnostic("Root")
            at = [float(word) for word in status.values["Position (m)"].split()] if status else [math.inf] * 3
            return math.dist(at, place) < 0.2

        x, y, z = seen((0.0, 0.0, 0.0))
        wait_for(lambda: publish("camera", 0.0) or stands((x, y, z)), what="a root")
        text = "got a cloud in frame 'another', in 'camera' before"
        wait_counted(peer, lambda: publish("another", 4.0), "noticed changed_frame", text)
        wait_for(lambda: publish("another", 4.0) or stands((x + 4.0, y, z)), what="the root in the other frame")


def p32_two_frames(rig: Rig) -> None:
    with clouded() as (peer, clouds, points, cloud, joints):

        def publish() -> None:
            points.publish(point_cloud(joints, peer.now_nanos(), "camera"))
            time.sleep(0.02)
            clouds.publish(point_cloud(cloud, peer.now_nanos(), "another"))

        text = "got a cloud in frame 'another'; expected 'camera', that of points"
        wait_counted(peer, publish, "refused wrong_frame", text)
        wait_for(lambda: publish() or used_points(peer) > 3, what="keypoints that are used")


def used_points(peer: Peer) -> int:
    """How many messages of keypoints were used."""
    status = peer.diagnostic("Input points")
    return status.count("Used") if status else 0


def p33_bad_clouds_of_a_body(rig: Rig) -> None:
    with clouded(**{"input.cloud_box": [-5.0, -5.0, -5.0, 5.0, 5.0, 5.0]}) as (peer, clouds, _, cloud, _):
        nothing: list[Point] = [(math.nan,) * 3] * 50
        away = [(x + 20.0, y, z) for x, y, z in cloud]
        far = [(1e3 * x, 1e3 * y, 1e3 * z) for x, y, z in cloud]
        wait_refused(peer, clouds, nothing, "nothing_seen", "0 of 50 points that are finite")
        wait_refused(peer, clouds, away, "nothing_seen", "got 0 of 600 points in the box")
        wait_refused(peer, clouds, far, "out_of_limits", "are these millimetres?")
        for _ in range(5):
            send(peer, clouds, [])
