"""Recordings of the node under test, read by thalweg's own command line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
import unittest
from collections.abc import Callable
from pathlib import Path

from std_srvs.srv import Trigger

from messages import ROOT
from peer import Peer, wait_for


def program() -> Path:
    """Finds the command line: THALWEG_CLI, else the release build."""
    return Path(os.environ.get("THALWEG_CLI", ROOT / "target" / "release" / "thalweg"))


def thalweg(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs the command line and gives what it said."""
    return subprocess.run(
        [program(), *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )


def describe(path: Path) -> dict:
    """Reads what a recording, or a folder of them, holds; 3 says that something of it is lost."""
    result = thalweg("describe", "--json", path)
    assert result.returncode in (0, 3), result.stderr
    return json.loads(result.stdout)


def replayed(path: Path) -> str:
    """Asserts that every recorded solve comes out again bit for bit; gives what was said."""
    result = thalweg("replay", path)
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"
    return result.stdout


def closed(folder: Path) -> list[Path]:
    """Lists complete files, oldest first."""
    return sorted(folder.rglob("*.mcap"), key=lambda path: path.stat().st_mtime)


def active(folder: Path) -> list[Path]:
    """Lists files that are being written."""
    return sorted(folder.rglob("*.mcap.active"))


def trigger(peer: Peer, service: str) -> Trigger.Response:
    """Calls a service without arguments."""
    return peer.call(Trigger, service)


def wait_written(peer: Peer, count: int) -> None:
    """Waits until at least this many solves are in files."""

    def written() -> bool:
        status = peer.diagnostic("Recorder")
        return bool(status) and status.count("Written") >= count

    wait_for(written, what=f"{count} recorded solves")


def stopped(peer: Peer, folder: Path) -> Path:
    """Ends a recording; gives its one file."""
    reply = trigger(peer, "~/stop_recording")
    assert reply.success, reply.message
    (file,) = closed(folder)
    return file


def recorded_stream(peer: Peer, folder: Path, send: Callable[[int], None]) -> Path:
    """Records while `send` is called twenty times, each a tenth of a second after the one before; gives the file."""
    reply = trigger(peer, "~/start_recording")
    assert reply.success, reply.message
    for step in range(20):
        send(step)
        time.sleep(0.1)
    return stopped(peer, folder)


def recorded_solves(test: unittest.TestCase, peer: Peer, count: int, solve: Callable[[], object]) -> Path:
    """Records what `solve` has solved, `count` solves at least, into a folder of the test's own; gives the file."""
    folder = Path(tempfile.mkdtemp(prefix="thalweg_recorded_"))
    test.addCleanup(shutil.rmtree, folder, ignore_errors=True)
    peer.set_named({"record.folder": str(folder), "record.enabled": True})
    peer.wait_diagnostic("Recorder", "OK", "Recording")
    solve()
    wait_written(peer, count)
    return stopped(peer, folder)
