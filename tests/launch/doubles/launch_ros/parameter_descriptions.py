"""Parameters with a type."""

import yaml
from launch.substitutions import normalize, perform
from launch.typed import is_substitution, normalize_typed, perform_typed

SCALARS = (bool, int, float, str)


class ParameterValue:
    """Gives a parameter's value; without a type, the one that YAML sees in its text."""

    def __init__(self, value, *, value_type=None):
        self.value, self.value_type = normalize_typed(value, value_type), value_type

    def evaluate(self, context):
        return perform_typed(context, self.value, self.value_type)


def normalize_dict(values):
    """Keeps what can be a value: a scalar, substitutions, or a ParameterValue. Lists are not modelled."""
    normal = {}
    for name, value in values.items():
        if not isinstance(value, (*SCALARS, ParameterValue)):
            if not is_substitution(value):
                raise TypeError(f'Unexpected type for parameter value {value!r}')
            value = normalize(value)
        normal[tuple(normalize(name))] = value
    return normal


def evaluate(context, values):
    """Works out names and values; the text of substitutions is read as YAML, a text stays one."""
    evaluated = {}
    for name, value in values.items():
        name = perform(context, name)
        if isinstance(value, ParameterValue):
            value = value.evaluate(context)
        elif isinstance(value, list):
            value = yaml.safe_load(perform(context, value) or "''")
            if not isinstance(value, SCALARS):
                raise TypeError(f'Allowed value types are bool, int, float, str. Got {type(value)} for "{name}"')
        evaluated[name] = value
    return evaluated
