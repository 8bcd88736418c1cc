"""The three launch files start the same, and what is started gets what the arguments say."""

import unittest
from pathlib import Path

from installed import KINDS, ROOT, Installation

ARGUMENTS = {
    'task', 'params_file', 'namespace', 'name', 'device', 'record', 'view', 'rviz', 'demo', 'use_sim_time', 'log_level',
    'autostart', 'use_respawn', 'plugins', 'hypotheses_tf', 'frame', 'urdf', 'joint_states', 'image', 'mask', 'points',
    'camera_info',
    'cloud',
}
# Everything that can be started.
ALL = {'view': 'true', 'rviz': 'true', 'demo': 'true', 'hypotheses_tf': '4'}
ALL_NAMES = sorted([
    '/thalweg', '/thalweg_view', '/thalweg_play', '/rviz2',
    *[f'/robot_state_publisher_h{index}' for index in range(4)],
    *[f'/static_transform_publisher_h{index}' for index in range(4)],
])


class Launching(unittest.TestCase):
    """What is common to the tests here."""

    def setUp(self):
        self.installation = Installation(self)

    def launch(self, kind='py', **arguments):
        """Launches one of the three files."""
        return self.installation.launch(f'thalweg.launch.{kind}', **arguments)

    def node(self, **arguments):
        """Launches, and gives the one node that comes of it."""
        started = self.launch(**arguments)
        self.assertEqual(len(started.nodes), 1, started.names)
        return next(iter(started.nodes.values()))

    def refusal(self, **arguments):
        """Gives the one sentence in which a launch is refused."""
        with self.assertRaises(RuntimeError) as refused:
            self.launch(**arguments)
        self.assertNotIn('\n', str(refused.exception))
        return str(refused.exception)


class ThreeFiles(Launching):
    """XML and YAML do as Python does."""

    def test_without_arguments_there_is_the_node_alone(self):
        for kind in KINDS:
            with self.subTest(file=kind):
                started = self.launch(kind)
                self.assertEqual([process['argv'] for process in started.processes], [[
                    str(self.installation.folder / 'thalweg/lib/thalweg/thalweg_node'),
                    '--ros-args', '--log-level', 'info', '--ros-args', '-r', '__node:=thalweg', '-r', '__ns:=/',
                    '--params-file', str(self.installation.share / 'config/body_pose.yaml'),
                ]])

    def test_all_that_is_asked_for_is_started(self):
        for kind in KINDS:
            with self.subTest(file=kind):
                self.assertEqual(self.launch(kind, **ALL).names, ALL_NAMES)

    def test_arguments_are_declared_alike_before_the_launch(self):
        from launch.launch_description_sources import AnyLaunchDescriptionSource
        from launch import LaunchContext
        for kind in KINDS:
            with self.subTest(file=kind):
                source = AnyLaunchDescriptionSource(str(ROOT / f'launch/thalweg.launch.{kind}'))
                declared = {argument.name: argument for argument in source.load(LaunchContext()).get_launch_arguments()}
                self.assertEqual(set(declared), ARGUMENTS)
                for argument in declared.values():
                    self.assertTrue(argument.description, argument.name)
                    self.assertIsNotNone(argument.default_value, argument.name)

    def test_a_word_that_is_no_choice_is_refused(self):
        for name in ('record', 'view', 'rviz', 'demo', 'use_sim_time', 'autostart', 'use_respawn', 'hypotheses_tf'):
            for kind in KINDS:
                with self.subTest(file=kind):
                    self.assertIn(f'"{name}"', self.refusal(kind=kind, **{name: 'maybe'}))


