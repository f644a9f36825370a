"""How what is valid of a series follows augmentations that move its samples in time."""

from collections.abc import Callable, Mapping, Sequence

import jax
import jax.numpy as jnp

from mmalign.augment import series, warps
from mmalign.augment.steps import shuffle, taken


def _warped(key, x, **knobs):
    """`time_warp` of a mask. A sample of a warped series is a cubic of four; it counts if the two
    next to it do, and the two around those, which the mask is narrowed by beforehand.
    """
    around = jnp.pad(x, ((1, 1), (0, 0)), constant_values=1.0)
    x = jnp.minimum(x, jnp.minimum(around[:-2], around[2:]))
    return warps.time_warp(key, x, **knobs)


def _self_mixed(key, x):
    """`self_mix` of a mask: a step counts if both that it is a mean of do."""
    return jnp.minimum(x, shuffle(jax.random.split(key)[0], x))


def _corrupted(key, x, *, steps: Sequence[str] = ("drop", "jitter"), probability=0.5):
    """`corrupt` of a mask."""
    return taken(key, x, steps, probability, {"shuffle": shuffle, "self_mix": _self_mixed})


# What moves samples in time, on floats [time, 1]: 1 where a sample is valid.
MOVES: Mapping[str, Callable[..., jax.Array]] = {
    "permutation": series.permutation,
    "time_warp": _warped,
    "horizontal_flip": series.horizontal_flip,
    "time_shift": series.time_shift,
    "shuffle": shuffle,
    "self_mix": _self_mixed,
    "corrupt": _corrupted,
}
