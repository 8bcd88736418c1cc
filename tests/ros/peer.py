"""A ROS 2 peer of the node under test: publishes, collects, calls services."""

from __future__ import annotations

import array
import math
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

ANY_TIME = 20.0
"""Seconds within which a fact must become true on a loaded machine."""

AVOIDED_DOMAINS = {61}


def isolate() -> int:
    """Chooses a ROS domain of our own on the loopback device; must run before ROS starts."""
    lane = int(os.environ.get("THALWEG_LANE", "0"))  # two runs side by side never share a domain
    domain = 1 + 2 * (os.getpid() % 50) + lane
    domain = domain + 2 if domain in AVOIDED_DOMAINS else domain
    os.environ["ROS_DOMAIN_ID"] = str(domain)
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    prefix = os.environ.get("THALWEG_ROS_PREFIX") or os.environ["AMENT_PREFIX_PATH"].split(":")[0]
    profile = Path(prefix) / "share" / "fastdds_loopback.xml"
    if profile.is_file():
        os.environ["FASTRTPS_DEFAULT_PROFILES_FILE"] = str(profile)
    return domain


if __name__ != "__main__" and "THALWEG_PEER_CHILD" not in os.environ:
    isolate()

import rclpy  # noqa: E402
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus  # noqa: E402
from lifecycle_msgs.msg import Transition, TransitionEvent  # noqa: E402
from lifecycle_msgs.srv import ChangeState, GetState  # noqa: E402
from rcl_interfaces.msg import Log, ParameterEvent, ParameterValue, SetParametersResult  # noqa: E402
from rcl_interfaces.srv import (  # noqa: E402
    DescribeParameters,
    GetParameters,
    ListParameters,
    SetParameters,
    SetParametersAtomically,
)
from rclpy.executors import ExternalShutdownException, ShutdownException, SingleThreadedExecutor  # noqa: E402
from rclpy.exceptions import InvalidHandle  # noqa: E402
from rclpy.parameter import Parameter, parameter_value_to_python  # noqa: E402
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy  # noqa: E402
from sensor_msgs.msg import Image, JointState  # noqa: E402
from std_msgs.msg import Float32MultiArray  # noqa: E402

from messages import joint_state, nanos_of, standing_legs  # noqa: E402
from node_process import NodeProcess, Start, run_to_end  # noqa: E402

__all__ = ["ANY_TIME", "Collector", "NodeProcess", "Peer", "Start", "Status", "qos", "run_to_end", "wait_for"]

LEVELS = {0: "OK", 1: "WARN", 2: "ERROR", 3: "STALE"}


class Status(NamedTuple):
    """One status of /diagnostics."""

    level: str
    message: str
    values: dict[str, str]
    hardware: str = ""

    def count(self, key: str) -> int:
        """Reads a counter; absent means that it never occurred."""
        return int(float(self.values.get(key, "0")))


def qos(depth: int = 10, reliable: bool = True, latched: bool = False, keep_all: bool = False) -> QoSProfile:
    """Makes a quality of service from what differs between the tests."""
    return QoSProfile(
        depth=depth,
        history=HistoryPolicy.KEEP_ALL if keep_all else HistoryPolicy.KEEP_LAST,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


def wait_for(predicate: Callable[[], Any], timeout: float = ANY_TIME, what: str = "") -> Any:
    """Waits until the predicate holds and gives its value; raises AssertionError when it never does."""
    deadline = time.monotonic() + timeout
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"did not come true within {timeout:.0f} s: {what or predicate}")
        time.sleep(0.01)


