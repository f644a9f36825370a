"""Memory in large pages, where the system gives them to a program that asks.

On CPUs XLA takes the temporary memory of each step from the system anew, zeroed page by page: with
pages of 4 KiB an eighth to a sixth of the processor time of a step of InfoMAE (20,000 page faults a
step, 500 with large ones; same losses). glibc asks for large pages only if its environment says so
before it starts.
"""

import contextlib
import os
import pathlib
import sys

_SETTING = pathlib.Path("/sys/kernel/mm/transparent_hugepage/enabled")
_VARIABLE, _VALUE = "GLIBC_TUNABLES", "glibc.malloc.hugetlb=1"
_SINCE = (2, 35)  # version of glibc


def start_with_large_pages() -> None:
    """Starts this program anew in its place, once, with glibc asking for large pages.

    To be called first: what was done before is done again, and signals that come meanwhile end it
    as they end Python. Does nothing where that would not help (no glibc that knows, or a system
    that gives large pages to all or to none) or where GLIBC_TUNABLES is set: by the start before,
    or by the user.
    """
    if _VARIABLE in os.environ or not _given_to_who_asks():
        return
    with contextlib.suppress(OSError):  # it goes on as it is
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]],
                  os.environ | {_VARIABLE: _VALUE})  # fmt: skip


def _given_to_who_asks() -> bool:
    try:
        name, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").split()
        known = tuple(map(int, version.split(".")[:2])) >= _SINCE
        return name == "glibc" and known and "[madvise]" in _SETTING.read_text()
    except (AttributeError, ValueError, OSError):  # no such system
        return False
