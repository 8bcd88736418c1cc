"""Runs every test that drives the node; names on the last lines what failed, and tries that once more, alone.

suite.py --rows FILE: the fault rows run meanwhile, and what they say is shown between the two.
What fails when both run and passes alone met a busy machine: it is told, and does not fail the run. What is broken fails
twice.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> int:
    """Gives 0 when each row passed, and each test at the first time or alone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=Path, required=True, help="where what the fault rows say is kept")
    rows_path = parser.parse_args().rows
    environment = os.environ | {"THALWEG_LANE": "1"}
    with rows_path.open("w") as file:
        rows = subprocess.Popen([sys.executable, HERE / "faults.py"], stdout=file, stderr=file, env=environment)
    try:
        failed = names(unittest.TextTestRunner(verbosity=2, durations=20).run(tests()))
        outcome = rows.wait()
    finally:
        rows.terminate()
    said = rows_path.read_text()
    print(said, flush=True)
    for name in failed:
        print(f"failed: {name}")
    again = subprocess.call([sys.executable, "-m", "unittest", "-v", *failed], cwd=HERE) if failed else 0
    print(f"rclpy: {len(failed)} failed beside the fault rows" + (f", again alone: exit code {again}" if failed else ""))
    failed_rows = ",".join(sorted(set(re.findall(r"^(\w+) +failed ", said, re.MULTILINE))))
    if outcome == 1 and failed_rows:
        print(f"failed: rows {failed_rows}", flush=True)
        outcome = subprocess.call([sys.executable, HERE / "faults.py", "--only", failed_rows])
    print(f"fault rows: exit code {outcome}")
    return again or outcome


def tests() -> unittest.TestSuite:
    """Finds the tests beside this file."""
    return unittest.defaultTestLoader.discover(str(HERE), top_level_dir=str(HERE))


def names(result: unittest.TestResult) -> list[str]:
    """Gives what failed by the names that unittest takes; a class whose set-up failed is named whole."""
    failed = [test for test, _ in result.failures + result.errors] + list(result.unexpectedSuccesses)
    return list(dict.fromkeys(name(test) for test in failed))


def name(test: unittest.TestCase) -> str:
    """Gives the name of a test, of the test that a subtest belongs to, or of what could not be set up."""
    whole = getattr(test, "test_case", test).id()
    set_up = re.fullmatch(r"\w+ \((.*)\)", whole)
    return (set_up[1] if set_up else whole).removeprefix("unittest.loader._FailedTest.")


if __name__ == "__main__":
    sys.exit(main())
