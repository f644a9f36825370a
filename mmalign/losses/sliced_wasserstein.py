"""Cost of the cheapest transport between two batches, along random lines."""

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from mmalign.losses.numerics import unit_norm, widen
from mmalign.losses.pooled import pooled
from mmalign.losses.rows import gathered, restored


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
    x, y, where, count, unit = pooled(x, y, where, axis_name)
    if directions.ndim != 2 or directions.shape[1] != x.shape[1] or not len(directions):
        raise ValueError(
            f"directions must be [directions, dim] with dim = {x.shape[1]}, "
            f"got shape {directions.shape}"
        )
    lines = unit_norm(directions)
    projected = (jnp.matmul(z, lines.T, precision="highest") for z in (x, y))
    along_x, along_y, counted = gathered((*projected, where), axis_name)
    ranked = (jnp.arange(len(counted), dtype=count.dtype) < count)[:, None]

    def in_order(along):
        along = jnp.sort(jnp.where(counted[:, None], along, jnp.inf), axis=0)  # they come last
        return jnp.where(ranked, along, 0)

    cost = jnp.square(in_order(along_x) - in_order(along_y)).sum(axis=0) / jnp.maximum(count, 1)
    cost = jnp.where(count >= 2, restored(cost.mean(), unit, 2), 0)
    return cost if axis_name is None else lax.pmean(cost, axis_name)  # equal on all: now seen to be
