"""Provocations of the recorder and its disk: the L rows."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from messages import standing_legs
from node_process import NodeProcess
from peer import Peer, wait_for
from recordings import active, closed, describe, replayed, thalweg, wait_written
from rig import NotHere, Rig, TooSlow, in_time

OTHER = "/other"
KILLS = int(os.environ.get("THALWEG_KILLS", "5"))
"""Kills of L2 in one run; 50 by hand."""

FILE_LIMIT = 200_000
"""Bytes of a file beyond which L1 lets writing fail."""

MOST_LOST = 1.0
"""Seconds of recording that a kill may cost."""


@contextlib.contextmanager
def recording(
    folder: Path,
    prefix: tuple[str, ...] = (),
    name: str = "other",
    environment: Mapping[str, str] | None = None,
    **parameters: object,
) -> Iterator[tuple[NodeProcess, Peer]]:
    """Runs a node that records into a folder."""
    options = {"record.folder": str(folder), "record.enabled": True, **parameters}
    with (
        NodeProcess(name=name, parameters=options, prefix=prefix, environment=environment or {}) as node,
        Peer(f"/{name}", name=f"witness_of_{name}") as peer,
    ):
        peer.wait_state("active")
        peer.solve_eventually()
        yield node, peer


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """Makes a folder that is gone afterwards."""
    path = Path(tempfile.mkdtemp(prefix="thalweg_disk_"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def small_disk(path: Path) -> tuple[str, ...]:
    """Gives the command before the node that lets it, and it alone, see a disk of 1 MiB at the path."""
    options = ["-m"] if os.geteuid() == 0 else ["-U", "-r", "-m"]
    mount = f'mount -t tmpfs -o size=1m none "{path}" && exec "$@"'
    prefix = ("unshare", *options, "sh", "-c", mount, "sh")
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode != 0:
        raise NotHere("unshare and mount are not allowed here")
    return prefix


def l1_disk_full(rig: Rig) -> None:
    with folder() as place, recording(place, small_disk(place), **{"record.steps": True}) as (node, peer):
        inside = Path(f"/proc/{node.process.pid}/root{place}")
        wait_written(peer, 1)
        filler = inside / "filler"
        with contextlib.suppress(OSError):
            filler.write_bytes(bytes(1 << 20))
        begin = time.time()
        before = len(peer.reconstruction.messages)
        while time.time() < begin + 1.5:
            peer.stream(standing_legs(random.random()), 0.1, rate=100.0)
        peer.wait_diagnostic("Recorder", "ERROR", "recording has stopped")
        answered = len(peer.reconstruction.messages) - before
        if answered <= 50:
            raise TooSlow(f"estimates must go on without a disk, got {answered}")
        filler.unlink()
        for _ in range(20):
            peer.stream(standing_legs(random.random()), 0.1, rate=50.0)
        peer.wait_diagnostic("Recorder", "OK", "Recording")
        assert node.stop() == 0, node.stderr()[-1500:]


def l1_file_limit(rig: Rig) -> None:
    with folder() as place, recording(place, **{"record.steps": True}) as (node, peer):
        # Once it runs: the shared memory of the middleware consists of files, too.
        resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, (FILE_LIMIT, FILE_LIMIT))
        begin = time.time()
        while not (status := peer.diagnostic("Recorder", begin)) or status.level != "ERROR":
            peer.stream(standing_legs(random.random()), 0.1, rate=100.0)
            assert node.alive and time.time() < begin + 20.0, f"no error was told: {status}"
        assert node.stop() == 0, node.stderr()[-1500:]


def l2_kills(rig: Rig) -> None:
    worst = 0.0
    for _ in range(KILLS):
        with folder() as place:
            with recording(place) as (node, peer):
                end = time.time() + random.uniform(0.2, 2.5)
                while time.time() < end:
                    peer.stream(standing_legs(random.random()), 0.05, rate=100.0)
                node.send(signal.SIGKILL)
                node.wait(5.0)
                last = max(when for when, _ in peer.reconstruction.arrivals)
            (file,) = active(place)
            found = describe(file)
            worst = max(worst, last - found["end"] if found["solves"] else MOST_LOST)
            result = thalweg("recover", file)
            assert result.returncode in (0, 3), result.stderr
            (whole,) = closed(place)
            assert describe(whole)["solves"] == found["solves"]
            replayed(whole)
    in_time(rig.measure("lost_s", worst), MOST_LOST, "what the worst kill has cost")


def l2_next_start_recovers(rig: Rig) -> None:
    with folder() as place:
        with recording(place) as (node, peer):
            peer.stream(standing_legs(), 1.5)
            node.send(signal.SIGKILL)
            node.wait(5.0)
        (left,) = active(place)
        with recording(place) as (node, peer):
            wait_for(lambda: not left.exists(), what="the file of the killed node to be recovered")
            assert len(closed(place)) == 1
            assert node.stop() == 0


def l3_folder_is_a_file(rig: Rig) -> None:
    with tempfile.NamedTemporaryFile() as file, recording(Path(file.name)) as (node, peer):
        status = peer.wait_diagnostic("Recorder", "ERROR", "recording has stopped")
        assert file.name in status.message, status.message
        assert node.stop() == 0


def l3_folder_is_deleted(rig: Rig) -> None:
    with folder() as place, recording(place) as (node, peer):
        wait_written(peer, 1)
        shutil.rmtree(place)
        for step in range(30):
            peer.stream(standing_legs(0.01 * step), 0.1)
        assert node.alive
        wait_for(lambda: active(place) and peer.stream(standing_legs(), 0.1), what="a new file in a new folder")
        assert node.stop() == 0
        assert closed(place)


def l6_two_nodes_one_folder(rig: Rig) -> None:
    with folder() as place, recording(place) as (one, first), recording(place, name="another") as (two, second):
        for step in range(10):
            first.stream(standing_legs(0.02 * step), 0.1)
        assert len(active(place)) == 2, active(place)
        assert (one.stop(), two.stop()) == (0, 0)
        nodes = {describe(file)["setup"]["node"] for file in closed(place)}
        assert nodes == {OTHER, "/another"}, nodes
