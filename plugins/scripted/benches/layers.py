"""Models for the bench beside it, drawn at random: python -m thalweg_export layers.py:body layers.yaml --output body.

`body` has the layers of body_pose's decoder, `ten` is 10 MB, `odd` is 10 MB and no perceptron.
"""

import torch
from torch import nn


def layers(*widths):
    """Gives dense layers with leaky rectifiers between them."""
    torch.manual_seed(3)
    pairs = [(nn.Linear(a, b), nn.LeakyReLU(0.2)) for a, b in zip(widths, widths[1:])]
    return nn.Sequential(*[layer for pair in pairs for layer in pair][:-1])


def body():
    """48-512-512-126, 1.4 MB."""
    return layers(48, 512, 512, 126)


def ten():
    """48-1024-2240-126, 10.5 MB."""
    return layers(48, 1024, 2240, 126)


class Bounded(nn.Module):
    """The same between -1 and 1."""

    def __init__(self):
        super().__init__()
        self.layers = ten()

    def forward(self, x):
        return torch.tanh(self.layers(x))


def odd():
    """As `ten`, behind a hyperbolic tangent."""
    return Bounded()
