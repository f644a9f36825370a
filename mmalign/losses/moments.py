"""Second moments of the columns of a batch, with a gradient of one product."""

import functools

import jax
import jax.numpy as jnp
from jax import lax

from mmalign.losses.off_diagonal import column_by_column, digits_left, without_diagonal
from mmalign.losses.rows import centred, gathered, global_rows, summed


@functools.partial(jax.custom_jvp, nondiff_argnums=(3,))
def moments(
    z: jax.Array, where: jax.Array, count: jax.Array, axis_name: str | None
) -> tuple[jax.Array, jax.Array]:
    """Of the centred rows x: squares summed over rows, [dim], and over pairs of columns of x^T x.

    Args:
      z: [batch, dim], zero where rows do not count.
      where: bool [batch].
      count: of the rows that count on all devices.
      axis_name: mapped axis that splits the batch.
    Returns: sums over the global batch; of the pairs j != k the squares of x_j . x_k.
    """
    x = centred(z, where, count, summed(axis_name))
    scatter, products, pairs, left = _products(x, axis_name)
    del products
    if left is None:
        return scatter, pairs
    exact = lambda: column_by_column(
        x, x, summed(axis_name), lambda block: jnp.square(block).sum()
    ).sum()
    return scatter, lax.cond(left, lambda: pairs, exact)


@moments.defjvp
def _moments_jvp(axis_name, primals, tangents):
    """One more product with a matrix at hand, where tracing finds two, and no centring of dz.

    The rows x sum to 0, so that a shift of all rows by the same changes nothing.
    """
    (z, where, count), dz = primals, tangents[0]
    total = summed(axis_name)
    x = centred(z, where, count, total)
    scatter, products, pairs, left = _products(x, axis_name)

    def exact():
        def of_block(block):
            return jnp.square(block).sum(), _dot(x, block)

        pairs, slope = column_by_column(x, x, total, of_block)
        slope = jnp.moveaxis(slope, 0, 1).reshape(len(x), -1)
        return pairs.sum(), slope[:, : x.shape[1]]

    if left is None:
        slope = _dot(x, products)
    else:
        fast = lambda: (pairs, _dot(products, gathered(x, axis_name)) - x * scatter[None])
        pairs, slope = lax.cond(left, fast, exact)
    moved = total((2 * x * dz).sum(axis=0)), total(jnp.vdot(4 * slope, dz))
    return (scatter, pairs), moved


def _products(x, axis_name):
    """(scatter [dim], products, sum of squares of pairs, whether that has digits or None: it has).

    The products are x^T x without its diagonal or, if these are fewer, x x^T of the global batch.
    """
    total = summed(axis_name)
    scatter = total(jnp.square(x).sum(axis=0))
    if global_rows(x, axis_name) >= x.shape[1]:
        products = without_diagonal(total(_dot(x.T, x) if axis_name else self_products(x)))
        return scatter, products, jnp.square(products).sum(), None
    products = _dot(x, gathered(x, axis_name).T) if axis_name else self_products(x)
    pairs = total(jnp.square(products).sum()) - jnp.square(scatter).sum()
    return scatter, products, pairs, digits_left(pairs, scatter)


def self_products(x):
    """x x^T or x^T x, the smaller one, from the blocks on and below its diagonal."""
    axis = int(len(x) >= x.shape[1])
    size = x.shape[axis]
    block = max(512, -(-size // 8))
    parts = [lax.slice_in_dim(x, i, min(i + block, size), axis=axis) for i in range(0, size, block)]
    contracted = (((1 - axis,), (1 - axis,)), ((), ()))
    below = [
        [lax.dot_general(a, b, contracted, precision="highest") for b in parts[: i + 1]]
        for i, a in enumerate(parts)
    ]
    n = range(len(parts))
    return jnp.block([[below[i][j] if j <= i else below[j][i].T for j in n] for i in n])


def _dot(a, b):
    return jnp.matmul(a, b, precision="highest")
