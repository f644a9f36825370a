"""SIGReg: rows are distributed as an isotropic Gaussian, along random lines."""

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from mmalign.losses.knobs import check_scalar
from mmalign.losses.numerics import unit_norm, widen
from mmalign.losses.rows import check_some, rows_that_count, summed


def sigreg(
    z: ArrayLike,
    directions: ArrayLike,
    *,
    knots: int = 17,
    limit: float = 3.0,
    where: ArrayLike | None = None,
    axis_name: str | None = None,
) -> jax.Array:
    """Distance of the rows' characteristic function from a Gaussian's, mean over directions.

    With x the rows along a direction and phi(t) = exp(-t^2 / 2): rows times the integral over t of
    ((mean cos(t x) - phi)^2 + (mean sin(t x))^2) phi, by the trapezoid rule. Rows of a standard
    Gaussian cost 1.05 in the mean, for any number of them; rows that are all 0 cost 0.40 times
    their number, where the gradient vanishes: a term that asks for variance leads out of there. The
    factor makes a row's gradient independent of the number of rows while that of a mean falls, so
    the balance with other terms moves with the global batch.

    Args:
      z: [batch, dim] floats, not normalised.
      directions: [directions, dim] floats of any scale; normalised here. Draw them afresh for each
        step, say 1,024 from a Gaussian; on all devices the same.
      knots: points from 0 to `limit`, two at least, of a function that is the same at -t.
      limit: positive, where the integral ends.
      where: bool [batch], rows that count; None for all. If none counts it is 0.
      axis_name: mapped axis that splits the batch; sums of cosines and sines are added up.
    Returns: scalar, float32 or wider.
    Raises: ValueError for z that is not [batch, dim], directions that do not fit, a `where` of
      another shape, fewer than two knots; TypeError for arrays that are not floating-point.
    References: Balestriero and LeCun 2025, arXiv:2511.08544 (LeJEPA), whose listing has 17 knots
      from -5 to 5; 17 from 0 to 3 is common. The loss there is 0.05 times this, mean over views,
      and 0.95 times the squared distance of views from the mean of the global ones.
    """
    z, directions = widen(z, directions)
    if z.ndim != 2:
        raise ValueError(f"z must be [batch, dim], got shape {z.shape}")
    check_some(z.shape)
    if directions.ndim != 2 or directions.shape[1] != z.shape[1] or not len(directions):
        raise ValueError(
            f"directions must be [directions, dim] with dim = {z.shape[1]}, "
            f"got shape {directions.shape}"
        )
    check_scalar("limit", limit, above=0)
    if not isinstance(knots, int) or knots < 2:
        raise ValueError(f"knots must be a whole number, 2 or more, got {knots!r}")
    where = rows_that_count(where, z.shape[:1])
    z = jnp.where(where[:, None], z, 0)
    along = jnp.matmul(z, unit_norm(directions).T, precision="highest")
    points = jnp.linspace(0, limit, knots, dtype=z.dtype)

    @jax.checkpoint
    def moments(t):
        return [jnp.sum(f(t * along), axis=0, where=where[:, None]) for f in (jnp.cos, jnp.sin)]

    total = summed(axis_name)
    count = total(where.sum(dtype=z.dtype))
    cosines, sines = (total(x) / jnp.maximum(count, 1) for x in lax.map(moments, points))
    gaussian = jnp.exp(-jnp.square(points) / 2)
    # both halves of the line: ends weigh one step, the others two
    ends = (jnp.arange(knots) % (knots - 1) == 0).astype(z.dtype)
    weight = gaussian * (2 - ends) * (limit / (knots - 1))
    gap = jnp.square(cosines - gaussian[:, None]) + jnp.square(sines)
    return jnp.where(count > 0, count * (weight @ gap).mean(), 0)
