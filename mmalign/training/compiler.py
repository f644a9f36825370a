"""Options of XLA for the program of a training step."""

import functools

import jax

# On CPUs XLA orders operations so that many can run at once, and all that waits needs memory: six
# encoders took ten times as much, 485 MiB for 50, whose first touch at every step was a third of
# its time. Convolutions and products use all cores in either order.
_SPARING = {"xla_cpu_scheduler_type": "CPU_SCHEDULER_TYPE_MEMORY_OPTIMIZED"}


@functools.cache
def compiler_options():
    """Options for `jax.jit`: an order of operations that needs little memory, or None.

    None where the backend is no CPU, or XLA's version has no such option.
    """
    if jax.default_backend() != "cpu":
        return None
    try:
        jax.jit(lambda: 0, compiler_options=_SPARING).lower().compile()
    except RuntimeError:  # what XLA says of an option that it does not know
        return None
    return _SPARING