class Parameters(Launching):
    """What the nodes get as parameters."""

    def test_an_argument_that_is_not_given_leaves_what_the_file_says(self):
        file = self.installation.write('my.yaml', {'/**': {'ros__parameters': {
            'task': 'planar_arm', 'device': 'cuda:1', 'autostart': False, 'record': {'enabled': True},
        }}})
        self.assertEqual(self.node(params_file=file).parameters, {
            'task': 'planar_arm', 'device': 'cuda:1', 'autostart': False, 'record.enabled': True,
        })

    def test_an_argument_wins_over_every_section_of_the_file(self):
        for section in ('/**', 'thalweg', '/thalweg'):
            with self.subTest(section=section):
                file = self.installation.write('my.yaml', {section: {'ros__parameters': {
                    'task': 'planar_arm', 'device': 'cuda:1', 'autostart': True, 'record': {'enabled': True},
                }}})
                node = self.node(
                    params_file=file, task='body_pose', device='auto', autostart='False', record='false')
                self.assertEqual(node.parameters, {
                    'task': 'body_pose', 'device': 'auto', 'autostart': False, 'record.enabled': False,
                })

    def test_a_task_brings_its_parameter_file(self):
        for path in sorted((ROOT / 'launch/config').glob('*.yaml')):
            with self.subTest(task=path.stem):
                parameters = self.node(task=path.stem).parameters
                self.assertEqual(parameters['task'], path.stem)
                self.assertIn('budget.deadline', parameters)

    def test_a_task_that_is_not_shipped_brings_what_the_node_says_of_it(self):
        parameters = self.node(task='of_my_own').parameters
        self.assertEqual(parameters, {'task': 'of_my_own', 'budget.deadline': 1.0})

    def test_the_path_of_a_folder_is_that_of_a_scripted_task(self):
        folder = ROOT / 'models/scripted/hand'
        parameters = self.node(task=str(folder)).parameters
        self.assertEqual((parameters['task'], parameters['scripted.task']), ('scripted', str(folder)))
        self.assertEqual(self.node(task='scripted').parameters['scripted.task'], 'hand')

    def test_the_task_of_a_package_is_found_by_its_name(self):
        index = self.installation.folder / 'neighbour/share/ament_index/resource_index/thalweg_task'
        index.mkdir(parents=True)
        (index / 'neighbour').write_text('of_my_own lib/neighbour/libof_my_own.so\n')
        parameters = self.node(task='neighbour/of_my_own').parameters
        self.assertEqual((parameters['task'], parameters['plugins']), ('of_my_own', 'neighbour/of_my_own'))
        parameters = self.node(task='neighbour/of_my_own', plugins='/opt/libother.so').parameters
        self.assertEqual(parameters['plugins'], '/opt/libother.so:neighbour/of_my_own')
        refused = self.refusal(task='neighbour/nothing')
        self.assertIn("task: got 'neighbour/nothing/task.yaml', expected a file that is there", refused)
        refused = self.refusal(task='no/such')
        self.assertEqual(refused, "task: got 'no/such/task.yaml', expected a file that is there")

    def test_libraries_are_named_to_the_node(self):
        self.assertEqual(self.node(task='planar_arm', plugins='a.so:b').parameters['plugins'], 'a.so:b')

    def test_a_task_that_is_not_shipped_may_have_a_file_of_its_own(self):
        file = self.installation.write('my.yaml', {'thalweg': {'ros__parameters': {'hypotheses': 3}}})
        self.assertEqual(
            self.node(task='unknown_to_all', params_file=file).parameters, {'task': 'unknown_to_all', 'hypotheses': 3})

    def test_sim_time_is_for_all_nodes_or_none(self):
        for name, node in self.launch(use_sim_time='true', **ALL).nodes.items():
            self.assertIs(node.parameters.get('use_sim_time'), True, name)
        for name, node in self.launch(use_sim_time='false', **ALL).nodes.items():
            self.assertIs(node.parameters.get('use_sim_time'), False, name)
        for name, node in self.launch(**ALL).nodes.items():
            self.assertNotIn('use_sim_time', node.parameters, name)

    def test_the_parameter_file_is_for_all_nodes(self):
        file = self.installation.write('my.yaml', {'/**': {'ros__parameters': {'use_sim_time': True}}})
        for name, node in self.launch(params_file=file, **ALL).nodes.items():
            self.assertIs(node.parameters.get('use_sim_time'), True, name)


