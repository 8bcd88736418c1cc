"""Recordings that only want to cost: whatever is in ten megabytes, reading it takes less than 300."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import tempfile
import unittest
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import zstandard
from mcap.reader import make_reader

from bags import PROGRAM, ROOT, thalweg, write_bag, write_mcap

MEMORY = 300 << 20
"""Most memory that a command may hold at once, bytes."""

PATIENCE = 120.0
"""Seconds after which a command hangs, on the slowest machine."""

WATCHER = """
import os, resource, subprocess, sys
code = subprocess.call(sys.argv[2:])
os.write(int(sys.argv[1]), f"{code} {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss}".encode())
"""
"""Runs a program and writes its exit code and greatest memory: Linux counts what a process held before `exec`, which
here would be this test's own hundreds of megabytes."""

MAGIC = b"\x89MCAP0\r\n"
HEADER, SCHEMA, CHANNEL, MESSAGE, CHUNK, ATTACHMENT, METADATA, DATA_END, FOOTER = 1, 3, 4, 5, 6, 9, 12, 15, 2
SOLVE, STATE, IMAGE = "thalweg/msg/Solve", "sensor_msgs/msg/JointState", "sensor_msgs/msg/Image"


def text(value: str) -> bytes:
    return struct.pack("<I", len(value.encode())) + value.encode()


def record(opcode: int, body: bytes) -> bytes:
    return struct.pack("<BQ", opcode, len(body)) + body


def topic(number: int, name: str, kind: str = "a", metadata: bytes = b"") -> bytes:
    schema = struct.pack("<H", number) + text(kind) + text("ros2msg") + struct.pack("<I", 0)
    channel = struct.pack("<HH", number, number) + text(name) + text("cdr") + struct.pack("<I", len(metadata)) + metadata
    return record(SCHEMA, schema) + record(CHANNEL, channel)


def message(number: int, sequence: int, data: bytes) -> bytes:
    return record(MESSAGE, struct.pack("<HIQQ", number, sequence, 1, 1) + data)


def chunk(records: bytes) -> bytes:
    packed = zstandard.ZstdCompressor(level=3).compress(records)
    head = struct.pack("<QQQI", 0, 0, len(records), zlib.crc32(records)) + text("zstd") + struct.pack("<Q", len(packed))
    return record(CHUNK, head + packed)


def mcap(*records: bytes) -> bytes:
    end = record(DATA_END, bytes(4)) + record(FOOTER, bytes(20)) + MAGIC
    return MAGIC + record(HEADER, text("ros2") + text("x")) + b"".join(records) + end


def setup(path: Path, **changes: str) -> bytes:
    """Gives the metadata of a recording, with other values, in the format that has no checksum."""
    with path.open("rb") as stream:
        (metadata,) = list(make_reader(stream).iter_metadata())
    values = {**metadata.metadata, "format": "1", **changes}
    values.pop("blake3", None)
    body = b"".join(text(key) + text(value) for key, value in sorted(values.items()))
    return record(METADATA, text("thalweg") + struct.pack("<I", len(body)) + body)


def cdr(*fields: tuple[str, object]) -> bytes:
    """Encodes fields of a message: a letter of struct, s for text, or a letter and [] for a list."""
    body = b""
    for form, value in fields:
        if form == "s":
            body += bytes(-len(body) % 4) + struct.pack("<I", len(str(value)) + 1) + str(value).encode() + b"\0"
            continue
        letter, size = form[0], struct.calcsize("<" + form[0])
        values = list(value) if form.endswith("[]") else [value]
        if form.endswith("[]"):
            body += bytes(-len(body) % 4) + struct.pack("<I", len(values))
        if values:
            body += bytes(-len(body) % size) + struct.pack(f"<{len(values)}{letter}", *values)
    return b"\0\1\0\0" + body


def solve(index: int = 1, k: int = 8, steps: int = 1, before: str = "cold", warm: tuple[int, int] = (0, 0)) -> bytes:
    """Encodes a solve of planar_arm."""
    return cdr(
        ("i", 10**9), ("I", 0), ("s", ""), ("Q", index), ("i", 10**9), ("I", 0),
        ("I", k), ("I", 0), ("I", steps), ("I", 1), ("I", 0), ("i", 0), ("I", 1000),
        ("s", "identity"), ("s", ""), ("s", "steps"), ("s", before),
        ("f[]", [0.1] * warm[0]), ("d[]", [0.1] * warm[1]),
        ("f[]", [0.1] * 3 * k), ("d[]", [0.5] * k), ("d[]", [1 / max(k, 1)] * k), ("d[]", [0.1] * 3 * k), ("d[]", []),
    )  # fmt: skip


