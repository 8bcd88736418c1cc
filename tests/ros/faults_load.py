"""Provocations by load: short forms of the F rows."""

from __future__ import annotations

import contextlib
import signal
import statistics
import time
from collections.abc import Iterator

import child
from messages import StampedBytes, joint_state, nanos_of, standing_legs
from peer import wait_for
from rclpy.parameter import Parameter
from rcl_interfaces.srv import SetParameters
from rig import Rig, TooSlow, in_time

GROWTH = 1.10
"""Resident memory may grow by a tenth over a row of seconds; the promise of 5 % is for ten minutes."""
SECONDS = 4.0
OUTSTANDING = 8
"""Calls on their way at once: the middleware keeps ten answers for a client, more would be lost on our side."""


def storm(rig: Rig, rate: float, seconds: float) -> list[int]:
    """Publishes at a rate that Python reaches with bytes only; gives the stamps."""
    message, stamps = StampedBytes(joint_state(standing_legs(0.3), 0)), []
    begin = time.monotonic()
    while (elapsed := time.monotonic() - begin) < seconds:
        while len(stamps) < elapsed * rate:
            stamps.append(time.time_ns())
            rig.peer.joints.publish(message.at(stamps[-1]))
        time.sleep(0.0005)
    return stamps


def ages_and_periods(rig: Rig, since: float) -> tuple[list[float], list[float]]:
    """Gives age on arrival and distance of the reconstructions that came after `since`, in seconds."""
    arrivals = [(when, m) for when, m in list(rig.peer.reconstruction.arrivals) if when >= since]
    ages = [when - nanos_of(m.header.stamp) * 1e-9 for when, m in arrivals]
    times = [when for when, _ in arrivals]
    return ages, [b - a for a, b in zip(times, times[1:])]


def check_age(rig: Rig, since: float, what: str) -> None:
    """Asserts that the data used is younger than two solve periods, in the middle of the row's run."""
    ages, periods = ages_and_periods(rig, since)
    assert len(ages) > 10, f"{len(ages)} reconstructions only"
    age, period = statistics.median(ages), statistics.median(periods)
    rig.measure(f"{what}_age_median_s", age)
    rig.measure(f"{what}_age_max_s", max(ages))
    rig.measure(f"{what}_period_s", period)
    in_time(age, 2 * period + 0.005, f"{what}: median age of data, at a solve period of {period:.4f} s")
    in_time(max(ages), 1.0, f"{what}: age of the oldest data")


def accounted(rig: Rig) -> tuple[int, int]:
    """Reads events that came, and events that were used, superseded or refused."""
    status = rig.status("Input joint_states")
    refused = sum(int(value) for value in rig.refusals().values())
    return status.count("Events since startup"), status.count("Used") + status.count("Superseded") + refused


def f1_kilohertz(rig: Rig) -> None:
    storm(rig, 1000, 1.0)
    memory = rig.node.memory_kib()
    for rate in (1000, 2000, 10_000):
        since = time.time()
        sent = storm(rig, rate, SECONDS)
        rig.measure(f"rate_{rate}_reached_hz", len(sent) / SECONDS)
        check_age(rig, since, f"rate_{rate}")
    grown = rig.measure("memory_ratio", rig.node.memory_kib() / memory)
    assert grown < GROWTH, f"memory grew to {grown:.2f} times"
    time.sleep(1.5)
    rig.mark()


def burst(rig: Rig) -> list[int]:
    """Publishes 5000 messages as fast as it goes; gives the stamps."""
    message, stamps = StampedBytes(joint_state(standing_legs(0.2), 0)), []
    for _ in range(5000):
        stamps.append(time.time_ns())
        rig.peer.joints.publish(message.at(stamps[-1]))
    rig.mark()
    return stamps


def f2_burst_then_silence(rig: Rig) -> None:
    """Best effort promises no single message, the last one neither: rclpy loses it as often."""
    stamps = set(burst(rig))
    answers = rig.peer.reconstruction
    wait_for(
        lambda: any(nanos_of(m.header.stamp) in stamps for m in answers.messages),
        what="a reconstruction of a message of the burst",
    )


