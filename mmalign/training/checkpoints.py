"""Checkpoints of one stage: asynchronous, atomic, the last few kept. The only file with orbax."""

import os
import pathlib
import shutil
from typing import Any, Self

import jax

from mmalign.files import Damaged
from mmalign.signals import held
from mmalign.training import checksums

_ROOM, _ABOUT = 1.1, 2**20  # what a checkpoint takes at most: of a state's bytes, and beside them


class Checkpoints:
    """A folder of checkpoints, named by the number of updates done.

    A save that is cut off leaves no checkpoint, and the next start removes what is left of it.
    In `checksums` among them stands what each holds, by which `load` knows it again.
    Use as a context manager, or call `close`, so that the last save is finished.
    """

    @held()
    def __init__(self, folder: str | os.PathLike, every: int, keep: int = 2):
        """folder: made if missing. every: steps between saves. keep: how many stay."""
        from orbax.checkpoint import v1 as ocp

        if every < 1 or keep < 1:
            raise ValueError(f"every and keep must be 1 or more, got {every} and {keep}")
        saves, keeps = ocp.training.save_decision_policies, ocp.training.preservation_policies
        self.every = every
        self._folder = pathlib.Path(folder).absolute()
        # Orbax's own policies skip a save while another runs, and delete nothing.
        self._checkpointer = ocp.training.Checkpointer(
            os.path.abspath(folder),
            save_decision_policy=saves.FixedIntervalPolicy(every),
            preservation_policy=keeps.LatestN(keep),
            cleanup_tmp_directories=True,
        )
        self._running = None

    @property
    def latest(self) -> int | None:
        """Step of the newest checkpoint, or None."""
        newest = self._checkpointer.latest
        return None if newest is None else newest.step

    def due(self, step: int) -> bool:
        """Whether `save` without force would save."""
        return step % self.every == 0

    @held()
    def save(self, step: int, state: Any, force: bool = False) -> None:
        """Starts a save if the step is due or `force`. `state` may be donated afterwards.

        Raises: OSError, before anything is written, where the disk has no room for it.
        """
        if not (force or self.due(step)):
            return
        self._need_room(state)
        checksums.write(self._folder, step, state)
        self._running = self._checkpointer.save_async(step, state, force=force) or self._running

    @held()
    def wait(self) -> None:
        """Returns when the last save is on disk."""
        if self._running is not None:
            self._running.result()
            self._running = None

    @held()
    def load(self, step: int | None, like: Any, partial: bool = False) -> Any:
        """The state at `step` (None: the latest) with the shapes, dtypes and shardings of `like`.

        like: tree of ShapeDtypeStructs or arrays; leaves without a sharding go to the default
          device, whatever devices saved them.
        partial: `like` may lack parts of what was saved, {"params": ...} say.
        Raises: ValueError if a path, shape or dtype differs, or there is no such checkpoint;
          Damaged if it cannot be read, or its numbers are not those that were saved.
        """
        self.wait()
        steps = [found.step for found in self._checkpointer.checkpoints]
        step = self.latest if step is None else step
        folder = self._checkpointer.directory
        if step not in steps:
            raise ValueError(f"no checkpoint of step {step} in {folder}, there are: {steps}")
        assert step is not None  # as it is one of them
        where = f"checkpoint {folder / str(step)}"
        try:
            known = checksums.read(self._folder, step)
        except (OSError, ValueError) as error:
            raise Damaged(f"{where} is without its checksums ({error})") from error
        # Orbax converts dtypes and drops an array where it stored None, without a word.
        if differences := checksums.differences(like, known, partial):
            shown = "\n  ".join(differences[:10])
            raise ValueError(f"{where} holds another state:\n  {shown}")
        try:
            found = self._read(step, like, partial)
        except (MemoryError, PermissionError, jax.errors.JaxRuntimeError):
            raise  # there is nothing wrong with the checkpoint
        except Exception as error:  # of orbax, tensorstore, and what they read with
            said = str(error).strip().partition("\n")[0] or type(error).__name__
            raise Damaged(f"{where} cannot be read ({said})") from error
        if (changed := checksums.changed(found, known)) is not None:
            raise Damaged(f"{where} is not what was saved: {changed} has changed")
        return found

    def _read(self, step, like, partial):
        from orbax.checkpoint import v1 as ocp

        context = ocp.Context()
        context.pytree.loading.partial_load = partial
        with context:
            return ocp.load(str(self._folder / str(step)), jax.tree.map(_abstract, like))

    @held()
    def set_aside(self, step: int) -> pathlib.Path:
        """Moves a checkpoint to where none is looked for, and returns that place."""
        self.wait()
        aside = self._folder / "damaged" / str(step)
        aside.parent.mkdir(exist_ok=True)
        if aside.exists():
            shutil.rmtree(aside)
        os.replace(self._folder / str(step), aside)
        self._checkpointer.reload()
        return aside

    def _need_room(self, state):
        needed = _ABOUT + int(_ROOM * sum(x.nbytes for x in jax.tree.leaves(state)))
        free = shutil.disk_usage(self._folder).free
        if free < needed:
            raise OSError(
                f"the disk of {self._folder} has {free / 2**20:,.0f} MiB left and a checkpoint "
                f"needs {needed / 2**20:,.0f}: make room and start again, it goes on from step "
                f"{self.latest or 0}",
            )

    @held()
    def close(self) -> None:
        """Finishes the last save."""
        self.wait()
        self._checkpointer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _abstract(x):
    sharding = getattr(x, "sharding", None) or jax.sharding.SingleDeviceSharding(jax.devices()[0])
    return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding)
