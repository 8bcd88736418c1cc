"""Text that is worked out when the launch runs."""

import shlex
import subprocess


def perform(context, value):
    """Works out a text, a substitution, or a sequence of them."""
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)):
        return ''.join(perform(context, part) for part in value)
    return value.perform(context)


class LaunchConfiguration:
    """Gives an argument's value."""

    def __init__(self, name):
        self.name = name

    def perform(self, context):
        return context.configurations[perform(context, self.name)]


class EqualsSubstitution:
    """Compares two texts."""

    def __init__(self, left, right):
        self.left, self.right = left, right

    def perform(self, context):
        return 'true' if perform(context, self.left) == perform(context, self.right) else 'false'


class PythonExpression:
    """Evaluates Python."""

    def __init__(self, expression):
        self.expression = expression

    def perform(self, context):
        return str(eval(perform(context, self.expression), {'__builtins__': {}}))


class Command:
    """Gives what a command prints."""

    def __init__(self, command):
        self.command = command

    def perform(self, context):
        return subprocess.check_output(shlex.split(perform(context, self.command)), text=True)
