"""Augmentations of one series along smooth random curves.

They are called as those of `series` are, and have their defaults from where those have them.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from mmalign.augment.example import one_example


@one_example("[time, channels] series")
def magnitude_warp(key: jax.Array, x: jax.Array, *, std=0.05, order=4) -> jax.Array:
    """Multiplies all channels by one smooth random curve around 1 (`_curve_basis`)."""
    basis, _, limit = _curve_basis(len(x), order)
    return x * (1 + _project(basis, _knots(key, basis, std, limit, x.dtype)))[:, None]


@one_example("[time, channels] series")
def time_warp(key: jax.Array, x: jax.Array, *, std=0.2, order=6) -> jax.Array:
    """Reads the series along a random path from its first sample to its last.

    The speed of the path is a smooth curve around 1 (`_curve_basis`); its running sum, rescaled to
    [0, time - 1], is where the samples are taken, by Catmull-Rom cubics (Keys 1981, a = -1/2).

    Differs from the published cubic spline in two ways. The cubics are local: four rows per sample
    instead of a system of `time` equations. Knots stay so close to 1 that speed cannot reach zero
    (`_knots`), so time never runs backwards; at the default std that touches 0.2 % of the knots.

    A series of one sample stays as it is: its first is its last.
    """
    time = len(x)
    if time < 2:
        return x
    basis, travelled, limit = _curve_basis(time, order)
    at = jnp.arange(time, dtype=x.dtype)
    at = at + _project(travelled, _knots(key, basis, std, limit, x.dtype))
    at = at / at[-1] * (time - 1)
    return _interpolate(x, at)


def _interpolate(x, at):
    """Rows of x at positions `at` within [0, time - 1]; exact for straight lines and at samples."""
    left = jnp.clip(jnp.floor(at).astype(jnp.int32), 0, len(x) - 2)
    f = (at - left)[:, None]
    x = jnp.concatenate([2 * x[:1] - x[1:2], x, 2 * x[-1:] - x[-2:-1]])
    a, b, c, d = (x[left + k] for k in range(4))
    return b + f / 2 * (c - a + f * (2 * a - 5 * b + 4 * c - d + f * (3 * (b - c) + d - a)))


@functools.cache
def _curve_basis(length, order):
    """Natural cubic splines of `length` samples, as products with `order` and more knots.

    3 (order - 1) + 1 equidistant knots lie over three lengths and the middle one is used, so the
    curve has `order` knots, both ends included, and looks the same at the ends as inside.

    Returns:
      basis [length, knots], its running sum from the first sample on, and how far from zero the
      knots may be such that the curve stays above -0.95.
    """
    from scipy.interpolate import CubicSpline

    if order < 2:
        raise ValueError(f"order must be at least 2 knots per series, got {order}")
    last = max(length - 1, 1)
    knots = 3 * (order - 1) + 1
    at = np.linspace(-last, 2 * last, knots)
    basis = CubicSpline(at, np.eye(knots), bc_type="natural")(np.arange(length))
    travelled = np.cumsum(basis, axis=0) - basis[:1]
    limit = 0.95 / np.abs(basis).sum(axis=1).max()
    return basis.astype(np.float32), travelled.astype(np.float32), float(limit)


def _knots(key, basis, std, limit, dtype):
    """Deviations from 1 at the knots, ~ N(0, std^2) cut at +-limit (about 0.61)."""
    knots = basis.shape[1]
    draws = jax.random.normal(key, (-(-knots // 16) * 16,), dtype)  # sixteens compile 3x faster
    return jnp.clip(std * draws[:knots], -limit, limit)


def _project(basis, knots):
    return jnp.matmul(basis.astype(knots.dtype), knots, precision="highest")
