"""rcl.py makes of command lines what rcl makes of them."""

import importlib.util
import json
import subprocess
import sys
import unittest
from pathlib import Path

from installed import Installation
from rcl import CommandLine

TOPICS = ['joint_states', 'image', '/image', '/tf', '~/ghosts', 'deep/down', '/robot/image', '/robot/left/ghosts']
RULES = [
    [],
    ['__ns:=/robot'],
    ['__ns:=/robot', '__node:=left'],
    ['__node:=left', '__node:=right'],
    ['joint_states:=/arm/states', 'image:=camera/image'],
    ['__ns:=/robot', 'joint_states:=arm/states', '/image:=~/seen', 'image:=first', 'image:=second'],
    ['__ns:=/robot', '__node:=left', '~/ghosts:=shown', '/tf:=tf', 'deep/down:=/up'],
    ['__ns:=/robot', '/robot/image:=/else'],
    ['__ns:=/robot', '__node:=left', '/robot/left/ghosts:=relative'],
    ['joint_states:=image', 'image:=points'],
]
# What every node of rclpy has.
OWN = {'use_sim_time', 'start_type_description_service'}


@unittest.skipUnless(importlib.util.find_spec('rclpy'), 'no rclpy')
class Rcl(unittest.TestCase):
    """Against rclpy."""

    def ask(self, lines):
        """Asks rclpy about command lines."""
        questions = [{'argv': argv, 'topics': TOPICS} for argv in lines]
        program = Path(__file__).with_name('ask_rcl.py')
        asked = subprocess.run(
            [sys.executable, program], input=json.dumps(questions), capture_output=True, text=True)
        self.assertEqual(asked.returncode, 0, asked.stderr)
        return json.loads(asked.stdout)

    def compare(self, lines):
        """Compares names, topics and parameters."""
        for argv, answer in zip(lines, self.ask(lines), strict=True):
            with self.subTest(argv):
                line = CommandLine(argv)
                self.assertEqual(line.full_name, answer['full_name'])
                self.assertEqual({topic: line.resolve(topic) for topic in TOPICS}, answer['topics'])
                found = {name: value for name, value in answer['parameters'].items()
                         if name not in OWN or name in line.parameters}
                self.assertEqual(line.parameters, found)

    def test_names_and_remappings(self):
        self.compare([
            ['program', '--own', 'word', '--ros-args', *(word for rule in rules for word in ('-r', rule)), '--', 'more']
            for rules in RULES])

    def test_the_command_lines_of_the_launch_files(self):
        installation = Installation(self)
        everything = {'view': 'true', 'rviz': 'true', 'demo': 'true', 'hypotheses_tf': '1', 'use_sim_time': 'true'}
        cases = [
            everything, {**everything, 'namespace': 'robot', 'name': 'left', 'image': '/camera', 'points': 'cloud'},
            {'task': 'planar_arm', 'record': 'true', 'device': 'cuda:1', 'autostart': 'False', 'namespace': '/a/b'},
            {'task': 'of_my_own', 'hypotheses_tf': '0'},
        ]
        launched = [installation.launch('thalweg.launch.py', **arguments) for arguments in cases]
        lines = [process['argv'] for started in launched for process in started.processes]
        self.assertGreater(len(lines), 10)
        self.compare(lines)


if __name__ == '__main__':
    unittest.main()
