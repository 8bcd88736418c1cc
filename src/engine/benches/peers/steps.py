"""Adam steps of the same size in PyTorch eager and JAX, for benches/refine.rs: steps.py THREADS

Reads lines `library start hypotheses` (start is z or x) and answers each with the microseconds of a step, the
median of a few, or with `absent` and why. Weights are random: a step costs the same whatever they are.
"""
import os
import statistics
import sys
import time

THREADS = int(sys.argv[1])
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NPROC"):
    os.environ[name] = str(THREADS)
os.environ["XLA_FLAGS"] = f"--xla_cpu_multi_thread_eigen={str(THREADS > 1).lower()} intra_op_parallelism_threads={THREADS}"
os.environ["JAX_PLATFORMS"] = "cpu"

THETA, DECODER, JOINTS = [128, 512, 512, 32], [32, 512, 512, 126], 21
SLOPE, RATE, BETAS, EPSILON, STEPS = 0.2, 0.1, (0.9, 0.999), 1e-8, 20


def widths(start):
    return [DECODER] if start == "x" else [THETA, DECODER]


def rotations(xp, raw):
    """Rotation matrices, columns joined, from six numbers each (Zhou et al., 2019)."""
    six = raw.reshape(raw.shape[0], JOINTS, 6)
    a, b = six[..., :3], six[..., 3:]
    a = a / xp.sqrt((a * a).sum(-1, keepdims=True) + 1e-12)
    b = b - (a * b).sum(-1, keepdims=True) * a
    b = b / xp.sqrt((b * b).sum(-1, keepdims=True) + 1e-12)
    c = xp.stack([a[..., 1] * b[..., 2] - a[..., 2] * b[..., 1], a[..., 2] * b[..., 0] - a[..., 0] * b[..., 2],
                  a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]], -1)
    return xp.concatenate([a, b, c], -1)


def loss(xp, nets, z, target, weight):
    value = z
    for layers in nets:
        for index, (matrix, bias) in enumerate(layers):
            value = value @ matrix + bias
            if index + 1 < len(layers):
                value = xp.maximum(value, SLOPE * value)
    return (((rotations(xp, value) - target) * weight) ** 2).sum()


def numbers(start, rows):
    import numpy
    random = numpy.random.default_rng(0)
    draw = lambda *size: random.standard_normal(size).astype("float32")
    nets = [[(draw(i, o) / i ** 0.5, draw(o) * 0.1) for i, o in zip(w, w[1:])] for w in widths(start)]
    weight = numpy.full((1, JOINTS, 9), 0.5 ** 0.5, "float32")
    weight[:, 10:14] = 0
    return nets, draw(rows, widths(start)[0][0]), draw(1, JOINTS, 9), weight


def step_of_jax(start, rows):
    import jax
    import jax.numpy as xp
    nets, z, target, weight = numbers(start, rows)
    nets = jax.tree_util.tree_map(xp.asarray, nets)

    @jax.jit
    def step(z, first, second, count):
        gradient = jax.grad(lambda z: loss(xp, nets, z, target, weight))(z)
        first = BETAS[0] * first + (1 - BETAS[0]) * gradient
        second = BETAS[1] * second + (1 - BETAS[1]) * gradient * gradient
        size = RATE * xp.sqrt(1 - BETAS[1] ** count) / (1 - BETAS[0] ** count)
        return z - size * first / (xp.sqrt(second) + EPSILON), first, second, count + 1

    state = [xp.asarray(z), xp.zeros_like(z), xp.zeros_like(z), xp.float32(1)]

    def run():
        state[:] = step(*state)
        state[0].block_until_ready()
    return run


def step_of_torch(start, rows):
    import torch
    torch.set_num_threads(THREADS)
    nets, z, target, weight = numbers(start, rows)
    nets = [[(torch.from_numpy(matrix), torch.from_numpy(bias)) for matrix, bias in net] for net in nets]
    z, target, weight = torch.from_numpy(z).requires_grad_(), torch.from_numpy(target), torch.from_numpy(weight)
    torch.concatenate = torch.cat
    optimizer = torch.optim.Adam([z], RATE, BETAS, EPSILON)

    def run():
        optimizer.zero_grad()
        loss(torch, nets, z, target, weight).backward()
        optimizer.step()
    return run


def main():
    made, makers = {}, {"jax": step_of_jax, "torch": step_of_torch}
    for line in sys.stdin:
        library, start, rows = line.split()
        try:
            if line not in made:
                made[line] = makers[library](start, int(rows))
                for _ in range(3):
                    made[line]()
            times = []
            for _ in range(STEPS):
                begin = time.perf_counter()
                made[line]()
                times.append(1e6 * (time.perf_counter() - begin))
            print(statistics.median(times), flush=True)
        except Exception as error:  # whatever a broken installation throws
            print("absent", " ".join(str(error).split())[:120] or type(error).__name__, flush=True)


main()
