"""Reads the substitutions of launch's XML and YAML files: $(name argument 'quoted argument')."""

from launch.substitutions import Command, EqualsSubstitution, LaunchConfiguration, PythonExpression
from launch_ros.substitutions import FindPackageShare

SUBSTITUTIONS = {
    'command': Command,
    'equals': EqualsSubstitution,
    'eval': PythonExpression,
    'find-pkg-share': FindPackageShare,
    'var': LaunchConfiguration,
}


def parse(text):
    """Reads a text into a list of texts and substitutions."""
    parts, end = read(text, 0, stop='')
    assert end == len(text), f'{text!r} goes on after {end}'
    return parts


def read(text, at, stop):
    """Reads texts and substitutions up to a character of stop; gives them and where it stopped."""
    parts, plain = [], ''
    while at < len(text) and text[at] not in stop:
        if text.startswith('$(', at):
            substitution, at = read_substitution(text, at + 2)
            parts += [plain, substitution] if plain else [substitution]
            plain = ''
        else:
            plain, at = plain + text[at], at + 1
    return parts + [plain] if plain else parts, at


def read_substitution(text, at):
    """Reads what follows $( up to and with the bracket that closes it."""
    name, at = read(text, at, stop=' )')
    arguments = []
    while text[at] != ')':
        quoted = text[at + 1] == "'"
        argument, at = read(text, at + 1 + quoted, stop="'" if quoted else ' )')
        assert argument, f'{text!r} has an empty argument before {at}'
        arguments.append(argument)
        at += quoted
    return SUBSTITUTIONS[name[0]](*arguments), at + 1
