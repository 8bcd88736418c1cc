"""Joints in, reconstruction out: body_pose over the real middleware."""

from __future__ import annotations

import math
import tempfile
import time
import unittest
from pathlib import Path

from case import NodeCase
from messages import body_joints, joint_state, joint_state_of, nanos_of, standing_legs
from peer import NodeProcess, Peer, qos, wait_for
from rcl_interfaces.msg import Log
from sensor_msgs.msg import JointState
from std_msgs.msg import Float32MultiArray
from visualization_msgs.msg import MarkerArray


class BodyPose(NodeCase):
    """Partial joints of a body."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.peer.solve_eventually()

    def test_all_joints_come_back_within_their_limits(self) -> None:
        answer = self.peer.solve()
        limits = body_joints()
        self.assertEqual(sorted(answer.name), sorted(limits))
        self.assertEqual(len(answer.position), 63)
        for name, position in zip(answer.name, answer.position, strict=True):
            lower, upper = limits[name]
            self.assertTrue(lower - 0.5 <= position <= upper + 0.5, f"{name} = {position}")

    def test_stamp_and_frame_are_those_of_the_observation(self) -> None:
        stamp = self.peer.publish_joints(standing_legs(), frame="person_7")
        answer = wait_for(lambda: self.peer.answer(stamp), what="the reconstruction")
        self.assertEqual(answer.header.frame_id, "person_7")
        self.assertEqual(nanos_of(answer.header.stamp), stamp)

    def test_scores_are_not_written_into_velocity_or_effort(self) -> None:
        answer = self.peer.solve()
        self.assertEqual((len(answer.velocity), len(answer.effort)), (0, 0))

    def test_observed_joints_are_followed(self) -> None:
        for bend in (0.1, 0.7):
            pose = standing_legs(bend)
            self.peer.stream(pose, seconds=1.5)
            answer = self.peer.solve(pose)
            found = dict(zip(answer.name, answer.position, strict=True))
            errors = {name: abs(found[name] - position) for name, position in pose.items()}
            worst = max(errors, key=errors.__getitem__)
            self.assertLess(sum(errors.values()) / len(errors), 0.15, f"bend {bend}: {errors}")
            self.assertLess(errors["left_knee_x"], 0.25, f"bend {bend}")
            self.assertLess(errors[worst], 0.6, f"bend {bend}: worst is {worst}")

    def test_joint_states_pass_what_was_observed_and_fill_the_rest(self) -> None:
        """What robot_state_publisher asks of its input: every joint of the URDF, once, finite."""
        whole = self.peer.subscribe(JointState, "~/joint_states")
        filled = self.peer.subscribe(JointState, "~/completed")
        self.addCleanup(lambda: [self.peer.unsubscribe(collector) for collector in (whole, filled)])
        pose = {name: position + 1e-9 for name, position in standing_legs(0.3).items()}
        self.peer.solve_eventually(pose)

        def both() -> tuple[JointState, JointState] | None:
            self.peer.solve(pose)
            stamps = {nanos_of(m.header.stamp): m for m in filled.messages}
            pairs = [(m, stamps[nanos_of(m.header.stamp)]) for m in whole.messages if nanos_of(m.header.stamp) in stamps]
            return pairs[-1] if pairs else None

        everything, completed = wait_for(both, what="joint_states and completed with one stamp")
        positions = dict(zip(everything.name, everything.position, strict=True))
        self.assertEqual((sorted(positions), len(everything.name)), (sorted(body_joints()), 63))
        self.assertTrue(all(math.isfinite(position) for position in everything.position))
        self.assertEqual({name: positions[name] for name in pose}, pose, "bit for bit")
        self.assertEqual(set(completed.name), set(positions) - set(pose))
        self.assertEqual([positions[name] for name in completed.name], list(completed.position))

    def test_deviation_says_how_far_off_each_joint_may_be(self) -> None:
        """As long as the reconstruction, finite; small where a joint was observed, larger where it was not."""
        deviations = self.peer.subscribe(JointState, "~/deviation")
        self.addCleanup(lambda: self.peer.unsubscribe(deviations))
        pose = standing_legs(0.3)
        self.peer.solve_eventually(pose)

        def came() -> JointState | None:
            self.peer.solve(pose)
            return deviations.messages[-1] if deviations.messages else None

        message = wait_for(came, what="standard deviations")
        found = dict(zip(message.name, message.position, strict=True))
        self.assertEqual(sorted(found), sorted(body_joints()))
        self.assertTrue(all(math.isfinite(value) and value >= 0.0 for value in message.position))
        hidden = [value for name, value in found.items() if name not in pose]
        observed = [found[name] for name in pose]
        self.assertGreater(min(hidden), 0.0)
        self.assertGreater(sum(hidden) / len(hidden), 2.0 * sum(observed) / len(observed))

    def test_hypotheses_are_ranked_and_share_the_stamp(self) -> None:
        count = self.peer.get_parameters("hypotheses")[0]
        collectors = [
            self.peer.subscribe(JointState, f"~/hypotheses/h{k}/joint_states") for k in range(count)
        ]
        self.addCleanup(lambda: [self.peer.unsubscribe(collector) for collector in collectors])
        self.peer.losses.clear()
        self.peer.solve_eventually()
        stamp = nanos_of(self.peer.solve().header.stamp)

        def complete() -> bool:
            stamps = [{nanos_of(m.header.stamp) for m in c.messages} for c in collectors]
            return all(stamp in seen for seen in stamps)

        wait_for(complete, what=f"{count} hypotheses with one stamp")
        losses = list(wait_for(lambda: self.peer.losses.messages, what="losses")[-1].data)
        self.assertEqual(losses, sorted(losses))
        self.assertEqual(len(losses), count)

    def test_best_hypothesis_is_the_reconstruction(self) -> None:
        answer = self.peer.solve()
        stamp = nanos_of(answer.header.stamp)

        def best() -> JointState | None:
            found = (m for m in self.peer.hypothesis.messages if nanos_of(m.header.stamp) == stamp)
            return next(found, None)

        first = wait_for(best, what="h0 with the stamp")
        self.assertEqual(list(first.position), list(answer.position))

    def test_weights_and_losses_are_labelled(self) -> None:
        self.peer.solve()
        for collector in (self.peer.weights, self.peer.losses):
            message: Float32MultiArray = wait_for(lambda c=collector: c.messages)[-1]
            self.assertEqual(message.layout.dim[0].label, "hypothesis")
            self.assertEqual(message.layout.dim[0].size, len(message.data))
        self.assertAlmostEqual(sum(self.peer.weights.messages[-1].data), 1.0, places=3)

    def test_reliable_and_best_effort_publishers_are_heard(self) -> None:
        for reliable in (True, False):
            publisher = self.peer.publisher(JointState, "/joint_states", qos(reliable=reliable), matched=1)
            self.addCleanup(self.peer.node.destroy_publisher, publisher)

            def answered(source: object = publisher) -> object:
                stamp = self.peer.publish_joints(standing_legs(), source)
                time.sleep(0.1)
                return self.peer.answer(stamp)

            wait_for(answered, what=f"an answer to a publisher with reliable = {reliable}")

    def test_ghosts_only_with_subscribers_and_in_two_colours(self) -> None:
        self.peer.solve()
        ghosts = self.peer.subscribe(MarkerArray, "~/ghosts")
        self.addCleanup(self.peer.unsubscribe, ghosts)
        self.peer.solve_eventually()
        self.peer.stream(standing_legs(), 0.3)
        arrays = wait_for(lambda: ghosts.messages, what="ghosts")
        drawn = [marker for array in arrays for marker in array.markers if marker.action == 0]
        self.assertIn("h0", {marker.ns for marker in drawn})
        self.assertEqual({marker.header.frame_id for marker in drawn}, {"pelvis"}, "the frame that points lie in")
        self.assertLessEqual({marker.ns for marker in drawn}, {f"h{k}" for k in range(256)})
        colours = set()
        for marker in (m for m in drawn if m.ns == "h0"):
            colours |= {(c.r, c.g, c.b) for c in marker.colors} or {
                (marker.color.r, marker.color.g, marker.color.b)
            }
        self.assertGreaterEqual(len(colours), 2, "observed and completed parts share one colour")
        alphas = {color.a for m in drawn for color in (m.colors or [m.color])}
        self.assertTrue(all(0.0 < alpha <= 1.0 for alpha in alphas), alphas)

    def test_late_joiner_gets_the_log(self) -> None:
        self.peer.joints.publish(joint_state_of(["left_knee_x"], [0.1, 0.2], time.time_ns()))
        wait_for(lambda: self.peer.logged("1 names and 2 positions"), what="the refusal on /rosout")
        time.sleep(1.0)
        late = self.peer.subscribe(Log, "/rosout", qos(1000, latched=True))
        self.addCleanup(self.peer.unsubscribe, late)

        def heard() -> bool:
            return any("1 names and 2 positions" in log.msg for log in late.messages)

        wait_for(heard, what="a line from before the subscription; lines live for 10 s as rclcpp's")

    def test_outputs_are_reliable_and_inputs_best_effort(self) -> None:
        outputs = (
            "~/reconstruction",
            "~/losses",
            "~/weights",
            "/diagnostics",
            "/rosout",
            "/parameter_events",
        )
        for topic in outputs:
            infos = self.peer.node.get_publishers_info_by_topic(self.peer.name_of(topic))
            ours = [info for info in infos if info.node_name == "thalweg"]
            self.assertEqual(len(ours), 1, topic)
            self.assertEqual(ours[0].qos_profile.reliability.name, "RELIABLE", topic)
        infos = self.peer.node.get_subscriptions_info_by_topic("/joint_states")
        self.assertEqual([info.qos_profile.reliability.name for info in infos], ["BEST_EFFORT"])

    def test_only_observed_kinds_are_subscribed(self) -> None:
        names = {name for name, _ in self.peer.node.get_subscriber_names_and_types_by_node("thalweg", "/")}
        self.assertIn("/joint_states", names)
        self.assertTrue(names.isdisjoint({"/points", "/image"}), names)

    def test_a_bag_from_last_year_can_be_played(self) -> None:
        """The bag's publisher is another one than the live one: its list of names differs."""
        pose = {name: angle for name, angle in standing_legs().items() if name.startswith("left")}
        time.sleep(0.7)
        old = time.time_ns() - 365 * 86_400 * 1_000_000_000
        with_old_stamps = [old + i * 20_000_000 for i in range(100)]
        for stamp in with_old_stamps:
            self.peer.joints.publish(joint_state(pose, stamp))
            time.sleep(0.02)
        wait_for(
            lambda: any(self.peer.answer(stamp) for stamp in with_old_stamps),
            what="an answer to an old stamp",
        )
        self.peer.solve_eventually()


