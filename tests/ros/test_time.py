"""Simulated time: absent, stopped, jumping, and switched while running."""

from __future__ import annotations

import time
import unittest

from case import NodeCase
from clock_source import ClockSource
from messages import joint_state, nanos_of, standing_legs
from peer import wait_for

ABSENT = "use_sim_time is set but nothing published on /clock"


class SimulatedTime(NodeCase):
    """A node that is started with use_sim_time; each test brings its own /clock."""

    start = {"parameters": {"use_sim_time": True}}

    def test_0_absent_clock_is_told(self) -> None:
        self.peer.wait_diagnostic("Clock", "WARN", ABSENT)
        wait_for(lambda: self.peer.logged(ABSENT, 30), what="the warning on /rosout")

    def test_1_it_works_as_soon_as_the_clock_runs(self) -> None:
        with ClockSource(self.peer) as clock:
            self.peer.solve_eventually()
            answer = self.peer.solve()
            self.assertLess(abs(nanos_of(answer.header.stamp) - clock.nanos), 5 * 10**9)
            self.peer.wait_diagnostic("Clock", "OK")

    def test_jump_back_resets_and_is_told(self) -> None:
        with ClockSource(self.peer, 5_000 * 10**9) as clock:
            self.peer.solve_eventually()
            self.peer.wait_diagnostic("Clock", "OK")
            before = self.peer.diagnostic("Clock").count("Time jumps")
            self.peer.rosout.clear()
            clock.jump(-1_000.0)
            time.sleep(0.2)
            self.peer.solve_eventually()
            wait_for(
                lambda: self.peer.logged("time moved backwards by"), what="time moved backwards on /rosout"
            )
            wait_for(
                lambda: self.peer.diagnostic("Clock").count("Time jumps") > before, what="Time jumps rises"
            )

    def test_jump_forward_drops_what_is_old(self) -> None:
        with ClockSource(self.peer, 10_000 * 10**9) as clock:
            self.peer.solve_eventually()
            clock.jump(3600.0)
            time.sleep(0.3)
            pose = {"left_knee_x": 0.3}
            self.peer.solve_eventually(pose)
            wait_for(
                lambda: self.peer.diagnostic("Input joint_states").values.get("Joints observed") == "1 of 63"
                or self.peer.publish_joints(pose)
                and False,
                what="only the joint that was seen after the jump",
            )

    def test_a_stopped_clock_does_not_stop_the_answers(self) -> None:
        with ClockSource(self.peer, 20_000 * 10**9) as clock:
            self.peer.solve_eventually()
            clock.speed = 0.0
            stamps = []

            def answered() -> bool:
                stamps.append(clock.nanos + len(stamps) * 1_000_000)
                self.peer.joints.publish(joint_state(standing_legs(), stamps[-1]))
                time.sleep(0.1)
                return any(self.peer.answer(stamp) for stamp in stamps[1:])

            wait_for(answered, what="an answer while /clock stands still")
            before = self.node.cpu_seconds()
            time.sleep(2.0)
            self.assertLess(self.node.cpu_seconds() - before, 1.0, "busy while the clock stands still")

    def test_other_speeds(self) -> None:
        with ClockSource(self.peer, 30_000 * 10**9) as clock:
            for speed in (10.0, 0.1):
                clock.speed = speed
                self.peer.solve_eventually()

    def test_switched_off_and_on_while_running(self) -> None:
        self.assertTrue(self.peer.set_named({"use_sim_time": False})[0].successful)
        self.peer.solve_eventually()
        self.assertTrue(self.peer.set_named({"use_sim_time": True})[0].successful)
        with ClockSource(self.peer, 40_000 * 10**9):
            self.peer.solve_eventually()


if __name__ == "__main__":
    unittest.main()
