"""Starts thalweg_node; the same arguments and effect as thalweg.launch.xml and thalweg.launch.yaml.

What the node gets, later ones win: the parameter file, then every argument that was given. An argument left at 'file'
is not passed on at all, so it cannot undo what the file says. The parameter file and use_sim_time reach the
robot_state_publishers too (keys under '/**' in the file); XML and YAML have no loops, so there are at most four.
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction, SetLaunchConfiguration
from launch.conditions import IfCondition, UnlessCondition
from launch.substitutions import Command, EqualsSubstitution, LaunchConfiguration, PythonExpression
from launch_ros.actions import Node, SetParameter, SetParametersFromFile
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

MOST_PUBLISHERS = 4
BOOLEANS = ['true', 'false', 'True', 'False']


def is_file(name):
    """Holds when an argument is left to the parameter file."""
    return EqualsSubstitution(LaunchConfiguration(name), 'file')


def choice(name, description):
    """Declares a boolean argument that may be left to the parameter file."""
    description += "; 'file': as params_file says"
    return DeclareLaunchArgument(name, default_value='file', description=description, choices=['file', *BOOLEANS])


def task_arguments():
    """Declares what to solve, and the parameter file, whose default depends on it."""
    shipped = [FindPackageShare('thalweg'), '/config/', LaunchConfiguration('shipped_parameters'), '.yaml']
    return [
        DeclareLaunchArgument(
            'task', default_value='file',
            description="Task to solve, such as body_pose or planar_arm; 'file': as params_file says"),
        SetLaunchConfiguration('shipped_parameters', 'body_pose'),
        SetLaunchConfiguration(
            'shipped_parameters', LaunchConfiguration('task'), condition=UnlessCondition(is_file('task'))),
        DeclareLaunchArgument(
            'params_file', default_value=shipped,
            description='Parameter file; by default the one shipped for the task. '
                        "Arguments other than 'file' win over it"),
    ]


def node_arguments():
    """Declares where and how the node runs."""
    return [
        DeclareLaunchArgument('namespace', default_value='', description='Namespace of all nodes started here'),
        DeclareLaunchArgument(
            'device', default_value='file',
            description="Where to compute: cpu, cuda, cuda:N or auto; 'file': as params_file says"),
        choice('record', 'Whether to record observations and solutions'),
        DeclareLaunchArgument(
            'view', default_value='false', choices=BOOLEANS,
            description='Whether to start thalweg_view, a window that shows the hypotheses, beside the node'),
        choice('use_sim_time', 'Whether to take the time from /clock, in all nodes started here'),
        choice('autostart', 'Whether to configure and activate the lifecycle node at once'),
        DeclareLaunchArgument(
            'log_level', default_value='info',
            description='Least severity that is logged: debug, info, warn, error or fatal, '
                        'or LOGGER:=LEVEL for one logger'),
        DeclareLaunchArgument(
            'use_respawn', default_value='false', choices=BOOLEANS,
            description='Whether to start a node again, after 2 s, when it ends by itself'),
    ]


def publisher_arguments():
    """Declares which hypotheses become TF frames."""
    return [
        DeclareLaunchArgument(
            'hypotheses_tf', default_value='0', choices=[str(count) for count in range(MOST_PUBLISHERS + 1)],
            description='For how many hypotheses, best first, to start a robot_state_publisher with frame_prefix hN/'),
        DeclareLaunchArgument(
            'urdf', default_value=[FindPackageShare('thalweg'), '/urdf/human_21.urdf'],
            description='URDF for hypotheses_tf and view; its joints are those of the task (by default, of body_pose)'),
    ]


def set_unless_file(name, parameter=None):
    """Passes an argument on as a parameter, of its own name by default, unless it is left to the parameter file."""
    return SetParameter(parameter or name, LaunchConfiguration(name), condition=UnlessCondition(is_file(name)))


def start(package, executable, **options):
    """Starts a node with what all nodes here have in common."""
    options = {'respawn': LaunchConfiguration('use_respawn'), 'respawn_delay': 2.0, **options}
    return Node(
        package=package, executable=executable, namespace=LaunchConfiguration('namespace'), output='screen',
        ros_arguments=['--log-level', LaunchConfiguration('log_level')], **options)


def publisher(index):
    """Starts the robot_state_publisher of one hypothesis.

    It gets topics of its own, not the robot's robot_description, and relative TF topics, as nav2 does.
    """
    hypothesis = f'thalweg/hypotheses/h{index}'
    description = ParameterValue(Command(['cat ', LaunchConfiguration('urdf')]), value_type=str)
    return start(
        'robot_state_publisher', 'robot_state_publisher', name=f'robot_state_publisher_h{index}',
        parameters=[{'robot_description': description}, {'frame_prefix': f'h{index}/'}],
        remappings=[
            ('joint_states', f'{hypothesis}/joint_states'),
            ('robot_description', f'{hypothesis}/robot_description'),
            ('/tf', 'tf'),
            ('/tf_static', 'tf_static'),
        ],
        condition=IfCondition(PythonExpression([LaunchConfiguration('hypotheses_tf'), f' > {index}'])))


def window():
    """Starts the window; one that was closed stays closed."""
    return start(
        'thalweg', 'thalweg_view', name='thalweg_view', arguments=['--urdf', LaunchConfiguration('urdf')],
        respawn='false', condition=IfCondition(LaunchConfiguration('view')))


def generate_launch_description():
    """Declares the arguments and starts the nodes."""
    nodes = GroupAction([
        SetParametersFromFile(LaunchConfiguration('params_file')),
        set_unless_file('use_sim_time'),
        *[publisher(index) for index in range(MOST_PUBLISHERS)],
        window(),
        *[set_unless_file(name) for name in ['task', 'device']],
        set_unless_file('record', 'record.enabled'),
        set_unless_file('autostart'),
        start('thalweg', 'thalweg_node', name='thalweg'),
    ])
    return LaunchDescription([*task_arguments(), *node_arguments(), *publisher_arguments(), nodes])
