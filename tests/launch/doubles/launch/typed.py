"""Values of a type: a value that has it, or substitutions whose text is read as YAML. Nothing else is made to fit."""

import yaml

from .substitutions import Substitution, normalize, perform

SCALARS = (int, float, bool, str)


def is_substitution(value):
    """Holds for a substitution, and for a sequence of texts and at least one substitution."""
    if isinstance(value, (list, tuple)):
        return all(isinstance(part, (str, Substitution)) for part in value) and \
            any(isinstance(part, Substitution) for part in value)
    return isinstance(value, Substitution)


def normalize_typed(value, kind):
    """Keeps a value of this type; `'false'` is no bool."""
    if isinstance(value, SCALARS):
        if kind is not None and not isinstance(value, kind):
            raise TypeError(f"value='{value}' is not an instance of {kind}")
        return value
    if is_substitution(value):
        return normalize(value)
    raise TypeError(f'expected a scalar or substitutions, got {value!r} of {type(value)}')


def perform_typed(context, value, kind):
    """Works out what normalize_typed gave."""
    return coerce(perform(context, value), kind) if isinstance(value, list) else value


def coerce(text, kind):
    """Reads a text as a type; None: as whatever YAML sees in it."""
    if kind is str:
        return text
    if kind in (int, float):
        return kind(text)
    value = yaml.safe_load(text) if text else text
    if not isinstance(value, SCALARS if kind is None else kind):
        raise ValueError(f"Cannot convert value '{text}' to '{kind}'")
    return value
