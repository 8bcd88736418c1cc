"""A variational auto-encoder of a hand, trained in a minute or two: what a user's own model may look like.

    python -m thalweg_export example/hand.py:decoder example/task.yaml --output hand

Hands are made, not measured: fingers curl together (one number), differ from the index to the little finger (a second
one), and the outer joints follow the inner ones more or less (a third one).
"""

import torch
from torch import nn

LATENT, HIDDEN, JOINTS = 3, 48, 8


def hands(count, random):
    """Makes hands, [count, 8], radians."""
    curl, tilt, follow = torch.rand(3, count, 1, generator=random)
    finger = torch.arange(4.0)[None] / 3 - 0.5
    inner = 1.5 * curl * (1 + 0.8 * (tilt - 0.5) * finger)
    outer = inner * (0.5 + 0.6 * follow) - 0.1 * (1 - curl)
    return torch.stack([inner, outer], 2).flatten(1)


class Autoencoder(nn.Module):
    """Encoder to mean and deviation, decoder of dense layers."""

    def __init__(self):
        super().__init__()
        def layers(*widths):
            pairs = [(nn.Linear(a, b), nn.LeakyReLU(0.2)) for a, b in zip(widths, widths[1:])]
            return nn.Sequential(*[layer for pair in pairs for layer in pair][:-1])
        self.encoder = layers(JOINTS, HIDDEN, HIDDEN, 2 * LATENT)
        self.decoder = layers(LATENT, HIDDEN, HIDDEN, JOINTS)

    def loss(self, hand, random):
        mean, log_variance = self.encoder(hand).chunk(2, 1)
        noise = torch.randn(mean.shape, generator=random)
        made = self.decoder(mean + noise * (log_variance / 2).exp())
        apart = ((made - hand) / 0.05).square().sum(1) / 2
        divergence = (mean.square() + log_variance.exp() - log_variance - 1).sum(1) / 2
        return (apart + divergence).mean()


def decoder():
    """Trains, and gives the decoder."""
    torch.manual_seed(1)
    random = torch.Generator().manual_seed(2)
    model = Autoencoder()
    steps = 4000
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        optimizer.zero_grad()
        model.loss(hands(256, random), random).backward()
        optimizer.step()
        schedule.step()
    return model.decoder
