"""tools/setup_ros2.sh on a machine where a ROS 2 is sourced already."""

import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class Sourced(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.prefix = Path(folder.name)
        (self.prefix / "share/rcl").mkdir(parents=True)
        index = self.prefix / "share/ament_index/resource_index/packages"
        index.mkdir(parents=True)
        (index / "thalweg_msgs").touch()

    def run_with(self, distro):
        environment = {name: value for name, value in os.environ.items() if name not in ("CI", "RMW_IMPLEMENTATION")}
        environment |= {"AMENT_PREFIX_PATH": str(self.prefix), "ROS_DISTRO": distro, "LIBCLANG_PATH": "/"}
        return subprocess.run([ROOT / "tools/setup_ros2.sh"], env=environment, capture_output=True, text=True, check=False)

    def test_another_distribution_gets_one_sentence(self):
        for distro in ("humble", "rolling", ""):
            done = self.run_with(distro)
            self.assertEqual((done.returncode, done.stdout), (2, ""), distro)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
            self.assertIn("thalweg is made for jazzy and kilted", done.stderr)

    def test_the_middleware_is_the_users(self):
        for distro in ("jazzy", "kilted"):
            done = self.run_with(distro)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertNotIn("RMW_IMPLEMENTATION", done.stdout)
            # thalweg_msgs is there already, so nothing is put before what is sourced.
            self.assertNotIn("AMENT_PREFIX_PATH", done.stdout)

    def test_nothing_of_ours_asks_for_one_middleware(self):
        named = set()
        for path in [*ROOT.glob("src/**/*.rs"), *ROOT.glob("plugins/**/*.rs"), *ROOT.glob("launch/**/*.*"), ROOT / "package.xml"]:
            for line in path.read_text().splitlines():
                code = line.split("//")[0].split("#")[0] if path.suffix != ".xml" else line
                if re.search("fast.?(rtps|dds)", code, re.IGNORECASE):
                    named.add(path.relative_to(ROOT).as_posix())
        # The doctor says which one ROS 2 takes by itself; benchmarks keep off the network where it is that one.
        self.assertLessEqual(named, {"src/cli/src/doctor/ros.rs", "src/ros/src/client/peer/domain.rs"})


if __name__ == "__main__":
    unittest.main()
