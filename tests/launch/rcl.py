"""What rcl makes of a node's command line: its name, where its topics end up, and its parameters.

Rules of names as in the design article "Remapping Names"; test_rcl.py compares them with rclpy. Which sections of
parameter files are for a node is r2r's rule, as thalweg_node keeps it.
"""

from pathlib import Path

import yaml

# The parser in C, where there is one, reads a URDF a hundred times faster.
LOADER = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)


def flat(values, prefix=''):
    """Gives parameters by their dotted names."""
    found = {}
    for name, value in values.items():
        found |= flat(value, f'{prefix}{name}.') if isinstance(value, dict) else {prefix + name: value}
    return found


def sections(content, path=''):
    """Gives each node that a parameter file is for, as it is written, with its parameters."""
    for key, below in content.items():
        if key == 'ros__parameters':
            yield path, flat(below)
        else:
            yield from sections(below, f'{path}/{key}'.replace('//', '/') if path else key)


class CommandLine:
    """Is what a node was started with; `default` is the name that its program gives itself."""

    def __init__(self, argv, default='node'):
        self.program, self.own, self.level = Path(argv[0]).name, [], None
        self.rules, self.sections, is_ros = [], {}, False
        words = iter(argv[1:])
        for word in words:
            if word == '--ros-args':
                is_ros = True
            elif not is_ros:
                assert ':=' not in word, f'rcl takes {word} for a rule, as long ago'
                self.own.append(word)
            elif word == '--':
                is_ros = False
            elif word == '-r':
                self.rules.append(self.rule(next(words)))
            elif word == '-p':
                name, value = next(words).split(':=', 1)
                self.add('/**', {name: yaml.safe_load(value)})
            elif word == '--params-file':
                for node, values in sections(yaml.load(Path(next(words)).read_text(), LOADER)):
                    self.add(node, values)
            else:
                assert word == '--log-level', f'rcl knows no {word}'
                self.level = next(words)
        self.name = self.first('__node', default)
        self.namespace = self.first('__ns', '/')
        self.full_name = f"{self.namespace.rstrip('/')}/{self.name}"

    @staticmethod
    def rule(text):
        """Reads a remapping rule; rcl takes none without both sides."""
        source, target = text.split(':=')
        assert source and target, f'no rule: {text}'
        return source, target

    def add(self, node, values):
        """Merges parameters into a section, which stays where it first came."""
        self.sections.setdefault(node, {}).update(values)

    def first(self, source, otherwise):
        """Gives the target of the first rule of a special name."""
        return next((target for key, target in self.rules if key == source), otherwise)

    def expand(self, topic):
        """Gives the full name of a relative, private or absolute one."""
        if topic.startswith('~'):
            return self.full_name + topic[1:]
        return topic if topic.startswith('/') else f"{self.namespace.rstrip('/')}/{topic}"

    def resolve(self, topic):
        """Gives the full name of a topic, remapped by the first rule that fits."""
        full = self.expand(topic)
        fitting = (target for source, target in self.rules
                   if not source.startswith('__') and self.expand(source) == full)
        return self.expand(next(fitting, full))

    @property
    def parameters(self):
        """Gives the parameters that are for this node; of sections, those that come later win."""
        mine = {'/**', '**', self.full_name, self.name}
        return {name: value for node, values in self.sections.items() if node in mine for name, value in values.items()}
