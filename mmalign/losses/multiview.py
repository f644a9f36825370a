"""Contrastive losses of any number of modalities or views."""

import functools
import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from mmalign.losses.contrastive import contrast, nt_xent
from mmalign.losses.negatives import Total, check_temperature, cross_entropy, negative_totals
from mmalign.losses.numerics import (
    Scalar,
    compute_dtype,
    global_rows,
    mean_over_counted,
    places,
    rows_that_count,
    summed,
    widen,
)
from mmalign.losses.tiles import product_dtype, tile_for, unit_side


def cmc(
    views: Sequence[ArrayLike],
    *,
    temperature: Scalar = 0.07,
    own_view: bool = False,
    tile: int | None = None,
    where: ArrayLike | Sequence[ArrayLike | None] | None = None,
    axis_name: str | None = None,
) -> jax.Array:
    """Contrastive multiview coding: the symmetric loss of every pair of modalities, summed.

    Args:
      views: sequence of [batch, dim] floats of any scale, one per modality, two at least.
      temperature: positive scalar, unitless; may be traced, so it can be learned.
      own_view: False for `info_nce`, True for `nt_xent`, as some comparisons have it.
      tile: as in `info_nce`.
      where: bool [batch], or a sequence of such, one for each modality; None for all. A pair of
        modalities is learned from the examples that have both. See the package's rule.
      axis_name: mapped axis that splits the batch; None if the arrays hold the whole batch.
    Returns: [batch] in nats, pairs * log(rows) at chance, float32 or wider.
    Raises: as `info_nce`; ValueError for fewer than two views.
    References: Tian et al. 2020, arXiv:1906.05849, eq. 7, the full graph.
    """
    views, masks = prepare_views(views, where)
    knobs = {"temperature": temperature, "tile": tile, "axis_name": axis_name}
    pairs = itertools.combinations(zip(views, masks), 2)
    return functools.reduce(
        jnp.add,
        (
            contrast(z_a, z_b, own_view=own_view, where=w_a & w_b, **knobs)
            for (z_a, w_a), (z_b, w_b) in pairs
        ),
    )


def gmc(
    views: Sequence[ArrayLike],
    joint: ArrayLike,
    *,
    temperature: Scalar = 0.1,
    tile: int | None = None,
    where: ArrayLike | Sequence[ArrayLike | None] | None = None,
    axis_name: str | None = None,
) -> jax.Array:
    """Geometric multimodal contrast: every modality with the joint embedding, summed.

    Args:
      views: sequence of [batch, dim] floats of any scale, one per modality.
      joint: [batch, dim], the embedding of all modalities together.
      temperature: positive scalar, unitless; may be traced, so it can be learned.
      tile: as in `info_nce`.
      where: bool [batch], or a sequence of such, one for each modality; None for all. An example
        counts for the modalities that it has. See the package's rule.
      axis_name: mapped axis that splits the batch; None if the arrays hold the whole batch.
    Returns: [batch] in nats, modalities * log(2 rows - 1) at chance, float32 or wider.
    Raises: as `info_nce`.
    References: Poklukar et al. 2022, arXiv:2202.03390, eq. 2; the negatives are those of both
      embeddings, and both are anchors, as in `nt_xent`.
    """
    views, masks = prepare_views(views, where, least=1)
    knobs = {"temperature": temperature, "tile": tile, "axis_name": axis_name}
    terms = (nt_xent(z, joint, where=w, **knobs) for z, w in zip(views, masks))
    return functools.reduce(jnp.add, terms)


def comm(
    first: Sequence[ArrayLike],
    second: Sequence[ArrayLike],
    *,
    weight: Sequence[Scalar] | None = None,
    temperature: Scalar = 0.1,
    tile: int | None = None,
    where: ArrayLike | Sequence[ArrayLike | None] | None = None,
    axis_name: str | None = None,
) -> jax.Array:
    """CoMM's loss: masked views of one augmentation against the fused view of the other.

    Each augmentation gives the embeddings of every modality alone and, last, of all of them fused.
    An embedding of one augmentation is contrasted with the fused one of the other; the mean over
    kinds of embedding, and over both augmentations. What only one modality tells is kept by the
    terms of that modality, what only all together tell by the last.

    Args:
      first: sequence of [batch, dim] floats of any scale: each modality alone, then fused.
      second: as first, from another augmentation.
      weight: a number for each kind of embedding, unity for None: the loss is the mean over kinds
        of weight * term.
      temperature: positive scalar, unitless; may be traced, so it can be learned.
      tile: as in `info_nce`.
      where: bool [batch], or a sequence of such, one for each kind of embedding; None for all. A
        term is learned from the examples that have that modality, and any at all. See the
        package's rule.
      axis_name: mapped axis that splits the batch; None if the arrays hold the whole batch.
    Returns: [batch] in nats, log(2 rows - 1) at chance, float32 or wider.
    Raises: as `info_nce`; ValueError for sequences of other lengths.
    References: CoMM (Dufumier et al. 2025, arXiv:2409.07402) eq. 7 as the authors' code has it: a
      mean where the paper adds, modality terms from augmented inputs and across augmentations, and
      `nt_xent` for InfoNCE.
    """
    if len(first) != len(second):
        raise ValueError(
            f"need as many embeddings of both augmentations, got {len(first)} and {len(second)}"
        )
    first, where = prepare_views(first, where)
    second, _ = prepare_views(second, where)
    weight = [1] * len(first) if weight is None else list(weight)
    if len(weight) != len(first):
        raise ValueError(f"need a weight for each of {len(first)} embeddings, got {len(weight)}")
    knobs = {"temperature": temperature, "tile": tile, "axis_name": axis_name}
    *parts, (fused, fused_second, _, _) = zip(first, second, where, weight)
    loss = weight[-1] * nt_xent(fused, fused_second, where=where[-1], **knobs)
    for z, z_second, w, factor in parts:
        w = w & where[-1]
        there = nt_xent(z, fused_second, where=w, **knobs)
        back = nt_xent(z_second, fused, where=w, **knobs)
        loss += factor * 0.5 * (there + back)
    return loss / len(first)


