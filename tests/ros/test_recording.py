"""Recording: what was solved is in the file, and comes out of it again."""

from __future__ import annotations

import shutil
import tempfile
import unittest
from pathlib import Path

from case import NodeCase
from messages import standing_legs
from node_process import NodeProcess
from peer import Peer, wait_for
from recordings import active, closed, describe, replayed, trigger, wait_written

FOLDER = Path(tempfile.mkdtemp(prefix="thalweg_recordings_"))


class Recording(NodeCase):
    """One node that records on demand."""

    start = {"parameters": {"record.folder": str(FOLDER)}}

    @classmethod
    def setUpClass(cls) -> None:
        cls.addClassCleanup(shutil.rmtree, FOLDER, ignore_errors=True)
        super().setUpClass()

    def setUp(self) -> None:
        super().setUp()
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.mkdir()

    def record(self, seconds: float = 1.0) -> None:
        """Streams a moving body, so that solves differ."""
        for step in range(int(seconds * 50)):
            self.peer.stream(standing_legs(0.2 + 0.005 * step), 0.02)

    def test_services_begin_and_end_it(self) -> None:
        reply = trigger(self.peer, "~/start_recording")
        self.assertTrue(reply.success, reply.message)
        self.assertTrue(reply.message.endswith(".mcap.active"), reply.message)
        self.peer.wait_diagnostic("Recorder", "OK", "Recording")
        self.record()
        reply = trigger(self.peer, "~/stop_recording")
        self.assertTrue(reply.success, reply.message)
        self.assertEqual(active(FOLDER), [])
        (file,) = closed(FOLDER)
        found = describe(file)
        self.assertGreater(found["solves"], 20)
        self.assertEqual(found["damage"], 0)
        self.assertIn("/thalweg/observation/joint_states", found["topics"])
        self.assertIn("/thalweg/reconstruction", found["topics"])
        self.assertIn("reproduced bit for bit", replayed(file))
        changed = [p.name for event in self.peer.events.messages for p in event.changed_parameters]
        self.assertIn("record.enabled", changed)

    def test_a_parameter_does_too_and_steps_are_kept(self) -> None:
        self.peer.set_parameters(record__steps=True, record__enabled=True)
        self.record()
        wait_written(self.peer, 20)
        self.peer.set_parameters(hypotheses=5)
        self.record()
        self.peer.set_parameters(record__enabled=False, record__steps=False, hypotheses=8)
        wait_for(lambda: closed(FOLDER) and not active(FOLDER), what="a closed file")
        found = describe(FOLDER)
        self.assertGreater(found["topics"]["/thalweg/descent"], 20)
        self.assertEqual(found["topics"]["/thalweg/descent"], found["topics"]["/thalweg/solve"])
        replayed(FOLDER)

    def test_saving_completes_a_file_and_goes_on(self) -> None:
        refused = trigger(self.peer, "~/save_recording")
        self.assertFalse(refused.success)
        self.assertIn("nothing is being recorded", refused.message)
        trigger(self.peer, "~/start_recording")
        self.record(0.5)
        saved = trigger(self.peer, "~/save_recording")
        self.assertTrue(saved.success, saved.message)
        self.assertEqual(closed(FOLDER), [Path(saved.message)])
        self.record(0.5)
        trigger(self.peer, "~/stop_recording")
        self.assertEqual(len(closed(FOLDER)), 2)
        replayed(FOLDER)

    def test_deactivation_closes_the_file_and_activation_begins_another(self) -> None:
        trigger(self.peer, "~/start_recording")
        self.record(0.5)
        self.peer.change_state(label="deactivate")
        self.assertEqual((len(closed(FOLDER)), active(FOLDER)), (1, []))
        self.peer.change_state(label="activate")
        self.peer.solve_eventually()
        wait_for(lambda: active(FOLDER), what="a second file")
        trigger(self.peer, "~/stop_recording")
        self.assertEqual(len(closed(FOLDER)), 2)
        replayed(FOLDER)


class AtTheEnd(unittest.TestCase):
    """A signal closes the file."""

    def test_sigint_leaves_a_complete_file(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="thalweg_recordings_"))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        parameters = {"record.folder": str(folder), "record.enabled": True}
        with NodeProcess(parameters=parameters) as node, Peer() as peer:
            peer.wait_state("active")
            peer.solve_eventually()
            peer.stream(standing_legs(), 0.5)
            self.assertEqual(node.stop(), 0, node.stderr())
        self.assertEqual((len(closed(folder)), active(folder)), (1, []))
        replayed(folder)


if __name__ == "__main__":
    unittest.main()
