"""Actions that start ROS nodes; what comes out is the command line that launch_ros of Jazzy makes."""

import json
import os
import re
import tempfile

from ament_index_python.packages import get_package_prefix
from launch.actions import Action, ExecuteProcess
from launch.substitutions import Substitution, TextSubstitution, normalize, perform

from .parameter_descriptions import evaluate, normalize_dict


class SetParameter(Action):
    """Gives a parameter to all nodes that follow: it grows a list that every scope with a list shares."""

    def __init__(self, name, value, **options):
        super().__init__(**options)
        self.values = normalize_dict({tuple(normalize(name)): value})

    def execute(self, context):
        values = context.launch_configurations.get('global_params', [])
        values.extend(evaluate(context, self.values).items())
        context.launch_configurations['global_params'] = values


class SetParametersFromFile(Action):
    """Gives a parameter file to all nodes that follow, by the same list."""

    def __init__(self, filename, **options):
        super().__init__(**options)
        self.filename = normalize(filename)

    def execute(self, context):
        values = context.launch_configurations.get('global_params', [])
        values.append(perform(context, self.filename))
        context.launch_configurations['global_params'] = values


class ExecutableInPackage(Substitution):
    """Gives the path of a program."""

    def __init__(self, package, executable):
        self.package, self.executable = normalize(package), normalize(executable)

    def perform(self, context):
        package, executable = perform(context, self.package), perform(context, self.executable)
        folder = os.path.join(get_package_prefix(package), 'lib', package)
        path = os.path.join(folder, executable)
        if not os.access(path, os.X_OK):
            raise RuntimeError(f"executable '{executable}' not found on the libexec directory '{folder}'")
        return path


def is_token(text):
    """Holds for what rcl takes for a node's name or a part of a namespace."""
    return re.fullmatch(r'[A-Za-z_][A-Za-z0-9_]*', text) is not None


class Node(ExecuteProcess):
    """Starts a node."""

    def __init__(self, *, executable, package, name=None, namespace=None, parameters=None, remappings=None,
                 ros_arguments=None, arguments=None, **options):
        command = [ExecutableInPackage(package, executable)] + (arguments or [])
        command += [] if ros_arguments is None else ['--ros-args'] + ros_arguments
        super().__init__(cmd=[*command, '--ros-args'], **options)
        if not isinstance(parameters, (list, type(None))):
            raise TypeError(f"Node expects parameters of <class 'list'>, got {type(parameters)}")
        self.name, self.namespace = (None if part is None else normalize(part) for part in (name, namespace))
        self.parameters = [
            normalize_dict(entry) if isinstance(entry, dict) else normalize(entry) for entry in parameters or []
        ]
        self.remappings = [(normalize(source), normalize(target)) for source, target in remappings or []]

    def execute(self, context):
        own = self.cmd
        name, namespace = self.names(context)
        words = [] if name is None else ['-r', f'__node:={name}']
        words += [] if namespace is None else ['-r', f'__ns:={namespace}']
        words += [word for value in context.launch_configurations.get('global_params', []) for word in shared(value)]
        full = None if None in (name, namespace) else f"{namespace.rstrip('/')}/{name}"
        words += [word for entry in self.parameters for word in ('--params-file', self.file(context, entry, full))]
        words += [
            word for source, target in self.remappings
            for word in ('-r', f'{perform(context, source)}:={perform(context, target)}')
        ]
        self.cmd = [*own, *([TextSubstitution(text=word)] for word in words)]
        super().execute(context)

    def names(self, context):
        """Gives name and namespace; a relative namespace lies in that of PushRosNamespace."""
        name = None if self.name is None else perform(context, self.name)
        if name is not None and not is_token(name):
            raise ValueError(f"Invalid node name: '{name}'")
        base = context.launch_configurations.get('ros_namespace')
        own = None if self.namespace is None else perform(context, self.namespace)
        if base is None and own is None:
            return name, None
        if own is None or (base and not own.startswith('/')):
            own = f"{base.rstrip('/')}/{own or ''}"
        own = own if own == '/' else own.rstrip('/')
        own = own if own.startswith('/') else f'/{own}'
        if own != '/' and not all(is_token(part) for part in own[1:].split('/')):
            raise ValueError(f"Invalid namespace: '{own}'")
        return name, own

    def file(self, context, entry, full):
        """Gives the path of a parameter file; values by name are written to one, for this node."""
        if not isinstance(entry, dict):
            path = perform(context, entry)
            assert os.path.isfile(path), f'Parameter file path is not a file: {path}'
            return path
        values = evaluate(context, entry)
        assert values, 'rcl takes no file without parameters'
        with tempfile.NamedTemporaryFile('w', prefix='launch_params_', delete=False) as file:
            json.dump({full or '/**': {'ros__parameters': values}}, file)  # which is YAML, too
        return file.name


def shared(value):
    """Gives the words for what all nodes get; a file must be there, of which launch_ros's assert says nothing."""
    if isinstance(value, tuple):
        return ['-p', f'{value[0]}:={value[1]}']
    path = os.path.abspath(value)
    assert os.path.isfile(path)
    return ['--params-file', path]
