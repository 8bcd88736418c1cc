"""The three launch files run the same command lines, and these are the ones that are wanted."""

import json
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / 'doubles'))

import front_ends  # noqa: E402  (after the doubles are on the path)
from launch import LaunchContext  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
FILES = {
    'py': front_ends.from_python,
    'xml': front_ends.from_xml,
    'yaml': front_ends.from_yaml,
}
PREFIXES = {'thalweg': '/ws/install/thalweg', 'robot_state_publisher': '/opt/ros/jazzy'}
SHARE = '/ws/install/thalweg/share/thalweg'
URDF = ROOT / 'urdf/human_21.urdf'
ARGUMENTS = {
    'task', 'params_file', 'namespace', 'device', 'record', 'view', 'use_sim_time', 'log_level', 'autostart',
    'use_respawn', 'hypotheses_tf', 'urdf',
}


def launch(kind, **arguments):
    """Runs one launch file; gives the context, with what was started."""
    context = LaunchContext(arguments, PREFIXES)
    FILES[kind](ROOT / f'launch/thalweg.launch.{kind}').run(context)
    return context


def node(*words, namespace='/', level='info', file=f'{SHARE}/config/body_pose.yaml'):
    """Gives the node's command line."""
    return [
        '/ws/install/thalweg/lib/thalweg/thalweg_node', '--ros-args', '--log-level', level,
        '--ros-args', '-r', '__node:=thalweg', '-r', f'__ns:={namespace}', '--params-file', file, *words,
    ]


def window(*words, namespace='/', urdf=f'{SHARE}/urdf/human_21.urdf', file=f'{SHARE}/config/body_pose.yaml'):
    """Gives the window's command line."""
    return [
        '/ws/install/thalweg/lib/thalweg/thalweg_view', '--urdf', urdf, '--ros-args', '--log-level', 'info',
        '--ros-args', '-r', '__node:=thalweg_view', '-r', f'__ns:={namespace}', '--params-file', file, *words,
    ]


def publisher(index, *words, namespace='', file=f'{SHARE}/config/body_pose.yaml'):
    """Gives the command line of the robot_state_publisher of one hypothesis."""
    name = f'robot_state_publisher_h{index}'
    values = {'robot_description': URDF.read_text()}, {'frame_prefix': f'h{index}/'}
    own = [json.dumps({f'{namespace}/{name}': {'ros__parameters': value}}) for value in values]
    return [
        '/opt/ros/jazzy/lib/robot_state_publisher/robot_state_publisher', '--ros-args', '--log-level', 'info',
        '--ros-args', '-r', f'__node:={name}', '-r', f'__ns:={namespace or "/"}', '--params-file', file, *words,
        '--params-file', own[0], '--params-file', own[1],
        '-r', f'joint_states:=thalweg/hypotheses/h{index}/joint_states',
        '-r', f'robot_description:=thalweg/hypotheses/h{index}/robot_description',
        '-r', '/tf:=tf', '-r', '/tf_static:=tf_static',
    ]


