"""Starts thalweg_node, and beside it what is asked for; thalweg.launch.xml and thalweg.launch.yaml include this file.

What the node gets, later ones win: what an including launch file gives to all its nodes, the parameter file, then
every argument that was given. An argument left at 'file' is not passed on at all, so it cannot undo what the file says.

Whoever includes this keeps what is theirs. All of it lies in one group, so that no default here becomes an argument
of the next file; and parameters are given to each node by itself, not by SetParameter: launch_ros keeps what that sets
in one list, which a group shares with those outside.
"""

import json
import subprocess
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import yaml
from ament_index_python.packages import get_package_prefix, get_package_share_directory
from ament_index_python.resources import get_resource
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction, OpaqueFunction
from launch_ros.actions import Node

NAME = 'thalweg'
MOST_PUBLISHERS = 4  # each is a process, and one more for its root
BOOLEANS = ['true', 'false', 'True', 'False']
# Arguments that are parameters of the node, unless they are left to the parameter file.
PARAMETERS = {'task': 'task', 'plugins': 'plugins', 'device': 'device', 'record': 'record.enabled', 'autostart': 'autostart'}
INPUTS = ['joint_states', 'image', 'mask', 'points', 'cloud', 'camera_info']
# RViz and robot_state_publisher have TF absolute; under a namespace it is the robot's own, as nav2 has it.
RELATIVE_TF = [('/tf', 'tf'), ('/tf_static', 'tf_static')]


def choice(name, description, default='false'):
    """Declares a boolean argument; one that is 'file' by default may be left to the parameter file."""
    own = ['file'] if default == 'file' else []
    description += "; 'file': as params_file says" if own else ''
    return DeclareLaunchArgument(name, default_value=default, description=description, choices=[*own, *BOOLEANS])


def text(name, default, description):
    """Declares an argument that may be anything."""
    return DeclareLaunchArgument(name, default_value=default, description=description)


def node_arguments():
    """Declares what to solve, where and how."""
    return [
        text('task', 'file', "Task to solve, such as body_pose or planar_arm, the folder of a scripted task, or "
                             "PACKAGE/TASK of what a package has installed; 'file': as params_file says"),
        text('plugins', 'file', 'Libraries with tasks of others, separated by colons: files, folders, or PACKAGE/TASK of the '
                                "ament index; 'file': as params_file says"),
        text('params_file', '', 'Parameter file for all nodes started here, with sections /** or thalweg; by default '
                                "the one shipped for the task. Arguments other than 'file' win over it"),
        text('namespace', '', 'Namespace of all nodes started here'),
        text('name', NAME, 'Name of the node; sections of params_file for thalweg are for it, whatever it is'),
        text('device', 'file', "Where to compute: cpu, cuda, cuda:N or auto; 'file': as params_file says"),
        choice('record', 'Whether to record observations and solutions', 'file'),
        choice('use_sim_time', 'Whether to take the time from /clock, in all nodes started here', 'file'),
        choice('autostart', 'Whether to configure and activate the lifecycle node at once', 'file'),
        text('log_level', 'info', 'Least severity that is logged: debug, info, warn, error or fatal, '
                                  'or LOGGER:=LEVEL for one logger'),
        choice('use_respawn', 'Whether to start a node again, after 2 s, when it ends by itself'),
        *[text(name, name, f'Topic that the node reads as {name}') for name in INPUTS],
    ]


def shown_arguments():
    """Declares what is started to be looked at."""
    return [
        choice('view', 'Whether to start thalweg_view, a window that shows the hypotheses, beside the node'),
        choice('rviz', 'Whether to start RViz, with one robot_state_publisher at least'),
        choice('demo', 'Whether to play the bundled motion to the node, on a topic of its own unless joint_states '
                       'names one'),
        DeclareLaunchArgument(
            'hypotheses_tf', default_value='0', choices=[str(count) for count in range(MOST_PUBLISHERS + 1)],
            description='For how many hypotheses to start a robot_state_publisher with frame_prefix hN/: of 1 for the best, '
                        'of more for the same ones from frame to frame'),
        text('frame', 'map', 'Frame in which the roots hN/base_link stand, for hypotheses_tf and rviz'),
        text('urdf', '', 'URDF for hypotheses_tf, rviz and view; its joints are those of the task. By default the one '
                         'shipped for the task'),
    ]


def is_on(given, name):
    """Holds when a boolean argument is true."""
    return given[name].lower() == 'true'


def keep(content, suffix):
    """Writes a file that outlives the launch file, as the nodes read it later; gives its path."""
    with tempfile.NamedTemporaryFile('w', prefix='launch_thalweg_', suffix=suffix, delete=False) as file:
        file.write(content)
    return Path(file.name)


def existing(argument, path):
    """Gives the path of a file, or says which argument named none."""
    if not path.is_file():
        raise RuntimeError(f"{argument}: got '{path}', expected a file that is there")
    return path.absolute()


