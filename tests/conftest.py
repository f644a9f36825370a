"""Four simulated devices, strict ranks, a small run and what else the tests of several rooms share."""

import contextlib
import functools
import importlib.util
import io
import os
import pathlib
import subprocess
import sys
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache
from jax.sharding import AxisType

ROOT = pathlib.Path(__file__).parents[1]

# Before anything touches a device; the children of tests inherit the first.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")  # compiling is what costs
jax.config.update("jax_num_cpu_devices", 4)
jax.config.update("jax_numpy_rank_promotion", "raise")  # [n] + [n, 1] is the classic loss bug


@pytest.fixture(params=["eager", "jit", "vmap", "shard_map"])
def per_example(request):
    """Calls a per-example loss in four ways, the last two with the batch split over 4."""

    def call(loss, *arrays):
        named = functools.partial(loss, axis_name="data")
        if request.param == "vmap":
            pieces = [x.reshape(4, -1, *x.shape[1:]) for x in arrays]
            return jax.vmap(named, axis_name="data")(*pieces).reshape(-1)
        if request.param == "shard_map":
            mesh = jax.make_mesh((4,), ("data",), axis_types=(AxisType.Auto,))
            rows = jax.P("data")
            return jax.shard_map(named, mesh=mesh, in_specs=rows, out_specs=rows)(*arrays)
        return (jax.jit(loss) if request.param == "jit" else loss)(*arrays)

    return call


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def programs(tmp_path_factory):
    """A folder where a program compiled by one test, or process, is found by the next."""
    folder = str(tmp_path_factory.mktemp("programs"))
    settings = {
        "jax_compilation_cache_dir": folder,
        "jax_persistent_cache_min_compile_time_secs": 0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }
    before = {name: getattr(jax.config, name) for name in settings}
    for name, value in settings.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()  # jax looks at the folder once only
    yield {name.upper(): str(value) for name, value in settings.items()}
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


@pytest.fixture
def start_python():
    """Starts a Python program in another process: (*arguments, **environment) -> Popen."""
    running = []

    def start(*arguments, **environment):
        process = subprocess.Popen(
            # ml_collections loads config files in a way that Python will drop
            [sys.executable, "-W", "error", "-W", "ignore:the load_module():DeprecationWarning",
             *map(str, arguments)],
            env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )  # fmt: skip
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.wait()
        process.stdout.close()


# What makes configs/infomae.py:smoke smaller; checkpoints fall inside both stages.
ALIGNMENT = {
    "method.stem.features": (8,),
    "method.stem.out": 8,
    "method.critic.hidden": 8,
    "method.critic.depth": 1,
    "steps": 6,
}
TINY = {
    "encoder.width": 4,
    "encoder.dim": 8,
    "augment.pool": ("scaling",),
    "pretrain.steps": 50,
    **{f"{stage}.{key}": x for stage in ("align", "joint_pretrain") for key, x in ALIGNMENT.items()},
    "evaluation.fractions": (0.1, 1.0),
    "log_every": 1,
    "checkpoint_every": 4,
}


@pytest.fixture(scope="session")
def tiny():
    """configs/infomae.py, smaller: `tiny.config(changes)`, `tiny.command(workdir, changes)`."""
    path = ROOT / "configs" / "infomae.py"
    spec = importlib.util.spec_from_file_location("infomae_config", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def config(changes=(), arg="smoke"):
        made = module.get_config(arg)
        made.update_from_flattened_dict(TINY | dict(changes))
        return made

    def command(workdir, changes=()):
        flags = [f"--config.{key}={value}" for key, value in (TINY | dict(changes)).items()]
        return ["-m", "mmalign.main", f"--config={path}:smoke", *flags, f"--workdir={workdir}"]

    return SimpleNamespace(config=config, command=command, path=path)


@pytest.fixture
def one_device(monkeypatch):
    """Runs use one of the simulated devices, as a program without them does."""
    _use_one_device(monkeypatch)


def _use_one_device(monkeypatch):
    from mmalign import training

    mesh = training.data_mesh(jax.devices()[:1])
    monkeypatch.setattr(training, "data_mesh", lambda: mesh)


@pytest.fixture(scope="session")
def tiny_run(tiny, programs, tmp_path_factory):
    """One run on one device, for many tests to look at.

    `folder`, `config`, `results` as returned, `printed`, `joint` (the embeddings of the map) and
    `traces` (how often the step of each stage was traced).
    """
    from mmalign import pipeline, training

    made = SimpleNamespace(folder=tmp_path_factory.mktemp("run") / "new", config=tiny.config())
    made.traces, printed = [], io.StringIO()
    make, report = training.make_train_step, pipeline._report

    def counted(*args, **kwargs):
        step, number = make(*args, **kwargs), len(made.traces)
        made.traces.append(0)

        def train_step(*args):
            made.traces[number] += 1
            return step(*args)

        return train_step

    def watched(folder, results, dataset):
        made.joint = results["map"]
        report(folder, results, dataset)

    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        _use_one_device(patch)
        patch.setattr(training, "make_train_step", counted)
        patch.setattr(pipeline, "_report", watched)
        made.results = pipeline.run(made.config, made.folder)
    made.printed = printed.getvalue()
    return made
