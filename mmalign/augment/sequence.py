"""Augmentations of one sequence, `f(key, x, *, knobs) -> x` with x [tokens, features].

Tokens stay in their order, which is often what they are about.
"""

import jax

from mmalign.augment.example import dropped, one_example, white_noise


@one_example("[tokens, features] sequence")
def jitter(key: jax.Array, x: jax.Array, *, std: float = 0.1) -> jax.Array:
    """Adds white noise of standard deviation `std`."""
    return white_noise(key, x, std)


@one_example("[tokens, features] sequence")
def token_dropout(key: jax.Array, x: jax.Array, *, rate: float = 0.2) -> jax.Array:
    """Zeroes each token, all its features, with probability `rate`."""
    return dropped(key, x, rate)