class Names(Launching):
    """Names of nodes and topics."""

    def test_topics_go_where_the_arguments_say(self):
        topics = {'joint_states': '/arm/states', 'image': 'camera/image_raw', 'mask': '/mask', 'points': '~/cloud'}
        wanted = {
            'joint_states': '/arm/states', 'image': '/robot/camera/image_raw', 'mask': '/mask',
            'points': '/robot/thalweg/cloud',
        }
        for kind in KINDS:
            with self.subTest(file=kind):
                node = self.launch(kind, namespace='robot', **topics).nodes['/robot/thalweg']
                self.assertEqual({name: node.resolve(name) for name in topics}, wanted)

    def test_topics_are_left_alone_otherwise(self):
        self.assertEqual([self.node().resolve(name) for name in ('joint_states', 'image')], ['/joint_states', '/image'])

    def test_the_window_reads_what_the_node_reads(self):
        started = self.launch(view='true', joint_states='/arm/states', image='/camera', points='/cloud', name='left')
        node, window = started.nodes['/left'], started.nodes['/left_view']
        for name in ('joint_states', 'image', 'points'):
            self.assertEqual(window.resolve(name), node.resolve(name))
        self.assertEqual(window.own[:2], ['--node', 'left'])

    def test_a_namespace_holds_all_nodes_and_their_topics(self):
        for given, wanted in (('robot', '/robot'), ('/left/robot', '/left/robot')):
            started = self.launch(namespace=given, **ALL)
            self.assertEqual(started.names, [wanted + name for name in ALL_NAMES])
            for name, node in started.nodes.items():
                for topic in ('joint_states', 'robot_description'):
                    self.assertTrue(node.resolve(topic).startswith(f'{wanted}/'), name)

    def test_tf_is_the_namespaces_own(self):
        for name, node in self.launch(namespace='robot', **ALL).nodes.items():
            if not name.startswith('/robot/thalweg'):
                self.assertEqual(
                    [node.resolve('/tf'), node.resolve('/tf_static')], ['/robot/tf', '/robot/tf_static'], name)

    def test_a_node_of_another_name_gets_the_sections_for_thalweg(self):
        own = {'ros__parameters': {'hypotheses': 3}}
        ways = [{'thalweg': own}, {'/thalweg': own}, {'/robot/thalweg': own}, {'/robot': {'thalweg': own}}]
        for content in ways:
            with self.subTest(content):
                file = self.installation.write('my.yaml', content | {'camera': {'ros__parameters': {'rate': 5}}})
                for name in ('thalweg', 'left'):
                    namespace = 'robot' if 'robot' in str(content) else ''
                    node = self.node(params_file=file, name=name, namespace=namespace)
                    self.assertEqual((node.name, node.parameters), (name, {'hypotheses': 3}))

    def test_values_and_comments_are_kept_word_by_word(self):
        text = '# why\n"thalweg":  # mine\n  ros__parameters: {rate: 1e-6, count: 1_000, thalweg: thalweg}\n'
        node = self.launch(params_file=self.installation.write('my.yaml', text), name='left').processes[0]['argv']
        kept = Path(node[node.index('--params-file') + 1]).read_text()
        self.assertEqual(kept, text.replace('"thalweg":', '"left":'))

    def test_a_section_of_the_name_itself_wins_over_that_for_thalweg(self):
        file = self.installation.write('my.yaml', {
            'left': {'ros__parameters': {'threads': 2}}, 'thalweg': {'ros__parameters': {'threads': 3}}})
        self.assertEqual(self.node(params_file=file, name='left').parameters, {'threads': 2})

    def test_two_in_one_namespace_share_no_node_topic_or_frame(self):
        one, two = self.launch(**ALL), self.launch(name='left', **ALL)
        shared = set(one.names) & set(two.names)
        self.assertEqual(shared, {'/rviz2'}, 'RViz makes several nodes, which one name would rename alike')
        for index in range(4):
            first, second = (
                started.nodes[f'/{prefix}robot_state_publisher_h{index}']
                for started, prefix in ((one, ''), (two, 'left_')))
            self.assertNotEqual(first.parameters['frame_prefix'], second.parameters['frame_prefix'])
            for topic in ('joint_states', 'robot_description'):
                self.assertNotEqual(first.resolve(topic), second.resolve(topic))


