"""Signals that ask a program to end: a sentence each, in place of a traceback or of nothing."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Stopped(SystemExit):
    """The program was asked to end where nothing has to be saved first."""

    def __init__(self, number: int):
        """number: of the signal; left alone, the process ends with code 128 + number."""
        super().__init__(128 + number)
        self.number = number

    def __str__(self) -> str:
        """What ended it, and what becomes of the run."""
        name = signal.Signals(self.number).name
        return f"stopped by {name}; what was finished is kept: run again to go on"


def stop_at_signals() -> None:
    """From here on a signal raises `Stopped`, but one that is ignored, as under nohup."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)


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


_holds: list[None] = []  # one for each `held` that the program is inside of
_waiting: list[int] = []  # signals that came there


def _stop(number: int, frame: FrameType | None) -> None:
    if not _holds:
        raise Stopped(number)
    _waiting.append(number)
