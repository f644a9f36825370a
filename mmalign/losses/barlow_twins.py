"""Barlow Twins: every dimension of a view correlates with its own of the other, and no other."""

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from mmalign.losses.off_diagonal import off_diagonal
from mmalign.losses.rows import centred, in_range, paired_rows, power_eps, summed


def barlow_twins(
    z_a: ArrayLike,
    z_b: ArrayLike,
    *,
    eps: float = 1e-5,
    where: ArrayLike | None = None,
    axis_name: str | None = None,
) -> dict[str, jax.Array]:
    """The two terms of Barlow Twins; the official loss is invariance + 0.0051 redundancy.

    C, [dim, dim], is the correlation over the batch of z_a's dimensions with z_b's.

    * invariance: squared 1 - C_jj, summed over dimensions. 0 if views agree, dim if they are
      unrelated.
    * redundancy: squared C_jk of different dimensions, summed. About dim^2 / batch at chance.

    Args:
      z_a: [batch, dim] floats, two rows that count at least.
      z_b: as z_a, the other view.
      eps: added to variances; a dimension that does not vary correlates with nothing.
      where: bool [batch], rows that count; None for all. If none counts both terms are 0.
      axis_name: mapped axis that splits the batch; None if z_a is the whole batch.
    Returns: {"invariance", "redundancy"}, scalars, float32 or wider.
    Raises: as `vicreg`.
    References: Zbontar et al. 2021, arXiv:2103.03230, eq. 1 and 2; variances are biased and hold
      eps, as those of the batch normalisation in the authors' code.
    """
    z_a, z_b, where = paired_rows(z_a, z_b, where)
    total = summed(axis_name)
    count = total(where.sum(dtype=z_a.dtype))
    size = jnp.maximum(count, 1)

    def standardised(z):
        z, unit = in_range(z, axis_name=axis_name, axis=0)  # of each column
        x = centred(z, where, count, total)
        square = total(jnp.square(x).sum(axis=0, keepdims=True)) / size
        return x * lax.rsqrt(square + power_eps(eps, unit, 2))

    a, b = standardised(z_a), standardised(z_b)
    same = total((a * b).sum(axis=0)) / size
    pairs = off_diagonal(a, b, axis_name) / jnp.square(size)
    invariance = jnp.square(1 - same).sum()
    return {"invariance": jnp.where(count > 0, invariance, 0), "redundancy": pairs}
