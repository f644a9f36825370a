"""The loop of a stage: Python draws rows and dispatches; the device never waits for it."""

import collections
import functools
import itertools
import warnings

import jax
import jax.numpy as jnp
import numpy as np

from mmalign.training.mesh import place, replicated, split, split_rows
from mmalign.training.preemption import Preempted, stop_requests
from mmalign.training.program import compile_step

IN_FLIGHT = 4  # dispatched steps that may wait for the device; more would only delay a stop


def train(
    name,
    init_state,
    train_step,
    data,
    rows_at,
    num_steps,
    *,
    mesh,
    checkpoints=None,
    write=None,
    progress=None,
    log_every=50,
    feed=None,
    watches=(),
):
    """Trains a stage to `num_steps` updates, from its latest checkpoint if it has one.

    name: of the stage; metrics are written as "<name>/<metric>".
    init_state: () -> TrainState, called only without a checkpoint (see `state.init_state`).
    train_step: (state, data, rows) -> (state, metrics), pure, compiled once; metrics hold scalars,
      "loss" and "grad_norm" among them.
    data: tree of arrays that every step sees; an argument of the program, whole on every device.
      What `replicate` placed before is not copied.
    rows_at: step -> tree of NumPy arrays, the global batch on axis 0; the same on all processes.
    feed: start -> iterator of batches from that step on, in place of `rows_at` (then None), for
      data that the host streams; each process yields its share of axis 0.
    write: a writer (`scalars`, `rewind`) or None. Written are the values of the steps that
      `log_every` divides and of the last: a resumed run leaves the same record as an unbroken one.
    progress: (name, start, num_steps) -> bar, see `progress_bar`; or None.
    watches: (metric, low, message) each: a written value of the metric below `low` warns, once.
    Returns: the final TrainState. The last save may still run: `checkpoints.close()` finishes it.
    Raises: FloatingPointError, naming the step, if a loss or gradient is not finite; Preempted
      after SIGTERM; ValueError if the batch cannot be split over the mesh.
    """
    whole = replicated(mesh)
    state = _first_state(init_state, checkpoints, whole)
    start = int(state.step)
    if start >= num_steps:
        return state
    if write is not None:
        write.rewind(name, start)
    data = place(data, whole)
    batches = _batches(rows_at, feed, start, mesh)
    jitted = jax.jit(
        functools.partial(_watched, train_step),
        in_shardings=(whole, whole, whole, split(mesh)),
        out_shardings=whole,
        donate_argnums=0,
    )
    program = None
    bad = place(np.int32(0), whole)
    bar = progress(name, start, num_steps) if progress else None
    record = _Record(name, num_steps, log_every, write, bar, watches)
    try:
        with stop_requests() as asked:
            for step in range(start, num_steps):
                batch = next(batches, None)
                if batch is None:
                    raise ValueError(f"feed ended at step {step} of {num_steps}")
                program = program or compile_step(jitted, state, bad, data, batch)
                with jax.profiler.StepTraceAnnotation(name, step_num=step):
                    state, bad, metrics = program(state, bad, data, batch)
                done = step + 1
                record.add(done, metrics, bad)
                stop = asked(done)
                if checkpoints and (stop or done == num_steps or checkpoints.due(done)):
                    record.read()  # what is on disk of the record reaches the checkpoint's step
                    _check_finite(state, name)
                    checkpoints.save(done, state, force=True)
                if stop:
                    record.read()
                    if checkpoints:
                        checkpoints.wait()
                    raise Preempted(name, done)
            record.read()
    finally:
        if bar is not None:
            bar.close()
    return state


def _watched(train_step, state, bad, data, batch):
    """The step, and the first step that was not finite (0: none), so that one number tells."""
    state, metrics = train_step(state, data, batch)
    finite = jnp.isfinite(metrics["loss"]) & jnp.isfinite(metrics["grad_norm"])
    return state, jnp.where((bad == 0) & ~finite, state.step, bad), metrics


def _first_state(init_state, checkpoints, whole):
    if checkpoints is None or checkpoints.latest is None:
        return init_state()
    like = lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=whole)
    return checkpoints.load(None, jax.tree.map(like, jax.eval_shape(init_state)))


def _batches(rows_at, feed, start, mesh):
    """Yields placed batches from step `start` on."""
    if (rows_at is None) == (feed is None):
        raise ValueError("give rows_at or feed, one of the two")
    streamed = feed is not None
    for batch in feed(start) if streamed else map(rows_at, itertools.count(start)):
        yield split_rows(batch, mesh, local=streamed)


class _Record:
    """Holds the metrics of recent steps on the device and reads them in blocks, a step late."""

    def __init__(self, name, num_steps, log_every, write, bar, watches):
        self.name, self.num_steps, self.log_every = name, num_steps, log_every
        self.write, self.bar, self.watches = write, bar, list(watches)
        self.unread = []  # (step, metrics on the device)
        self.bad = None
        self.flying = collections.deque()

    def add(self, step, metrics, bad):
        """Takes the metrics of a step just dispatched; reads those before if they are due."""
        if (step - 1) % self.log_every == 0:
            self.read()
        self.unread.append((step, metrics))
        self.bad = bad
        self.flying.append(metrics["loss"])
        if len(self.flying) > IN_FLIGHT:
            self.flying.popleft().block_until_ready()
        if self.bar is not None:
            self.bar.advance()

    def read(self):
        """Reads all steps so far: writes those that are due, stops at one that is not finite."""
        unread, self.unread = self.unread, []
        bad = int(self.bad) if unread else 0
        for step, metrics in unread:
            if step == bad:
                _stop(self.name, step, jax.device_get(metrics))
            if step % self.log_every == 0 or step == self.num_steps:
                values = {f"{self.name}/{k}": float(v) for k, v in jax.device_get(metrics).items()}
                if self.write is not None:
                    self.write.scalars(step, values)
                if self.bar is not None:
                    self.bar.show(loss=values[f"{self.name}/loss"])
                self._watch(step, values)

    def _watch(self, step, values):
        """Warns of values that are too low, of each metric once."""
        for watch in list(self.watches):
            metric, low, message = watch
            value = values[f"{self.name}/{metric}"]
            if value < low:
                self.watches.remove(watch)
                if jax.process_index() == 0:
                    warnings.warn(
                        f"stage {self.name!r}: {metric} is {value:.2g} at step {step}, below "
                        f"{low:g}: {message}",
                        stacklevel=4,
                    )


def _stop(name, step, metrics):
    shown = ", ".join(f"{key} {float(value):.4g}" for key, value in sorted(metrics.items()))
    raise FloatingPointError(
        f"stage {name!r}: loss or gradient not finite at step {step} ({shown}). The last "
        "checkpoint is from before it. A lower lr, a longer warm-up or a smaller clip_norm may "
        "help; JAX_DEBUG_NANS=1 finds the operation"
    )


@jax.jit
def _all_finite(tree):
    floats = [x for x in jax.tree.leaves(tree) if jnp.issubdtype(x.dtype, jnp.inexact)]
    return jnp.all(jnp.stack([jnp.isfinite(x).all() for x in floats]))


def _check_finite(state, name):
    """A gradient can be finite and the update from it not."""
    if not _all_finite(state):
        raise FloatingPointError(
            f"stage {name!r}: weights or optimizer state not finite after step {int(state.step)}; "
            "it was not saved. A lower lr or a smaller clip_norm may help"
        )
