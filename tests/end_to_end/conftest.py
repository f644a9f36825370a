"""A run of InfoMAE small enough for tests, in this process or as a command in another."""

import contextlib
import importlib.util
import io
import os
import pathlib
import subprocess
import sys
from types import SimpleNamespace

import jax
import pytest
from jax.experimental.compilation_cache import compilation_cache

from mmalign import pipeline, training

ROOT = pathlib.Path(__file__).parents[2]
_data_mesh = training.data_mesh

# What makes configs/infomae.py:smoke smaller, with checkpoints inside both of its stages.
_ALIGNMENT = {
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
    "pretrain.steps": 6,
    **{f"align.{key}": value for key, value in _ALIGNMENT.items()},
    **{f"joint_pretrain.{key}": value for key, value in _ALIGNMENT.items()},
    "evaluation.fractions": (0.1, 1.0),
    "log_every": 1,
    "checkpoint_every": 4,
}


@pytest.fixture(scope="session")
def tiny():
    """The config: `config(changes)` as an object, `command(workdir, changes)` as arguments."""
    path = ROOT / "configs" / "infomae.py"
    spec = importlib.util.spec_from_file_location("infomae_config", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def config(changes=(), arg="smoke"):
        made = module.get_config(arg)
        small = {k: v for k, v in TINY.items() if "," not in arg or not k.startswith("encoder.")}
        made.update_from_flattened_dict(small | dict(changes))
        return made

    def command(workdir, changes=()):
        flags = [f"--config.{key}={value}" for key, value in (TINY | dict(changes)).items()]
        return [f"--config={path}:smoke", *flags, f"--workdir={workdir}"]

    return SimpleNamespace(config=config, command=command, path=path)


@pytest.fixture(scope="session")
def programs(tmp_path_factory):
    """A folder where a program compiled by one test, or process, is found by the next."""
    return tmp_path_factory.mktemp("programs")


@contextlib.contextmanager
def _quick_compiling(programs):
    """Here what is compiled runs a few times only, so that compiling is what costs."""
    settings = {
        "jax_disable_most_optimizations": True,
        "jax_compilation_cache_dir": str(programs),
        "jax_persistent_cache_min_compile_time_secs": 0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }
    before = {name: jax.config.values[name] for name in settings}
    for name, value in settings.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()  # jax looks at the folder once only
    try:
        yield
    finally:
        for name, value in before.items():
            jax.config.update(name, value)
        compilation_cache.reset_cache()


@pytest.fixture
def quick_compiling(programs):
    """For tests that compile."""
    with _quick_compiling(programs):
        yield


@pytest.fixture
def start(programs):
    """Starts `python ARGUMENTS` with one device in another process: (*arguments) -> Popen."""
    running = []

    def start(*arguments):
        environment = {
            "PYTHONPATH": str(ROOT),
            "MMALIGN_COMPILATION_CACHE": str(programs),
            "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
        }
        process = subprocess.Popen(
            # ml_collections loads a config file in a way that Python will drop
            [sys.executable, "-W", "error", "-W", "ignore:the load_module():DeprecationWarning",
             *map(str, arguments)],
            env=os.environ | environment,
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


@pytest.fixture
def main(start):
    """Runs the command line: (*flags) -> (exit code, output)."""

    def run(*flags):
        process = start("-m", "mmalign.main", *flags)
        output = process.communicate()[0]
        return process.returncode, output

    return run


def use_devices(monkeypatch, count):
    """Runs use the first of the simulated devices, as a program with so many does."""
    mesh = _data_mesh(jax.devices()[:count])
    monkeypatch.setattr(training, "data_mesh", lambda: mesh)


@pytest.fixture
def devices(monkeypatch):
    """`devices(count)` sets how many devices the runs of a test use."""
    return lambda count: use_devices(monkeypatch, count)


@pytest.fixture(scope="session")
def tiny_run(tiny, programs, tmp_path_factory):
    """One run on one device, for many tests to look at and none to change.

    `folder`, `config`, `results` as returned, `printed`, `joint` (the embeddings of the map) and
    `traces` (how often the step of each stage was traced).
    """
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

    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(printed),
        _quick_compiling(programs),
    ):
        use_devices(patch, 1)
        patch.setattr(training, "make_train_step", counted)
        patch.setattr(pipeline, "_report", watched)
        made.results = pipeline.run(made.config, made.folder)
    made.printed = printed.getvalue()
    return made
