"""python -m thalweg_export model.py:decoder task.yaml --output my_task"""

import argparse
import importlib
import importlib.util
import pathlib
import sys

import torch
import yaml

from .folder import Refused, export


def find(place):
    """Gives what MODULE:NAME or FILE.py:NAME names, called where it is no module itself."""
    source, _, name = place.rpartition(':')
    if not source:
        raise Refused(f"model: got '{place}', expected FILE.py:NAME or MODULE:NAME")
    if source.endswith('.py'):
        spec = importlib.util.spec_from_file_location(pathlib.Path(source).stem, source)
        module = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except FileNotFoundError as error:
            raise Refused(f'model: {error}') from error
    else:
        module = importlib.import_module(source)
    found = getattr(module, name, None)
    if callable(found) and not isinstance(found, torch.nn.Module):
        found = found()
    if not isinstance(found, torch.nn.Module):
        raise Refused(f'model: {place} is {type(found).__name__}, expected an nn.Module or a function that gives one')
    return found


def main(arguments=None):
    """Runs the command; gives its exit code."""
    parser = argparse.ArgumentParser(prog='thalweg_export', description=__doc__)
    parser.add_argument('model', help='FILE.py:NAME or MODULE:NAME of an nn.Module, or of a function that gives one')
    parser.add_argument('description', type=pathlib.Path, help='task.yaml: what the model reads and writes')
    parser.add_argument('--output', type=pathlib.Path, required=True, help='folder that is written')
    parser.add_argument('--weights', type=pathlib.Path, help='state_dict that is loaded into the model')
    given = parser.parse_args(arguments)
    try:
        model = find(given.model)
        if given.weights:
            model.load_state_dict(torch.load(given.weights, map_location='cpu'))
        description = yaml.safe_load(given.description.read_text())
        print(export(model, description, given.output))
    except (Refused, OSError, yaml.YAMLError) as error:
        print(f'thalweg_export: {error}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