class Hostile(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory(prefix="thalweg_hostile_")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        output = cls.folder / "own"
        thalweg("replay", write_bag(cls.folder / "bag"), "--task", "planar_arm", "--steps", "2", "--output", output)
        (cls.own,) = output.rglob("*.mcap")
        cls.setup_record = setup(cls.own)
        cls.cases = cls.inputs()

    @classmethod
    def recorded(cls, *messages: tuple[int, bytes], setup_record: bytes | None = None) -> bytes:
        """A recording of these solves, by their sequence numbers."""
        records = topic(1, "/thalweg/solve", SOLVE) + topic(2, "/thalweg/observation/image", IMAGE)
        records += topic(3, "/thalweg/observation/joint_states", STATE)
        seen = cdr(("i", 1), ("I", 0), ("s", ""), ("I", 1), ("s", "joint_1"), ("d[]", [0.1]), ("d[]", []), ("d[]", []))
        for sequence, data in messages:
            records += message(3, sequence & 0xFFFFFFFF, seen) + message(1, sequence & 0xFFFFFFFF, data)
        return mcap(setup_record or cls.setup_record, chunk(records))

    @classmethod
    def inputs(cls) -> dict[str, bytes]:
        """Files of a few kilobytes to some megabytes each, by name."""
        empty = message(1, 1, b"")
        image = cdr(("i", 1), ("I", 0), ("s", ""), ("I", 0), ("I", 7), ("s", f"32FC{2**32 - 1}"), ("B", 0), ("I", 0), ("I", 0))
        images = topic(1, "/thalweg/observation/image", IMAGE) + b"".join(message(1, i, image) for i in range(1000))
        names = cdr(("i", 1), ("I", 0), ("s", ""), ("I", 12_000_000)) + struct.pack("<I", 0) * 12_000_000
        entries = b"".join(text(f"{key:x}") + text("") for key in range(100_000))
        own = cls.setup_record
        return {
            "8 million messages": mcap(own, chunk(topic(1, "/x") + empty * 8_000_000)),
            "one message of 250 MB": mcap(own, chunk(topic(1, "/x") + message(1, 1, bytes(250 << 20)))),
            "one message of 60 MB": mcap(own, chunk(topic(1, "/thalweg/solve", SOLVE) + message(1, 1, bytes(60 << 20)))),
            "an image of 60 MB": mcap(own, chunk(topic(1, "/thalweg/observation/image", IMAGE) + message(1, 1, image[:28] + bytes(60 << 20)))),
            "joint names without end": mcap(own, chunk(topic(1, "/thalweg/observation/joint_states", STATE) + message(1, 1, names))),
            "2 million definitions": mcap(own, chunk(topic(1, "/x") * 2_000_000)),
            "60,000 topics with long names": mcap(own, *(chunk(b"".join(topic(n, f"/{n}" + "x" * 5000) for n in range(first, first + 6000))) for first in range(1, 60_000, 6000))),
            "topics with many entries": mcap(own, chunk(b"".join(topic(n, "/x", metadata=entries) for n in range(1, 200)))),
            "metadata with many entries": mcap(record(METADATA, text("x") + struct.pack("<I", len(entries)) + entries) * 8),
            "images of 4e9 channels": mcap(own, chunk(images)),
            "a million joints": cls.recorded(*((i, solve(i, k=1)) for i in range(1, 300)), setup_record=setup(cls.own, joints=json.dumps([""] * 1_000_000))),
            "a million hypotheses": cls.recorded((1, solve(k=1_000_000))),
            "no hypotheses": cls.recorded((1, solve(k=0))),
            "4e9 steps": cls.recorded((1, solve(steps=2**32 - 2))),
            "index 0": cls.recorded((0, solve(0)), (0, solve(0, before="chained"))),
            "the last index": cls.recorded((2**64 - 1, solve(2**64 - 1)), (0, solve(0, before="chained"))),
            "a warm start of another shape": cls.recorded((1, solve(before="warm", warm=(7, 8)))),
            "many solves": cls.recorded(*((i, solve(i)) for i in range(1, 3000))),
            "a window of 2 GB": MAGIC + record(CHUNK, struct.pack("<QQQI", 0, 0, 1 << 31, 0) + text("zstd") + struct.pack("<Q", 9) + bytes.fromhex("28b52ffd00b8010000")),
            "100 GB in a file": zstandard.ZstdCompressor().compress(MAGIC) + zstandard.ZstdCompressor(level=19).compress(bytes(256 << 20)) * 400,
        }  # fmt: skip

    def measured(self, *arguments: str | Path) -> tuple[int, int, str]:
        """Runs the command line: exit code, greatest memory in bytes, what it said."""
        with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as usage:
            command = [sys.executable, "-I", "-S", "-c", WATCHER, str(usage.fileno()), PROGRAM, *map(str, arguments)]
            process = subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=said, pass_fds=[usage.fileno()], start_new_session=True)
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                self.fail(f"{arguments}: does not end")
            said.seek(0)
            usage.seek(0)
            code, kilobytes = map(int, usage.read().split())
            return code, kilobytes << 10, said.read()

    def measured_side_by_side(self, commands: list[tuple[str | Path, ...]]) -> list[tuple[int, int, str]]:
        """Runs commands that do not touch each other's files, two at a time: most of each is loading libtorch."""
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(lambda command: self.measured(*command), commands))

    def test_no_input_costs_more_than_its_bound(self) -> None:
        output = self.folder / "out"
        for name, content in self.cases.items():
            self.assertLess(len(content), 10 << 20, name)
            file = self.folder / "input.mcap"
            file.write_bytes(content)
            commands = [
                ("describe", file),
                ("replay", file),
                ("replay", file, "--task", "planar_arm", "--steps", "1"),
                ("export", file, "--output", output / "x.npz"),
                ("export", file, "--format", "csv", "--output", output / "x.csv"),
                ("recover", file, "--output", output / "whole.mcap"),
            ]
            for command, (code, memory, said) in zip(commands, self.measured_side_by_side(commands)):
                with self.subTest(input=name, command=command[0]):
                    self.assertIn(code, (0, 1, 3, 5), said)
                    self.assertNotIn("panic", said)
                    self.assertLess(memory, MEMORY, f"{memory >> 20} MB: {said}")
            (output / "whole.mcap").unlink(missing_ok=True)

    def test_a_recording_that_no_node_can_have_made_ends_with_3(self) -> None:
        for name in ("a million joints", "a million hypotheses", "no hypotheses", "4e9 steps", "index 0", "the last index", "a warm start of another shape"):
            file = self.folder / "refused.mcap"
            file.write_bytes(self.cases[name])
            for command in ("describe", "replay"):
                with self.subTest(input=name, command=command):
                    code, _, said = self.measured(command, file)
                    self.assertEqual(code, 3, said)
                    self.assertNotIn("reproduced", said)

    def test_training_on_hostile_recordings_is_bounded(self) -> None:
        options = ("--task", "planar_arm", "--buffers", "1", "--descents", "16", "--steps", "2", "--drawn", "64", "--validation-rows", "16")
        base = self.measured("train", "theta", "--from-recordings", self.own, "--output", self.folder / "a.safetensors", *options)[1]
        for name in ("a million hypotheses", "many solves", "8 million messages"):
            file = self.folder / "training.mcap"
            file.write_bytes(self.cases[name])
            code, memory, said = self.measured("train", "theta", "--from-recordings", file, "--output", self.folder / "b.safetensors", *options)
            with self.subTest(name):
                self.assertIn(code, (0, 3, 4, 5), said)
                # libtorch alone takes a good part of it here: the recording may not.
                self.assertLess(memory - base, MEMORY, f"{memory >> 20} MB against {base >> 20}: {said}")

    def test_what_is_no_regular_file_is_never_waited_for(self) -> None:
        pipe = self.folder / "pipe"
        os.mkfifo(pipe)
        out = self.folder / "never"
        commands = [
            ("describe", pipe),
            ("replay", pipe),
            ("replay", pipe, "--task", "planar_arm"),
            ("export", pipe, "--output", out),
            ("recover", pipe),
            ("recover", self.own, "--output", pipe),
            ("solve", "--task", "planar_arm", pipe),
            ("solve", "--task", "body_pose", "--recording", pipe),
            ("replay", self.own, "--task", "planar_arm", "--landscape", pipe),
            ("train", "theta", "--from-recordings", pipe, "--task", "planar_arm", "--output", out),
            ("train", "theta", "--data", pipe, "--task", "body_pose", "--output", out),
            ("train", "prior", "--data", pipe, "--output", out),
            ("export", self.own, "--output", pipe),
            ("doctor", "--params-file", pipe),
        ]
        for command in commands:
            with self.subTest(" ".join(map(str, command[:2]))):
                code, _, said = self.measured(*command)
                self.assertNotEqual(code, 0, said)
                self.assertNotIn("panic", said)

    def test_nothing_that_is_no_file_is_written(self) -> None:
        observation = self.folder / "o.json"
        observation.write_text('{"joints": {"joint_1": 0.1}}')
        victim = self.folder / "victim"
        victim.write_text("mine")
        link = self.folder / "link"
        link.symlink_to(victim)
        device = self.folder / "null"
        try:
            os.mknod(device, 0o600 | 0o020000, os.makedev(1, 3))
        except PermissionError:
            device = Path("/dev/null")
        for target in (device, link, self.folder):
            for command in (
                ("solve", "--task", "planar_arm", observation, "--steps", "2", "--output", target),
                ("export", self.own, "--output", target),
                ("recover", self.own, "--output", target),
            ):
                code, _, said = self.measured(*command)
                with self.subTest(command=command[0], target=target.name):
                    self.assertNotEqual(code, 0, said)
        self.assertEqual(victim.read_text(), "mine")
        self.assertTrue(link.is_symlink() and device.is_char_device() and self.folder.is_dir())

    def test_export_of_joints_that_go_stale(self) -> None:
        import csv

        import numpy

        # Joints in every third solve, and another number of hypotheses from the middle on.
        records = topic(1, "/thalweg/solve", SOLVE) + topic(3, "/thalweg/observation/joint_states", STATE)
        seen = cdr(("i", 1), ("I", 0), ("s", ""), ("I", 1), ("s", "joint_1"), ("d[]", [0.1]), ("d[]", []), ("d[]", []))
        for index in range(1, 31):
            records += message(3, index, seen) if index % 3 == 0 else b""
            records += message(1, index, solve(index, k=8 if index < 15 else 4))
        file = self.folder / "stale.mcap"
        file.write_bytes(mcap(self.setup_record, chunk(records)))
        table = self.folder / "stale.csv"
        thalweg("export", file, "--format", "csv", "--output", table)
        with table.open() as lines:
            rows = list(csv.reader(lines))
        self.assertEqual({len(row) for row in rows}, {5 + 2 * 3})
        self.assertEqual([row[6] for row in rows[1:]], ["1" if index % 3 == 0 else "0" for index in range(1, 31)])
        arrays = self.folder / "stale.npz"
        thalweg("export", file, "--output", arrays)
        with numpy.load(arrays) as found:
            self.assertEqual(found["observed"].shape, (30, 3))
            self.assertEqual(found["joints"].shape, (30, 8, 3))
            self.assertEqual(int((~numpy.isnan(found["observed"])).sum()), 10)
            self.assertTrue(numpy.isnan(found["losses"][20, 4:]).all() and not numpy.isnan(found["losses"][20, :4]).any())

    def test_flipped_metadata_is_never_called_reproduced(self) -> None:
        content = bytearray(self.own.read_bytes())
        begin = content.index(b"thalweg", 60)
        places = range(begin, begin + 1200, 97)
        for place in places:
            content[place] ^= 1 << (place % 8)
            (self.folder / f"flipped_{place}.mcap").write_bytes(content)
            content[place] ^= 1 << (place % 8)
        flipped = [("describe", self.folder / f"flipped_{place}.mcap") for place in places]
        for (_, file), (code, _, said) in zip(flipped, self.measured_side_by_side(flipped)):
            self.assertEqual(code, 3, f"{file.name}: {said}")
        code, _, said = self.measured("replay", file)
        self.assertEqual(code, 3, said)
        self.assertNotIn("reproduced", said)


if __name__ == "__main__":
    unittest.main()
