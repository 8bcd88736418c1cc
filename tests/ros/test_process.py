"""The process: signals, exit codes, arguments, parameter files."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from messages import standing_legs
from node_process import NodeProcess, binary, run_to_end
from peer import Peer, wait_for
from rig import in_time, tried

END = 2.0
"""Seconds within which a signal ends the node; the promise of the exit code table."""


class Signals(unittest.TestCase):
    """SIGINT and SIGTERM end it in order, a second one at once."""

    def end_with(self, number: signal.Signals) -> None:
        """Ends a node that is solving."""
        with NodeProcess() as node, Peer() as peer:
            peer.wait_state("active")
            peer.solve_eventually()
            peer.stream(standing_legs(), 0.5, rate=200.0)
            code, seconds = node.timed_end(number)
            self.assertEqual(code, 0, node.stderr())
            in_time(seconds, END, f"the end by {number.name}")

    def test_sigint(self) -> None:
        tried(lambda: self.end_with(signal.SIGINT), "the end by SIGINT")

    def test_sigterm(self) -> None:
        tried(lambda: self.end_with(signal.SIGTERM), "the end by SIGTERM")

    def test_sigint_while_unconfigured(self) -> None:
        with NodeProcess(parameters={"autostart": False}) as node, Peer() as peer:
            peer.wait_state("unconfigured")
            self.assertEqual(node.timed_end(signal.SIGINT)[0], 0)

    def test_a_second_signal_at_once_does_not_cut_the_end(self) -> None:
        """Service managers and terminals send it to the whole group, and whoever forwards it sends it twice."""
        for numbers in ((signal.SIGINT, signal.SIGINT), (signal.SIGINT, signal.SIGTERM), (signal.SIGTERM, signal.SIGINT)):
            with self.subTest(numbers):
                self.end_with_two(*numbers)

    def end_with_two(self, first: signal.Signals, second: signal.Signals) -> None:
        """Ends a node that records with two signals, a moment apart; what it has recorded is whole."""
        with tempfile.TemporaryDirectory() as folder:
            recorded = {"record.enabled": True, "record.folder": folder}
            with NodeProcess(parameters=recorded) as node, Peer() as peer:
                peer.wait_state("active")
                peer.solve_eventually()
                node.send(first)
                time.sleep(0.02)
                code, _ = node.timed_end(second)
                self.assertEqual(code, 0, node.stderr())
                self.assertNotIn("ending at once", node.stderr())
            self.assertEqual(list(Path(folder).rglob("*.active")), [], "a recording was left open")

    def test_closed_output_is_not_fatal(self) -> None:
        with NodeProcess(prefix=["sh", "-c", 'exec "$@" >&- 2>&-', "sh"]) as node, Peer() as peer:
            peer.wait_state("active")
            peer.solve_eventually()
            self.assertEqual(node.timed_end(signal.SIGINT)[0], 0)

    def test_broken_pipe_is_not_fatal(self) -> None:
        with NodeProcess(prefix=["sh", "-c", '"$@" 2>&1 | true; wait', "sh"]) as shell, Peer() as peer:
            peer.wait_state("active")
            peer.solve_eventually()
            self.assertTrue(shell.alive)
            os.killpg(shell.process.pid, signal.SIGINT)
            self.assertIsNotNone(shell.wait(10.0))


class Arguments(unittest.TestCase):
    """What is wrong with the start is said in one sentence, with exit code 2."""

    def refused(self, code: int, *texts: str, **options: object) -> None:
        """Starts a node that must refuse to run."""
        got, _, errors = run_to_end(**options)
        self.assertEqual(got, code, errors)
        for text in texts:
            self.assertIn(text, errors)
        self.assertNotIn("panicked", errors)

    def with_file(self, text: str, code: int, *texts: str, **options: object) -> None:
        """Starts a node with a parameter file that must be refused."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "node.yaml"
            path.write_text(text)
            self.refused(code, *texts, params_file=path, **options)

    def test_help_and_version(self) -> None:
        for argument in ("--help", "--version"):
            done = subprocess.run(
                [str(binary()), argument], capture_output=True, text=True, timeout=20, check=False
            )
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("thalweg_node", done.stdout)
        self.assertRegex(done.stdout, re.compile(r"\d+\.\d+\.\d+"))

    def test_unknown_argument(self) -> None:
        self.refused(2, "--fly", arguments=["--fly"])

    def test_bad_value(self) -> None:
        self.refused(2, "budget.steps must be in [0, 100000], got -1", parameters={"budget.steps": -1})

    def test_wrong_type(self) -> None:
        self.refused(2, "got the integer 1 (write 1.0)", parameters={"optimizer.rate": 1})

    def test_unknown_parameter(self) -> None:
        self.refused(2, "the nearest known name is 'budget.steps'", parameters={"budget.step": 1})

    def test_inconsistent_pair(self) -> None:
        text = "warm_start.fresh must be below hypotheses = 2, got 5"
        self.refused(2, text, parameters={"hypotheses": 2, "warm_start.fresh": 5})

    def test_missing_file(self) -> None:
        self.refused(2, "/nonexistent/node.yaml", params_file=Path("/nonexistent/node.yaml"))

    def test_unknown_key_in_a_file(self) -> None:
        text = "thalweg:\n  ros__parameters:\n    budgets:\n      steps: 3\n"
        self.with_file(text, 2, "budgets.steps", "budget.steps")

    def test_a_file_for_other_nodes_is_told_and_passed_over(self) -> None:
        text = "foo:\n  ros__parameters:\n    hypotheses: 3\n"
        wrong = {"hypotheses": 0, "robot_base_frame": "base"}
        self.with_file(text, 2, "parameters only for foo", "/bar", "hypotheses must be", name="bar", parameters=wrong)

    def test_tabs_in_a_file(self) -> None:
        self.with_file("thalweg:\n\tros__parameters:\n\t\thypotheses: 3\n", 2)

    def test_missing_task_ends_with_3(self) -> None:
        self.refused(3, "/nonexistent/models", parameters={"models": "/nonexistent/models"})

    def test_missing_theta_ends_with_3(self) -> None:
        self.refused(
            3, "/nonexistent/theta.safetensors", parameters={"theta": "/nonexistent/theta.safetensors"}
        )

    def test_missing_device_ends_with_3(self) -> None:
        self.refused(3, "cuda:7", parameters={"device": "cuda:7"})


