"""Tasks of others: a library that a package has installed, found by the package's name; a folder that `thalweg new` wrote."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from faults_plugins import library
from messages import ROOT
from node_process import NodeProcess
from peer import Peer
from rig import NotHere


class Installed(unittest.TestCase):
    """A prefix as examples/own_plugin/README.md installs it; tests/packaging does that by colcon."""

    def setUp(self) -> None:
        try:
            built = library("own_plugin")
        except NotHere as reason:
            self.skipTest(str(reason))
        prefix = Path(self.enterContext(tempfile.TemporaryDirectory()))
        index = prefix / "share" / "ament_index" / "resource_index" / "thalweg_task"
        for folder in (index, prefix / "lib" / "finger_task"):
            folder.mkdir(parents=True)
        (index / "finger_task").write_text("own_plugin lib/finger_task/libown_plugin.so\n")
        shutil.copy(built, prefix / "lib" / "finger_task")
        self.environment = {"AMENT_PREFIX_PATH": f"{prefix}:{os.environ.get('AMENT_PREFIX_PATH', '')}"}

    def test_a_task_is_found_by_package_and_name(self) -> None:
        given = {"plugins": "finger_task/own_plugin", "task": "own_plugin"}
        with NodeProcess(name="finger", parameters=given, environment=self.environment) as node, Peer(
            "/finger", name="witness_of_finger"
        ) as peer:
            peer.wait_state("active")
            peer.solve_eventually({"knuckle": 0.4})
            answer = peer.solve({"knuckle": 0.4})
            self.assertEqual(list(answer.name), ["knuckle", "tip"])
            self.assertAlmostEqual(answer.position[0], 0.4, delta=0.05)
            self.assertEqual(node.stop(), 0, node.stderr()[-1500:])

    def test_without_the_package_the_node_says_what_there_is(self) -> None:
        given = {"plugins": "finger_task/own_plugin", "task": "own_plugin"}
        with NodeProcess(name="finger", parameters=given, environment={"AMENT_PREFIX_PATH": ""}) as node:
            self.assertEqual(node.wait(20.0), 2, node.stderr()[-1500:])
            self.assertIn("plugin finger_task/own_plugin: find: there is nothing of this name", node.stderr())
            self.assertIn("task must be one of", node.stderr())


class Scripted(unittest.TestCase):
    """A PyTorch model in a folder of its user's, which is not the shipped one."""

    def test_some_joints_in_all_joints_out(self) -> None:
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        subprocess.run([ROOT / "target" / "release" / "thalweg", "new", "my_hand"], cwd=folder, check=True)
        for file in ("task.yaml", "observation.json"):
            path = folder / "my_hand" / file
            path.write_text(path.read_text().replace("index_", "thumb_"))
        seen = json.loads((folder / "my_hand" / "observation.json").read_text())["joints"]
        given = {"task": "scripted", "scripted.task": str(folder / "my_hand")}
        with NodeProcess(name="own", parameters=given) as node, Peer("/own", name="witness_of_own") as peer:
            peer.wait_state("active")
            peer.solve_eventually(seen)
            got = peer.solve(seen)
            answer = dict(zip(got.name, got.position, strict=True))
            self.assertTrue(set(seen) < set(answer) and "thumb_2" in answer, answer)
            for name, position in seen.items():
                self.assertAlmostEqual(answer[name], position, delta=0.1)
            self.assertEqual(node.stop(), 0, node.stderr()[-1500:])


if __name__ == "__main__":
    unittest.main()
