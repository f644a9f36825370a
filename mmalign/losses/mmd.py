"""Maximum mean discrepancy: two batches of rows, as a kernel tells them apart."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from mmalign.losses.knobs import check_scalar
from mmalign.losses.numerics import squared_distances
from mmalign.losses.pooled import pooled
from mmalign.losses.rows import gathered, places, summed

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
        gradient: the distance is then free of scale. Squares below the rounding of the mean squared
        distance count as that.
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
    x, y, where, count, unit = pooled(x, y, where, axis_name)
    squares = _squared_bandwidths(bandwidths, x, y, count, unit, axis_name)
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


def _squared_bandwidths(bandwidths, x, y, count, unit, axis_name):
    """[bandwidths] squares; by default from the mean squared distance of different pooled rows."""
    scatter = summed(axis_name)(lax.stop_gradient(jnp.square(x) + jnp.square(y)).sum())
    # rows that are all equal have no distance; any bandwidth will do
    apart = jnp.maximum(2 * scatter / jnp.maximum(2 * count - 1, 1), 1e-30)
    if bandwidths is None:
        return apart * jnp.asarray(_OCTAVES, x.dtype)
    if not hasattr(bandwidths, "dtype"):
        for b in bandwidths if isinstance(bandwidths, list | tuple) else [bandwidths]:
            check_scalar("bandwidths", b, above=0)
    bandwidths = jnp.asarray(bandwidths, x.dtype)
    if bandwidths.ndim > 1 or not bandwidths.size:
        raise ValueError(
            f"bandwidths must be a number or [bandwidths], got shape {bandwidths.shape}"
        )
    squares = jnp.square(bandwidths / unit).reshape(-1)
    return jnp.maximum(squares, jnp.finfo(x.dtype).eps * apart)
