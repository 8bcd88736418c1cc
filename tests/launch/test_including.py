"""A robot's launch file that includes ours keeps what is its own: parameters, parameter files and arguments."""

import unittest

from installed import KINDS, Installation

# Launch files of a robot: sim time for all nodes, then ours, then a node of the robot's own.
PARENTS = {
    'py': '''
from launch import LaunchDescription
from launch.actions import GroupAction, IncludeLaunchDescription
from launch_ros.actions import Node, SetParameter

def generate_launch_description():
    ours = IncludeLaunchDescription({file!r}, launch_arguments={arguments!r}.items())
    return LaunchDescription([
        SetParameter('use_sim_time', True),
        GroupAction([ours], scoped={scoped}) if {grouped} else ours,
        Node(package='neighbour', executable='camera', name='camera', namespace=''),
    ])
''',
    'xml': '''
<launch>
  <set_parameter name="use_sim_time" value="true"/>
  {open}<include file="{file}">{arguments_xml}</include>{close}
  <node pkg="neighbour" exec="camera" name="camera" namespace=""/>
</launch>
''',
    'yaml': '''
launch:
- set_parameter: {{name: use_sim_time, value: 'true'}}
- {include_yaml}
- node: {{pkg: neighbour, exec: camera, name: camera, namespace: ''}}
''',
}


class Including(unittest.TestCase):
    """Each of our files, in each of theirs, inside and outside a group."""

    def setUp(self):
        self.installation = Installation(self)

    def parent(self, kind, ours, grouped, **arguments):
        """Writes a robot's launch file; gives its path."""
        file = str(self.installation.share / f'launch/thalweg.launch.{ours}')
        listed = ', '.join(f"{{name: {name}, value: '{value}'}}" for name, value in arguments.items())
        include = f'include: {{file: {file}{f", arg: [{listed}]" if listed else ""}}}'
        return self.installation.write(f'robot.launch.{kind}', PARENTS[kind].format(
            file=file, arguments=arguments, scoped=True, grouped=grouped,
            open='<group>' if grouped else '', close='</group>' if grouped else '',
            arguments_xml=''.join(f'<arg name="{name}" value="{value}"/>' for name, value in arguments.items()),
            include_yaml=f'group: [{{{include}}}]' if grouped else include))

    def each(self, **arguments):
        """Launches every combination."""
        for kind in KINDS:
            for ours in KINDS:
                for grouped in (False, True):
                    with self.subTest(parent=kind, ours=ours, grouped=grouped):
                        yield self.installation.launch(self.parent(kind, ours, grouped, **arguments))

    def test_the_robots_sim_time_holds_for_our_nodes(self):
        for started in self.each(view='true', hypotheses_tf='2'):
            self.assertEqual(len(started.nodes), 7)
            for name, node in started.nodes.items():
                self.assertIs(node.parameters['use_sim_time'], True, name)

    def test_nothing_of_ours_reaches_a_node_that_follows(self):
        for started in self.each(task='planar_arm', device='cpu', use_sim_time='false', hypotheses_tf='1'):
            camera = started.processes[-1]['argv']
            self.assertEqual(camera[1:], [
                '--ros-args', '-r', '__node:=camera', '-r', '__ns:=/', '-p', 'use_sim_time:=True'])

    def test_what_is_asked_of_ours_holds_for_ours(self):
        for started in self.each(use_sim_time='false', task='planar_arm'):
            parameters = started.nodes['/thalweg'].parameters
            self.assertEqual((parameters['use_sim_time'], parameters['task']), (False, 'planar_arm'))

    def test_none_of_our_arguments_becomes_one_of_a_file_that_follows(self):
        for started in self.each():
            self.assertEqual(started.context.launch_configurations, {'global_params': [('use_sim_time', True)]})

    def test_a_demo_leaves_nothing_either(self):
        file = self.installation.write('robot.launch.py', PARENTS['py'].format(
            file=str(self.installation.share / 'launch/demo.launch.py'), arguments={}, scoped=True, grouped=False))
        started = self.installation.launch(file)
        self.assertEqual(started.context.launch_configurations, {'global_params': [('use_sim_time', True)]})

    def test_twice_in_one_robot(self):
        file = self.installation.write('robot.launch.py', '''
from launch import LaunchDescription
from launch.actions import GroupAction, IncludeLaunchDescription

def generate_launch_description():
    return LaunchDescription([
        GroupAction([IncludeLaunchDescription({file!r}, launch_arguments=arguments.items())])
        for arguments in ({{'hypotheses_tf': '2'}}, {{'hypotheses_tf': '2', 'name': 'left', 'task': 'planar_arm'}})
    ])
'''.format(file=str(self.installation.share / 'launch/thalweg.launch.py')))
        started = self.installation.launch(file)
        self.assertEqual(len(started.nodes), 10)
        self.assertEqual(started.nodes['/left'].parameters['task'], 'planar_arm')
        self.assertEqual(started.nodes['/thalweg'].parameters['task'], 'body_pose')

    def test_parameters_that_the_robot_gives_all_nodes_reach_ours_but_yield_to_our_file(self):
        for_all = self.installation.write('all.yaml', {'/**': {'ros__parameters': {'threads': 3, 'hypotheses': 3}}})
        own = self.installation.write('own.yaml', {'thalweg': {'ros__parameters': {'hypotheses': 5}}})
        file = self.installation.write('robot.launch.xml', f'''
<launch>
  <set_parameters_from_file filename="{for_all}"/>
  <include file="$(find-pkg-share thalweg)/launch/thalweg.launch.xml"><arg name="params_file" value="{own}"/></include>
</launch>
''')
        parameters = self.installation.launch(file).nodes['/thalweg'].parameters
        self.assertEqual(parameters, {'threads': 3, 'hypotheses': 5})


if __name__ == '__main__':
    unittest.main()
