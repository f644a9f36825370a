"""TensorBoard and wandb, which copy the record of a training."""

import math
import os
from collections.abc import Mapping
from typing import Any


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