# Arguments, and the command lines that they make.
CASES = {
    'defaults': ({}, [node()]),
    'task': ({'task': 'planar_arm'}, [node('-p', 'task:=planar_arm', file=f'{SHARE}/config/planar_arm.yaml')]),
    'params_file': ({'params_file': '/my.yaml'}, [node(file='/my.yaml')]),
    'task and params_file': (
        {'task': 'planar_arm', 'params_file': '/my.yaml'}, [node('-p', 'task:=planar_arm', file='/my.yaml')]),
    'namespace': ({'namespace': 'robot'}, [node(namespace='/robot')]),
    'absolute namespace': ({'namespace': '/left/robot'}, [node(namespace='/left/robot')]),
    'device': ({'device': 'cuda:1'}, [node('-p', 'device:=cuda:1')]),
    'record': ({'record': 'true'}, [node('-p', 'record.enabled:=True')]),
    'view': ({'view': 'True'}, [window(), node()]),
    'use_sim_time': ({'use_sim_time': 'true'}, [node('-p', 'use_sim_time:=True')]),
    'autostart': ({'autostart': 'False'}, [node('-p', 'autostart:=False')]),
    'log_level': ({'log_level': 'debug'}, [node(level='debug')]),
    'log_level of one logger': ({'log_level': 'robot.thalweg:=debug'}, [node(level='robot.thalweg:=debug')]),
    'two hypotheses': (
        {'hypotheses_tf': '2', 'urdf': str(URDF)}, [publisher(0), publisher(1), node()]),
    'everything': (
        {
            'task': 'planar_arm', 'params_file': '/my.yaml', 'namespace': 'robot', 'device': 'auto', 'record': 'true',
            'view': 'true', 'use_sim_time': 'true', 'autostart': 'false', 'hypotheses_tf': '1', 'urdf': str(URDF),
        },
        [
            publisher(0, '-p', 'use_sim_time:=True', namespace='/robot', file='/my.yaml'),
            window('-p', 'use_sim_time:=True', namespace='/robot', urdf=str(URDF), file='/my.yaml'),
            node('-p', 'use_sim_time:=True', '-p', 'task:=planar_arm', '-p', 'device:=auto', '-p', 'record.enabled:=True',
                 '-p', 'autostart:=False', namespace='/robot', file='/my.yaml'),
        ]),
}


class LaunchFiles(unittest.TestCase):
    """All three files, argument by argument."""

    def test_command_lines(self):
        for case, (arguments, expected) in CASES.items():
            for kind in FILES:
                with self.subTest(case, file=kind):
                    started = [process['argv'] for process in launch(kind, **arguments).processes]
                    self.assertEqual(started, expected)

    def test_nodes_come_back_only_when_asked(self):
        for word, wanted in (('false', False), ('true', True), ('True', True)):
            for kind in FILES:
                with self.subTest(file=kind):
                    arguments = {'use_respawn': word, 'hypotheses_tf': '4', 'urdf': str(URDF)}
                    processes = launch(kind, **arguments).processes
                    self.assertEqual(len(processes), 5)
                    for process in processes:
                        self.assertEqual((process['respawn'], process['respawn_delay']), (wanted, 2.0))
                        self.assertEqual(process['output'], 'screen')

    def test_a_window_that_was_closed_stays_closed(self):
        for kind in FILES:
            with self.subTest(file=kind):
                started = launch(kind, view='true', use_respawn='true').processes
                self.assertEqual([process['respawn'] for process in started], [False, True])

    def test_arguments_are_declared_alike(self):
        declared = {kind: launch(kind).declared for kind in FILES}
        for kind in FILES:
            with self.subTest(file=kind):
                self.assertEqual(set(declared[kind]), ARGUMENTS)
                for name, argument in declared[kind].items():
                    twin = declared['py'][name]
                    self.assertTrue(argument.description, name)
                    self.assertEqual(argument.description, twin.description, name)
                    self.assertEqual(set(argument.choices or []), set(twin.choices or []), name)

    def test_defaults_are_alike(self):
        for kind in FILES:
            with self.subTest(file=kind):
                self.assertEqual(launch(kind).configurations, launch('py').configurations)

    def test_a_word_that_is_no_choice_is_refused(self):
        for name in ('record', 'view', 'use_sim_time', 'autostart', 'use_respawn', 'hypotheses_tf'):
            for kind in FILES:
                with self.subTest(file=kind):
                    with self.assertRaisesRegex(RuntimeError, name):
                        launch(kind, **{name: 'maybe'})

    def test_shipped_files_exist(self):
        for path in ('launch/config/body_pose.yaml', 'launch/config/planar_arm.yaml', 'urdf/human_21.urdf'):
            self.assertTrue((ROOT / path).is_file(), path)


if __name__ == '__main__':
    unittest.main()
