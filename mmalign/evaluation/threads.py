"""One thread for the linear algebra of probes."""

import contextlib
import functools
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Inside, BLAS and OpenMP of NumPy and scikit-learn use one thread; XLA is not concerned.

    The skinny products of a probe are bound by memory and gain little from more threads, which
    wait for each other when cores are busy (measured: 14 times slower); and numbers then do not
    depend on the count of cores.
    """
    with _libraries().limit(limits=1):
        yield


@functools.cache
def _libraries() -> Any:
    """Those in memory: to look for them takes as long as a small probe."""
    import sklearn.linear_model  # noqa: F401  brings its own
    from threadpoolctl import ThreadpoolController  # scikit-learn requires it

    return ThreadpoolController()
