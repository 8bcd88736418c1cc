"""The six parameter services: descriptors, refusals that say why, and changes that take effect."""

from __future__ import annotations

import time
import unittest

from case import NodeCase
from messages import nanos_of, standing_legs
from peer import wait_for
from rcl_interfaces.msg import ParameterDescriptor, ParameterType
from rcl_interfaces.srv import GetParameterTypes, ListParameters

BOOL, INTEGER = ParameterType.PARAMETER_BOOL, ParameterType.PARAMETER_INTEGER
DOUBLE, STRING = ParameterType.PARAMETER_DOUBLE, ParameterType.PARAMETER_STRING
DOUBLES = ParameterType.PARAMETER_DOUBLE_ARRAY

# name: type, default, least, greatest, read-only. The contract; the node's own table is checked against it.
TABLE = {
    "task": (STRING, "body_pose", None, None, False),
    "models": (STRING, "", None, None, False),
    "plugins": (STRING, "", None, None, True),
    "load_timeout": (DOUBLE, 60.0, 0.1, 3600.0, False),
    "theta": (STRING, "", None, None, False),
    "start.file": (STRING, "", None, None, False),
    "start.weight": (DOUBLE, 1.0, 0.0, 1000.0, False),
    "device": (STRING, "cpu", None, None, False),
    "threads": (INTEGER, 1, 1, 64, False),
    "random_seed": (INTEGER, 0, -1, 2**31 - 1, False),
    "autostart": (BOOL, True, None, None, True),
    "hypotheses": (INTEGER, 8, 1, 256, False),
    "warm_start.enabled": (BOOL, True, None, None, False),
    "warm_start.fresh": (INTEGER, 2, 0, 255, False),
    "optimizer.kind": (STRING, "auto", None, None, False),
    "optimizer.rate": (DOUBLE, 0.2, 1e-6, 10.0, False),
    "optimizer.prior_weight": (DOUBLE, 0.03, 0.0, 1000.0, False),
    "budget.deadline": (DOUBLE, 0.008, 0.0005, 10.0, False),
    "budget.steps": (INTEGER, 0, 0, 100_000, False),
    "budget.tolerance": (DOUBLE, 0.03, 0.0, 1.0, False),
    "input.joint_timeout": (DOUBLE, 0.5, 0.01, 3600.0, False),
    "input.stale_timeout": (DOUBLE, 1.0, 0.01, 3600.0, False),
    "input.max_joints": (INTEGER, 4096, 1, 1_000_000, False),
    "input.accept_zero_stamp": (BOOL, True, None, None, False),
    "input.robot_description": (BOOL, True, None, None, False),
    "input.points_type": (STRING, "cloud", None, None, False),
    "input.rectified": (BOOL, False, None, None, False),
    "input.people": (INTEGER, 1, 1, 16, False),
    "input.person_timeout": (DOUBLE, 2.0, 0.01, 3600.0, False),
    "input.cloud_box": (DOUBLES, [-100.0, -100.0, -100.0, 100.0, 100.0, 100.0], None, None, False),
    "input.image_transport": (STRING, "both", None, None, False),
    "input.image_fit": (STRING, "crop", None, None, False),
    "input.max_pixels": (INTEGER, 1 << 24, 1, 1 << 28, False),
    "input.mask": (STRING, "auto", None, None, False),
    "input.mask_marks": (STRING, "observed", None, None, False),
    "input.sync_slop": (DOUBLE, 0.01, 0.0, 10.0, False),
    "input.alpha": (BOOL, True, None, None, False),
    "input.colour_key": (STRING, "", None, None, False),
    "input.colour_tolerance": (INTEGER, 8, 0, 255, False),
    "time.enabled": (BOOL, True, None, None, False),
    "output.rate": (DOUBLE, 0.0, 0.0, 1000.0, False),
    "output.hypotheses": (BOOL, True, None, None, False),
    "output.order": (STRING, "rank", None, None, False),
    "output.robot_description": (BOOL, False, None, None, False),
    "output.ghosts": (BOOL, True, None, None, False),
    "output.frame_id": (STRING, "", None, None, False),
    "output.root_frame": (STRING, "", None, None, False),
    "output.people_namespace": (STRING, "/humans/bodies", None, None, False),
    "record.enabled": (BOOL, False, None, None, False),
    "record.folder": (STRING, "", None, None, False),
    "record.root": (STRING, "", None, None, True),
    "record.steps": (BOOL, False, None, None, False),
    "record.file_size": (INTEGER, 256, 1, 65_536, False),
    "record.file_duration": (DOUBLE, 600.0, 1.0, 86_400.0, False),
    "record.total_size": (INTEGER, 10_000, 0, 100_000_000, True),
    "record.queue": (INTEGER, 1000, 1, 1_000_000, False),
    "reload.path": (STRING, "", None, None, False),
    "reload.root": (STRING, "", None, None, True),
    "use_sim_time": (BOOL, False, None, None, False),
    "memory.limit": (INTEGER, 4096, 64, 1 << 20, False),
    "diagnostic_updater.period": (DOUBLE, 1.0, 0.1, 60.0, False),
    "diagnostic_updater.use_fqn": (BOOL, False, None, None, False),
    "body_pose.loss": (STRING, "rotation", None, None, False),
    "body_pose.point_weight": (DOUBLE, 0.0, None, None, False),
    "body_pose.keypoints": (STRING, "", None, None, False),
    "body_pose.stature": (DOUBLE, 0.0, None, None, False),
    "body_pose.names": (STRING, "own", None, None, False),
    "body_pose.person": (STRING, "", None, None, False),
    "body_pose.cloud_weight": (DOUBLE, 0.0, None, None, False),
    "body_pose.cloud_points": (INTEGER, 500, 50, 2000, False),
    "body_pose.cloud_gate": (DOUBLE, 0.5, 0.02, 10.0, False),
    "planar_arm.lengths": (DOUBLES, [0.30, 0.25, 0.15], None, None, False),
    "planar_arm.limit": (DOUBLE, 2.6, None, None, False),
    "image_defence.bound": (DOUBLE, 1.0, 0.001, 1000.0, False),
    "image_defence.views": (INTEGER, 0, 0, 32, False),
    "image_defence.seed": (INTEGER, 0, 0, 2**31 - 1, False),
    "robot.model": (STRING, "unitree_g1", None, None, False),
    "robot.point_weight": (DOUBLE, 0.0, None, None, False),
    "robot.cloud_weight": (DOUBLE, 0.0, None, None, False),
    "robot.cloud_points": (INTEGER, 500, 50, 2000, False),
    "robot.cloud_gate": (DOUBLE, 0.5, 0.02, 10.0, False),
    "scripted.task": (STRING, "hand", None, None, False),
}
REFUSED = {
    "budget.steps": (1_000_000_000, "budget.steps must be in [0, 100000], got 1000000000"),
    "optimizer.rate": (1, "optimizer.rate must be a double, got the integer 1 (write 1.0)"),
    "budget.step": (3, "unknown parameter 'budget.step'; the nearest known name is 'budget.steps'"),
    "autostart": (False, "read-only; restart needed"),
    "task": ("planar_arm", "only in state unconfigured; clean up first"),
    "hypotheses": (0, "hypotheses must be in [1, 256], got 0"),
    "budget.deadline": (float("nan"), "budget.deadline must be finite, got "),
    "output.rate": (float("inf"), "output.rate must be finite, got "),
    "input.max_joints": (-1, "input.max_joints must be in [1, 1000000], got -1"),
    "record.queue": (0, "record.queue must be in [1, 1000000], got 0"),
}


