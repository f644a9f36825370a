"""SleepFM's contrast: a modality against what all the others say."""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from mmalign.losses.contrast import Pairs, contrast_pairs
from mmalign.losses.knobs import Scalar, check_temperature
from mmalign.losses.numerics import unit_norm, widen
from mmalign.losses.rows import places
from mmalign.losses.sides import Side, side_of
from mmalign.losses.views import prepare_views


def leave_one_out(
    views: Sequence[ArrayLike],
    *,
    temperature: Scalar = 1.0,
    renormalise: bool = False,
    normalise: bool = True,
    tile: int | None = None,
    where: ArrayLike | Sequence[ArrayLike | None] | None = None,
    axis_name: str | None = None,
) -> jax.Array:
    """Symmetric InfoNCE of every modality with the mean of the others, mean over modalities.

    The mean of unit rows is shorter than 1 where the others disagree, which flattens their logits.
    Embeddings that carry no information cost log(rows that count); two modalities are `info_nce`.

    Args:
      views: sequence of [batch, dim] floats of any scale, one per modality, two at least.
      temperature: positive scalar, unitless; may be traced, so it can be learned. The paper learns
        the log of 1 / temperature from 0 on and keeps it there or above.
      renormalise: whether means are brought to length 1, too.
      normalise: as in `info_nce`.
      tile: as in `info_nce`.
      where: bool [batch], or a sequence of such, one for each modality; None for all. The mean is
        over the others that are there; an example counts for a modality if it has that and
        another. See the package's rule.
      axis_name: mapped axis that splits the batch; None if the arrays hold the whole batch.
    Returns: [batch] in nats, float32 or wider. The authors' code adds up rows.
    Raises: as `info_nce`; ValueError for fewer than two views.
    References: Thapa et al. 2024, arXiv:2405.17766, section 3.2.
    """
    check_temperature(temperature)
    views, masks = prepare_views(views, where)
    place = places(len(masks[0]), axis_name)
    rows = [side_of(z, (), None, normalise=normalise).rows for z in widen(*views)]
    whole = functools.reduce(jnp.add, rows)
    present = functools.reduce(jnp.add, (w.astype(whole.dtype) for w in masks))
    knobs = {"temperature": temperature, "tile": tile, "axis_name": axis_name}
    terms = []
    for z, w in zip(rows, masks):
        others = present - w.astype(present.dtype)
        counted = w & (others > 0)
        rest = (whole - z) / jnp.maximum(others, 1)[:, None]
        rest = unit_norm(rest) if renormalise else rest
        ids = (jnp.where(counted, place, -1),)
        positive = jnp.sum(z * rest, axis=1)
        pairs = Pairs(Side(z, ids), Side(rest, ids), positive, counted)
        terms.append(contrast_pairs(pairs, unit=normalise, **knobs))
    return functools.reduce(jnp.add, terms) / len(terms)
