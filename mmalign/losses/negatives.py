"""Sums over each row's negatives, anchored on its positive: the core of every InfoNCE-like loss.

A log-sum-exp minus the positive cancels, and a small loss keeps no digit. Here every exponent is a
gap to the positive, gap_ij = (s_ij - anchor_i) / temperature, so that a loss is log(1 + sum over
negatives of exp(gap)). It cannot go below 0 either, so the positive need not come out of the matrix
product, whose rounding all gaps would share, 1 / temperature times larger; a plain sum of products
rounds less.
"""

import functools
import math

import jax
import jax.numpy as jnp
from jax import lax

from mmalign.losses.knobs import Scalar, inverse
from mmalign.losses.rows import gathered, global_rows
from mmalign.losses.sides import Side
from mmalign.losses.tiles import pair_sums, row_peaks
from mmalign.losses.totals import Total, at_most_0, gap_totals, with_its_largest


def negative_totals(
    x: Side,
    y: Side | None,
    anchors: tuple[jax.Array, ...],
    temperature: Scalar,
    *,
    unit: bool = True,
    partners: bool = False,
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
      unit: whether rows are of length 1 at most, so that no similarity exceeds 1.
      partners: sums over the other rows with the same second id, instead.
      powers: of the exponentials that are summed.
      tile: rows and columns of a tile, None for the plain form.
      axis_name: mapped axis that splits the rows of both sides.
    """
    c = inverse(temperature, x.rows.dtype)
    itself = y is None
    if itself:
        y = x
    if tile is None:
        return _plain(x, y, anchors, c, powers, partners, unit, axis_name)
    tiled = functools.partial(
        _tiled, c=c, powers=powers, partners=partners, tile=tile, axis_name=axis_name
    )

    def shared_start():  # one exponential for both directions, or one triangle
        return tiled(x, None if itself else y, anchors)

    def own_start():  # temperatures so low that exponentials with one start for all would underflow
        directions = zip(((x, y), (y, x)), anchors)
        return tuple(tiled(*sides, (a,), with_peaks=True)[0] for sides, a in directions)

    if not unit:
        return own_start()
    rows = global_rows(y.rows, axis_name)
    lowest = 2 * max(powers) / (80 - math.log(rows))  # float32's exponents end at 88
    if isinstance(temperature, int | float):
        return shared_start() if temperature > lowest else own_start()
    return lax.cond(temperature > lowest, shared_start, own_start)


def _tiled(x, y, anchors, *, c, powers, partners, tile, axis_name, with_peaks=False):
    """Exponents start at similarity 1 or, `with_peaks`, at each query's own anchor and peak."""
    start, peak = 1, 0
    ids = len(x.tags)
    if with_peaks:
        start = lax.stop_gradient(anchors[0])
        x = x._replace(tags=(*x.tags, start))
        peak = row_peaks(_gap(ids, partners), x, y, c, tile=tile, axis_name=axis_name)
        x = x._replace(tags=(*x.tags, peak))
    both = len(anchors) == 2
    sums = pair_sums(
        _exponentials(ids, powers, partners), x, y, c, columns=both, tile=tile, axis_name=axis_name
    )

    def total(anchor, sums):
        back = [jnp.exp(power * c * (start - anchor)) for power in powers]
        whole = Total(peak + 0 * anchor, tuple(b * s for b, s in zip(back, sums)))
        return with_its_largest(whole) if with_peaks else whole

    return tuple(total(anchor, s) for anchor, s in zip(anchors, sums))


@functools.cache
def _gap(ids, partners):
    def gap(s, x_tags, y_tags, c):
        return jnp.where(_chosen(x_tags[:ids], y_tags[:ids], partners), c * (s - x_tags[ids]), 0)

    return gap


@functools.cache
def _exponentials(ids, powers, partners):
    def exponentials(s, x_tags, y_tags, c):
        start, peak = x_tags[ids:] or (1, 0)
        negative = _chosen(x_tags[:ids], y_tags[:ids], partners)
        gap = c * (s - start) - peak
        if len(x_tags) > ids:
            gap = at_most_0(gap)
        gap = jnp.where(negative, gap, -1e30)  # of exponential and gradient 0
        return tuple(jnp.exp(power * gap) for power in powers)

    return exponentials


def _plain(x, y, anchors, c, powers, partners, unit, axis_name):
    of = functools.partial(gap_totals, c=c, powers=powers, unit=unit)
    found = _similarity(x, gathered(y, axis_name), partners)
    if len(anchors) == 1:
        return (of(*found, anchors[0]),)
    if axis_name is None:  # the same products, read by column
        return of(*found, anchors[0]), of(*found, anchors[1], axis=0)
    back = _similarity(y, gathered(x, axis_name), partners)
    return of(*found, anchors[0]), of(*back, anchors[1])


def _similarity(x, y, partners):
    s = jnp.matmul(x.rows, y.rows.T, precision="highest")
    return s, _chosen([tag[:, None] for tag in x.tags], [tag[None] for tag in y.tags], partners)


def _chosen(x_ids, y_ids, partners):
    """Whether rows are each other's negatives or, if asked for, partners."""
    if partners:
        return (x_ids[0] >= 0) & (y_ids[0] >= 0) & (x_ids[0] != y_ids[0]) & (x_ids[1] == y_ids[1])
    different = [x_id != y_id for x_id, y_id in zip(x_ids, y_ids)]
    return functools.reduce(jnp.logical_and, different, (x_ids[0] >= 0) & (y_ids[0] >= 0))
