"""Stands in for ament_index_python.resources: what packages have registered under a type."""

import os
from pathlib import Path


def get_resource(resource_type, resource_name):
    """Gives what the first prefix on AMENT_PREFIX_PATH says of a resource, and that prefix; LookupError where none does."""
    if not resource_type or not resource_name:
        raise ValueError('resource_type and resource_name must not be empty')
    for prefix in os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep):
        file = Path(prefix, 'share/ament_index/resource_index', resource_type, resource_name)
        if file.is_file():
            return file.read_text(), prefix
    raise LookupError(f"could not find the resource '{resource_name}' of type '{resource_type}'")
