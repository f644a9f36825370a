"""Time and memory of one step, loss and gradients, of one form of one case: a process of its own.

    python -m experiments.bench.measure '{"loss": "nt_xent", "n": 4096, "d": 128}' tiled

prints a line of JSON. Memory is what the first step at that size adds to the resident set at its
peak, gradients included: read in the same way for both libraries, in a fresh process, so that no
allocator's cache hides it. A step of a tiny size comes before, to load code and start threads.
"""

import ctypes
import json
import math
import os
import pathlib
import platform
import statistics
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np

from mmalign import losses
from mmalign.losses.sides import tile_for

KNOBS = {  # what both sides are called with
    "info_nce": {"temperature": 0.1},
    "nt_xent": {"temperature": 0.1},
    "supcon": {"temperature": 0.07},
    "sigmoid": {"log_scale": math.log(10), "bias": -10.0},
    "vicreg": {},
    "density_ratio": {},
}


def main():
    """Prints what a case and a form cost, or what this machine is."""
    if sys.argv[1:] == ["--about"]:
        print(json.dumps(about()))
    else:
        case, form = json.loads(sys.argv[1]), sys.argv[2]
        seconds = 0.2 if "--quick" in sys.argv else 1.0
        found = (
            digits(case, form) if case["loss"] == "digits" else measure(case, form, seconds=seconds)
        )
        print(json.dumps(found))


def measure(case, form, *, runs=5, seconds=1.0, most=60.0):
    """What one step costs, and its value and length of gradient, by which forms are compared.

    Args:
      case: {"loss", "n", "d"} and perhaps "labels" (of SupCon), "half" (bf16 inputs), "gpu".
      form: "plain", "tiled", "pytorch" or, on a GPU, "pytorch compiled".
      runs: least number of timed runs.
      seconds: time to fill with runs, 50 at most.
      most: seconds after which two runs are enough.
    """
    step(case | {"n": 64, "d": min(case["d"], 64)}, form)[0]()
    run, compile_seconds, temporary = step(case, form)
    memory = extra_memory(run, case, form, temporary)
    times, out = [], None
    while len(times) < (runs if sum(times) < most else 2) or (
        sum(times) < seconds and len(times) < 50
    ):
        start = time.perf_counter()
        out = run()
        times.append(time.perf_counter() - start)
    value, gradient = numbers(out, form)
    return {
        "seconds": statistics.median(times),
        "fastest": min(times),
        "slowest": max(times),
        "runs": len(times),
        "compile_seconds": compile_seconds,
        "memory_mib": memory,
        "temporary_mib": temporary and temporary[0],
        "value": value,
        "gradient": gradient,
    }


def inputs(case):
    """The arrays that a loss takes; gradients are of the first two.

    Row i of the second is row i of the first plus noise, at a cosine of 0.71. SupCon has n anchors:
    two views of n / 2 samples. A critic has n logits of aligned rows and d times n of shuffled.
    """
    rng = np.random.default_rng(0)
    n, d = case["n"], case["d"]
    if case["loss"] == "density_ratio":
        joint, product = (rng.standard_normal(s, dtype=np.float32) for s in ((n,), (d, n)))
        return joint + 1, product - 1
    rows = n // 2 if case["loss"] == "supcon" else n
    a = rng.standard_normal((rows, d), dtype=np.float32)
    b = a + case.get("noise", 1) * rng.standard_normal((rows, d), dtype=np.float32)
    if case["loss"] != "supcon":
        return a, b
    pairs = case["labels"] == "pairs"  # all different; else 10 classes
    return a, b, np.arange(rows, dtype=np.int32) % (rows if pairs else 10)


