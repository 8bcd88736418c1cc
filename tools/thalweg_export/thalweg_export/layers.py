"""Recognises dense layers with leaky rectifiers between them."""

import torch
from torch import nn

# How far they may be from the model in f64, relative to its largest number: rounding, and nothing else.
EQUAL = 1e-9


def flat(module, name=''):
    """Lists the layers of nested nn.Sequential with their names; what does nothing in evaluation mode is left out."""
    if isinstance(module, nn.Sequential):
        for key, child in module.named_children():
            yield from flat(child, f'{name}.{key}' if name else key)
    elif not isinstance(module, (nn.Identity, nn.Dropout)):
        yield name, module


def slope_of(module):
    """Gives the slope of a rectifier below zero; None of anything else."""
    if isinstance(module, nn.ReLU):
        return 0.0
    return float(module.negative_slope) if isinstance(module, nn.LeakyReLU) else None


def described(layers):
    """Describes layers as task.yaml does; None where they are no perceptron."""
    linear, between = layers[::2], [slope_of(module) for _, module in layers[1::2]]
    if len(layers) % 2 == 0 or None in between or len(set(between)) > 1:
        return None
    if not all(isinstance(module, nn.Linear) and module.bias is not None for _, module in linear):
        return None
    slope = between[0] if between else 0.0
    return {'slope': slope, 'layers': [name for name, _ in linear]} if 0.0 <= slope < 1.0 else None


def perceptron(model, latent):
    """Finds the perceptron that a model is: {slope, layers}, or None. `latent` is X, `[K, X]` the input."""
    count = sum(parameter.numel() for parameter in model.parameters())
    whole = [(name, module) for name, module in model.named_modules()
             if isinstance(module, (nn.Sequential, nn.Linear))
             and sum(parameter.numel() for parameter in module.parameters()) == count]
    x = torch.randn(32, latent, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    kinds = {parameter.dtype for parameter in model.parameters()}
    model.double()
    try:
        for name, module in whole:
            found = described(list(flat(module, name)))
            if found and agree(model, module, x):
                return found
        return None
    except (RuntimeError, TypeError):
        return None
    finally:
        model.to(kinds.pop() if len(kinds) == 1 else torch.float32)


def agree(model, part, x):
    """Whether a part gives what the whole model gives, flattened."""
    with torch.no_grad():
        expected, got = model(x), part(x)
    if not isinstance(expected, torch.Tensor) or expected.flatten(1).shape != got.flatten(1).shape:
        return False
    apart = (expected.flatten(1) - got.flatten(1)).abs().max()
    return bool(apart <= EQUAL * expected.abs().max().clamp_min(1e-12))
