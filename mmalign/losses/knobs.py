"""Numbers that a loss is called with."""

import math

import jax
import jax.numpy as jnp
from jax import lax

Scalar = float | jax.Array  # perhaps traced: a knob that can be learned or ramped
COLDEST = 1e-6  # temperature, and 1 / the largest scale of similarities


def check_scalar(
    name: str, value: Scalar, *, above: float | None = None, least: float | None = None
) -> None:
    """Raises TypeError for what is no number, ValueError for an array that is no scalar.

    And ValueError for a Python number (an array may be traced) that is not above `above` or not
    `least` at least.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number and not hasattr(value, "dtype"):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if jnp.ndim(value) != 0:
        raise ValueError(f"{name} must be a scalar, got shape {jnp.shape(value)}")
    if not isinstance(value, int | float):
        return
    if above is not None and not value > above:
        needed = f"above {above}" if above else "positive"
        raise ValueError(f"{name} must be {needed}, got {value}")
    if least is not None and not value >= least:
        raise ValueError(f"{name} must be {least} or more, got {value}")


def check_temperature(temperature: Scalar) -> None:
    """Raises TypeError or ValueError for one that is no positive scalar, as far as can be seen."""
    check_scalar("temperature", temperature, above=0)


def inverse(temperature: Scalar, dtype: jnp.dtype) -> jax.Array:
    """1 / temperature; below 1e-6 it is that of 1e-6, and so is its gradient."""
    if isinstance(temperature, int | float):
        return jnp.asarray(1 / max(temperature, COLDEST), dtype)
    return 1 / at_least(COLDEST, jnp.asarray(temperature, dtype))


def at_least(bound: float, value: jax.Array) -> jax.Array:
    """`value` or, below it, `bound` with the gradient of the value, which can so come back."""
    return jnp.where(value < bound, bound + value - lax.stop_gradient(value), value)


def bounded_exp(log_scale: Scalar, dtype: jnp.dtype) -> jax.Array:
    """exp(log_scale), at most 1e6; beyond the gradient is that at the bound, to come back by."""
    return jnp.exp(-at_least(math.log(COLDEST), -jnp.asarray(log_scale, dtype)))
