"""Provocations with parameters and names: the Q rows."""

from __future__ import annotations

import math
import tempfile
import time
from pathlib import Path

from clock_source import ClockSource
from messages import standing_legs
from node_process import NodeProcess, run_to_end
from peer import Peer, wait_for
from rig import Rig


def refused(rig: Rig, name: str, value: object, reason: str) -> None:
    """Sets a parameter that must be refused for a reason, and must keep its value."""
    before = rig.peer.get_parameters(name)
    result = rig.peer.set_named({name: value})[0]
    assert not result.successful, f"{name} = {value} was accepted"
    assert reason in result.reason, f"'{reason}' expected, got '{result.reason}'"
    assert rig.peer.get_parameters(name) == before, f"{name} changed"


def refuses_to_start(code: int, *texts: str, **options: object) -> str:
    """Starts a node that must refuse, in one sentence and without a panic."""
    got, _, errors = run_to_end(**options)
    assert got == code, f"exit code {code} expected, got {got}: {errors[-1500:]}"
    for text in texts:
        assert text in errors, f"'{text}' expected, got: {errors[-1500:]}"
    assert "panicked" not in errors, errors[-1500:]
    return errors


def with_file(text: str, *texts: str, **options: object) -> None:
    """Starts a node with a parameter file that must be refused."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "node.yaml"
        path.write_text(text)
        refuses_to_start(2, *texts, params_file=path, **options)


def q1_out_of_range(rig: Rig) -> None:
    refused(rig, "budget.steps", 1_000_000_000, "budget.steps must be in [0, 100000], got 1000000000")
    refused(rig, "budget.steps", -1, "budget.steps must be in [0, 100000], got -1")
    for value in (math.nan, math.inf, -math.inf):
        refused(rig, "budget.deadline", value, "budget.deadline must be finite, got ")


def q2_wrong_type(rig: Rig) -> None:
    text = "optimizer.rate must be a double, got the integer 1 (write 1.0)"
    refused(rig, "optimizer.rate", 1, text)
    refuses_to_start(2, text, parameters={"optimizer.rate": 1})


def q3_unknown_name(rig: Rig) -> None:
    text = "unknown parameter 'budget.step'; the nearest known name is 'budget.steps'"
    refused(rig, "budget.step", 3, text)
    refuses_to_start(2, text, parameters={"budget.step": 3})


def q4_read_only(rig: Rig) -> None:
    refused(rig, "autostart", False, "read-only; restart needed")
    refused(rig, "task", "planar_arm", "only in state unconfigured; clean up first")


def q5_inconsistent_pair(rig: Rig) -> None:
    before = rig.peer.get_parameters("hypotheses", "warm_start.fresh")
    result = rig.peer.set_named({"hypotheses": 2, "warm_start.fresh": 5}, atomically=True)[0]
    assert not result.successful, "an inconsistent pair was accepted"
    assert "warm_start.fresh must be below hypotheses = 2, got 5" in result.reason, result.reason
    assert rig.peer.get_parameters("hypotheses", "warm_start.fresh") == before, "something was applied"


def q6_bad_files(rig: Rig) -> None:
    missing = Path("/nonexistent/node.yaml")
    refuses_to_start(2, str(missing), params_file=missing)
    with_file("thalweg:\n\tros__parameters:\n\t\thypotheses: 3\n")
    with_file("thalweg:\n  ros__parameters:\n    planar_arm.lengths: [1, two, 3.0]\n")
    with_file("thalweg:\n  ros__parameters:\n    budgets.steps: 3\n", "budgets.steps")
    with_file("thalweg:\n  ros__parameters:\n    robot_base_frame: base\n", "robot_base_frame")


def q7_set_while_solving(rig: Rig) -> None:
    rig.peer.losses.clear()
    rig.peer.weights.clear()
    for turn in range(30):
        assert rig.peer.set_named({"hypotheses": (3, 16)[turn % 2]})[0].successful
        rig.peer.stream(standing_legs(), 0.05, rate=200.0)
    sizes = {len(m.data) for m in [*rig.peer.losses.messages, *rig.peer.weights.messages]}
    assert rig.peer.set_named({"hypotheses": 8})[0].successful
    assert {3, 16} <= sizes <= {3, 8, 16}, f"numbers of hypotheses that were published: {sizes}"
    status = wait_for(lambda: rig.status("Optimizer", time.time() - 2.0))
    assert status.count("Failures") == 0, str(status)


def q8_nonsense_names(rig: Rig) -> None:
    refuses_to_start(2, "bad name", name="bad name")
    refuses_to_start(2, "/9lives", namespace="/9lives")
    refuses_to_start(2, remaps={"joint_states": "a b"})
    refuses_to_start(2, remaps={"joint_states": "//x"})


def q9_sim_time_at_run_time(rig: Rig) -> None:
    assert rig.peer.set_named({"use_sim_time": True})[0].successful
    with ClockSource(rig.peer):
        rig.peer.solve_eventually()
    assert rig.peer.set_named({"use_sim_time": False})[0].successful
    time.sleep(0.3)
    rig.peer.solve_eventually()


ODD = (math.nan, math.inf, -math.inf, 1e308, -1e308, 1e-18, 5e-20, 1e-300, 5e-324, -5e-324, 2.0**-1074, 1e-39, -0.0, 0.0)
"""Numbers that no parameter has for an end, and that arithmetic stumbles over."""


def tried(descriptor: object) -> list[object]:
    """Gives what to try of a parameter: the ends of its range, what lies beside them, and odd numbers."""
    if descriptor.floating_point_range:
        ends = [descriptor.floating_point_range[0].from_value, descriptor.floating_point_range[0].to_value]
        beside = [math.nextafter(end, toward) for end in ends for toward in (-math.inf, math.inf)]
        return [*ends, *beside, *ODD]
    ends = [descriptor.integer_range[0].from_value, descriptor.integer_range[0].to_value]
    return [*ends, *(end + step for end in ends for step in (-1, 1)), -(2**63), 2**63 - 1, 2**32, 2**53, 0, -1]


def q11_every_end_of_every_range(rig: Rig) -> None:
    with NodeProcess(name="other", parameters={"task": "planar_arm"}) as node, Peer("/other", name="witness") as peer:
        peer.wait_state("active")
        names = peer.list_parameters()
        described = [d for d in peer.describe(*names) if d.floating_point_range or d.integer_range]
        count = 0
        for state in ("active", "unconfigured"):
            if state == "unconfigured":
                assert peer.change_state(label="deactivate") and peer.change_state(label="cleanup")
            before = dict(zip(names, peer.get_parameters(*names), strict=True))
            for descriptor in described:
                values = tried(descriptor)
                for value in values:
                    result = peer.set_named({descriptor.name: value})[0]
                    count += 1
                    assert result.successful or result.reason, f"{descriptor.name} = {value}: no reason"
                    if state == "active" and count % 10 == 0:
                        peer.publish_joints({"joint_1": 0.3, "joint_2": 0.1})
                if not descriptor.read_only:
                    peer.set_named({descriptor.name: before[descriptor.name]})
            assert node.alive, node.stderr()[-1500:]
        rig.measure("settings", count)
        assert peer.change_state(label="configure") and peer.change_state(label="activate")
        peer.solve_eventually({"joint_1": 0.3, "joint_2": 0.1, "joint_3": 0.2})
        assert node.stop() == 0, node.stderr()[-1500:]


def q11_output_rate(rig: Rig) -> None:
    for rate in (1e-18, 1e-19, 6e-20, 5e-20, 1e-300, 5e-324, 0.000999):
        refused(rig, "output.rate", rate, "output.rate must be in 0.0 or [0.001, 1000.0]")
    refuses_to_start(2, "output.rate must be in 0.0 or [0.001, 1000.0]", parameters={"output.rate": 1e-300})


FORGED = "/nope\n[FATAL] [1.0] [other]: a line \x1b[31mof mine\x1b[0m"


def q12_long_and_forged_texts(rig: Rig) -> None:
    before = rig.node.memory_kib()
    for name in ("output.frame_id", "record.folder", "reload.path"):
        refused(rig, name, "x" * 100_000, "bytes of printable text, got 100000 bytes")
        refused(rig, name, FORGED, "bytes of printable text")
    refused(rig, "output.frame_id", "x" * 20_000_000, "at most 256 bytes of printable text, got 20000000 bytes")
    refused(rig, FORGED, 1, "unknown parameter")
    rig.peer.set_named({"task": FORGED})
    time.sleep(1.2)
    grown = rig.measure("memory_mib", (rig.node.memory_kib() - before) / 1024)
    assert grown < 150, f"memory grew by {grown:.0f} MiB"
    text = rig.node.stderr()
    assert "\x1b" not in text and "\n[FATAL]" not in text, "a line of the log was forged"
    told = [m for a in rig.peer.diagnostics.messages for s in a.status for m in (s.message, *(v.value for v in s.values))]
    assert not any(c in text for text in told for c in "\n\x1b"), "a status was forged"


def q13_paths_that_lead_out(rig: Rig) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root, out = Path(folder) / "root", Path(folder) / "out"
        root.mkdir()
        out.mkdir()
        (root / "link").symlink_to(out)
        roots = {"record.root": str(root), "reload.root": str(root)}
        with NodeProcess(name="other", parameters=roots) as node, Peer("/other", name="witness") as peer:
            peer.wait_state("active")
            for name in ("record.folder", "reload.path"):
                for path in (out, root / ".." / "out", root / "link", root / "link" / "x", Path("/dev/null"), Path("/etc")):
                    result = peer.set_named({name: str(path)})[0]
                    assert not result.successful and "must lie in" in result.reason, f"{name} = {path}: {result}"
            for name, value in (("record.total_size", 1), ("record.root", "/"), ("reload.root", "/")):
                result = peer.set_named({name: value})[0]
                assert not result.successful and "read-only" in result.reason, f"{name}: {result}"
            assert peer.set_named({"record.folder": str(root / "in"), "record.enabled": True}, atomically=True)[0].successful
            peer.wait_diagnostic("Recorder", "OK", "Recording")
            # A link that is turned after it was allowed.
            assert peer.set_named({"record.enabled": False})[0].successful
            (root / "in").rename(root / "was")
            (root / "in").symlink_to(out)
            assert peer.set_named({"record.enabled": True})[0].successful
            peer.wait_diagnostic("Recorder", "ERROR", "must lie in")
            assert not list(out.iterdir()), "something was written outside"
            peer.solve_eventually()
            assert node.stop() == 0, node.stderr()[-1500:]
        outside = {"record.root": str(root), "record.folder": str(out)}
        refuses_to_start(2, "record.folder must lie in", parameters=outside)
