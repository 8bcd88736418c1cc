"""Provocations of the process: the S rows."""

from __future__ import annotations

import signal
import tempfile
import time

from messages import standing_legs
from node_process import NodeProcess, run_to_end
from peer import Peer, wait_for
from rig import Rig, in_time

END = 2.0
KILLS = 5
OTHER = "/other"


def answers(peer: Peer) -> None:
    """Asserts that the node `other` works."""
    peer.wait_state("active")
    wait_for(lambda: peer.publish_joints(standing_legs()) and _pause() and peer.reconstruction.messages)


def _pause() -> bool:
    time.sleep(0.1)
    return True


def ends_in_order(rig: Rig, numbers: list[signal.Signals], codes: tuple[int, ...], **options: object) -> None:
    """Starts a node, lets it work, and ends it with signals."""
    with NodeProcess(name="other", **options) as node, Peer(OTHER, name="witness") as peer:
        answers(peer)
        for number in numbers[:-1]:
            node.send(number)
        code, seconds = node.timed_end(numbers[-1])
        names = "+".join(number.name for number in numbers)
        rig.measure(f"{names}_s", seconds)
        assert code in codes, f"{names}: exit code {codes} expected, got {code}: {node.stderr()[-1500:]}"
        in_time(seconds, END, f"the end by {names}")


def s1_signals(rig: Rig) -> None:
    ends_in_order(rig, [signal.SIGINT], (0,))
    ends_in_order(rig, [signal.SIGTERM], (0,))
    ends_in_order(rig, [signal.SIGINT, signal.SIGINT], (0, 130))


def s1_hang_up(rig: Rig) -> None:
    with NodeProcess(name="other") as node, Peer(OTHER, name="witness") as peer:
        answers(peer)
        code, _ = node.timed_end(signal.SIGHUP)
        assert code in (0, -signal.SIGHUP), f"exit code 0 or death by SIGHUP expected, got {code}"


def s1_closed_output(rig: Rig) -> None:
    ends_in_order(rig, [signal.SIGINT], (0,), prefix=["sh", "-c", 'exec "$@" >&- 2>&-', "sh"])


def s2_kill_and_respawn(rig: Rig) -> None:
    for _ in range(KILLS):
        with NodeProcess(name="other") as node, Peer(OTHER, name="witness") as peer:
            peer.wait_state("active")
            node.send(signal.SIGKILL)
            node.wait(5.0)
    ends_in_order(rig, [signal.SIGINT], (0,))


def written_with(**environment: str) -> str:
    """Gives what a node writes on standard error until it is active."""
    with NodeProcess(name="other", environment=environment) as node, Peer(OTHER, name="witness") as peer:
        answers(peer)
        node.stop()
        return node.stderr()


def s3_variables_of_the_log(rig: Rig) -> None:
    plain = written_with(RCUTILS_COLORIZED_OUTPUT="0", NO_COLOR="1")
    assert plain.strip(), "nothing was logged"
    assert "\x1b" not in plain, "colours although RCUTILS_COLORIZED_OUTPUT=0 and NO_COLOR"
    assert "\r" not in plain, "a progress bar was written into the log"
    formatted = written_with(RCUTILS_CONSOLE_OUTPUT_FORMAT="<<{severity}|{name}>> {message}")
    assert "<<INFO|other" in formatted, f"RCUTILS_CONSOLE_OUTPUT_FORMAT is not honoured: {formatted[:300]}"
    assert "\x1b" not in formatted, "colours although standard error is no terminal"


def s5_few_files(rig: Rig) -> None:
    for files in range(20, 34, 2):
        with NodeProcess(name="other", prefix=["prlimit", f"--nofile={files}:{files}"]) as node:
            code = node.wait(1.5)
            if code is None:
                node.send(signal.SIGINT)
                code = node.wait(5.0)
            errors = node.stderr()
        assert code in (0, 2, 3, 70), f"{files} files: a clear end expected, got {code}: {errors[-1000:]}"
        assert errors.strip(), "it ended without a word"
        assert "panic" not in errors, errors[-1000:]


def s5_little_memory(rig: Rig) -> None:
    with NodeProcess(name="other", prefix=["prlimit", "--as=268435456"]) as node:
        code, errors = node.wait(15.0), node.stderr()
    assert code is not None and code > 0, f"a clear end expected, got {code}: {errors[-1000:]}"
    assert errors.strip(), "it ended without a word"


def s5_no_home(rig: Rig) -> None:
    nowhere = {"HOME": None, "ROS_HOME": None, "ROS_LOG_DIR": None}
    code, _, errors = run_to_end(name="other", environment=nowhere)
    last = errors.strip().splitlines()[-1] if errors.strip() else ""
    assert code == 2, f"exit code 2 expected, got {code}: {errors[-1000:]}"
    assert "logging directory" in last.lower() or "HOME" in last, f"the last line does not say why: '{last}'"
    ends_in_order(rig, [signal.SIGTERM], (0,), environment={**nowhere, "ROS_LOG_DIR": "/tmp"})


def s6_environment_that_is_none(rig: Rig) -> None:
    for domain in ("233", "999", "-1", "abc", "1e300"):
        code, _, errors = run_to_end(name="other", environment={"ROS_DOMAIN_ID": domain})
        assert code == 2 and f"ROS_DOMAIN_ID: got '{domain}', expected a whole number from 0 to 232" in errors, errors[-1000:]
    with tempfile.TemporaryDirectory() as keystore:
        secured = {"ROS_SECURITY_ENABLE": "true", "ROS_SECURITY_STRATEGY": "Enforce", "ROS_SECURITY_KEYSTORE": keystore}
        code, _, errors = run_to_end(name="other", environment=secured)
    assert code == 2, f"exit code 2 expected, got {code}: {errors[-1000:]}"
    assert "SROS 2 is switched on" in errors and "bad name" not in errors, errors[-1000:]