def f2_burst_reliable(rig: Rig) -> None:
    """A reliable subscription gets the last message, with the next heartbeat (3 s) at the latest."""
    newest = burst(rig)[-1]
    wait_for(lambda: rig.peer.answer(newest), what="a reconstruction of the newest message of the burst")


def f3_slow_solver(rig: Rig) -> None:
    storm(rig, 200, 1.0)
    since = time.time()
    storm(rig, 200, SECONDS)
    check_age(rig, since, "slow")


@contextlib.contextmanager
def children(*commands: tuple[str, ...]) -> Iterator[list]:
    """Runs peers in processes of their own."""
    started = [child.start(*command) for command in commands]
    try:
        yield started
    finally:
        for process in started:
            child.end(process)


def f4_stopped_subscriber(rig: Rig) -> None:
    topic = "/thalweg/reconstruction"
    before = rig.peer.node.count_subscribers(topic)
    with children(("listen", topic)) as (listener,):
        wait_for(lambda: rig.peer.node.count_subscribers(topic) > before, what="the listener is there")
        listener.send_signal(signal.SIGSTOP)
        since = time.time()
        storm(rig, 200, 6.0)
        check_age(rig, since, "stopped_subscriber")
        rig.peer.solve()


def f5_fifty_subscribers(rig: Rig) -> None:
    topic = "/thalweg/reconstruction"
    before = rig.peer.node.count_subscribers(topic)
    with children(("listen", topic, "50")):
        wait_for(lambda: rig.peer.node.count_subscribers(topic) >= before + 50, what="50 more subscribers")
        since = time.time()
        sent = len(storm(rig, 30, SECONDS))
        ages, _ = ages_and_periods(rig, since)
    answered = rig.measure("fifty_answered", len(ages) / sent)
    age = rig.measure("fifty_age_median_s", statistics.median(ages))
    if answered <= 0.8:
        raise TooSlow(f"{answered:.0%} of the messages were answered")
    in_time(age, 0.1, "median age of data")


def f6_parameter_storm(rig: Rig) -> None:
    client = rig.peer.client(SetParameters, "~/set_parameters")
    futures, begin, since = [], time.monotonic(), time.time()
    while time.monotonic() - begin < 3.0:
        steps = len(futures) % 1000 + 1
        value = Parameter("budget.steps", value=steps).to_parameter_msg()
        futures.append(client.call_async(SetParameters.Request(parameters=[value])))
        rig.peer.publish_joints(standing_legs())
        wait_for(lambda: sum(not future.done() for future in futures[-20:]) < OUTSTANDING, what="an answer")
    rig.measure("sets_per_second", len(futures) / 3.0)
    wait_for(lambda: all(future.done() for future in futures), what=f"{len(futures)} answers")
    refused = [r.reason for future in futures for r in future.result().results if not r.successful]
    assert not refused, f"{len(refused)} sets were refused: {refused[0]}"
    assert rig.peer.get_parameters("budget.steps") == [steps], "the last set does not hold"
    rig.peer.set_named({"budget.steps": 0})
    check_age(rig, since, "parameter_storm")


def f7_processor_hog(rig: Rig) -> None:
    with children(("hog",), ("hog",)):
        time.sleep(0.5)
        since, memory = time.time(), rig.node.memory_kib()
        storm(rig, 200, 6.0)
        ages, _ = ages_and_periods(rig, since)
        rig.measure("hog_age_median_s", statistics.median(ages))
        rig.measure("hog_hz", len(ages) / 6.0)
        in_time(statistics.median(ages), 0.5, "median age of data")
        assert rig.node.memory_kib() / memory < GROWTH, "the queue grows"


def f8_soak(rig: Rig) -> None:
    storm(rig, 500, 3.0)
    before = rig.node.memory_kib(), rig.node.threads(), rig.node.files()
    storm(rig, 500, 12.0)
    after = rig.node.memory_kib(), rig.node.threads(), rig.node.files()
    rig.measure("memory_ratio", after[0] / before[0])
    assert after[0] / before[0] < GROWTH, f"memory grew from {before[0]} to {after[0]} KiB"
    # A thread for blocking work, of the time when the node was configured, may end meanwhile.
    more = any(now > then for now, then in zip(after[1:], before[1:], strict=True))
    assert not more, f"threads, files: {before[1:]} became {after[1:]}"
