"""Bodies as trackers send them: each message form over the middleware, by the tables that ship."""

from __future__ import annotations

import math
import re
import shutil
import struct
import tempfile
import time
import unittest
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar

from case import NodeCase
from geometry_msgs.msg import Point as PointMsg
from geometry_msgs.msg import Pose, PoseArray, PoseStamped
from hri_msgs.msg import Skeleton2D
from messages import time_of
from peer import NodeProcess, wait_for
from recordings import recorded_stream, replayed
from sensor_msgs.msg import CameraInfo, PointCloud2, PointField
from test_body_places import Point, places
from tf2_msgs.msg import TFMessage
from visualization_msgs.msg import Marker, MarkerArray
from zed_msgs.msg import Keypoint3D, Object, ObjectsStamped

TABLES = Path(__file__).parents[2] / "launch" / "keypoints"
LINE = re.compile(r"- \{id: (\d+), name: (\w+)(?:, at: (\w+))?(, offset)?")
NAN = math.nan
FRAME = "camera_optical"
# The person is taller than the common body, and stands before a camera whose y points down.
SCALE = 1.1
# With all its digits: parameters come back from a recording bit for bit.
STATURE = 1.75 * SCALE
PLACE = (0.3, -0.2, 2.5)


def table(name: str) -> list[tuple[int, str, str | None]]:
    """Number, name and joint of each keypoint; the joint is none where it is no joint's own place."""
    lines = LINE.finditer((TABLES / f"{name}.yaml").read_text())
    return [(int(m[1]), m[2], None if m[4] else m[3]) for m in lines]


def seen(point: Iterable[float]) -> Point:
    """A point of the pelvis frame where the camera sees it."""
    x, y, z = point
    return (SCALE * x + PLACE[0], -SCALE * y + PLACE[1], -SCALE * z + PLACE[2])


class Tracked(NodeCase):
    """A node that reads a tracker; the first pose is what the prior makes of some angles."""

    keypoints: ClassVar[str] = ""
    points_type: ClassVar[str] = "cloud"
    message: ClassVar[type] = PointCloud2
    more: ClassVar[dict[str, Any]] = {}

    @classmethod
    def setUpClass(cls) -> None:
        if cls is Tracked:
            raise unittest.SkipTest("the cases are its heirs")
        cls.start = {
            "parameters": {
                "body_pose.keypoints": cls.keypoints,
                "input.points_type": cls.points_type,
                "input.joint_timeout": 0.2,
                **cls.more,
            }
        }
        super().setUpClass()
        cls.points = cls.peer.publisher(cls.message, "/points", matched=1)
        cls.poses = cls.peer.subscribe(PoseStamped, "/thalweg/pose")
        cls.peer.wait_matched(cls.peer.joints)
        cls.peer.solve_eventually()
        answer = cls.peer.solve()
        own = places(dict(zip(answer.name, answer.position, strict=True)))
        names = ["pelvis", *(name.removesuffix("_x") for name in answer.name[::3])]
        cls.own = dict(zip(names, own, strict=True))
        time.sleep(0.4)  # Angles from before no longer count.

    def readings(self, hidden: Callable[[str], bool] = lambda _: False) -> list[tuple[int, Point]]:
        """Number and place of each keypoint that is a joint's own place; the others are not seen."""
        out = []
        for number, name, joint in table(self.keypoints):
            is_seen = joint is not None and not hidden(name)
            out.append((number, seen(self.own[joint]) if is_seen else (NAN, NAN, NAN)))
        return out

    def assert_root(self, make: Callable[[int], Any], near: float = 0.05) -> PoseStamped:
        """Publishes until a pose comes near where the person stands, upside down for the camera."""
        got: list[PoseStamped] = []

        def reached() -> bool:
            self.points.publish(make(self.peer.now_nanos()))
            time.sleep(0.03)
            got[:] = [m for m in self.poses.messages[-1:] if m.header.frame_id == FRAME]
            return bool(got) and math.dist(position(got[0]), PLACE) < near and abs(got[0].pose.orientation.x) > 0.95

        try:
            wait_for(reached, what="a root")
        except AssertionError as error:
            status = self.peer.diagnostic("Input points")
            raise AssertionError(f"{error}; the last was {got[-1:]}; {status}") from None
        return got[0]