def range_of(descriptor: ParameterDescriptor) -> tuple[float | None, float | None]:
    """Gives the range of a descriptor, whichever kind it has."""
    ranges = [*descriptor.integer_range, *descriptor.floating_point_range]
    return (ranges[0].from_value, ranges[0].to_value) if ranges else (None, None)


class Parameters(NodeCase):
    """A node that runs."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.peer.solve_eventually()

    def test_every_parameter_is_listed(self) -> None:
        listed = self.peer.list_parameters()
        self.assertEqual(sorted(set(TABLE) - set(listed)), [])
        extra = [name for name in listed if name not in TABLE]
        self.assertEqual([name for name in extra if not name.startswith("qos_overrides./")], [])

    def test_descriptors_are_those_of_the_contract(self) -> None:
        for descriptor, (name, row) in zip(self.peer.describe(*TABLE), TABLE.items(), strict=True):
            kind, _, least, greatest, read_only = row
            with self.subTest(name=name):
                self.assertEqual((descriptor.name, descriptor.type), (name, kind))
                self.assertEqual(descriptor.read_only, read_only)
                self.assertGreater(len(descriptor.description), 10)
                if least is not None:
                    self.assertEqual(range_of(descriptor), (least, greatest))

    def test_ranges_fit_what_qt_holds(self) -> None:
        """rqt_reconfigure shows nothing from the first on that does not fit 32 bits."""
        for descriptor in self.peer.describe(*self.peer.list_parameters()):
            for ends in descriptor.integer_range:
                self.assertGreaterEqual(ends.from_value, -(2**31), descriptor.name)
                self.assertLess(ends.to_value, 2**31, descriptor.name)

    def test_overrides_are_of_topics_that_the_task_has(self) -> None:
        listed = {name.split(".")[1] + " " + name.split(".")[2] for name in self.peer.list_parameters() if name.startswith("qos_")}
        self.assertIn("/joint_states subscription", listed)
        self.assertIn("/clock subscription", listed)
        self.assertIn("/thalweg/reconstruction publisher", listed)
        self.assertEqual([name for name in listed if "image" in name or "mask" in name], [])

    def test_a_dump_of_its_own_can_be_loaded(self) -> None:
        """As `ros2 param load` of what `ros2 param dump` wrote: one by one, read-only ones too."""
        names = self.peer.list_parameters()
        values = dict(zip(names, self.peer.get_parameters(*names), strict=True))
        refused = {name: result.reason for name, result in zip(values, self.peer.set_named(values), strict=True) if not result.successful}
        self.assertEqual(refused, {})
        result = self.peer.set_named({"autostart": False})[0]
        self.assertIn("read-only", result.reason)

    def test_defaults(self) -> None:
        for name, value in zip(TABLE, self.peer.get_parameters(*TABLE), strict=True):
            expected = TABLE[name][1]
            got = list(value) if isinstance(expected, list) else value
            self.assertEqual(got, expected, name)

    def test_types(self) -> None:
        reply = self.peer.call(GetParameterTypes, "~/get_parameter_types", names=list(TABLE))
        self.assertEqual(list(reply.types), [row[0] for row in TABLE.values()])

    def test_an_unknown_name_gets_no_values_as_in_rclcpp(self) -> None:
        self.assertEqual(self.peer.get_parameters("nothing", "hypotheses"), [])
        reply = self.peer.call(GetParameterTypes, "~/get_parameter_types", names=["nothing"])
        self.assertEqual(list(reply.types), [])

    def test_list_by_prefix(self) -> None:
        reply = self.peer.call(ListParameters, "~/list_parameters", prefixes=["budget"], depth=0)
        self.assertEqual(sorted(reply.result.names), ["budget.deadline", "budget.steps", "budget.tolerance"])

    def test_refusals_say_why_and_change_nothing(self) -> None:
        for name, (value, reason) in REFUSED.items():
            with self.subTest(name=name):
                before = self.peer.get_parameters(name)
                result = self.peer.set_named({name: value})[0]
                self.assertFalse(result.successful)
                self.assertIn(reason, result.reason)
                self.assertEqual(self.peer.get_parameters(name), before)

    def test_each_on_its_own_without_atomic(self) -> None:
        good, bad = self.peer.set_named({"budget.steps": 50, "hypotheses": 1000})
        self.addCleanup(self.peer.set_named, {"budget.steps": 0})
        self.assertEqual((good.successful, bad.successful), (True, False))
        self.assertEqual(self.peer.get_parameters("budget.steps", "hypotheses"), [50, 8])

    def test_atomic_is_all_or_nothing(self) -> None:
        result = self.peer.set_named({"budget.steps": 50, "hypotheses": 1000}, atomically=True)[0]
        self.assertFalse(result.successful)
        self.assertIn("hypotheses must be in [1, 256], got 1000", result.reason)
        self.assertEqual(self.peer.get_parameters("budget.steps", "hypotheses"), [0, 8])

    def test_inconsistent_pair_is_refused(self) -> None:
        result = self.peer.set_named({"hypotheses": 2, "warm_start.fresh": 5}, atomically=True)[0]
        self.assertFalse(result.successful)
        self.assertIn("warm_start.fresh must be below hypotheses = 2, got 5", result.reason)
        self.assertEqual(self.peer.get_parameters("hypotheses", "warm_start.fresh"), [8, 2])

    def test_events_tell_of_changes_and_only_of_changes(self) -> None:
        self.peer.events.clear()
        self.peer.set_named({"budget.steps": 77})
        self.peer.set_named({"budget.steps": 1_000_000_000})
        self.peer.set_named({"budget.steps": 0})

        def changes() -> list[int]:
            events = [event for event in self.peer.events.messages if event.node == "/thalweg"]
            changed = [p for event in events for p in event.changed_parameters]
            return [p.value.integer_value for p in changed if p.name == "budget.steps"]

        wait_for(lambda: len(changes()) >= 2, what=f"two changes on /parameter_events, got {changes()}")
        self.assertEqual(changes(), [77, 0])

    def test_hypotheses_change_at_run_time(self) -> None:
        self.addCleanup(self.peer.set_named, {"hypotheses": 8})
        for count in (3, 16, 8):
            self.assertTrue(self.peer.set_named({"hypotheses": count})[0].successful)

            def has_count(wanted: int = count) -> bool:
                self.peer.solve_eventually()
                return len(self.peer.losses.messages[-1].data) == wanted

            wait_for(has_count, what=f"{count} losses")

    def test_steps_change_at_run_time(self) -> None:
        self.addCleanup(self.peer.set_named, {"budget.steps": 0})
        self.peer.set_named({"budget.steps": 1})
        self.peer.stream(standing_legs(), 2.2)

        def one_step() -> bool:
            self.peer.stream(standing_legs(), 0.3)
            status = self.peer.diagnostic("Optimizer")
            return status is not None and float(status.values["Steps mean"]) <= 1.0

        wait_for(one_step, what="Steps mean of 1 on /diagnostics")

    def test_output_rate_change_at_run_time(self) -> None:
        self.addCleanup(self.peer.set_named, {"output.rate": 0.0})
        self.peer.set_named({"output.rate": 5.0})
        self.peer.stream(standing_legs(), 0.5)
        self.assertGreater(self.streamed_period(8), 0.15)
        self.peer.set_named({"output.rate": 0.0})
        self.assertLess(self.streamed_period(26), 0.1)

    def streamed_period(self, count: int) -> float:
        """Streams until so many outputs have come; gives the seconds between two, median."""
        self.peer.reconstruction.clear()

        def have_come() -> bool:
            self.peer.stream(standing_legs(), 0.5)
            return len(self.peer.reconstruction.arrivals) >= count

        wait_for(have_come, what=f"{count} outputs")
        return self.peer.reconstruction.period()

    def test_frame_id_change_at_run_time(self) -> None:
        self.addCleanup(self.peer.set_named, {"output.frame_id": ""})
        self.peer.set_named({"output.frame_id": "pelvis"})
        self.peer.solve_eventually()
        self.assertEqual(self.peer.solve().header.frame_id, "pelvis")

    def test_hypotheses_topics_can_be_switched_off(self) -> None:
        self.addCleanup(self.peer.set_named, {"output.hypotheses": True})
        self.peer.set_named({"output.hypotheses": False})
        self.peer.solve_eventually()
        time.sleep(0.3)
        self.peer.hypothesis.clear()
        stamp = nanos_of(self.peer.solve().header.stamp)
        time.sleep(0.5)
        self.assertNotIn(stamp, [nanos_of(m.header.stamp) for m in self.peer.hypothesis.messages])

    def test_refusals_are_counted_on_diagnostics(self) -> None:
        before = wait_for(lambda: self.peer.diagnostic("Parameters")).count("Refused")
        self.peer.set_named({"budget.steps": -5})
        wait_for(
            lambda: self.peer.diagnostic("Parameters").count("Refused") > before,
            what="Parameters: Refused rises",
        )


class Unconfigured(NodeCase):
    """What can only change while nothing is loaded."""

    start = {"parameters": {"autostart": False}}
    state = "unconfigured"

    def test_the_task_can_be_changed(self) -> None:
        result = self.peer.set_named({"task": "planar_arm", "planar_arm.lengths": [0.4, 0.3, 0.2]}, True)[0]
        self.assertTrue(result.successful, result.reason)
        self.assertTrue(self.peer.change_state(label="configure"))
        self.assertTrue(self.peer.change_state(label="activate"))
        self.peer.solve_eventually({"joint_1": 0.2, "joint_2": -0.4})

    def test_task_parameters_are_checked(self) -> None:
        for name, value in {
            "planar_arm.limit": 50.0,
            "body_pose.loss": "hinge",
            "planar_arm.lengths": [1.0],
        }.items():
            result = self.peer.set_named({name: value})[0]
            self.assertFalse(result.successful, name)
            self.assertIn(name, result.reason)

    def test_choices_are_checked(self) -> None:
        for name in ("device", "optimizer.kind", "task"):
            result = self.peer.set_named({name: "abacus"})[0]
            self.assertFalse(result.successful, name)
            self.assertIn("abacus", result.reason)


if __name__ == "__main__":
    unittest.main()
