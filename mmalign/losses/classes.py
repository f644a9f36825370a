"""Sums over the rows of one label, without a look at all pairs."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from mmalign.losses.ring import axis_devices, round_the_ring


def partner_sums(
    rows: jax.Array, label: jax.Array, *, axis_name: str | None = None
) -> tuple[jax.Array, jax.Array]:
    """Sum of the other rows of each row's label, [n, dim], and their number, [n].

    A sole partner comes out to the last digit but one, as no matrix product would have it.

    Args:
      rows: [n, dim].
      label: int [n]; rows of a negative one are nobody's partners and have none.
      axis_name: mapped axis that splits the rows.
    """
    one = jnp.where(label >= 0, jnp.ones_like(rows[:, 0]), 0)[:, None]
    rows = jnp.concatenate([rows, one], axis=1)
    sums: Any = _others(rows, label, axis_name, axis_devices(axis_name))
    return sums[:, :-1], lax.stop_gradient(sums[:, -1])


@functools.partial(jax.custom_vjp[jax.Array], nondiff_argnums=(2, 3))
def _others(rows, label, axis_name, devices):
    order = jnp.argsort(label)
    ordered = label[order]
    group = jnp.cumsum(ordered != jnp.roll(ordered, 1).at[0].set(ordered[0]))
    totals = jax.ops.segment_sum(rows[order], group, len(rows), indices_are_sorted=True)

    def visit(sums, visitor):
        ordered, group, totals = visitor
        place = jnp.minimum(jnp.searchsorted(ordered, label), len(ordered) - 1)
        found = (ordered[place] == label)[:, None]
        return sums + jnp.where(found, totals[group[place]], 0), visitor

    sums, _ = round_the_ring(visit, 0 * rows, (ordered, group, totals), axis_name, devices)
    return jnp.where((label >= 0)[:, None], sums - rows, 0)


def _forward(rows, label, axis_name, devices):
    return _others(rows, label, axis_name, devices), label


def _backward(axis_name, devices, label, of_sums):
    return _others(of_sums, label, axis_name, devices), None  # "shares a label" is symmetric


_others.defvjp(_forward, _backward)
