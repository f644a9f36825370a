"""Contrastive losses with several positives: what shares a label, or all views of a sample."""

import jax.numpy as jnp

from mmalign.losses.classes import partner_sums
from mmalign.losses.multiview import prepare_views
from mmalign.losses.negatives import check_temperature, cross_entropy, negative_totals
from mmalign.losses.numerics import global_rows, mean_over_counted, places, unit_norm, widen
from mmalign.losses.tiles import tile_for


def supcon(views, label, *, temperature=0.07, tile=None, where=None, axis_name=None):
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
    if hasattr(views, "ndim") and views.ndim == 2:
        views = [views]
    if not jnp.issubdtype(jnp.result_type(label), jnp.integer):
        raise TypeError(f"label must be integers, got {jnp.result_type(label)}")
    views, where = prepare_views(views, where, least=1)
    label = jnp.asarray(label)
    if label.shape != views[0].shape[:1]:
        raise ValueError(f"label must be [batch] = [{len(views[0])}], got shape {label.shape}")
    where = [w & (label >= 0) for w in where]
    z, label = unit_norm(jnp.concatenate(views)), jnp.tile(label, len(views))
    ids = _anchor_ids(where, axis_name)
    label = jnp.where(ids >= 0, label.astype(ids.dtype), -1)
    partners, count = partner_sums(z, label, axis_name=axis_name)
    total = (z * partners).sum(axis=1)
    loss = _out_loss(z, ids, label, total, count, temperature, tile, axis_name)
    return _mean_of_anchors(loss, where, axis_name)


def weighted_supcon(
    views, weight=None, *, temperature=0.07, tile=None, where=None, axis_name=None
):  # fmt: skip
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
    present, stacked = jnp.stack(where), unit_norm(jnp.stack(views))
    if weight is not None:
        weight = widen(weight)[0].astype(stacked.dtype)
        if weight.shape != stacked.shape[1:2]:
            raise ValueError(f"weight must be [batch] = [{len(views[0])}], got {weight.shape}")
    sample = jnp.tile(places(len(views[0]), axis_name), len(views))
    z = stacked.reshape(-1, stacked.shape[2])
    ids = _anchor_ids(where, axis_name)
    total = (stacked * (stacked.sum(axis=0, keepdims=True) - stacked)).sum(axis=2)
    count = jnp.where(present, present.sum(axis=0, keepdims=True, dtype=z.dtype) - 1, 0)
    total, count = total.reshape(-1), count.reshape(-1)
    loss = _out_loss(z, ids, sample, total, count, temperature, tile, axis_name)
    if weight is not None:
        loss = loss * jnp.tile(jnp.where(present.any(axis=0), weight, 0), len(views))
    return _mean_of_anchors(loss, where, axis_name)


def _anchor_ids(where, axis_name):
    """A number for every embedding of the global batch, -1 for those that do not count."""
    place = places(len(where[0]), axis_name) * len(where)
    return jnp.concatenate([jnp.where(w, place + view, -1) for view, w in enumerate(where)])


def _out_loss(z, ids, label, total, count, temperature, tile, axis_name):
    """Mean over an anchor's positives of -log softmax among all others: [anchors].

    A sole positive is left out of the sum and comes back as the 1 in log(1 + ...), which keeps the
    digits of a small loss; with several the loss is not small.

    Args:
      z: [anchors, dim] unit rows.
      ids, label: int [anchors].
      total: [anchors] sum of the similarities of an anchor and its positives.
      count: [anchors] number of its positives.
    """
    check_temperature(temperature)
    sole = jnp.where(count == 1, label, -1 - ids)  # labels are not negative
    anchor = total / jnp.maximum(count, 1)
    tile = tile_for(global_rows(z, axis_name), tile)
    (others,) = negative_totals(
        z, None, (ids, sole), (ids, sole), (anchor,), temperature, tile=tile,
        axis_name=axis_name,
    )  # fmt: skip
    several = others.peak + jnp.log(jnp.where(count > 1, others.sums[0], 1))
    return jnp.where(count == 1, cross_entropy(others), jnp.where(count > 1, several, 0))


def _mean_of_anchors(loss, where, axis_name):
    loss = mean_over_counted(loss, jnp.concatenate(where), axis_name)
    return loss.reshape(len(where), -1).mean(axis=0)
