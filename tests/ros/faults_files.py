"""Provocations of what a running node does with the files of others: L rows."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

from faults_disk import folder, recording
from messages import standing_legs
from peer import wait_for
from recordings import active, closed, describe, thalweg, trigger, wait_written
from rig import Rig


def content(place: Path) -> dict[str, bytes]:
    """Gives the content of every file below a folder."""
    return {str(file.relative_to(place)): file.read_bytes() for file in sorted(place.rglob("*")) if file.is_file()}


def foreign(place: Path, recorded: bytes) -> dict[str, bytes]:
    """Fills a folder with what others may have there: bags, lists, files that look as if a node had left them."""
    bag = place / "rosbag2_demo"
    bag.mkdir()
    for name, data in (
        ("rosbag2_demo/rosbag2_demo_0.mcap", recorded),
        ("rosbag2_demo/metadata.yaml", b"rosbag2_bagfile_information:\n  version: 9\n"),
        ("rosbag2_demo/left_0.mcap.active", recorded[: len(recorded) // 2]),
        ("notes.active", b"notes"),
        ("old.mcap", recorded),
        ("old_0.mcap.active", recorded),
        ("metadata.yaml", b"neither YAML nor ours: ["),
    ):
        (place / name).write_bytes(data)
    return content(place)


def l11_foreign_folder(rig: Rig) -> None:
    options = {"record.steps": True, "record.file_size": 1, "record.total_size": 1}
    with folder() as place:
        with recording(place) as (node, peer):
            peer.stream(standing_legs(), 1.0)
            wait_written(peer, 20)
            assert node.stop() == 0, node.stderr()[-1500:]
        (file,) = closed(place)
        recorded = file.read_bytes()
        shutil.rmtree(file.parent)
        before = foreign(place, recorded)
        with recording(place, **options) as (node, peer):
            files = 0
            while files < 4:
                peer.stream(standing_legs(random.random()), 0.2, rate=100.0)
                status = peer.diagnostic("Recorder")
                files = status.count("Files") if status else 0
            assert node.stop() == 0, node.stderr()[-1500:]
        after = content(place)
        changed = [name for name, data in before.items() if after.get(name) != data]
        assert not changed, f"what others had there was touched: {changed}"
        numbers = [file for file in closed(place) if str(file.relative_to(place)) not in before]
        assert len(numbers) < 4, f"our own oldest files are removed all the same: {numbers}"


def l12_foreign_list(rig: Rig) -> None:
    with folder() as place, recording(place) as (node, peer):
        peer.stream(standing_legs(), 1.0)
        wait_written(peer, 5)
        (file,) = active(place)
        listed = file.parent / "metadata.yaml"
        listed.write_bytes(b"rosbag2_bagfile_information: {version: 5}\n")
        assert trigger(peer, "~/save_recording").success, "the recording goes on without a list"
        written = peer.diagnostic("Recorder").count("Written")
        peer.stream(standing_legs(), 0.5)
        wait_written(peer, written + 5)
        assert node.stop() == 0, node.stderr()[-1500:]
        assert listed.read_bytes() == b"rosbag2_bagfile_information: {version: 5}\n", "a list of others was rewritten"
        assert len(closed(place)) == 2, closed(place)


def l13_recover_while_recording(rig: Rig) -> None:
    with folder() as place, recording(place) as (node, peer):
        peer.stream(standing_legs(), 1.0)
        wait_written(peer, 5)
        (file,) = active(place)
        result = thalweg("recover", file)
        assert result.returncode == 1 and "is being written by another process" in result.stderr, result.stderr
        written = peer.diagnostic("Recorder").count("Written")
        peer.stream(standing_legs(), 0.5)
        wait_written(peer, written + 5)
        assert node.stop() == 0, node.stderr()[-1500:]
        (whole,) = closed(place)
        assert describe(whole)["solves"] > written, "what was recorded before and after is in one file"


def l14_links_and_pipes(rig: Rig) -> None:
    with folder() as place:
        with recording(place) as (node, peer):
            peer.stream(standing_legs(), 1.0)
            wait_written(peer, 5)
            assert node.stop() == 0, node.stderr()[-1500:]
        (file,) = closed(place)
        session = file.parent
        victim = place / "victim"
        victim.write_bytes(b"mine")
        (session / f"{session.name}_7.mcap").symlink_to(victim)
        (session / f"{session.name}_8.mcap.active").symlink_to(victim)
        os.mkfifo(session / f"{session.name}_9.mcap.active")
        with recording(place, **{"record.total_size": 1, "record.file_size": 1}) as (node, peer):
            peer.stream(standing_legs(), 1.0)
            wait_written(peer, 5)
            trigger(peer, "~/save_recording")
            assert node.stop() == 0, node.stderr()[-1500:]
        wait_for(lambda: victim.read_bytes() == b"mine", what="the file behind the links to be whole")
        assert (session / f"{session.name}_9.mcap.active").is_fifo()
