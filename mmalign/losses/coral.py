"""Distance of two covariances."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from mmalign.losses.rows import centred, in_range, paired_rows, restored, summed


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
    x, y, unit = in_range(x, y, axis_name=axis_name)
    x, y = (centred(z, where, count, total) for z in (x, y))
    scatter = [jnp.matmul(z.T, z, precision="highest") for z in (x, y)]
    gap = total(scatter[0] - scatter[1]) / jnp.maximum(count - 1, 1)  # 0 from one row: centred
    return restored(jnp.square(gap).sum() / (4 * x.shape[1] ** 2), unit, 4)
