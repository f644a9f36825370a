"""MMBind's contrast: all views of a sample are positives, doubtful samples weigh less."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from mmalign.losses.anchors import labelled_anchors
from mmalign.losses.knobs import Scalar, check_temperature
from mmalign.losses.numerics import widen
from mmalign.losses.rows import mean_over_counted, places
from mmalign.losses.views import prepare_views


def weighted_supcon(
    views: Sequence[ArrayLike],
    weight: ArrayLike | None = None,
    *,
    temperature: Scalar = 0.07,
    normalise: bool = True,
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
      views: sequence of [batch, dim] floats of any scale, two at least.
      weight: [batch], 0 or more, not normalised: halving all weights halves the loss. None for 1.
      temperature: positive scalar, unitless; may be traced, so it can be learned.
      normalise: as in `info_nce`.
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
    check_temperature(temperature)
    views, where = prepare_views(views, where)
    sample = places(len(views[0]), axis_name)
    loss = labelled_anchors(
        views, where, sample, len(views), temperature=temperature, inside=False,
        normalise=normalise, tile=tile, axis_name=axis_name,
    )  # fmt: skip
    if weight is not None:
        (weight,) = widen(weight)
        if weight.shape != views[0].shape[:1]:
            raise ValueError(f"weight must be [batch] = [{len(views[0])}], got {weight.shape}")
        weight = jnp.where(jnp.stack(where).any(axis=0), weight, 0)
        loss = loss * jnp.tile(weight.astype(loss.dtype), len(views))
    loss = mean_over_counted(loss, jnp.concatenate(where), axis_name)
    return loss.reshape(len(views), -1).mean(axis=0)
