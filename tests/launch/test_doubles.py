"""The doubles refuse what launch 3.4.3 and launch_ros 0.26.6 refuse, and share what those share."""

import unittest

from installed import Installation
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction, OpaqueFunction, SetLaunchConfiguration
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node, SetParameter, SetParametersFromFile
from launch_ros.parameter_descriptions import ParameterValue


def camera(name='camera', **options):
    """Gives a node."""
    return Node(package='neighbour', executable='camera', name=name, **options)


class Doubles(unittest.TestCase):
    """What is common to the tests here."""

    def setUp(self):
        self.installation = Installation(self)

    def launch(self, *actions):
        """Launches a list of actions."""
        return self.installation.launch(LaunchDescription(actions))

    def read(self, kind, content):
        """Launches a file in XML or YAML."""
        content = f'<launch>{content}</launch>' if kind == 'xml' else f'launch: [{content}]'
        return self.installation.launch(self.installation.write(f'robot.launch.{kind}', content))


class Types(Doubles):
    """A value is of the type that is wanted, or a substitution."""

    def test_a_text_is_no_bool(self):
        with self.assertRaisesRegex(TypeError, "value='false' is not an instance of <class 'bool'>"):
            camera(respawn='false')

    def test_a_substitution_is_read_as_the_type(self):
        for text, wanted in (('true', True), ('False', False)):
            started = self.launch(
                SetLaunchConfiguration('again', text), camera(respawn=LaunchConfiguration('again')))
            self.assertIs(started.processes[0]['respawn'], wanted)
        with self.assertRaisesRegex(ValueError, 'maybe'):
            self.launch(SetLaunchConfiguration('again', 'maybe'), camera(respawn=LaunchConfiguration('again')))

    def test_a_number_is_no_text(self):
        for options in ({'namespace': 5}, {'arguments': [5]}, {'output': True}, {'remappings': [('image', 5)]}):
            with self.subTest(options), self.assertRaises(TypeError):
                camera(**options)

    def test_a_delay_is_a_number(self):
        with self.assertRaises(TypeError):
            self.launch(camera(respawn_delay='2.0'))

    def test_lists_are_lists(self):
        for options in ({'parameters': {'a': 1}}, {'ros_arguments': ('--log-level', 'info')}):
            with self.subTest(options), self.assertRaises(TypeError):
                camera(**options)

    def test_a_parameter_is_of_its_type(self):
        for value, kind in (('1', int), (1, str), (True, str), ('true', bool)):
            with self.subTest(value), self.assertRaises(TypeError):
                ParameterValue(value, value_type=kind)
        with self.assertRaises(TypeError):
            camera(parameters=[{'a': None}])

    def test_a_text_stays_one_and_a_substitution_becomes_what_it_looks_like(self):
        started = self.launch(
            SetLaunchConfiguration('five', '5'),
            camera(parameters=[{'text': '5', 'number': LaunchConfiguration('five')}]))
        self.assertEqual(started.nodes['/camera'].sections, {'/**': {'text': '5', 'number': 5}})

    def test_what_is_not_modelled_is_refused(self):
        for make in (lambda: camera(condition='true'), lambda: GroupAction([], forwarding=False),
                     lambda: OpaqueFunction(function='text')):
            with self.assertRaises(TypeError):
                make()


