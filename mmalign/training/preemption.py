"""SIGTERM as a request to stop after the step in progress."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

import jax
from jax.experimental import multihost_utils


class Preempted(SystemExit):
    """A run was asked to stop and has saved; left alone, the process ends with code 143."""

    def __init__(self, name: str, step: int):
        """name, step: the stage and the updates it has done."""
        super().__init__(143)
        self.name, self.step = name, step

    def __str__(self) -> str:
        """Where the run stopped."""
        return f"stopped by SIGTERM after step {self.step} of {self.name!r}; run again to go on"


@contextlib.contextmanager
def stop_requests() -> Iterator[Callable[[int], bool]]:
    """Yields `asked(step) -> bool`, to be called after every step.

    In one process a handler is installed and put back at the end, which then gets a request that
    came after the last question; outside the main thread, where Python allows none, the answer is
    always no. With several processes jax's own handler takes the signal, and all processes answer
    yes at the same later step.
    """
    if jax.process_count() > 1:
        yield multihost_utils.reached_preemption_sync_point
        return
    received, told = [], []
    main = threading.current_thread() is threading.main_thread()
    if main:
        before = signal.signal(signal.SIGTERM, lambda number, frame: received.append(number))

    def asked(step):
        del step
        told.extend(received)
        return bool(told)

    try:
        yield asked
    finally:
        if main:
            signal.signal(signal.SIGTERM, before)
    if received and not told:
        signal.raise_signal(signal.SIGTERM)
