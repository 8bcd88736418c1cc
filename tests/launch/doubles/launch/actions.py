"""Actions that are not about ROS."""

from .substitutions import perform


class Action:
    """Is carried out when its condition holds."""

    def __init__(self, *, condition=None):
        self.condition = condition

    def visit(self, context):
        if self.condition is None or self.condition.holds(context):
            self.execute(context)


class DeclareLaunchArgument(Action):
    """Gives an argument its default, and refuses values that are not among the choices."""

    def __init__(self, name, *, default_value=None, description=None, choices=None, **options):
        super().__init__(**options)
        self.name, self.default_value, self.description, self.choices = name, default_value, description, choices

    def execute(self, context):
        if self.name not in context.configurations:
            context.configurations[self.name] = perform(context, self.default_value)
        value = context.configurations[self.name]
        if self.choices is not None and value not in self.choices:
            raise RuntimeError(f'{self.name}: {value!r} is not one of {self.choices}')
        context.declared[self.name] = self


class SetLaunchConfiguration(Action):
    """Sets a configuration that is no argument."""

    def __init__(self, name, value, **options):
        super().__init__(**options)
        self.name, self.value = name, value

    def execute(self, context):
        context.configurations[self.name] = perform(context, self.value)


class GroupAction(Action):
    """Carries out actions in a scope of their own."""

    def __init__(self, actions, **options):
        super().__init__(**options)
        self.actions = list(actions)

    def execute(self, context):
        outer = dict(context.configurations), list(context.global_parameters)
        for action in self.actions:
            action.visit(context)
        context.configurations, context.global_parameters = outer
