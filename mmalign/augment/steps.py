"""Augmentations of the time steps of a series or the tokens of a sequence, which share them.

`f(key, x, *, knobs) -> x` with x [time, channels] or [tokens, features]. Values are taken as
standardised: a step of zeros says nothing.

References: CoMM (Dufumier et al. 2025, arXiv:2409.07402), section 3 of its appendix and the
  released code.
"""

from collections.abc import Callable, Mapping, Sequence

import jax
import jax.numpy as jnp

from mmalign import options
from mmalign.augment.example import checked_share, one_example, random_band, white_noise

_LAYOUT = "[steps, features] series or sequence"


@one_example(_LAYOUT)
def drop(key: jax.Array, x: jax.Array, *, most: float = 0.8) -> jax.Array:
    """Zeroes a share ~ U(0, most) of the steps, wherever they are."""
    key_share, key_order = jax.random.split(key)
    share = jax.random.uniform(key_share, maxval=checked_share("most", most))
    first = jax.random.permutation(key_order, len(x)) < jnp.round(share * len(x))
    return jnp.where(first[:, None], jnp.zeros((), x.dtype), x)


@one_example(_LAYOUT)
def drop_block(key: jax.Array, x: jax.Array, *, most: float = 0.8) -> jax.Array:
    """Zeroes steps in a row, up to a share `most`."""
    return jnp.where(random_band(key, len(x), most)[:, None], jnp.zeros((), x.dtype), x)


@one_example(_LAYOUT)
def crop(key: jax.Array, x: jax.Array, *, least: float = 0.08) -> jax.Array:
    """Keeps steps in a row, a share ~ U(least, 1), and zeroes the others."""
    key_share, key_start = jax.random.split(key)
    share = jax.random.uniform(key_share, minval=checked_share("least", least))
    count = jnp.maximum(jnp.round(share * len(x)), 1).astype(int)
    start, at = jax.random.randint(key_start, (), 0, len(x) - count + 1), jnp.arange(len(x))
    kept = (at >= start) & (at < start + count)
    return jnp.where(kept[:, None], x, jnp.zeros((), x.dtype))


def shuffle(key: jax.Array, x: jax.Array) -> jax.Array:
    """Puts the steps in a random order."""
    return jnp.take(x, jax.random.permutation(key, len(x)), axis=0)


@one_example(_LAYOUT)
def self_mix(key: jax.Array, x: jax.Array) -> jax.Array:
    """A mean, weighted ~ U(0, 1), with the same steps in a random order."""
    key_order, key_share = jax.random.split(key)
    share = jax.random.uniform(key_share, dtype=x.dtype)
    return share * x + (1 - share) * shuffle(key_order, x)


def _jitter(key, x):
    return white_noise(key, x, 0.1)


STEPS: Mapping[str, Callable[..., jax.Array]] = {
    "jitter": _jitter,
    "drop": drop,
    "drop_block": drop_block,
    "crop": crop,
    "shuffle": shuffle,
    "self_mix": self_mix,
}


@one_example(_LAYOUT)
def corrupt(
    key: jax.Array, x: jax.Array, *, steps: Sequence[str] = ("drop", "jitter"),
    probability: float = 0.5,
) -> jax.Array:  # fmt: skip
    """Several of STEPS one after the other, each with a probability of its own.

    steps: names, in order, with their knobs left out. The jitter has a deviation of 0.1.
    """
    return taken(key, x, steps, probability, STEPS)


def taken(
    key: jax.Array, x: jax.Array, steps: Sequence[str], probability: float,
    table: Mapping[str, Callable[..., jax.Array]],
) -> jax.Array:  # fmt: skip
    """`corrupt`, with what a step does of `table`; one that is not in it does nothing."""
    checked_share("probability", probability)
    for name, of_step in zip(steps, jax.random.split(key, len(steps))):
        options.known("step of corrupt", name, STEPS)
        if name in table:
            coin, draw = jax.random.split(of_step)
            x = jnp.where(jax.random.bernoulli(coin, float(probability)), table[name](draw, x), x)
    return x
