"""Actions that start ROS nodes; what comes out is the command line that launch_ros of Jazzy makes."""

import json

from launch.actions import Action
from launch.conditions import boolean
from launch.substitutions import perform

from .parameter_descriptions import ParameterValue


def evaluate(context, value):
    """Works out a parameter's value."""
    return (value if isinstance(value, ParameterValue) else ParameterValue(value)).evaluate(context)


class SetParameter(Action):
    """Gives a parameter to all nodes that follow in this scope."""

    def __init__(self, name, value, **options):
        super().__init__(**options)
        self.name, self.value = name, value

    def execute(self, context):
        context.global_parameters += [['-p', f'{perform(context, self.name)}:={evaluate(context, self.value)}']]


class SetParametersFromFile(Action):
    """Gives a parameter file to all nodes that follow in this scope."""

    def __init__(self, filename, **options):
        super().__init__(**options)
        self.filename = filename

    def execute(self, context):
        context.global_parameters += [['--params-file', perform(context, self.filename)]]


class Node(Action):
    """Starts a node."""

    def __init__(self, *, package, executable, name=None, namespace=None, parameters=None, remappings=None,
                 ros_arguments=None, arguments=None, output='log', respawn=False, respawn_delay=0.0, **options):
        super().__init__(**options)
        self.package, self.executable, self.name, self.namespace = package, executable, name, namespace
        self.parameters, self.remappings = parameters or [], remappings or []
        self.ros_arguments, self.arguments = ros_arguments, arguments or []
        self.output, self.respawn, self.respawn_delay = output, respawn, respawn_delay

    def execute(self, context):
        process = {
            'argv': self.program(context) + self.names(context) + self.values(context) + self.remaps(context),
            'output': perform(context, self.output),
            'respawn': boolean(context, self.respawn),
            'respawn_delay': self.respawn_delay,
        }
        context.processes.append(process)

    def program(self, context):
        """Gives the program and the arguments that are the caller's own."""
        package = perform(context, self.package)
        program = f'{context.prefixes[package]}/lib/{package}/{perform(context, self.executable)}'
        own = [] if self.ros_arguments is None else ['--ros-args', *self.ros_arguments]
        return [program, *(perform(context, argument) for argument in [*self.arguments, *own]), '--ros-args']

    def full_namespace(self, context):
        """Gives the namespace, absolute; an empty one is the root."""
        return '/' + perform(context, self.namespace).strip('/')

    def names(self, context):
        """Gives the rules for name and namespace."""
        name = [] if self.name is None else ['-r', f'__node:={perform(context, self.name)}']
        namespace = [] if self.namespace is None else ['-r', f'__ns:={self.full_namespace(context)}']
        return name + namespace

    def values(self, context):
        """Gives the parameters: the scope's, then the node's own, each set in a file that launch writes."""
        words = [word for pair in context.global_parameters for word in pair]
        owner = f"{self.full_namespace(context).rstrip('/')}/{perform(context, self.name)}"
        for entry in self.parameters:
            values = {perform(context, name): evaluate(context, value) for name, value in entry.items()}
            words += ['--params-file', json.dumps({owner: {'ros__parameters': values}})]
        return words

    def remaps(self, context):
        """Gives the remapping rules."""
        return [
            word for source, target in self.remappings
            for word in ('-r', f'{perform(context, source)}:={perform(context, target)}')
        ]