class Processes(Launching):
    """How what is started is run."""

    def test_nodes_come_back_only_when_asked(self):
        for word, wanted in (('false', False), ('true', True), ('True', True)):
            for kind in KINDS:
                with self.subTest(file=kind):
                    for process in self.launch(kind, use_respawn=word, demo='true', hypotheses_tf='4').processes:
                        self.assertIs(process['respawn'], wanted)
                        self.assertEqual((process['respawn_delay'], process['output']), (2.0, 'screen'))

    def test_a_window_that_was_closed_stays_closed(self):
        for kind in KINDS:
            with self.subTest(file=kind):
                started = self.launch(kind, view='true', rviz='true', use_respawn='true').processes
                stays = {Path(process['argv'][0]).name: not process['respawn'] for process in started}
                self.assertEqual([name for name in stays if stays[name]], ['thalweg_view', 'rviz2'])

    def test_the_log_level_is_for_all_nodes(self):
        for level in ('debug', 'robot.thalweg:=debug'):
            for name, node in self.launch(log_level=level, **ALL).nodes.items():
                self.assertEqual(node.level, level, name)

    def test_what_is_played_stays_away_from_the_robots_own_joint_states(self):
        started = self.launch(demo='true')
        node, player = started.nodes['/thalweg'], started.nodes['/thalweg_play']
        self.assertEqual(node.resolve('joint_states'), player.resolve('joint_states'))
        self.assertNotEqual(node.resolve('joint_states'), '/joint_states')

    def test_what_is_played_goes_where_joint_states_says(self):
        started = self.launch(demo='true', joint_states='body/joint_states')
        for name in ('/thalweg', '/thalweg_play'):
            self.assertEqual(started.nodes[name].resolve('joint_states'), '/body/joint_states')


class Refusals(Launching):
    """One sentence says what came and what was expected."""

    def test_an_unknown_task(self):
        self.assertEqual(
            self.refusal(task='planar'),
            "task: got 'planar', expected body_pose, gan_inversion, image_defence, planar_arm, robot, scripted or a task of your own: "
            "thalweg_node: unknown task 'planar'; the nearest known name is 'planar_arm'")

    def test_a_file_that_is_not_there(self):
        for name in ('params_file', 'urdf'):
            for kind in KINDS:
                with self.subTest(file=kind):
                    self.assertEqual(
                        self.refusal(kind=kind, **{name: '/no/file'}),
                        f"{name}: got '/no/file', expected a file that is there")

    def test_a_file_that_is_something_else(self):
        file = self.installation.write('my.yaml', 'a: [')
        self.assertIn(f"params_file: '{file}' is no YAML: ", self.refusal(params_file=file, name='left'))
        for content in ('no xml', '<robot/>', '<robot><joint/></robot>'):
            file = self.installation.write('my.urdf', content)
            self.assertIn(
                f"urdf: got '{file}', expected a URDF with links, joints and a root: ", self.refusal(urdf=file))

    def test_an_empty_name(self):
        for name in ('joint_states', 'image', 'mask', 'points', 'cloud', 'camera_info'):
            self.assertEqual(self.refusal(**{name: ''}), f"{name}: got '', expected the name of a topic")
        self.assertEqual(self.refusal(frame='', rviz='true'), "frame: got '', expected the name of a frame")

    def test_no_urdf_for_a_task(self):
        self.assertEqual(
            self.refusal(task='gan_inversion', hypotheses_tf='1'),
            "urdf: got none, expected one: none is shipped for task 'gan_inversion'")

    def test_a_demo_of_another_task(self):
        self.assertEqual(
            self.refusal(task='planar_arm', demo='true'),
            "demo: got task 'planar_arm', expected body_pose, whose motion is played")


class Demo(Launching):
    """demo.launch.py."""

    def test_it_shows_node_player_window_and_one_body(self):
        started = self.installation.launch('demo.launch.py')
        self.assertEqual(started.names, [
            '/robot_state_publisher_h0', '/static_transform_publisher_h0', '/thalweg', '/thalweg_play', '/thalweg_view',
        ])
        self.assertEqual(started.context.log, [])

    def test_arguments_win_over_its_defaults(self):
        started = self.installation.launch('demo.launch.py', view='false', hypotheses_tf='0', name='left')
        self.assertEqual(started.names, ['/left', '/left_play'])

    def test_without_robot_state_publisher_it_goes_on_and_says_so(self):
        started = Installation(self, without=['robot_state_publisher']).launch('demo.launch.py')
        self.assertEqual(started.names, ['/thalweg', '/thalweg_play', '/thalweg_view'])
        self.assertEqual(started.context.log, ['no TF in this demo: robot_state_publisher not installed'])


if __name__ == '__main__':
    unittest.main()
