"""Weights files taken apart and put together again, checksum included: what a careless tool could write."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path

from blake3 import blake3

CHECKSUM = "blake3"
WIDTHS = {"F16": 2, "F32": 4, "F64": 8, "I64": 8}


@dataclass(frozen=True)
class Stored:
    """One tensor."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes


@dataclass
class ThetaFile:
    """A safetensors file with thalweg's metadata."""

    metadata: dict[str, str] = field(default_factory=dict)
    tensors: dict[str, Stored] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> ThetaFile:
        """Reads a sound file."""
        content = path.read_bytes()
        (length,) = struct.unpack_from("<Q", content)
        header = json.loads(content[8 : 8 + length])
        body = content[8 + length :]
        metadata = header.pop("__metadata__")
        tensors = {}
        for name, entry in header.items():
            begin, end = entry["data_offsets"]
            tensors[name] = Stored(entry["dtype"], tuple(entry["shape"]), body[begin:end])
        return cls(metadata, tensors)

    def filled(self, name: str, number: float) -> Stored:
        """Gives a tensor with one number everywhere."""
        tensor = self.tensors[name]
        letter = {"F16": "e", "F32": "f", "F64": "d"}[tensor.dtype]
        return replace(tensor, data=struct.pack(f"<{letter}", number) * prod(tensor.shape))

    def sum(self) -> str:
        """Computes the checksum as thalweg does: metadata, then tensors, both in the order of names."""
        hasher = blake3()

        def feed(text: str) -> None:
            hasher.update(struct.pack("<Q", len(text.encode())) + text.encode())

        for key, value in sorted(self.metadata.items()):
            if key != CHECKSUM:
                feed(key), feed(value)
        for name, tensor in sorted(self.tensors.items()):
            for text in (name, tensor.dtype, ",".join(map(str, tensor.shape))):
                feed(text)
            hasher.update(tensor.data)
        return hasher.hexdigest()

    def content(self) -> bytes:
        """Puts the file together with a checksum that is right."""
        header: dict[str, object] = {"__metadata__": {**self.metadata, CHECKSUM: self.sum()}}
        body = b""
        for name, tensor in self.tensors.items():
            offsets = [len(body), len(body) + len(tensor.data)]
            header[name] = {"dtype": tensor.dtype, "shape": list(tensor.shape), "data_offsets": offsets}
            body += tensor.data
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        return struct.pack("<Q", len(text)) + text + body
