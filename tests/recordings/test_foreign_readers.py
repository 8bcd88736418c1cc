"""Recordings, read by others: rosbags and mcap-ros2-support. And bags of others, read by thalweg."""

from __future__ import annotations

import math
import tempfile
import unittest
from pathlib import Path

from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory
from rosbags.highlevel import AnyReader
from rosbags.typesys import get_types_from_msg

from bags import JOINTS, PERIOD, START, sent, thalweg, write_bag

MESSAGES = 40


class ForeignReaders(unittest.TestCase):
    """One bag of rosbags', solved and recorded by thalweg, read again by others."""

    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory(prefix="thalweg_foreign_")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        cls.bag = write_bag(cls.folder / "bag", MESSAGES)
        cls.output = cls.folder / "recordings"
        cls.told = thalweg("replay", cls.bag, "--task", "planar_arm", "--output", cls.output, "--steps", "30")
        # The last file of a session is empty when it was saved just before.
        cls.file = min(cls.output.rglob("*.mcap"))

    def test_every_message_of_the_bag_was_solved(self) -> None:
        self.assertIn(f"/arm/joint_states: {MESSAGES} messages, {MESSAGES} solved", self.told)
        self.assertIn(f"{MESSAGES} solves, {MESSAGES} reproduced bit for bit", thalweg("replay", self.file))

    def test_rosbags_reads_the_folder_and_the_numbers_are_those(self) -> None:
        with AnyReader([self.file.parent]) as reader:
            topics = {connection.topic: connection for connection in reader.connections}
            self.assertEqual(
                set(topics), {"/thalweg/observation/joint_states", "/thalweg/reconstruction", "/thalweg/solve"}
            )
            found: dict[str, list] = {topic: [] for topic in topics}
            for connection, when, raw in reader.messages():
                message = reader.deserialize(raw, connection.msgtype)
                # What rosbags writes of it again is the same, byte for byte: no stale gap, no tail.
                again = reader.typestore.serialize_cdr(message, connection.msgtype)
                self.assertEqual(bytes(again), bytes(raw), connection.topic)
                found[connection.topic].append((when, message))
        self.check_observations(found["/thalweg/observation/joint_states"])
        self.check_solves(found["/thalweg/solve"], found["/thalweg/reconstruction"])

    def check_observations(self, messages: list) -> None:
        """The joints that were sent, and no others."""
        self.assertEqual(len(messages), MESSAGES)
        for index, (when, message) in enumerate(messages):
            self.assertEqual(when, START + index * PERIOD)
            self.assertEqual((message.header.stamp.nanosec, message.header.frame_id), (when % 10**9, "base"))
            # The engine computes with 32 bits.
            for name, position in zip(message.name, message.position, strict=True):
                self.assertAlmostEqual(position, sent(index)[name], places=6)
            self.assertEqual(set(message.name), set(sent(index)))

    def check_solves(self, solves: list, reconstructions: list) -> None:
        """The best hypothesis is what was published, and explains what was seen."""
        self.assertEqual((len(solves), len(reconstructions)), (MESSAGES, MESSAGES))
        for index, ((_, solve), (_, best)) in enumerate(zip(solves, reconstructions, strict=True)):
            self.assertEqual(solve.index, index + 1)
            self.assertEqual(solve.before, "cold" if index == 0 else "chained")
            self.assertEqual((solve.hypotheses, solve.theta), (8, "identity"))
            self.assertEqual(list(solve.joints[: len(JOINTS)]), list(best.position))
            self.assertAlmostEqual(float(sum(solve.weights)), 1.0)
            self.assertEqual(sorted(solve.losses), list(solve.losses))
            for name, position in zip(best.name, best.position, strict=True):
                if name in sent(index):
                    self.assertAlmostEqual(position, sent(index)[name], delta=0.1)

    def test_rosbags_reads_the_definitions_in_the_file(self) -> None:
        with self.file.open("rb") as stream:
            summary = make_reader(stream).get_summary()
        self.assertEqual(make_header(self.file).profile, "ros2")
        for schema in summary.schemas.values():
            self.assertEqual(schema.encoding, "ros2msg")
            types = get_types_from_msg(schema.data.decode(), schema.name)
            self.assertIn(schema.name, types)
        self.assertEqual({channel.message_encoding for channel in summary.channels.values()}, {"cdr"})

    def test_mcap_ros2_reads_every_message(self) -> None:
        counts: dict[str, int] = {}
        with self.file.open("rb") as stream:
            for schema, _, _, message in make_reader(stream, decoder_factories=[DecoderFactory()]).iter_decoded_messages():
                counts[schema.name] = counts.get(schema.name, 0) + 1
                if schema.name == "thalweg/msg/Solve":
                    self.assertEqual(len(message.losses), message.hypotheses)
                    self.assertTrue(all(math.isfinite(value) for value in message.z))
        self.assertEqual(
            counts, {"sensor_msgs/msg/JointState": 2 * MESSAGES, "thalweg/msg/Solve": MESSAGES}
        )

    def test_numpy_reads_the_export(self) -> None:
        import numpy

        path = self.folder / "solves.npz"
        thalweg("export", self.file, "--output", path)
        with numpy.load(path) as arrays:
            self.assertEqual(arrays["joints"].shape, (MESSAGES, 8, len(JOINTS)))
            self.assertEqual(arrays["stamp_nanos"][1] - arrays["stamp_nanos"][0], PERIOD)
            self.assertTrue(numpy.isnan(arrays["observed"][:, 2]).all())
            self.assertEqual(arrays["theta"].tobytes()[:8], b"identity")
        table = self.folder / "solves.csv"
        thalweg("export", self.file, "--format", "csv", "--output", table)
        lines = table.read_text().splitlines()
        self.assertEqual(len(lines), 1 + MESSAGES)
        self.assertTrue(lines[0].startswith("stamp_nanos,steps,loss,took_ms,theta,joint_1,joint_1 observed"))


def make_header(path: Path):
    """Reads the header of a file."""
    with path.open("rb") as stream:
        return make_reader(stream).get_header()


if __name__ == "__main__":
    unittest.main()