class Remapped(NodeCase):
    """A namespace, another node name, and remapped input and output."""

    start = {
        "name": "inverter",
        "namespace": "/robot_1",
        "remaps": {"joint_states": "encoders/joints", "~/losses": "/robot_1/scores"},
    }
    target = "/robot_1/inverter"
    joint_topic = "/robot_1/encoders/joints"

    def test_it_answers_under_its_names(self) -> None:
        self.peer.solve_eventually()
        names = {name for name, _ in self.peer.node.get_topic_names_and_types()}
        self.assertIn("/robot_1/inverter/reconstruction", names)
        scores = self.peer.node.get_publishers_info_by_topic("/robot_1/scores")
        self.assertEqual([info.node_name for info in scores], ["inverter"])

    def test_nothing_is_absolute_but_what_ros_has_absolute(self) -> None:
        published = self.peer.node.get_publisher_names_and_types_by_node("inverter", "/robot_1")
        absolute = {name for name, _ in published if not name.startswith("/robot_1/")}
        self.assertLessEqual(absolute, {"/diagnostics", "/rosout", "/parameter_events"})

    def test_diagnostics_carry_the_node_name(self) -> None:
        wait_for(lambda: self.peer.diagnostic("Lifecycle"), what="inverter: Lifecycle on /diagnostics")


