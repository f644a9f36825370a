"""Small methods on small batches, compiled once for all the tests that call them."""

import functools
import importlib.util
import pathlib
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from mmalign import methods
from mmalign.methods.example_windows import ROWS, example_batch
from mmalign.methods.trial import programs

LENGTH = 2
MODALITIES = {  # no two alike in rate or channels
    "acc": methods.Modality("series", (32, 3), 16.0),
    "emg": methods.Modality("series", (48, 2), 24.0),
    "ecg": methods.Modality("series", (20, 1), 10.0),
}
TARGETS = {"label": methods.Target("classes", 4)}
ENCODER = {"name": "compact", "patch_s": 0.25, "width": 8, "depth": 1, "segments": 2, "dim": 12,
           "hidden": 16}  # fmt: skip
AUGMENT = {"pool": ("scaling", "negation"), "probability": 0.5, "per": "batch"}
PROJECTOR = {"hidden": 8, "out": 8}
CONFIGS = {
    "crossl": {
        "preset": "fixed", "mask": None, "loss": None, "aggregator": None, "expander": None,
        "head_input": "global", "encoder_init": None, "encoder_dropout": None, "kernel_l2": None,
        "complete_variance": None, "pattern_centring": None,
    },
    "autoencoder": {},
    "cmc": {"projector": PROJECTOR, "loss": {"temperature": 0.2}},
    "generator": {"anchor": "acc"},
    "cmg": {"base": {"name": "generator", "anchor": "acc"}, "head": (12, 10)},
    "cocoa": {"projector": PROJECTOR, "loss": {"temperature": 0.5, "form": "sum"}},
    "comm": {"width": 8, "heads": 2, "head": (12, 10)},
    "cross": {"out": 6},
    "cross_self": {"head": (12, 10)},
    "factorcl": {"out": 6, "hidden": 8},
    "gram": {"out": 6},
    "mmbind": {"head": (12, 10)},
    "symile": {"out": 6},
    "supcon": {"projector": PROJECTOR},
    "supcon_tuned": {"base": {"name": "mae", "mask_ratio": 0.5, "shared": 4, "private": 6}},
    "infmasking": {"width": 8, "heads": 2, "head": (12, 10), "draws": 2, "mask_ratio": 0.5},
    "cpc": {"pieces": 4, "horizon": 2, "context": 8, "temperature": 0.2},
    "gmc": {"projector": PROJECTOR, "loss": {"temperature": 0.2}},
    "simclr": {"projector": PROJECTOR, "temperature": 0.2},
    "simsiam": {"projector": PROJECTOR, "bottleneck": 4},
    "joint_autoencoder": {"fusion": (10, 8)},
    "mae": {"mask_ratio": 0.5, "shared": 4, "private": 6},
    "supervised": {"mix": None},
    "classifier": {
        "base": {"name": "mae", "mask_ratio": 0.5, "shared": 4, "private": 6}, "reads": "joint",
        "hidden": (16,), "dropout": 0.25,
    },
    "infomae": {
        "mask_ratio": 0.5, "shared": 4, "private": 6, "form": "two_ratio",
        "noise": 0.3, "negatives": 2, "stem": {"features": (8,), "out": 8},
        "critic": {"hidden": 8, "depth": 1}, "temperature": 0.2, "margin": 1.0, "alpha": 1.0,
        "beta": 0.1, "gamma": 0.2, "epsilon": 0.3, "delta": 0.7, "lam": 0.8, "eta": 0.6,
        "information": 1.0, "independence": "canonical", "readout": "all",
    },
}  # fmt: skip


LEAST = {"cmg": 3}  # modalities, where two are not enough


def some(count):
    """The first `count` modalities."""
    return dict(list(MODALITIES.items())[:count])


def options(name, **changes):
    """The small config of a method."""
    return {"name": name, "encoder": ENCODER, "augment": AUGMENT, **CONFIGS[name], **changes}


def create(name, count=2, *, length=LENGTH, targets=TARGETS, **changes):
    """A small method, of the first `count` modalities, or as many as it needs."""
    count = max(count, LEAST.get(name, 1))
    return methods.create(options(name, **changes), some(count), targets=targets, length=length)


def make_batch(count=2, seed=0):
    """Each modality is absent from some rows; a row has one modality at least."""
    return example_batch(some(count), TARGETS, seed)


def all_random(shapes, seed=0):
    """Random values everywhere: the zeros of `init` would hide what a test looks for."""
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda x: 0.4 * rng.standard_normal(x.shape, np.float32), shapes)


# compiling is all that costs here
quick_jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


@functools.cache
def compiled(name, count=2, **changes):
    """A method with its parameters, `loss` -> ((value, metrics), gradient) and `embed`.

    In "joint" of `embed` there are zeros for what is absent, where a run has means.
    """
    method = create(name, count, **changes)
    batch, program = make_batch(max(count, LEAST.get(name, 1))), programs(method)
    shapes = jax.eval_shape(method.init, jax.random.key(0), batch)
    variables = {name: all_random(shapes[name]) for name in shapes}
    means = {
        name: jax.tree.map(np.zeros_like, x) for name, x in variables.items() if name == "means"
    }

    def loss(params, batch, key):
        (value, aux), grads = program.loss({"params": params, "target": params}, batch, key)
        return (value, aux["metrics"]), grads

    def embed(params, batch):
        read = {name: batch[name] for name in ("inputs", "present", "valid") if name in batch}
        return program.embed({"params": params, **means}, read)

    return SimpleNamespace(
        method=method, variables=variables, params=variables["params"], batch=batch, loss=loss,
        embed=embed,
    )  # fmt: skip


@pytest.fixture(scope="session")
def beside():
    """The module of that name: what holds a method's loss against an equation."""
    return _module("beside")


@pytest.fixture(scope="session")
def plain():
    """The module `equations`."""
    return _module("equations")


def _module(name):
    path = pathlib.Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def small():
    """What the tests of methods share: sizes, configs, batches, compiled methods."""
    return SimpleNamespace(
        batch_size=ROWS, modalities=some, targets=TARGETS, options=options, create=create,
        batch=make_batch, compiled=compiled, all_random=all_random, jit=quick_jit,
    )  # fmt: skip
