"""CLIP: a contrastive loss whose scale is learned."""

import math

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from mmalign.losses.contrastive import info_nce
from mmalign.losses.knobs import Scalar, check_scalar
from mmalign.losses.numerics import widen


def clip(
    z_a: ArrayLike,
    z_b: ArrayLike,
    log_scale: Scalar,
    *,
    max_scale: float = 100.0,
    normalise: bool = True,
    tile: int | None = None,
    where: ArrayLike | None = None,
    axis_name: str | None = None,
) -> jax.Array:
    """CLIP's loss: symmetric InfoNCE with a learned, bounded scale in place of a temperature.

    Args:
      z_a: [batch, dim] floats of any scale.
      z_b: as z_a, the partners.
      log_scale: scalar, log of what multiplies similarities; learned, from log(1 / 0.07) = 2.659 on
        and without weight decay. The scale is kept between 1 and max_scale; outside the gradient is
        that at the bound, so that it can come back.
      max_scale: largest scale.
      normalise: as in `info_nce`.
      tile: as in `info_nce`.
      where: bool [batch], the pairs that count; None for all. See the package's rule.
      axis_name: mapped axis that splits the batch; None if z_a is the whole batch.
    Returns: [batch] loss of each pair in nats, log(rows that count) at chance, float32 or wider.
    Raises: as `info_nce`; ValueError for a max_scale below 1.
    References: Radford et al. 2021, arXiv:2103.00020, section 2.4; the authors' code bounds the
      parameter itself, after each update.
    """
    return info_nce(
        z_a,
        z_b,
        temperature=learned_temperature(log_scale, max_scale),
        normalise=normalise,
        tile=tile,
        where=where,
        axis_name=axis_name,
    )


def learned_temperature(log_scale: Scalar, max_scale: float = 100.0) -> Scalar:
    """The temperature that a learned scale stands for, as `clip` bounds it.

    Raises: ValueError for a max_scale below 1.
    """
    check_scalar("log_scale", log_scale)
    if not isinstance(max_scale, int | float) or not max_scale >= 1:
        raise ValueError(f"max_scale must be at least 1, got {max_scale}")
    if isinstance(log_scale, int | float):
        return math.exp(-min(max(log_scale, 0.0), math.log(max_scale)))
    (log_scale,) = widen(log_scale)
    bounded = jnp.clip(log_scale, 0, math.log(max_scale))
    return jnp.exp(-(log_scale + lax.stop_gradient(bounded - log_scale)))
