"""Provocations of recordings and of what reads them: the L rows beyond the disk."""

from __future__ import annotations

import csv
import math
import os
import random
import shutil
import struct
import time
from collections.abc import Callable
from pathlib import Path

from mcap.reader import make_reader
from mcap.records import Message, Metadata
from mcap.writer import CompressionType, Writer

from faults_disk import folder, recording
from faults_time import preload
from faults_trackers import HERE, THERE, several
from messages import standing_legs
from peer import Peer, wait_for
from recordings import active, closed, describe, replayed, thalweg, trigger, wait_written
from rig import Rig, TooSlow, in_time

STALL = 5.0
"""Seconds for which the disk of L4 does nothing."""

BOUND = 1.0
"""Seconds of recording that a lost machine may cost: what was not yet written, and what was not yet synced."""


FEW = {"budget.steps": 5}
"""As many steps are done for each observation when landscapes are compared."""


def record(place: Path, seconds: float = 1.5, **parameters: object) -> Path:
    """Records a moving body for some seconds and gives the complete file."""
    with recording(place, **parameters) as (node, peer):
        for step in range(int(seconds / 0.05)):
            peer.stream(standing_legs(0.2 + 0.005 * step), 0.05, rate=100.0)
        trigger(peer, "~/stop_recording")
        assert node.stop() == 0, node.stderr()[-1500:]
    (file,) = closed(place)
    return file


def rewritten(source: Path, target: Path, data: Callable[[str, Message], bytes], metadata: Callable[[Metadata], dict]) -> None:
    """Writes a recording again with other bytes in it, as a sound MCAP file."""
    with source.open("rb") as file, target.open("wb") as output:
        reader, writer = make_reader(file), Writer(output, compression=CompressionType.NONE)
        writer.start(profile="ros2")
        for record in reader.iter_metadata():
            writer.add_metadata(record.name, metadata(record))
        channels: dict[int, int] = {}
        for schema, channel, message in reader.iter_messages(log_time_order=False):
            if channel.id not in channels:
                kind = writer.register_schema(schema.name, schema.encoding, schema.data)
                encoding = channel.message_encoding
                channels[channel.id] = writer.register_channel(channel.topic, encoding, kind, channel.metadata)
            content = data(channel.topic, message)
            writer.add_message(channels[channel.id], message.log_time, content, message.publish_time, message.sequence)
        writer.finish()


def l4_slow_disk(rig: Rig) -> None:
    with folder() as place, folder() as own:
        stall = own / "stall"
        environment = {"LD_PRELOAD": str(preload(str(own), "slow_disk")), "SLOW_DISK_FILE": str(stall)}
        options = {"record.steps": True, "record.queue": 50}
        with recording(place, environment=environment, **options) as (node, peer):
            wait_written(peer, 1)
            before = len(peer.reconstruction.messages)
            stall.touch()
            end = time.time() + STALL
            while time.time() < end:
                peer.stream(standing_legs(random.random()), 0.1, rate=100.0)
            answered = len(peer.reconstruction.messages) - before
            if answered <= STALL * 30:
                raise TooSlow(f"estimates must not wait for the disk: {answered} in {STALL} s")
            wait_for(lambda: peer.diagnostic("Recorder").count("Dropped") > 0, what="solves to be dropped and counted")
            rig.measure("dropped", peer.diagnostic("Recorder").count("Dropped"))
            stall.unlink()
            written = peer.diagnostic("Recorder").count("Written")
            peer.stream(standing_legs(), 1.0, rate=50.0)
            wait_written(peer, written + 20)
            assert node.stop() == 0, node.stderr()[-1500:]
        assert closed(place)