class Scopes(Doubles):
    """What a group keeps to itself, and what not."""

    def parameters(self, *actions):
        """Gives what a node gets that follows these."""
        return self.launch(*actions, camera()).nodes['/camera'].parameters

    def test_arguments_end_with_the_group(self):
        started = self.launch(GroupAction([DeclareLaunchArgument('a', default_value='b')]))
        self.assertEqual(started.context.launch_configurations, {})
        started = self.launch(GroupAction([DeclareLaunchArgument('a', default_value='b')], scoped=False))
        self.assertEqual(started.context.launch_configurations, {'a': 'b'})

    def test_parameters_end_with_the_group_that_sets_the_first(self):
        self.assertEqual(self.parameters(GroupAction([SetParameter('a', 1)])), {})

    def test_parameters_leave_a_group_where_there_were_some_before(self):
        self.assertEqual(
            self.parameters(SetParameter('b', 2), GroupAction([SetParameter('a', 1)])), {'b': 2, 'a': 1})

    def test_a_parameter_file_leaves_it_likewise(self):
        file = self.installation.write('a.yaml', {'/**': {'ros__parameters': {'a': 1}}})
        self.assertEqual(
            self.parameters(SetParameter('b', 2), GroupAction([SetParametersFromFile(file)])), {'b': 2, 'a': 1})

    def test_a_parameter_file_must_be_there(self):
        with self.assertRaises(AssertionError):
            self.parameters(SetParametersFromFile('/no/file'))
        with self.assertRaises(AssertionError):
            self.launch(camera(parameters=['/no/file']))

    def test_a_program_must_be_there(self):
        with self.assertRaisesRegex(RuntimeError, "executable 'lidar' not found"):
            self.launch(Node(package='neighbour', executable='lidar'))
        with self.assertRaisesRegex(KeyError, "package 'nobody' not found"):
            self.launch(Node(package='nobody', executable='lidar'))

    def test_names_are_those_that_rcl_takes(self):
        for options in ({'name': 'a-b'}, {'name': '1'}, {'name': 'a/b'}, {'namespace': 'a//b'}, {'namespace': 'a b'}):
            with self.subTest(options), self.assertRaisesRegex(ValueError, 'Invalid'):
                self.launch(camera(**options))

    def test_a_pushed_namespace_holds_relative_ones(self):
        for given, wanted in ((None, '/robot'), ('', '/robot'), ('arm', '/robot/arm'), ('/arm', '/arm')):
            started = self.launch(SetLaunchConfiguration('ros_namespace', 'robot'), camera(namespace=given))
            self.assertEqual(started.names, [f'{wanted}/camera'])


class FrontEnds(Doubles):
    """Files in XML and YAML."""

    def test_unknown_attributes_and_children_are_refused(self):
        for kind, content in (
            ('xml', '<node pkg="neighbour" exec="camera" nme="a"/>'),
            ('xml', '<node pkg="neighbour" exec="camera"><arg name="a" value="b"/></node>'),
            ('xml', '<include file="a.launch.py"><arg name="a" value="b" c="d"/></include>'),
            ('xml', '<group scope="false"/>'),
            ('yaml', 'node: {pkg: neighbour, exec: camera, nme: a}'),
            ('yaml', 'set_parameter: {name: a, value: b, type: str}'),
        ):
            with self.subTest(content), self.assertRaisesRegex(ValueError, 'Unexpected'):
                self.read(kind, content if kind == 'xml' else f'{{{content}}}')

    def test_unknown_elements_and_missing_attributes_are_refused(self):
        for kind, content in (('xml', '<nod/>'), ('yaml', '{nod: {}}'), ('xml', '<executable cmd="ls"/>')):
            with self.subTest(content), self.assertRaisesRegex(RuntimeError, 'Unrecognized entity'):
                self.read(kind, content)
        with self.assertRaises(AttributeError):
            self.read('xml', '<node pkg="neighbour"/>')

    def test_yaml_makes_no_type_of_another(self):
        node = '{{node: {{pkg: neighbour, exec: camera, {}}}}}'
        for attribute in ('respawn: false', 'respawn_delay: 2', 'name: 5'):
            with self.subTest(attribute), self.assertRaises(TypeError):
                self.read('yaml', node.format(attribute))
        started = self.read('yaml', node.format("respawn: 'false', respawn_delay: 2.0"))
        self.assertEqual((started.processes[0]['respawn'], started.processes[0]['respawn_delay']), (False, 2.0))
        with self.assertRaises(TypeError):
            self.read('yaml', '{set_parameter: {name: use_sim_time, value: true}}')

    def test_xml_reads_text_as_the_type_that_is_wanted(self):
        started = self.read('xml', '<node pkg="neighbour" exec="camera" respawn="false" respawn_delay="2"/>')
        self.assertEqual((started.processes[0]['respawn'], started.processes[0]['respawn_delay']), (False, 2.0))
        with self.assertRaises(TypeError):
            self.read('xml', '<node pkg="neighbour" exec="camera" respawn_delay="soon"/>')

    def test_substitutions_follow_the_grammar(self):
        for text in ('$(nobody knows)', '$(var a', '$(var )', "$(var 'a)", '$(var a"b)'):
            with self.subTest(text), self.assertRaises((RuntimeError, ValueError)):
                self.read('xml', f"<set_parameter name='a' value=\"{text.replace(chr(34), '&quot;')}\"/>")
        with self.assertRaisesRegex(RuntimeError, "launch configuration 'a' does not exist"):
            self.read('xml', '<set_parameter name="a" value="$(var a)"/>')


if __name__ == '__main__':
    unittest.main()
