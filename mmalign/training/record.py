"""What a training says of itself while it runs: metrics, a bar, warnings, and the end by a NaN."""

import collections
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax

from mmalign.training.progress import Bar
from mmalign.training.writers import Writer

IN_FLIGHT = 4  # dispatched steps that may wait for the device; more would only delay a stop


class Record:
    """Holds the metrics of recent steps on the device and reads them in blocks, a step late."""

    def __init__(
        self, name: str, num_steps: int, *, log_every: int = 50, write: Writer | None = None,
        progress: Callable[[str, int, int], Bar] | None = None,
        watches: Iterable[tuple[str, float, str]] = (),
        look: Callable[[Any], Mapping[str, float]] | None = None, look_every: int = 1,
    ):  # fmt: skip
        """The record of one training.

        name: of the stage; metrics are written as "<name>/<metric>".
        log_every: written are the values of the steps that it divides and of the last: a resumed
          training leaves the same record as an unbroken one.
        write: a writer (`scalars`, `rewind`) or None.
        progress: (name, start, num_steps) -> bar, see `progress_bar`; or None.
        watches: (metric, low, message) each: a written value of the metric below `low` warns, once.
        look: TrainState -> {metric: value}, asked every `look_every` steps and at the last one;
          what it says is written on a line of its own and stays beside the bar.
        `memory` are the bytes that a step needs, once it is compiled and if that is known.
        """
        self.memory: int | None = None
        self.name, self.num_steps, self.log_every = name, num_steps, log_every
        self._write, self._progress, self._watches = write, progress, list(watches)
        self._look, self._look_every, self._seen = look, look_every, {}
        self._unread = []  # (step, metrics on the device)
        self._first_bad: int | jax.Array = 0
        self._flying = collections.deque()
        self._bar = None

    def start(self, step: int) -> None:
        """Forgets what was written beyond `step`, and opens the bar there."""
        if self._write is not None:
            self._write.rewind(step)
        if self._progress is not None:
            self._bar = self._progress(self.name, step, self.num_steps)

    def add(self, step: int, metrics: Mapping[str, jax.Array], first_bad: jax.Array) -> None:
        """Takes the metrics of a step just dispatched; reads those before if they are due.

        first_bad: int32 [] on the device, the first step so far that was not finite, 0 for none.
        """
        if (step - 1) % self.log_every == 0:
            self.read()
        self._unread.append((step, metrics))
        self._first_bad = first_bad
        self._flying.append(metrics["loss"])
        if len(self._flying) > IN_FLIGHT:
            self._flying.popleft().block_until_ready()
        if self._bar is not None:
            self._bar.advance()

    def look(self, step: int, state: Any) -> Mapping[str, float] | None:
        """What there is to see of the state after a step, if that is due."""
        if self._look is None or (step % self._look_every and step != self.num_steps):
            return None
        self.read()
        self._seen = self._look(state)
        if self._write is not None:
            self._write.scalars(step, {f"{self.name}/{k}": v for k, v in self._seen.items()})
        return self._seen

    def read(self) -> None:
        """Reads all steps so far: writes those that are due, stops at one that is not finite."""
        unread, self._unread = self._unread, []
        first_bad = int(self._first_bad) if unread else 0
        for step, metrics in unread:
            if step == first_bad:
                _stop(self.name, step, jax.device_get(metrics))
            if step % self.log_every == 0 or step == self.num_steps:
                values = {f"{self.name}/{k}": float(v) for k, v in jax.device_get(metrics).items()}
                if self._write is not None:
                    self._write.scalars(step, values)
                if self._bar is not None:
                    self._bar.show(loss=values[f"{self.name}/loss"], **self._seen)
                self._warn(step, values)

    def close(self) -> None:
        """Leaves the bar as it is."""
        if self._bar is not None:
            self._bar.close()

    def _warn(self, step, values):
        """Warns of values that are too low, of each metric once."""
        for watch in list(self._watches):
            metric, low, message = watch
            value = values[f"{self.name}/{metric}"]
            if value < low:
                self._watches.remove(watch)
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
