"""Checkpoints of one stage: asynchronous, atomic, the last few kept. The only file with orbax."""

import os
from typing import Any, Self

import jax
import jax.numpy as jnp

from mmalign.training.paths import path_names


class Checkpoints:
    """A folder of checkpoints, named by the number of updates done.

    A save that is cut off leaves no checkpoint, and the next start removes what is left of it.
    Use as a context manager, or call `close`, so that the last save is finished.
    """

    def __init__(self, folder: str | os.PathLike, every: int, keep: int = 2):
        """folder: made if missing. every: steps between saves. keep: how many stay."""
        from orbax.checkpoint import v1 as ocp

        if every < 1 or keep < 1:
            raise ValueError(f"every and keep must be 1 or more, got {every} and {keep}")
        saves, keeps = ocp.training.save_decision_policies, ocp.training.preservation_policies
        self.every = every
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

    def save(self, step: int, state: Any, force: bool = False) -> None:
        """Starts a save if the step is due or `force`. `state` may be donated afterwards."""
        self._running = self._checkpointer.save_async(step, state, force=force) or self._running

    def wait(self) -> None:
        """Returns when the last save is on disk."""
        if self._running is not None:
            self._running.result()
            self._running = None

    def load(self, step: int | None, like: Any, partial: bool = False) -> Any:
        """The state at `step` (None: the latest) with the shapes, dtypes and shardings of `like`.

        like: tree of ShapeDtypeStructs or arrays; leaves without a sharding go to the default
          device, whatever devices saved them.
        partial: `like` may lack parts of what was saved, {"params": ...} say.
        Raises: ValueError if a path, shape or dtype differs, or there is no such checkpoint.
        """
        from orbax.checkpoint import v1 as ocp

        self.wait()
        steps = [found.step for found in self._checkpointer.checkpoints]
        step = self.latest if step is None else step
        folder = self._checkpointer.directory
        if step not in steps:
            raise ValueError(f"no checkpoint of step {step} in {folder}, there are: {steps}")
        # Orbax converts dtypes and drops an array where it stored None, without a word.
        differences = _differences(like, self._checkpointer.metadata(step).metadata, partial)
        if differences:
            shown = "\n  ".join(differences[:10])
            raise ValueError(f"checkpoint {folder / str(step)} holds another state:\n  {shown}")
        context = ocp.Context()
        context.pytree.loading.partial_load = partial
        with context:
            return ocp.load(folder / str(step), jax.tree.map(_abstract, like))

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


def _differences(like, stored, partial):
    like, stored = _flat(like), _flat(stored)
    lines = [f"{path}: not in the checkpoint" for path in like if path not in stored]
    if not partial:
        lines += [f"{path}: only in the checkpoint" for path in stored if path not in like]
    for path in like.keys() & stored.keys():
        want, have = like[path], stored[path]
        is_key = jnp.issubdtype(want.dtype, jax.dtypes.prng_key)  # stored as numbers
        if not is_key and (want.shape, want.dtype) != (have.shape, have.dtype):
            kinds = [f"{x.dtype} {list(x.shape)}" for x in (have, want)]
            lines.append(f"{path}: {kinds[0]} in the checkpoint, {kinds[1]} in this run")
    return sorted(lines)


def _flat(tree):
    return dict(zip(jax.tree.leaves(path_names(tree)), jax.tree.leaves(tree)))
