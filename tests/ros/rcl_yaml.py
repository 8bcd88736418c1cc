"""Parameter files as rcl's own parser reads them, and as rclcpp gives them to a node: what ours is held against.

librcl_yaml_param_parser is called through ctypes; the rules of rclcpp (parameter_map.cpp of Jazzy) are repeated below.
"""

import ctypes
import os
import re
from ctypes import POINTER, Structure, c_bool, c_char_p, c_double, c_int64, c_size_t, c_uint8, c_void_p


class Allocator(Structure):
    _fields_ = [(name, c_void_p) for name in ('allocate', 'deallocate', 'reallocate', 'zero_allocate', 'state')]


def array_of(kind):
    """The struct of an array of this kind."""
    return type('Array', (Structure,), {'_fields_': [('values', POINTER(kind)), ('size', c_size_t)]})


class Strings(Structure):
    _fields_ = [('size', c_size_t), ('values', POINTER(c_char_p)), ('allocator', Allocator)]


# Fields of rcl_variant_t, in their order, in which rclcpp looks for the one that is set.
SCALARS = (('bool', c_bool), ('integer', c_int64), ('double', c_double), ('string', c_char_p))
ARRAYS = (('byte_array', array_of(c_uint8)), ('bool_array', array_of(c_bool)), ('integer_array', array_of(c_int64)),
          ('double_array', array_of(c_double)), ('string_array', Strings))


class Variant(Structure):
    _fields_ = [(name, c_char_p if kind is c_char_p else POINTER(kind)) for name, kind in SCALARS + ARRAYS]

    def value(self):
        """[type, value], the first that is set; None where none is."""
        text = lambda value: value.decode() if isinstance(value, bytes) else value
        for name, kind in SCALARS:
            field = getattr(self, name)
            if kind is c_char_p and field is not None:
                return [name, text(field)]
            if kind is not c_char_p and field:
                return [name, field.contents.value]
        for name, _ in ARRAYS:
            field = getattr(self, name)
            if field:
                array = field.contents
                return [name, [text(array.values[index]) for index in range(array.size)]]
        return None


class NodeParameters(Structure):
    _fields_ = [('names', POINTER(c_char_p)), ('values', POINTER(Variant)), ('count', c_size_t),
                ('capacity', c_size_t)]


class Parameters(Structure):
    _fields_ = [('nodes', POINTER(c_char_p)), ('params', POINTER(NodeParameters)), ('count', c_size_t),
                ('capacity', c_size_t), ('allocator', Allocator)]


def libraries():
    """The parser and what it reports errors with."""
    folder = os.path.join(os.environ['THALWEG_ROS_PREFIX'], 'lib')
    rcutils = ctypes.CDLL(os.path.join(folder, 'librcutils.so'), mode=ctypes.RTLD_GLOBAL)
    rcutils.rcutils_get_default_allocator.restype = Allocator
    parser = ctypes.CDLL(os.path.join(folder, 'librcl_yaml_param_parser.so'))
    parser.rcl_yaml_node_struct_init.restype = POINTER(Parameters)
    parser.rcl_yaml_node_struct_init.argtypes = [Allocator]
    parser.rcl_yaml_node_struct_fini.argtypes = [POINTER(Parameters)]
    parser.rcl_parse_yaml_file.restype = c_bool
    parser.rcl_parse_yaml_file.argtypes = [c_char_p, POINTER(Parameters)]
    return rcutils, parser


def read(files):
    """[(node, {parameter: [type, value]})] of files that are read one after the other; None where rcl refuses one."""
    rcutils, parser = libraries()
    params = parser.rcl_yaml_node_struct_init(rcutils.rcutils_get_default_allocator())
    try:
        for file in files:
            if not parser.rcl_parse_yaml_file(os.fsencode(file), params):
                rcutils.rcutils_reset_error()
                return None
        sections = []
        for place in range(params.contents.count):
            node = params.contents.params[place]
            values = {node.names[index].decode(): node.values[index].value() for index in range(node.count)}
            sections.append((params.contents.nodes[place].decode(), values))
        return sections
    finally:
        parser.rcl_yaml_node_struct_fini(params)


def matches(section, node):
    """Whether rclcpp takes a section for the node with this full name."""
    name = section if section.startswith('/') else '/' + section
    return re.fullmatch(name.replace('/*', r'(/\w+)'), node) is not None


def given(files, node):
    """{parameter: [type, value]} of what rclcpp gives a node from files; None where rcl or rclcpp refuses."""
    sections = read(files)
    if sections is None:
        return None
    found = [pair for section, values in sections if matches(section, node) for pair in values.items()]
    # parameter_value_from throws at the first that has none, as an empty list.
    return None if any(value is None for _, value in found) else dict(found)
