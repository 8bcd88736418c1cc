"""Provocations with joint messages: the J rows."""

from __future__ import annotations

import math
import os
import random
import struct
import time

import rclpy
from messages import (
    NANOS,
    cdr,
    joint_state,
    joint_state_of,
    nanos_of,
    raw_joint_state,
    standing_legs,
    time_of,
)
from peer import qos, wait_for
from rig import Rig
from sensor_msgs.msg import JointState

HUGE = 100_000


def publish_with(rig: Rig, **changes: float) -> None:
    """Publishes the standing pose with some positions changed, and waits for its reconstruction."""
    stamp = rig.peer.publish_joints({**standing_legs(), **changes})
    wait_for(lambda: rig.peer.answer(stamp), what="a reconstruction from the good part of the message")


def publish(rig: Rig, message: JointState) -> None:
    """Publishes a message as it is."""
    rig.peer.joints.publish(message)


def j1_nonfinite_position(rig: Rig) -> None:
    publish_with(rig, left_knee_x=math.nan, right_knee_x=math.inf, left_hip_x=-math.inf)


def j2_more_names_than_positions(rig: Rig) -> None:
    publish(rig, joint_state_of(["left_knee_x", "right_knee_x", "left_hip_x"], [0.1, 0.2], time.time_ns()))


def j3_velocity_only(rig: Rig) -> None:
    message = joint_state_of(["left_knee_x", "right_knee_x"], [], time.time_ns())
    message.velocity = [0.1, 0.2]
    publish(rig, message)


def j4_positions_without_names(rig: Rig) -> None:
    publish(rig, joint_state_of([], [0.1, 0.2, 0.3], time.time_ns()))


def j5_unknown_names(rig: Rig) -> None:
    publish(rig, joint_state({"left_knees_x": 0.1, "elbow": 0.2, "wheel_3": 0.3}, time.time_ns()))


def j6_duplicate_names(rig: Rig) -> None:
    names = ["left_knee_x", "right_knee_x", "left_knee_x"]
    publish(rig, joint_state_of(names, [0.1, 0.2, 0.9], time.time_ns()))


def fresh_refusals(rig: Rig) -> dict[str, str]:
    """Gives the counters of what was refused, but for what came late: that is the machine's."""
    return {key: value for key, value in rig.refusals().items() if key != "refused stale_joint"}


def j7_empty_message(rig: Rig) -> None:
    rig.peer.stream(standing_legs(), 1.5)
    refused, events = fresh_refusals(rig), rig.count("Events since startup", "Input joint_states")
    for _ in range(20):
        publish(rig, joint_state({}, time.time_ns()))
        time.sleep(0.1)
    wait_for(
        lambda: rig.count("Events since startup", "Input joint_states") > events,
        what="heartbeats are counted",
    )
    assert fresh_refusals(rig) == refused, f"an empty message was refused: {rig.refusals()}"
    level = rig.status("Input joint_states").level
    assert level != "ERROR", f"an empty message is an {level}"


def j8_older_than_the_last(rig: Rig) -> None:
    rig.peer.solve()
    old = time.time_ns() - 2 * NANOS
    rig.mark()
    publish(rig, joint_state(standing_legs(), old))
    time.sleep(0.3)
    assert rig.peer.answer(old) is None, "an old message was used"


def j9_zero_stamp(rig: Rig) -> None:
    before = len(rig.peer.reconstruction.messages)
    publish(rig, joint_state(standing_legs(), 0))
    wait_for(
        lambda: len(rig.peer.reconstruction.messages) > before, what="a reconstruction from a zero stamp"
    )
    stamp = nanos_of(rig.peer.reconstruction.messages[-1].header.stamp)
    assert abs(time.time_ns() - stamp) < 5 * NANOS, f"a zero stamp became {stamp}"


def j10_far_future(rig: Rig) -> None:
    future = time.time_ns() + 60 * NANOS
    rig.mark()
    publish(rig, joint_state(standing_legs(), future))
    time.sleep(0.3)
    assert rig.peer.answer(future) is None, "a message from the far future was used"


def j10_near_future(rig: Rig) -> None:
    future = time.time_ns() + NANOS
    rig.mark()
    publish(rig, joint_state({"left_knee_x": 0.1, "right_hip_x": 0.1}, future))
    wait_for(lambda: rig.peer.answer(future), what="a message one second ahead is used")
    time.sleep(1.6)


def j11_bad_stamp(rig: Rig) -> None:
    for sec, nanosec in ((5, 2_000_000_000), (-5, 0)):
        message = joint_state(standing_legs(), 0)
        message.header.stamp = time_of(0)
        payload = bytearray(cdr(message))
        struct.pack_into("<iI", payload, 4, sec, nanosec)
        rig.peer.joints.publish(bytes(payload))


def j12_outside_limits(rig: Rig) -> None:
    publish_with(rig, left_knee_x=-2.5, right_elbow_y=3.1)


def j13_many_turns(rig: Rig) -> None:
    publish_with(rig, left_knee_x=1e6)


def j14_extreme_numbers(rig: Rig) -> None:
    publish_with(rig, left_knee_x=1e308, right_knee_x=5e-324, left_hip_x=-0.0, right_hip_x=-1e308)


def j15_bad_names(rig: Rig) -> None:
    stamp = time.time_ns()
    names = [b"\xff\xfe", b"left\nknee", b"\x1b[31mred", b"x" * 10_240, b"", b"left_knee_x", b"nul\x00nul"]
    rig.peer.joints.publish(raw_joint_state(names, [0.1] * len(names), stamp))
    time.sleep(0.5)
    text = rig.node.stderr()
    assert "\x1b[31mred" not in text, "an ANSI escape from a name reached the log"
    assert "x" * 1_000 not in text, "a name of 10 kB reached the log"