class Collector:
    """Keeps what came on one topic, with the time of arrival."""

    def __init__(self, limit: int = 20_000) -> None:
        self.limit = limit
        self.arrivals: list[tuple[float, Any]] = []

    def __call__(self, message: Any) -> None:
        self.arrivals.append((time.time(), message))
        if len(self.arrivals) > self.limit:
            del self.arrivals[: self.limit // 2]

    @property
    def messages(self) -> list[Any]:
        """Gives all messages, oldest first."""
        return [message for _, message in list(self.arrivals)]

    def since(self, stamp: int) -> list[Any]:
        """Gives the messages that are stamped then (nanoseconds) or later, oldest first."""
        return [message for message in self.messages if nanos_of(message.header.stamp) >= stamp]

    def period(self) -> float:
        """Gives the seconds between two arrivals, the median: a stall of the machine is a gap and then a burst."""
        times = [when for when, _ in list(self.arrivals)]
        return statistics.median(after - before for before, after in zip(times, times[1:]))

    def clear(self) -> None:
        """Forgets everything."""
        self.arrivals = []


class Peer:
    """Talks to one node; runs its own executor in a thread of its own."""

    def __init__(
        self, target: str = "/thalweg", joint_topic: str = "/joint_states", name: str = "peer"
    ) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node(
            name, context=self.context, enable_rosout=False, start_parameter_services=False
        )
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.closing = False
        self.target = target
        self.joint_topic = joint_topic
        self.now_nanos: Callable[[], int] = time.time_ns
        self.nonfinite: list[str] = []
        self._clients: dict[str, Any] = {}
        self._collect()
        self.thread = threading.Thread(target=self._spin, daemon=True)
        self.thread.start()
        self.joints = self.publisher(JointState, joint_topic)

    def _collect(self) -> None:
        self.reconstruction = self.subscribe(JointState, "~/reconstruction")
        self.hypothesis = self.subscribe(JointState, "~/hypotheses/h0/joint_states")
        self.losses = self.subscribe(Float32MultiArray, "~/losses")
        self.weights = self.subscribe(Float32MultiArray, "~/weights")
        self.diagnostics = self.subscribe(DiagnosticArray, "/diagnostics")
        self.rosout = self.subscribe(Log, "/rosout", qos(1000, latched=True))
        self.events = self.subscribe(ParameterEvent, "/parameter_events", qos(1000))
        self.transitions = self.subscribe(TransitionEvent, "~/transition_event")

    def _spin(self) -> None:
        while not self.closing and self.context.ok():
            try:
                self.executor.spin()
            except InvalidHandle:
                continue  # a subscription or publisher was destroyed while the executor waited on it
            except (ExternalShutdownException, ShutdownException):
                return

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leaves the graph."""
        self.closing = True
        self.executor.shutdown(timeout_sec=ANY_TIME)
        # What the executor waits on may not be taken from under it: rmw would read freed memory.
        self.thread.join(ANY_TIME)
        if self.thread.is_alive():
            raise AssertionError(f"the executor of the peer has not ended within {ANY_TIME:.0f} s")
        self.node.destroy_node()
        rclpy.try_shutdown(context=self.context)

    def name_of(self, topic: str) -> str:
        """Expands `~/` with the name of the node under test."""
        return topic.replace("~", self.target, 1) if topic.startswith("~") else topic

    def subscribe(self, kind: type, topic: str, profile: QoSProfile | None = None) -> Collector:
        """Collects a topic; every number that comes is checked to be finite."""
        collector = Collector()
        name = self.name_of(topic)

        def received(message: Any) -> None:
            self._check_finite(name, message)
            collector(message)

        collector.subscription = self.node.create_subscription(kind, name, received, profile or qos())
        return collector

    def _check_finite(self, topic: str, message: Any) -> None:
        if isinstance(message, JointState):
            numbers = [*message.position, *message.velocity, *message.effort]
        elif isinstance(message, Float32MultiArray):
            numbers = list(message.data)
        elif isinstance(message, Image) and message.encoding == "32FC1":
            numbers = array.array("f", bytes(message.data))
        else:
            return
        if not all(math.isfinite(number) for number in numbers):
            self.nonfinite.append(f"{topic}: {numbers[:100]}")

    def unsubscribe(self, collector: Collector) -> None:
        """Ends a subscription."""
        self.node.destroy_subscription(collector.subscription)

    def publisher(self, kind: type, topic: str, profile: QoSProfile | None = None, matched: int = 0) -> Any:
        """Makes a publisher; waits for `matched` subscriptions."""
        publisher = self.node.create_publisher(kind, self.name_of(topic), profile or qos())
        if matched:
            self.wait_matched(publisher, matched)
        return publisher

    @staticmethod
    def wait_matched(publisher: Any, matched: int = 1) -> None:
        """Waits until someone listens."""
        what = f"{matched} subscription(s) of {publisher.topic_name}"
        wait_for(lambda: publisher.get_subscription_count() >= matched, what=what)

    # --- joints in, reconstruction out

    def publish_joints(self, positions: Mapping[str, float], publisher: Any = None, frame: str = "") -> int:
        """Publishes positions stamped now; gives the stamp in nanoseconds."""
        stamp = self.now_nanos()
        (publisher or self.joints).publish(joint_state(positions, stamp, frame))
        return stamp

    def answer(self, stamp: int) -> JointState | None:
        """Gives the reconstruction with this stamp, if it has come."""
        found = (m for m in reversed(self.reconstruction.messages) if nanos_of(m.header.stamp) == stamp)
        return next(found, None)

    def solve(self, positions: Mapping[str, float] | None = None, timeout: float = ANY_TIME) -> JointState:
        """Publishes one message and waits for the reconstruction with its stamp."""
        self.wait_matched(self.joints)
        publish = partial(self.publish_joints, positions or standing_legs())
        return self.answered(publish, self.answer, "joint_states", timeout)

    def answered(
        self, publish: Callable[[], int], answer: Callable[[int], Any], topic: str, timeout: float = ANY_TIME
    ) -> Any:
        """Publishes one message, whose stamp `publish` gives, and waits for its answer.

        The node listens best effort, so the middleware may lose a message. Where diagnostics say that nothing reached
        the node it is published a second time, and that is printed.
        """
        what = f"a reconstruction with the stamp of the message on {topic}"
        begin, stamp = self.now_nanos(), publish()
        try:
            return wait_for(lambda: answer(stamp), timeout / 2, what)
        except AssertionError:
            if self.heard_since(topic, begin) is False:
                print(f"RETRY a message on {topic}: it never reached {self.target}", file=sys.stderr, flush=True)
                stamp = publish()
        return wait_for(lambda: answer(stamp), timeout / 2, what)

    def heard_since(self, topic: str, begin: int) -> bool | None:
        """Tells whether the node says that something came on an input since `begin`; None where it says nothing.

        By the node's own stamps: how late diagnostics arrive says nothing of that.
        """
        for array in reversed(self.diagnostics.messages):
            status = self.read(array, f"Input {topic}")
            if status and "Age (s)" in status.values:
                age, rounding = status.values["Age (s)"], 1_000_000
                return age != "never" and nanos_of(array.header.stamp) - float(age) * 1e9 >= begin - rounding
        return None

    def solve_eventually(
        self, positions: Mapping[str, float] | None = None, timeout: float = ANY_TIME
    ) -> int:
        """Publishes at 10 Hz until one message is answered; gives how many it took."""
        return self.answered_eventually(
            partial(self.publish_joints, positions or standing_legs()), 0.1, timeout, "any message that was sent"
        )

    def answered_eventually(self, publish: Callable[[], int], pause: float, timeout: float, what: str) -> int:
        """Calls `publish`, which gives a stamp, again and again until one is answered; gives how many it took.

        The node listens best effort, and the middleware may lose a message: a single one would prove nothing.
        """
        stamps: list[int] = []

        def answered() -> bool:
            stamps.append(publish())
            time.sleep(pause)
            return any(self.answer(stamp) for stamp in stamps[-20:])

        wait_for(answered, timeout, f"a reconstruction of {what}")
        return len(stamps)

    def stream(self, positions: Mapping[str, float], seconds: float, rate: float = 50.0) -> list[int]:
        """Publishes the same positions at a rate; gives the stamps."""
        stamps, end = [], time.monotonic() + seconds
        while time.monotonic() < end:
            stamps.append(self.publish_joints(positions))
            time.sleep(1.0 / rate)
        return stamps

    # --- diagnostics, logs

    def statuses(self) -> list[tuple[float, DiagnosticStatus]]:
        """Gives all statuses, newest first, each with its time of arrival."""
        arrivals = reversed(list(self.diagnostics.arrivals))
        return [(when, status) for when, array in arrivals for status in array.status]

    def read(self, array: DiagnosticArray, task: str, prefix: str | None = None) -> Status | None:
        """Finds the status `<node>: <task>` in one message."""
        wanted = f"{prefix or self.target.rsplit('/', 1)[1]}: {task}"
        found = next((status for status in array.status if status.name == wanted), None)
        if found is None:
            return None
        values = {pair.key: pair.value for pair in found.values}
        return Status(LEVELS[ord(found.level)], found.message, values, found.hardware_id)

    def diagnostic(self, task: str, since: float = 0.0, prefix: str | None = None) -> Status | None:
        """Gives the newest status of a task that came after `since` (seconds, wall clock)."""
        for when, array in reversed(list(self.diagnostics.arrivals)):
            status = self.read(array, task, prefix) if when >= since else None
            if status or when < since:
                return status
        return None

    def wait_diagnostic(
        self,
        task: str,
        level: str,
        text: str = "",
        timeout: float = ANY_TIME,
        publish: Callable[[], Any] | None = None,
    ) -> Status:
        """Waits for a fresh status with this level, whose message contains `text`; calls `publish` at 20 Hz meanwhile.

        A status tells the trouble since the one before: what was published once may have been told before anybody waits.
        """
        begin = time.time()

        def seen() -> Status | None:
            if publish:
                publish()
                time.sleep(0.05)
            arrays = [array for when, array in list(self.diagnostics.arrivals) if when >= begin]
            statuses = [self.read(array, task) for array in arrays]
            return next((s for s in statuses if s and s.level == level and text in s.message), None)

        try:
            return wait_for(seen, timeout, f"{task} {level} '{text}'")
        except AssertionError as error:
            raise AssertionError(f"{error}; the last is {self.diagnostic(task)}") from None

    def logged(self, text: str, level: int = 0) -> list[str]:
        """Gives the log lines on /rosout that contain `text` at this level or above."""
        ours = [log for log in self.rosout.messages if log.name.endswith(self.target.rsplit("/", 1)[1])]
        return [log.msg for log in ours if text in log.msg and ord_level(log.level) >= level]

    # --- services

    def client(self, kind: type, service: str) -> Any:
        """Makes a client once, and waits until the service is there."""
        name = self.name_of(service)
        if name not in self._clients:
            self._clients[name] = self.node.create_client(kind, name)
        client = self._clients[name]
        assert client.wait_for_service(ANY_TIME), f"service {name} is not there"
        return client

    def call(self, kind: type, service: str, timeout: float = ANY_TIME, **fields: Any) -> Any:
        """Calls a service and gives its response."""
        future = self.client(kind, service).call_async(kind.Request(**fields))
        return wait_for(lambda: future.done() and future.result(), timeout, f"the answer of {service}")

    def set_parameters(self, atomically: bool = False, **values: Any) -> list[SetParametersResult]:
        """Sets parameters; a double underscore in a keyword stands for the dot."""
        return self.set_named({name.replace("__", "."): value for name, value in values.items()}, atomically)

    def set_named(self, values: Mapping[str, Any], atomically: bool = False) -> list[SetParametersResult]:
        """Sets parameters by name; gives one result each, or one for all when atomic."""
        messages = [Parameter(name, value=value).to_parameter_msg() for name, value in values.items()]
        if atomically:
            reply = self.call(SetParametersAtomically, "~/set_parameters_atomically", parameters=messages)
            return [reply.result]
        return list(self.call(SetParameters, "~/set_parameters", parameters=messages).results)

    def get_parameters(self, *names: str) -> list[Any]:
        """Reads parameters; what is not set gives None."""
        values: list[ParameterValue] = self.call(GetParameters, "~/get_parameters", names=list(names)).values
        return [parameter_value_to_python(value) for value in values]

    def list_parameters(self) -> list[str]:
        """Names all parameters."""
        return sorted(self.call(ListParameters, "~/list_parameters").result.names)

    def describe(self, *names: str) -> list[Any]:
        """Reads the descriptors."""
        return list(self.call(DescribeParameters, "~/describe_parameters", names=list(names)).descriptors)

    def state(self) -> str:
        """Reads the label of the lifecycle state."""
        return self.call(GetState, "~/get_state").current_state.label

    def wait_state(self, label: str) -> None:
        """Waits for a lifecycle state; a question that stays without answer is asked again, and that is printed."""

        def reached() -> bool:
            try:
                reply = self.call(GetState, "~/get_state", timeout=3.0)
            except AssertionError as error:
                print(f"RETRY get_state of {self.target}: {error}", file=sys.stderr, flush=True)
                return False
            return reply.current_state.label == label

        wait_for(reached, what=f"lifecycle state {label}")

    def change_state(self, number: int = 0, label: str = "") -> bool:
        """Asks for a transition by id or by label; tells whether it succeeded."""
        transition = Transition(id=number, label=label)
        return self.call(ChangeState, "~/change_state", transition=transition).success

    def change_state_without_answer(self, label: str) -> None:
        """Asks for a transition that nobody may live to answer."""
        self.client(ChangeState, "~/change_state").call_async(
            ChangeState.Request(transition=Transition(label=label))
        )


def ord_level(level: int | bytes) -> int:
    """Reads a log level, which rclpy gives as a number or as one byte."""
    return level if isinstance(level, int) else level[0]
