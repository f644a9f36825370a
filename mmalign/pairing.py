"""Nearest neighbours by cosine, exact, in tiles: memory linear in the rows, jax alone."""

import functools

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from mmalign.losses.numerics import unit_norm, widen

NOBODY = -1  # where fewer than k keys may be found
_QUERIES, _KEYS = 256, 2048  # rows of a tile: their similarities stay in the cache of a core
_BLOCK = 16  # keys of which first the largest similarity alone is looked at
_EXACT = lax.Precision.HIGHEST


@functools.partial(jax.jit, static_argnames=("k", "tile", "normalise"))
def nearest(
    queries: ArrayLike,
    keys: ArrayLike,
    *,
    k: int = 1,
    tile: int = _KEYS,
    where: ArrayLike | None = None,
    normalise: bool = True,
) -> tuple[jax.Array, jax.Array]:
    """The k keys most similar to each query, and how similar they are.

    Exact: all similarities are computed, of 256 queries and `tile` keys at a time, and the largest
    of every 16 keys kept; the k best of these blocks are then looked into, as XLA is slow to search
    wide rows on a CPU. Of all similarities nothing is asked but that maximum: a key that may not be
    found lends its place to another of its block. It is jitted, and can be mapped over queries that
    devices share.

    Args:
      queries: [n, dim] floats. keys: [m, dim].
      k: how many, 1 to m.
      tile: keys of a tile, rounded up to a multiple of 16.
      where: bool [m], keys that may be found; None: all.
      normalise: cosine; else the inner product of the rows as they are. A row of zeros is 0 to all.
    Returns: (similarities float32 or wider [n, k], falling; int32 [n, k], rows of `keys`). Of equal
      ones the lowest row comes first. Where fewer than k can be found the rest is -inf and NOBODY;
      NaN is found by nobody and finds nobody. Similarities have no gradient.
    Raises: ValueError for shapes that do not fit, and a k or tile out of range.
    """
    queries, keys = widen(queries, keys)
    if queries.ndim != 2 or keys.ndim != 2 or queries.shape[1] != keys.shape[1]:
        raise ValueError(
            f"queries and keys must be [n, dim] and [m, dim], got {queries.shape}, {keys.shape}"
        )
    n, m = len(queries), len(keys)
    if not 1 <= k <= m:
        raise ValueError(f"k must be 1 to {m}, the number of keys, got {k}")
    if tile < 1:
        raise ValueError(f"tile must be 1 or more, got {tile}")
    may = jnp.ones(m, bool) if where is None else jnp.asarray(where, bool)
    if may.shape != (m,):
        raise ValueError(f"where must be [{m}], one for each key, got {may.shape}")
    queries, keys = (lax.stop_gradient(x) for x in (queries, keys))
    asks = ~jnp.isnan(queries).any(axis=1)
    may &= ~jnp.isnan(keys).any(axis=1)
    if normalise:
        queries, keys = unit_norm(queries), unit_norm(keys)
    tile = -(-min(tile, m) // _BLOCK) * _BLOCK
    may = _cut(may, tile).reshape(-1, _BLOCK)
    some = may.any(axis=1)
    blocks = _lent(_cut(keys, tile).reshape(*may.shape, -1), may)

    def of_queries(query):
        def tops(_, key):  # keys along the first axis: their maximum is then one of vectors
            similar = jnp.matmul(key, query.T, precision=_EXACT)
            return None, similar.reshape(-1, _BLOCK, len(query)).max(axis=1)

        _, top = lax.scan(tops, None, blocks.reshape(-1, tile, keys.shape[1]))
        top = top.reshape(len(blocks), -1)
        top = jnp.where(jnp.isnan(top), jnp.inf, top)  # of products that overflow: look into them
        top = jnp.where(some[:, None], top, -jnp.inf)
        number = jnp.arange(len(blocks), dtype=jnp.int32)[:, None]
        _, chosen = _best(top, number, min(k, len(blocks)))

        def inside(_, block):
            row = block[None] * _BLOCK + jnp.arange(_BLOCK, dtype=jnp.int32)[:, None]
            found = jnp.einsum("qd,qbd->bq", query, blocks[block], precision=_EXACT)
            return None, (jnp.where(may[block].T & ~jnp.isnan(found), found, -jnp.inf), row)

        # a block that is none stands for the first, whose keys are then there twice
        _, (similar, row) = lax.scan(inside, None, jnp.maximum(chosen, 0))
        similar, row = (x.reshape(-1, len(query)) for x in (similar, row))
        return _best(similar, row, k)

    queries = _cut(jnp.where(asks[:, None], queries, 0), min(_QUERIES, max(n, 1)))
    similar, row = lax.map(of_queries, queries)
    similar, row = (x.transpose(0, 2, 1).reshape(-1, k)[:n] for x in (similar, row))
    return jnp.where(asks[:, None], similar, -jnp.inf), jnp.where(asks[:, None], row, NOBODY)


def _lent(blocks, may):
    """[blocks, 16, dim], where the first key that may be found stands in for those that may not."""
    stand_in = jnp.where(may, jnp.arange(_BLOCK), may.argmax(axis=1, keepdims=True))
    blocks = jnp.take_along_axis(blocks, stand_in[..., None], axis=1)
    return jnp.where(may.any(axis=1)[:, None, None], blocks, 0)


def _cut(x, size):
    """[n, ...] -> [pieces, size, ...], with zeros, or False, behind the last row."""
    pieces = max(-(-len(x) // size), 1)
    x = jnp.pad(x, [(0, pieces * size - len(x)), *[(0, 0)] * (x.ndim - 1)])
    return x.reshape(pieces, size, *x.shape[1:])


def _best(similar, row, k):
    """The k largest of [many, queries] and their rows, the lowest row first of equal ones.

    One after the other: a maximum, then a comparison, is what XLA does fast on a CPU. Of blocks the
    k with the best tops hold all that is among the k best, ties included: a block that comes before
    one of them holds something that does, too.
    """
    last = jnp.iinfo(jnp.int32).max

    def another(similar, _):
        value = similar.max(axis=0)
        at = jnp.where(similar == value[None], row, last).min(axis=0)
        rest = jnp.where(row == at[None], -jnp.inf, similar)
        return rest, (value, jnp.where(value > -jnp.inf, at, NOBODY))

    return lax.scan(another, similar, length=k, unroll=min(k, 8))[1]
