"""Supervised contrast: embeddings of one label attract, all others repel."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from mmalign.losses.anchors import labelled_anchors
from mmalign.losses.class_numbers import class_numbers
from mmalign.losses.knobs import Scalar, check_temperature
from mmalign.losses.masked_anchors import masked_anchors
from mmalign.losses.rows import mean_over_counted
from mmalign.losses.views import prepare_views


def supcon(
    views: jax.Array | Sequence[ArrayLike],
    label: ArrayLike | None = None,
    *,
    positives: ArrayLike | None = None,
    inside: bool = False,
    anchors: str = "all",
    temperature: Scalar = 0.07,
    normalise: bool = True,
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
      views: [batch, dim] floats of any scale, or a sequence of such.
      label: integers [batch]; an example with a negative one, unknown, does not count.
      positives: bool [batch, global batch] in place of labels: whether an example has another one
        as its positive, in all views; it need not be mutual. The diagonal is about the example's
        other views.
      inside: whether the mean over positives is taken inside the logarithm, of softmax. That is
        never larger, and leans on the positives that are close already.
      anchors: "all", or "first" for embeddings of the first view alone, among those of all views.
      temperature: positive scalar, unitless; may be traced, so it can be learned.
      normalise: as in `info_nce`.
      tile: as in `info_nce`; with `positives` anchors come in blocks of so many, and all other
        embeddings stay together.
      where: bool [batch], examples that count, or a sequence of such, one for each view; None for
        all. See the package's rule.
      axis_name: mapped axis that splits the batch; None if the arrays hold the whole batch.
    Returns: [batch] mean over an example's anchors, in nats, float32 or wider.
    Raises: as `info_nce`; TypeError for labels that are not integers, or positives not bool;
      ValueError for labels and positives both or neither.
    References: Khosla et al. 2020, arXiv:2004.11362, eq. 2, and eq. 3 inside the logarithm. Their
      code multiplies by temperature / 0.07, which is 1 at its default.
    """
    check_temperature(temperature)
    if (label is None) == (positives is None):
        raise ValueError("need either label or positives, which say the same in two ways")
    if anchors not in ("all", "first"):
        raise ValueError(f'anchors must be "all" or "first", got {anchors!r}')
    arrays = [jnp.asarray(views)] if getattr(views, "ndim", 0) == 2 else views
    views, where = prepare_views(arrays, where, least=1)
    asked = len(views) if anchors == "all" else 1
    knobs = {"temperature": temperature, "inside": inside, "normalise": normalise}
    knobs |= {"tile": tile, "axis_name": axis_name}
    if positives is None:
        label = class_numbers(label, len(views[0]), axis_name)
        where = [w & (label >= 0) for w in where]
        loss = labelled_anchors(views, where, label, asked, **knobs)
    else:
        loss = masked_anchors(views, where, positives, asked, **knobs)
    loss = mean_over_counted(loss, jnp.concatenate(where[:asked]), axis_name)
    return loss.reshape(asked, -1).mean(axis=0)
