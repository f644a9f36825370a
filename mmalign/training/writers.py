"""Where scalars of a training go. `metrics.jsonl` is the record; TensorBoard and wandb copy it."""

import json
import math
import os
from collections.abc import Iterable, Mapping
from typing import Any, Protocol, Self

import jax


class Writer(Protocol):
    """What a `Record` writes to."""

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Takes {"stage/metric": value} of a step."""

    def rewind(self, step: int) -> None:
        """Forgets what was written beyond `step`."""

    def close(self) -> None:
        """Nothing comes after it."""


class JsonlWriter:
    """A line a step: {"step": 50, "pretrain/loss": 0.7}. What is not finite becomes null."""

    def __init__(self, path: str | os.PathLike):
        """path: appended to; a last line that was cut off is dropped."""
        self._path = path
        self._keep(lambda line: True)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Appends the line and hands it to the operating system."""
        finite = {key: value if math.isfinite(value) else None for key, value in values.items()}
        self._file.write(json.dumps({"step": step, **finite}) + "\n")
        self._file.flush()

    def rewind(self, step: int) -> None:
        """Drops lines beyond `step`."""
        self._file.close()
        self._keep(lambda line: line["step"] <= step)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _keep(self, wanted):
        """Opens the file for appending, after rewriting it without unwanted lines."""
        if os.path.exists(self._path):
            with open(self._path) as file:
                lines = file.readlines()
            kept = [line for line in lines if line.endswith("\n") and wanted(json.loads(line))]
            if kept != lines:
                with open(f"{self._path}.new", "w") as file:
                    file.writelines(kept)
                os.replace(f"{self._path}.new", self._path)
        self._file = open(self._path, "a")  # noqa: SIM115


class TensorBoardWriter:
    """Event files of one training in a folder."""

    def __init__(self, folder: str | os.PathLike):
        """folder: made when there is something to write."""
        self._folder, self._writer = folder, None

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """One event per value."""
        self._writer = self._writer or self._open()
        for key, value in values.items():
            if math.isfinite(value):  # tensorboardX warns of others
                self._writer.add_scalar(key, value, step)

    def rewind(self, step: int) -> None:
        """Makes readers ignore the events beyond `step`."""
        self.close()
        self._writer = self._open(purge_step=step + 1)

    def close(self) -> None:
        """Writes what is left."""
        if self._writer is not None:
            self._writer.close()

    def _open(self, purge_step=None):
        from tensorboardX import SummaryWriter

        os.makedirs(self._folder, exist_ok=True)
        # Names go by the second: without a suffix a quick restart overwrites the file before.
        suffix = f".{len(os.listdir(self._folder))}"
        return SummaryWriter(str(self._folder), purge_step=purge_step, filename_suffix=suffix)


class WandbWriter:
    """A Weights & Biases run of one training; needs `pip install mmalign[wandb]`."""

    def __init__(self, folder: str | os.PathLike, name: str, **options: Any):
        """options: of `wandb.init`, project for instance; give an id for a run that may resume."""
        try:
            import wandb
        except ImportError as error:
            raise ImportError(
                "config.wandb asks for Weights & Biases: pip install 'mmalign[wandb]'"
            ) from error
        self._run = wandb.init(dir=folder, resume="allow", **{"name": name} | options)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Logs at the training's step."""
        self._run.log(values, step=step)

    def rewind(self, step: int) -> None:
        """Nothing: wandb forgets nothing; repeated steps are drawn twice."""

    def close(self) -> None:
        """Ends the run."""
        self._run.finish()


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
