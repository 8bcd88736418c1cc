"""Provocations of the window: the V rows. It is another process, and the node must not notice it."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from faults_load import check_age, storm
from messages import ROOT, standing_legs
from peer import wait_for
from rig import NotHere, Rig
from screen import Hand, Screen, is_there

PATIENCE = 60.0
"""Seconds within which a window draws its first picture in software on a loaded machine."""
BODY = 400
"""Pixels of a body on the screen, of those that are looked at."""
CAP = 32
"""Hypotheses that are followed at most, see src/watch.rs."""


class View:
    """Owns one window's process."""

    def __init__(self, display: str | None, *arguments: str, **environment: str) -> None:
        program = Path(os.environ.get("THALWEG_VIEW", ROOT / "target" / "release" / "thalweg_view"))
        if not program.is_file():
            raise NotHere(f"no {program.name} was built")
        merged = {name: value for name, value in os.environ.items() if not name.startswith("WAYLAND")}
        merged.pop("DISPLAY", None)
        merged |= environment | ({"DISPLAY": display} if display else {})
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [str(program), *arguments], cwd=ROOT, env=merged, stdout=self.log, stderr=self.log
        )

    def __enter__(self) -> View:
        return self

    def __exit__(self, *_: object) -> None:
        # In order: a participant that is killed leaves Fast DDS a locked port, and who takes it next is not heard.
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            self.process.wait(5.0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()

    def text(self) -> str:
        """Reads what it has written."""
        self.log.seek(0)
        return self.log.read().decode(errors="replace").strip()

    def ends(self, code: int, within: float = 10.0) -> None:
        """Asserts that it ends by itself with an exit code."""
        try:
            got = self.process.wait(within)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the window does not end within {within} s: {self.text()}") from None
        assert got == code, f"exit code {code} expected, got {got}: {self.text()[-1000:]}"


def screen() -> Screen:
    """Gives a virtual screen, where there can be one."""
    if not is_there():
        if os.environ.get("CI") == "true":
            raise AssertionError("no Xvfb or libX11; in CI windows must be tested")
        raise NotHere("no Xvfb (tools/setup_graphics.sh --window)")
    return Screen()


def await_body(rig: Rig, view: View, seen: Screen) -> None:
    """Streams until a body is on the screen."""

    def drawn() -> bool:
        assert view.process.poll() is None, f"the window has ended: {view.text()[-1000:]}"
        rig.peer.stream(standing_legs(0.3), 0.3, 30.0)
        return seen.blue() > BODY

    wait_for(drawn, PATIENCE, "a body on the screen")


def v1_no_display(rig: Rig) -> None:
    with View(None) as view:
        view.ends(1)
        assert "no display" in view.text() and len(view.text().splitlines()) == 1, view.text()
    with View(":4999") as view:
        view.ends(1)
        assert len(view.text().splitlines()) == 1, view.text()


def v1_broken_driver(rig: Rig) -> None:
    nothing = {"__EGL_VENDOR_LIBRARY_FILENAMES": "/dev/null", "VK_DRIVER_FILES": "/dev/null"}
    with screen() as seen, View(seen.display, **nothing) as view:
        view.ends(1, PATIENCE)
        assert "graphics" in view.text() and len(view.text().splitlines()) == 1, view.text()


def v2_closed_by_its_button(rig: Rig) -> None:
    with screen() as seen, View(seen.display) as view, Hand(seen, "thalweg: node thalweg") as hand:
        await_body(rig, view, seen)
        hand.close()
        view.ends(0)
        rig.peer.solve()
        rig.check_alive()


def v2_ended_by_a_signal(rig: Rig) -> None:
    with screen() as seen:
        for number in (signal.SIGTERM, signal.SIGINT):
            with View(seen.display) as view, Hand(seen, "thalweg: node thalweg"):
                await_body(rig, view, seen)
                view.process.send_signal(number)
                view.ends(0)


def v2_resized_moved_and_minimised(rig: Rig) -> None:
    with screen() as seen, View(seen.display) as view, Hand(seen, "thalweg: node thalweg") as hand:
        await_body(rig, view, seen)
        for size in ((1, 1), (3, 700), (1200, 700)):
            hand.resize(*size)
            rig.peer.stream(standing_legs(0.3), 0.5)
        hand.move(-500, -300)
        rig.peer.stream(standing_legs(0.3), 0.5)
        hand.show(False)
        rig.peer.stream(standing_legs(0.3), 0.5)
        hand.show(True)
        hand.move(0, 0)
        await_body(rig, view, seen)
        hand.close()
        view.ends(0)


def v3_stopped_window(rig: Rig) -> None:
    with screen() as seen, View(seen.display) as view:
        await_body(rig, view, seen)
        view.process.send_signal(signal.SIGSTOP)
        # What came while pixels were counted has waited for this process, not for the node.
        rig.peer.solve_eventually()
        since, memory = time.time(), rig.node.memory_kib()
        storm(rig, 200, 5.0)
        check_age(rig, since, "stopped_window")
        grown = rig.measure("memory_ratio", rig.node.memory_kib() / memory)
        assert grown < 1.1, f"the node's memory grew to {grown:.2f} times"
        rig.peer.solve()


def v4_many_hypotheses(rig: Rig) -> None:
    def followed(rank: int) -> int:
        return rig.peer.node.count_subscribers(f"/alone/fresh/hypotheses/h{rank}/joint_states")

    arguments = ("--node", "/alone/fresh", "--ros-args", "-r", "__ns:=/alone")
    with screen() as seen, View(seen.display, *arguments) as view:
        await_body(rig, view, seen)
        wait_for(lambda: followed(CAP - 1) == 1, what=f"hypothesis {CAP - 1} is followed")
        rig.peer.stream(standing_legs(0.3), 1.0)
        assert followed(CAP) == 0, "more are followed than can be shown"
        assert f"of 256 hypotheses {CAP} are followed" in view.text(), view.text()
