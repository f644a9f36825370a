"""Sums of exponentials of gaps to an anchor, and the logarithms that are made of them."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax


class Total(NamedTuple):
    """Sums over negatives of exp(power * gap): exp(power * peak) * sum, one for each power."""

    peak: jax.Array  # [n], at least 0, against overflow
    sums: tuple[jax.Array, ...]  # of [n]


def cross_entropy(total: Total) -> jax.Array:
    """-log softmax of the positive among itself and its negatives: [n]."""
    peak, sums = total.peak, total.sums[0]
    far = peak > 1  # 1 and what is taken off cancel there
    far_sum = jnp.where(far, jnp.exp(-peak) + sums, 1)
    return peak + jnp.log(far_sum) + jnp.log1p(jnp.where(far, 0, jnp.expm1(-peak) + sums))


def log_total(total: Total, at_all: jax.Array) -> jax.Array:
    """Log of a sum of exponentials: [n]; 0 where there is none, as `at_all` tells.

    A sum that is lost to the rounding of the anchor of huge similarities counts as 1e-30.
    """
    sums = jnp.maximum(jnp.where(at_all, total.sums[0], 1), 1e-30)
    return jnp.where(at_all, total.peak, 0) + jnp.log(sums)


def gap_totals(
    similarity: jax.Array,
    chosen: jax.Array,
    anchor: jax.Array,
    c: jax.Array,
    powers: tuple[float, ...] = (1,),
    axis: int = 1,
    unit: bool = False,
) -> Total:
    """The Total along `axis` of a matrix of similarities, of rows at length 1 or not, if chosen."""
    gap = jnp.where(chosen, (similarity - jnp.expand_dims(anchor, axis)) * c, -jnp.inf)
    peak = jnp.maximum(lax.stop_gradient(gap).max(axis=axis), 0)
    gap = gap - jnp.expand_dims(peak, axis)
    gap = gap if unit else at_most_0(gap)
    total = Total(peak, tuple(jnp.exp(power * gap).sum(axis=axis) for power in powers))
    return total if unit else with_its_largest(total)


def at_most_0(gap):
    """Gaps to the peak, whose rounding may pass it by more than exponents hold: fused with others,
    the same product is rounded otherwise than where the peak was found.
    """
    return gap - lax.stop_gradient(jnp.maximum(gap, 0))


def with_its_largest(total):
    """A Total whose largest term, 1, is not lost to the rounding of similarities above 1e7."""
    lost = total.peak > 0
    return Total(total.peak, tuple(jnp.where(lost & (s < 0.5), 1, s) for s in total.sums))
