"""Bags as rosbag2 means them: folders, split, compressed, SQLite, damaged; written by rosbags and mcap."""

from __future__ import annotations

import os
import shutil
import tempfile
import unittest
from pathlib import Path

import lz4.frame
import zstandard
from mcap.writer import CompressionType
from rosbags.rosbag2 import CompressionMode, StoragePlugin

from bags import PERIOD, run, thalweg, write_bag, write_list, write_mcap

MESSAGES = 40
RECORDED = Path(os.environ.get("THALWEG_DATA", "/nowhere")) / "robots" / "bags"
"""Bags of robots, recorded by others: a folder; what each of them is to give stands below."""


def replay(path: Path, *options: str):
    """Solves a bag with few steps."""
    return run("replay", path, "--task", "planar_arm", "--steps", "2", *options)


class Bags(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="thalweg_bags_")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def expect(self, path: Path, messages: int = MESSAGES, *options: str) -> str:
        result = replay(path, *options)
        self.assertEqual(result.returncode, 0, f"{path}: {result.stdout}{result.stderr}")
        self.assertIn(f": {messages} messages, {messages} solved", result.stdout)
        return result.stdout

    def expect_refusal(self, path: Path, *parts: str, options: tuple[str, ...] = ()) -> None:
        result = replay(path, *options)
        self.assertEqual(result.returncode, 3, f"{path}: {result.stdout}{result.stderr}")
        for part in parts:
            self.assertIn(part, result.stderr)
        self.assertEqual(result.stderr.count("error: "), 1)

    def test_what_rosbags_writes_is_read(self) -> None:
        for plugin in StoragePlugin:
            modes = [CompressionMode.NONE, CompressionMode.FILE, CompressionMode.MESSAGE]
            for mode in modes if plugin == StoragePlugin.SQLITE3 else modes[:1]:
                for version in (8, 9):
                    with self.subTest(plugin=plugin, mode=mode, version=version):
                        name = f"{plugin.name}_{mode.name}_{version}"
                        folder = write_bag(self.folder / name, plugin=plugin, compression=mode, version=version)
                        first = self.expect(folder)
                        self.expect(folder / "metadata.yaml")
                        (file,) = [file for file in folder.iterdir() if file.name != "metadata.yaml"]
                        # The file alone gives the same answers.
                        self.assertEqual(first.split(", loss")[1].split(",")[0], self.expect(file).split(", loss")[1].split(",")[0])

    def test_chunks_compression_and_split_files(self) -> None:
        for name, options in {
            "unchunked": {"use_chunking": False},
            "none": {"compression": CompressionType.NONE},
            "lz4": {"compression": CompressionType.LZ4},
            "small": {"chunk_size": 300},
        }.items():
            self.expect(write_mcap(self.folder / f"{name}.mcap", range(MESSAGES), **options))
        whole = (self.folder / "small.mcap").read_bytes()
        for name, packed in (("zstd", zstandard.compress(whole)), ("lz4", lz4.frame.compress(whole))):
            file = self.folder / f"bag_0.mcap.{name}"
            file.write_bytes(packed)
            self.expect(file)
        split = self.folder / "split"
        split.mkdir()
        names = [f"split_{number}.mcap" for number in range(4)]
        for number, name in enumerate(names):
            write_mcap(split / name, range(10 * number, 10 * number + 10))
        write_list(split, names)
        self.expect(split)
        write_list(split, list(reversed(names)))
        # Thirty messages are older than one before them: ten at a time are a new beginning only with the next.
        self.assertIn("out_of_order", replay(split).stdout)
        (split / names[1]).unlink()
        write_list(split, names)
        result = replay(split)
        self.assertEqual(result.returncode, 3)
        self.assertIn("30 messages, 30 solved", result.stdout)
        self.assertIn("1 files that are missing or cannot be read", result.stdout)

    def test_a_clock_that_is_ahead_or_missing_is_no_reason(self) -> None:
        for name, options in {
            "ahead": {"ahead": 3600 * 10**9},
            "behind": {"ahead": -3600 * 10**9},
            "log_zero": {"log_zero": True},
        }.items():
            out = self.expect(write_mcap(self.folder / f"{name}.mcap", range(MESSAGES), **options))
            self.assertNotIn("future_stamp", out)

    def test_what_is_absent_is_named(self) -> None:
        ros1 = write_mcap(self.folder / "ros1.mcap", range(3), encoding="ros1", kind="sensor_msgs/JointState")
        self.expect_refusal(ros1, "/arm/joint_states", "encoded as ros1", "rosbags-convert --src")
        self.expect_refusal(write_mcap(self.folder / "json.mcap", range(3), encoding="json"), "encoded as json, expected cdr")
        other = write_mcap(self.folder / "other.mcap", range(3), topic="/talk", kind="std_msgs/msg/String")
        self.expect_refusal(other, "found /talk (3 std_msgs/msg/String)")
        self.expect_refusal(other, "has 3 std_msgs/msg/String", options=("--topic", "/talk"))
        several = write_bag(self.folder / "several", topics=("/a", "/b"))
        self.expect_refusal(several, "choose one with --topic: /a (40), /b (40)")
        self.expect_refusal(several, "--topic /c is not in it", "/a (40 sensor_msgs/msg/JointState)", options=("--topic", "/c"))
        self.expect(several, MESSAGES, "--topic", "/a")
        ros1_bag = self.folder / "old.bag"
        ros1_bag.write_bytes(b"#ROSBAG V2.0\n" + bytes(100))
        self.expect_refusal(ros1_bag, "a bag of ROS 1", "rosbags-convert --src")
        nothing = write_mcap(self.folder / "nothing.mcap", range(0))
        self.expect_refusal(nothing, "found no topic")
        unknown = write_mcap(self.folder / "unknown.mcap", range(3))
        result = run("replay", unknown, "--task", "body_pose", "--steps", "2")
        self.assertEqual(result.returncode, 3)
        self.assertIn("none of 3 messages could be solved: most often refused: unknown_joint (3)", result.stderr)

    def test_damage_is_counted_and_ends_with_3(self) -> None:
        whole = write_mcap(self.folder / "whole.mcap", range(MESSAGES), chunk_size=300).read_bytes()
        place = len(whole) // 2
        flipped = whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :]
        half = write_mcap(self.folder / "half.mcap", range(MESSAGES), use_chunking=False, compression=CompressionType.NONE)
        for name, damaged in (("cut", whole[:place]), ("flipped", flipped), ("half", half.read_bytes()[:place])):
            file = self.folder / f"{name}.mcap"
            file.write_bytes(damaged)
            result = replay(file)
            self.assertEqual(result.returncode, 3, f"{name}: {result.stdout}{result.stderr}")
            self.assertIn("lost: ", result.stdout)
            self.assertIn("error: not all could be read: ", result.stderr)

    def test_what_is_none_of_ours_in_a_folder_is_passed_over(self) -> None:
        bag = write_bag(self.folder / "bag")
        output = self.folder / "recordings"
        thalweg("replay", bag, "--task", "planar_arm", "--steps", "2", "--output", output)
        (output / "empty.mcap").touch()
        shutil.copytree(bag, output / "foreign")
        os.mkfifo(output / "pipe.mcap")
        table = self.folder / "solves.csv"
        for command in (("describe", output), ("replay", output), ("export", output, "--format", "csv", "--output", table)):
            result = run(*command)
            self.assertEqual(result.returncode, 0, f"{command}: {result.stdout}{result.stderr}")
            self.assertEqual(result.stderr.count("passed over"), 2, result.stderr)
        self.assertEqual(len(table.read_text().splitlines()), 1 + MESSAGES)
        short = ("--task", "planar_arm", "--buffers", "1", "--descents", "16", "--steps", "2", "--drawn", "64", "--validation-rows", "16")
        theta = self.folder / "theta.safetensors"
        thalweg("train", "theta", *short, "--output", theta)
        train = run("train", "theta", "--from-recordings", output, "--landscape", theta, *short, "--output", self.folder / "t.safetensors")
        self.assertNotIn("no MCAP file", train.stderr.splitlines()[-1] if train.returncode else "")
        self.assertEqual(train.stderr.count("passed over"), 2, train.stderr)
        # Alone it is an error.
        result = run("describe", output / "empty.mcap")
        self.assertEqual((result.returncode, result.stderr.count("error: ")), (3, 1))

    def test_control_characters_do_not_reach_the_terminal(self) -> None:
        file = write_mcap(self.folder / "x.mcap", range(3), topic="/a\x1b[2Jb\nerror: forged", kind="std_msgs/msg/String")
        result = replay(file)
        self.assertNotIn("\x1b", result.stdout + result.stderr)
        self.assertIn("found /a\\u{1b}[2Jb\\nerror: forged", result.stderr)
        self.assertEqual(len(result.stderr.splitlines()), 1)


class RecordedBags(unittest.TestCase):
    """Bags of robots from the wild."""

    CASES = {
        "abitobot_jointstate_imu.mcap": "sensor_msgs/msg/JointState",
        "crab_servo_encoders.mcap": "sensor_msgs/msg/JointState",
        "human_skeleton_list.db3": "found ",
        "rerun_jointstate_pointcloud_image.mcap": "sensor_msgs/msg/JointState",
    }

    def test_recorded_bags_are_read_or_named(self) -> None:
        if not RECORDED.is_dir():
            self.skipTest("THALWEG_DATA has no folder robots/bags")
        for name in self.CASES:
            file = RECORDED / name
            if not file.is_file():
                print(f"SKIPPED {name}: not there")
                continue
            with self.subTest(name):
                result = replay(file)
                # Their joints are not planar_arm's: every topic and type is named, or why no message served.
                self.assertEqual(result.returncode, 3, f"{result.stdout}{result.stderr}")
                self.assertRegex(result.stderr, "could be solved|found /|choose one with --topic|encoded as")


if __name__ == "__main__":
    unittest.main()
