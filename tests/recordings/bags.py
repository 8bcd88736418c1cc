"""Bags of joint states, written by rosbags and mcap as rosbag2 writes them."""

from __future__ import annotations

import json
import math
import os
import subprocess
from pathlib import Path

import numpy
from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("THALWEG_CLI", ROOT / "target" / "release" / "thalweg"))
JOINTS = ("joint_1", "joint_2", "joint_3")
START = 1_700_000_000_000_000_000
PERIOD = 10_000_000
STORE = get_typestore(Stores.ROS2_JAZZY)
STATE = "sensor_msgs/msg/JointState"


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs the command line; gives what came."""
    command = [PROGRAM, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)


def thalweg(*arguments: str | Path) -> str:
    """Runs the command line; gives what it printed."""
    result = run(*arguments)
    if result.returncode != 0:
        raise AssertionError(f"{arguments}: exit code {result.returncode}\n{result.stdout}\n{result.stderr}")
    return result.stdout


def sent(index: int) -> dict[str, float]:
    """Gives the joints that are seen in one message: the last one never."""
    return {JOINTS[0]: 0.3 * math.sin(0.1 * index), JOINTS[1]: 0.5 + 0.01 * index}


def state(index: int, ahead: int = 0) -> bytes:
    """Gives one message, its stamp so many nanoseconds ahead of the recorder's clock."""
    kinds = (STATE, "std_msgs/msg/Header", "builtin_interfaces/msg/Time")
    joint_state, header, time = (STORE.types[name] for name in kinds)
    stamp = START + index * PERIOD + ahead
    positions = sent(index)
    message = joint_state(
        header=header(stamp=time(sec=stamp // 10**9, nanosec=stamp % 10**9), frame_id="base"),
        name=list(positions),
        position=numpy.array(list(positions.values())),
        velocity=numpy.zeros(0),
        effort=numpy.zeros(0),
    )
    return bytes(STORE.serialize_cdr(message, STATE))


def write_bag(
    folder: Path,
    messages: int = 40,
    plugin: StoragePlugin = StoragePlugin.MCAP,
    compression: CompressionMode = CompressionMode.NONE,
    version: int = 9,
    topics: tuple[str, ...] = ("/arm/joint_states",),
) -> Path:
    """Writes a bag, a folder with metadata.yaml, as rosbag2 does; gives the folder."""
    writer = Writer(folder, version=version, storage_plugin=plugin)
    if compression != CompressionMode.NONE:
        writer.set_compression(compression, CompressionFormat.ZSTD)
    with writer:
        connections = [writer.add_connection(topic, STATE, typestore=STORE) for topic in topics]
        for index in range(messages):
            for connection in connections:
                writer.write(connection, START + index * PERIOD, state(index))
    return folder


def write_mcap(path: Path, indices: range, topic: str = "/arm/joint_states", **options: object) -> Path:
    """Writes one MCAP file, chunked or not, with any encoding."""
    encoding = str(options.pop("encoding", "cdr"))
    kind = str(options.pop("kind", STATE))
    ahead = int(options.pop("ahead", 0))
    log_zero = bool(options.pop("log_zero", False))
    compression = options.pop("compression", CompressionType.ZSTD)
    with path.open("wb") as stream:
        writer = McapWriter(stream, compression=compression, **options)
        writer.start(profile="ros2", library="test")
        schema = writer.register_schema(kind, "ros2msg", b"")
        channel = writer.register_channel(topic, encoding, schema)
        for index in indices:
            time = 0 if log_zero else START + index * PERIOD
            data = json.dumps(sent(index)).encode() if encoding == "json" else state(index, ahead)
            writer.add_message(channel, log_time=time, publish_time=time, sequence=index, data=data)
        writer.finish()
    return path


def write_list(folder: Path, names: list[str], mode: str = "", form: str = "") -> None:
    """Writes metadata.yaml as rosbag2 does, as far as files go."""
    listed = "".join(f"    - {name}\n" for name in names)
    (folder / "metadata.yaml").write_text(
        "rosbag2_bagfile_information:\n  version: 9\n  storage_identifier: mcap\n"
        f'  compression_format: "{form}"\n  compression_mode: "{mode}"\n'
        f"  relative_file_paths:\n{listed}  custom_data: ~\n  ros_distro: jazzy\n"
    )
