"""A run of InfoMAE small enough for tests, in this process or as a command in another."""

import contextlib
import fcntl
import functools
import importlib.util
import io
import os
import pathlib
import pickle
import signal
import subprocess
import sys
from types import SimpleNamespace

import jax
import pytest

import mmalign
from mmalign import main as program
from mmalign import training, walk
from mmalign.data import catalogue
from mmalign.evaluation import penalty

ROOT = pathlib.Path(__file__).parents[2]
_data_mesh = training.data_mesh

# What makes configs/infomae.py:smoke smaller, with checkpoints inside both of its stages. Batches are
# a power of two: means that are zero are so to the bit then, on any number of devices.
_ALIGNMENT = {
    "batch_size": 64,
    "method.stem.features": (8,),
    "method.stem.out": 8,
    "method.critic.hidden": 8,
    "method.critic.depth": 1,
    "steps": 6,
}
TINY = {
    "encoder.width": 4,
    "encoder.dim": 8,
    "encoder.statistics": 4,
    "augment.pool": ("scaling",),
    "pretrain.steps": 6,
    "pretrain.batch_size": 64,
    **{f"align.{key}": value for key, value in _ALIGNMENT.items()},
    **{f"joint_pretrain.{key}": value for key, value in _ALIGNMENT.items()},
    "evaluation.fractions": (0.1, 1.0),
    "log_every": 1,
    "checkpoint_every": 4,
    "online": 4,
}


LAST = ("test_trained.py", "test_untrained.py", "test_models_out.py", "test_onnx.py")


def pytest_collection_modifyitems(items):
    """Other files that look at `tiny_run` come last of these: no worker waits for another."""
    here = [item for item in items if item.path.parent == pathlib.Path(__file__).parent]
    later = sorted(here, key=lambda item: item.path.name in LAST)
    places = [i for i, item in enumerate(items) if item in here]
    for place, item in zip(places, later):
        items[place] = item


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
        if made.encoder.name == "compact":
            with made.unlocked():
                made.encoder.update(depth=1, segments=2, hidden=8)
        return made

    def command(workdir, changes=()):
        flags = [f"--config.{key}={value}" for key, value in (TINY | dict(changes)).items()]
        return [f"--config={path}:smoke", *flags, f"--workdir={workdir}"]

    return SimpleNamespace(config=config, command=command, path=path)


@pytest.fixture(scope="session")
def chain():
    """Path of the config of the smallest chain."""
    return pathlib.Path(__file__).with_name("chain.py")


@pytest.fixture
def start():
    """Starts `python ARGUMENTS` with one device in another process: (*arguments, **environment) -> Popen."""
    running = []

    def start(*arguments, **environment):
        # as in a terminal: what a shell starts in the background, or nohup does, ignores them
        numbers = (signal.SIGINT, signal.SIGHUP)
        before = {number: signal.signal(number, signal.SIG_DFL) for number in numbers}
        process = subprocess.Popen(
            [sys.executable, "-W", "error", *map(str, arguments)],
            env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for number, handler in before.items():
            signal.signal(number, handler)
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


@pytest.fixture
def parsed(monkeypatch):
    """What the program reads of its flags, in this process: (*flags) -> arguments of its main."""

    def parse(*flags):
        argv = ["mmalign", *map(str, flags)]
        monkeypatch.setattr(sys, "argv", argv)
        forget()
        return program.parse(argv)

    def forget():
        flags = program.flags.FLAGS
        flags.unparse_flags()
        for name in [name for name in flags if name.startswith("config.")]:
            delattr(flags, name)  # made for the values of the config before
        for name in ("config", "workdir", "artifacts"):
            flags[name].unparse()

    yield parse
    forget()


@pytest.fixture
def refusal(parsed, capfd):
    """`main` for what ends with an error, in this process: (*flags) -> (exit code, output).

    As Python ends a program by `sys.exit(message)`: the message is the last that is said.
    """

    def run(*flags):
        with pytest.raises(SystemExit) as stop:
            program.main(parsed(*flags))
        said, code = "".join(capfd.readouterr()), stop.value.code
        return (1, f"{said}{code}\n") if isinstance(code, str) else (code, said)

    return run


def use_devices(monkeypatch, count):
    """Runs use the first of the simulated devices, as a program with so many does."""
    mesh = _data_mesh(jax.devices()[:count])
    monkeypatch.setattr(training, "data_mesh", lambda: mesh)


@pytest.fixture
def devices(monkeypatch):
    """`devices(count)` sets how many devices the runs of a test use."""
    return lambda count: use_devices(monkeypatch, count)


def _choose_quickly(monkeypatch):
    """A probe's strength is chosen on one draw of two folds: no test here is about the choice."""
    monkeypatch.setattr(penalty, "_MOST_DRAWS", 1)
    monkeypatch.setattr(penalty, "FOLDS", 2)
    monkeypatch.setattr(penalty, "ALONE", 2)


@pytest.fixture(autouse=True, scope="module")
def _quick_choices():
    with pytest.MonkeyPatch.context() as patch:
        _choose_quickly(patch)
        yield


def artifacts(folder):
    """{kind-name: folder} of all artifacts of a workdir."""
    found = sorted((folder / "artifacts").iterdir())
    return {path.name.rpartition("-")[0]: path for path in found}


@pytest.fixture(scope="session")
def run_small():
    """Runs a config on one device, for fixtures: (config, folder) -> results."""

    def run(config, folder):
        with pytest.MonkeyPatch.context() as patch:
            use_devices(patch, 1)
            _choose_quickly(patch)  # a fixture of the session comes before those of a module
            return walk.run(config, folder)

    return run


@pytest.fixture(scope="session")
def tiny_run(tiny, run_small, tmp_path_factory):
    """One run on one device, for many tests to look at and none to change.

    `folder`, `config`, `results` as returned, `printed`, `artifacts` ({kind-name: folder}) and
    `traces` (how often each step was traced). Workers share the run of the first one.
    """
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent  # of the session
    stored = shared / "tiny_run.pickle"
    with (shared / "tiny_run.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stored.exists():
            made = _tiny_run(tiny, run_small, tmp_path_factory.mktemp("run") / "new")
            stored.write_bytes(pickle.dumps(made))
    made = pickle.loads(stored.read_bytes())
    return SimpleNamespace(config=tiny.config(), artifacts=artifacts(made["folder"]), **made)


@pytest.fixture(scope="session")
def dataset(tiny):
    """What `tiny_run` is of."""
    return catalogue.load(tiny.config().data)


@pytest.fixture(scope="session")
def windows(dataset):
    """Ten of its windows."""
    return {m: x[:10] for m, x in dataset.inputs.items()}


@pytest.fixture(scope="session")
def model(tiny_run):
    """What it left."""
    return mmalign.load(tiny_run.folder)


def _tiny_run(tiny, run_small, folder):
    """What `tiny_run` stores."""
    traces, printed = [], io.StringIO()
    make = training.make_train_step

    @functools.cache  # as what it stands for
    def counted(*args, **kwargs):
        step, number = make(*args, **kwargs), len(traces)
        traces.append(0)

        def train_step(*args):
            traces[number] += 1
            return step(*args)

        return train_step

    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.setattr(training, "make_train_step", counted)
        results = run_small(tiny.config(), folder)
    return {"folder": folder, "results": results, "printed": printed.getvalue(), "traces": traces}
