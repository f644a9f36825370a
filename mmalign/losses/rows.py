"""Rows of the batch: those that count, those of other devices, their mean."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from mmalign.losses.knobs import Scalar
from mmalign.losses.numerics import widen
from mmalign.losses.ring import axis_devices

_LARGE = 1e4  # sums of fourth powers of entries up to here fit float32 for any batch


def rows_that_count(
    where: ArrayLike | None, shape: tuple[int, ...], *, name: str = "where"
) -> jax.Array:
    """`where` as a bool array of `shape`, all True for None.

    Raises: TypeError if it is not bool, ValueError for another shape; both name it by `name`.
    """
    if where is None:
        return jnp.ones(shape, bool)
    where = jnp.asarray(where)
    if where.dtype != jnp.bool_:
        raise TypeError(f"{name} must be bool, got {where.dtype}")
    if where.shape != tuple(shape):
        raise ValueError(f"{name} must be of shape {list(shape)}, got {list(where.shape)}")
    return where


def mean_over_counted(
    values: jax.Array, counted: jax.Array, axis_name: str | None = None
) -> jax.Array:
    """`values` such that their plain mean is the mean over `counted`: those scaled, the others 0.

    Values that do not count must be finite, or their gradient is not: clear the inputs first.
    """
    count = counted.sum(dtype=values.dtype)
    size = values.size
    if axis_name is not None:
        count, size = lax.psum(count, axis_name), size * axis_devices(axis_name)
    return jnp.where(counted, values * (size / jnp.maximum(count, 1)), 0)


def global_rows(x: jax.Array, axis_name: str | None = None) -> int:
    """Rows of the global batch, a Python number."""
    return len(x) * axis_devices(axis_name)


def places(rows: int, axis_name: str | None = None) -> jax.Array:
    """Places in the global batch of this device's `rows`, [rows]."""
    place = jnp.arange(rows)
    return place if axis_name is None else place + lax.axis_index(axis_name) * rows


def gathered(arrays: Any, axis_name: str | None = None) -> Any:
    """The arrays with the rows of all devices."""
    return arrays if axis_name is None else lax.all_gather(arrays, axis_name, tiled=True)


def summed(axis_name: str | None) -> Callable[[jax.Array], jax.Array]:
    """A function that sums its argument over the devices that share the batch."""
    return (lambda x: x) if axis_name is None else (lambda x: lax.psum(x, axis_name))


def centred(
    z: jax.Array, where: jax.Array, count: jax.Array, total: Callable[[jax.Array], jax.Array]
) -> jax.Array:
    """Rows minus the mean of those that count, `count` of them; zeros where they do not.

    And zeros in columns that vary by no more than the rounding of their mean. Rows that do not
    count must be zero; `total` is from `summed`.
    """
    mean = total(z.sum(axis=0, keepdims=True)) / jnp.maximum(count, 1)
    x = jnp.where(where[:, None], z - mean, 0)
    rounding = 4 * float(jnp.finfo(z.dtype).eps) * jnp.abs(mean)
    still = total(jnp.square(x).sum(axis=0, keepdims=True)) <= count * jnp.square(rounding)
    return x - lax.stop_gradient(jnp.where(still, x, 0))


def in_range(
    *arrays: jax.Array, axis_name: str | None = None, axis: int | None = None
) -> tuple[jax.Array, ...]:
    """The arrays over a unit in which fourth powers stay finite, and that unit, without gradient.

    That is 1, or the largest entry of all, or along `axis`, where it is above 1e4.
    """
    over = lambda x: lax.stop_gradient(jnp.abs(x).max(axis=axis, keepdims=axis is not None))
    peak = functools.reduce(jnp.maximum, [over(x) for x in arrays])
    if axis_name is not None:
        peak = lax.pmax(peak, axis_name)
    unit = jnp.where(peak > _LARGE, peak, 1)
    half = lax.rsqrt(unit)  # twice, as 1 / 3e38 is no normal number
    return *(jnp.where(unit > 1, x * half * half, x) for x in arrays), unit


def check_some(shape: tuple[int, ...]) -> None:
    """Raises ValueError for an array without rows or columns."""
    if 0 in shape:
        raise ValueError(f"need a row and a column at least, got shape {tuple(shape)}")


def restored(x: jax.Array, unit: jax.Array, power: int) -> jax.Array:
    """x times a power of the unit: infinite where that is, with a gradient that is not NaN."""
    value, factor = lax.stop_gradient(x), jnp.ones_like(unit)
    for _ in range(power):  # 0 times a power that overflows is no number
        value, factor = value * unit, factor * unit
    factor = jnp.minimum(factor, float(jnp.finfo(factor.dtype).max) / 16)
    return value + (x - lax.stop_gradient(x)) * factor


def power_eps(eps: Scalar, unit: jax.Array, power: int) -> jax.Array:
    """`eps` over a power of the unit and, above 1, at least what float32 can tell from a 1."""
    scaled = eps * jnp.ones_like(unit)
    for _ in range(power):
        scaled = scaled / unit
    return jnp.where(unit > 1, jnp.maximum(scaled, 1e-12), scaled)


def paired_rows(
    x: ArrayLike, y: ArrayLike, where: ArrayLike | None
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Two [batch, dim] arrays in `compute_dtype`, zero where rows do not count, and bool `where`.

    Raises: ValueError if they differ in shape or are not [batch, dim]; as `rows_that_count`.
    """
    x, y = widen(x, y)
    if x.ndim != 2 or x.shape != y.shape:
        raise ValueError(f"need two [batch, dim] arrays alike, got {x.shape} and {y.shape}")
    check_some(x.shape)
    where = rows_that_count(where, x.shape[:1])
    x, y = (jnp.where(where[:, None], z, 0) for z in (x, y))
    return x, y, where
