"""Provocations by keypoints in the image of a camera: the C rows."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from messages import time_of
from node_process import NodeProcess
from peer import Peer, wait_for
from rig import Rig
from sensor_msgs.msg import CameraInfo, PointCloud2, PointField
from test_trackers import PIXELS, cloud

FRAME = "camera_optical"
# A standing person in an image of 640 x 480 pixels: shoulders, elbows, wrists, hips, knees and ankles of COCO.
PERSON = {
    5: (350.0, 150.0), 6: (290.0, 150.0), 7: (365.0, 205.0), 8: (275.0, 205.0), 9: (370.0, 255.0), 10: (270.0, 255.0),
    11: (338.0, 260.0), 12: (302.0, 260.0), 13: (338.0, 345.0), 14: (302.0, 345.0), 15: (338.0, 425.0), 16: (302.0, 425.0),
}  # fmt: skip


def described(stamp: int, **more: object) -> CameraInfo:
    """What the camera says of itself."""
    k = [500.0, 0.0, 320.0, 0.0, 500.0, 240.0, 0.0, 0.0, 1.0]
    message = CameraInfo(width=640, height=480, distortion_model="plumb_bob", d=[0.0] * 5, k=k)
    message.header.stamp, message.header.frame_id = time_of(stamp), FRAME
    for name, value in more.items():
        setattr(message, name, value)
    return message


class Watched:
    """A node that reads keypoints in pixels, and what publishes to it."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.points = peer.publisher(PointCloud2, "/points", matched=1)
        self.cameras = peer.publisher(CameraInfo, "/camera_info", matched=1)

    def see(self, change: Callable[[float, float], tuple[float, float]] = lambda u, v: (u, v), frame: str = FRAME) -> None:
        """Publishes the person, moved in the image."""
        rows = [(number, *change(u, v), 0.9) for number, (u, v) in PERSON.items()]
        message = cloud(rows, self.peer.now_nanos(), [("id", PointField.UINT8, "B"), *PIXELS])
        message.header.frame_id = frame
        self.points.publish(message)

    def describe(self, **more: object) -> None:
        """Publishes the camera."""
        self.cameras.publish(described(self.peer.now_nanos(), **more))

    def wait_refused(self, publish: Callable[[], None], status_name: str, cause: str, text: str) -> None:
        """Publishes until a refusal is counted and told."""

        def told() -> bool:
            publish()
            time.sleep(0.02)
            status = self.peer.diagnostic(status_name)
            return bool(status) and status.count(f"refused {cause}") > 0 and text in str(status)

        wait_for(told, what=f"a refusal: {cause}")

    def wait_used(self, described: bool = False) -> None:
        """Publishes the person until more of it was used than before, and the root is seen; with `described` the camera, too."""

        def used() -> int:
            status = self.peer.diagnostic("Input points")
            return status.count("Used") if status else 0

        before = used()

        def is_used() -> bool:
            if described:
                self.describe()
            self.see()
            time.sleep(0.02)
            status = self.peer.diagnostic("Root")
            return used() > before and bool(status) and status.level == "OK"

        wait_for(is_used, what="keypoints that are used")


@contextlib.contextmanager
def watched() -> Iterator[Watched]:
    """See [`Watched`]."""
    parameters = {"body_pose.keypoints": "coco_17", "input.points_type": "pixels"}
    with NodeProcess(name="watched", parameters=parameters) as node, Peer("/watched", name="witness") as peer:
        peer.wait_state("active")
        yield Watched(peer)
        assert peer.state() == "active", peer.state()
        assert node.stop() == 0, node.stderr()[-1500:]


def c1_no_camera(rig: Rig) -> None:
    with watched() as node:
        node.wait_refused(node.see, "Input points", "no_camera", "expected sensor_msgs/CameraInfo of that camera")
        node.wait_used(described=True)


def c2_uncalibrated(rig: Rig) -> None:
    with watched() as node:
        node.wait_refused(lambda: node.describe(k=[0.0] * 9), "Input camera_info", "uncalibrated", "a K of zeros")
        node.wait_refused(node.see, "Input points", "no_camera", "no camera_info that can be used")
        node.wait_used(described=True)
        node.describe(k=[0.0] * 9)
        node.wait_used()


def c3_another_lens(rig: Rig) -> None:
    with watched() as node:
        node.wait_used(described=True)
        node.wait_refused(
            lambda: node.describe(distortion_model="fov", d=[0.9]),
            "Input camera_info",
            "unknown_distortion",
            "got distortion 'fov'; expected plumb_bob",
        )
        node.wait_used()


def refused_sight(cause: str, text: str, **sight: object) -> None:
    """What the camera sees otherwise is refused, and the node goes on."""
    with watched() as node:
        node.wait_used(described=True)
        node.wait_refused(lambda: node.see(**sight), "Input points", cause, text)
        node.wait_used()


def c4_another_camera(rig: Rig) -> None:
    refused_sight("wrong_frame", "image of frame 'left'", frame="left")


def c5_a_larger_image(rig: Rig) -> None:
    text = "outside of an image of 640 x 480 pixels"
    refused_sight("out_of_limits", text, change=lambda u, v: (3 * u, 3 * v))


def c6_shares(rig: Rig) -> None:
    text = "are these shares of width and height?"
    refused_sight("out_of_limits", text, change=lambda u, v: (u / 640, v / 480))
