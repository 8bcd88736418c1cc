"""Builds the messages that the tests publish, and reads names and limits from the URDF."""

from __future__ import annotations

import math
import struct
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Mapping
from pathlib import Path

import rclpy.serialization
from builtin_interfaces.msg import Time
from sensor_msgs.msg import Image, JointState, PointCloud2, PointField

ROOT = Path(__file__).resolve().parents[2]
NANOS = 1_000_000_000
ARM_LENGTHS = (0.30, 0.25, 0.15)
ARM_JOINTS = ("joint_1", "joint_2", "joint_3")


def body_joints() -> dict[str, tuple[float, float]]:
    """Gives the limits of every joint of the body by name, in radians."""
    robot = ElementTree.parse(ROOT / "urdf" / "human_21.urdf").getroot()
    limits = {}
    for joint in robot.iter("joint"):
        limit = joint.find("limit")
        if limit is not None:
            limits[joint.attrib["name"]] = (float(limit.attrib["lower"]), float(limit.attrib["upper"]))
    return limits


def standing_legs(bend: float = 0.0) -> dict[str, float]:
    """Gives legs and trunk of a person who stands, knees bent by `bend` radians; arms and head are missing."""
    parts = ("hip", "knee", "ankle", "foot")
    names = [f"{side}_{part}_{axis}" for side in ("left", "right") for part in parts for axis in "xyz"]
    names += [f"spine{number}_{axis}" for number in (1, 2, 3) for axis in "xyz"]
    pose = dict.fromkeys(names, 0.0)
    for side in ("left", "right"):
        pose[f"{side}_hip_x"], pose[f"{side}_knee_x"], pose[f"{side}_ankle_x"] = -bend / 2, bend, -bend / 2
    return pose


def good_pose() -> dict[str, float]:
    """Gives the message that must always work: one pose, or the node would see it as a contradiction."""
    return standing_legs(0.2)


def time_of(nanos: int) -> Time:
    """Splits nanoseconds into a message stamp."""
    return Time(sec=nanos // NANOS, nanosec=nanos % NANOS)


def nanos_of(stamp: Time) -> int:
    """Joins a message stamp into nanoseconds."""
    return int(stamp.sec) * NANOS + int(stamp.nanosec)


def joint_state(
    positions: Mapping[str, float], stamp: int, frame: str = "", velocity: Iterable[float] = ()
) -> JointState:
    """Makes a JointState of positions by name; `stamp` in nanoseconds."""
    message = JointState()
    message.header.stamp = time_of(stamp)
    message.header.frame_id = frame
    message.name = list(positions)
    message.position = [float(value) for value in positions.values()]
    message.velocity = list(velocity)
    return message


def joint_state_of(names: list[str], positions: list[float], stamp: int) -> JointState:
    """Makes a JointState whose lists need not agree."""
    message = joint_state({}, stamp)
    message.name, message.position = names, positions
    return message


def cdr(message: object) -> bytes:
    """Serializes a message as the middleware would."""
    return rclpy.serialization.serialize_message(message)


class StampedBytes:
    """Holds a serialized message whose stamp is overwritten for each publication: cheap at 10 kHz."""

    def __init__(self, message: JointState | Image) -> None:
        self.buffer = bytearray(cdr(message))

    def at(self, stamp: int) -> bytes:
        """Gives the payload with `stamp` (nanoseconds); the header is the message's first field."""
        struct.pack_into("<iI", self.buffer, 4, stamp // NANOS, stamp % NANOS)
        return bytes(self.buffer)


def raw_joint_state(names: list[bytes], positions: list[float], stamp: int) -> bytes:
    """Writes a JointState by hand, so that names may hold any bytes (invalid UTF-8, NUL)."""
    out = bytearray(struct.pack("<iI", stamp // NANOS, stamp % NANOS))
    _append_string(out, b"")
    _align(out, 4)
    out += struct.pack("<I", len(names))
    for name in names:
        _append_string(out, name)
    _append_doubles(out, positions)
    _append_doubles(out, [])
    _append_doubles(out, [])
    return b"\x00\x01\x00\x00" + bytes(out)


def _align(out: bytearray, size: int) -> None:
    out += b"\x00" * (-len(out) % size)


def _append_string(out: bytearray, text: bytes) -> None:
    _align(out, 4)
    out += struct.pack("<I", len(text) + 1) + text + b"\x00"


def _append_doubles(out: bytearray, values: list[float]) -> None:
    _align(out, 4)
    out += struct.pack("<I", len(values))
    if values:
        _align(out, 8)
        out += struct.pack(f"<{len(values)}d", *values)


def point_cloud(
    points: list[tuple[float, float, float]], stamp: int, frame: str = "base_link"
) -> PointCloud2:
    """Makes a cloud of float32 x, y, z; unseen points are NaN."""
    message = PointCloud2(height=1, width=len(points), point_step=12, row_step=12 * len(points))
    message.header.stamp = time_of(stamp)
    message.header.frame_id = frame
    axes = enumerate("xyz")
    message.fields = [
        PointField(name=axis, offset=4 * i, datatype=PointField.FLOAT32, count=1) for i, axis in axes
    ]
    message.data = b"".join(struct.pack("<3f", *point) for point in points)
    return message


def arm_tips(angles: Iterable[float]) -> list[tuple[float, float, float]]:
    """Gives the tips of the planar arm's links, as its README defines them."""
    heading, x, y, tips = 0.0, 0.0, 0.0, []
    for angle, length in zip(angles, ARM_LENGTHS, strict=True):
        heading += angle
        x, y = x + length * math.cos(heading), y + length * math.sin(heading)
        tips.append((x, y, 0.0))
    return tips
