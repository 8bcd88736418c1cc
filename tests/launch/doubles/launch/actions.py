"""Actions that are not about ROS."""

from . import description
from .launch_description_sources import AnyLaunchDescriptionSource, LaunchDescriptionSource
from .substitutions import normalize, perform
from .typed import normalize_typed, perform_typed

OUTPUTS = {'screen', 'log', 'both', 'own_log', 'full'}


class Action:
    """Is carried out. Options that nobody took are refused; so are conditions, which are not modelled."""

    def __init__(self, **options):
        if options:
            raise TypeError(f'{type(self).__name__} has no {sorted(options)}')

    def visit(self, context):
        """Carries it out; gives what comes next."""
        return self.execute(context)

    def describe_sub_entities(self):
        """Gives what can be known before the launch."""
        return []


class DeclareLaunchArgument(Action):
    """Gives an argument its default, and refuses values that are not among the choices."""

    def __init__(self, name, *, default_value=None, description=None, choices=None, **options):
        super().__init__(**options)
        if isinstance(default_value, str) and choices is not None and default_value not in choices:
            raise RuntimeError(f'Provided default_value "{default_value}" is not in provided choices "{choices}".')
        self.name, self.description, self.choices = name, description, choices
        self.default_value = None if default_value is None else normalize(default_value)

    def execute(self, context):
        given = context.launch_configurations
        if self.name not in given:
            if self.default_value is None:
                raise RuntimeError(f'Required launch argument "{self.name}" was not provided.')
            given[self.name] = perform(context, self.default_value)
        if self.choices is not None and given[self.name] not in self.choices:
            raise RuntimeError(f'Argument "{self.name}" provided value "{given[self.name]}" is not valid. '
                               f'Valid options are: {self.choices}')


class SetLaunchConfiguration(Action):
    """Sets a configuration."""

    def __init__(self, name, value, **options):
        super().__init__(**options)
        self.name, self.value = normalize(name), normalize(value)

    def execute(self, context):
        context.launch_configurations[perform(context, self.name)] = perform(context, self.value)


class Call(Action):
    """Calls a method of the context."""

    def __init__(self, method):
        super().__init__()
        self.method = method

    def execute(self, context):
        self.method(context)


class GroupAction(Action):
    """Carries out actions in a scope of their own."""

    def __init__(self, actions, *, scoped=True, **options):
        super().__init__(**options)
        self.actions = list(actions)
        if scoped:
            scope = description.LaunchContext
            self.actions = [Call(scope.push), *self.actions, Call(scope.pop)]

    def describe_sub_entities(self):
        return self.actions

    def execute(self, context):
        return self.actions


class OpaqueFunction(Action):
    """Calls a function, which may give further actions."""

    def __init__(self, *, function, **options):
        super().__init__(**options)
        if not callable(function):
            raise TypeError(f"OpaqueFunction expected a callable for 'function', got '{type(function)}'")
        self.function = function

    def execute(self, context):
        return self.function(context)


class LogInfo(Action):
    """Logs a text."""

    def __init__(self, *, msg, **options):
        super().__init__(**options)
        self.msg = normalize(msg)

    def execute(self, context):
        context.log.append(perform(context, self.msg))


class IncludeLaunchDescription(Action):
    """Carries out another launch file, in the scope that there is."""

    def __init__(self, launch_description_source, *, launch_arguments=None, **options):
        super().__init__(**options)
        if not isinstance(launch_description_source, LaunchDescriptionSource):
            launch_description_source = AnyLaunchDescriptionSource(launch_description_source)
        self.source = launch_description_source
        self.arguments = [SetLaunchConfiguration(name, value) for name, value in launch_arguments or ()]

    def describe_sub_entities(self):
        return [self.source.load(description.LaunchContext())]

    def execute(self, context):
        return [*self.arguments, self.source.load(context)]


class ExecuteProcess(Action):
    """Starts a process: here, notes what would be started."""

    def __init__(self, *, cmd, output='log', respawn=False, respawn_delay=None, **options):
        super().__init__(**options)
        self.cmd = [normalize(word) for word in cmd]
        self.output, self.respawn, self.respawn_delay = normalize(output), normalize_typed(respawn, bool), respawn_delay

    def execute(self, context):
        output = perform(context, self.output)
        if output not in OUTPUTS:
            raise ValueError(f'{output} is not a valid standard output config')
        # Compared before the process is started again; text has no order among numbers.
        assert self.respawn_delay is None or self.respawn_delay >= 0.0
        context.processes.append({
            'argv': [perform(context, word) for word in self.cmd],
            'output': output,
            'respawn': perform_typed(context, self.respawn, bool),
            'respawn_delay': self.respawn_delay,
        })
