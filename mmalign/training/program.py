"""The program of a training step: compiled once, in an order of operations that suits its size."""

import queue
import threading
from typing import Any

import jax

_LARGE = 2**28  # bytes of temporaries
_SPARING: dict[str, str | bool] = {"xla_cpu_scheduler_type": "CPU_SCHEDULER_TYPE_MEMORY_OPTIMIZED"}


def compile_step(step: jax.stages.Wrapped, *args: Any) -> jax.stages.Compiled:
    """`step`, a jitted function, compiled for arguments like `args` and no others.

    On CPUs XLA orders operations so that many can run at once, and what waits needs memory. The
    first touch of that memory, at every step, costs a large program more than it gains: there the
    order is one that needs little.
    """
    lowered = step.lower(*args)
    program = _compiled(lowered)
    memory = program.memory_analysis() if jax.default_backend() == "cpu" else None
    if memory is None or memory.temp_size_in_bytes < _LARGE:
        return program
    try:
        return _compiled(lowered, compiler_options=_SPARING)
    except RuntimeError:  # what XLA says of an option that its version lacks
        return program


def _compiled(lowered, **options):
    """Compiled beside the main thread, in which Python handles signals: a minute may pass."""
    if threading.current_thread() is not threading.main_thread():
        return lowered.compile(**options)
    done: queue.SimpleQueue = queue.SimpleQueue()

    def work():
        try:
            done.put((lowered.compile(**options), None))
        except BaseException as error:
            done.put((None, error))

    threading.Thread(target=work, daemon=True).start()
    program, error = done.get()
    if error is not None:
        raise error
    return program


def memory(program: jax.stages.Compiled) -> int | None:
    """Bytes that a program needs on a device, arguments and results included; None: not known."""
    found = program.memory_analysis()
    if found is None:
        return None
    passed = found.argument_size_in_bytes + found.output_size_in_bytes
    return int(found.temp_size_in_bytes + passed - found.alias_size_in_bytes)
