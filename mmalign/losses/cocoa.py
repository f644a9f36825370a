"""COCOA: modalities of an example agree, examples of a modality do not."""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from mmalign.losses.knobs import Scalar, at_least, check_scalar, check_temperature, inverse
from mmalign.losses.negatives import negative_totals
from mmalign.losses.numerics import widen
from mmalign.losses.rows import global_rows, mean_over_counted, places, summed
from mmalign.losses.sides import product_dtype, side_of, tile_for
from mmalign.losses.totals import Total, cross_entropy
from mmalign.losses.views import prepare_views

_COLDEST = 1 / 43  # exp(2 / temperature) fits float32


def cocoa(
    views: Sequence[ArrayLike],
    *,
    temperature: Scalar = 0.1,
    form: str = "sum",
    scale: Scalar = 1 / 32,
    weight: Scalar = 3.9e-3,
    normalise: bool = True,
    tile: int | None = None,
    where: ArrayLike | Sequence[ArrayLike | None] | None = None,
    axis_name: str | None = None,
) -> jax.Array:
    """COCOA's loss: modalities of an example agree, examples of a modality do not.

      "sum"    scale * positive + weight * negative, where positive is the mean over all pairs of an
               example's modalities, a modality and itself included, of exp((1 - s) / temperature),
               and negative the sum over modalities of the mean over other examples of
               exp(s / temperature)
      "ratio"  log(1 + negative / the sum over pairs of different modalities of
               exp(s / temperature))

    Orthogonal embeddings cost about scale * exp(1 / temperature) and log(1 + 1 / (modalities - 1)).

    Args:
      views: sequence of [batch, dim] floats of any scale, one per modality, two at least.
      temperature: positive scalar, unitless; above 1 / 43 in the form "sum", whose exponentials
        exceed float32 below; a traced one counts as that there.
      form: "sum" or "ratio".
      scale: of the positive part of "sum".
      weight: of the negative part of "sum".
      normalise: as in `info_nce`.
      tile: as in `info_nce`.
      where: bool [batch], or a sequence of such, one for each modality; None for all. Means are
        over what is present; an example with no modality, in "ratio" with only one, does not
        count. See the package's rule.
      axis_name: mapped axis that splits the batch; None if the arrays hold the whole batch.
    Returns: [batch], float32 or wider. The released code adds up what "sum" gives here.
    Raises: as `info_nce`; ValueError for an unknown form or a temperature too low for it.
    References: Deldari et al. 2022, arXiv:2208.00467, as released: "sum" is the later version,
      which CroSSL is compared with, "ratio" the earlier one.
    """
    if form not in ("sum", "ratio"):
        raise ValueError(f'form must be "sum" or "ratio", got {form!r}')
    check_temperature(temperature)
    check_scalar("scale", scale)
    check_scalar("weight", weight)
    if form == "sum" and isinstance(temperature, int | float) and temperature <= _COLDEST:
        raise ValueError(f'temperature must be above 1 / 43 with form="sum", got {temperature}')
    narrow = product_dtype(*views)
    views, where = prepare_views(views, where)
    sides = [
        side_of(z, (jnp.where(w, places(len(w), axis_name), -1),), narrow, normalise=normalise)
        for z, w in zip(widen(*views), where)
    ]
    present, z = jnp.stack(where, axis=1), jnp.stack([side.rows for side in sides], axis=1)
    if form == "sum" and not isinstance(temperature, int | float):
        temperature = at_least(_COLDEST, jnp.asarray(temperature, z.dtype))
    c = inverse(temperature, z.dtype)
    between = jnp.einsum("bmd,bnd->bmn", z, z, precision="highest")
    pairs = present[:, :, None] & present[:, None]
    if form == "ratio":
        pairs = pairs & ~jnp.eye(len(views), dtype=bool)[None]
    counted = pairs.any(axis=(1, 2))
    anchor = _log_sum(c * between, pairs, counted) / c if form == "ratio" else 0 * z[:, 0, 0]
    negative = _negatives(
        sides, where, anchor, temperature, unit=normalise,
        tile=tile_for(global_rows(z, axis_name), tile), axis_name=axis_name,
    )  # fmt: skip
    if form == "ratio":
        return mean_over_counted(cross_entropy(negative), counted, axis_name)
    apart = jnp.where(pairs, jnp.exp(c * (1 - between)), 0).sum(axis=(1, 2))
    apart = apart / jnp.maximum(pairs.sum(axis=(1, 2), dtype=z.dtype), 1)
    near = jnp.exp(negative.peak) * negative.sums[0]
    return mean_over_counted(scale * apart + weight * near, counted, axis_name)


def _log_sum(logits, pairs, counted):
    """Log of the sum of exponentials over an example's pairs, [batch]; 0 where it has none."""
    logits = jnp.where(pairs, logits, -jnp.inf)
    peak = lax.stop_gradient(jnp.where(counted, logits.max(axis=(1, 2)), 0))
    total = jnp.exp(logits - peak[:, None, None]).sum(axis=(1, 2))
    return peak + jnp.log(jnp.where(counted, total, 1))


def _negatives(sides, where, anchor, temperature, **shared):
    """Sum over modalities of the mean over an example's negatives, as a Total."""
    totals = [negative_totals(side, None, (anchor,), temperature, **shared)[0] for side in sides]
    peak = jnp.stack([total.peak for total in totals]).max(axis=0)
    total = summed(shared["axis_name"])
    counts = [total(w.sum(dtype=anchor.dtype)) for w in where]
    means = (
        jnp.exp(part.peak - peak) * part.sums[0] / jnp.maximum(count - 1, 1)
        for part, count in zip(totals, counts)
    )
    return Total(peak, (functools.reduce(jnp.add, means),))
