"""Provocations with parameters and names: the Q rows."""

from __future__ import annotations

import math
import tempfile
import time
from pathlib import Path

from clock_source import ClockSource
from messages import standing_legs
from node_process import run_to_end
from peer import wait_for
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
