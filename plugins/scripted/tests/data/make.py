"""Makes the modules beside it, with PyTorch 1.12.1: python make.py

`tips` is sound and no perceptron; each of the others breaks one promise.
"""

import pathlib
from typing import Dict

import torch


class Tips(torch.nn.Module):
    """Two links in a plane: [K, 2] to angles and tips."""

    def __init__(self):
        super().__init__()
        self.lengths = torch.nn.Parameter(torch.tensor([0.3, 0.2]), requires_grad=False)

    def forward(self, x: torch.Tensor) -> Dict[str, torch.Tensor]:
        joints = 2.0 * torch.tanh(x)
        heading = torch.cumsum(joints, 1)
        along = torch.cumsum(torch.cos(heading) * self.lengths, 1)
        across = torch.cumsum(torch.sin(heading) * self.lengths, 1)
        points = torch.stack([along, across, torch.zeros_like(along)], 2)
        return {'points': points, 'joints': joints}


class Robust(torch.nn.Module):
    """A loss that grows like the distance: [K, Y], [O, Y], [O, Y] to [K]."""

    def forward(self, y_hat: torch.Tensor, value: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return (torch.sqrt(1.0 + ((y_hat - value) * weight).square()) - 1.0).sum(1)


class Picture(torch.nn.Module):
    """Waves of colour: [K, 2] to an angle and an image, three channels of 32 x 32."""

    def forward(self, x: torch.Tensor) -> Dict[str, torch.Tensor]:
        steps = torch.arange(32, dtype=x.dtype, device=x.device) * 0.3
        tones = torch.arange(3, dtype=x.dtype, device=x.device)
        across = steps.view(1, 1, 1, 32) * (1.0 + 0.3 * x[:, 0].view(-1, 1, 1, 1))
        down = steps.view(1, 1, 32, 1) + x[:, 1].view(-1, 1, 1, 1)
        image = 0.5 + 0.4 * torch.sin(across + down + tones.view(1, 3, 1, 1))
        return {'joints': x[:, :1], 'image': image}


class Rows(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x - x.mean(0)


class NoNumber(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x / (x - x)


class Hang(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        while bool((x == x).any()):
            x = x + 1.0
        return x


class Detached(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.detach() * 2.0


class Wide(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, x], 1)


class Single(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.float()


class Random(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.rand_like(x)


class Files(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.from_file('/tmp/none', False, 4).sum()


if __name__ == '__main__':
    for module in (Tips, Robust, Picture, Rows, NoNumber, Hang, Detached, Wide, Single, Random, Files):
        name = pathlib.Path(__file__).with_name(f'{module.__name__.lower()}.ts')
        torch.jit.save(torch.jit.script(module().eval()), str(name))
