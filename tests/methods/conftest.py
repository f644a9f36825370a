"""Small methods on small batches, compiled once for all the tests that call them."""

import functools
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from mmalign import methods

BATCH, LENGTH, SECONDS = 32, 2, 2.0
MODALITIES = {  # no two alike in rate or channels
    "acc": methods.Modality((32, 3), 16.0),
    "emg": methods.Modality((48, 2), 24.0),
    "ecg": methods.Modality((20, 1), 10.0),
}
ENCODER = {"name": "compact", "patch_s": 0.25, "width": 8, "depth": 1, "segments": 2, "dim": 12,
           "hidden": 16}  # fmt: skip
AUGMENT = {"pool": ("scaling", "negation"), "probability": 0.5, "per": "batch"}
PROJECTOR = {"hidden": 8, "out": 8}
CONFIGS = {
    "crossl": {
        "preset": "fixed", "mask": None, "loss": None, "aggregator": None, "expander": None,
        "head_input": None, "encoder_init": None, "encoder_dropout": None, "kernel_l2": None,
        "complete_variance": None, "pattern_centring": None,
    },
    "autoencoder": {},
    "cmc": {"projector": PROJECTOR, "loss": {"temperature": 0.2}},
    "cocoa": {"projector": PROJECTOR, "loss": {"temperature": 0.5, "form": "sum"}},
    "cpc": {"pieces": 4, "horizon": 2, "context": 8, "temperature": 0.2},
    "gmc": {"projector": PROJECTOR, "loss": {"temperature": 0.2}},
    "simclr": {"projector": PROJECTOR, "temperature": 0.2},
    "simsiam": {"projector": PROJECTOR, "bottleneck": 4},
    "joint_autoencoder": {"fusion": (10, 8)},
    "mae": {"mask_ratio": 0.5, "shared": 4, "private": 6},
    "supervised": {"mix": None},
    "classifier": {
        "base": {"name": "mae", "mask_ratio": 0.5, "shared": 4, "private": 6}, "reads": "joint",
        "hidden": 16, "dropout": 0.25,
    },
    "infomae": {
        "mask_ratio": 0.5, "shared": 4, "private": 6, "length": LENGTH, "form": "two_ratio",
        "noise": 0.3, "negatives": 2, "stem": {"features": (8,), "out": 8},
        "critic": {"hidden": 8, "depth": 1}, "temperature": 0.2, "margin": 1.0, "alpha": 1.0,
        "beta": 0.1, "gamma": 0.2, "epsilon": 0.3, "delta": 0.7, "lam": 0.8, "eta": 0.6,
    },
}  # fmt: skip


def some(count):
    """The first `count` modalities."""
    return dict(list(MODALITIES.items())[:count])


def options(name, **changes):
    """The small config of a method."""
    return {"name": name, "encoder": ENCODER, "augment": AUGMENT, **CONFIGS[name], **changes}


def create(name, count=2, **changes):
    return methods.create(options(name, **changes), some(count), num_classes=4)


def make_batch(count=2, seed=0):
    """Each modality is absent from some rows; a row has one modality at least."""
    rng = np.random.default_rng(seed)
    present = {m: rng.random(BATCH) < 0.8 for m in some(count)}
    present["acc"] |= ~functools.reduce(np.logical_or, present.values())
    inputs = {m: rng.standard_normal((BATCH, *MODALITIES[m].shape)) for m in some(count)}
    return {
        "inputs": {m: x.astype(np.float32) * present[m][:, None, None] for m, x in inputs.items()},
        "present": present,
        "label": rng.integers(0, 4, BATCH).astype(np.int32),
        "group": (np.arange(BATCH) // 8).astype(np.int32),
        "row": np.arange(BATCH, dtype=np.int32),
    }


def all_random(shapes, seed=0):
    """Random values everywhere: the zeros of `init` would hide what a test looks for."""
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda x: 0.4 * rng.standard_normal(x.shape, np.float32), shapes)


# compiling is all that costs here
quick_jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


@functools.cache
def compiled(name, count=2, **changes):
    """A method with its variables, `loss` -> ((value, metrics), gradient) and `embed`."""
    method = create(name, count, **changes)
    batch, key = make_batch(count), jax.random.key(0)
    params = all_random(jax.eval_shape(method.init, key, batch)["params"])

    def objective(params, batch, key):
        value, aux = method.loss({"params": params}, batch, key)
        return value, aux["metrics"]

    return SimpleNamespace(
        method=method,
        params=params,
        batch=batch,
        loss=quick_jit(jax.value_and_grad(objective, has_aux=True)),
        embed=quick_jit(lambda params, batch: method.embed({"params": params}, batch)),
    )


@pytest.fixture(scope="session")
def small():
    """What the tests of methods share: sizes, configs, batches, compiled methods."""
    return SimpleNamespace(
        batch_size=BATCH, length=LENGTH, modalities=some, options=options, create=create,
        batch=make_batch, compiled=compiled, all_random=all_random, jit=quick_jit,
    )  # fmt: skip
