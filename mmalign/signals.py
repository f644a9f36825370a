"""Signals that ask a program to end: a sentence each, in place of a traceback or of nothing."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Stopped(SystemExit):
    """The program was asked to end where nothing has to be saved first."""

    def __init__(self, number: int):
        """number: of the signal; left alone, the process ends with code 128 + number."""
        super().__init__(128 + number)
        self.number = number

    def __str__(self) -> str:
        """What ended it, and what becomes of the run."""
        return f"{_by(self.number)}; what was finished is kept: run again to go on"


def leave_at_signals() -> None:
    """From here on a signal ends the process, but one that is ignored, as under nohup.

    For the imports of a program, which take a second and catch what is raised in them.
    """
    _handle(_leave)


def stop_at_signals() -> None:
    """From here on a signal raises `Stopped`, but one that is ignored, as under nohup.

    A callback of the garbage collector or of a weak reference, and jax has some, cannot pass it on:
    Python prints it and goes on. The signal is then sent once more, a moment later.
    """
    usual = sys.unraisablehook

    def again(lost: Any) -> None:
        if not isinstance(lost.exc_value, Stopped):
            return usual(lost)
        timer = threading.Timer(_MOMENT_S, os.kill, (os.getpid(), lost.exc_value.number))
        timer.daemon = True
        timer.start()

    _handle(_stop)
    sys.unraisablehook = again


def answered(main: Callable[[], None]) -> None:
    """Runs a program that keeps nothing half done; a signal ends it by a sentence."""
    stop_at_signals()
    try:
        main()
    except Stopped as stop:
        end(_by(stop.number), stop.number)


def end(said: str, number: int) -> None:
    """Ends the process at once: XLA may be compiling in a thread that cannot be ended."""
    print(said, file=sys.stderr, flush=True)
    os._exit(128 + number)


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Inside, a signal waits for the end of it.

    For calls that run an event loop of their own: `Stopped`, raised in a callback of one, is
    printed with a traceback there, and may be lost.
    """
    _holds.append(None)
    try:
        yield
    finally:
        _holds.pop()
        if _waiting and not _holds:
            number = _waiting[0]
            _waiting.clear()
            raise Stopped(number)


_MOMENT_S = 0.02  # in which a callback ends
_holds: list[None] = []  # one for each `held` that the program is inside of
_waiting: list[int] = []  # signals that came there


def _handle(handler: Callable[[int, FrameType | None], None]) -> None:
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


def _by(number: int) -> str:
    return f"stopped by {signal.Signals(number).name}"


def _leave(number: int, frame: FrameType | None) -> None:
    os.write(2, f"{_by(number)}; nothing had begun\n".encode())
    os._exit(128 + number)


def _stop(number: int, frame: FrameType | None) -> None:
    if not _holds:
        raise Stopped(number)
    _waiting.append(number)
