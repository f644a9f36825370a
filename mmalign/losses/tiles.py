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
from jax.typing import ArrayLike

from mmalign.losses.numerics import gathered, inverse_norm, unit_norm
from mmalign.losses.ring import axis_devices, round_the_ring

_WORTH_IT = 2048  # rows; below, one matrix product is faster than many
_WIDE, _WIDE_WORTH_IT = 384, 16384  # columns, and rows then: their matrix takes 1 GiB


class Side(NamedTuple):
    """One side of the pairs.

    rows: [n, dim] of length at most 1.
    tags: what each row is, a tuple of [n]. The first tag is an int, negative for rows that do not
      count: f has to be 0 for these.
    narrow: None, or ([n, dim] in 16 bits, scale [n]) whose product equals rows, to the last bit
      where they came in 16 bits: what tiles multiply then, on tensor cores. Sums are in 32 bits.
    """

    rows: jax.Array
    tags: tuple[jax.Array, ...]
    narrow: tuple[jax.Array, jax.Array] | None = None


class _Plan(NamedTuple):
    tile: int
    columns: bool  # are summed, too
    triangle: bool  # the one side is the other: no tiles below the diagonal
    axis_name: str | None
    devices: int


def unit_side(z: jax.Array, tags: tuple[jax.Array, ...], narrow: jnp.dtype | None) -> Side:
    """The Side of the rows of z, [n, dim], at length 1; zero rows stay zero.

    narrow: the dtype of products, or None for that of z; from `product_dtype`.
    """
    if narrow is None:
        return Side(unit_norm(z), tags)
    largest = float(jnp.finfo(narrow).max)  # an infinite entry has become 1e6
    exact = jnp.clip(z, -largest, largest).astype(narrow)
    return Side(unit_norm(z), tags, lax.stop_gradient((exact, inverse_norm(z)[:, 0])))


def product_dtype(*arrays: ArrayLike) -> jnp.dtype | None:
    """16-bit dtype in which tiles multiply `arrays`, or None for full precision.

    That is theirs on a GPU, where it costs nothing: a product of two 16-bit numbers is exact in the
    32 bits of the sum, as long as rows are brought to length 1 after it and not before.
    """
    dtypes = {jnp.result_type(x) for x in arrays}
    if len(dtypes) > 1 or not dtypes <= {jnp.dtype(jnp.bfloat16), jnp.dtype(jnp.float16)}:
        return None
    return dtypes.pop() if jax.default_backend() == "gpu" else None


def tile_for(rows: int, tile: int | None, dim: int = 0) -> int | None:
    """Tile to use for a batch of `rows`, or None for the plain form.

    Args:
      rows: of the global batch.
      tile: what the caller of a loss asks for, None to let this choose.
      dim: of rows on two sides, of which no triangle can be used. If they are wide, products that
        are computed again for the gradient cost a CPU more than the memory of the plain form.
    Raises: ValueError for a tile that is not a positive whole number.
    """
    if tile is None:
        cpu = jax.default_backend() == "cpu"
        # a CPU core's cache holds 512 x 512 numbers; a GPU wants to be filled
        default = 512 if cpu else 2048
        least = _WIDE_WORTH_IT if cpu and dim > _WIDE else max(_WORTH_IT, 2 * default)
        return default if rows >= least else None
    if not isinstance(tile, int) or isinstance(tile, bool) or tile < 1:
        raise ValueError(f"tile must be a positive whole number or None, got {tile!r}")
    return tile if tile < rows else None


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
        values = f(*_pairs(*(_Factors(side.rows, None, side.tags) for side in (x, keys))), *scalars)
        return tuple(v.sum(axis=1) for v in values), None
    n, m = len(x.rows), len(x.rows) if y is None else len(y.rows)
    # in shard_map: as different between devices as x, so that gradients are summed over devices
    scalars = tuple(c + 0 * x.rows[0, 0] for c in scalars)
    triangle = y is None and axis_name is None
    x = _whole_tiles(x, tile)
    sides = (x,) if triangle else (x, x if y is None else _whole_tiles(y, tile))
    plan = _Plan(tile, columns or triangle, triangle, axis_name, axis_devices(axis_name))
    rows, factors = [side.rows for side in sides], [_multiplied(side) for side in sides]
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
    own, guests = (_multiplied(_whole_tiles(side, tile)) for side in (x, y))
    scalars = lax.stop_gradient(scalars)

    def visit(peak, guest):
        def look(peak, place):
            i, j = place
            largest = f(*_tile(own, guest, i, j, tile), *scalars).max(axis=1)
            return _put(peak, jnp.maximum(_at(peak, i, tile), largest), i, tile), None

        return lax.scan(look, peak, _places(own, guest, plan))[0], guest

    start = (0 * own.rows[:, 0]).astype(jnp.result_type(*scalars))
    return round_the_ring(visit, start, guests, *plan[3:])[0][:n]


