"""What losses compute in: dtypes, lengths, slopes that stay finite."""

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike


def compute_dtype(*arrays: ArrayLike) -> jnp.dtype:
    """Floating dtype to compute in: float32 at least, float64 if any array is float64."""
    dtypes = [jnp.result_type(x) for x in arrays]
    for dtype in dtypes:
        if not jnp.issubdtype(dtype, jnp.floating):
            raise TypeError(f"expected floating-point arrays, got {dtype}")
    return jnp.dtype(jnp.float64 if any(d == jnp.float64 for d in dtypes) else jnp.float32)


_INFINITE = 1e6
_SHORT = 1e-3


def widen(*arrays: ArrayLike) -> tuple[jax.Array, ...]:
    """The arrays in their common `compute_dtype`, infinite entries as 1e6 of their sign.

    So an overflow in bfloat16 or float16 costs much and is not inf - inf = NaN; NaN itself stays.
    """
    dtype = compute_dtype(*arrays)
    bounded = lambda x: jnp.where(x == jnp.inf, _INFINITE, jnp.where(x == -jnp.inf, -_INFINITE, x))
    return tuple(bounded(jnp.asarray(x, dtype)) for x in arrays)


def unit_norm(x: jax.Array) -> jax.Array:
    """Rows of `x` scaled to length 1; a zero row stays zero.

    Rows shorter than 1e-6 come out shorter than 1. The gradient of a row grows as 1 / length as
    long as an entry has 1e-3, and fades with the row from there on: it is nowhere larger than 1,000
    times that of a row of length 1, and a row of zeros, which has no direction to turn, gets none.
    """
    return _unit(_damped(x))


@jax.custom_jvp
def _unit(x):
    return x * inverse_norm(x)


@_unit.defjvp
def _unit_jvp(primals, tangents):
    """One rule, so that the gradient keeps the unit rows and no step on the way to them."""
    (x,), (dx,) = primals, tangents
    scale = inverse_norm(x)
    unit = x * scale
    turns = jnp.square(unit).sum(axis=-1, keepdims=True) > 0.999  # not one of the short rows
    along = jnp.where(turns, (unit * dx).sum(axis=-1, keepdims=True), 0)
    return unit, scale * (dx - along * unit)


@jax.custom_jvp
def _damped(x):
    return x


@_damped.defjvp
def _damped_jvp(primals, tangents):
    """A rule of its own, by the largest entry: otherwise XLA keeps an array of rows more."""
    (x,), (dx,) = primals, tangents
    return x, fading(jnp.square(jnp.abs(x).max(axis=-1, keepdims=True))) * dx


def fading(square: jax.Array) -> jax.Array:
    """What a slope that grows as 1 / length is to be damped by, from the squared length.

    1 down to a length of 1e-3, then (length / 1e-3)^2: the slope stays below 1,000.
    """
    return jnp.minimum(square / _SHORT**2, 1)


def inverse_norm(x: jax.Array) -> jax.Array:
    """What scales the rows of `x` to length 1, as `unit_norm` does: [..., dim] -> [..., 1]."""
    peak = jnp.abs(x).max(axis=-1, keepdims=True, initial=1)
    square = jnp.square(x / peak).sum(axis=-1, keepdims=True)  # those of large entries overflow
    return lax.rsqrt(jnp.maximum(square, 1e-12)) / peak


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


def root(square: jax.Array) -> jax.Array:
    """Square root with gradient 0, not infinity, at 0."""
    positive = square > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, square, 1)), 0)


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
