"""Distances between two distributions, each known by a batch of rows.

Alternatives to critics where two representations should be distributed alike, whatever their pairs.
Each is a statistic of the batch and not a mean over examples, so it is one scalar, which under
`axis_name` is that of the global batch on every device. With fewer than two rows that count there
is no distribution, and all are 0.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from mmalign.losses.numerics import (
    centred,
    gathered,
    paired_rows,
    places,
    squared_distances,
    summed,
    unit_norm,
    widen,
)

_OCTAVES = (0.25, 0.5, 1.0, 2.0, 4.0)  # of the mean squared distance


def mmd(
    x: ArrayLike,
    y: ArrayLike,
    *,
    bandwidths: ArrayLike | Sequence[float] | None = None,
    unbiased: bool = True,
    where: ArrayLike | None = None,
    axis_name: str | None = None,
) -> jax.Array:
    """Squared maximum mean discrepancy under a mean of Gaussian kernels.

    With k(a, b) the mean over bandwidths s of exp(-|a - b|^2 / (2 s^2)), the mean over pairs of
    rows i and j of k(x_i, x_j) + k(y_i, y_j) - k(x_i, y_j) - k(x_j, y_i): over different rows if
    unbiased, over all of them otherwise. At most 2, for two batches of equal rows, far apart.
    Of equal distributions the unbiased form is 0 in the mean, and so of either sign; the biased
    one, never below 0, is about 2 (1 - mean k) / rows.

    Args:
      x: [batch, dim] floats, two rows that count at least.
      y: as x. Row i of both may belong to the same example: the unbiased form holds none of these
        pairs, so their dependence does not show, and equal arrays have distance 0.
      bandwidths: positive, in x's unit: a number or [bandwidths]; may be traced. None for five
        whose squares are 1/4 to 4 of the mean squared distance of the pooled rows, which gets no
        gradient: the distance is then free of scale.
      unbiased: whether to leave out i = j.
      where: bool [batch], rows that count in x and in y; None for all.
      axis_name: mapped axis that splits the batch; rows are gathered.
    Returns: scalar, unitless, float32 or wider.
    Raises: ValueError for shapes that differ or are not [batch, dim], bandwidths that are not
      positive or of a wrong shape, a `where` of another shape; TypeError for arrays that are not
      floating-point.
    References: Gretton et al. 2012, A kernel two-sample test, JMLR 13, eq. 4 if unbiased (eq. 3
      keeps k(x_i, y_i), which is biased for pairs that depend on each other) and eq. 5, squared, if
      not. The median of distances is usual where we take the mean, which needs moments alone.
    """
    x, y, where, count = _pooled(x, y, where, axis_name)
    squares = _squared_bandwidths(bandwidths, x, y, count, axis_name)
    all_x, all_y, counted = gathered((x, y, where), axis_name)
    place = places(len(where), axis_name)
    pairs = where[:, None] & counted[None]
    if unbiased:
        pairs &= place[:, None] != jnp.arange(len(counted))[None]

    def kernel(a, b):
        distance = squared_distances(a, b)[None]
        return jnp.exp(distance / (-2 * squares[:, None, None])).mean(axis=0)

    gap = kernel(x, all_x) + kernel(y, all_y) - 2 * kernel(x, all_y)
    total = summed(axis_name)(jnp.sum(gap, where=pairs))
    return jnp.where(count >= 2, total / jnp.maximum(count * (count - int(unbiased)), 1), 0)


def coral(
    x: ArrayLike, y: ArrayLike, *, where: ArrayLike | None = None, axis_name: str | None = None
) -> jax.Array:
    """Squared distance of covariances, summed over their entries, over 4 dim^2.

    Blind to means and to everything but second moments. 0 if the covariances are equal; two batches
    of unit white Gaussian rows cost (1 + 1 / dim) / (2 (rows - 1)) in the mean. It grows with the
    fourth power of the scale.

    Args:
      x: [batch, dim] floats, two rows that count at least.
      y: as x; rows need not be pairs.
      where: bool [batch], rows that count in x and in y; None for all.
      axis_name: mapped axis that splits the batch; moments are summed, [dim, dim].
    Returns: scalar, in the fourth power of x's unit, float32 or wider.
    Raises: ValueError for shapes that differ or are not [batch, dim], or `where` of another shape;
      TypeError for arrays that are not floating-point.
    References: Sun and Saenko 2016, Deep CORAL, arXiv:1607.01719, eq. 1 to 3.
    """
    x, y, where = paired_rows(x, y, where)
    total = summed(axis_name)
    count = total(where.sum(dtype=x.dtype))
    x, y = (centred(z, where, count, total) for z in (x, y))
    scatter = [jnp.matmul(z.T, z, precision="highest") for z in (x, y)]
    gap = total(scatter[0] - scatter[1]) / jnp.maximum(count - 1, 1)  # 0 from one row: centred
    return jnp.square(gap).sum() / (4 * x.shape[1] ** 2)


def sliced_wasserstein(
    x: ArrayLike,
    y: ArrayLike,
    directions: ArrayLike,
    *,
    where: ArrayLike | None = None,
    axis_name: str | None = None,
) -> jax.Array:
    """Squared 2-Wasserstein distance of one-dimensional projections, mean over directions.

    In one dimension the cheapest transport keeps the order, so it is the mean squared difference of
    sorted projections. 0 if the rows are equal up to their order; rows moved by m cost |m|^2 / dim
    in the mean over all directions. Of equal distributions it is above 0 and falls about as
    1 / rows.

    Args:
      x: [batch, dim] floats, two rows that count at least.
      y: as x; rows need not be pairs.
      directions: [directions, dim] floats of any scale; normalised here. Draw them afresh for each
        step, say from a Gaussian; on all devices the same. A zero direction adds 0 to the mean.
      where: bool [batch], rows that count in x and in y; None for all.
      axis_name: mapped axis that splits the batch; projections are gathered.
    Returns: scalar, in the squared unit of x, float32 or wider.
    Raises: ValueError for x and y that differ or are not [batch, dim], directions that do not fit,
      a `where` of another shape; TypeError for arrays that are not floating-point.
    References: Bonneel et al. 2015, Sliced and Radon Wasserstein barycenters of measures, J. Math.
      Imaging Vis. 51; as a loss Deshpande et al. 2018, arXiv:1803.11188.
    """
    x, y, directions = widen(x, y, directions)
    x, y, where, count = _pooled(x, y, where, axis_name)
    if directions.ndim != 2 or directions.shape[1] != x.shape[1] or not len(directions):
        raise ValueError(
            f"directions must be [directions, dim] with dim = {x.shape[1]}, "
            f"got shape {directions.shape}"
        )
    unit = unit_norm(directions)
    projected = (jnp.matmul(z, unit.T, precision="highest") for z in (x, y))
    along_x, along_y, counted = gathered((*projected, where), axis_name)
    ranked = (jnp.arange(len(counted), dtype=count.dtype) < count)[:, None]

    def in_order(along):
        along = jnp.sort(jnp.where(counted[:, None], along, jnp.inf), axis=0)  # they come last
        return jnp.where(ranked, along, 0)

    cost = jnp.square(in_order(along_x) - in_order(along_y)).sum(axis=0) / jnp.maximum(count, 1)
    cost = jnp.where(count >= 2, cost.mean(), 0)
    return cost if axis_name is None else lax.pmean(cost, axis_name)  # equal on all: now seen to be


def _pooled(x, y, where, axis_name):
    """Rows around the mean of both batches, which saves digits; bool `where`, and its count."""
    x, y, where = paired_rows(x, y, where)
    total = summed(axis_name)
    count = total(where.sum(dtype=x.dtype))
    both = centred(jnp.concatenate([x, y]), jnp.tile(where, 2), 2 * count, total)
    return *jnp.split(both, 2), where, count


def _squared_bandwidths(bandwidths, x, y, count, axis_name):
    """[bandwidths] squares; by default from the mean squared distance of different pooled rows."""
    if bandwidths is None:
        scatter = summed(axis_name)(lax.stop_gradient(jnp.square(x) + jnp.square(y)).sum())
        apart = 2 * scatter / jnp.maximum(2 * count - 1, 1)
        # rows that are all equal have no distance; any bandwidth will do
        return jnp.maximum(apart, 1e-30) * jnp.asarray(_OCTAVES, x.dtype)
    given = bandwidths if isinstance(bandwidths, list | tuple) else [bandwidths]
    if any(isinstance(b, int | float) and not b > 0 for b in given):
        raise ValueError(f"bandwidths must be positive, got {bandwidths}")
    bandwidths = jnp.asarray(bandwidths, x.dtype)
    if bandwidths.ndim > 1 or not bandwidths.size:
        raise ValueError(
            f"bandwidths must be a number or [bandwidths], got shape {bandwidths.shape}"
        )
    return jnp.square(bandwidths).reshape(-1)
