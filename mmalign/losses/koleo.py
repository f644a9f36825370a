"""KoLeo: every row keeps its distance from the nearest other."""

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from mmalign.losses.blocks import block_rows, by_blocks
from mmalign.losses.numerics import fading, root, unit_norm, widen
from mmalign.losses.rows import check_some, gathered, mean_over_counted, places, rows_that_count


def koleo(
    z: ArrayLike,
    *,
    eps: float = 1e-8,
    where: ArrayLike | None = None,
    axis_name: str | None = None,
) -> jax.Array:
    """Minus the log of a unit row's distance from the nearest other one.

    Never below -log 2; orthonormal rows cost -log sqrt(2), equal ones -log(eps) = 18.4 and get no
    gradient, since they have no direction to part. With fewer than two rows it is 0. Use it on one
    view at a time, with a small weight: 0.1 in DINOv2.

    Args:
      z: [batch, dim] floats of any scale; normalised here. Neighbours are found by the largest
        inner product, without gradient; the distance has one by both of its ends, which grows as
        1 / distance down to 1e-3 and fades from there on.
      eps: added to distances.
      where: bool [batch], rows that count; None for all. See the package's rule.
      axis_name: mapped axis that splits the batch; neighbours are those of all devices.
    Returns: [batch] in nats, before the scaling by `where`; float32 or wider.
    Raises: ValueError for z that is not [batch, dim] or a `where` of another shape; TypeError for
      one that is not floating-point.
    References: Sablayrolles et al. 2019, arXiv:1806.03198, eq. 2; as in DINOv2, Oquab et al. 2023,
      arXiv:2304.07193, whose code looks for neighbours on each device alone.
    """
    (z,) = widen(z)
    if z.ndim != 2:
        raise ValueError(f"z must be [batch, dim], got shape {z.shape}")
    check_some(z.shape)
    where = rows_that_count(where, z.shape[:1])
    x = unit_norm(jnp.where(where[:, None], z, 0))
    everyone, counted = gathered((x, where), axis_name)

    def nearest(queries):
        row, own = queries
        close = jnp.matmul(row, lax.stop_gradient(everyone).T, precision="highest")
        others = counted[None] & (own[:, None] != jnp.arange(len(counted))[None])
        return jnp.where(others, close, -jnp.inf).argmax(axis=1)

    queries = lax.stop_gradient(x), places(len(x), axis_name)
    found = by_blocks(nearest, queries, block_rows(None, len(everyone)))
    square = jnp.square(x - everyone[found]).sum(axis=1)
    damp = lax.stop_gradient(fading(square))
    square = jnp.where(damp < 1, damp * square + lax.stop_gradient((1 - damp) * square), square)
    some = where & (counted.sum() > 1)
    return mean_over_counted(jnp.where(some, -jnp.log(root(square) + eps), 0), where, axis_name)
