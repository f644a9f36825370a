"""Augmentations of one vector, `f(key, x, *, knobs) -> x` with x [features].

Features are taken as standardised: 0 is the mean, so it says nothing, and noise is in standard
deviations.
"""

import jax

from mmalign.augment.example import dropped, one_example, white_noise


@one_example("[features] vector")
def jitter(key: jax.Array, x: jax.Array, *, std: float = 0.1) -> jax.Array:
    """Adds white noise of standard deviation `std`."""
    return white_noise(key, x, std)


@one_example("[features] vector")
def feature_dropout(key: jax.Array, x: jax.Array, *, rate: float = 0.2) -> jax.Array:
    """Zeroes each feature with probability `rate`; of one feature or few, at times all."""
    return dropped(key, x, rate)
