"""Drives a node at random for as long as is asked, and judges whether what it occupies stays flat.

soak.py --minutes 25 [--seed 1] [--output FILE]: parameters, good and bad; lifecycle transitions; jumps, stops and
changes of the clock; floods and bytes that are no messages; recordings begun and ended; landscapes reloaded, sound and
damaged. Needs what run.sh sets up: `tests/ros/run.sh soak --minutes 25`.

Exits with 1 when the node ends, publishes a number that is not finite, gives no answer in the end, or grows.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from clock_source import ClockSource
from messages import ROOT, cdr, good_pose, joint_state, standing_legs
from node_process import NodeProcess
from peer import Peer, wait_for
from recordings import trigger

PERIOD = 5.0
"""Seconds between two looks at what the node occupies."""

SETTLING = 0.25
"""Share of the time that is not judged: caches fill, and every way has to be gone once."""

GROWTH = 0.10
"""Growth of the memory over the judged time that still counts as flat: hypotheses come and go."""

SPARE = 4
"""Threads and files by which the last third may exceed the one before: what is in flight at the moment of a look."""

NAN, INF = float("nan"), float("inf")
VALUES: dict[str, list[Any]] = {
    "hypotheses": [1, 2, 8, 31, 64, 0, 257, -1, 1.5, "many"],
    "warm_start.fresh": [0, 1, 2, 255, 256],
    "budget.deadline": [0.0005, 0.004, 0.02, 0.0, 1e300, NAN, -1.0],
    "budget.steps": [0, 1, 20, 100_000, 100_001],
    "budget.tolerance": [0.0, 1e-12, 1.0, 5e-324],
    "input.joint_timeout": [0.01, 0.5, 3600.0, INF],
    "input.stale_timeout": [0.01, 1.0, 3600.0, 0.0],
    "input.max_joints": [1, 4096, 1_000_000, 0],
    "input.accept_zero_stamp": [True, False],
    "output.rate": [0.0, 0.001, 50.0, 1000.0, 1e-19, NAN],
    "output.hypotheses": [True, False],
    "output.order": ["rank", "identity", "none"],
    "output.frame_id": ["", "map", "a\x1b[2J", "x" * 300],
    "record.steps": [True, False],
    "record.file_duration": [1.0, 600.0, 0.5],
    "record.queue": [1, 1000, 0],
    "record.folder": ["", "/etc", "../outside"],
    "diagnostic_updater.period": [0.1, 1.0, 0.0],
    "no.such.parameter": [1],
}
SOUND = {
    "hypotheses": 8,
    "budget.deadline": 0.008,
    "budget.steps": 0,
    "input.joint_timeout": 0.5,
    "input.stale_timeout": 1.0,
    "input.max_joints": 4096,
    "input.accept_zero_stamp": True,
    "output.rate": 0.0,
    "output.hypotheses": True,
}


class Soak:
    """What is done to the node, at random."""

    def __init__(self, peer: Peer, node: NodeProcess, clock: ClockSource, folder: Path, seed: int) -> None:
        self.peer, self.node, self.clock, self.folder = peer, node, clock, folder
        self.random = random.Random(seed)
        self.done: Counter[str] = Counter()
        self.landscape = (ROOT / "models" / "body_pose_theta.safetensors").read_bytes()
        self.actions: list[Callable[[], None]] = [
            *[self.stream] * 4,
            *[self.parameters] * 4,
            self.flood,
            self.garbage,
            self.jump,
            self.halt,
            self.other_time,
            self.lifecycle,
            self.record,
            self.reload,
        ]

    def act(self) -> None:
        """Does one thing."""
        action = self.random.choice(self.actions)
        self.done[action.__name__] += 1
        action()

    def stream(self) -> None:
        """Sends a moving body for a second."""
        self.peer.stream(standing_legs(self.random.uniform(0, 0.6)), 1.0, self.random.choice([20, 100, 300]))

    def parameters(self) -> None:
        """Sets some parameters, one by one or at once; most of the values are refused."""
        names = self.random.sample(sorted(VALUES), self.random.randint(1, 4))
        values = {name: self.random.choice(VALUES[name]) for name in names}
        self.peer.set_named(values, atomically=self.random.random() < 0.5)

    def flood(self) -> None:
        """Sends as fast as it goes."""
        message = cdr(joint_state(good_pose(), self.peer.now_nanos()))
        for _ in range(self.random.choice([500, 5000])):
            self.peer.joints.publish(message)

    def garbage(self) -> None:
        """Sends bytes that are no message, and messages with a few bytes changed."""
        for _ in range(200):
            message = bytearray(cdr(joint_state(good_pose(), self.peer.now_nanos())))
            for _ in range(self.random.randint(1, 8)):
                message[self.random.randrange(len(message))] = self.random.randrange(256)
            # Never empty: Fast DDS then hands a reliable reader nothing any more.
            self.peer.joints.publish(bytes(message[: self.random.randint(4, len(message))]))

    def jump(self) -> None:
        """Moves the clock, back or forth."""
        self.clock.jump(self.random.choice([-3600.0, -1.0, -0.01, 0.5, 10.0, 1e6]))
        if not 0 <= self.clock.nanos < 2**31 * 10**9:
            self.clock.jump(1_000 - self.clock.nanos / 1e9)

    def halt(self) -> None:
        """Stops the clock for a while, or makes it run otherwise."""
        self.clock.speed = self.random.choice([0.0, 0.1, 10.0])
        self.peer.stream(good_pose(), 0.5)
        self.clock.speed = 1.0

    def other_time(self) -> None:
        """Takes the time from the system, then from /clock again."""
        self.peer.set_named({"use_sim_time": False})
        self.peer.stream(good_pose(), 0.3)
        self.peer.set_named({"use_sim_time": True})

    def lifecycle(self) -> None:
        """Walks through states; half of the ways are none."""
        labels = ["deactivate", "cleanup", "configure", "activate", "configure", "activate", "nonsense"]
        for label in self.random.sample(labels, self.random.randint(1, 5)):
            self.peer.change_state(label=label)

    def record(self) -> None:
        """Begins or ends a recording; old ones are removed, for the disk is not what is tested."""
        trigger(self.peer, self.random.choice(["~/start_recording", "~/stop_recording", "~/save_recording"]))
        files = sorted(self.folder.rglob("*.mcap"), key=lambda path: path.stat().st_mtime)
        for path in files[:-3]:
            path.unlink(missing_ok=True)

    def reload(self) -> None:
        """Puts a landscape where the node looks for one: sound, cut off, damaged, or gone."""
        path = self.folder / "theta.safetensors"
        content = bytearray(self.landscape)
        kind = self.random.randrange(4)
        if kind == 1:
            del content[self.random.randrange(len(content)) :]
        if kind == 2:
            content[self.random.randrange(len(content))] ^= 1
        if kind == 3:
            path.unlink(missing_ok=True)
        else:
            path.write_bytes(content)
        self.peer.set_named({"reload.path": self.random.choice([str(path), "", "/dev/zero"])})

    def restore(self) -> None:
        """Brings the node back to where it must answer."""
        self.clock.speed = 1.0
        trigger(self.peer, "~/stop_recording")
        self.peer.set_named({**SOUND, "use_sim_time": True, "reload.path": ""})
        for label in ("configure", "activate"):
            if self.peer.state() != "active":
                self.peer.change_state(label=label)
        wait_for(lambda: self.peer.state() == "active", what="an active node")
        self.peer.solve_eventually(good_pose())


def slope(samples: list[dict[str, float]], key: str) -> float:
    """Gives the growth a second: the median of all slopes between two samples (Theil 1950, Sen 1968)."""
    pairs = [(a, b) for index, a in enumerate(samples) for b in samples[index + 1 :]]
    return statistics.median((b[key] - a[key]) / (b["seconds"] - a["seconds"]) for a, b in pairs)


def judge(samples: list[dict[str, float]]) -> dict[str, Any]:
    """Says what the node occupied, and whether it is flat."""
    length = samples[-1]["seconds"]
    judged = [sample for sample in samples if sample["seconds"] >= SETTLING * length]
    third = len(judged) // 3
    rate = slope(judged, "memory_kib")
    first = statistics.median(sample["memory_kib"] for sample in judged[:third])
    grown = rate * (length - judged[0]["seconds"]) / first
    most = {
        key: [max(sample[key] for sample in part) for part in (judged[third:-third], judged[-third:])]
        for key in ("threads", "files")
    }
    is_flat = grown < GROWTH and all(last <= before + SPARE for before, last in most.values())
    return {
        "minutes": round(length / 60, 1),
        "memory_kib": [int(first), int(statistics.median(sample["memory_kib"] for sample in judged[-third:]))],
        "memory_kib_an_hour": round(rate * 3600),
        "most_threads": most["threads"],
        "most_files": most["files"],
        "flat": is_flat,
    }


def look(node: NodeProcess, begin: float) -> dict[str, float]:
    """Notes what the node occupies now."""
    seconds = time.monotonic() - begin
    return {
        "seconds": seconds,
        "memory_kib": node.memory_kib(),
        "threads": node.threads(),
        "files": node.files(),
    }


def drive(soak: Soak, minutes: float) -> list[dict[str, float]]:
    """Acts until the time is over, and looks in between."""
    begin, samples = time.monotonic(), []
    while time.monotonic() - begin < 60 * minutes:
        soak.act()
        assert soak.node.alive, f"the node has ended with {soak.node.process.returncode}: {dict(soak.done)}"
        assert not soak.peer.nonfinite, soak.peer.nonfinite[:3]
        if not samples or time.monotonic() - begin - samples[-1]["seconds"] >= PERIOD:
            samples.append(look(soak.node, begin))
    return samples


def main() -> int:
    """Runs it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="thalweg_soak_"))
    given = {"record.folder": str(folder), "reload.root": "/", "use_sim_time": True}
    try:
        with Peer() as peer, ClockSource(peer) as clock, NodeProcess(parameters=given) as node:
            soak = Soak(peer, node, clock, folder, arguments.seed)
            soak.restore()
            try:
                samples = drive(soak, arguments.minutes)
                soak.restore()
            except AssertionError:
                print(node.stderr()[-4000:], file=sys.stderr)
                raise
            verdict = {**judge(samples), "seed": arguments.seed, "done": dict(soak.done), "samples": samples}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if arguments.output:
        arguments.output.write_text(json.dumps(verdict, indent=1) + "\n")
    print(json.dumps({key: value for key, value in verdict.items() if key != "samples"}))
    return 0 if verdict["flat"] else 1


if __name__ == "__main__":
    sys.exit(main())
