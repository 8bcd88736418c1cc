"""colcon builds and installs the package, and ROS 2's own index finds it.

Needs a ROS 2 (THALWEG_ROS=1) with ament_cmake, and the folder of colcon and cmake (THALWEG_COLCON). The programs are
those that cargo made already, as CARGO_TARGET_DIR says.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COLCON = 'import sys; from colcon_core.command import main; sys.exit(main())'


def tracked(folder, pattern):
    """Lists the files of the repository that the package must contain."""
    return {path.relative_to(ROOT / folder) for path in (ROOT / folder).rglob(pattern) if path.is_file()}


def run(command, **options):
    """Runs a command; gives what it printed, or fails with it."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    assert done.returncode == 0, f'{command} ended with {done.returncode}:\n{done.stdout}'
    return done.stdout


@unittest.skipUnless(os.environ.get('THALWEG_ROS') == '1', 'no ROS 2 (THALWEG_ROS is not 1)')
class Colcon(unittest.TestCase):
    """A build in a workspace of its own."""

    @classmethod
    def setUpClass(cls):
        workspace = cls.enterClassContext(tempfile.TemporaryDirectory())
        cls.install = Path(workspace) / 'install'
        cls.prefix = cls.install / 'thalweg'
        site = os.environ['THALWEG_COLCON']
        environment = os.environ | {
            'PATH': f"{site}/cmake/data/bin:{os.environ['PATH']}",
            'PYTHONPATH': f"{site}:{os.environ.get('PYTHONPATH', '')}",
            'CARGO_TARGET_DIR': os.environ.get('CARGO_TARGET_DIR', str(ROOT / 'target')),
        }
        bases = [f'--{name}-base={workspace}/{name}' for name in ('build', 'install')]
        run([sys.executable, '-c', COLCON, f'--log-base={workspace}/log', 'build', '--paths', str(ROOT), *bases,
             '--event-handlers', 'console_direct+', '--cmake-args', f'-DPython3_EXECUTABLE={sys.executable}'],
            env=environment, cwd=workspace)

    def sourced(self, command):
        """Runs a shell command in the workspace's environment, without the libraries that the build needed."""
        environment = {name: value for name, value in os.environ.items() if name != 'LD_LIBRARY_PATH'}
        return run(['bash', '-c', f'. {self.install}/local_setup.bash && {command}'], env=environment)

    def test_the_index_finds_the_package(self):
        code = 'from ament_index_python.packages import *; print(get_package_prefix("thalweg"))'
        self.assertEqual(self.sourced(f"{sys.executable} -c '{code}'").strip(), str(self.prefix))

    def test_share_holds_what_the_node_and_its_launch_files_read(self):
        share = self.prefix / 'share/thalweg'
        for folder in ('urdf', 'models', 'assets', 'rviz'):
            installed = {path.relative_to(share / folder) for path in (share / folder).rglob('*') if path.is_file()}
            self.assertEqual(installed, tracked(folder, '*'), folder)
        launch = {path.name for path in (share / 'launch').iterdir()}
        self.assertEqual(launch, {'demo.launch.py', *(f'thalweg.launch.{kind}' for kind in ('py', 'xml', 'yaml'))})
        keypoints = {path.relative_to(share / 'keypoints') for path in (share / 'keypoints').iterdir()}
        self.assertEqual(keypoints, tracked('launch/keypoints', '*.yaml'))
        config = {path.relative_to(share / 'config') for path in (share / 'config').iterdir()}
        self.assertEqual(config, tracked('launch/config', '*.yaml'))
        self.assertTrue((share / 'package.xml').is_file())

    def test_ros2_run_finds_all_programs(self):
        # ros2 run takes every executable file in lib/PACKAGE.
        folder = self.prefix / 'lib/thalweg'
        programs = {path.name for path in folder.iterdir() if os.access(path, os.X_OK)}
        self.assertEqual(programs, {'thalweg', 'thalweg_node', 'thalweg_play', 'thalweg_view'})

    def test_installed_programs_run_without_library_path(self):
        version = re.search(r'^version = "(.*)"', (ROOT / 'Cargo.toml').read_text(), re.MULTILINE)[1]
        for program in ('thalweg', 'thalweg_node', 'thalweg_play', 'thalweg_view'):
            self.assertIn(version, self.sourced(f'{self.prefix}/lib/thalweg/{program} --version'), program)

    def test_thalweg_is_on_the_path_and_finds_what_is_shipped(self):
        found = self.sourced('command -v thalweg').strip()
        self.assertEqual(found, str(self.prefix / 'bin/thalweg'))
        with tempfile.TemporaryDirectory() as elsewhere:
            solved = self.sourced(f'cd {elsewhere} && thalweg solve --recording {self.prefix}/share/thalweg/assets/'
                                  'motion.safetensors --frame 60 --hide left_arm --steps 5')
            self.assertIn('left', solved)
            told = self.sourced(f'cd {elsewhere} && ROS_AUTOMATIC_DISCOVERY_RANGE=OFF thalweg doctor')
            self.assertIn('ok    task: body_pose loads', told)
            self.assertIn('ok    landscape: ', told)

    def test_the_standards_own_reader_takes_the_manifest(self):
        sys.path.append(os.environ['THALWEG_COLCON'])
        from catkin_pkg.package import parse_package
        warnings = []
        package = parse_package(self.prefix / 'share/thalweg/package.xml', warnings=warnings)
        self.assertEqual(warnings, [])
        self.assertEqual((package.name, package.get_build_type()), ('thalweg', 'ament_cmake'))