def ours(case, form):
    """mmalign's loss of the case as a function of its inputs."""
    name, knobs = case["loss"], dict(KNOBS[case["loss"]]) | case.get("knobs", {})
    loss = getattr(losses, name)
    if name == "density_ratio":
        return lambda joint, product: loss(joint, product).mean()
    if name == "vicreg":
        weights = {"invariance": 25, "variance": 25, "covariance": 1}
        return lambda a, b: sum(weights[k] * term for k, term in loss(a, b).items())
    rows = case["n"]
    knobs["tile"] = rows if form == "plain" else tile_for(rows, None) or min(256, rows // 2)
    if name == "supcon":
        return lambda a, b, label: loss([a, b], label, **knobs).mean()
    if name == "sigmoid":
        scale, bias = knobs.pop("log_scale"), knobs.pop("bias")
        return lambda a, b: loss(a, b, scale, bias, **knobs).mean()
    return lambda a, b: loss(a, b, **knobs).mean()


def step(case, form):
    """A function () -> (loss, two gradients), compile time in s, XLA's [temporaries, outputs] MiB.

    The last is None for PyTorch.
    """
    arrays, half = inputs(case), case.get("half", False)
    if form.startswith("pytorch"):
        from experiments.bench import peers

        knobs = KNOBS[case["loss"]] | case.get("knobs", {})
        cuda, compiled = case.get("gpu", False), form == "pytorch compiled"
        made = peers.step(case["loss"], arrays, knobs, half=half, cuda=cuda, compiled=compiled)
        return *made, None
    dtypes = [jnp.bfloat16 if half else jnp.float32] * 2 + [jnp.int32]
    arrays = [jnp.asarray(x, t) for x, t in zip(arrays, dtypes)]
    start = time.perf_counter()
    lowered = jax.jit(jax.value_and_grad(ours(case, form), argnums=(0, 1))).lower(*arrays)
    compiled = lowered.compile()
    seconds = time.perf_counter() - start
    sizes = compiled.memory_analysis()
    sizes = [x / 2**20 for x in (sizes.temp_size_in_bytes, sizes.output_size_in_bytes)]
    return lambda: jax.block_until_ready(compiled(*arrays)), seconds, sizes


def numbers(out, form):
    """Loss and length of both gradients together."""
    if form.startswith("pytorch"):
        from experiments.bench import peers

        as_numpy = peers.as_numpy
    else:
        as_numpy = lambda x: np.asarray(x, np.float32)
    value, gradients = out
    squares = sum(np.square(as_numpy(g), dtype=np.float64).sum() for g in gradients)
    return float(as_numpy(value)), math.sqrt(squares)


def extra_memory(run, case, form, temporary):
    """MiB that a call adds at its peak; None where that cannot be told."""
    if case.get("gpu"):
        if not form.startswith("pytorch"):
            return sum(temporary)
        from experiments.bench import peers

        return peers.cuda_mib(run)
    before = resident_mib(reset=True)
    if before is None:
        return temporary and sum(temporary)
    run()
    return resident_mib(peak=True) - before


def resident_mib(*, reset=False, peak=False):
    """Resident memory of this process, or its peak since the last reset; None if not on Linux."""
    try:
        if reset:
            ctypes.CDLL(None).malloc_trim(0)  # what is free already would hide what is needed
            pathlib.Path("/proc/self/clear_refs").write_text("5")
        status = pathlib.Path("/proc/self/status").read_text()
    except (OSError, AttributeError):
        return None
    return int(status.split("VmHWM:" if peak else "VmRSS:")[1].split()[0]) / 1024


def digits(case, form):
    """NT-Xent at temperature 0.03, N 1024, D 128: [{cosine of pairs, value, exact}, ...]."""
    case, found = case | {"loss": "nt_xent", "n": 1024, "d": 128}, []
    for noise in (1, 0.5, 0.1):
        case |= {"noise": noise, "knobs": {"temperature": 0.03}}
        cosine, exact = exact_nt_xent(*inputs(case), **case["knobs"])
        value, _ = numbers(step(case, form)[0](), form)
        found.append({"cosine": cosine, "value": value, "exact": exact})
    return found


def exact_nt_xent(a, b, *, temperature):
    """Mean cosine of pairs, and NT-Xent from its equation, in float64."""
    z = np.concatenate([a, b]).astype(np.float64)
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    n = len(a)
    positive = (z * np.roll(z, n, axis=0)).sum(axis=1)
    gap = (z @ z.T - positive[:, None]) / temperature
    row = np.arange(2 * n)
    gap[row, row] = gap[row, (row + n) % (2 * n)] = -np.inf
    return positive.mean(), np.log1p(np.exp(gap).sum(axis=1)).mean()


def about():
    """Names of the hardware and versions of the software."""
    gpu = jax.default_backend() == "gpu"
    affinity = getattr(os, "sched_getaffinity", None)
    found = {
        "gpu": gpu,
        "device": jax.devices()[0].device_kind if gpu else _cpu_name(),
        "cores": len(affinity(0)) if affinity else os.cpu_count(),
        "free_gib": _free_gib(gpu),
        "python": platform.python_version(),
        "jax": jax.__version__,
    }
    try:
        from experiments.bench import peers
    except ImportError:
        return found | {"torch": None}
    return found | peers.about()


def _free_gib(gpu):
    """Memory that may be used; half of all where only that can be told."""
    if gpu:
        return jax.devices()[0].memory_stats()["bytes_limit"] / 2**30
    try:
        text = pathlib.Path("/proc/meminfo").read_text()
        return int(text.split("MemAvailable:")[1].split()[0]) / 2**20
    except OSError:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**31


def _cpu_name():
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
