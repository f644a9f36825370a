"""Embeddings of every window of a data set, in batches of one shape."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from mmalign.data import feed
from mmalign.training import replicated, split_rows

BATCH = 512


def embed_all(
    embed: Callable[[Any, Any], Mapping[str, jax.Array]], variables: Any, *,
    data: Mapping[str, Any], rows: np.ndarray, mesh: jax.sharding.Mesh,
    present: Mapping[str, np.ndarray] | None = None,
) -> dict[str, np.ndarray]:  # fmt: skip
    """What a method's `embed` says of windows: {part: float32 [k, d]}.

    Args:
      embed: (variables, batch) -> {part: [b, d]}.
      variables: of the method.
      data: arrays as `data.feed.arrays` gives them, on the host or on devices.
      rows: int [k], numbers of the windows.
      mesh: devices that share each batch.
      present: {modality: bool [k]}, where to show it; elsewhere it is treated as absent, and so
        is a modality left out. None: all, as far as they are there.
    """
    devices = mesh.shape["data"]
    count = len(rows)
    size = -(-min(BATCH, count) // devices) * devices
    everywhere, nowhere = np.ones(count, bool), np.zeros(count, bool)
    shown = {m: everywhere if present is None else present.get(m, nowhere) for m in data["inputs"]}
    program = _program(embed, mesh)
    out = []
    for start in range(0, count, size):
        at = np.arange(start, start + size)
        inside, at = at < count, np.minimum(at, count - 1)
        row = np.asarray(rows)[at].astype(np.int32)
        wanted = {m: np.where(inside & shows[at], row, -1) for m, shows in shown.items()}
        batch = split_rows(feed.take(data, wanted), mesh)
        out.append(jax.device_get(program(variables, batch, data["statistics"])))
    return {part: np.concatenate([z[part] for z in out])[:count] for part in out[0]}


@functools.lru_cache(maxsize=32)  # a run asks each of its methods many times, for missing sensors
def _program(embed, mesh):
    everywhere, rows = replicated(mesh), jax.NamedSharding(mesh, jax.P("data"))
    return jax.jit(
        lambda variables, batch, stats: embed(variables, feed.normalise(batch, stats)),
        in_shardings=(everywhere, rows, everywhere),
        out_shardings=everywhere,  # so that each of several processes can read all of it
    )
