"""All that is fetched is pinned by its hash, and nothing of it is run before a build uses it."""

import re
import subprocess
import sys
import tarfile
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LISTS = [*ROOT.glob("tools/*.lock"), *ROOT.glob("tests/*/requirements.txt"), *ROOT.glob("src/*/benches/peers/*.txt")]
FETCHING = re.compile(r"(?:-m pip|pip_running_nothing \S+) (?:download|install)\b.*")

SETUP = """
import pathlib, setuptools
pathlib.Path({marker!r}).write_text("setup.py was run")
setuptools.setup(name="thing", version="1.0", py_modules=["thing"])
"""


class Lists(unittest.TestCase):
    def test_every_package_has_a_version_and_hashes(self):
        self.assertGreaterEqual(len(LISTS), 8)
        for file in LISTS:
            for line in file.read_text().replace("\\\n", " ").splitlines():
                if not line or line.startswith(("#", "--only-binary", "--no-binary")):
                    continue
                with self.subTest(file=file.name, line=line):
                    self.assertRegex(line, r"^[A-Za-z0-9._-]+==[0-9][^ ]*( +--hash=sha256:[0-9a-f]{64})+$")

    def test_pip_takes_nothing_without_a_hash(self):
        """Every call of pip that fetches."""
        calls = [
            (script.name, call)
            for script in ROOT.glob("tools/*.sh")
            for call in FETCHING.findall(script.read_text().replace("\\\n", " "))
        ]
        self.assertGreaterEqual(len(calls), 4)
        for script, call in calls:
            with self.subTest(script):
                self.assertIn(" --require-hashes", call)
                self.assertIn(" --no-deps", call)


class RunningNothing(unittest.TestCase):
    """tools/pip.sh, with a source package whose setup.py leaves a mark."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name).resolve()
        self.marker = self.root / "was-run"
        source = self.root / "thing-1.0"
        source.mkdir()
        (source / "setup.py").write_text(SETUP.format(marker=str(self.marker)))
        (source / "thing.py").write_text(f"open({str(self.marker)!r}, 'w')")
        (source / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n\nA thing\n")
        with tarfile.open(self.root / "thing-1.0.tar.gz", "w:gz") as archive:
            archive.add(source, "thing-1.0")

    def pip(self, *arguments):
        """Runs pip as the scripts do; what it needs it finds here alone."""
        script = 'set -eu; . "$1"; find_pip "$2"; shift 2; pip_running_nothing "$@"'
        command = ["bash", "-c", script, "-", ROOT / "tools/pip.sh", self.root, self.root / "stand-in", *arguments]
        command += ["--no-index", "--no-cache-dir", "--quiet", "--find-links", self.root, "--no-deps"]
        command += ["--no-binary", "thing", "thing==1.0"]
        environment = {"PATH": "/usr/bin:/bin", "PYTHON": sys.executable}
        return subprocess.run(command, env=environment, capture_output=True, text=True)

    def test_a_download_runs_nothing(self):
        done = self.pip("download", "-d", self.root / "got")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([path.name for path in (self.root / "got").iterdir()], ["thing-1.0.tar.gz"])
        self.assertFalse(self.marker.exists())

    def test_an_installation_runs_nothing(self):
        done = self.pip("install", "--no-compile", "--target", self.root / "site")
        self.assertEqual(done.returncode, 0, done.stderr)
        got = sorted(path.name for path in (self.root / "site").iterdir())
        self.assertEqual(got, ["thing-1.0.dist-info", "thing.py"])
        self.assertFalse(self.marker.exists())

    def test_another_setuptools_in_the_way_is_refused(self):
        """A wrapper of python3 may put folders of its own before ours."""
        (self.root / "other/setuptools").mkdir(parents=True)
        for name in ("__init__.py", "build_meta.py"):
            (self.root / "other/setuptools" / name).touch()
        wrapper = self.root / "python"
        wrapper.write_text(f'#!/bin/sh\nPYTHONPATH={self.root}/other:$PYTHONPATH exec {sys.executable} "$@"\n')
        wrapper.chmod(0o755)
        script = 'set -eu; . "$1"; pip_python=$2; pip_running_nothing "$3" download thing'
        command = ["bash", "-c", script, "-", ROOT / "tools/pip.sh", wrapper, self.root / "stand-in"]
        done = subprocess.run(command, capture_output=True, text=True)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("would run setup.py of packages", done.stderr)


if __name__ == "__main__":
    unittest.main()