def sections(content):
    """Finds the nodes that a parameter file is for: the keys right above ros__parameters."""
    for key, below in content.value if isinstance(content, yaml.MappingNode) else []:
        inner = below.value if isinstance(below, yaml.MappingNode) else []
        if any(name.value == 'ros__parameters' for name, _ in inner):
            yield key
        else:
            yield from sections(below)


def renamed(path, name):
    """Gives a parameter file whose sections for thalweg are for a node of another name, unless it has its own."""
    content = path.read_text()
    try:
        keys = list(sections(yaml.compose(content, Loader=yaml.SafeLoader)))
    except yaml.YAMLError as error:
        raise RuntimeError(f"params_file: '{path}' is no YAML: {' '.join(str(error).split())}") from error
    last = [key.value.rpartition('/')[2] for key in keys]
    if name in last or NAME not in last:
        return path
    for key, old in reversed(list(zip(keys, last))):
        if old == NAME:
            new = json.dumps(key.value[:len(key.value) - len(NAME)] + name)
            content = content[:key.start_mark.index] + new + content[key.end_mark.index:]
    return keep(content, '.yaml')


def dumped(task, plugins, shipped):
    """Gives the parameter file of a task that is not shipped; the node knows those that it was built with."""
    program = Path(get_package_prefix('thalweg'), 'lib', 'thalweg', 'thalweg_node')
    libraries = [] if plugins == 'file' else [f'--plugins={plugins}']
    asked = subprocess.run(
        [program, f'--dump-params={task}', *libraries], capture_output=True, text=True, timeout=60)
    if asked.returncode != 0:
        names = ', '.join(sorted(path.stem for path in shipped.glob('*.yaml')))
        answer = ' '.join(asked.stderr.split())
        raise RuntimeError(f"task: got '{task}', expected {names} or a task of your own: {answer}")
    return keep(asked.stdout, '.yaml')


def parameter_file(given, share):
    """Gives the parameter file: the one that is given, else the task's."""
    if given['params_file']:
        path = existing('params_file', Path(given['params_file']))
    else:
        task = 'body_pose' if given['task'] == 'file' else given['task']
        path = share / 'config' / f'{task}.yaml'
        path = path if path.is_file() else dumped(task, given['plugins'], share / 'config')
    return path if given['name'] == NAME else renamed(path, given['name'])


def body(given, share):
    """Gives the URDF, its root, and the frame in which the task draws; None where nothing is shipped for the task."""
    shipped = {'file': 'human_21', 'body_pose': 'human_21', 'planar_arm': 'planar_arm'}.get(given['task'])
    if not given['urdf'] and shipped is None:
        return None
    path = existing('urdf', Path(given['urdf']) if given['urdf'] else share / 'urdf' / f'{shipped}.urdf')
    description = path.read_text()
    try:
        robot = ElementTree.fromstring(description)
        children = {joint.find('child').get('link') for joint in robot.findall('joint')}
        links = [link.get('name') for link in robot.findall('link')]
        root = next(link for link in links if link not in children)
    except (ElementTree.ParseError, AttributeError, StopIteration) as error:
        raise RuntimeError(f"urdf: got '{path}', expected a URDF with links, joints and a root: {error}") from error
    # The points of body_pose lie in its pelvis, whose axes are turned against the root's.
    return {'path': path, 'description': description, 'root': root, 'drawn': 'pelvis' if 'pelvis' in links else root}


def is_installed(package, task):
    """Holds when a package has a library with this task, as the ament index says."""
    if not package or '/' in task:
        return False
    try:
        content, _ = get_resource('thalweg_task', package)
    except (LookupError, OSError, ValueError):
        return False
    return task in (line.split(' ')[0] for line in content.splitlines())


def with_task(given):
    """Takes PACKAGE/TASK for what a package has installed, any other path for the folder of a scripted task."""
    if '/' not in given['task']:
        return {**given, 'folder': None}
    package, _, task = given['task'].partition('/')
    if is_installed(package, task):
        plugins = given['task'] if given['plugins'] == 'file' else f"{given['plugins']}:{given['task']}"
        return {**given, 'task': task, 'plugins': plugins, 'folder': None}
    folder = Path(given['task'])
    existing('task', folder / 'task.yaml')
    return {**given, 'task': 'scripted', 'folder': str(folder.absolute())}


