"""Contrastive multiview coding: every pair of modalities."""

import functools
import itertools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from mmalign.losses.contrast import contrast
from mmalign.losses.knobs import Scalar
from mmalign.losses.views import prepare_views


def cmc(
    views: Sequence[ArrayLike],
    *,
    temperature: Scalar = 0.07,
    own_view: bool = False,
    normalise: bool = True,
    tile: int | None = None,
    where: ArrayLike | Sequence[ArrayLike | None] | None = None,
    axis_name: str | None = None,
) -> jax.Array:
    """Contrastive multiview coding: the symmetric loss of every pair of modalities, summed.

    Args:
      views: sequence of [batch, dim] floats of any scale, one per modality, two at least.
      temperature: positive scalar, unitless; may be traced, so it can be learned.
      own_view: False for `info_nce`, True for `nt_xent`, as some comparisons have it.
      normalise: as in `info_nce`.
      tile: as in `info_nce`.
      where: bool [batch], or a sequence of such, one for each modality; None for all. A pair of
        modalities is learned from the examples that have both. See the package's rule.
      axis_name: mapped axis that splits the batch; None if the arrays hold the whole batch.
    Returns: [batch] in nats, pairs * log(rows) at chance, float32 or wider.
    Raises: as `info_nce`; ValueError for fewer than two views.
    References: Tian et al. 2020, arXiv:1906.05849, eq. 7, the full graph.
    """
    views, masks = prepare_views(views, where)
    knobs = {
        "temperature": temperature,
        "normalise": normalise,
        "tile": tile,
        "axis_name": axis_name,
    }
    pairs = itertools.combinations(zip(views, masks), 2)
    return functools.reduce(
        jnp.add,
        (
            contrast(z_a, z_b, own_view=own_view, where=w_a & w_b, **knobs)
            for (z_a, w_a), (z_b, w_b) in pairs
        ),
    )
