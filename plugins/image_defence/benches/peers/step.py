"""The step of benches/step.rs in PyTorch eager: step.py THREADS

Reads lines `resnet2b K` or `resnet4b K` and answers each with the microseconds of one loss and its gradient. Weights are
random: a step costs the same whatever they are.
"""
import sys
import time

import torch

SIDE, VIEWS, HIDDEN, PROJECTION, NEGATIVES, TEMPERATURE = 32, 4, 256, 64, 1024, 0.2
# Channels of the stem, then of each stage of two blocks that halves the image.
NETWORKS = {'resnet2b': (8, [16]), 'resnet4b': (16, [32, 32])}


def layer(*shape):
    fan = 1
    for size in shape[1:]:
        fan *= size
    return torch.randn(shape) / fan ** 0.5, torch.zeros(shape[0])


class Step:
    def __init__(self, name, rows):
        stem, stages = NETWORKS[name]
        self.stem, self.stages, inputs, side = layer(stem, 3, 3, 3), [], stem, SIDE // 2
        for channels in stages:
            first = layer(channels, inputs, 3, 3), layer(channels, channels, 3, 3), layer(channels, inputs, 1, 1)
            self.stages.append((first, (layer(channels, channels, 3, 3), layer(channels, channels, 3, 3))))
            inputs, side = channels, side // 2
        self.head = layer(HIDDEN, inputs * side * side), layer(PROJECTION, HIDDEN)
        self.bank = torch.nn.functional.normalize(torch.randn(NEGATIVES, PROJECTION), dim=-1)
        self.mean, self.std = torch.full((1, 3, 1, 1), 0.47), torch.full((1, 3, 1, 1), 0.25)
        self.down, self.across = torch.rand(1, VIEWS, 1, SIDE, SIDE) / SIDE, torch.rand(1, VIEWS, 1, SIDE, SIDE) / SIDE
        self.colour, self.offset = torch.rand(1, VIEWS, 3, 3), torch.rand(1, VIEWS, 3, 1)
        self.image, self.seen = torch.rand(1, 3, SIDE, SIDE), torch.ones(1, 3, SIDE, SIDE)
        self.x = torch.randn(rows, 3 * SIDE * SIDE)

    def features(self, image):
        convolve = torch.nn.functional.conv2d
        signal = convolve((image - self.mean) / self.std, *self.stem, stride=2, padding=1).relu()
        for (one, two, shortcut), (three, four) in self.stages:
            inner = convolve(signal, *one, stride=2, padding=1).relu()
            signal = (convolve(inner, *two, padding=1) + convolve(signal, *shortcut, stride=2)).relu()
            inner = convolve(signal, *three, padding=1).relu()
            signal = (convolve(inner, *four, padding=1) + signal).relu()
        return signal.flatten(1)

    def loss(self, x):
        correction = x / 255
        share = (correction.square().sum(1, keepdim=True) + 1e-12).rsqrt().clamp_max(1.0)
        correction = (correction * share).view(-1, 3, SIDE, SIDE) * self.seen
        image = (self.image + correction).clamp(0, 1)
        crops = self.down @ image.unsqueeze(1) @ self.across
        views = (self.colour @ crops.flatten(-2) + self.offset).view(crops.shape)
        hidden = torch.nn.functional.linear(self.features(views.flatten(0, 1)), *self.head[0]).relu()
        rows = torch.nn.functional.linear(hidden, *self.head[1])
        rows = rows / (rows.square().sum(-1, keepdim=True) + 1e-12).sqrt()
        rows = rows.view(x.shape[0], VIEWS, PROJECTION)
        pairs = rows @ rows.transpose(1, 2) / TEMPERATURE
        others = (rows @ self.bank.T / TEMPERATURE).logsumexp(-1, keepdim=True)
        each = torch.logaddexp(others, pairs) - pairs
        distinct = torch.ones(VIEWS, VIEWS) - torch.eye(VIEWS)
        agreement = (each * distinct).sum((1, 2)) / (VIEWS * (VIEWS - 1))
        return (agreement + correction.square().sum((1, 2, 3)) * 1e-3).sum()

    def run(self):
        x = self.x.detach().requires_grad_()
        return torch.autograd.grad(self.loss(x), x)[0]


def main():
    torch.set_num_threads(int(sys.argv[1]))
    torch.manual_seed(0)
    made = {}
    for line in sys.stdin:
        name, rows = line.split()
        if line not in made:
            made[line] = Step(name, int(rows))
            for _ in range(5):
                made[line].run()
        begin = time.perf_counter()
        made[line].run()
        print(1e6 * (time.perf_counter() - begin), flush=True)


main()