class Overrides(unittest.TestCase):
    """qos_overrides from the outside."""

    def test_reliability_and_depth_of_the_input_can_be_overridden(self) -> None:
        text = """/**:
  ros__parameters:
    qos_overrides:
      /joint_states:
        subscription:
          reliability: reliable
          depth: 7
"""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "qos.yaml"
            path.write_text(text)
            with NodeProcess(params_file=path), Peer() as peer:
                peer.wait_state("active")
                infos = wait_for(lambda: peer.node.get_subscriptions_info_by_topic("/joint_states"))
                self.assertEqual(infos[0].qos_profile.reliability.name, "RELIABLE")
                peer.solve_eventually()

    def test_publishers_can_be_overridden(self) -> None:
        text = """/**:
  ros__parameters:
    qos_overrides:
      /thalweg/reconstruction:
        publisher: {reliability: best_effort, durability: volatile}
      /thalweg/hypotheses:
        publisher: {durability: transient_local, depth: 1}
"""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "qos.yaml"
            path.write_text(text)
            with NodeProcess(params_file=path) as node, Peer() as peer:
                peer.wait_state("active")

                def qos_of(topic: str) -> object:
                    return wait_for(lambda: peer.node.get_publishers_info_by_topic(topic), what=topic)[0].qos_profile

                self.assertEqual(qos_of("/thalweg/reconstruction").reliability.name, "BEST_EFFORT")
                self.assertEqual(qos_of("/thalweg/hypotheses").durability.name, "TRANSIENT_LOCAL")
                self.assertEqual(qos_of("/thalweg/hypotheses/h0/joint_states").durability.name, "TRANSIENT_LOCAL")
                self.assertEqual(qos_of("/thalweg/losses").reliability.name, "RELIABLE")
                self.assertEqual(node.stop(), 0)


class OnSomebodysRobot(NodeCase):
    """The robot's own joints on the same topic as the body's."""

    def test_joints_of_others_are_told_once_and_quietly(self) -> None:
        wheels = {f"wheel_{index}": 0.1 for index in range(8)}
        self.peer.solve_eventually()
        end = time.monotonic() + 3.0
        while time.monotonic() < end:
            self.peer.publish_joints(wheels)
            self.peer.publish_joints(standing_legs())
            time.sleep(0.05)
        status = self.peer.diagnostic("Input joint_states", since=time.time() - 1.0)
        self.assertEqual((status.level, status.message), ("OK", "Timestamps are reasonable."))
        lines = [line for line in self.node.stderr().splitlines() if "wheel_" in line]
        self.assertEqual(len(lines), 1, lines)
        self.assertTrue(lines[0].startswith("[INFO]"), lines)


if __name__ == "__main__":
    unittest.main()
