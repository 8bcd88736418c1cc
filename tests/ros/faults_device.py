"""Provocations by compute devices that are not there, or not enough: the U rows.

A software adapter, which tools/setup_graphics.sh --compute installs, stands in for a GPU.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from faults_plugins import is_refused, running
from faults_time import preload
from node_process import NodeProcess
from peer import Peer, wait_for
from rig import NotHere, Rig

DRIVERS = Path("/usr/share/vulkan/icd.d")
NO_DRIVERS = {"VK_DRIVER_FILES": "/nowhere.json", "VK_ICD_FILENAMES": "/nowhere.json"}
"""What the Vulkan loader reads in place of the folders that it looks into."""


def goes_on(node: NodeProcess, peer: Peer, text: str) -> None:
    """Asserts that a node solves on its processor, and says why it does."""
    peer.wait_state("active")
    peer.solve_eventually()
    peer.wait_diagnostic("Device", "WARN", text)
    status = wait_for(lambda: peer.diagnostic("Theta"))
    assert status.values["Backend"] == "fused", str(status)
    assert node.stderr().count("going on without a GPU") == 1, node.stderr()[-1500:]
    assert node.stop() == 0, node.stderr()[-1500:]


def u1_no_cuda(rig: Rig) -> None:
    if Path("/dev/nvidia0").exists():
        raise NotHere("this machine has an NVIDIA card")
    with running(device="cuda") as (node, peer):
        is_refused(node, peer, "device cuda:0 is not there: this machine has a CPU only; expected cpu, auto or one of those")
        assert peer.set_named({"device": "auto"})[0].successful
        for transition in ("configure", "activate"):
            assert peer.change_state(label=transition), node.stderr()[-1500:]
        peer.solve_eventually()
        # Software is not measured: it must be named.
        status = wait_for(lambda: peer.diagnostic("Device"))
        assert status.values["Auto"].startswith("cpu, for nothing could be compared: gpu: no such adapter"), str(status)
        assert node.stderr().count("device auto: cpu") == 1, node.stderr()[-1500:]
        assert node.stop() == 0, node.stderr()[-1500:]


def u1_no_such_adapter(rig: Rig) -> None:
    with NodeProcess(name="other", parameters={"device": "gpu:no such card"}) as node, Peer("/other", name="witness") as peer:
        goes_on(node, peer, "going on without a GPU: gpu:no such card: no such adapter; found:")


def u1_no_driver(rig: Rig) -> None:
    with NodeProcess(name="other", parameters={"device": "gpu"}, environment=NO_DRIVERS) as node, Peer(
        "/other", name="witness"
    ) as peer:
        goes_on(node, peer, "going on without a GPU")


# A small model: in software a step of a body's takes seconds for many hypotheses.
HAND = {"task": "scripted", "scripted.task": "hand", "optimizer.kind": "adam", "budget.steps": 3, "budget.deadline": 5.0}
ON_SOFTWARE = {"device": "gpu:llvmpipe", **HAND}
SEEN = {"index_1": 0.4, "middle_2": 0.3}


def software() -> Path:
    """Finds the description of the software adapter."""
    found = sorted(DRIVERS.glob("lvp_icd*"))
    if not found:
        assert os.environ.get("CI") != "true", "no software adapter, and this is CI"
        raise NotHere("no software adapter: tools/setup_graphics.sh --compute")
    return found[0]


@contextmanager
def failing_gpu() -> Iterator[tuple[dict[str, str], Path]]:
    """Puts failing_gpu.c before the software adapter: the environment of a node, and the file that says what fails."""
    with tempfile.TemporaryDirectory() as folder:
        driver = json.loads(software().read_text())["ICD"]
        fault, described = Path(folder) / "fault", Path(folder) / "icd.json"
        library = str(preload(folder, "failing_gpu"))
        described.write_text(json.dumps({"file_format_version": "1.0.0", "ICD": {**driver, "library_path": library}}))
        environment = {
            "VK_DRIVER_FILES": str(described),
            "VK_ICD_FILENAMES": str(described),
            "THALWEG_VULKAN": driver["library_path"],
            "THALWEG_VULKAN_FAULT": str(fault),
        }
        yield environment, fault


def is_left(node: NodeProcess, peer: Peer, text: str) -> None:
    """Asserts that a node that solved on a GPU goes on without it, for good."""
    peer.solve_eventually(SEEN)
    peer.wait_diagnostic("Device", "WARN", text)
    peer.solve_eventually(SEEN)
    assert node.stderr().count("going on without a GPU") == 1, node.stderr()[-1500:]
    assert node.stop() == 0, node.stderr()[-1500:]


@contextmanager
def on_failing_gpu() -> Iterator[tuple[NodeProcess, Peer, Path]]:
    """Starts a node that solves on the GPU; the file says what fails from then on."""
    with failing_gpu() as (environment, fault), NodeProcess(
        name="other", parameters=ON_SOFTWARE, environment=environment
    ) as node, Peer("/other", name="witness") as peer:
        peer.wait_state("active")
        peer.solve_eventually(SEEN)
        status = wait_for(lambda: peer.diagnostic("Device"))
        assert "llvmpipe" in status.values["GPU"], f"{status}: {node.stderr()[-1500:]}"
        yield node, peer, fault


def u2_no_memory(rig: Rig) -> None:
    with on_failing_gpu() as (node, peer, fault):
        fault.write_text("memory")
        assert peer.set_named({"hypotheses": 256})[0].successful
        is_left(node, peer, "going on without a GPU: the device has no memory left")


def u3_lost(rig: Rig) -> None:
    with on_failing_gpu() as (node, peer, fault):
        fault.write_text("lost")
        peer.solve_eventually(SEEN)
        # What is back is not taken again: who knows for how long.
        fault.unlink()
        is_left(node, peer, "going on without a GPU: the device is lost")


def u3_no_compiler(rig: Rig) -> None:
    with failing_gpu() as (environment, fault):
        fault.write_text("pipeline")
        given = {"device": "gpu:llvmpipe"}
        with NodeProcess(name="other", parameters=given, environment=environment) as node, Peer(
            "/other", name="witness"
        ) as peer:
            goes_on(node, peer, "going on without a GPU: gpu:llvmpipe does not open")


def u2_most_hypotheses(rig: Rig) -> None:
    software()
    given = {**ON_SOFTWARE, "hypotheses": 256}
    with NodeProcess(name="other", parameters=given) as node, Peer("/other", name="witness") as peer:
        peer.wait_state("active")
        before = node.memory_kib()
        peer.solve_eventually(SEEN)
        status = wait_for(lambda: peer.diagnostic("Theta"))
        assert status.values["Backend"] == "gpu", f"{status}: {node.stderr()[-1500:]}"
        rig.measure("solve_mib", (node.memory_kib() - before) >> 10)
        refused = peer.set_named({"hypotheses": 1_000_000})[0]
        assert not refused.successful and "[1, 256]" in refused.reason, refused
        peer.solve_eventually(SEEN)
        assert node.stop() == 0, node.stderr()[-1500:]
