"""A bar per stage, on process 0 and only where a terminal or notebook shows it."""

import jax


def progress_bar(name: str, start: int, num_steps: int) -> "Bar":
    """A tqdm bar of a stage, with loss, steps/s and time left; `start` steps are done already."""
    return Bar(name, start, num_steps)


class Bar:
    """What a `Record` moves on."""

    def __init__(self, name: str, start: int, num_steps: int):
        """See `progress_bar`."""
        from tqdm.auto import tqdm

        hidden = True if jax.process_index() else None  # None: hidden unless there is a terminal
        self._bar = tqdm(
            desc=name,
            initial=start,
            total=num_steps,
            unit="step",
            disable=hidden,
            dynamic_ncols=True,
        )

    def advance(self) -> None:
        """One more step was dispatched."""
        self._bar.update()

    def show(self, **values: float) -> None:
        """Puts the latest values beside the bar."""
        self._bar.set_postfix({key: f"{value:.4g}" for key, value in values.items()}, refresh=False)

    def close(self) -> None:
        """Leaves the bar as it is."""
        self._bar.close()
