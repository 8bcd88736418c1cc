"""Provocations in the graph: the D rows."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import child
from messages import cdr, standing_legs
from node_process import NodeProcess
from peer import qos, wait_for
from raw_requests import RawRequests
from rcl_interfaces.srv import DescribeParameters, GetParameters, SetParameters
from rclpy.parameter import Parameter
from rig import Rig, TooSlow, good_pose
from sensor_msgs.msg import JointState
from std_msgs.msg import String

RESTARTS = 8
TOPICS = 200


def d1_two_nodes_with_one_name(rig: Rig) -> None:
    with NodeProcess() as twin:
        rig.mark()
        rig.peer.wait_diagnostic("Graph", "ERROR", "thalweg")
        assert twin.alive, twin.stderr()
    rig.peer.wait_diagnostic("Graph", "OK")


def d2_publisher_vanishes(rig: Rig) -> None:
    publisher = child.start("publish", "50")
    try:
        wait_for(lambda: rig.peer.node.count_publishers("/joint_states") > 1, what="the publisher is there")
        time.sleep(1.0)
        publisher.send_signal(signal.SIGKILL)
        rig.mark()
        rig.await_reaction()
    finally:
        child.end(publisher)
    answers = len(rig.peer.reconstruction.messages)
    again = child.start("publish", "50")
    try:
        wait_for(
            lambda: len(rig.peer.reconstruction.messages) > answers + 10, what="the publisher is heard again"
        )
    finally:
        child.end(again)


def d3_incompatible_reliability(rig: Rig) -> None:
    best_effort = rig.peer.publisher(JointState, rig.peer.joint_topic, qos(reliable=False))
    rig.mark()
    rig.await_reaction()
    text = str(rig.status("Graph")).lower()
    assert "reliab" in text or "best" in text, f"the policy is not named: {text}"
    rig.peer.node.destroy_publisher(best_effort)


def d4_other_type(rig: Rig) -> None:
    stranger = child.start("babble", rig.peer.joint_topic)
    try:
        wait_for(
            lambda: rig.peer.node.count_publishers(rig.peer.joint_topic) > 1, what="the stranger is there"
        )
        rig.mark()
        rig.await_reaction()
        rig.peer.solve(good_pose())
    finally:
        child.end(stranger)


def segments(node: NodeProcess) -> set[Path]:
    """Names the shared memory that the node has open; Fast DDS's ports belong to all participants of a domain."""
    lines = Path(f"/proc/{node.process.pid}/maps").read_text().splitlines()
    paths = {Path(line.split()[-1]) for line in lines if "/dev/shm/fast" in line}
    return {path for path in paths if "port" not in path.name}


def d5_restarts_leave_nothing(rig: Rig) -> None:
    left: set[Path] = set()
    for _ in range(RESTARTS):
        before = set(Path("/dev/shm").iterdir())
        with NodeProcess(name="again", parameters={"autostart": False}) as node:
            wait_for(
                lambda: ("again", "/") in rig.peer.node.get_node_names_and_namespaces(), what="it is there"
            )
            used = segments(node) - before
            assert used, "the node uses no shared memory: this row tests nothing"
            assert node.stop() == 0, node.stderr()
            left |= {path for path in used if path.exists()}
    rig.measure("segments_left", len(left))
    assert not left, f"{len(left)} segments of shared memory were left by {RESTARTS} restarts"


def d6_missing_middleware(rig: Rig) -> None:
    with NodeProcess(name="other", environment={"RMW_IMPLEMENTATION": "rmw_no_such_dds"}) as node:
        code, errors = node.wait(20.0), node.stderr()
    assert code in (2, 3, 102), f"exit code 2, 3 or 102 expected, got {code}: {errors[-1500:]}"
    assert "rmw_no_such_dds" in errors, errors[-1500:]
    assert "panicked" not in errors, errors[-1500:]


def d2_publisher_is_silent(rig: Rig) -> None:
    time.sleep(14.0)
    infos = rig.peer.node.get_subscriptions_info_by_topic(rig.peer.joint_topic)
    ours = rig.measure("subscriptions", len([info for info in infos if info.node_name == "thalweg"]))
    assert ours <= 2, f"{ours} subscriptions to one topic after 14 s of silence: they pile up"


def d7_many_topics(rig: Rig) -> None:
    publishers = [rig.peer.publisher(String, f"/noise/topic_{number}") for number in range(TOPICS)]
    time.sleep(1.0)
    since = len(rig.peer.reconstruction.messages)
    sent = rig.peer.stream(standing_legs(), 3.0, rate=30.0)
    answered = rig.measure("answered", (len(rig.peer.reconstruction.messages) - since) / len(sent))
    for publisher in publishers:
        rig.peer.node.destroy_publisher(publisher)
    if answered <= 0.5:
        raise TooSlow(f"{answered:.0%} of the messages were answered among {TOPICS} topics")


def d8_undecodable_requests(rig: Rig) -> None:
    step = Parameter("budget.steps", value=0).to_parameter_msg()
    sound = {
        "get_parameters": GetParameters.Request(names=["budget.steps"] * 3),
        "describe_parameters": DescribeParameters.Request(names=["task", "\u03ba"]),
        "set_parameters": SetParameters.Request(parameters=[step]),
    }
    source = random.Random(8)
    for service, request in sound.items():
        kind = "".join(word.capitalize() for word in service.split("_"))
        raw = RawRequests(rig.peer.node, f"{rig.peer.target}/{service}", kind)
        wait_for(lambda raw=raw: raw.services() > 0, what=f"{service} hears raw bytes")
        good = cdr(request)
        # Never empty: Fast DDS then hands a reliable reader nothing any more.
        for length in range(1, len(good)):
            raw.send(good[:length])
            raw.send(bytes(source.randrange(256) for _ in range(length)))
        assert rig.peer.get_parameters("task") == ["body_pose"], "the service does not answer"
        assert rig.peer.state() == "active"
