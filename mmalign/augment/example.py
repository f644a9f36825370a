"""What augmentations of all kinds share: one example, in float32; noise, dropping, bands."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp


def one_example(layout: str) -> Callable:
    """Decorates `f(key, x, **knobs)`: x is one example of floats, computed in float32 at least.

    layout: axes of an example, such as "[time, channels] series".
    """
    ndim = layout.count(",") + 1

    def decorate(augmentation):
        @functools.wraps(augmentation)
        def checked(key, x, **knobs):
            name = augmentation.__name__
            if x.ndim != ndim:
                raise ValueError(
                    f"{name} takes one {layout}, got shape {x.shape}; use jax.vmap for a batch"
                )
            if not jnp.issubdtype(x.dtype, jnp.floating):
                raise TypeError(f"{name} takes floating-point values, got {x.dtype}")
            wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
            return augmentation(key, wide, **knobs).astype(x.dtype)

        return checked

    return decorate


def white_noise(key: jax.Array, x: jax.Array, std: float) -> jax.Array:
    """x and normal noise of standard deviation `std`, in the units of x."""
    return x + std * jax.random.normal(key, x.shape, x.dtype)


def dropped(key: jax.Array, x: jax.Array, rate: float) -> jax.Array:
    """x with zeros in a share `rate`, on average, of its rows (of a vector: its entries)."""
    keep = jax.random.bernoulli(key, 1 - checked_share("rate", rate), x.shape[:1])
    return jnp.where(keep.reshape(-1, *[1] * (x.ndim - 1)), x, jnp.zeros((), x.dtype))


def checked_share(knob: str, value: float) -> float:
    """`value`, if it lies within 0 and 1; one that is traced is not looked at."""
    if isinstance(value, int | float) and not 0 <= value <= 1:
        raise ValueError(f"{knob} must lie within 0 and 1, got {value}")
    return value


def random_band(key: jax.Array, size: int, fraction: float) -> jax.Array:
    """One run of True anywhere in [size], its length ~ U{0 .. fraction * size}."""
    key_width, key_start = jax.random.split(key)
    width = jax.random.randint(
        key_width, (), 0, int(checked_share("fraction", fraction) * size) + 1
    )
    start = jax.random.randint(key_start, (), 0, size - width + 1)
    at = jnp.arange(size)
    return (at >= start) & (at < start + width)
