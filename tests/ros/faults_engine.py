"""Provocations of the engine: observations and tasks that cannot be solved, and panics: the E rows and S4.

They run `hostile_node`, a node with a task that fails when asked to (tests/support/hostile.rs).
"""

from __future__ import annotations

import contextlib
import functools
import os
import time
from collections.abc import Iterator
from pathlib import Path

from messages import ROOT, point_cloud
from node_process import NodeProcess, run_to_end
from peer import Peer, wait_for
from rig import NotHere, Rig, in_time
from sensor_msgs.msg import PointCloud2

HOSTILE = "/hostile"
PANIC, NO_NUMBER = 1.25, 1.75
"""Positions of the first joint at which the task panics, and at which no loss is a number."""

STARTS = 8
"""Starts that end in a panic; 14 of 24 ended in SIGABRT before."""

PANICKED = 101


def hostile_node() -> Path:
    """Finds the node whose task fails when asked to."""
    program = Path(os.environ.get("THALWEG_HOSTILE_NODE", ROOT / "target" / "release" / "examples" / "hostile_node"))
    if not program.is_file():
        assert os.environ.get("CI") != "true", f"no {program.name} was built, and this is CI"
        raise NotHere(f"no {program.name} was built: tools/cargo.sh build --release --example hostile_node")
    return program


def options(fault: str = "none", **parameters: object) -> dict[str, object]:
    """Says how the node is started."""
    given = {"task": "hostile", "hostile.fault": fault, "hypotheses": 4, "warm_start.fresh": 1, **parameters}
    return {"name": "hostile", "parameters": given, "program": hostile_node()}


@contextlib.contextmanager
def running(fault: str = "none", **parameters: object) -> Iterator[tuple[NodeProcess, Peer]]:
    """Runs the node."""
    with NodeProcess(**options(fault, **parameters)) as node, Peer(HOSTILE, name="witness_of_hostile") as peer:
        peer.wait_state("active")
        yield node, peer


def arm(first: float) -> dict[str, float]:
    """Gives angles of the arm."""
    return {"joint_1": first, "joint_2": -0.2, "joint_3": 0.1}


def refused(key: str, position: float, level: str, text: str) -> None:
    """Publishes observations at which nothing can be solved, then a good one, which must be."""
    with running() as (node, peer):
        peer.solve(arm(0.3))

        def count() -> int:
            publish = functools.partial(peer.publish_joints, arm(position))
            return peer.wait_diagnostic("Optimizer", level, text, publish=publish).count(key)

        wait_for(lambda: count() >= 3, what=f"3 {key}")
        peer.solve(arm(0.3))
        assert peer.state() == "active", peer.state()
        assert node.stop() == 0, node.stderr()[-1500:]


def e1_no_finite_loss(rig: Rig) -> None:
    refused("Refused", NO_NUMBER, "WARN", "observation refused: no finite loss")


def e2_panics_at_observations(rig: Rig) -> None:
    refused("Failures", PANIC, "ERROR", "as asked, at an observation")


def e3_cannot_run_at_all(rig: Rig) -> None:
    with running("always") as (node, peer):
        end = time.monotonic() + 60.0

        def tried(pause: int) -> bool:
            peer.publish_joints(arm(0.3))
            time.sleep(0.05)
            assert time.monotonic() < end, node.stderr()[-1500:]
            return f"trying again in {pause} s" in node.stderr()

        for pause in (1, 2, 4):
            wait_for(lambda pause=pause: tried(pause), 40.0, f"a try after {pause} s")
        status = wait_for(lambda: peer.diagnostic("Lifecycle"))
        assert status.level == "ERROR" and "as asked, always" in status.message, str(status)
        # Whoever mends it need not restart the node.
        wait_for(lambda: peer.state() == "unconfigured", what="the node rests")
        assert peer.set_named({"hostile.fault": "none"})[0].successful
        peer.wait_state("active")
        peer.solve_eventually(arm(0.3))
        assert node.stop() == 0, node.stderr()[-1500:]


