"""VICReg: views agree, every dimension varies, no two say the same."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from mmalign.losses.moments import moments
from mmalign.losses.numerics import root
from mmalign.losses.rows import in_range, paired_rows, restored, summed


def vicreg(
    z_a: ArrayLike,
    z_b: ArrayLike,
    *,
    gamma: float = 1.0,
    eps: float = 1e-4,
    unbiased: bool = True,
    where: ArrayLike | None = None,
    axis_name: str | None = None,
) -> dict[str, jax.Array]:
    """The three terms of VICReg; the official loss is 25 invariance + 25 variance + covariance.

    * invariance: squared distance of paired rows, mean over rows and dimensions. 0 if views agree.
    * variance: max(0, gamma - sqrt(variance + eps)), mean over dimensions and over both views. 0 if
      every dimension varies enough, gamma - sqrt(eps) if all rows are alike (collapse).
    * covariance: squared covariances of different dimensions, summed, over dim; summed over views.
      0 if dimensions are uncorrelated.

    Args:
      z_a: [batch, dim] floats, two rows that count at least.
      z_b: as z_a, the other view.
      gamma: the standard deviation that is enough.
      eps: under the root, which bounds its gradient at 0.
      unbiased: whether the hinge's variance divides by count - 1, as in the official code, or by
        count, as in CroSSL's. The covariance divides by count - 1 in both.
      where: bool [batch], rows that count; None for all. With fewer than two there is no variance:
        variance and covariance are 0.
      axis_name: mapped axis that splits the batch; None if z_a is the whole batch.
    Returns: {"invariance", "variance", "covariance"}, scalars, float32 or wider.
    Raises: ValueError for shapes that differ or are not [batch, dim] or `where` of another shape;
      TypeError for arrays that are not floating-point.
    References: Bardes et al. 2022, arXiv:2105.04906, eq. 1 to 6. As in the authors' code the two
      hinges are averaged where the paper adds them, and the distance is over dim where the paper
      sums: weights (i, v, c) here are (i / dim, v / 2, c) there. Unlike that code the covariance
      divides by the rows that are there, also in a short last batch. solo-learn's code adds both
      hinges: its variance term is twice this one.
    """
    z_a, z_b, where = paired_rows(z_a, z_b, where)
    total = summed(axis_name)
    count = total(where.sum(dtype=z_a.dtype))
    z_a, z_b, unit = in_range(z_a, z_b, axis_name=axis_name)
    apart = total(jnp.square(z_a - z_b).sum()) / (jnp.maximum(count, 1) * z_a.shape[1])
    variance = covariance = 0.0
    for z in (z_a, z_b):
        scatter, pairs = moments(z, where, count, axis_name)
        spread = scatter / jnp.maximum(count - unbiased, 1)
        deviation = root(spread + eps / unit / unit) * unit
        variance += jnp.maximum(0, gamma - deviation).mean() / 2
        covariance += pairs / jnp.square(jnp.maximum(count - 1, 1)) / z.shape[1]
    enough = count >= 2
    return {
        "invariance": restored(apart, unit, 2),
        "variance": jnp.where(enough, variance, 0),
        "covariance": jnp.where(enough, restored(covariance, unit, 4), 0),
    }
