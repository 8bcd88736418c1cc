"""/diagnostics: names, texts and rhythm."""

from __future__ import annotations

import itertools
import statistics
import time
import unittest

from case import NodeCase
from messages import nanos_of, standing_legs
from peer import LEVELS, wait_for

NAMES = {
    "Input joint_states",
    "Optimizer",
    "Theta",
    "Device",
    "Recorder",
    "Lifecycle",
    "Process",
    "Graph",
    "Clock",
    "Parameters",
}
INPUT_KEYS = {
    "Events in window",
    "Events since startup",
    "Duration of window (s)",
    "Actual frequency (Hz)",
    "Age (s)",
    "Joints observed",
    "Used",
    "Superseded",
    "Unknown joints",
    "Publishers",
}
OPTIMIZER_KEYS = {
    "Solves",
    "Steps mean",
    "Solve mean (us)",
    "Solve max (us)",
    "Solve sigma (us)",
    "Overruns",
    "Age of data max (s)",
    "Diverged",
    "Hypotheses",
    "Failures",
}


class Diagnostics(NodeCase):
    """A node that runs; nothing is published at first."""

    def test_0_never_any_event_is_an_error(self) -> None:
        self.peer.wait_diagnostic("Input joint_states", "ERROR", "No events recorded.")

    def test_names(self) -> None:
        wanted = {f"thalweg: {name}" for name in NAMES}
        wait_for(lambda: wanted <= {status.name for _, status in self.peer.statuses()}, what=f"{wanted}")
        names = {status.name for _, status in self.peer.statuses()}
        self.assertNotIn("thalweg: Input points", names)

    def test_rhythm_is_one_hertz(self) -> None:
        self.peer.stream(standing_legs(), 1.5)
        self.peer.diagnostics.clear()
        self.peer.stream(standing_legs(), 8.5)
        times = [nanos_of(array.header.stamp) * 1e-9 for array in self.peer.diagnostics.messages]
        period = statistics.median(b - a for a, b in itertools.pairwise(times))
        self.assertAlmostEqual(period, 1.0, delta=0.2, msg=f"median period of {len(times)} reports")

    def test_texts_and_keys_with_data(self) -> None:
        sent = len(self.peer.stream(standing_legs(), 7.0)) / 7.0
        status = self.peer.diagnostic("Input joint_states")
        self.assertEqual((status.level, status.message), ("OK", "Timestamps are reasonable."))
        self.assertLessEqual(INPUT_KEYS, set(status.values))
        self.assertEqual(status.values["Joints observed"], f"{len(standing_legs())} of 63")
        self.assertTrue(sent / 2 < float(status.values["Actual frequency (Hz)"]) < 2 * sent, (sent, status.values))
        optimizer = self.peer.diagnostic("Optimizer")
        self.assertLessEqual(OPTIMIZER_KEYS, set(optimizer.values))
        self.assertGreater(optimizer.count("Solves"), 0)
        self.assertEqual(optimizer.count("Hypotheses"), 8)

    def test_every_event_is_accounted_for(self) -> None:
        self.peer.stream(standing_legs(), 1.0, rate=300.0)
        time.sleep(2.2)
        status = self.peer.diagnostic("Input joint_states")
        refused = sum(status.count(key) for key in status.values if key.startswith("refused "))
        accounted = status.count("Used") + status.count("Superseded") + refused
        self.assertAlmostEqual(accounted, status.count("Events since startup"), delta=2, msg=str(status))

    def test_silence_becomes_stale(self) -> None:
        self.peer.stream(standing_legs(), 0.5)
        self.peer.wait_diagnostic("Input joint_states", "STALE", "No data since last update.")
        self.peer.stream(standing_legs(), 0.5)
        self.peer.wait_diagnostic("Input joint_states", "STALE", "No data since last update.")

    def test_state_theta_and_device_are_named(self) -> None:
        wait_for(lambda: self.peer.diagnostic("Theta"))
        self.assertIn("active", str(self.peer.diagnostic("Lifecycle")))
        theta = str(self.peer.diagnostic("Theta"))
        for text in ("'Kind': 'identity'", "'Optimizer': 'levenberg_marquardt'", "'Backend': 'fused'"):
            self.assertIn(text, theta)
        self.assertRegex(theta, "'Start': '[0-9a-f]{16}'")
        self.assertIn("cpu", str(self.peer.diagnostic("Device")).lower())

    def test_levels_are_known_and_texts_are_not_empty(self) -> None:
        wait_for(lambda: self.peer.diagnostic("Lifecycle"))
        for _, status in self.peer.statuses():
            self.assertIn(ord(status.level), LEVELS)
            self.assertNotEqual(status.message, "", status.name)

    def test_period_and_full_name_can_be_changed(self) -> None:
        self.addCleanup(
            self.peer.set_named, {"diagnostic_updater.use_fqn": False, "diagnostic_updater.period": 1.0}
        )
        self.peer.set_named({"diagnostic_updater.use_fqn": True, "diagnostic_updater.period": 0.2})
        wait_for(lambda: self.peer.diagnostic("Lifecycle", prefix="/thalweg"), what="/thalweg: Lifecycle")
        self.peer.diagnostics.clear()
        wait_for(lambda: len(self.peer.diagnostics.arrivals) > 10, what="a dozen of /diagnostics")
        self.assertLess(self.peer.diagnostics.period(), 0.5)


if __name__ == "__main__":
    unittest.main()
