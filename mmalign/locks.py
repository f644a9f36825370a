"""Locks that the system takes back from a process that dies."""

import contextlib
import fcntl
import os
import pathlib
import socket
import time
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def held(path: pathlib.Path, taken: Callable[[str], object]) -> Iterator[None]:
    """Holds the lock of a file, which is made and left there with its holder in it.

    taken: told who has it, "process 12 of host since 2026-01-01 12:00:00", where another process
      does; when it returns, the lock is waited for.
    """
    with open(path, "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            taken(file.read().strip() or "another process")
            fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        file.truncate()
        now = time.strftime("%Y-%m-%d %H:%M:%S")
        file.write(f"process {os.getpid()} of {socket.gethostname()} since {now}")
        file.flush()
        yield