def e4_long_solve(rig: Rig) -> None:
    with running(**{"budget.deadline": 10.0, "hypotheses": 256}) as (node, peer):
        peer.wait_matched(peer.joints)
        for transition in ("deactivate", "cleanup", "configure", "activate", "deactivate"):
            peer.publish_joints(arm(0.3))
            time.sleep(0.5)
            begin = time.monotonic()
            assert peer.change_state(label=transition), transition
            seconds = rig.measure(f"{transition}_s", time.monotonic() - begin)
            # Loading waits for the engine; what ends something does not.
            if transition in ("deactivate", "cleanup"):
                in_time(seconds, 1.0, transition)


def e5_threads(rig: Rig) -> None:
    with NodeProcess(name="other", parameters={"threads": 1}) as node, Peer("/other", name="witness") as peer:
        peer.wait_state("active")
        peer.solve_eventually()
        before = node.threads()
        for count in (64, 1):
            for transition in ("deactivate", "cleanup"):
                assert peer.change_state(label=transition)
            assert peer.set_named({"threads": count})[0].successful
            for transition in ("configure", "activate"):
                assert peer.change_state(label=transition)
            peer.solve_eventually()
        left = rig.measure("threads_left", node.threads() - before)
        most = len(os.sched_getaffinity(0))
        assert left <= most, f"{before} threads became {node.threads()}"
        assert "64 asked for" in node.stderr(), node.stderr()[-1000:]


def s4_panic_at_the_start(rig: Rig) -> None:
    for _ in range(STARTS):
        code, _, errors = run_to_end(**options(), environment={"THALWEG_HOSTILE": "1"})
        assert code == PANICKED, f"exit code {PANICKED} expected, got {code}: {errors[-1500:]}"
        assert "as asked, at the start" in errors and "backtrace in" in errors, errors[-1500:]


def s4_panic_of_the_engine(rig: Rig) -> None:
    with running("drop") as (node, peer):
        peer.solve(arm(0.3))
        begin = time.monotonic()
        assert peer.change_state(label="deactivate")
        peer.change_state_without_answer("cleanup")
        ends_in_a_panic(rig, node, peer, begin, "as asked, when dropped")


def s4_panic_of_a_thread(rig: Rig) -> None:
    with NodeProcess(**options("thread")) as node, Peer(HOSTILE, name="witness_of_hostile") as peer:
        ends_in_a_panic(rig, node, peer, time.monotonic(), "as asked, on a thread of its own", says=False)


def ends_in_a_panic(rig: Rig, node: NodeProcess, peer: Peer, begin: float, text: str, says: bool = True) -> None:
    """Asserts that the node ends with the code of a panic, tells it, and tells /diagnostics before."""
    code = node.wait(20.0)
    in_time(rig.measure("end_s", time.monotonic() - begin), 10.0, "the end after a panic")
    assert code == PANICKED, f"exit code {PANICKED} expected, got {code}: {node.stderr()[-1500:]}"
    assert text in node.stderr() and "backtrace in" in node.stderr(), node.stderr()[-1500:]
    if says:
        status = peer.diagnostic("Lifecycle")
        assert status and status.level == "ERROR" and text in status.message, str(status)


def p15_far_points(rig: Rig) -> None:
    with NodeProcess(name="other", parameters={"body_pose.point_weight": 4.0}) as node, Peer("/other", name="witness") as peer:
        peer.wait_state("active")
        clouds = peer.publisher(PointCloud2, "/points", matched=1)
        for far in (1e19, 3.4e38, -1e19, 101.0):
            peer.solve()
            points = [(0.3, 0.0, 0.0)] * 21 + [(far, 0.0, 0.0)]
            for _ in range(5):
                clouds.publish(point_cloud(points, time.time_ns(), ""))
                time.sleep(0.02)
            peer.solve()
        status = wait_for(lambda: peer.diagnostic("Input points"))
        assert status.count("refused out_of_limits") + status.count("noticed out_of_limits") > 0, str(status)
        assert peer.state() == "active", peer.state()
        assert node.stop() == 0, node.stderr()[-1500:]
