"""An installation of thalweg and of what its launch files start, and launching in it."""

import json
import os
import sys
import tempfile
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).parent / 'doubles'))

from launch import LaunchContext, LaunchDescription, run  # noqa: E402  (after the doubles are on the path)
from launch.actions import IncludeLaunchDescription  # noqa: E402
from rcl import CommandLine  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
KINDS = ['py', 'xml', 'yaml']
# Stands in for the node where it is asked for the parameters of a task; it has one that is not shipped.
NODE = """#!/bin/sh
if [ "$1" = --dump-params=of_my_own ]; then
  printf '/**:\\n  ros__parameters:\\n    task: of_my_own\\n    budget:\\n      deadline: 1.0\\n'
else
  echo "thalweg_node: unknown task '${1#*=}'; the nearest known name is 'planar_arm'" >&2
  exit 2
fi
"""
PROGRAMS = {
    'thalweg': {'thalweg_node': NODE, 'thalweg_view': '', 'thalweg_play': ''},
    'robot_state_publisher': {'robot_state_publisher': ''},
    'tf2_ros': {'static_transform_publisher': ''},
    'rviz2': {'rviz2': ''},
    'neighbour': {'camera': ''},
}


class Installation:
    """Is a workspace with these packages; launches in it, and removes it in the end."""

    def __init__(self, case, without=()):
        self.folder = Path(case.enterContext(tempfile.TemporaryDirectory()))
        temporary = self.folder / 'tmp'
        temporary.mkdir()
        # Launch files and launch_ros leave parameter files behind.
        case.addCleanup(setattr, tempfile, 'tempdir', tempfile.tempdir)
        tempfile.tempdir = str(temporary)
        prefixes = (
            str(self.install(package, programs)) for package, programs in PROGRAMS.items() if package not in without)
        case.enterContext(mock.patch.dict(os.environ, AMENT_PREFIX_PATH=os.pathsep.join(prefixes)))
        self.share = self.folder / 'thalweg/share/thalweg'
        folders = {'launch': 'launch', 'config': 'launch/config', 'urdf': 'urdf', 'rviz': 'rviz'}
        for name, source in folders.items():
            (self.share / name).symlink_to(ROOT / source)

    def install(self, package, programs):
        """Installs a package; gives its prefix."""
        prefix = self.folder / package
        for folder in (f'share/{package}', f'lib/{package}', 'share/ament_index/resource_index/packages'):
            (prefix / folder).mkdir(parents=True)
        (prefix / f'share/ament_index/resource_index/packages/{package}').touch()
        for name, text in programs.items():
            (prefix / f'lib/{package}/{name}').write_text(text)
            (prefix / f'lib/{package}/{name}').chmod(0o755)
        return prefix

    def write(self, name, content):
        """Writes a file, a parameter file as JSON, which is YAML; gives its path."""
        path = self.folder / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return str(path)

    def launch(self, file, **arguments):
        """Launches a launch file as `ros2 launch` does, or a description; gives what was started and logged."""
        if not isinstance(file, LaunchDescription):
            path = str(file) if Path(file).is_absolute() else str(self.share / 'launch' / file)
            file = LaunchDescription([IncludeLaunchDescription(path, launch_arguments=arguments.items())])
        context = LaunchContext()
        run(file, context)
        assert not context.stack, 'a scope was not closed'
        return Launched(context)


class Launched:
    """Is what a launch started, by the names of the nodes."""

    def __init__(self, context):
        self.context, self.processes = context, context.processes
        self.nodes = {}
        for process in context.processes:
            line = CommandLine(process['argv'], default=Path(process['argv'][0]).name)
            assert line.full_name not in self.nodes, f'two nodes are {line.full_name}'
            self.nodes[line.full_name] = line

    @property
    def names(self):
        """Gives the full names of all nodes."""
        return sorted(self.nodes)
