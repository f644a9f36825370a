"""The loop of a stage: Python draws rows and dispatches; the device never waits for it."""

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from mmalign.files import Damaged
from mmalign.training.checkpoints import Checkpoints
from mmalign.training.mesh import place, replicated, split, split_rows
from mmalign.training.preemption import Preempted, stop_requests
from mmalign.training.program import compile_step, memory
from mmalign.training.record import Record
from mmalign.training.state import TrainState
from mmalign.training.step import KEPT, TrainStep
from mmalign.training.stopping import EarlyStopping


def train(
    init_state: Callable[[], TrainState], train_step: TrainStep, data: Any,
    batches: Callable[[int], Iterator], num_steps: int, *, mesh: Mesh, record: Record,
    checkpoints: Checkpoints | None = None, stopping: EarlyStopping | None = None,
) -> TrainState:  # fmt: skip
    """Trains a stage to `num_steps` updates, from its latest checkpoint if it has one.

    init_state: () -> TrainState, called only without a checkpoint (see `state.init_state`).
    train_step: (state, data, batch) -> (state, metrics), pure, compiled once; metrics hold scalars,
      "loss" and "grad_norm" among them.
    data: tree of arrays that every step sees; an argument of the program, whole on every device.
      What `replicate` placed before is not copied.
    batches: start -> iterator of what each step sees from that step on, see `drawn`, `streamed`.
    record: Record, which is told of every step.
    stopping: ends the training by what the record's looks see; the final state has the best
      weights, and the number of steps of a training that came to its end.
    Returns: the final TrainState. The last save may still run: `checkpoints.close()` finishes it.
    Raises: FloatingPointError, naming the step, if a loss or gradient is not finite; Preempted
      after a signal, see `stop_requests`; ValueError if the batch cannot be split over the mesh.
    """
    everywhere = replicated(mesh)
    state = _first_state(init_state, checkpoints, everywhere)
    start = int(state.step)
    if start >= num_steps:
        return state
    record.start(start)
    if stopping is not None:
        stopping.start(start)
    try:
        steps = _steps(state, train_step, data, batches, num_steps, mesh, record)
        with stop_requests() as asked:  # until here there is nothing to be saved
            for state, done in steps:
                stop, seen = asked(done), record.look(done, state)
                last = done == num_steps
                if stopping is not None and seen:
                    last |= stopping.ends(done, state, seen)
                    if last:
                        state = _ended(stopping.best(state), num_steps)
                if checkpoints and (stop or last or checkpoints.due(done)):
                    record.read()  # what is on disk of the record reaches the checkpoint's step
                    _check_finite(state, record.name)
                    checkpoints.save(num_steps if last else done, state, force=True)
                if stop:
                    record.read()
                    if checkpoints:
                        checkpoints.wait()
                    raise Preempted(record.name, done, stop)
                if last:
                    break
            record.read()
    finally:
        record.close()
    return state


def step_program(
    train_step: TrainStep, state: Any, data: Any, batch: Any, mesh: Mesh
) -> jax.stages.Compiled:
    """What `train` runs at every step: (state, first step that was not finite, data, batch).

    Of state and data shapes count alone: whoever asks for the same again, in another thread while
    it is being compiled, too, gets the same program.
    """
    shapes = jax.tree.map(
        functools.partial(_shape, sharding=replicated(mesh)), (state, np.int32(0), data)
    )
    return compile_step(_jitted(train_step, mesh), *shapes, batch)


def _shape(x, sharding):
    kind = jax.typeof(x)
    return jax.ShapeDtypeStruct(kind.shape, kind.dtype, sharding=sharding, weak_type=kind.weak_type)


def drawn(rows_at: Callable[[int], Any], mesh: Mesh) -> Callable[[int], Iterator]:
    """Batches of rows that a step gathers on the device: `start -> iterator`.

    rows_at: step -> tree of NumPy arrays, the global batch on axis 0; the same on all processes.
    """
    return lambda start: (split_rows(rows_at(step), mesh) for step in itertools.count(start))


def streamed(feed: Callable[[int], Iterable], mesh: Mesh) -> Callable[[int], Iterator]:
    """Batches that the host gathers, for data larger than the device: `start -> iterator`.

    feed: start -> iterator from that step on; each process yields its share of axis 0.
    """
    return lambda start: (split_rows(batch, mesh, local=True) for batch in feed(start))


def _steps(state, train_step, data, batches, num_steps, mesh, record):
    """Iterator of (state, updates done) after every step dispatched; the program is ready."""
    everywhere = replicated(mesh)
    start = int(state.step)
    data, first_bad = place(data, everywhere), place(np.int32(0), everywhere)
    coming = _counted(batches(start), start, num_steps)
    first = next(coming)
    program = step_program(train_step, state, data, first[1], mesh)
    record.memory = memory(program)

    def dispatched(state, first_bad):
        for step, batch in itertools.chain([first], coming):
            with jax.profiler.StepTraceAnnotation(record.name, step_num=step):
                state, first_bad, metrics = program(state, first_bad, data, batch)
            record.add(step + 1, metrics, first_bad)
            yield state, step + 1

    return dispatched(state, first_bad)


@functools.lru_cache(KEPT)
def _jitted(train_step, mesh):
    """The step of a state that is given up, over the mesh; jax keeps its programs as long as it."""
    everywhere = replicated(mesh)
    return jax.jit(
        functools.partial(_watched, train_step),
        in_shardings=(everywhere, everywhere, everywhere, split(mesh)),
        out_shardings=everywhere,
        donate_argnums=0,
    )


def _counted(batches, start, num_steps):
    """(step, its batch) up to the last step."""
    for step in range(start, num_steps):
        batch = next(batches, None)
        if batch is None:
            raise ValueError(f"the stream of batches ended at step {step} of {num_steps}")
        yield step, batch


def _watched(train_step, state, first_bad, data, batch):
    """The step, and the first step that was not finite (0: none), so that one number tells."""
    state, metrics = train_step(state, data, batch)
    finite = jnp.isfinite(metrics["loss"]) & jnp.isfinite(metrics["grad_norm"])
    return state, jnp.where((first_bad == 0) & ~finite, state.step, first_bad), metrics


def _ended(state, num_steps):
    """The state as if all steps were done, as one is that is found finished."""
    return state.replace(step=jax.device_put(np.int32(num_steps), state.step.sharding))


def _first_state(init_state, checkpoints, sharding):
    """The newest state that is whole; checkpoints that are not are set aside."""
    like = lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding)
    while checkpoints is not None and checkpoints.latest is not None:
        try:
            return checkpoints.load(None, jax.tree.map(like, jax.eval_shape(init_state)))
        except Damaged as error:
            if jax.process_count() > 1:
                raise
            aside = checkpoints.set_aside(checkpoints.latest)
            before = checkpoints.latest
            after = "the beginning" if before is None else f"step {before}"
            print(f"{error}: it is kept as {aside}, and the training goes on from {after}")
    return init_state()


def _check_finite(state, name):
    """A gradient can be finite and the update from it not."""
    floats = [x for x in jax.tree.leaves(state) if jnp.issubdtype(x.dtype, jnp.inexact)]
    # on the host, where they are to be saved from: no program has to be compiled for it
    if not all(np.isfinite(x).all() for x in jax.device_get(floats)):
        raise FloatingPointError(
            f"stage {name!r}: weights or optimizer state not finite after step {int(state.step)}; "
            "it was not saved. A lower lr or a smaller clip_norm may help"
        )
