"""Two batches of rows, each known as a sample of a distribution.

Distances between distributions are alternatives to critics where two representations should be
distributed alike, whatever their pairs. Each is a statistic of the batch and not a mean over
examples, so it is one scalar, which under `axis_name` is that of the global batch on every device.
With fewer than two rows that count there is no distribution, and all are 0.
"""

import jax.numpy as jnp

from mmalign.losses.rows import centred, in_range, paired_rows, summed


def pooled(x, y, where, axis_name):
    """Rows around the mean of both batches, which saves digits; bool `where`, count, and unit.

    Rows are over the unit, which keeps squares in range: see `in_range`.
    """
    x, y, where = paired_rows(x, y, where)
    x, y, unit = in_range(x, y, axis_name=axis_name)
    total = summed(axis_name)
    count = total(where.sum(dtype=x.dtype))
    both = centred(jnp.concatenate([x, y]), jnp.tile(where, 2), 2 * count, total)
    return *jnp.split(both, 2), where, count, unit
