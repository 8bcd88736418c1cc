"""Provocations by tasks from outside, libraries and PyTorch models: the G rows.

They run the node itself with `libhostile_plugin.so` (tests/hostile_plugin), and with modules of plugins/scripted/tests/data.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from messages import ROOT
from node_process import NodeProcess
from peer import Peer, Status, wait_for
from rig import NotHere, Rig, in_time

LATER = 1.25
"""Position of the first joint at which the task of the library panics."""

PAIR = """name: pair
latent: 2
joints:
  - {name: a, lower: -2, upper: 2}
  - {name: b, lower: -2, upper: 2}
"""


def library(name: str) -> Path:
    """Finds a library that was built along."""
    path = ROOT / "target" / "release" / f"lib{name}.so"
    if not path.is_file():
        assert os.environ.get("CI") != "true", f"no {path.name} was built, and this is CI"
        raise NotHere(f"no {path.name} was built: make programs")
    return path


@contextlib.contextmanager
def running(**parameters: object) -> Iterator[tuple[NodeProcess, Peer]]:
    """Runs a node that waits to be configured."""
    given = {"autostart": False, "hypotheses": 4, "warm_start.fresh": 1, **parameters}
    with NodeProcess(name="guest", parameters=given) as node, Peer("/guest", name="witness_of_guest") as peer:
        peer.wait_state("unconfigured")
        yield node, peer


def hostile(fault: str, **parameters: object) -> contextlib.AbstractContextManager[tuple[NodeProcess, Peer]]:
    """Runs a node with the hostile library."""
    given = {"plugins": str(library("hostile_plugin")), "task": "hostile_plugin", "hostile_plugin.fault": fault}
    return running(**given, **parameters)


def arm(first: float) -> dict[str, float]:
    """Gives angles of the arm."""
    return {"joint_1": first, "joint_2": -0.2, "joint_3": 0.1}


def is_refused(node: NodeProcess, peer: Peer, text: str) -> None:
    """Asserts that configuring fails, says so, and leaves the node as it was."""
    assert not peer.change_state(label="configure")
    wait_for(lambda: text in node.stderr(), what=f"the log says '{text}': {node.stderr()[-1500:]}")
    peer.wait_state("unconfigured")


def mended(node: NodeProcess, peer: Peer, parameters: dict[str, object], seen: dict[str, float]) -> None:
    """Asserts that the same node runs once what was wrong is mended."""
    assert all(result.successful for result in peer.set_named(parameters)), parameters
    for transition in ("configure", "activate"):
        assert peer.change_state(label=transition), node.stderr()[-1500:]
    peer.solve_eventually(seen)
    assert node.stop() == 0, node.stderr()[-1500:]


def g1_panics_while_loading(rig: Rig) -> None:
    with hostile("load") as (node, peer):
        is_refused(node, peer, "the task panicked: as asked, while loading")
        mended(node, peer, {"hostile_plugin.fault": "none"}, arm(0.3))


def g1_panics_while_solving(rig: Rig) -> None:
    with hostile("later") as (node, peer):
        for transition in ("configure", "activate"):
            assert peer.change_state(label=transition), node.stderr()[-1500:]
        peer.solve_eventually(arm(0.3))
        publish = functools.partial(peer.publish_joints, arm(LATER))
        peer.wait_diagnostic("Optimizer", "ERROR", "as asked, later", publish=publish)
        peer.solve_eventually(arm(0.3))
        assert peer.state() == "active", peer.state()
        assert node.stop() == 0, node.stderr()[-1500:]


def g2_answers_nan(rig: Rig) -> None:
    with hostile("not_finite") as (node, peer):
        is_refused(node, peer, "libhostile_plugin.so: breaks the rule finite")
        mended(node, peer, {"hostile_plugin.fault": "none"}, arm(0.3))


def g4_hangs_while_loading(rig: Rig) -> None:
    with hostile("hang", load_timeout=1.0) as (node, peer):
        begin = time.monotonic()
        is_refused(node, peer, "task hostile_plugin is not loaded after 1 s (load_timeout)")
        in_time(rig.measure("refused_s", time.monotonic() - begin), 5.0, "the refusal of a task that hangs")
        mended(node, peer, {"hostile_plugin.fault": "none"}, arm(0.3))


def g4_hangs_while_solving(rig: Rig) -> None:
    with hostile("stuck") as (node, peer):
        for transition in ("configure", "activate"):
            assert peer.change_state(label=transition), node.stderr()[-1500:]
        peer.solve_eventually(arm(0.3))
        peer.publish_joints(arm(LATER))
        peer.wait_diagnostic("Optimizer", "ERROR", "task hostile_plugin hangs")
        assert peer.state() == "active", "services are answered all the same"
        begin = time.monotonic()
        node.stop()
        in_time(rig.measure("end_s", time.monotonic() - begin), 5.0, "the end of a node whose task hangs")


def started(node: NodeProcess, peer: Peer) -> None:
    """Configures and activates."""
    for transition in ("configure", "activate"):
        assert peer.change_state(label=transition), node.stderr()[-1500:]


def solving(peer: Peer, first: float, is_so: Callable[[Status], bool]) -> Status:
    """Publishes until a status of the solver is as wanted; gives it."""
    begin = time.time()

    def seen() -> Status | None:
        peer.publish_joints(arm(first))
        time.sleep(0.1)
        status = peer.diagnostic("Optimizer", begin)
        return status if status and is_so(status) else None

    return wait_for(seen, what=f"a status as wanted, the last is {peer.diagnostic('Optimizer')}")


def g5_slow(rig: Rig) -> None:
    def steps(status: Status) -> float:
        return float(status.values["Steps mean"])

    with hostile("slow", **{"budget.deadline": 0.008}) as (node, peer):
        started(node, peer)
        solving(peer, 0.3, lambda status: steps(status) > 1.0)
        # The budget is over with the first evaluation: each answer is the best of the starting points.
        slow = solving(peer, LATER, lambda status: float(status.values["Solve mean (us)"]) >= 80_000.0)
        assert slow.level == "WARN" and "Overrun" in slow.message, str(slow)
        assert rig.measure("steps_mean", steps(slow)) <= 1.0, str(slow)
        assert float(slow.values["Solve max (us)"]) >= 80_000.0 and "Solve sigma (us)" in slow.values, str(slow)
        peer.solve_eventually(arm(LATER))
        solving(peer, 0.3, lambda status: steps(status) > 1.0)
        peer.solve_eventually(arm(0.3))
        assert node.stop() == 0, node.stderr()[-1500:]


def g9_takes_memory_and_threads(rig: Rig) -> None:
    with hostile("greedy") as (node, peer):
        started(node, peer)
        peer.solve_eventually(arm(0.3))
        before, threads = node.memory_kib() >> 10, node.threads()
        assert peer.set_named({"memory.limit": before + 128})[0].successful
        found = wait_for(lambda: peer.diagnostic("Process"))
        assert found.level == "OK", str(found)
        while node.memory_kib() >> 10 < before + 256 or node.threads() < threads + 256:
            peer.solve_eventually(arm(LATER))
        peer.wait_diagnostic("Process", "WARN", "memory.limit is")
        told = peer.wait_diagnostic("Process", "WARN", "threads, expected at most 256")
        rig.measure("told_mib", float(told.values["Resident memory (MiB)"]))
        assert "memory.limit is" in node.stderr(), node.stderr()[-1500:]
        peer.solve_eventually(arm(0.3))
        assert node.stop() == 0, node.stderr()[-1500:]


def g11_another_task_while_solving(rig: Rig) -> None:
    both = f"{library('hostile_plugin')}:{library('own_plugin')}"
    parameters = {"plugins": both, "task": "hostile_plugin", "hostile_plugin.fault": "slow", "budget.deadline": 1.0}
    with running(**parameters) as (node, peer):
        started(node, peer)
        peer.solve_eventually(arm(0.3))
        # From now on a step takes 80 ms, and a solve a second.
        seen = {**arm(LATER), "knuckle": 0.4}
        peer.stream(seen, 0.5)
        refused = peer.set_named({"task": "own_plugin"})[0]
        assert not refused.successful and "unconfigured" in refused.reason, refused
        peer.transitions.clear()
        begin = time.monotonic()
        for transition in ("deactivate", "cleanup"):
            assert peer.change_state(label=transition), node.stderr()[-1500:]
        assert peer.set_named({"task": "own_plugin"})[0].successful
        peer.reconstruction.clear()
        started(node, peer)
        in_time(rig.measure("switch_s", time.monotonic() - begin), 8.0, "another task in the place of a slow one")
        peer.solve_eventually(seen)
        peer.stream(seen, 1.0)
        names = {tuple(message.name) for message in peer.reconstruction.messages}
        assert names == {("knuckle", "tip")}, names
        states = [event.goal_state.label for event in peer.transitions.messages]
        assert states == [
            "deactivating", "inactive", "cleaningup", "unconfigured", "configuring", "inactive", "activating", "active"
        ], states
        assert node.stop() == 0, node.stderr()[-1500:]


def g12_changes_the_process(rig: Rig) -> None:
    with hostile("meddle") as (node, peer):
        started(node, peer)
        told = "it changed the working folder, the locale, what signal 15 does, which signals its thread takes (2); put back"
        assert told in node.stderr(), node.stderr()[-1500:]
        folder = Path(f"/proc/{node.process.pid}/cwd").readlink()
        assert folder == ROOT, folder
        assert "of a library" in node.stdout(), "what a library prints to standard output stands there, and nothing else"
        peer.solve_eventually(arm(0.3))
        code, seconds = node.timed_end(signal.SIGTERM)
        assert code == 0, f"exit code {code}: {node.stderr()[-1500:]}"
        in_time(rig.measure("end_s", seconds), 5.0, "the end by a signal that the library had ignored")


@contextlib.contextmanager
def scripted(module: str) -> Iterator[Path]:
    """Makes a folder of a scripted task."""
    folder = Path(tempfile.mkdtemp(prefix="thalweg_scripted_"))
    try:
        (folder / "task.yaml").write_text(PAIR)
        shutil.copy(ROOT / "plugins" / "scripted" / "tests" / "data" / module, folder / "forward.ts")
        yield folder
    finally:
        shutil.rmtree(folder)


def model_is_refused(module: str, text: str, **parameters: object) -> None:
    """Runs a node with a model that must be refused, then with the shipped one."""
    with scripted(module) as folder, running(
        **{"task": "scripted", "scripted.task": str(folder), **parameters}
    ) as (node, peer):
        is_refused(node, peer, text)
        mended(node, peer, {"scripted.task": "hand"}, {"index_1": 0.4, "middle_2": 0.3})


def g4_model_hangs(rig: Rig) -> None:
    model_is_refused("hang.ts", "task scripted is not loaded after 1 s (load_timeout)", load_timeout=1.0)


def g3_model_without_gradient(rig: Rig) -> None:
    model_is_refused("detached.ts", "is x detached on the way?")


def g7_model_of_other_width(rig: Rig) -> None:
    model_is_refused("wide.ts", "forward.ts: F: expected 2 numbers in each of")


def g6_no_libraries(rig: Rig) -> None:
    folder = Path(tempfile.mkdtemp(prefix="thalweg_plugins_"))
    try:
        good = library("own_plugin")
        (folder / "libempty.so").write_bytes(b"")
        (folder / "libtext.so").write_bytes(b"no library\n")
        (folder / "libcut.so").write_bytes(good.read_bytes()[:65536])
        shutil.copy(good, folder)
        with running(plugins=f"{folder}:nobody/nothing", task="own_plugin") as (node, peer):
            for text in (
                "libempty.so: open: the file is empty", "libtext.so: open: no ELF file", "libcut.so: open: cut off",
                "plugin nobody/nothing: find: there is nothing of this name",
            ):
                assert text in node.stderr(), node.stderr()[-1500:]
            mended(node, peer, {}, {"knuckle": 0.4})
    finally:
        shutil.rmtree(folder)


def g10_a_name_twice(rig: Rig) -> None:
    folder = Path(tempfile.mkdtemp(prefix="thalweg_plugins_"))
    try:
        good = library("own_plugin")
        shutil.copy(good, folder / "libcopy.so")
        with running(plugins=f"{good}:{folder}", task="own_plugin") as (node, peer):
            assert "entry: there is a task 'own_plugin' already" in node.stderr(), node.stderr()[-1500:]
            refused = peer.set_named({"task": "own_plugim"})[0]
            assert not refused.successful and "own_plugin" in refused.reason, refused
            mended(node, peer, {}, {"knuckle": 0.4})
    finally:
        shutil.rmtree(folder)