class Dump(unittest.TestCase):
    """--dump-params prints a file that the node accepts."""

    def dump(self, argument: str) -> str:
        """Runs the node with the argument alone."""
        argv = [str(binary()), argument]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_the_dump_is_accepted(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "dump.yaml"
            path.write_text(self.dump("--dump-params"))
            with NodeProcess(params_file=path) as node, Peer() as peer:
                peer.wait_state("active")
                self.assertEqual(peer.get_parameters("hypotheses", "budget.deadline"), [8, 0.008])
                self.assertEqual(node.timed_end(signal.SIGINT)[0], 0)

    def test_the_dump_of_a_task_names_the_task(self) -> None:
        self.assertRegex(self.dump("--dump-params=planar_arm"), re.compile(r"^\s*task: .?planar_arm", re.M))

    def test_every_key_has_a_comment(self) -> None:
        self.assertGreater(self.dump("--dump-params").count("#"), 25)


class Environment(unittest.TestCase):
    """What launch and people set around the node."""

    def test_no_home_and_no_terminal(self) -> None:
        with NodeProcess(environment={"HOME": None, "ROS_LOG_DIR": "/tmp"}) as node, Peer() as peer:
            peer.wait_state("active")
            self.assertEqual(node.timed_end(signal.SIGTERM)[0], 0)

    def test_log_level_is_honoured(self) -> None:
        with NodeProcess(log_level="error") as node, Peer() as peer:
            peer.wait_state("active")
            time.sleep(0.5)
            self.assertEqual(node.stderr(), "")

    def test_default_name_is_thalweg(self) -> None:
        with NodeProcess(rename=False), Peer() as peer:
            names = wait_for(lambda: ("thalweg", "/") in peer.node.get_node_names_and_namespaces())
            self.assertTrue(names)


if __name__ == "__main__":
    unittest.main()
