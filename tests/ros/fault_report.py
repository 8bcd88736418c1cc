"""Writes what became of the rows: JUnit for machines, a table for people."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from faults import Result

HEAD = """# Faults

What bad input and faults do to the node, and the test that holds it to that. Written by `make fault-table` from `tests/ros/faults.toml`; do not edit.

Every row also asserts that the node lives, that good input works afterwards, and that no number but a finite one was ever published.
Reactions must be on `/diagnostics` within 3 s: 1 s is the promise, the rest is the load of the machine. The times measured are in `target/faults.json`. A row that was too slow is run up to three times, and each time is told: a fault makes it slow each time, a busy machine does not.

Found by: the *catalogue* of what ROS 2 nodes meet, an *attack* on this node, or a *public report* of a bug that users of other software had.

| ID | input | reaction | found by | test | result |
|---|---|---|---|---|---|
"""


def write_junit(path: Path, results: Sequence[Result]) -> None:
    """Writes JUnit XML."""
    count = {outcome: str(sum(r.outcome == outcome for r in results)) for outcome in ("failed", "not run")}
    suite = ElementTree.Element("testsuite", name="faults", tests=str(len(results)))
    suite.attrib |= {"failures": count["failed"], "skipped": count["not run"]}
    for result in results:
        name = f"{result.row.id} {result.row.input}"
        case = ElementTree.SubElement(
            suite, "testcase", classname="faults", name=name, time=f"{result.seconds:.3f}"
        )
        if result.outcome != "passed":
            kind = "failure" if result.outcome == "failed" else "skipped"
            ElementTree.SubElement(case, kind, message=result.reason)
    path.parent.mkdir(parents=True, exist_ok=True)
    ElementTree.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)


def write_table(path: Path, results: Sequence[Result]) -> None:
    """Writes the table; it holds nothing that changes from run to run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(table(results))


def table(results: Sequence[Result]) -> str:
    """Gives the page."""
    return HEAD + "".join(line(result) for result in results)


def is_told(path: Path, results: Sequence[Result]) -> bool:
    """Tells whether the page has these rows, whatever became of them."""

    def without_outcome(text: str) -> list[str]:
        return [line.rpartition(" | ")[0] if line.startswith("| ") else line for line in text.splitlines()]

    return without_outcome(path.read_text()) == without_outcome(table(results))


def line(result: Result) -> str:
    """Writes one row."""
    row = result.row
    test = f"`{row.how}`" if row.how else ""
    outcome = f"not run: {result.reason}" if result.outcome == "not run" else result.outcome
    reaction = row.reaction + (f"; `{row.counter}`" if row.counter else "")
    cells = (row.id, row.input, reaction, row.found_by, test, outcome)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"
