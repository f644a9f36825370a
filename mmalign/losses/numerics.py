"""What losses share: dtypes, rows that count, rows on other devices, moments and distances."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from mmalign.losses.ring import axis_devices

Scalar = float | jax.Array  # perhaps traced: a knob that can be learned or ramped


def compute_dtype(*arrays: ArrayLike) -> jnp.dtype:
    """Floating dtype to compute in: float32 at least, float64 if any array is float64."""
    dtypes = [jnp.result_type(x) for x in arrays]
    for dtype in dtypes:
        if not jnp.issubdtype(dtype, jnp.floating):
            raise TypeError(f"expected floating-point arrays, got {dtype}")
    return jnp.dtype(jnp.float64 if any(d == jnp.float64 for d in dtypes) else jnp.float32)


_INFINITE = 1e6


def widen(*arrays: ArrayLike) -> tuple[jax.Array, ...]:
    """The arrays in their common `compute_dtype`, infinite entries as 1e6 of their sign.

    So an overflow in bfloat16 or float16 costs much and is not inf - inf = NaN; NaN itself stays.
    """
    dtype = compute_dtype(*arrays)
    bounded = lambda x: jnp.where(x == jnp.inf, _INFINITE, jnp.where(x == -jnp.inf, -_INFINITE, x))
    return tuple(bounded(jnp.asarray(x, dtype)) for x in arrays)


@jax.custom_jvp
def unit_norm(x: jax.Array) -> jax.Array:
    """Rows of `x` scaled to length 1; a zero row stays zero, with a finite gradient.

    Rows shorter than 1e-6 come out shorter than 1.
    """
    return x * inverse_norm(x)


@unit_norm.defjvp
def _unit_norm_jvp(primals, tangents):
    """One rule, so that the gradient keeps the unit rows and no step on the way to them."""
    (x,), (dx,) = primals, tangents
    scale = inverse_norm(x)
    unit = x * scale
    turns = jnp.square(unit).sum(axis=-1, keepdims=True) > 0.999  # not one of the short rows
    along = jnp.where(turns, (unit * dx).sum(axis=-1, keepdims=True), 0)
    return unit, scale * (dx - along * unit)


def inverse_norm(x: jax.Array) -> jax.Array:
    """What scales the rows of `x` to length 1, as `unit_norm` does: [..., dim] -> [..., 1]."""
    peak = jnp.abs(x).max(axis=-1, keepdims=True, initial=1)
    square = jnp.square(x / peak).sum(axis=-1, keepdims=True)  # those of large entries overflow
    return lax.rsqrt(jnp.maximum(square, 1e-12)) / peak


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


@jax.custom_jvp
def softplus(x: jax.Array) -> jax.Array:
    """log(1 + exp(x)), to the last digit for any x."""
    return jnp.maximum(x, 0) + jnp.log1p(jnp.exp(-jnp.abs(x)))


@softplus.defjvp
def _softplus_jvp(primals, tangents):
    """The slope from x alone, so that the gradient keeps nothing else."""
    (x,), (dx,) = primals, tangents
    return softplus(x), jax.nn.sigmoid(x) * dx


def absolute(x: jax.Array) -> jax.Array:
    """|x| with slope 0 at 0, where that of `jnp.abs` is 1."""
    return jnp.maximum(x, -x)


def paired_rows(
    x: ArrayLike, y: ArrayLike, where: ArrayLike | None
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Two [batch, dim] arrays in `compute_dtype`, zero where rows do not count, and bool `where`.

    Raises: ValueError if they differ in shape or are not [batch, dim]; as `rows_that_count`.
    """
    x, y = widen(x, y)
    if x.ndim != 2 or x.shape != y.shape:
        raise ValueError(f"need two [batch, dim] arrays alike, got {x.shape} and {y.shape}")
    where = rows_that_count(where, x.shape[:1])
    x, y = (jnp.where(where[:, None], z, 0) for z in (x, y))
    return x, y, where


def summed(axis_name: str | None) -> Callable[[jax.Array], jax.Array]:
    """A function that sums its argument over the devices that share the batch."""
    return (lambda x: x) if axis_name is None else (lambda x: lax.psum(x, axis_name))


def centred(
    z: jax.Array, where: jax.Array, count: jax.Array, total: Callable[[jax.Array], jax.Array]
) -> jax.Array:
    """Rows minus the mean of those that count, `count` of them; zeros where they do not.

    Rows that do not count must be zero; `total` is from `summed`.
    """
    mean = total(z.sum(axis=0, keepdims=True)) / jnp.maximum(count, 1)
    return jnp.where(where[:, None], z - mean, 0)


def squared_distances(a: jax.Array, b: jax.Array) -> jax.Array:
    """Squared Euclidean distances of rows: [n, dim] and [m, dim] -> [n, m].

    By a matrix product, around b's mean, where the fewest digits cancel; rows much closer to each
    other than to that mean still lose some. Never below 0, and the gradient at 0 is finite.
    """
    centre = lax.stop_gradient(b.mean(axis=0, keepdims=True))
    a, b = a - centre, b - centre
    a_square, b_square = (jnp.square(x).sum(axis=1) for x in (a, b))
    product = jnp.matmul(a, b.T, precision="highest")
    return jnp.maximum(a_square[:, None] + b_square[None] - 2 * product, 0)
