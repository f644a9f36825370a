"""Patches as targets to reconstruct."""

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from mmalign.losses.numerics import widen
from mmalign.losses.rows import in_range, power_eps


def normalise_patches(target: ArrayLike, *, eps: float = 1e-6) -> jax.Array:
    """Each patch with mean 0 and variance 1 over its own values, as a target to reconstruct.

    It asks for shape, not level or size; a flat patch comes out 0.

    Args:
      target: [..., values] patches.
      eps: added to variances; patches whose variance is far below it are scaled down by it.
    Returns: as target, unitless, float32 or wider.
    Raises: ValueError for a target without values, TypeError for one that is not floating-point.
    References: He et al. 2022, arXiv:2111.06377, section 3. The authors' code divides by values - 1
      in the variance; here a patch of one value is 0 and not NaN, and squared errors are larger
      by the factor values / (values - 1).
    """
    (target,) = widen(target)
    if target.ndim < 1 or not target.shape[-1]:
        raise ValueError(f"target must be [..., values], got shape {target.shape}")
    target, unit = in_range(target, axis=-1)  # of each patch
    target = target - target.mean(axis=-1, keepdims=True)
    variance = jnp.square(target).mean(axis=-1, keepdims=True)
    return target * lax.rsqrt(variance + power_eps(eps, unit, 2))
