"""InfMasking: what is fused of all tokens against what is fused of any few of them."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from mmalign.losses.knobs import Scalar, check_scalar, check_temperature, inverse
from mmalign.losses.negatives import negative_totals
from mmalign.losses.numerics import widen
from mmalign.losses.rows import global_rows, mean_over_counted, places
from mmalign.losses.sides import product_dtype, side_of, tile_for
from mmalign.losses.totals import cross_entropy
from mmalign.losses.views import prepare_views


def infmasking(
    z: ArrayLike,
    masked: Sequence[ArrayLike],
    *,
    strength: Scalar = 1.0,
    temperature: Scalar = 0.1,
    normalise: bool = True,
    tile: int | None = None,
    where: ArrayLike | None = None,
    axis_name: str | None = None,
) -> jax.Array:
    """InfoNCE against infinitely many masked views of a sample, of which a few are drawn.

    If a sample's masked views are Gaussian, InfoNCE's mean over them is at most

      -m / t + log(exp(m / t + v / (2 t^2)) + sum over negatives of exp(s / t)),

    m and v the mean and variance of their similarities to z. Negatives are z and all masked views
    of the other samples. Large v is what it costs that some views say less than others.

    Args:
      z: [batch, dim] floats of any scale, fused of everything.
      masked: sequence of [batch, dim], one for each draw of masks.
      strength: 0 or more, may be traced: what multiplies v. At 1 the bound holds, at 0 only the
        mean counts; the released code raises it from 0 over the training.
      temperature: positive scalar, unitless; may be traced, so it can be learned.
      normalise: as in `info_nce`.
      tile: as in `info_nce`.
      where: bool [batch], the samples that count; None for all. See the package's rule.
      axis_name: mapped axis that splits the batch; None if the arrays hold the whole batch.
    Returns: [batch] in nats, log((draws + 1) (rows - 1) + 1) where all is alike; float32 or wider.
    Raises: as `info_nce`; ValueError for no draws or a strength below 0.
    References: InfMasking (Wen et al. 2025, arXiv:2509.25270), as released. Its code makes a
      covariance matrix of each sample, of which the loss reads v alone.
    """
    check_temperature(temperature)
    check_scalar("strength", strength, least=0)
    views, (where, *_) = prepare_views([z, *masked], where)
    narrow = product_dtype(*views)
    place = places(len(where), axis_name)
    ids = jnp.where(where, place, -1)
    asked, *drawn = (side_of(x, (ids,), narrow, normalise=normalise) for x in widen(*views))
    similarity = jnp.stack([jnp.sum(asked.rows * side.rows, axis=1) for side in drawn])
    mean = similarity.mean(axis=0)
    variance = jnp.square(similarity - mean[None]).mean(axis=0)
    c = inverse(temperature, mean.dtype)
    lift = strength * c / 2 * variance
    keys = jax.tree.map(lambda *x: jnp.concatenate(x), asked, *drawn)
    rows = global_rows(keys.rows, axis_name)
    (total,) = negative_totals(
        asked, keys, (mean + lift,), temperature, unit=normalise, tile=tile_for(rows, tile),
        axis_name=axis_name,
    )  # fmt: skip
    return mean_over_counted(c * lift + cross_entropy(total), where, axis_name)
