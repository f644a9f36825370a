"""Similarities of one tile of pairs, and what is read from and added to at its place."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from mmalign.losses.sides import Side


class Factors(NamedTuple):
    """A Side as it is multiplied: rows, scale [n] of their products or None, tags."""

    rows: jax.Array
    scale: jax.Array | None
    tags: tuple


def multiplied(side):
    """`Factors` of a Side, its 16-bit rows where it has such, without a gradient."""
    rows, scale = side.narrow or (side.rows, None)
    return lax.stop_gradient(Factors(rows, scale, side.tags))


def whole_tiles(side, tile):
    """The Side filled up to a multiple of `tile` rows: zeros, with tags of -1."""
    missing = -len(side.rows) % tile
    if not missing:
        return side
    pad = lambda x, value: jnp.pad(
        x, ((0, missing), *[(0, 0)] * (x.ndim - 1)), constant_values=value
    )
    narrow = jax.tree.map(lambda x: pad(x, 0), side.narrow)
    return Side(pad(side.rows, 0), tuple(pad(tag, -1) for tag in side.tags), narrow)


def tile_places(x, y, plan):
    """Row and column of every tile: all of them, or those on and above the diagonal."""
    n, m = (len(side.rows) // plan.tile for side in (x, y))
    return jnp.triu_indices(n) if plan.triangle else tuple(jnp.indices((n, m)).reshape(2, -1))


def similarities(x, y, i, j, tile):
    """Similarities of one tile, and the tags of its rows and columns."""
    part = lambda side, i: jax.tree.map(lambda x: at(x, i, tile), side)
    return all_pairs(part(x, i), part(y, j))


def all_pairs(x, y):
    """Similarities [n, m] of two `Factors`, and their tags as [n, 1] and [1, m]."""
    s = _dot(x.rows, y.rows.T)
    if x.scale is not None:
        s = s * x.scale[:, None] * y.scale[None]
    return s, tuple(tag[:, None] for tag in x.tags), tuple(tag[None] for tag in y.tags)


def weighted_rows(weight, side, j, tile):
    """weight @ the rows of one tile, at length 1."""
    rows = at(side.rows, j, tile)
    if side.scale is not None:
        weight = (weight * at(side.scale, j, tile)[None]).astype(rows.dtype)
    return _dot(weight, rows)


def at(x, i, tile):
    """Rows of the i-th tile of x."""
    return lax.dynamic_slice_in_dim(x, i * tile, tile)


def put(x, part, i, tile):
    """x with `part` for the rows of its i-th tile."""
    return lax.dynamic_update_slice_in_dim(x, part, i * tile, axis=0)


def add_at(x, more, i, tile):
    """x with `more` added to the rows of its i-th tile."""
    return put(x, at(x, i, tile) + more, i, tile)


def _dot(a, b):
    if a.dtype.itemsize == 2:
        return jnp.matmul(a, b, preferred_element_type=jnp.float32)
    return jnp.matmul(a, b, precision="highest")