def j16_too_many_joints(rig: Rig) -> None:
    before = rig.node.memory_kib()
    names = [f"joint_{number}" for number in range(HUGE)]
    message = joint_state_of(names, [0.0] * HUGE, time.time_ns())
    rig.mark()
    publish(rig, message)
    time.sleep(0.5)
    grown = rig.measure("memory_mib", (rig.node.memory_kib() - before) / 1024)
    assert grown < 100, f"memory grew by {grown:.0f} MiB"


def observed(rig: Rig) -> str:
    """Reads how many joints are observed."""
    status = rig.status("Input joint_states")
    return status.values.get("Joints observed", "") if status else ""


def j17_split_over_publishers(rig: Rig) -> None:
    time.sleep(1.0)
    pose = list(standing_legs().items())
    halves = [dict(pose[:10]), dict(pose[10:])]
    second = rig.peer.publisher(JointState, "/joint_states", matched=1)

    def both() -> bool:
        rig.peer.publish_joints(halves[0])
        rig.peer.publish_joints(halves[1], second)
        time.sleep(0.03)
        return observed(rig) == f"{len(pose)} of 63"

    wait_for(both, what=f"joints of both publishers, {len(pose)} of 63")
    rig.peer.node.destroy_publisher(second)
    rig.mark()

    def one() -> bool:
        rig.peer.publish_joints(halves[0])
        time.sleep(0.03)
        return observed(rig) == "10 of 63"

    wait_for(one, what="joints of the publisher that is left, 10 of 63")


def j18_two_publishers_fight(rig: Rig) -> None:
    rival = rclpy.create_node(
        "rival", context=rig.peer.context, enable_rosout=False, start_parameter_services=False
    )
    publisher = rival.create_publisher(JointState, "/joint_states", qos())
    try:
        rig.peer.wait_matched(publisher)
        time.sleep(0.5)
        rig.mark()
        fight(rig, publisher)
    finally:
        rival.destroy_node()


def fight(rig: Rig, rival: object) -> None:
    """Lets two publishers contradict each other until both are named."""

    def named() -> bool:
        rig.peer.publish_joints(standing_legs(0.1))
        time.sleep(0.01)
        rig.peer.publish_joints(standing_legs(1.0), rival)
        time.sleep(0.01)
        status = rig.status("Graph")
        text = f"{status.message} {status.values}" if status else ""
        return "rival" in text and "peer" in text

    wait_for(named, 10.0, f"Graph names both publishers; now {rig.status('Graph')}")


def undecodable(seed: int) -> list[bytes]:
    """Makes payloads that are no JointState: truncated, random, sequence bombs, header only."""
    generator = random.Random(seed)
    good = cdr(joint_state(standing_legs(), time.time_ns()))
    bomb = bytearray(good[:20])
    bomb[12:20] = b"\x00\x00\x00\x00\xff\xff\xff\x7f"
    noise = [bytes(generator.randbytes(generator.randrange(4, 400))) for _ in range(5)]
    return [
        good[: len(good) // 2],
        good[:4],
        good[:13],
        bytes(bomb),
        b"\x00\x01\x00\x00" + os.urandom(64),
        *noise,
    ]


def j19_undecodable_bytes(rig: Rig) -> None:
    before = rig.node.memory_kib()
    source = rig.peer.publisher(JointState, "/joint_states", matched=1)
    seed, end = 0, time.monotonic() + rig.row.within
    rig.mark()
    while time.monotonic() < end and rig.count() == rig.before:
        for payload in undecodable(seed):
            source.publish(payload)
        seed += 1
        time.sleep(0.1)
    rig.peer.node.destroy_publisher(source)
    grown = rig.measure("memory_mib", (rig.node.memory_kib() - before) / 1024)
    assert grown < 100, f"memory grew by {grown:.0f} MiB"


def j19_empty_payload(rig: Rig) -> None:
    rig.peer.joints.publish(b"")
    time.sleep(0.5)


def j19_log_stays_quiet(rig: Rig) -> None:
    source = rig.peer.publisher(JointState, "/joint_states", matched=1)
    before, end = len(rig.node.stderr().splitlines()), time.monotonic() + 3.0
    rig.mark()
    sent = 0
    while time.monotonic() < end:
        for payload in undecodable(sent):
            source.publish(payload)
            sent += 1
        time.sleep(0.02)
    rig.peer.node.destroy_publisher(source)
    lines = rig.measure("lines", len(rig.node.stderr().splitlines()) - before)
    # One a second for each cause; a mutant may be another fault than the one that is meant.
    assert lines < 40, f"{lines} lines for {sent} messages"
    assert "rcutils_reset_error" not in rig.node.stderr()


def j20_stamps_begin_anew(rig: Rig) -> None:
    rig.peer.stream(standing_legs(), 0.5)
    start = time.time_ns() - 1000 * NANOS
    stamps = []
    for step in range(40):
        stamps.append(start + step * NANOS // 50)
        publish(rig, joint_state(standing_legs(0.2), stamps[-1]))
        time.sleep(0.02)
    wait_for(lambda: any(rig.peer.answer(stamp) for stamp in stamps), what="a message of the new beginning is used")
    time.sleep(0.6)
    # And back to now: that is in order.
    rig.peer.solve_eventually(standing_legs(0.2))
