"""Nearest neighbours by cosine, exact, in tiles: memory linear in the rows, jax alone."""

import functools

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from mmalign.losses.numerics import unit_norm, widen

NOBODY = -1  # where fewer than k keys may be found
_QUERIES, _KEYS = 256, 4096  # rows of a tile: similarities that stay in a core's cache
_BLOCK = 64  # keys of which first the largest alone is looked at


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

    Exact: all similarities are computed, of 256 queries and `tile` keys at a time. Of a tile the
    largest of every 64 are compared first and the k best blocks looked into, as XLA is slow to
    search wide rows on a CPU. It is jitted, and can be mapped over queries that devices share.

    Args:
      queries: [n, dim] floats. keys: [m, dim].
      k: how many, 1 to m.
      tile: keys of a tile, rounded up to a multiple of 64.
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
    there = jnp.ones(m, bool) if where is None else jnp.asarray(where, bool)
    if there.shape != (m,):
        raise ValueError(f"where must be [{m}], one for each key, got {there.shape}")
    queries, keys = (lax.stop_gradient(x) for x in (queries, keys))
    if normalise:
        queries, keys = unit_norm(queries), unit_norm(keys)
    tile = -(-min(tile, max(m, k)) // _BLOCK) * _BLOCK
    keys = _cut(keys, tile)
    there = _cut(there, tile)
    rows = jnp.arange(keys.shape[0] * tile, dtype=jnp.int32).reshape(-1, tile)

    def of_queries(query):
        def another(best, tiles):
            key, may, row = tiles
            similar = jnp.matmul(query, key.T, precision=lax.Precision.HIGHEST)
            similar = jnp.where(may[None] & ~jnp.isnan(similar), similar, -jnp.inf)
            found = _best_of_tile(similar, row, k)
            return _best(*(jnp.concatenate(x, axis=1) for x in zip(best, found)), k), None

        shape = (len(query), k)
        none = jnp.full(shape, -jnp.inf, query.dtype), jnp.full(shape, NOBODY, jnp.int32)
        return lax.scan(another, none, (keys, there, rows))[0]

    similar, row = lax.map(of_queries, _cut(queries, min(_QUERIES, max(n, 1))))
    return similar.reshape(-1, k)[:n], row.reshape(-1, k)[:n]


def _cut(x, size):
    """[n, ...] -> [pieces, size, ...], with zeros, or False, behind the last row."""
    pieces = max(-(-len(x) // size), 1)
    x = jnp.pad(x, [(0, pieces * size - len(x)), *[(0, 0)] * (x.ndim - 1)])
    return x.reshape(pieces, size, *x.shape[1:])


def _best_of_tile(similar, row, k):
    """([q, k] best of `similar` [q, tile], their rows): of the k blocks with the best tops.

    Whatever is among the k best is in one of them, ties included: a block that comes before its own
    holds something that does, too.
    """
    q, blocks = len(similar), similar.shape[1] // _BLOCK
    similar, row = similar.reshape(q, blocks, _BLOCK), row.reshape(blocks, _BLOCK)
    top = similar.max(axis=2)
    number = jnp.broadcast_to(jnp.arange(blocks, dtype=jnp.int32), (q, blocks))
    _, chosen = _best(top, number, min(k, blocks))
    chosen = jnp.maximum(chosen, 0)
    inside = jnp.take_along_axis(similar, chosen[:, :, None], axis=1).reshape(q, -1)
    return _best(inside, row[chosen].reshape(q, -1), k)


def _best(similar, row, k):
    """The k largest of [q, many] and their rows, the lowest row first of equal ones.

    One after the other: a maximum, then a comparison, is what XLA does fast on a CPU.
    """
    last = jnp.iinfo(jnp.int32).max

    def another(similar, _):
        value = similar.max(axis=1)
        at = jnp.where(similar == value[:, None], row, last).min(axis=1)
        rest = jnp.where(row == at[:, None], -jnp.inf, similar)
        return rest, (value, jnp.where(value > -jnp.inf, at, NOBODY))

    _, found = lax.scan(another, similar, length=k, unroll=min(k, 8))
    return found[0].T, found[1].T
