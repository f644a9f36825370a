"""How what is valid of a series follows augmentations that move its samples in time."""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp

from mmalign.augment import series, warps


def _warped(key, x, **knobs):
    """`time_warp` of a mask. A sample of a warped series is a cubic of four; it counts if the two
    next to it do, and the two around those, which the mask is narrowed by beforehand.
    """
    around = jnp.pad(x, ((1, 1), (0, 0)), constant_values=1.0)
    x = jnp.minimum(x, jnp.minimum(around[:-2], around[2:]))
    return warps.time_warp(key, x, **knobs)


# What moves samples in time, on floats [time, 1]: 1 where a sample is valid.
MOVES: Mapping[str, Callable[..., jax.Array]] = {
    "permutation": series.permutation,
    "time_warp": _warped,
    "horizontal_flip": series.horizontal_flip,
    "time_shift": series.time_shift,
}
