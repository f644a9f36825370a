"""Sums over each row's negatives, anchored on its positive: the core of every InfoNCE-like loss.

A log-sum-exp minus the positive cancels, and a small loss keeps no digit. Here every exponent is a
gap to the positive, gap_ij = (s_ij - anchor_i) / temperature, so that a loss is log(1 + sum over
negatives of exp(gap)). It cannot go below 0 either, so the positive need not come out of the matrix
product, whose rounding all gaps would share, 1 / temperature times larger; a plain sum of products
rounds less.
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from mmalign.losses.numerics import Scalar, gathered, global_rows
from mmalign.losses.tiles import Side, pair_sums, row_peaks


class Total(NamedTuple):
    """Sums over negatives of exp(power * gap): exp(power * peak) * sum, one for each power."""

    peak: jax.Array  # [n], at least 0, against overflow
    sums: tuple[jax.Array, ...]  # of [n]


def negative_totals(
    x: Side,
    y: Side | None,
    anchors: tuple[jax.Array, ...],
    temperature: Scalar,
    *,
    powers: tuple[float, ...] = (1,),
    tile: int | None = None,
    axis_name: str | None = None,
) -> tuple[Total, ...]:
    """Totals over the negatives of each row of x and, if it is asked for, of y: a tuple.

    Args:
      x: Side whose tags are ids. Another row is no negative if any id of the one is that of the
        other. Rows whose first id is negative are nobody's negatives, and their own sums are 0.
      y: likewise; None for x itself.
      anchors: ([n] similarity of each row of x and its positive,), or that and the like of y.
      temperature: positive scalar; a Python number, or an array and then perhaps traced.
      powers: of the exponentials that are summed.
      tile: rows and columns of a tile, None for the plain form.
      axis_name: mapped axis that splits the rows of both sides.
    """
    c = jnp.asarray(1 / temperature, x.rows.dtype)
    itself = y is None
    if itself:
        y = x
    if tile is None:
        return _plain(x, y, anchors, c, powers, axis_name)
    tiled = functools.partial(_tiled, c=c, powers=powers, tile=tile, axis_name=axis_name)

    def shared_start():  # one exponential for both directions, or one triangle
        return tiled(x, None if itself else y, anchors)

    def own_start():  # temperatures so low that exponentials with one start for all would underflow
        directions = zip(((x, y), (y, x)), anchors)
        return tuple(tiled(*sides, (a,), with_peaks=True)[0] for sides, a in directions)

    rows = global_rows(y.rows, axis_name)
    lowest = 2 * max(powers) / (80 - math.log(rows))  # float32's exponents end at 88
    if isinstance(temperature, int | float):
        return shared_start() if temperature > lowest else own_start()
    return lax.cond(temperature > lowest, shared_start, own_start)


def check_temperature(temperature: Scalar) -> None:
    """Raises ValueError for one that is not a scalar or, as far as that can be seen, positive."""
    if jnp.ndim(temperature) != 0:
        raise ValueError(f"temperature must be a scalar, got shape {jnp.shape(temperature)}")
    if isinstance(temperature, int | float) and not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}")


def cross_entropy(total: Total) -> jax.Array:
    """-log softmax of the positive among itself and its negatives: [n]."""
    return total.peak + jnp.log1p(jnp.expm1(-total.peak) + total.sums[0])


def _tiled(x, y, anchors, *, c, powers, tile, axis_name, with_peaks=False):
    """Exponents start at similarity 1 or, `with_peaks`, at each query's own anchor and peak."""
    start, peak = 1, 0
    ids = len(x.tags)
    if with_peaks:
        start = lax.stop_gradient(anchors[0])
        x = x._replace(tags=(*x.tags, start))
        peak = row_peaks(_gap(ids), x, y, c, tile=tile, axis_name=axis_name)
        x = x._replace(tags=(*x.tags, peak))
    both = len(anchors) == 2
    sums = pair_sums(
        _exponentials(ids, powers), x, y, c, columns=both, tile=tile, axis_name=axis_name
    )

    def total(anchor, sums):
        back = [jnp.exp(power * c * (start - anchor)) for power in powers]
        return Total(peak + 0 * anchor, tuple(b * s for b, s in zip(back, sums)))

    return tuple(total(anchor, s) for anchor, s in zip(anchors, sums))


@functools.cache
def _gap(ids):
    def gap(s, x_tags, y_tags, c):
        return jnp.where(_negative(x_tags[:ids], y_tags[:ids]), c * (s - x_tags[ids]), 0)

    return gap


@functools.cache
def _exponentials(ids, powers):
    def exponentials(s, x_tags, y_tags, c):
        start, peak = x_tags[ids:] or (1, 0)
        negative = _negative(x_tags[:ids], y_tags[:ids])
        gap = jnp.where(negative, c * (s - start) - peak, -1e30)  # of exponential and gradient 0
        return tuple(jnp.exp(power * gap) for power in powers)

    return exponentials


def _plain(x, y, anchors, c, powers, axis_name):
    keys = gathered(y, axis_name)
    similarity, negative = _similarity(x, keys)
    totals = [_totals(similarity, negative, anchors[0], c, powers)]
    if len(anchors) == 2 and axis_name is None:  # the same products, read by column
        totals.append(_totals(similarity, negative, anchors[1], c, powers, axis=0))
    elif len(anchors) == 2:
        back = _similarity(y, gathered(x, axis_name))
        totals.append(_totals(*back, anchors[1], c, powers))
    return tuple(totals)


def _similarity(x, y):
    s = jnp.matmul(x.rows, y.rows.T, precision="highest")
    return s, _negative([tag[:, None] for tag in x.tags], [tag[None] for tag in y.tags])


def _negative(x_ids, y_ids):
    """Whether rows are each other's negatives."""
    different = [x_id != y_id for x_id, y_id in zip(x_ids, y_ids)]
    return functools.reduce(jnp.logical_and, different, (x_ids[0] >= 0) & (y_ids[0] >= 0))


def _totals(similarity, negative, anchor, c, powers, axis=1):
    gap = jnp.where(negative, (similarity - jnp.expand_dims(anchor, axis)) * c, -jnp.inf)
    peak = jnp.maximum(lax.stop_gradient(gap).max(axis=axis), 0)
    gap = gap - jnp.expand_dims(peak, axis)
    return Total(peak, tuple(jnp.exp(power * gap).sum(axis=axis) for power in powers))