def l5_damaged_recordings(rig: Rig) -> None:
    with folder() as place:
        whole = record(place)
        solves = describe(whole)["solves"]
        content = whole.read_bytes()
        for name, damaged in (("cut", content[: len(content) * 2 // 3]), ("flipped", flipped(content))):
            file = place / f"{name}.mcap"
            file.write_bytes(damaged)
            found = describe(file)
            assert found["damage"] > 0 and found["solves"] < solves, found
            result = thalweg("recover", file)
            assert result.returncode == 3, f"{name}: {result.returncode}: {result.stderr}"
            file.unlink()
        for name, nothing in (("empty", b""), ("foreign", b"PNG" + content[3:])):
            file = place / f"{name}.mcap"
            file.write_bytes(nothing)
            result = thalweg("recover", file)
            assert result.returncode == 1 and str(file) in result.stderr, f"{name}: {result.stderr}"
            file.unlink()


def flipped(content: bytes) -> bytes:
    """Flips bits in the middle of the first third, where chunks lie."""
    damaged = bytearray(content)
    for place in range(len(content) // 3, len(content) // 3 + 32):
        damaged[place] ^= 0x55
    return bytes(damaged)


def l5_training_skips_damage(rig: Rig) -> None:
    with folder() as place:
        whole = record(place, seconds=3.0, **FEW)
        whole.write_bytes(flipped(whole.read_bytes()))
        result = retrain(place)
        assert "damaged pieces, or solves with numbers that are not finite" in result, result


def retrain(place: Path) -> str:
    """Retrains a little on a folder of recordings; gives what was said. Not promoted (5) is no failure here."""
    output = place / "theta" / "new.safetensors"
    options = ["--buffers", "1", "--descents", "64", "--steps", "2", "--drawn", "512", "--validation-rows", "16"]
    result = thalweg("train", "theta", "--from-recordings", place, "--output", output, *options)
    assert result.returncode in (0, 5), result.stderr
    return result.stdout


def l7_retention(rig: Rig) -> None:
    options = {"record.steps": True, "record.file_size": 1, "record.total_size": 3}
    with folder() as place, recording(place, **options) as (node, peer):
        files = 0
        begin = time.time()
        while files < 6:
            assert time.time() < begin + 60.0, f"only {files} files in 60 s"
            peer.stream(standing_legs(random.random()), 0.2, rate=100.0)
            status = peer.diagnostic("Recorder")
            files = status.count("Files") if status else 0
            # Between the end of a file and the removal of the oldest there is one more.
            size = sum(file.stat().st_size for file in closed(place)) / 1e6
            assert size < 3 + 2 * 1.5, f"{size:.1f} MB are kept, at most 3 expected"
            # Two while one is brought to the disk and the next is begun.
            assert 1 <= len(active(place)) <= 2, f"written is {active(place)}: that file is never removed"
        rig.measure("kept_mb", size)
        assert node.stop() == 0, node.stderr()[-1500:]
        numbers = sorted(int(file.stem.rsplit("_", 1)[1]) for file in closed(place))
        last = numbers[-1]
        assert last >= 6 and numbers == list(range(numbers[0], last + 1)), f"the oldest go first: kept are {numbers}"
        assert numbers[0] > 0, "nothing was removed"


def l8_other_format(rig: Rig) -> None:
    with folder() as place:
        file = record(place)
        other = place / "other.mcap"
        same = lambda topic, message: message.data  # noqa: E731
        rewritten(file, other, same, lambda record: {**record.metadata, "format": "99"})
        for command in ("describe", "replay", "recover"):
            result = thalweg(command, other)
            assert result.returncode != 0 or command == "recover", result.stdout
            if command != "recover":
                assert "99" in result.stderr and "format" in result.stderr, result.stderr


def l9_not_finite(rig: Rig) -> None:
    with folder() as place:
        file = record(place, seconds=3.0, **FEW)
        table = place / "solves.csv"
        assert thalweg("export", file, "--format", "csv", "--output", table).returncode == 0
        with table.open() as lines:
            losses = [float(row["loss"]) for row in csv.DictReader(lines)]
        spoiled = 0

        def spoil(topic: str, message: Message) -> bytes:
            nonlocal spoiled
            number = struct.pack("<d", losses[spoiled]) if spoiled < 5 else b""
            if not topic.endswith("/solve") or not number or number not in message.data:
                return message.data
            spoiled += 1
            return message.data.replace(number, struct.pack("<d", math.nan))

        other = place / "spoiled.mcap"
        rewritten(file, other, spoil, lambda record: record.metadata)
        before = describe(file)
        file.unlink()
        assert spoiled == 5, spoiled
        found = describe(other)
        assert (found["solves"], found["damage"]) == (before["solves"] - 5, before["damage"] + 5), found
        assert "left out: 5 damaged pieces, or solves with numbers that are not finite" in retrain(place)


def l10_power_loss(rig: Rig) -> None:
    with folder() as place, recording(place) as (node, peer):
        peer.stream(standing_legs(), 1.0, rate=100.0)
        wait_written(peer, 1)
        copy, last = lost_machine(place, peer)
        result = thalweg("recover", copy)
        assert result.returncode in (0, 3), result.stderr
        recovered = copy.with_suffix("") if copy.suffix == ".active" else copy
        found = describe(recovered)
        in_time(rig.measure("lost_s", last - found["end"]), BOUND, "what was lost")
        assert node.stop() == 0, node.stderr()[-1500:]


def lost_machine(place: Path, peer: Peer) -> tuple[Path, float]:
    """Copies what is being written without its last write, as a machine may leave it that loses power before that
    was synced; gives the copy and when the last answer came before."""
    (file,) = active(place)
    sizes = [file.stat().st_size]
    while len(sizes) < 4:
        peer.stream(standing_legs(random.random()), 0.02, rate=100.0)
        if file.stat().st_size != sizes[-1]:
            sizes.append(file.stat().st_size)
    last = peer.reconstruction.arrivals[-1][0]
    copies = place / "copies"
    copies.mkdir()
    copy = copies / file.name
    shutil.copyfile(file, copy)
    os.truncate(copy, sizes[-2])
    return copy, last


def l15_people_come_and_go(rig: Rig) -> None:
    options = {"input.person_timeout": 0.1, "record.enabled": True}
    with folder() as place, several(**options, **{"record.folder": str(place)}) as (peer, publish):
        for number in range(10):
            # Every other one is new; between them the same one comes back.
            identity, at = (number, HERE) if number % 2 else (99, THERE)

            def is_there(identity: int = identity, at: tuple[float, float, float] = at) -> bool:
                publish((identity, at))
                people = peer.diagnostic("People")
                return bool(people) and f"b{identity}" in people.values["Identities"].split(", ")

            wait_for(is_there, what=f"person {identity}")
            assert len(active(place)) == 1, active(place)
        status = peer.diagnostic("Recorder")
        assert status and status.count("Dropped") == 0, status
        reply = trigger(peer, "~/stop_recording")
        assert reply.success, reply.message
        (file,) = closed(place)
        found = describe(file)
        expected = sorted({"b99"} | {f"b{number}" for number in range(1, 10, 2)})
        assert sorted(found["people"]) == expected, found["people"]
        assert found["damage"] == 0, found
        solved = found["solves"]
        assert f"{solved} solves, {solved} reproduced bit for bit" in replayed(file), solved
        rig.measure("solves", solved)
