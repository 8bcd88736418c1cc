"""Text that is worked out when the launch runs."""


class Substitution:
    """Is worked out to a text."""

    def perform(self, context):
        raise NotImplementedError


class TextSubstitution(Substitution):
    """Is a text already."""

    def __init__(self, *, text):
        if not isinstance(text, str):
            raise TypeError(f'TextSubstitution expects str, got {type(text)}')
        self.text = text

    def perform(self, context):
        return self.text


class LaunchConfiguration(Substitution):
    """Gives an argument's value."""

    def __init__(self, variable_name):
        self.variable_name = normalize(variable_name)

    def perform(self, context):
        name = perform(context, self.variable_name)
        if name not in context.launch_configurations:
            raise RuntimeError(f"launch configuration '{name}' does not exist")
        return context.launch_configurations[name]


def normalize(value):
    """Makes a list of substitutions of a text, a substitution, or a sequence of both; nothing else is one."""
    if isinstance(value, (str, Substitution)):
        value = [value]
    if not isinstance(value, (list, tuple)):
        raise TypeError(f'expected text or substitutions, got {value!r} of {type(value)}')
    for part in value:
        if not isinstance(part, (str, Substitution)):
            raise TypeError(f"expected 'str' or 'launch.Substitution', got {part!r} of {type(part)}")
    return [TextSubstitution(text=part) if isinstance(part, str) else part for part in value]


def perform(context, substitutions):
    """Works out a list of substitutions, one text after the other."""
    return ''.join(part.perform(context) for part in substitutions)
