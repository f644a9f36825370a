"""Geometric multimodal contrast: every modality with the joint embedding."""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from mmalign.losses.contrastive import nt_xent
from mmalign.losses.knobs import Scalar
from mmalign.losses.views import prepare_views


def gmc(
    views: Sequence[ArrayLike],
    joint: ArrayLike,
    *,
    temperature: Scalar = 0.1,
    normalise: bool = True,
    tile: int | None = None,
    where: ArrayLike | Sequence[ArrayLike | None] | None = None,
    axis_name: str | None = None,
) -> jax.Array:
    """Geometric multimodal contrast: every modality with the joint embedding, summed.

    Args:
      views: sequence of [batch, dim] floats of any scale, one per modality.
      joint: [batch, dim], the embedding of all modalities together.
      temperature: positive scalar, unitless; may be traced, so it can be learned.
      normalise: as in `info_nce`.
      tile: as in `info_nce`.
      where: bool [batch], or a sequence of such, one for each modality; None for all. An example
        counts for the modalities that it has. See the package's rule.
      axis_name: mapped axis that splits the batch; None if the arrays hold the whole batch.
    Returns: [batch] in nats, modalities * log(2 rows - 1) at chance, float32 or wider.
    Raises: as `info_nce`.
    References: Poklukar et al. 2022, arXiv:2202.03390, eq. 2; the negatives are those of both
      embeddings, and both are anchors, as in `nt_xent`. Rows are normalised here, and compared as
      they are in the authors' loss: that is normalise=False.
    """
    views, masks = prepare_views(views, where, least=1)
    knobs = {
        "temperature": temperature,
        "normalise": normalise,
        "tile": tile,
        "axis_name": axis_name,
    }
    terms = (nt_xent(z, joint, where=w, **knobs) for z, w in zip(views, masks))
    return functools.reduce(jnp.add, terms)