def position(pose: PoseStamped) -> Point:
    """Metres."""
    return (pose.pose.position.x, pose.pose.position.y, pose.pose.position.z)


def cloud(rows: list[tuple[float, ...]], stamp: int, fields: list[tuple[str, int, str]]) -> PointCloud2:
    """Makes a cloud of fields: name, type, and how struct packs it."""
    step = struct.calcsize("<" + "".join(code for _, _, code in fields))
    message = PointCloud2(height=1, width=len(rows), point_step=step, row_step=step * len(rows))
    message.header.stamp, message.header.frame_id = time_of(stamp), FRAME
    offset = 0
    for name, datatype, code in fields:
        message.fields.append(PointField(name=name, offset=offset, datatype=datatype, count=1))
        offset += struct.calcsize(code)
    packing = "<" + "".join(code for _, _, code in fields)
    message.data = b"".join(struct.pack(packing, *row) for row in rows)
    return message


XYZ = [(axis, PointField.FLOAT32, "f") for axis in "xyz"]


class MediaPipe(Tracked):
    """Landmarks in the order of the table, with their visibility."""

    keypoints = "mediapipe_33"
    more: ClassVar[dict[str, Any]] = {"output.root_frame": "person"}

    def test_order_and_visibility(self) -> None:
        fields = [*XYZ, ("visibility", PointField.FLOAT32, "f")]

        def rows() -> list[tuple[float, ...]]:
            far = (9.0, 9.0, 9.0)
            return [(*(far if math.isnan(p[0]) else p), 0.1 if math.isnan(p[0]) else 0.9) for _, p in self.readings()]

        self.assert_root(lambda stamp: cloud(rows(), stamp, fields))

    def test_a_cloud_of_another_length_is_refused_in_words(self) -> None:
        rows = [point for _, point in self.readings()][:-1]
        for _ in range(5):
            self.points.publish(cloud(rows, self.peer.now_nanos(), XYZ))
            time.sleep(0.03)
        status = wait_for(lambda: refused(self.peer.diagnostic("Input points"), "wrong_count"))
        self.assertIn("expected 33", str(status))

    def test_a_few_points_hold_the_root(self) -> None:
        frames = self.peer.subscribe(TFMessage, "/tf")
        self.assert_root(lambda stamp: cloud([p for _, p in self.readings()], stamp, XYZ))
        wrists = [p for _, p in self.readings(lambda name: not name.endswith("wrist"))]
        self.assert_root(lambda stamp: cloud(wrists, stamp, XYZ), near=0.15)

        def is_told() -> bool:
            self.points.publish(cloud(wrists, self.peer.now_nanos(), XYZ))
            status = self.peer.diagnostic("Root")
            return bool(status) and status.level == "WARN" and "too few points" in status.message

        wait_for(is_told, what="a word about the root")
        found = [transform for message in frames.messages for transform in message.transforms]
        self.assertEqual({(t.header.frame_id, t.child_frame_id) for t in found}, {(FRAME, "person")})
        moved = found[-1].transform.translation
        self.assertLess(math.dist((moved.x, moved.y, moved.z), PLACE), 0.05)
        self.assertGreater(abs(found[-1].transform.rotation.x), 0.95, "upside down for the camera")
        # While the root is held nothing is broadcast.
        frames.clear()
        begin = self.peer.now_nanos()
        for _ in range(10):
            self.points.publish(cloud(wrists, self.peer.now_nanos(), XYZ))
            time.sleep(0.03)
        wait_for(lambda: len(self.poses.since(begin)) > 3, what="poses that are held")
        self.assertEqual(frames.messages, [])


class Coco(Tracked):
    """Some keypoints, by their numbers; what was not seen is 0 0 0."""

    keypoints = "coco_17"

    def test_numbers_and_zeros(self) -> None:
        fields = [("id", PointField.UINT8, "B"), *XYZ]

        def rows() -> list[tuple[float, ...]]:
            every = [(number, *((0.0, 0.0, 0.0) if math.isnan(p[0]) else p)) for number, p in self.readings()]
            return list(reversed(every))

        self.assert_root(lambda stamp: cloud(rows(), stamp, fields))


