"""Contrastive losses with several positives: what shares a label, or all views of a sample."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from mmalign.losses.classes import partner_sums
from mmalign.losses.multiview import prepare_views
from mmalign.losses.negatives import check_temperature, cross_entropy, negative_totals
from mmalign.losses.numerics import Scalar, global_rows, mean_over_counted, places, widen
from mmalign.losses.tiles import product_dtype, tile_for, unit_side


def supcon(
    views: jax.Array | Sequence[ArrayLike],
    label: ArrayLike,
    *,
    temperature: Scalar = 0.07,
    tile: int | None = None,
    where: ArrayLike | Sequence[ArrayLike | None] | None = None,
    axis_name: str | None = None,
) -> jax.Array:
    """Supervised contrastive loss: embeddings of one label attract, all others repel.

    Every embedding is an anchor. Its positives are the others of its label, in all views; its loss
    is the mean over positives of -log softmax among all other embeddings, positives included. So
    with several positives it cannot fall below the log of their number; an anchor without positives
    costs 0 and counts. Embeddings that carry no information cost log(views * rows - 1).

    Args:
      views: [batch, dim] floats of any scale, or a sequence of such; normalised here.
      label: int [batch]; an example with a negative one, unknown, does not count.
      temperature: positive scalar, unitless; may be traced, so it can be learned.
      tile: as in `info_nce`.
      where: bool [batch], examples that count, or a sequence of such, one for each view; None for
        all. See the package's rule.
      axis_name: mapped axis that splits the batch; None if the arrays hold the whole batch.
    Returns: [batch] mean over an example's anchors, in nats, float32 or wider.
    Raises: as `info_nce`; TypeError for labels that are not integers.
    References: Khosla et al. 2020, arXiv:2004.11362, eq. 2. Their code multiplies by temperature /
      0.07, which is 1 at its default.
    """
    arrays = [jnp.asarray(views)] if getattr(views, "ndim", 0) == 2 else views
    if not jnp.issubdtype(jnp.result_type(label), jnp.integer):
        raise TypeError(f"label must be integers, got {jnp.result_type(label)}")
    views, where = prepare_views(arrays, where, least=1)
    label = jnp.asarray(label)
    if label.shape != views[0].shape[:1]:
        raise ValueError(f"label must be [batch] = [{len(views[0])}], got shape {label.shape}")
    where = [w & (label >= 0) for w in where]
    return _mean_of_anchors(views, where, label, None, temperature, tile, axis_name)


def weighted_supcon(
    views: Sequence[ArrayLike],
    weight: ArrayLike | None = None,
    *,
    temperature: Scalar = 0.07,
    tile: int | None = None,
    where: ArrayLike | Sequence[ArrayLike | None] | None = None,
    axis_name: str | None = None,
) -> jax.Array:
    """MMBind's contrastive loss: all views of a sample are positives, doubtful samples weigh less.

    Every embedding is an anchor; its positives are the other views of its sample, its negatives
    all other embeddings of the batch, in its own view and in the others. The loss is the mean over
    positives of -log softmax among all other embeddings, positives included, times the sample's
    weight. A doubtful sample is a full negative of the others all the same. Without weights this is
    `supcon` with the sample as label.

    Args:
      views: sequence of [batch, dim] floats of any scale, two at least; normalised here.
      weight: [batch], 0 or more, not normalised: halving all weights halves the loss. None for 1.
      temperature: positive scalar, unitless; may be traced, so it can be learned.
      tile: as in `info_nce`.
      where: bool [batch], or a sequence of such, one for each view: an absent embedding is no
        anchor, no positive and no negative; None for all. The plain mean is over anchors that
        count. (The released code fills absent inputs with a constant and counts them all.)
      axis_name: mapped axis that splits the batch; None if the arrays hold the whole batch.
    Returns: [batch] mean over a sample's anchors, in nats, float32 or wider.
    Raises: as `info_nce`; ValueError for fewer than two views.
    References: MMBind (Ouyang et al. 2025), the loss of the released code: weights on the loss of
      each anchor and not, as in older scripts, on the logits; no multiplication by temperature /
      0.07, which is 1 at its default.
    """
    views, where = prepare_views(views, where)
    if weight is not None:
        (weight,) = widen(weight)
        if weight.shape != views[0].shape[:1]:
            raise ValueError(f"weight must be [batch] = [{len(views[0])}], got {weight.shape}")
        weight = jnp.where(jnp.stack(where).any(axis=0), weight, 0)
    sample = places(len(views[0]), axis_name)
    return _mean_of_anchors(views, where, sample, weight, temperature, tile, axis_name)


def _mean_of_anchors(views, where, label, weight, temperature, tile, axis_name):
    """Mean over an example's anchors, [batch].

    An anchor's loss is the mean over its positives of -log softmax among all others. A sole
    positive is left out of the sum and comes back as the 1 in log(1 + ...), which keeps the digits
    of a small loss; with several the loss is not small.
    """
    check_temperature(temperature)
    z, narrow = jnp.concatenate(widen(*views)), product_dtype(*views)
    place = places(len(label), axis_name) * len(views)  # ids differ between all embeddings
    ids = jnp.concatenate([jnp.where(w, place + view, -1) for view, w in enumerate(where)])
    label = jnp.where(ids >= 0, jnp.tile(label.astype(ids.dtype), len(views)), -1)
    side = unit_side(z, (ids,), narrow)
    partners, count = partner_sums(side.rows, label, axis_name=axis_name)
    anchor = (side.rows * partners).sum(axis=1) / jnp.maximum(count, 1)
    sole = jnp.where(count == 1, label, -1 - ids)  # labels are not negative
    (others,) = negative_totals(
        side._replace(tags=(ids, sole)), None, (anchor,), temperature,
        tile=tile_for(global_rows(ids, axis_name), tile), axis_name=axis_name,
    )  # fmt: skip
    several = others.peak + jnp.log(jnp.where(count > 1, others.sums[0], 1))
    loss = jnp.where(count == 1, cross_entropy(others), jnp.where(count > 1, several, 0))
    if weight is not None:
        loss = loss * jnp.tile(weight.astype(loss.dtype), len(views))
    loss = mean_over_counted(loss, ids >= 0, axis_name)
    return loss.reshape(len(views), -1).mean(axis=0)
