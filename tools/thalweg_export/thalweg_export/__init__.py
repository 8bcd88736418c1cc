"""Writes an nn.Module as a task that thalweg inverts: a folder with task.yaml, forward.ts and a sample observation."""

from .folder import Refused, export
from .layers import perceptron

__all__ = ['Refused', 'export', 'perceptron']
