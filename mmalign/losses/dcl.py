"""Decoupled contrast: the positive is no part of the sum that it is held against."""

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from mmalign.losses.contrast import lowest_similarities, negatives_of, pairs_of, tile_of
from mmalign.losses.knobs import Scalar, check_scalar, check_temperature, inverse
from mmalign.losses.negatives import negative_totals
from mmalign.losses.rows import mean_over_counted, summed
from mmalign.losses.totals import log_total

_REACH = 60  # exponents below an anchor that float32 still adds up


def dcl(
    z_a: ArrayLike,
    z_b: ArrayLike,
    *,
    temperature: Scalar = 0.1,
    sigma: Scalar | None = None,
    normalise: bool = True,
    tile: int | None = None,
    where: ArrayLike | None = None,
    axis_name: str | None = None,
) -> jax.Array:
    """Decoupled contrastive loss of two views, plain (DCL) or weighted (DCLW).

    `nt_xent` without the positive in the sum over candidates, which keeps its gradient alive when
    the positive is close already. So it may be negative: perfect views of orthogonal samples cost
    -1 / temperature + log(2 (rows - 1)), embeddings that carry no information log(2 (rows - 1)).
    A row without negatives costs 0, with a zero gradient.

    Args:
      z_a: [batch, dim] floats of any scale.
      z_b: as z_a, the partners.
      temperature: positive scalar, unitless; may be traced, so it can be learned.
      sigma: None for DCL. For DCLW a positive scalar, 0.5 in the paper: a pair's attraction weighs
        2 - N softmax of similarity / sigma among the N pairs that count. The mean weight is 1; a
        pair that is close already weighs less, and may weigh below 0. No gradient.
      normalise: as in `info_nce`.
      tile: as in `info_nce`.
      where: bool [batch], the pairs that count; None for all. See the package's rule.
      axis_name: mapped axis that splits the batch; None if z_a is the whole batch.
    Returns: [batch] loss of each pair in nats, mean of its two directions, float32 or wider.
    Raises: as `info_nce`; for a sigma that is no positive scalar.
    References: Yeh et al. 2022, arXiv:2110.06848, eq. 6, and section 3.3 for the weights.
    """
    check_temperature(temperature)
    pairs = pairs_of(z_a, z_b, where, own_view=True, normalise=normalise, axis_name=axis_name)
    positive, where = pairs.positive, pairs.where
    c = inverse(temperature, positive.dtype)
    low, _ = lowest_similarities(pairs, normalise, axis_name)
    anchor = lax.stop_gradient(jnp.minimum(positive, low + _REACH / c))
    (total,) = negative_totals(
        pairs.a, None, (anchor,), temperature, unit=normalise,
        tile=tile_of(pairs, tile, axis_name), axis_name=axis_name,
    )  # fmt: skip
    some = (negatives_of(pairs, axis_name) > 0) & jnp.tile(where, 2)
    weight = 1.0 if sigma is None else jnp.tile(_weights(pairs, sigma, axis_name), 2)
    loss = log_total(total, some) + c * (anchor - positive) + (1 - weight) * c * positive
    loss = jnp.where(some, loss, 0).reshape(2, -1).mean(axis=0)
    return mean_over_counted(loss, where, axis_name)


def _weights(pairs, sigma, axis_name):
    """[batch] weights of the positives, whose mean over the pairs that count is 1."""
    check_scalar("sigma", sigma, above=0)
    positive, where = lax.stop_gradient(jnp.split(pairs.positive, 2)[0]), pairs.where
    logits = jnp.where(where, positive * inverse(sigma, positive.dtype), -jnp.inf)
    peak = logits.max() if axis_name is None else lax.pmax(logits.max(), axis_name)
    raw = jnp.exp(logits - jnp.where(peak > -jnp.inf, peak, 0))
    total = summed(axis_name)
    count, whole = total(where.sum(dtype=raw.dtype)), total(raw.sum())
    return lax.stop_gradient(2 - count * raw / jnp.where(count > 0, whole, 1))