def _whole_tiles(side, tile):
    missing = -len(side.rows) % tile
    if not missing:
        return side
    pad = lambda x, value: jnp.pad(
        x, ((0, missing), *[(0, 0)] * (x.ndim - 1)), constant_values=value
    )
    narrow = jax.tree.map(lambda x: pad(x, 0), side.narrow)
    return Side(pad(side.rows, 0), tuple(pad(tag, -1) for tag in side.tags), narrow)


class _Factors(NamedTuple):
    """A Side as it is multiplied: rows, scale [n] of their products or None, tags."""

    rows: jax.Array
    scale: jax.Array | None
    tags: tuple


def _multiplied(side):
    rows, scale = side.narrow or (side.rows, None)
    return lax.stop_gradient(_Factors(rows, scale, side.tags))


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
            values = f(*_tile(x, guest, i, j, tile), *scalars)
            row = [_add(r, v.sum(axis=1), i, tile) for r, v in zip(row, values)]
            if plan.columns:
                # in a triangle the tiles on the diagonal hold both directions already
                once = (i == j) & plan.triangle
                col = [
                    _add(c, jnp.where(once, 0, v.sum(axis=0)), j, tile) for c, v in zip(col, values)
                ]
            return (row, col), None

        (row, col), _ = lax.scan(add, (row, col), _places(x, guest, plan))
        return row, (guest, col)

    outputs = len(jax.eval_shape(lambda: f(*_tile(x, y, 0, 0, tile), *scalars)))
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
            s, *tags = _tile(x, guest, i, j, tile)
            _, pull = jax.vjp(lambda s, *scalars: f(s, *tags, *scalars), s, *scalars)
            weights = [jnp.broadcast_to(_at(r, i, tile)[:, None], s.shape) for r in of_row]
            if plan.columns:
                once = (i == j) & plan.triangle
                weights = [
                    w + jnp.where(once, 0, _at(c, j, tile))[None] for w, c in zip(weights, of_col)
                ]
            ds, *more = pull(tuple(weights))
            dx = _add(dx, _weighted_rows(ds, guest, j, tile), i, tile)
            back = _weighted_rows(ds.T, x, i, tile)
            if plan.triangle:
                dx = _add(dx, back, j, tile)
            else:
                dy = _add(dy, back, j, tile)
            return (dx, dy, [a + b for a, b in zip(dscalars, more)]), None

        dx, dscalars = own
        (dx, dy, dscalars), _ = lax.scan(add, (dx, dy, dscalars), _places(x, guest, plan))
        return (dx, dscalars), (guest, of_col, dy)

    gradients = [jnp.tile(zero[:, None], x.rows.shape[1]) for zero in zeros]
    own = gradients[0], [0 * zeros[0][0]] * len(scalars)
    visitor = y, of_col, None if plan.triangle else gradients[1]
    (dx, dscalars), (*_, dy) = round_the_ring(visit, own, visitor, *plan[3:])
    return [dx] if plan.triangle else [dx, dy], None, tuple(dscalars)


_sums.defvjp(_forward, _backward)


def _places(x, y, plan):
    """Row and column of every tile: all of them, or those on and above the diagonal."""
    n, m = (len(side.rows) // plan.tile for side in (x, y))
    return jnp.triu_indices(n) if plan.triangle else tuple(jnp.indices((n, m)).reshape(2, -1))


def _tile(x, y, i, j, tile):
    """Similarities of one tile, and the tags of its rows and columns."""
    part = lambda side, i: jax.tree.map(lambda x: _at(x, i, tile), side)
    return _pairs(part(x, i), part(y, j))


def _pairs(x, y):
    s = _dot(x.rows, y.rows.T)
    if x.scale is not None:
        s = s * x.scale[:, None] * y.scale[None]
    return s, tuple(tag[:, None] for tag in x.tags), tuple(tag[None] for tag in y.tags)


def _weighted_rows(weight, side, j, tile):
    """weight @ the rows of one tile, at length 1."""
    rows = _at(side.rows, j, tile)
    if side.scale is not None:
        weight = (weight * _at(side.scale, j, tile)[None]).astype(rows.dtype)
    return _dot(weight, rows)


def _at(x, i, tile):
    return lax.dynamic_slice_in_dim(x, i * tile, tile)


def _put(x, part, i, tile):
    return lax.dynamic_update_slice_in_dim(x, part, i * tile, axis=0)


def _add(x, more, i, tile):
    return _put(x, _at(x, i, tile) + more, i, tile)


def _dot(a, b):
    if a.dtype.itemsize == 2:
        return jnp.matmul(a, b, preferred_element_type=jnp.float32)
    return jnp.matmul(a, b, precision="highest")
