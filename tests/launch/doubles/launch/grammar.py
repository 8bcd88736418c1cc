"""Reads the substitutions of launch's XML and YAML files: $(name argument 'quoted argument')."""

import re

from launch_ros.substitutions import FindPackageShare

from .substitutions import LaunchConfiguration, TextSubstitution

SUBSTITUTIONS = {'find-pkg-share': FindPackageShare, 'var': LaunchConfiguration}


def parse(text):
    """Reads a text into substitutions; what does not follow the grammar is refused."""
    parts, at = [], 0
    while at < len(text):
        if text.startswith('$(', at):
            substitution, at = read(text, at)
            parts.append(substitution)
        else:
            end = text.find('$(', at)
            end = len(text) if end < 0 else end
            parts.append(TextSubstitution(text=re.sub(r'\\(.)', r'\1', text[at:end])))
            at = end
    return parts or [TextSubstitution(text='')]


def read(text, at):
    """Reads a substitution; its arguments are words, in quotes where they hold blanks, or substitutions."""
    name = re.compile(r'\$\(([A-Za-z][\w-]*)').match(text, at)
    if name is None or name[1] not in SUBSTITUTIONS:
        raise RuntimeError(f'Unknown substitution: {text[at:]}')
    arguments, at = [], name.end()
    while text[at:at + 1] == ' ':
        argument, at = read_argument(text, at + 1)
        arguments.append(argument)
    if text[at:at + 1] != ')':
        raise ValueError(f'{text!r}: no ) at {at}')
    return SUBSTITUTIONS[name[1]](*arguments), at + 1


def read_argument(text, at):
    """Reads one argument."""
    quoted = re.compile(r"'([^'$\\]*)'|\"([^\"$\\]*)\"").match(text, at)
    if quoted:
        return [TextSubstitution(text=quoted[1] if quoted[1] is not None else quoted[2])], quoted.end()
    parts = []
    while at < len(text) and text[at] not in ' )':
        if text.startswith('$(', at):
            part, at = read(text, at)
        else:
            word = re.compile(r"""[^ '"\\$()]+""").match(text, at)
            if word is None:
                raise ValueError(f'{text!r}: unexpected at {at}')
            part, at = TextSubstitution(text=word[0]), word.end()
        parts.append(part)
    if not parts:
        raise ValueError(f'{text!r}: an argument is missing at {at}')
    return parts, at
