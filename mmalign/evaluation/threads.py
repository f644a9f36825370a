"""One thread for the linear algebra of each probe, and several probes at once."""

import contextlib
import functools
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Inside, BLAS and OpenMP of NumPy and scikit-learn use one thread; XLA is not concerned.

    The skinny products of a probe are bound by memory and gain little from more threads, which
    wait for each other when cores are busy (measured: 14 times slower); and numbers then do not
    depend on the count of cores.
    """
    with _libraries().limit(limits=1):
        yield


def side_by_side(work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """`work` of each item, in their order; as many at once as there are cores for this process.

    Each is to keep to `one_thread`: what it finds then is what it would find alone.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if cores == 1:
        yield from map(work, items)
        return
    with one_thread():  # around all, as a limit that one thread lifts is lifted in all of them
        pool = ThreadPoolExecutor(cores)
        try:
            yield from pool.map(work, items)
        finally:  # what a signal or an error left behind is not waited for
            pool.shutdown(wait=False, cancel_futures=True)


@functools.cache
def _libraries() -> Any:
    """Those in memory: to look for them takes as long as a small probe."""
    import sklearn.linear_model  # noqa: F401  brings its own
    from threadpoolctl import ThreadpoolController  # scikit-learn requires it

    return ThreadpoolController()
