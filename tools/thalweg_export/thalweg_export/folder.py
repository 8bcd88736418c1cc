"""Writes and checks the folder."""

import json
import os
import pathlib

import torch
import yaml

from .layers import perceptron

# Rows at which what is written is compared with the model.
ROWS = (1, 3, 8)
# How far they may be apart, relative to the largest number: rounding in f32.
EQUAL = 1e-5
# What may compare what F gives with what was seen.
OBJECTIVES = ('squares', 'chord', 'lpips', 'file')
# Least side of an image for LPIPS, pixels.
LEAST_SIDE = 31


class Refused(Exception):
    """What cannot be exported, and what to do; one sentence."""


def sizes(description):
    """Gives how many numbers of joints, of the image and of points there are in a row."""
    if not isinstance(description, dict):
        raise Refused('task.yaml: expected keys and values')
    latent = description.get('latent')
    if not isinstance(latent, int) or latent < 1:
        raise Refused(f'task.yaml: latent: got {latent!r}, expected a whole number above 0')
    image = description.get('image') or {}
    points = description.get('points') or {}
    found = {
        'joints': len(description.get('joints') or []),
        'image': image.get('channels', 0) * image.get('height', 0) * image.get('width', 0),
        'points': 3 * len(points.get('names') or []),
    }
    if not any(found.values()):
        raise Refused('task.yaml: expected joints, an image or points, got none of them')
    return found


def check_objective(description):
    """Refuses an objective that has nothing to compare, in the words in which thalweg would."""
    words = description.get('objective', 'squares')
    words = words if isinstance(words, list) else [words]
    unknown = [word for word in words if word not in OBJECTIVES]
    if unknown:
        raise Refused(f'task.yaml: objective: got {unknown[0]!r}, expected {", ".join(OBJECTIVES[:-1])} or {OBJECTIVES[-1]}')
    if 'file' in words and len(words) > 1:
        raise Refused('task.yaml: objective: file compares all there is, and stands alone')
    if 'chord' in words and not any(joint.get('unit', 'rad') == 'rad' for joint in description.get('joints') or []):
        raise Refused('task.yaml: objective: chord compares joints in rad, and there are none')
    image = description.get('image') or {}
    if 'lpips' not in words:
        if 'lpips' in image:
            raise Refused('task.yaml: image: lpips: got a weight, expected lpips in `objective`, too')
        return
    if not image:
        raise Refused('task.yaml: objective: lpips compares an image, and there is none')
    channels, height, width = (image.get(key, 0) for key in ('channels', 'height', 'width'))
    if channels not in (1, 3) or min(height, width) < LEAST_SIDE:
        raise Refused(f'task.yaml: objective: lpips: got an image of {channels} channels of {height} x {width}, '
                      f'expected 1 or 3 of at least {LEAST_SIDE} x {LEAST_SIDE}')


def rows(output, wanted, count):
    """Brings what a model gives into a row each: joints, image, points."""
    if isinstance(output, dict):
        missing = [name for name, size in wanted.items() if size and name not in output]
        if missing:
            raise Refused(f'the model gives a dict without {", ".join(missing)}')
        parts = {name: output[name].reshape(count, -1) for name, size in wanted.items() if size}
        wrong = [f'{name} {tuple(output[name].shape)}' for name, part in parts.items() if part.shape[1] != wanted[name]]
        if wrong:
            raise Refused(f'the model gives {", ".join(wrong)}, expected {wanted} numbers in a row')
        return torch.cat(list(parts.values()), 1)
    if not isinstance(output, torch.Tensor):
        raise Refused(f'the model gives {type(output).__name__}, expected a tensor or a dict')
    width = sum(wanted.values())
    if output.shape[0] != count or output[0].numel() != width:
        raise Refused(f'the model gives {tuple(output.shape)} for {count} rows, expected {width} numbers in each')
    return output.reshape(count, width)


def close(what, got, expected):
    """Refuses two results that are not the same."""
    if not torch.isfinite(got).all():
        raise Refused(f'{what}: numbers that are not finite')
    apart = (got - expected).abs().max().item() / max(expected.abs().max().item(), 1e-12)
    if apart > EQUAL:
        raise Refused(f'{what}: relative deviation {apart:.1e}, limit {EQUAL:.0e}')


def scripted(model, latent):
    """Gives the model in TorchScript, and how: scripted where it can be, else traced."""
    try:
        return torch.jit.script(model), 'scripted'
    except Exception as error:  # torch.jit raises whatever its compiler meets.
        reason = str(error).strip().splitlines()[0]
    try:
        return torch.jit.trace(model, torch.randn(3, latent), check_trace=False), f'traced ({reason})'
    except Exception as error:
        raise Refused(f'neither torch.jit.script ({reason}) nor torch.jit.trace ({error}) takes the model') from error


def verify(model, module, description):
    """Compares what is written with the model, and rows alone with rows together."""
    wanted, latent = sizes(description), description['latent']
    random = torch.Generator().manual_seed(23)
    with torch.no_grad():
        for count in ROWS:
            x = torch.randn(count, latent, generator=random)
            expected = rows(model(x), wanted, count)
            close(f'TorchScript against the model, K = {count}', rows(module(x), wanted, count), expected)
            alone = torch.cat([rows(model(x[k:k + 1]), wanted, 1) for k in range(count)])
            close(f'rows alone against {count} rows (batch normalisation, sums over axis 0?)', alone, expected)


def sample(model, description):
    """Makes an observation that sees every second joint, every second point and the left half of the image."""
    wanted, latent = sizes(description), description['latent']
    with torch.no_grad():
        row = rows(model(torch.randn(1, latent, generator=torch.Generator().manual_seed(5))), wanted, 1)[0]
    joints, image, points = row.split([wanted['joints'], wanted['image'], wanted['points']])
    seen = {}
    if wanted['joints']:
        names = [joint['name'] for joint in description['joints']]
        seen['joints'] = {name: round(float(value), 6) for name, value in list(zip(names, joints))[::2]}
    if wanted['points']:
        places = points.reshape(-1, 3).tolist()
        named = list(zip(description['points']['names'], places))[::2]
        seen['points'] = {name: [round(number, 6) for number in place] for name, place in named}
    return seen


def write(path, content):
    """Replaces a file so that a reader sees the old or the new one whole."""
    partial = path.with_name(f'.{path.name}.partial')
    partial.write_bytes(content)
    os.replace(partial, path)


def export(model, description, folder):
    """Writes a model into a folder; gives a line that says how.

    model: nn.Module, [K, X] to a tensor [K, ..] or a dict with joints, image, points. description: as in task.yaml.
    Raises Refused, and then the folder is as it was.
    """
    folder = pathlib.Path(folder)
    sizes(description)
    check_objective(description)
    model = model.to('cpu', torch.float32).eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    description = {key: value for key, value in description.items() if key != 'perceptron'}
    module, how = scripted(model, description['latent'])
    verify(model, module, description)
    found = perceptron(model, description['latent'])
    if found:
        description['perceptron'] = found
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / '.forward.ts.partial'
    torch.jit.save(module, str(partial))
    verify(model, torch.jit.load(str(partial)), description)
    os.replace(partial, folder / 'forward.ts')
    write(folder / 'task.yaml', yaml.safe_dump(description, sort_keys=False, allow_unicode=True).encode())
    write(folder / 'observation.json', (json.dumps(sample(model, description), indent=2) + '\n').encode())
    layers = f'{len(found["layers"])} dense layers, run natively' if found else 'no plain perceptron, run by libtorch'
    return f'wrote {folder}: {how}, {layers}'
