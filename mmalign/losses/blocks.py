"""Logits of all pairs that are no inner products, a block of rows at a time."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from mmalign.losses.rows import gathered, places
from mmalign.losses.totals import cross_entropy, gap_totals

_LARGEST = 2**24  # numbers that a block of rows holds, unless told otherwise

_FARTHEST = 1e35  # a logit: sums of them fit float32


def by_blocks(function: Callable[[Any], Any], queries: Any, tile: int | None) -> Any:
    """`function` of a pytree of arrays [n, ...], `tile` rows at a time, again for the gradient.

    It has to take each row by itself; rows of zeros fill up the last block. None: all at once.
    """
    leaves = jax.tree.leaves(queries)
    rows = len(leaves[0])
    if tile is None or tile >= rows:
        return function(queries)
    missing = -rows % tile
    pad = lambda x: jnp.pad(x, ((0, missing), *[(0, 0)] * (x.ndim - 1)))
    cut = jax.tree.map(lambda x: pad(x).reshape(-1, tile, *x.shape[1:]), queries)
    joined = lambda x: x.reshape(-1, *x.shape[2:])[:rows]
    return jax.tree.map(joined, lax.map(jax.checkpoint(function), cut))


def block_rows(tile: int | None, numbers: int) -> int | None:
    """Rows of a block that hold so many `numbers` each: `tile`, or for None what fits 64 MiB."""
    return max(1, _LARGEST // max(numbers, 1)) if tile is None else tile


def partner_entropy(
    logits: Callable[[Any, Any], jax.Array],
    x: Any,
    y: Any,
    where: jax.Array,
    *,
    smoothing: float,
    tile: int | None,
    axis_name: str | None,
) -> jax.Array:
    """Cross-entropy of each row's logits with its partner among all rows that count: [n].

    Args:
      logits: (x [a, ...], y [b, ...]) -> [a, b].
      x, y: pytrees of arrays [n, ...]; row i of the one and of the other are partners.
      where: bool [n], rows that count.
      smoothing: weight of the mean over all candidates in what is wanted, in place of the partner.
      tile: rows of x in a block, or None.
      axis_name: mapped axis that splits the rows; those of y are gathered.
    """
    everyone, counted = gathered((y, where), axis_name)

    def block(queries):
        row, own = queries
        found = jnp.clip(logits(row, everyone), -_FARTHEST, _FARTHEST)
        positive = jnp.take_along_axis(found, own[:, None], axis=1)[:, 0]
        others = counted[None] & (own[:, None] != jnp.arange(len(counted))[None])
        loss = cross_entropy(gap_totals(found, others, positive, jnp.ones_like(positive[0])))
        if not smoothing:
            return loss
        count = jnp.maximum(counted.sum(dtype=loss.dtype), 1)
        mean = jnp.sum(found, axis=1, where=counted[None]) / count
        return loss + smoothing * (positive - mean)

    return by_blocks(block, (x, places(len(where), axis_name)), tile)
