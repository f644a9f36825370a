"""A bar per stage, on process 0: where no terminal or notebook shows it, a line now and then."""

import sys
import time

import jax

APART_S = 30.0  # between lines


def progress_bar(name: str, start: int, num_steps: int) -> "Bar":
    """A tqdm bar of a stage, with loss, steps/s and time left; `start` steps are done already."""
    return Bar(name, start, num_steps)


class Bar:
    """What a `Record` moves on."""

    def __init__(self, name: str, start: int, num_steps: int):
        """See `progress_bar`."""
        from tqdm.auto import tqdm

        first = jax.process_index() == 0
        hidden = None if first else True  # None: hidden unless there is a terminal
        self._bar = tqdm(
            desc=name,
            initial=start,
            total=num_steps,
            unit="step",
            disable=hidden,
            dynamic_ncols=True,
        )
        self._lines = first and bool(self._bar.disable)
        self._name, self._start, self._step, self._steps = name, start, start, num_steps
        self._began = self._said = time.monotonic()

    def advance(self) -> None:
        """One more step was dispatched."""
        self._bar.update()
        self._step += 1

    def show(self, **values: float) -> None:
        """Puts the latest values beside the bar."""
        self._bar.set_postfix({key: f"{value:.4g}" for key, value in values.items()}, refresh=False)
        now = time.monotonic()
        if self._lines and now - self._said >= APART_S:
            self._said, done = now, self._step - self._start
            left = (self._steps - self._step) * (now - self._began) / max(done, 1)
            said = ", ".join(f"{key} {value:.4g}" for key, value in values.items())
            print(
                f"{self._name}: step {self._step:,} of {self._steps:,}, {said}, "
                f"{left / 60:.1f} min left",
                file=sys.stderr, flush=True,
            )  # fmt: skip

    def close(self) -> None:
        """Leaves the bar as it is."""
        self._bar.close()
