"""Provocations of the window: the V rows. It is another process, and the node must not notice it."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from faults_load import check_age, storm
from faults_trackers import several
from messages import ROOT, standing_legs
from peer import wait_for
from rig import NotHere, Rig
from screen import Hand, Screen, is_there
from test_body_places import Point

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


def v6_people_come_and_go(rig: Rig) -> None:
    here, there = (-0.9, 0.0, 3.0), (0.9, 0.0, 3.0)
    with several(**{"input.person_timeout": 0.3}) as (peer, publish), screen() as seen:
        with View(seen.display, "--node", "/tracker") as view:

            def bodies() -> int:
                """Counts trunks: runs of strips with more of a body than arms are, without the legend."""
                strips = [count > 600 for count in seen.completed()[4:13]]
                return sum(now and not before for before, now in zip([False, *strips], strips, strict=False))

            def are_drawn(wanted: int, *people: tuple[int, Point]) -> None:
                def is_so() -> bool:
                    assert view.process.poll() is None, f"the window has ended: {view.text()[-1000:]}"
                    for _ in range(10):
                        publish(*people)
                    return bodies() == wanted

                wait_for(is_so, PATIENCE, f"{wanted} bodies on the screen")

            def followed() -> int:
                return len(peer.node.get_subscriber_names_and_types_by_node("thalweg_view", "/"))

            are_drawn(2, (1, here), (2, there))
            topics = followed()
            for number in range(3, 23, 2):
                for _ in range(12):
                    publish((number, here), (number + 1, there))
            are_drawn(2, (23, here), (24, there))
            assert followed() == topics, "people who have gone leave subscriptions behind"
            are_drawn(1, (23, here))


HEAD_OF_A_ROBOT = '<robot name="r"><link name="base"/>'


def hostile_robots() -> dict[str, str]:
    """Gives descriptions of robots that are none, or hardly any."""
    chain = "".join(
        f'<link name="l{i}"/><joint name="j{i}" type="fixed"><parent link="{f"l{i - 1}" if i else "base"}"/>'
        f'<child link="l{i}"/></joint>'
        for i in range(20_000)
    )
    loop = (
        '<link name="a"/><joint name="x" type="fixed"><parent link="base"/><child link="a"/></joint>'
        '<joint name="y" type="fixed"><parent link="a"/><child link="base"/></joint>'
    )
    laughs = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
    return {
        "20,000 links in a row": HEAD_OF_A_ROBOT + chain + "</robot>",
        "a loop": HEAD_OF_A_ROBOT + loop + "</robot>",
        "20,000 attributes": '<robot name="r"><link name="base" ' + " ".join(f'a{i}=""' for i in range(20_000)) + "/></robot>",
        "entities of entities": f'<!DOCTYPE r [<!ENTITY l0 "lol">{laughs}]><robot name="&l9;"><link name="base"/></robot>',
        "numbers that are none": HEAD_OF_A_ROBOT.replace(
            "/>", '><visual><origin xyz="nan 1e308 -inf"/><geometry><box size="1e308 -1 0"/></geometry></visual></link>'
        )
        + "</robot>",
        "half of it": HEAD_OF_A_ROBOT,
    }


def v5_hostile_robots(rig: Rig) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for what, text in hostile_robots().items():
            path = Path(folder) / "robot.urdf"
            path.write_text(text)
            arguments = ("--demo", "--steps", "1", "--headless", "--at", "0", "--snapshot", str(Path(folder) / "x.png"))
            begin = time.monotonic()
            with View(None, *arguments, "--urdf", str(path)) as view:
                try:
                    code = view.process.wait(PATIENCE)
                except subprocess.TimeoutExpired:
                    raise AssertionError(f"{what}: no end within {PATIENCE} s") from None
                text = view.text()
            rig.measure(what, time.monotonic() - begin)
            assert code in (0, 1), f"{what}: exit code 0 or 1 expected, got {code}: {text[-500:]}"
            assert "panic" not in text, f"{what}: {text[-500:]}"
            if code == 1 and "graphics" in text.lower():
                raise NotHere(text[-200:])
