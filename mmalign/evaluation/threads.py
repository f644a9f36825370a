"""One thread for the linear algebra of probes."""

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Inside, BLAS and OpenMP of NumPy and scikit-learn use one thread; XLA is not concerned.

    The skinny products of a probe are bound by memory and gain little from more threads, which
    wait for each other when cores are busy (measured: 14 times slower); and numbers then do not
    depend on the count of cores.
    """
    from threadpoolctl import threadpool_limits  # scikit-learn requires it

    with threadpool_limits(1):
        yield