class Guest:
    """Starts nodes with what all of them have in common."""

    def __init__(self, given):
        self.given = given
        self.share = Path(get_package_share_directory('thalweg'))
        self.file = parameter_file(given, self.share)
        self.body = body(given, self.share)
        self.name = given['name']
        topics = {name: self.topic(name) for name in INPUTS}
        self.inputs = [(name, topic) for name, topic in topics.items() if topic != name]
        self.publishers = max(int(given['hypotheses_tf']), int(is_on(given, 'rviz') and self.body is not None))
        if self.publishers > 0 and self.body is None:
            raise RuntimeError(f"urdf: got none, expected one: none is shipped for task '{given['task']}'")
        if self.publishers > 0 and not given['frame']:
            raise RuntimeError("frame: got '', expected the name of a frame")

    def topic(self, name):
        """Gives the topic of an input; what is played stays away from the robot's own joint_states."""
        if not self.given[name]:
            raise RuntimeError(f"{name}: got '', expected the name of a topic")
        is_played = name == 'joint_states' == self.given[name] and is_on(self.given, 'demo')
        return f'{self.name}/demo/{name}' if is_played else self.given[name]

    def of_own(self, name):
        """Tells the nodes of this one from those of another in the same namespace."""
        return name if self.name == NAME else f'{self.name}_{name}'

    def prefix(self, index):
        """Tells the frames likewise."""
        return f'h{index}/' if self.name == NAME else f'{self.name}/h{index}/'

    def start(self, package, executable, parameters=None, **options):
        """Starts a node."""
        parameters = dict(parameters or {})
        if self.given['use_sim_time'] != 'file':
            parameters['use_sim_time'] = is_on(self.given, 'use_sim_time')
        options = {'respawn': is_on(self.given, 'use_respawn'), 'respawn_delay': 2.0, **options}
        return Node(
            package=package, executable=executable, namespace=self.given['namespace'], output='screen',
            ros_arguments=['--log-level', self.given['log_level']],
            # launch_ros would write an empty dictionary into a file that rcl does not take.
            parameters=[str(self.file), *([parameters] if parameters else [])], **options)

    def node(self):
        """Starts the node itself."""
        given = {argument: self.given[argument] for argument in PARAMETERS if self.given[argument] != 'file'}
        parameters = {
            PARAMETERS[argument]: value.lower() == 'true' if value in BOOLEANS else value
            for argument, value in given.items()
        }
        if self.given['folder'] is not None:
            parameters['scripted.task'] = self.given['folder']
        if self.publishers > 0:
            # So that markers are in a frame that is published.
            parameters['output.frame_id'] = self.prefix(0) + self.body['drawn']
        if self.publishers > 1 and not is_on(self.given, 'view'):
            # So that hN is the same hypothesis from frame to frame, whatever its rank. Of one, the best is shown, and
            # the window takes numbers for ranks.
            parameters['output.order'] = 'identity'
        return self.start('thalweg', 'thalweg_node', parameters, name=self.name, remappings=self.inputs)

    def publisher(self, index):
        """Starts the robot_state_publisher of a hypothesis, on topics of its own, and fixes its root."""
        topic = f'{self.name}/hypotheses/h{index}'
        yield self.start(
            'robot_state_publisher', 'robot_state_publisher',
            {
                'robot_description': self.body['description'], 'frame_prefix': self.prefix(index),
                # As often as joints come; its default lets 20 a second through.
                'publish_frequency': 1000.0,
            },
            name=self.of_own(f'robot_state_publisher_h{index}'),
            remappings=[
                ('joint_states', f'{topic}/joint_states'), ('robot_description', f'{topic}/robot_description'),
                *RELATIVE_TF,
            ])
        root = self.prefix(index) + self.body['root']
        yield self.start(
            'tf2_ros', 'static_transform_publisher', name=self.of_own(f'static_transform_publisher_h{index}'),
            arguments=['--frame-id', self.given['frame'], '--child-frame-id', root], remappings=RELATIVE_TF)

    def window(self):
        """Starts the window; one that was closed stays closed."""
        urdf = ['--urdf', str(self.body['path'])] if self.body else []
        return self.start(
            'thalweg', 'thalweg_view', name=f'{self.name}_view', arguments=['--node', self.name, *urdf],
            remappings=self.inputs, respawn=False)

    def rviz(self):
        """Starts RViz; its topics are relative, so they follow the namespace."""
        path = self.share / 'rviz' / 'thalweg.rviz'
        if self.name != NAME:
            content = path.read_text().replace(f'{NAME}/', f'{self.name}/')
            path = keep(content.replace('TF Prefix: h', f'TF Prefix: {self.name}/h'), '.rviz')
        return self.start(
            'rviz2', 'rviz2', arguments=['-d', str(path), '-f', self.given['frame']],
            remappings=[*self.inputs, *RELATIVE_TF], respawn=False)

    def player(self):
        """Starts what plays the bundled motion, into the input of the node."""
        if self.given['task'] not in ('file', 'body_pose'):
            raise RuntimeError(f"demo: got task '{self.given['task']}', expected body_pose, whose motion is played")
        return self.start('thalweg', 'thalweg_play', name=f'{self.name}_play', remappings=self.inputs)


def start_all(context):
    """Starts what the arguments ask for."""
    guest = Guest(with_task(dict(context.launch_configurations)))
    started = [action for index in range(guest.publishers) for action in guest.publisher(index)]
    for name, start in (('view', guest.window), ('rviz', guest.rviz), ('demo', guest.player)):
        if is_on(guest.given, name):
            started.append(start())
    return [*started, guest.node()]


def generate_launch_description():
    """Declares the arguments and starts the nodes."""
    return LaunchDescription([
        GroupAction([*node_arguments(), *shown_arguments(), OpaqueFunction(function=start_all)])])
