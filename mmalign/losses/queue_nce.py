"""Contrast with a queue of negatives: keys of earlier batches."""

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from mmalign.losses.knobs import Scalar, check_temperature
from mmalign.losses.negatives import negative_totals
from mmalign.losses.numerics import widen
from mmalign.losses.rows import mean_over_counted, paired_rows, rows_that_count
from mmalign.losses.sides import product_dtype, side_of, tile_for
from mmalign.losses.totals import cross_entropy


def queue_nce(
    query: ArrayLike,
    key: ArrayLike,
    queue: ArrayLike,
    *,
    temperature: Scalar = 0.07,
    queue_where: ArrayLike | None = None,
    normalise: bool = True,
    tile: int | None = None,
    where: ArrayLike | None = None,
    axis_name: str | None = None,
) -> jax.Array:
    """MoCo's loss: a query's own key against the keys of a queue, none of which is learned from.

    Embeddings that carry no information cost log(slots + 1). Keep the queue outside and put the
    batch's keys into it after the step: a queue that holds them already has each positive as a
    negative, too. Across devices the queue is the same on all, so gather keys before they go in.

    Args:
      query: [batch, dim] floats of any scale.
      key: as query, from the encoder that follows by a moving average; gets no gradient.
      queue: [slots, dim], keys of earlier batches; gets no gradient.
      temperature: positive scalar, unitless; may be traced, so it can be learned.
      queue_where: bool [slots], slots that are filled; None for all. Others may hold NaN.
      normalise: as in `info_nce`.
      tile: as in `info_nce`, for queues of 2,048 slots on; the queue stays where it is.
      where: bool [batch], the pairs that count; None for all. See the package's rule.
      axis_name: mapped axis that splits the batch; only the count needs it.
    Returns: [batch] loss of each query in nats, float32 or wider.
    Raises: as `info_nce`; ValueError for a queue that is not [slots, dim].
    References: He et al. 2020, arXiv:1911.05722, eq. 1; temperature 0.2 in version 2,
      arXiv:2003.04297.
    """
    check_temperature(temperature)
    query, key, queue, narrow = *widen(query, key, queue), product_dtype(query, key, queue)
    query, key, where = paired_rows(query, key, where)
    if queue.ndim != 2 or queue.shape[1] != query.shape[1] or not len(queue):
        raise ValueError(
            f"queue must be [slots, dim] with dim = {query.shape[1]}, got shape {queue.shape}"
        )
    filled = rows_that_count(queue_where, queue.shape[:1], name="queue_where")
    queue = jnp.where(filled[:, None], queue, 0)
    rows = jnp.arange(len(where))
    a = side_of(query, (jnp.where(where, rows, -1),), narrow, normalise=normalise)
    b = side_of(key, (rows,), narrow, normalise=normalise)
    slots = jnp.where(filled, len(rows) + jnp.arange(len(queue)), -1)
    old = lax.stop_gradient(side_of(queue, (slots,), narrow, normalise=normalise))
    # as different between devices as the queries, so that tiles may differentiate by it
    old = old._replace(rows=old.rows + 0 * a.rows[:1])
    positive = jnp.sum(a.rows * lax.stop_gradient(b.rows), axis=1)
    (total,) = negative_totals(
        a, old, (positive,), temperature, unit=normalise, tile=tile_for(len(queue), tile)
    )
    return mean_over_counted(cross_entropy(total), where, axis_name)
