"""Information in closed form, to hold estimates against."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from mmalign.losses.numerics import widen


def gaussian_mutual_information(correlation: ArrayLike) -> jax.Array:
    """Mutual information of jointly Gaussian scalars, -log(1 - correlation^2) / 2, in nats.

    Elementwise; infinite at correlation 1 and -1.
    """
    (correlation,) = widen(correlation)
    return -0.5 * jnp.log1p(-jnp.square(correlation))


def entropy(table: ArrayLike) -> jax.Array:
    """Entropy in nats of the distribution over all cells of `table`, which sum to 1.

    An empty cell adds nothing and gets no gradient, where the derivative is infinite.
    """
    (table,) = widen(table)
    return -jnp.sum(table * jnp.log(jnp.where(table > 0, table, 1)))


def total_correlation(table: ArrayLike) -> jax.Array:
    """Total correlation in nats of the variables of a probability table, one axis each.

    The sum of the marginals' entropies minus the joint entropy: of two variables their mutual
    information.
    """
    axes = range(jnp.ndim(table))
    marginals = [jnp.sum(table, axis=[k for k in axes if k != axis]) for axis in axes]
    return sum(entropy(m) for m in marginals) - entropy(table)
