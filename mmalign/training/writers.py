"""Where scalars of a training go. `metrics.jsonl` is the record; TensorBoard and wandb copy it."""

import os
from collections.abc import Iterable, Mapping
from typing import Any, Protocol, Self

import jax

from mmalign.training.jsonl import JsonlWriter
from mmalign.training.trackers import TensorBoardWriter, WandbWriter


class Writer(Protocol):
    """What a `Record` writes to."""

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Takes {"stage/metric": value} of a step."""

    def rewind(self, step: int) -> None:
        """Forgets what was written beyond `step`."""

    def close(self) -> None:
        """Nothing comes after it."""


class MultiWriter:
    """Several writers as one, and a context manager that closes them."""

    def __init__(self, writers: Iterable[Writer]):
        """writers: may be empty."""
        self._writers = list(writers)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """To all."""
        for writer in self._writers:
            writer.scalars(step, values)

    def rewind(self, step: int) -> None:
        """To all."""
        for writer in self._writers:
            writer.rewind(step)

    def close(self) -> None:
        """To all."""
        for writer in self._writers:
            writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def make_writer(
    folder: str | os.PathLike, name: str, *, tensorboard: bool = True,
    wandb: Mapping[str, Any] | None = None,
) -> MultiWriter:  # fmt: skip
    """Record and copies of a training: `metrics.jsonl`, `tensorboard/` in folder; process 0 only.

    name: of the training. wandb: options of `wandb.init` as a mapping, or None for none.
    """
    if jax.process_index():
        return MultiWriter([])
    os.makedirs(folder, exist_ok=True)
    wandb = {key: value for key, value in dict(wandb or {}).items() if value is not None}
    copies: list[Writer] = [WandbWriter(folder, name, **wandb)] if wandb else []
    if tensorboard:
        copies.append(TensorBoardWriter(os.path.join(folder, "tensorboard")))
    return MultiWriter([JsonlWriter(os.path.join(folder, "metrics.jsonl")), *copies])
