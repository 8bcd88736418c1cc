"""Runs the rows of faults.toml against the node; writes JUnit and the measured times, and a page where asked to.

usage: faults.py [--only J1,J2] [--junit FILE] [--table FILE] [--times FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import tomllib
import traceback
from dataclasses import dataclass, field
from pathlib import Path

import pictures
from peer import NodeProcess, Peer

from fault_actions import ACTIONS
from fault_report import is_told, write_junit, write_table
from messages import ROOT, good_pose
from rig import NotHere, Rig, Row, TooSlow, tried


@dataclass
class Result:
    """What became of one row."""

    row: Row
    outcome: str
    reason: str = ""
    seconds: float = 0.0
    measured: dict[str, float] = field(default_factory=dict)


def load(path: Path) -> list[Row]:
    """Reads the table; every function that it names must exist."""
    rows = [Row(**row) for row in tomllib.loads(path.read_text())["row"]]
    unknown = [row.how for row in rows if row.how not in {*ACTIONS, ""}]
    without = [row.id for row in rows if bool(row.how) == bool(row.not_run)]
    unused = sorted(set(ACTIONS) - {row.how for row in rows})
    if unknown or without or unused:
        raise SystemExit(f"faults.toml: unknown {unknown}, without how or not_run {without}, unused {unused}")
    return rows


class Runner:
    """Runs rows one after the other; most of them share a node, which must live through all."""

    def __init__(self) -> None:
        self.shared: dict[str, tuple[NodeProcess, Peer]] = {}

    def run(self, row: Row) -> Result:
        """Runs one row."""
        begin = time.monotonic()
        try:
            result = tried(lambda: self._run(row), row.id)
        except TooSlow as error:
            result = Result(row, "failed", str(error))
        result.seconds = time.monotonic() - begin
        note = f": {result.reason}" if result.reason else ""
        print(f"{row.id:4} {result.outcome:8} {result.seconds:6.1f} s  {row.input}{note}", flush=True)
        return result

    def _run(self, row: Row) -> Result:
        if row.not_run:
            return Result(row, "not run", row.not_run)
        if row.node == "fresh":
            return self._run_fresh(row)
        if row.node == "images":
            return self._run_with_images(row)
        return self._run_shared(row, row.node)

    def _run_with_images(self, row: Row) -> Result:
        """Runs a row with each task that observes images; gives what is worst of them."""
        found: dict[str, Result] = {}
        for task in pictures.OBSERVERS:
            if reason := pictures.missing(task):
                found[task] = Result(row, "failed" if os.environ.get("CI") == "true" else "not run", reason)
            else:
                found[task] = self._run_shared(row, task)
        task, worst = max(found.items(), key=lambda item: ("passed", "not run", "failed").index(item[1].outcome))
        measured = {f"{task} {name}": value for task, r in found.items() for name, value in r.measured.items()}
        return Result(row, worst.outcome, f"{task}: {worst.reason}" if worst.reason else "", measured=measured)

    def _run_shared(self, row: Row, kind: str) -> Result:
        try:
            node, peer = self._shared(kind)
        except AssertionError as error:
            return Result(row, "failed", f"the shared node does not start: {error}")
        return provoke(row, node, peer)

    def _run_fresh(self, row: Row) -> Result:
        options = {"name": "fresh", "namespace": "/alone", "parameters": row.parameters}
        with NodeProcess(**options) as node, Peer("/alone/fresh", "/alone/joint_states") as peer:
            try:
                peer.wait_state("active")
                peer.solve_eventually() if not row.parameters.get("use_sim_time") else None
            except AssertionError as error:
                return Result(row, "failed", f"{error}; standard error: {node.stderr()[-1000:]}")
            result = provoke(row, node, peer)
            return self._ended(result, node)

    @staticmethod
    def _ended(result: Result, node: NodeProcess) -> Result:
        code = node.stop()
        if code != 0 and result.outcome == "passed":
            result.outcome, result.reason = (
                "failed",
                f"exit code {code} instead of 0: {node.stderr()[-1000:]}",
            )
        return result

    def _shared(self, kind: str) -> tuple[NodeProcess, Peer]:
        if kind in self.shared and not self.shared[kind][0].alive:
            self._close(kind)
        if kind not in self.shared:
            has_images = kind in pictures.OBSERVERS
            self.shared[kind] = pictures.shared(kind) if has_images else (NodeProcess(), Peer())
            self.shared[kind][1].wait_state("active")
        node, peer = self.shared[kind]
        peer.solve_eventually(good_pose())
        return node, peer

    def _close(self, kind: str) -> int:
        node, peer = self.shared.pop(kind)
        code = node.stop()
        peer.close()
        return code

    def close(self) -> int:
        """Stops the shared nodes; gives the exit code that is not zero, if there is one."""
        return max([self._close(kind) for kind in list(self.shared)], key=abs, default=0)


def provoke(row: Row, node: NodeProcess, peer: Peer) -> Result:
    """Provokes the fault and asserts: alive, reaction, counter, good input works, nothing but finite numbers."""
    peer.nonfinite.clear()
    rig = Rig(row, node, peer)
    try:
        ACTIONS[row.how](rig)
        rig.await_reaction()
        rig.check_alive()
        rig.check_good()
        rig.check_alive()
    except NotHere as reason:
        return Result(row, "not run", str(reason))
    except TooSlow as error:
        explain(row, rig, error)
        raise
    except Exception as error:  # whatever a row raises is that row's failure; the others must run
        explain(row, rig, error)
        return Result(row, "failed", (str(error) or repr(error)).splitlines()[0][:300], measured=rig.measured)
    return Result(row, "passed", measured=rig.measured)


def explain(row: Row, rig: Rig, error: Exception) -> None:
    """Prints what was expected and the last diagnostics."""
    print(f"--- {row.id}: {row.input}\nexpected: {row.reaction}", file=sys.stderr)
    print(f"expected on /diagnostics: {row.status} {row.level} '{row.text}' {row.counter}", file=sys.stderr)
    traceback.print_exception(error, limit=-3, file=sys.stderr)
    # Whatever it listens to: good input may be lost on another topic than the bad one came on.
    inputs = {f"Input {topic}" for topic in ("joint_states", "image", "image/compressed", "mask", "points")}
    for task in sorted(task for task in {row.status, "Graph", "Clock", "Lifecycle", "Optimizer"} | inputs if rig.status(task)):
        print(f"last {task}: {rig.status(task)}", file=sys.stderr)
    print(f"node: {'alive' if rig.node.alive else 'ended'}; the end of its log:", file=sys.stderr)
    print(rig.node.stderr()[-1500:], file=sys.stderr)


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="rows to run, separated by commas: J1,J2")
    parser.add_argument("--rows", type=Path, default=Path(__file__).with_name("faults.toml"))
    parser.add_argument("--junit", type=Path, default=ROOT / "target" / "faults.xml")
    parser.add_argument("--table", type=Path, help="where to write the page of all rows, docs/faults.md")
    parser.add_argument("--times", type=Path, default=ROOT / "target" / "faults.json")
    return parser.parse_args()


def main() -> int:
    """Runs the chosen rows; 1 when some failed, 2 for what no row is to blame for."""
    arguments = parse()
    chosen = {name.strip().upper() for name in arguments.only.split(",") if name.strip()}
    rows = [row for row in load(arguments.rows) if not chosen or row.id in chosen]
    runner = Runner()
    try:
        results = [runner.run(row) for row in rows]
    finally:
        code = runner.close()
    write_junit(arguments.junit, results)
    times = [{"id": r.row.id, "input": r.row.input, "outcome": r.outcome, **r.measured} for r in results]
    arguments.times.write_text(json.dumps(times, indent=1) + "\n")
    if arguments.table and not chosen:
        write_table(arguments.table, results)
    stale = not chosen and not is_told(ROOT / "docs" / "faults.md", results)
    if stale:
        print("docs/faults.md tells of other rows than faults.toml: make fault-table", file=sys.stderr)
    failed = [result for result in results if result.outcome == "failed"]
    passed = sum(result.outcome == "passed" for result in results)
    print(
        f"{passed} passed, {len(failed)} failed, {len(results) - passed - len(failed)} not run; exit code {code}"
    )
    if stale or code != 0 or not results:
        return 2
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
