"""Sums of exponentials over all similarities, tile by tile: memory linear in the batch.

For rows x_i and y_j of unit length or zero, and c = 1 / temperature:

  row_i = sum over j that are not i's own of exp(c (x_i . y_j - 1)),   col_j likewise over i.

An exponent shifted by a constant serves rows and columns with one exponential, and where y is x one
triangle of tiles serves both. It fits float32 while 2 c < 80, see `fits`.
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax

TILE = 512
_WORTH_IT = 2048  # rows; below, one matrix product is faster than many


def tile_for(rows, tile):
    """Tile to use for a batch of `rows`, or None for the plain form.

    Raises: ValueError for a tile that is not a positive whole number.
    """
    if tile is None:
        return TILE if rows >= _WORTH_IT else None
    if not isinstance(tile, int) or isinstance(tile, bool) or tile < 1:
        raise ValueError(f"tile must be a positive whole number or None, got {tile!r}")
    return tile if tile < rows else None


def fits(inverse_temperature):
    """Whether the constant shift keeps every exponential inside float32's normal range."""
    return 2 * inverse_temperature < 80


def exponential_sums(x, y, x_id, y_id, inverse_temperature, tile, *, columns=True):
    """(row [n], col [m]) as above; col is zeros unless `columns`.

    Args:
      x: [n, dim], y: [m, dim], rows of length at most 1. y = None for x itself.
      x_id: int [n], y_id: int [m]: rows and columns of the same id are one pair, which is left
        out; those of a negative id do not count.
      inverse_temperature: scalar of x's dtype; may be traced.
      tile: rows and columns of a tile.
      columns: whether the sums over rows are asked for.
    """
    triangle = y is None
    n, m = len(x), len(x) if triangle else len(y)
    c = inverse_temperature + 0 * x[0, 0]  # in shard_map: as different between devices as x
    x, x_id = _whole_tiles(x, x_id, tile)
    y, y_id = (x, x_id) if triangle else _whole_tiles(y, y_id, tile)
    row, col = _sums(x, y, c, x_id, y_id, tile, triangle, columns or triangle)
    return row[:n], col[:m]


def _whole_tiles(x, ids, tile):
    missing = -len(x) % tile
    return jnp.pad(x, ((0, missing), (0, 0))), jnp.pad(ids, (0, missing), constant_values=-1)


@functools.partial(jax.custom_vjp, nondiff_argnums=(5, 6, 7))
def _sums(x, y, c, x_id, y_id, tile, triangle, columns):
    sums, _ = _forward(x, y, c, x_id, y_id, tile, triangle, columns)
    return sums


def _forward(x, y, c, x_id, y_id, tile, triangle, columns):
    def add(carry, place):
        row, col = carry
        i, j = place
        e, _ = _tile(x, y, c, x_id, y_id, i, j, tile)
        row = _add_at(row, e.sum(axis=1), i, tile)
        if columns:
            # in a triangle the tiles on the diagonal hold both directions already
            twice = (i != j) | (not triangle)
            col = _add_at(col, jnp.where(twice, e.sum(axis=0), 0), j, tile)
        return (row, col), None

    start = 0 * x[:, 0], 0 * y[:, 0]
    (row, col), _ = lax.scan(add, start, _places(len(x), len(y), tile, triangle))
    if triangle:
        row, col = row + col, 0 * col
    return (row, col), (x, y, c, x_id, y_id)


def _backward(tile, triangle, columns, saved, cotangents):
    x, y, c, x_id, y_id = saved
    of_row, of_col = cotangents
    if triangle:
        of_col = of_row

    def add(carry, place):
        dx, dy, dc = carry
        i, j = place
        e, s = _tile(x, y, c, x_id, y_id, i, j, tile)
        weight = _at(of_row, i, tile)[:, None]
        if columns:
            twice = (i != j) | (not triangle)
            weight = weight + jnp.where(twice, _at(of_col, j, tile), 0)[None]
        e = e * weight
        dx = _add_at(dx, _dot(e, _at(y, j, tile)), i, tile)
        dy = _add_at(dy, _dot(e.T, _at(x, i, tile)), j, tile)
        return (dx, dy, dc + (e * (s - 1)).sum()), None

    start = 0 * x, 0 * y, 0 * c
    (dx, dy, dc), _ = lax.scan(add, start, _places(len(x), len(y), tile, triangle))
    return c * dx, c * dy, dc, None, None


_sums.defvjp(_forward, _backward)


def _places(n, m, tile, triangle):
    """Row and column of every tile: all of them, or those on and above the diagonal."""
    if triangle:
        return jnp.triu_indices(n // tile)
    return tuple(jnp.indices((n // tile, m // tile)).reshape(2, -1))


def _tile(x, y, c, x_id, y_id, i, j, tile):
    """Exponentials and similarities of one tile."""
    s = _dot(_at(x, i, tile), _at(y, j, tile).T)
    rows, cols = _at(x_id, i, tile)[:, None], _at(y_id, j, tile)[None]
    counts = (rows != cols) & (rows >= 0) & (cols >= 0)
    return jnp.where(counts, jnp.exp(c * (s - 1)), 0), s


def _at(x, i, tile):
    return lax.dynamic_slice_in_dim(x, i * tile, tile)


def _add_at(x, more, i, tile):
    return lax.dynamic_update_slice_in_dim(x, _at(x, i, tile) + more, i * tile, axis=0)


def _dot(a, b):
    return jnp.matmul(a, b, precision="highest")