class AzureKinect(Tracked):
    """A marker a joint, of two people at once."""

    keypoints = "azure_kinect_32"
    points_type = "markers"
    message = MarkerArray

    def markers(self, stamp: int) -> MarkerArray:
        message = MarkerArray()
        for body, shift in ((7, 0.0), (9, 1.5)):
            for number, point in self.readings():
                if math.isnan(point[0]):
                    continue
                marker = Marker(type=Marker.SPHERE, id=100 * body + number)
                marker.header.stamp, marker.header.frame_id = time_of(stamp), FRAME
                marker.pose.position = PointMsg(x=point[0] + shift, y=point[1], z=point[2])
                marker.pose.orientation.w = 1.0
                message.markers.append(marker)
        return message

    def test_markers_of_the_first_body(self) -> None:
        self.assert_root(self.markers)
        status = wait_for(lambda: noticed(self.peer.diagnostic("Input points"), "several_people"))
        self.assertIn("several_people", str(status))


class Zed(Tracked):
    """Poses in the order of the table."""

    keypoints = "zed_body_38"
    points_type = "poses"
    message = PoseArray

    def poses_of(self, factor: float, stamp: int) -> PoseArray:
        message = PoseArray()
        message.header.stamp, message.header.frame_id = time_of(stamp), FRAME
        for _, (x, y, z) in self.readings():
            pose = Pose(position=PointMsg(x=factor * x, y=factor * y, z=factor * z))
            pose.orientation.w = 1.0
            message.poses.append(pose)
        return message

    def test_poses(self) -> None:
        self.assert_root(lambda stamp: self.poses_of(1.0, stamp))

    def test_millimetres_are_refused_in_words(self) -> None:
        for _ in range(5):
            self.points.publish(self.poses_of(1000.0, self.peer.now_nanos()))
            time.sleep(0.03)
        status = wait_for(lambda: refused(self.peer.diagnostic("Input points"), "out_of_limits"))
        self.assertIn("is the unit that of the table?", str(status))


class ZedObjects(Tracked):
    """The wrapper's own message, read by the text of its type."""

    keypoints = "zed_body_38"
    points_type = "objects"
    message = ObjectsStamped

    def objects(self, stamp: int, body_format: int = 2) -> ObjectsStamped:
        message = ObjectsStamped()
        message.header.stamp, message.header.frame_id = time_of(stamp), FRAME
        person = Object(label="Person", label_id=4, confidence=90.0, tracking_available=True, tracking_state=1)
        person.skeleton_available, person.body_format = True, body_format
        for number, point in self.readings():
            person.skeleton_3d.keypoints[number] = Keypoint3D(kp=[float(value) for value in point])
            person.skeleton_keypoint_confidence[number] = 0.0 if math.isnan(point[0]) else 80.0
        lost = Object(label="Person", label_id=2, tracking_available=True, tracking_state=0, skeleton_available=True)
        chair = Object(label="Chair", label_id=1, position=[1.0, 2.0, 3.0])
        message.objects = [chair, lost, person]
        return message

    def test_skeletons(self) -> None:
        self.assert_root(self.objects)

    def test_another_format_than_the_tables_is_refused_in_words(self) -> None:
        for _ in range(5):
            self.points.publish(self.objects(self.peer.now_nanos(), body_format=1))
            time.sleep(0.03)
        status = wait_for(lambda: refused(self.peer.diagnostic("Input points"), "wrong_count"))
        self.assertIn("got skeletons of format BODY_34, 34 keypoints; expected 38", str(status))


WIDTH, HEIGHT, FOCAL = 640, 480, 480.0
PIXELS = [(name, PointField.FLOAT32, "f") for name in ("x", "y", "confidence")]


def camera_info(stamp: int, **more: Any) -> CameraInfo:
    """The camera that sees the person."""
    k = [FOCAL, 0.0, WIDTH / 2, 0.0, FOCAL, HEIGHT / 2, 0.0, 0.0, 1.0]
    message = CameraInfo(width=WIDTH, height=HEIGHT, distortion_model="plumb_bob", d=[-0.2, 0.05, 0.0, 0.0, 0.0], k=k)
    message.header.stamp, message.header.frame_id = time_of(stamp), FRAME
    for name, value in more.items():
        setattr(message, name, value)
    return message


