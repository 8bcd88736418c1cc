"""Launch files in XML and YAML; attributes and children that nobody takes are refused, as launch does."""

import xml.etree.ElementTree as ElementTree

import launch_ros.actions
import launch_ros.parameter_descriptions
import yaml

from . import actions
from .description import LaunchDescription
from .grammar import parse
from .typed import coerce

IDENTIFIERS = {'str': str, 'bool': bool, 'int': int, 'float': float, 'yaml': None, None: None}


class Entity:
    """Is one element: its attributes, and its children; each must be taken."""

    def __init__(self, tag, attributes, children):
        self.tag, self.attributes, self.children = tag, dict(attributes), children

    def take(self, name, kind=str, optional=False):
        """Takes an attribute of a type. Text stands for any, since it may hold substitutions."""
        if name not in self.attributes:
            if optional:
                return None
            raise AttributeError(f"Attribute '{name}' of type '{kind}' not found in Entity '{self.tag}'")
        return self.typed(name, self.attributes.pop(name), kind)

    def text(self, name, optional=False):
        """Takes an attribute of text with substitutions."""
        value = self.take(name, optional=optional)
        return None if value is None else parse(value)

    def take_children(self, tag):
        """Takes the children with a tag."""
        taken = [child for child in self.children if child.tag == tag]
        self.children = [child for child in self.children if child.tag != tag]
        return taken

    def finish(self):
        """Refuses what was not taken."""
        if self.attributes or self.children:
            raise ValueError(f'Unexpected in `{self.tag}`: {sorted(self.attributes)}, '
                             f'{[child.tag for child in self.children]}')


class XmlEntity(Entity):
    """Has attributes of text, which are read as the type that is wanted, where they can be."""

    def typed(self, name, value, kind):
        try:
            return coerce(value, kind)
        except ValueError:
            return value


class YamlEntity(Entity):
    """Has attributes of the types that YAML sees; no type is made of another, not even an int of a float."""

    def typed(self, name, value, kind):
        if kind is not None and not isinstance(value, (str, kind)):
            raise TypeError(f"Attribute '{name}' of Entity '{self.tag}' expected to be of type '{kind}', "
                            f"got '{type(value)}'")
        return value


def xml_entity(element):
    """Reads an element."""
    return XmlEntity(element.tag, element.attrib, [xml_entity(child) for child in element])


def yaml_entity(tag, content):
    """Reads a mapping, or the list of one-key mappings that stands for children alone."""
    if isinstance(content, list):
        content = {'children': content}
    attributes = {name: value for name, value in content.items() if not isinstance(value, list)}
    children = []
    for name, items in content.items():
        for item in items if isinstance(items, list) else []:
            if name == 'children':
                if len(item) != 1:
                    raise RuntimeError('Subentities must be a dictionary with only one key')
                (name_of_child, item), = item.items()
                children.append(yaml_entity(name_of_child, item))
            else:
                children.append(yaml_entity(name, item))
    return YamlEntity(tag, attributes, children)


def load(path):
    """Reads a launch file by the end of its name."""
    if path.endswith('.xml'):
        root = xml_entity(ElementTree.parse(path).getroot())
    else:
        with open(path, encoding='utf-8') as file:
            (tag, content), = yaml.safe_load(file).items()
        root = yaml_entity(tag, content)
    if root.tag != 'launch':
        raise RuntimeError("Expected 'launch' as root tag")
    return LaunchDescription([action(child) for child in root.children])


def action(entity):
    """Makes the action of an element."""
    if entity.tag not in ACTIONS:
        raise RuntimeError(f'Unrecognized entity of the type: {entity.tag}')
    made = ACTIONS[entity.tag](entity)
    entity.finish()
    return made


def group(entity):
    """Makes a group."""
    scoped = entity.take('scoped', bool, optional=True)
    children, entity.children = entity.children, []
    return actions.GroupAction([action(child) for child in children], **({} if scoped is None else {'scoped': scoped}))


def include(entity):
    """Makes the inclusion of another launch file."""
    arguments = []
    for child in entity.take_children('arg'):
        arguments.append((child.text('name'), child.text('value')))
        child.finish()
    return actions.IncludeLaunchDescription(entity.text('file'), launch_arguments=arguments)


def node(entity):
    """Makes a node."""
    options = {
        'package': entity.text('pkg'), 'executable': entity.text('exec'), 'name': entity.text('name', optional=True),
        'namespace': entity.text('namespace', optional=True), 'respawn': entity.text('respawn', optional=True),
        'respawn_delay': entity.take('respawn_delay', float, optional=True),
        'parameters': [parameter(child) for child in entity.take_children('param')] or None,
    }
    return launch_ros.actions.Node(**{name: value for name, value in options.items() if value is not None})


def parameter(entity):
    """Makes a parameter of a node."""
    kind = IDENTIFIERS[entity.take('type', optional=True)]
    name, value = entity.text('name'), entity.take('value', kind)
    entity.finish()
    value = parse(value) if isinstance(value, str) else value
    return {tuple(name): launch_ros.parameter_descriptions.ParameterValue(value, value_type=kind)}


ACTIONS = {
    'group': group,
    'include': include,
    'node': node,
    'set_parameter': lambda entity: launch_ros.actions.SetParameter(entity.text('name'), entity.text('value')),
    'set_parameters_from_file':
        lambda entity: launch_ros.actions.SetParametersFromFile(entity.text('filename')),
}
