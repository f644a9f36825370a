"""SIGTERM, and in a program SIGINT and SIGHUP, as requests to stop after the step in progress."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

import jax
from jax.experimental import multihost_utils

from mmalign.signals import SIGNALS, Stopped


class Preempted(Stopped):
    """A run was asked to stop and has saved; left alone, the process ends with 128 + number."""

    def __init__(self, name: str, step: int, number: int = signal.SIGTERM):
        """name, step: the stage and the updates it has done. number: of the signal."""
        super().__init__(number)
        self.name, self.step = name, step

    def __str__(self) -> str:
        """Where the run stopped."""
        by = signal.Signals(self.number).name
        return f"stopped by {by} after step {self.step} of {self.name!r}; run again to go on"


@contextlib.contextmanager
def stop_requests() -> Iterator[Callable[[int], int]]:
    """Yields `asked(step) -> number of the signal, 0 for none`, to be called after every step.

    In one process a handler is installed and put back at the end, which then gets a request that
    came after the last question; outside the main thread, where Python allows none, the answer is
    always no. Signals that are ignored stay so, and in a notebook or a shell of Python SIGINT stays
    a KeyboardInterrupt. With several processes jax's own handler takes SIGTERM, and all processes
    answer yes at the same later step.
    """
    if jax.process_count() > 1:
        yield lambda step: signal.SIGTERM * multihost_utils.reached_preemption_sync_point(step)
        return
    received, told = [], []
    before = {}
    if threading.current_thread() is threading.main_thread():
        left_alone = (signal.SIG_IGN, signal.default_int_handler)
        before = {n: signal.getsignal(n) for n in SIGNALS if signal.getsignal(n) not in left_alone}
        for number in before:
            signal.signal(number, lambda number, frame: received.append(number))

    def asked(step):
        del step
        told.extend(received)
        return told[0] if told else 0

    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if received and not told:
        signal.raise_signal(received[0])