def cocoa(
    views: Sequence[ArrayLike],
    *,
    temperature: Scalar = 0.1,
    form: str = "sum",
    scale: Scalar = 1 / 32,
    weight: Scalar = 3.9e-3,
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
        exceed float32 below.
      form: "sum" or "ratio".
      scale: of the positive part of "sum".
      weight: of the negative part of "sum".
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
    if form == "sum" and isinstance(temperature, int | float) and temperature <= 1 / 43:
        raise ValueError(f'temperature must be above 1 / 43 with form="sum", got {temperature}')
    narrow = product_dtype(*views)
    views, where = prepare_views(views, where)
    sides = [
        unit_side(z, (jnp.where(w, places(len(w), axis_name), -1),), narrow)
        for z, w in zip(widen(*views), where)
    ]
    present, z = jnp.stack(where, axis=1), jnp.stack([side.rows for side in sides], axis=1)
    c = jnp.asarray(1 / temperature, z.dtype)
    between = jnp.einsum("bmd,bnd->bmn", z, z, precision="highest")
    pairs = present[:, :, None] & present[:, None]
    if form == "sum":
        counted, anchor = present.any(axis=1), jnp.zeros_like(z[:, 0, 0])
    else:
        pairs = pairs & ~jnp.eye(len(views), dtype=bool)[None]
        counted = pairs.any(axis=(1, 2))
        logits = jnp.where(pairs, c * between, -jnp.inf)
        peak = lax.stop_gradient(jnp.where(counted, logits.max(axis=(1, 2)), 0))
        total = jnp.exp(logits - peak[:, None, None]).sum(axis=(1, 2))
        anchor = (peak + jnp.log(jnp.where(counted, total, 1))) / c

    tile = tile_for(global_rows(z, axis_name), tile)
    peaks, means = [], []
    for side, w in zip(sides, where):
        (total,) = negative_totals(
            side, None, (anchor,), temperature, tile=tile, axis_name=axis_name
        )
        count = summed(axis_name)(w.sum(dtype=z.dtype))
        peaks.append(total.peak)
        means.append(total.sums[0] / jnp.maximum(count - 1, 1))
    peak = jnp.stack(peaks).max(axis=0)
    parts = (jnp.exp(p - peak) * mean for p, mean in zip(peaks, means))
    negative = functools.reduce(jnp.add, parts)
    if form == "ratio":
        return mean_over_counted(cross_entropy(Total(peak, (negative,))), counted, axis_name)
    apart = jnp.where(pairs, jnp.exp(c * (1 - between)), 0).sum(axis=(1, 2))
    apart = apart / jnp.maximum(pairs.sum(axis=(1, 2), dtype=z.dtype), 1)
    return mean_over_counted(scale * apart + weight * jnp.exp(peak) * negative, counted, axis_name)


def prepare_views(
    views: Iterable[ArrayLike],
    where: Any,
    *,
    least: int = 2,
) -> tuple[list[jax.Array], list[jax.Array]]:
    """Checked arguments: a list of [batch, dim], zero where rows do not count, and one of bools.

    Dtypes are left alone, as those of 16 bits decide how products are computed.

    where: None, bool [batch] for all views, or a sequence of such, one for each.
    """
    views = [jnp.asarray(z) for z in views]
    compute_dtype(*views)
    if len(views) < least:
        raise ValueError(f"need {least} views or more, got {len(views)}")
    shape = views[0].shape
    if len(shape) != 2 or any(z.shape != shape for z in views):
        shapes = ", ".join(str(z.shape) for z in views)
        raise ValueError(f"need [batch, dim] arrays alike, got {shapes}")
    if isinstance(where, list | tuple) or getattr(where, "ndim", 1) == 2:
        if len(where) != len(views):
            raise ValueError(f"need a where for each of {len(views)} views, got {len(where)}")
        given = where
    else:
        given = [where] * len(views)
    masks = [rows_that_count(w, shape[:1]) for w in given]
    return [jnp.where(w[:, None], z, 0) for z, w in zip(views, masks)], masks