@unittest.skipUnless(os.environ.get('THALWEG_ROS') == '1', 'no ROS 2 (THALWEG_ROS is not 1)')
class Task(unittest.TestCase):
    """A package of somebody else, which installs a library with a task as examples/own_plugin/README.md says."""

    @classmethod
    def setUpClass(cls):
        workspace = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        target = Path(os.environ.get('CARGO_TARGET_DIR', ROOT / 'target')) / 'release'
        cls.program, cls.install = target / 'thalweg', workspace / 'install'
        source = workspace / 'finger_task'
        source.mkdir()
        snippet = (ROOT / 'examples/own_plugin/README.md').read_text().split('```cmake\n')[1].split('```')[0]
        (source / 'CMakeLists.txt').write_text(
            'cmake_minimum_required(VERSION 3.22)\nproject(finger_task NONE)\nfind_package(ament_cmake REQUIRED)\n'
            f'{snippet}ament_package()\n')
        (source / 'package.xml').write_text(
            '<package format="3"><name>finger_task</name><version>0.1.0</version><description>A finger.</description>'
            '<maintainer email="a@b.invalid">a</maintainer><license>MIT</license>'
            '<buildtool_depend>ament_cmake</buildtool_depend><export><build_type>ament_cmake</build_type></export>'
            '</package>')
        shutil.copy(target / 'libown_plugin.so', source)
        site = os.environ['THALWEG_COLCON']
        environment = os.environ | {
            'PATH': f"{site}/cmake/data/bin:{os.environ['PATH']}",
            'PYTHONPATH': f"{site}:{os.environ.get('PYTHONPATH', '')}",
        }
        bases = [f'--{name}-base={workspace}/{name}' for name in ('build', 'install')]
        run([sys.executable, '-c', COLCON, f'--log-base={workspace}/log', 'build', '--paths', str(source), *bases,
             '--cmake-args', f'-DPython3_EXECUTABLE={sys.executable}'], env=environment, cwd=workspace)

    def sourced(self, command):
        """Runs a shell command in the workspace's environment."""
        return run(['bash', '-c', f'. {self.install}/local_setup.bash && cd / && {command}'])

    def test_it_is_listed_and_not_opened(self):
        listed = self.sourced(f'{self.program} tasks')
        self.assertIn('finger_task/own_plugin', listed)
        self.assertNotIn('one tendon pulls', listed)

    def test_it_is_found_by_its_name_and_runs(self):
        checked = self.sourced(f'{self.program} --plugin finger_task/own_plugin check own_plugin --no-costs')
        self.assertRegex(checked, 'own_plugin: ([0-9]+) of \\1 rules kept')
        solved = self.sourced(
            f"echo '{{\"joints\": {{\"knuckle\": 0.4}}}}' | {self.program} --plugin finger_task/own_plugin solve "
            '--task own_plugin -')
        self.assertIn('tip', solved)

    def test_who_does_not_source_it_is_told_what_there_is(self):
        done = subprocess.run([self.program, '--plugin', 'finger_task/own_plugin', 'check', 'own_plugin'],
                              capture_output=True, text=True)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn('plugin finger_task/own_plugin: find: there is nothing of this name', done.stderr)


if __name__ == '__main__':
    unittest.main()
