"""Provocations of a landscape's file, bit by bit: the W rows that need a file nobody would write."""

from __future__ import annotations

import random
import shutil
import signal
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from faults_weights import THETA, Reloading
from peer import wait_for
from recordings import program, thalweg
from messages import ROOT
from rig import Rig
from theta_file import Stored, ThetaFile

FIRST = "theta.0.weight"
CUTS = 12
"""Truncations of W2 in one run; the Rust tests cut at every byte of the header."""

HUGE = 50 << 30
"""Bytes of the sparse file of W4."""

KILLS = 8
"""Kills of W14 in one run."""


def refused_again(row: Reloading, *texts: str) -> None:
    """Asserts that the file that lies there now is refused, each time anew, and that the node goes on."""
    before = row.peer.diagnostic("Theta").count("Reloads refused")

    def is_told() -> bool:
        status = row.peer.diagnostic("Theta")
        return status.count("Reloads refused") > before and all(text in status.message for text in texts)

    wait_for(is_told, what=f"a refusal that says {texts}; now {row.peer.diagnostic('Theta')}")
    row.refused(*texts)


def changed(change: Callable[[ThetaFile], object], *texts: str) -> None:
    """Puts a changed landscape, checksum and all, where the node watches; asserts that it is refused so."""
    with Reloading() as row:
        file = ThetaFile.read(THETA)
        change(file)
        row.put(file.content())
        row.refused(*texts)
        row.ends()


def w2_truncated(rig: Rig) -> None:
    content = THETA.read_bytes()
    (header,) = struct.unpack_from("<Q", content)
    inside = [random.randrange(header) for _ in range(CUTS // 2)]
    behind = [random.randrange(8 + header, len(content)) for _ in range(CUTS // 2 - 1)]
    with Reloading() as row:
        for cut in [0, *inside, *behind]:
            before = row.peer.diagnostic("Theta").count("Reloads refused")
            row.put(content[:cut])
            what = f"{cut} of {len(content)} bytes to be refused"
            wait_for(lambda: row.peer.diagnostic("Theta").count("Reloads refused") > before, what=what)
        row.refused("safetensors")
        row.ends()


def w4_oversized(rig: Rig) -> None:
    with Reloading() as row:
        sparse = row.folder / "sparse"
        with sparse.open("wb") as file:
            file.truncate(HUGE)
        begin = time.monotonic()
        sparse.rename(row.path)
        row.refused(f"{HUGE} bytes; expected at most")
        rig.measure("told_after_s", time.monotonic() - begin)
        row.put(struct.pack("<Q", 100_000_000) + bytes(1000))
        refused_again(row, "a header of 100000000 bytes")
        row.ends()


def w5_missing_tensor(rig: Rig) -> None:
    changed(lambda file: file.tensors.pop(FIRST), "tensors", FIRST)


def w5_extra_and_renamed_tensors(rig: Rig) -> None:
    def rename(file: ThetaFile) -> None:
        file.tensors["theta.0.weights"] = file.tensors.pop(FIRST)
        file.tensors["more"] = Stored("F32", (1,), bytes(4))

    changed(rename, FIRST, "theta.0.weights", "more")


def w6_broadcastable_shapes(rig: Rig) -> None:
    number = struct.pack("<f", 0.5)
    with Reloading() as row:
        for shape in ((1,), (), (1, 128)):
            file = ThetaFile.read(THETA)
            file.tensors[FIRST] = Stored("F32", shape, number * (128 if len(shape) == 2 else 1))
            row.put(file.content())
            refused_again(row, f"tensor {FIRST}: expected shape [512, 128], got {list(shape)}")
        row.ends()


def w7_other_dtype(rig: Rig) -> None:
    def integers(file: ThetaFile) -> None:
        tensor = file.tensors[FIRST]
        file.tensors[FIRST] = Stored("I64", tensor.shape, bytes(2 * len(tensor.data)))

    changed(integers, f"tensor {FIRST}: expected f16, f32 or f64, got I64")


def w8_not_finite(rig: Rig) -> None:
    def spoil(file: ThetaFile) -> None:
        tensor = file.tensors[FIRST]
        file.tensors[FIRST] = replace(tensor, data=struct.pack("<f", float("nan")) + tensor.data[4:])

    changed(spoil, f"tensor {FIRST}: has values that are not finite")


def w8_all_zero(rig: Rig) -> None:
    def clear(file: ThetaFile) -> None:
        file.tensors = {name: file.filled(name, 0.0) for name in file.tensors}

    changed(clear, "all its values are zero")


def w9_of_another_model(rig: Rig) -> None:
    with Reloading() as row:
        for key, text in (("fingerprint", "trained for model"), ("task", "trained for task"), ("version", "'version'")):
            file = ThetaFile.read(THETA)
            file.metadata[key] = "another"
            row.put(file.content())
            refused_again(row, text, "another")
        row.ends()


def w14_trainer_killed(rig: Rig) -> None:
    folder = Path(tempfile.mkdtemp(prefix="thalweg_trainer_"))
    output = folder / "theta.safetensors"
    options = ["--hidden", "256", "--descents", "32", "--steps", "2", "--drawn", "64", "--validate-every", "0"]
    train = ["train", "theta", "--task", "planar_arm", *options, "--output", str(output)]
    try:
        assert thalweg(*train, "--buffers", "2").returncode == 0
        whole = output.read_bytes()
        for _ in range(KILLS):
            log = folder / "theta.log"
            before = log.stat().st_size
            trainer = subprocess.Popen([program(), *train, "--buffers", "100000"], cwd=ROOT, stderr=subprocess.DEVNULL)
            # It saves its checkpoint after each buffer: some hundred times a second.
            wait_for(lambda: log.stat().st_size > before, what="a first buffer")
            time.sleep(random.uniform(0.0, 0.2))
            trainer.send_signal(signal.SIGKILL)
            trainer.wait(5.0)
            assert output.read_bytes() == whole, "the old weights are not what they were"
            # A checkpoint that is cut off would be refused at the next start: it would not log a buffer.
            (folder / "theta.checkpoint").stat()
        partial = list(folder.glob("*.partial-*"))
        assert len(partial) <= 1, f"what killed writers have left is not removed: {partial}"
    finally:
        shutil.rmtree(folder, ignore_errors=True)
