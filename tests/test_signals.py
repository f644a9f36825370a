"""Signals that ask for an end, inside calls that must not be cut in the middle."""

import signal

import pytest

from mmalign import signals
from mmalign.training import checkpoints


@pytest.fixture(autouse=True)
def stopping():
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