def pixel(point: Point) -> tuple[float, float]:
    """Where the camera sees a point, through its lens."""
    x, y = point[0] / point[2], point[1] / point[2]
    square = x * x + y * y
    lens = 1.0 - 0.2 * square + 0.05 * square * square
    return (FOCAL * x * lens + WIDTH / 2, FOCAL * y * lens + HEIGHT / 2)


class OneCamera(Tracked):
    """Keypoints in the image of one camera, which its camera_info describes; the person's stature is known."""

    keypoints = "coco_17"
    points_type = "pixels"
    folder: ClassVar[Path] = Path(tempfile.mkdtemp(prefix="thalweg_one_camera_"))
    more: ClassVar[dict[str, Any]] = {"body_pose.stature": STATURE, "record.folder": str(folder)}

    @classmethod
    def setUpClass(cls) -> None:
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        super().setUpClass()
        cls.cameras = cls.peer.publisher(CameraInfo, "/camera_info", matched=1)

    def image(self, stamp: int) -> PointCloud2:
        self.cameras.publish(camera_info(stamp))
        every = [(number, p) for number, p in self.readings() if not math.isnan(p[0])]
        rows = [(number, *pixel(p), 0.9) for number, p in every]
        # Not seen, by the conventions of the table: at zero, and in doubt.
        rows += [(0, 0.0, 0.0, 0.9), (1, 10.0, 10.0, 0.1)]
        return cloud(rows, stamp, [("id", PointField.UINT8, "B"), *PIXELS])

    def test_pixels(self) -> None:
        self.assert_root(self.image, near=0.25)
        status = self.peer.diagnostic("Input camera_info")
        self.assertTrue(status and status.level == "OK", status)

    def test_a_recording_holds_all_that_a_solve_depends_on(self) -> None:
        self.assert_root(self.image, near=0.25)
        file = recorded_stream(self.peer, self.folder, lambda _: self.points.publish(self.image(self.peer.now_nanos())))
        self.assertIn("reproduced bit for bit", replayed(file))

    def test_a_camera_that_was_described_once_holds(self) -> None:
        self.assert_root(self.image, near=0.25)
        time.sleep(1.5)
        status = self.peer.diagnostic("Input camera_info")
        self.assertTrue(status and status.level == "OK", status)


class Ros4hri(Tracked):
    """hri_msgs/Skeleton2D, read by the text of its type."""

    keypoints = "rep155"
    points_type = "skeleton2d"
    message = Skeleton2D
    more: ClassVar[dict[str, Any]] = {"body_pose.stature": STATURE}

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.cameras = cls.peer.publisher(CameraInfo, "/camera_info", matched=1)

    def skeleton(self, stamp: int) -> Skeleton2D:
        self.cameras.publish(camera_info(stamp))
        message = Skeleton2D()
        message.header.stamp, message.header.frame_id = time_of(stamp), FRAME
        for number, point in self.readings():
            if not math.isnan(point[0]):
                u, v = pixel(point)
                keypoint = message.skeleton[number]
                keypoint.x, keypoint.y, keypoint.c = u / WIDTH, v / HEIGHT, 0.9
        return message

    def test_skeleton(self) -> None:
        self.assertEqual((Skeleton2D.NOSE, Skeleton2D.RIGHT_EAR, len(Skeleton2D().skeleton)), (0, 17, 18))
        self.assert_root(self.skeleton, near=0.25)


def refused(status: Any, cause: str) -> Any:
    """The status, once it has counted a refusal."""
    return status if status and status.count(f"refused {cause}") > 0 else None


def noticed(status: Any, cause: str) -> Any:
    """The status, once it has counted a notice."""
    return status if status and status.count(f"noticed {cause}") > 0 else None


class OwnTable(unittest.TestCase):
    """Tables that are none are refused at the start, in one sentence."""

    def test_an_unknown_name(self) -> None:
        with NodeProcess(parameters={"body_pose.keypoints": "mediapipe"}) as node:
            wait_for(lambda: "mediapipe_33" in node.stderr(), what="the nearest name")


if __name__ == "__main__":
    unittest.main()
