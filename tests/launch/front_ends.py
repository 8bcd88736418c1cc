"""Reads launch's three kinds of files into a launch description; attributes that launch would refuse are refused."""

import importlib.util
import xml.etree.ElementTree as ElementTree

import launch
import yaml
from launch.actions import DeclareLaunchArgument, GroupAction, SetLaunchConfiguration
from launch.conditions import IfCondition, UnlessCondition
from launch_ros.actions import Node, SetParameter, SetParametersFromFile
from launch_ros.parameter_descriptions import ParameterValue
from substitution_grammar import parse


class Entity:
    """Is one element: its attributes, and its children by tag; each may be taken once."""

    def __init__(self, tag, attributes, children):
        self.tag, self.attributes, self.children = tag, dict(attributes), children

    def take(self, name, kind=str):
        """Takes an attribute, or None."""
        value = self.attributes.pop(name, None)
        assert value is None or isinstance(value, kind), f'{self.tag} {name}: {value!r} is no {kind.__name__}'
        return value

    def text(self, name):
        """Takes an attribute that may hold substitutions, or None."""
        value = self.take(name)
        return None if value is None else parse(value)

    def take_children(self, tag):
        """Takes the children with a tag."""
        taken = [child for child in self.children if child.tag == tag]
        self.children = [child for child in self.children if child.tag != tag]
        return taken

    def finish(self):
        """Refuses what was not taken."""
        assert not self.attributes and not self.children, f'{self.tag}: unknown {self.attributes} {self.children}'


def from_xml(path):
    """Reads XML."""
    def entity(element):
        attributes = {name: float(text) if name == 'respawn_delay' else text for name, text in element.attrib.items()}
        return Entity(element.tag, attributes, [entity(child) for child in element])
    return describe(entity(ElementTree.parse(path).getroot()))


def from_yaml(path):
    """Reads YAML: a list of one-key mappings; inside an element, a list under a key is children with that tag."""
    def entity(tag, content):
        if isinstance(content, list):
            return Entity(tag, {}, [entity(*next(iter(item.items()))) for item in content])
        attributes = {name: value for name, value in content.items() if not isinstance(value, list)}
        lists = {name: value for name, value in content.items() if isinstance(value, list)}
        return Entity(tag, attributes, [entity(name, item) for name, items in lists.items() for item in items])
    content = yaml.safe_load(path.read_text())
    assert list(content) == ['launch']
    return describe(entity('launch', content['launch']))


def from_python(path):
    """Runs Python."""
    spec = importlib.util.spec_from_file_location('thalweg_launch', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.generate_launch_description()


def describe(root):
    """Makes the launch description of a file's root."""
    assert root.tag == 'launch'
    return launch.LaunchDescription([action(child) for child in root.children])


def action(entity):
    """Makes the action of an element."""
    options = {}
    for name, condition in (('if', IfCondition), ('unless', UnlessCondition)):
        if name in entity.attributes:
            options['condition'] = condition(entity.text(name))
    made = ACTIONS[entity.tag](entity, options)
    entity.finish()
    return made


def argument(entity, options):
    """Makes an argument's declaration."""
    choices = []
    for choice in entity.take_children('choice'):
        choices.append(choice.take('value'))
        choice.finish()
    return DeclareLaunchArgument(
        entity.take('name'), default_value=entity.text('default'), description=entity.take('description'),
        choices=choices or None, **options)


def group(entity, options):
    """Makes a group."""
    children, entity.children = entity.children, []
    return GroupAction([action(child) for child in children], **options)


def node(entity, options):
    """Makes a node."""
    for attribute, option in (('pkg', 'package'), ('exec', 'executable'), ('name', 'name'), ('namespace', 'namespace'),
                              ('output', 'output'), ('respawn', 'respawn')):
        options[option] = entity.text(attribute)
    options['respawn_delay'] = entity.take('respawn_delay', float)
    options['arguments'] = [parse(word) for word in split(entity.take('args') or '') if word]
    options['ros_arguments'] = [parse(word) for word in split(entity.take('ros_args'))]
    options['parameters'] = [parameter(child) for child in entity.take_children('param')]
    options['remappings'] = [remapping(child) for child in entity.take_children('remap')]
    return Node(**options)


def split(text):
    """Splits a command line at the blanks outside of substitutions."""
    words, depth = [''], 0
    for at, letter in enumerate(text):
        depth += text.startswith('$(', at) - (letter == ')')
        if letter == ' ' and depth == 0:
            words.append('')
        else:
            words[-1] += letter
    return words


def parameter(entity):
    """Makes a parameter of a node; each is a dictionary of its own, as launch_ros makes them."""
    name, value = entity.take('name'), entity.text('value')
    kind = {'str': str, None: None}[entity.take('type')]
    entity.finish()
    return {name: ParameterValue(value, value_type=kind)}


def remapping(entity):
    """Makes a remapping rule."""
    rule = entity.text('from'), entity.text('to')
    entity.finish()
    return rule


ACTIONS = {
    'arg': argument,
    'group': group,
    'let': lambda entity, options: SetLaunchConfiguration(entity.take('name'), entity.text('value'), **options),
    'node': node,
    'set_parameter': lambda entity, options: SetParameter(entity.take('name'), entity.text('value'), **options),
    'set_parameters_from_file': lambda entity, options: SetParametersFromFile(entity.text('filename'), **options),
}
