"""Sums over all pairs of rows, tile by tile and device by device: memory linear in the batch.

For rows x_i and y_j, s_ij = x_i . y_j, and functions f of s_ij and of what i and j are:

  row_i = sum over j of f(s_ij, i, j),   col_j = sum over i of f(s_ij, i, j).

Similarities are computed for a tile at a time, and computed again for the gradient. Where y is x
and f does not tell i from j, the tiles on and above the diagonal serve both. Across devices the
rows y travel round the ring of devices, with their sums, so that none holds another's for longer
than a step.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from mmalign.losses.ring import axis_devices, round_the_ring
from mmalign.losses.rows import gathered
from mmalign.losses.sides import Side
from mmalign.losses.tile_parts import (
    Factors,
    add_at,
    all_pairs,
    at,
    multiplied,
    put,
    similarities,
    tile_places,
    weighted_rows,
    whole_tiles,
)


class _Plan(NamedTuple):
    tile: int
    columns: bool  # are summed, too
    triangle: bool  # the one side is the other: no tiles below the diagonal
    axis_name: str | None
    devices: int


def pair_sums(
    f: Callable[..., tuple[jax.Array, ...]],
    x: Side,
    y: Side | None,
    *scalars: jax.Array,
    tile: int | None,
    columns: bool = False,
    axis_name: str | None = None,
) -> tuple[tuple[jax.Array, ...], tuple[jax.Array, ...] | None]:
    """Row sums of f, [n], and column sums, [m], a tuple of each with one entry per output of f.

    Differentiable in the rows of both sides and in the scalars, by a gradient written by hand;
    there is no forward-mode derivative.

    Args:
      f: (s [a, b], tags of x [a, 1], tags of y [1, b], *scalars) -> tuple of [a, b]; a function
        that equals itself when it comes again, as compiled programs depend on it.
      x: the Side of n rows.
      y: the Side of m rows; None for x itself, with an f that is symmetric, row by row: col is
        then part of row, and zeros come in its place.
      scalars: of x's dtype; may be traced.
      tile: rows and columns of a tile; None for all similarities at once, with the rows y gathered
        from all devices.
      columns: whether the column sums are wanted, which takes a tile; zeros come otherwise.
      axis_name: mapped axis that splits the rows of both sides.
    """
    if tile is None:
        keys = gathered(x if y is None else y, axis_name)
        values = f(
            *all_pairs(*(Factors(side.rows, None, side.tags) for side in (x, keys))), *scalars
        )
        return tuple(v.sum(axis=1) for v in values), None
    n, m = len(x.rows), len(x.rows) if y is None else len(y.rows)
    # in shard_map: as different between devices as x, so that gradients are summed over devices
    scalars = tuple(c + 0 * x.rows[0, 0] for c in scalars)
    triangle = y is None and axis_name is None
    x = whole_tiles(x, tile)
    sides = (x,) if triangle else (x, x if y is None else whole_tiles(y, tile))
    plan = _Plan(tile, columns or triangle, triangle, axis_name, axis_devices(axis_name))
    rows, factors = [side.rows for side in sides], [multiplied(side) for side in sides]
    sums: Any = _sums(f, plan, rows, factors, scalars)
    row, col = sums
    return tuple(r[:n] for r in row), tuple(c[:m] for c in col)


def row_peaks(
    f: Callable[..., jax.Array],
    x: Side,
    y: Side,
    *scalars: jax.Array,
    tile: int,
    axis_name: str | None = None,
) -> jax.Array:
    """Largest f over j, at least 0, for every row of x: [n]. Has no gradient.

    f: (s, tags of x, tags of y, *scalars) -> [a, b]; else as in `pair_sums`.
    """
    n = len(x.rows)
    plan = _Plan(tile, False, False, axis_name, axis_devices(axis_name))
    own, guests = (multiplied(whole_tiles(side, tile)) for side in (x, y))
    scalars = lax.stop_gradient(scalars)

    def visit(peak, guest):
        def look(peak, place):
            i, j = place
            largest = f(*similarities(own, guest, i, j, tile), *scalars).max(axis=1)
            return put(peak, jnp.maximum(at(peak, i, tile), largest), i, tile), None

        return lax.scan(look, peak, tile_places(own, guest, plan))[0], guest

    start = (0 * own.rows[:, 0]).astype(jnp.result_type(*scalars))
    return round_the_ring(visit, start, guests, *plan[3:])[0][:n]


@functools.partial(jax.custom_vjp[tuple], nondiff_argnums=(0, 1))
def _sums(f, plan, rows, sides, scalars):
    """`rows` of both sides, or of one in a triangle, are there to be differentiated by."""
    return _forward(f, plan, rows, sides, scalars)[0]


def _forward(f, plan, rows, sides, scalars):
    tile, x, y = plan.tile, sides[0], sides[-1]

    def visit(row, visitor):
        guest, col = visitor

        def add(carry, place):
            row, col = carry
            i, j = place
            values = f(*similarities(x, guest, i, j, tile), *scalars)
            row = [add_at(r, v.sum(axis=1), i, tile) for r, v in zip(row, values)]
            if plan.columns:
                # in a triangle the tiles on the diagonal hold both directions already
                once = (i == j) & plan.triangle
                col = [
                    add_at(c, jnp.where(once, 0, v.sum(axis=0)), j, tile)
                    for c, v in zip(col, values)
                ]
            return (row, col), None

        (row, col), _ = lax.scan(add, (row, col), tile_places(x, guest, plan))
        return row, (guest, col)

    outputs = len(jax.eval_shape(lambda: f(*similarities(x, y, 0, 0, tile), *scalars)))
    zeros = [0 * z[:, 0] for z in rows]
    row, col = [zeros[0]] * outputs, [zeros[-1]] * outputs
    row, (_, col) = round_the_ring(visit, row, (y, col), *plan[3:])
    if plan.triangle:
        row, col = [r + c for r, c in zip(row, col)], [0 * c for c in col]
    return (tuple(row), tuple(col)), (sides, scalars, zeros)


def _backward(f, plan, saved, cotangents):
    sides, scalars, zeros = saved
    tile, x, y = plan.tile, sides[0], sides[-1]
    of_row, of_col = cotangents
    if plan.triangle:
        of_col = of_row

    def visit(own, visitor):
        guest, of_col, dy = visitor

        def add(carry, place):
            dx, dy, dscalars = carry
            i, j = place
            s, *tags = similarities(x, guest, i, j, tile)
            _, pull = jax.vjp(lambda s, *scalars: f(s, *tags, *scalars), s, *scalars)
            weights = [jnp.broadcast_to(at(r, i, tile)[:, None], s.shape) for r in of_row]
            if plan.columns:
                once = (i == j) & plan.triangle
                weights = [
                    w + jnp.where(once, 0, at(c, j, tile))[None] for w, c in zip(weights, of_col)
                ]
            ds, *more = pull(tuple(weights))
            dx = add_at(dx, weighted_rows(ds, guest, j, tile), i, tile)
            back = weighted_rows(ds.T, x, i, tile)
            if plan.triangle:
                dx = add_at(dx, back, j, tile)
            else:
                dy = add_at(dy, back, j, tile)
            return (dx, dy, [a + b for a, b in zip(dscalars, more)]), None

        dx, dscalars = own
        (dx, dy, dscalars), _ = lax.scan(add, (dx, dy, dscalars), tile_places(x, guest, plan))
        return (dx, dscalars), (guest, of_col, dy)

    gradients = [jnp.tile(zero[:, None], x.rows.shape[1]) for zero in zeros]
    own = gradients[0], [0 * zeros[0][0]] * len(scalars)
    visitor = y, of_col, None if plan.triangle else gradients[1]
    (dx, dscalars), (*_, dy) = round_the_ring(visit, own, visitor, *plan[3:])
    return [dx] if plan.triangle else [dx, dy], None, tuple(dscalars)


_sums.defvjp(_forward, _backward)
