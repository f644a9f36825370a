"""Embeddings of every window of a data set, in batches of one shape."""

import functools

import jax
import numpy as np

from mmalign.data import feed
from mmalign.training import replicated, split_rows

BATCH = 512


def embed_all(embed, variables, *, data, rows, mesh, present=None):
    """What a method's `embed` says of windows 0 .. rows - 1: {part: float32 [rows, d]}.

    Args:
      embed: (variables, batch) -> {part: [b, d]}.
      variables: of the method.
      data: arrays as `data.feed.arrays` gives them, on the host or on devices.
      rows: number of windows.
      mesh: devices that share each batch.
      present: modalities to show; the others are treated as absent. None: all.
    """
    devices = mesh.shape["data"]
    size = -(-min(BATCH, rows) // devices) * devices
    shown = data["inputs"] if present is None else present
    program = _program(embed, mesh)
    out = []
    for start in range(0, rows, size):
        row = np.arange(start, start + size)
        row = np.where(row < rows, row, -1).astype(np.int32)
        wanted = {m: row if m in shown else np.full_like(row, -1) for m in data["inputs"]}
        batch = split_rows(feed.take(data, wanted), mesh)
        out.append(jax.device_get(program(variables, batch, data["statistics"])))
    return {part: np.concatenate([z[part] for z in out])[:rows] for part in out[0]}


@functools.lru_cache(maxsize=8)  # a run asks the same method many times, for missing sensors
def _program(embed, mesh):
    whole, rows = replicated(mesh), jax.NamedSharding(mesh, jax.P("data"))
    return jax.jit(
        lambda variables, batch, stats: embed(variables, feed.normalise(batch, stats)),
        in_shardings=(whole, rows, whole),
    )
