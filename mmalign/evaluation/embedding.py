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
      present: {modality: bool [rows]}, where to show it; elsewhere it is treated as absent, and so
        is a modality left out. None: all, as far as they are there.
    """
    devices = mesh.shape["data"]
    size = -(-min(BATCH, rows) // devices) * devices
    everywhere, nowhere = np.ones(rows, bool), np.zeros(rows, bool)
    shown = {m: everywhere if present is None else present.get(m, nowhere) for m in data["inputs"]}
    program = _program(embed, mesh)
    out = []
    for start in range(0, rows, size):
        row = np.arange(start, start + size)
        row = np.where(row < rows, row, -1).astype(np.int32)
        wanted = {m: np.where((row >= 0) & here[row], row, -1) for m, here in shown.items()}
        batch = split_rows(feed.take(data, wanted), mesh)
        out.append(jax.device_get(program(variables, batch, data["statistics"])))
    return {part: np.concatenate([z[part] for z in out])[:rows] for part in out[0]}


@functools.lru_cache(maxsize=32)  # a run asks each of its methods many times, for missing sensors
def _program(embed, mesh):
    whole, rows = replicated(mesh), jax.NamedSharding(mesh, jax.P("data"))
    return jax.jit(
        lambda variables, batch, stats: embed(variables, feed.normalise(batch, stats)),
        in_shardings=(whole, rows, whole),
    )
