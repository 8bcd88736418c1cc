"""Provocations with time: the T rows."""

from __future__ import annotations

import signal
import struct
import subprocess
import tempfile
import time
from pathlib import Path

import rclpy
from clock_source import ClockSource
from messages import NANOS, nanos_of, standing_legs, time_of
from node_process import NodeProcess
from peer import Peer, qos, wait_for
from rig import NotHere, Rig, in_time
from rosgraph_msgs.msg import Clock


def preload(folder: str, name: str = "wall_clock") -> Path:
    """Compiles a library that changes what one process sees of the machine."""
    library = Path(folder) / f"{name}.so"
    source = Path(__file__).with_name(f"{name}.c")
    command = ["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=60)
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        raise NotHere(f"{name}.c does not compile: {error}") from None
    return library


def t1_wall_clock_steps(rig: Rig) -> None:
    with tempfile.TemporaryDirectory() as folder:
        offset = Path(folder) / "offset"
        offset.write_text("0")
        environment = {"LD_PRELOAD": str(preload(folder)), "WALL_CLOCK_FILE": str(offset)}
        with NodeProcess(name="stepped", namespace="/alone", environment=environment) as node:
            with Peer("/alone/stepped", "/alone/joint_states", name="witness") as peer:
                peer.wait_state("active")
                peer.solve_eventually()
                for seconds in (3600, -3600):
                    step_clock(rig, peer, offset, seconds)
            assert node.stop() == 0, node.stderr()


def step_clock(rig: Rig, peer: Peer, offset: Path, seconds: int) -> None:
    """Lets the node's wall clock and all stamps step; asserts that it is told, and that answers go on."""
    jumps = wait_for(lambda: peer.diagnostic("Clock"), what="Clock on /diagnostics").count("Time jumps")
    offset.write_text(str(seconds))
    peer.now_nanos = lambda: time.time_ns() + seconds * NANOS
    begin = time.monotonic()
    what = f"Time jumps above {jumps} after a step of {seconds} s; now {peer.diagnostic('Clock')}"
    wait_for(lambda: peer.diagnostic("Clock").count("Time jumps") > jumps, what=what)
    rig.measure(f"told_after_{seconds}_s", time.monotonic() - begin)
    peer.solve_eventually()
    assert not peer.nonfinite, peer.nonfinite[:3]


def t2_clock_absent(rig: Rig) -> None:
    rig.peer.stream(standing_legs(), 0.5)
    wait_for(lambda: rig.peer.logged(rig.row.text, 30), what="the warning on /rosout")
    with ClockSource(rig.peer):
        rig.peer.solve_eventually()


def t3_clock_pauses_and_changes_speed(rig: Rig) -> None:
    with ClockSource(rig.peer) as clock:
        rig.peer.solve_eventually()
        for speed in (10.0, 0.1, 0.0):
            clock.speed = speed
            before = rig.node.cpu_seconds()
            time.sleep(2.0)
            used = rig.measure(f"cpu_at_speed_{speed:g}", (rig.node.cpu_seconds() - before) / 2.0)
            in_time(used, 0.5, f"of each second that a core worked without input at speed {speed:g}")
        clock.speed = 1.0
        rig.peer.solve_eventually()


def t4_jump_back(rig: Rig) -> None:
    with ClockSource(rig.peer, 5_000 * NANOS) as clock:
        rig.peer.solve_eventually()
        rig.mark()
        clock.jump(-1_000.0)
        time.sleep(0.2)
        rig.peer.solve_eventually()
        wait_for(lambda: rig.peer.logged("time moved backwards by"), what="time moved backwards on /rosout")


def t5_jump_forward(rig: Rig) -> None:
    with ClockSource(rig.peer) as clock:
        rig.peer.solve_eventually()
        rig.mark()
        clock.jump(3_600.0)

        def only_new() -> bool:
            rig.peer.publish_joints({"left_knee_x": 0.3})
            time.sleep(0.05)
            status = rig.status("Input joint_states", rig.begin)
            return status is not None and status.values.get("Joints observed") == "1 of 63"

        wait_for(only_new, what="only the joint that came after the jump is observed")
        rig.peer.solve_eventually()


def t6_two_clocks(rig: Rig) -> None:
    rival = rclpy.create_node(
        "second_clock", context=rig.peer.context, enable_rosout=False, start_parameter_services=False
    )
    publisher = rival.create_publisher(Clock, "/clock", qos(1, reliable=False))
    try:
        with ClockSource(rig.peer) as clock:
            rig.mark()
            wait_for(lambda: tell(rig, publisher, clock), 10.0, f"both names; now {rig.status('Clock')}")
    finally:
        rival.destroy_node()


def tell(rig: Rig, publisher: object, clock: ClockSource) -> bool:
    """Publishes a second time; tells whether both publishers are named."""
    publisher.publish(Clock(clock=time_of(clock.nanos)))
    time.sleep(0.02)
    status = rig.status("Clock", rig.begin)
    text = f"{status.message} {status.values}" if status else ""
    return "second_clock" in text and "peer" in text and status.level == "WARN"


def t7_stopped_process(rig: Rig) -> None:
    rig.peer.stream(standing_legs(), 0.5)
    rig.node.send(signal.SIGSTOP)
    old = set(rig.peer.stream(standing_legs(), 5.0))
    rig.peer.reconstruction.clear()
    rig.node.send(signal.SIGCONT)
    rig.mark()
    time.sleep(1.5)
    late = [m for m in rig.peer.reconstruction.messages if nanos_of(m.header.stamp) in old]
    rig.measure("old_outputs", len(late))
    assert len(late) <= 3, f"a burst of {len(late)} outputs from the time when it was stopped"


def t8_clock_that_is_none(rig: Rig) -> None:
    with NodeProcess(name="other", parameters={"use_sim_time": True}) as node, Peer("/other", name="witness") as peer:
        peer.wait_state("active")
        with ClockSource(peer):
            peer.solve_eventually()
            clock = peer.publisher(Clock, "/clock", matched=1)
            for sec, nanosec in ((-5, 0), (5, 2_000_000_000), (5, 2**32 - 1)):
                clock.publish(struct.pack("<4siI", b"\0\1\0\0", sec, nanosec))
                time.sleep(0.1)
            for payload in (b"\0\1\0\0", b"\0\1\0\0\1", b"\0\7\0\0" + bytes(8)):
                clock.publish(payload)
                time.sleep(0.1)
            time.sleep(1.2)
            peer.solve_eventually()
        status = wait_for(lambda: peer.diagnostic("Clock"))
        # Best effort, the last one kept: some may be lost on their way.
        assert status.count("Refused") >= 3, str(status)
        assert status.count("Time jumps") == 0, str(status)
        assert "rcutils_reset_error" not in node.stderr(), node.stderr()[-1000:]
        assert node.stop() == 0, node.stderr()[-1500:]
