"""Provocations by tasks from outside, libraries and PyTorch models: the G rows.

They run the node itself with `libhostile_plugin.so` (tests/hostile_plugin), and with modules of plugins/scripted/tests/data.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from messages import ROOT
from node_process import NodeProcess
from peer import Peer, wait_for
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
        for _ in range(10):
            peer.publish_joints(arm(LATER))
            time.sleep(0.05)
        peer.wait_diagnostic("Optimizer", "ERROR", "as asked, later")
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
