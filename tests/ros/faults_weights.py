"""Provocations of the landscape and its reload: the W rows."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticArray
from std_srvs.srv import Trigger

from messages import ROOT, nanos_of, standing_legs
from node_process import NodeProcess, run_to_end
from peer import Peer, wait_for
from recordings import trigger
from rig import Rig, in_time

OTHER = "/other"
THETA = ROOT / "models" / "body_pose_theta.safetensors"
SWAPS = int(os.environ.get("THALWEG_SWAPS", "100"))
"""Swaps of W11 in one run; 1000 by hand."""

LONGEST_GAP = 0.5
"""Seconds between two outputs at 50 Hz that no reload may exceed on a machine that does something else, too."""


class Reloading:
    """A node on the shipped landscape that watches a path."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="thalweg_reload_"))
        self.path = self.folder / "theta.safetensors"
        shutil.copy(THETA, self.path)
        parameters = {"theta": str(self.path), "reload.path": str(self.path), "optimizer.kind": "adam"}
        self.node = NodeProcess(name="other", parameters=parameters)
        self.peer = Peer(OTHER, name="witness")

    def __enter__(self) -> Reloading:
        self.peer.wait_state("active")
        self.peer.solve_eventually()
        self.before = self.id()
        return self

    def __exit__(self, *_: object) -> None:
        self.node.__exit__()
        self.peer.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def id(self, since: float = 0.0) -> str:
        """Gives the landscape that diagnostics name."""
        status = wait_for(lambda: self.peer.diagnostic("Theta", since), what="a status of theta")
        return status.values["Id"]

    def put(self, content: bytes) -> None:
        """Replaces the watched file at once."""
        new = self.path.with_suffix(".new")
        new.write_bytes(content)
        new.rename(self.path)

    def refused(self, *texts: str) -> None:
        """Asserts that the new file is refused, told, and changes nothing."""
        status = self.peer.wait_diagnostic("Theta", "ERROR", "a new one was refused")
        for text in texts:
            assert text in status.message, status.message
        assert status.values["Id"] == self.before
        self.peer.solve(standing_legs())

    def ends(self) -> None:
        """Asserts that the node ends in order."""
        assert self.node.stop() == 0, self.node.stderr()[-1500:]


def w1_missing_at_the_start(rig: Rig) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for path, text in ((f"{folder}/none", "No such file"), (folder, "no regular file"), ("/dev/zero", "regular file")):
            code, _, errors = run_to_end(parameters={"theta": path})
            assert code == 3 and text in errors and path in errors, f"{path}: {code}: {errors[-500:]}"


def w1_missing_at_a_reload(rig: Rig) -> None:
    with Reloading() as row:
        row.path.unlink()
        reply = trigger(row.peer, "~/reload_landscape")
        assert not reply.success and "No such file" in reply.message, reply.message
        row.refused("No such file")
        shutil.copy(THETA, row.path)
        assert wait_for(lambda: trigger(row.peer, "~/reload_landscape").success, what="a reload of a good file")
        row.peer.wait_diagnostic("Theta", "OK")
        row.ends()


def w3_damaged(rig: Rig) -> None:
    with Reloading() as row:
        content = bytearray(THETA.read_bytes())
        content[-1000] ^= 4
        row.put(bytes(content))
        row.refused("checksum")
        row.ends()


def w9_of_another_kind(rig: Rig) -> None:
    with Reloading() as row:
        row.put((ROOT / "models" / "body_pose.safetensors").read_bytes())
        row.refused("metadata 'format'")
        row.ends()


def w10_pickle(rig: Rig) -> None:
    with Reloading() as row:
        row.put(b"PK\x03\x04archive/data.pkl" + bytes(1000))
        row.refused("can run any code")
        row.ends()


def w12_written_slowly(rig: Rig) -> None:
    content = THETA.read_bytes()
    with Reloading() as row:
        taken = row.peer.diagnostic("Theta").count("Reloads")
        with row.path.open("wb") as file:
            for start in range(0, len(content), len(content) // 15):
                file.write(content[start : start + len(content) // 15])
                file.flush()
                row.peer.stream(standing_legs(), 0.05)
        wait_for(lambda: row.peer.diagnostic("Theta").count("Reloads") > taken, what="the whole file to be taken")
        assert row.id() == row.before, "it was the same landscape"
        row.ends()


def w11_swaps_while_solving(rig: Rig) -> None:
    with Reloading() as row:
        statistics = row.peer.subscribe(DiagnosticArray, "~/statistics")
        row.peer.solve_eventually()
        wait_for(lambda: statistics.messages and row.peer.solve(standing_legs()), what="statistics")
        # What is solved from here on: the statistics of the solve before may still be on their way.
        begin = row.peer.now_nanos()
        ended = threading.Event()
        streaming = threading.Thread(target=stream, args=(row.peer, ended))
        streaming.start()
        taken = 0
        try:
            for _ in range(SWAPS):
                taken += row.peer.call(Trigger, "~/reload_landscape").success
        finally:
            ended.set()
            streaming.join()
        assert taken == SWAPS, f"{taken} of {SWAPS} reloads were taken"
        last = row.peer.solve(standing_legs())
        wait_for(lambda: statistics.since(nanos_of(last.header.stamp)), what="statistics of the last output")
        outputs = [nanos_of(message.header.stamp) for message in row.peer.reconstruction.since(begin)]
        messages = statistics.since(begin)
        told = {nanos_of(message.header.stamp): message for message in messages}
        assert len(told) == len(messages), "an output was told twice"
        assert set(outputs) == set(told), f"{len(outputs)} outputs, {len(told)} statistics"
        thetas = {pair.value for message in told.values() for pair in message.status[0].values if pair.key == "theta"}
        assert thetas == {row.before}, thetas
        times = [when for when, m in row.peer.reconstruction.arrivals if nanos_of(m.header.stamp) >= begin]
        row.ends()
        gap = rig.measure("longest_gap_s", max(b - a for a, b in zip(times, times[1:])))
        in_time(gap, LONGEST_GAP, "without output")


def stream(peer: Peer, ended: threading.Event) -> None:
    """Publishes at 50 Hz until it is told to end."""
    while not ended.is_set():
        peer.publish_joints(standing_legs(0.2))
        time.sleep(0.02)


def w13_links_and_renames(rig: Rig) -> None:
    with Reloading() as row:
        status = row.peer.diagnostic("Theta")
        taken = status.count("Reloads")
        target = row.folder / "elsewhere.safetensors"
        shutil.copy(THETA, target)
        link = row.folder / "link"
        link.symlink_to(target)
        link.rename(row.path)
        wait_for(lambda: row.peer.diagnostic("Theta").count("Reloads") == taken + 1, what="the link to be followed")
        row.path.unlink()
        time.sleep(0.5)
        row.put(THETA.read_bytes())
        wait_for(lambda: row.peer.diagnostic("Theta").count("Reloads") == taken + 2, what="the file that came back")
        row.ends()
