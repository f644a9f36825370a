"""Signals that ask for an end, inside calls that must not be cut in the middle."""

import gc
import os
import pathlib
import signal
import subprocess
import sys
import time
import tomllib
import weakref

import pytest

from mmalign import signals
from mmalign.training import checkpoints

ROOT = pathlib.Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def stopping(monkeypatch):
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    before = {number: signal.getsignal(number) for number in signals.SIGNALS}
    for number in signals.SIGNALS:
        signal.signal(number, signal.default_int_handler)
    signals.stop_at_signals()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_signal_waits_for_the_end_of_the_outermost_hold():
    done = []

    @signals.held()
    def inner():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        done.append("inside")

    @signals.held()
    def outer():
        inner()
        done.append("between")

    with pytest.raises(signals.Stopped) as stopped:
        outer()
    assert done == ["inside", "between"] and stopped.value.number == signal.SIGINT  # the first


def test_after_a_hold_signals_stop_at_once_again():
    with pytest.raises(signals.Stopped), signals.held():
        signal.raise_signal(signal.SIGTERM)
    with signals.held():
        pass  # what came before is not told twice
    with pytest.raises(signals.Stopped):
        signal.raise_signal(signal.SIGTERM)


def test_the_end_is_asked_for_even_if_the_call_fails():
    @signals.held()
    def failing():
        signal.raise_signal(signal.SIGTERM)
        raise OSError("disk full")

    with pytest.raises(signals.Stopped):
        failing()


@pytest.mark.parametrize("name", ["__init__", "save", "wait", "load", "set_aside", "close"])
def test_checkpoints_are_never_left_in_the_middle_of_a_call(name, monkeypatch, tmp_path):
    made = object.__new__(checkpoints.Checkpoints)
    within = []

    class Raising:
        def __getattr__(self, _):  # whatever the call looks at first
            signal.raise_signal(signal.SIGTERM)
            within.append(True)
            raise LookupError

        __call__ = __getattr__

    made.__dict__.update(_running=Raising(), _checkpointer=Raising(), _need_room=Raising(), every=1)
    monkeypatch.setattr(checkpoints, "pathlib", Raising())
    arguments = {"__init__": (tmp_path, 1), "save": (1, {}), "load": (None, {}), "set_aside": (1,)}
    with pytest.raises(signals.Stopped):
        getattr(made, name)(*arguments.get(name, ()))
    assert within


class Last:
    """Something that a signal comes in the middle of, where Python cannot pass an exception on."""

    def __del__(self):
        signal.raise_signal(signal.SIGTERM)


def collected():
    def once(phase, info):
        gc.callbacks.remove(once)
        signal.raise_signal(signal.SIGTERM)

    gc.callbacks.append(once)
    gc.collect()


def forgotten():
    thing = type("Thing", (), {})()
    ends = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGTERM))
    del thing
    return ends


@pytest.mark.parametrize("lost", [Last, collected, forgotten])
def test_a_signal_that_came_where_python_drops_exceptions_stops_all_the_same(lost, capfd):
    def run():
        lost()
        time.sleep(20)

    with pytest.raises(signals.Stopped) as stopped:
        run()
    assert stopped.value.number == signal.SIGTERM
    assert capfd.readouterr().err == ""


def test_other_exceptions_that_python_drops_are_told_as_ever(monkeypatch):
    told = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    signals.stop_at_signals()

    class Failing:
        def __del__(self):
            raise OSError("disk full")

    Failing()
    assert [str(x.exc_value) for x in told] == ["disk full"]


def started(module):
    """A program that starts another module as its main one."""
    return f"import runpy; runpy.run_module({module!r}, run_name='__main__', alter_sys=True)"


def script():
    """The same by the command that the package installs."""
    names = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    module, function = names["mmalign"].split(":")
    return f"from {module} import {function}; {function}()"


def interrupted(program, here, arguments, folder):
    """A program that gets a SIGINT at an audit event, once; here: code, of `event` and `of`."""
    hook = (
        "import os, signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "came = []\n"
        "def hear(event, of):\n"
        f"    if not came and {here}:\n"
        "        came.append(event)\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.addaudithook(hear)\n"
    )
    return subprocess.run([sys.executable, "-c", hook + program, *arguments], cwd=folder,
                          env=os.environ | {"PYTHONPATH": str(ROOT)},
                          capture_output=True, text=True, check=False)  # fmt: skip


@pytest.mark.parametrize(
    ("program", "at"),
    [
        (started("mmalign"), "absl.app"),
        (started("mmalign"), "numpy._core.multiarray"),
        (started("mmalign"), "jaxlib.utils"),
        (started("mmalign.main"), "absl.app"),
        (started("mmalign.embed"), "jaxlib.utils"),
        (started("mmalign.data.npz"), "numpy._core.multiarray"),
        (script(), "absl.app"),
    ],
    ids=["package", "numpy", "jaxlib", "module", "embed", "npz", "script"],
)
def test_while_it_is_imported_a_signal_ends_the_program_with_a_sentence(program, at, tmp_path):
    here = f"event == 'import' and of[0] == {at!r}"
    done = interrupted(program, here, ["--config=infomae:smoke", "--workdir=run"], tmp_path)
    assert done.stderr == "stopped by SIGINT; nothing had begun\n"
    assert done.returncode == 130 and not done.stdout and not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("mmalign.embed", ["--workdir=given", "--input=given/x.npz", "--output=out.npz"]),
        ("mmalign.data.npz", ["given/x.npz"]),
        ("mmalign.data.recordings", ["given", "--preview"]),
    ],
)
def test_a_signal_ends_the_smaller_programs_with_a_sentence(module, arguments, tmp_path):
    given = tmp_path / "given"
    given.mkdir()
    for name in ("x.npz", "run.json", "x.csv"):
        (given / name).write_bytes(b"")
    here = "event in ('open', 'os.listdir', 'os.scandir') and 'given' in str(of[0])"
    done = interrupted(started(module), here, arguments, tmp_path)
    assert done.stderr == "stopped by SIGINT\n"
    assert done.returncode == 130 and not done.stdout and [*tmp_path.iterdir()] == [given]
