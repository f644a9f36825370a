"""Squared products of different columns, summed, without the difference of two large numbers.

Sums over pairs of dimensions go through the smaller of two products, dim x dim or batch x batch:
the squared norms of X^T X and of X X^T are the same. The second holds the squares of each column
with itself, too. Taken off they leave few digits, or none, where one column is far wider than the
others; what is left then is summed column by column.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from mmalign.losses.rows import gathered, global_rows, summed

_BLOCK = 512  # columns
_LEFT = 1 / 32  # of the sum of all squares, at least: five bits are lost


def off_diagonal(a: jax.Array, b: jax.Array, axis_name: str | None) -> jax.Array:
    """Sum of the squares off the diagonal of a^T b, [dim, dim], over the global batch.

    a, b: [batch, dim], this device's rows.
    """
    total = summed(axis_name)
    if global_rows(a, axis_name) >= a.shape[1]:
        return jnp.square(without_diagonal(total(_dot(a.T, b)))).sum()
    all_a, all_b = gathered((a, b), axis_name)
    same = total((a * b).sum(axis=0))
    pairs = total((_dot(a, all_a.T) * _dot(b, all_b.T)).sum()) - jnp.square(same).sum()

    @jax.checkpoint
    def one(block):
        return jnp.square(block).sum()

    return lax.cond(
        digits_left(pairs, same),
        lambda: pairs,
        lambda: column_by_column(a, b, total, one).sum(),
    )


def digits_left(pairs: jax.Array, same: jax.Array) -> jax.Array:
    """Whether `pairs`, a sum from which the squares of `same` were taken, holds enough digits."""
    return pairs > _LEFT * (pairs + jnp.square(same).sum())


def without_diagonal(products: jax.Array, first: jax.Array | int = 0) -> jax.Array:
    """[dim, block] products, 0 for a column with itself; `first` is the block's first column."""
    rows, columns = (jnp.arange(n) for n in products.shape)
    return jnp.where(rows[:, None] == first + columns[None], 0, products)


def column_by_column(
    a: jax.Array,
    b: jax.Array,
    total: Callable[[jax.Array], jax.Array],
    of_block: Callable[[jax.Array], Any],
) -> Any:
    """`of_block` of blocks of columns of a^T b without its diagonal, [dim, block] each, stacked.

    The last block is filled up with zeros. `total` is from `summed`.
    """
    block = min(_BLOCK, b.shape[1])
    b = jnp.pad(b, ((0, 0), (0, -b.shape[1] % block)))

    @jax.checkpoint
    def visit(first):
        columns = lax.dynamic_slice_in_dim(b, first, block, axis=1)
        return of_block(without_diagonal(total(_dot(a.T, columns)), first))

    return lax.map(visit, jnp.arange(0, b.shape[1], block))


def _dot(a, b):
    return jnp.matmul(a, b, precision="highest")
