"""Contrastive losses of two views: paired embeddings attract, the rest of the batch repels."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from mmalign.losses.negatives import Total, check_temperature, cross_entropy, negative_totals
from mmalign.losses.numerics import (
    Scalar,
    global_rows,
    mean_over_counted,
    paired_rows,
    places,
    summed,
    widen,
)
from mmalign.losses.tiles import product_dtype, tile_for, unit_side


def info_nce(
    z_a: ArrayLike,
    z_b: ArrayLike,
    *,
    temperature: Scalar = 0.1,
    symmetric: bool = True,
    tile: int | None = None,
    where: ArrayLike | None = None,
    axis_name: str | None = None,
) -> jax.Array:
    """InfoNCE of paired embeddings.

    Row i of z_a and row i of z_b are a pair; the other rows of the global batch's z_b are negatives
    of z_a's row i, and, if symmetric, the other way round. Embeddings that carry no information
    cost log(rows that count). A row without negatives (it alone counts) costs 0, with a zero
    gradient.

    Args:
      z_a: [batch, dim] floats of any scale; normalised here.
      z_b: as z_a, the partners.
      temperature: positive scalar, unitless; may be traced, so it can be learned.
      symmetric: average both directions; False asks z_a's rows alone.
      tile: rows and columns of the blocks in which similarities are computed, and computed again
        for the gradient, so that memory is linear in the batch; across devices the rows then travel
        in a ring, and no device holds more than its own and one other's. A batch no larger, or None
        for a batch below 2,048 rows (16,384 on a CPU if rows are wider than 384, but for NT-Xent),
        takes the plain form, which is faster there and gathers the rows of all devices. None from
        there on chooses a size. Tiles have a gradient and no forward-mode derivative.
      where: bool [batch], the pairs that count; None for all. See the package's rule.
      axis_name: mapped axis that splits the batch; None if z_a is the whole batch.
    Returns: [batch] loss of each pair in nats, float32 or wider.
    Raises: ValueError for shapes that differ or are not [batch, dim], a temperature that is not a
      positive scalar, a tile that is not a positive number, a `where` of another shape; TypeError
      for arrays that are not floating-point.
    References: van den Oord et al. 2018, arXiv:1807.03748, eq. 4, with cosine similarity over a
      temperature; both directions as in Radford et al. 2021, arXiv:2103.00020.
    """
    return contrast(
        z_a, z_b, own_view=False, symmetric=symmetric, temperature=temperature, tile=tile,
        where=where, axis_name=axis_name,
    )  # fmt: skip


def nt_xent(
    z_a: ArrayLike,
    z_b: ArrayLike,
    *,
    temperature: Scalar = 0.1,
    tile: int | None = None,
    where: ArrayLike | None = None,
    axis_name: str | None = None,
) -> jax.Array:
    """NT-Xent, SimCLR's loss of two views: the other rows of both views are negatives.

    For z_a's row i the positive is z_b's row i, the negatives are all other rows of z_a and of z_b
    in the global batch; averaged with the same for z_b's row i. Orthogonal samples whose views
    agree cost log(1 + 2 (rows - 1) exp(-1 / temperature)), embeddings that carry no information
    log(2 rows - 1). A row without negatives costs 0, with a zero gradient.

    Args:
      z_a: [batch, dim] floats of any scale; normalised here.
      z_b: as z_a, the partners.
      temperature: positive scalar, unitless; may be traced, so it can be learned.
      tile: as in `info_nce`.
      where: bool [batch], the pairs that count; None for all. See the package's rule.
      axis_name: mapped axis that splits the batch; None if z_a is the whole batch.
    Returns: [batch] loss of each pair in nats, mean of its two directions, float32 or wider.
    Raises: as `info_nce`.
    References: Chen et al. 2020, arXiv:2002.05709, eq. 1. InfoMAE (Kimura et al. 2025,
      arXiv:2504.09707) eq. 9 is meant to be this: as printed it lacks the minus, and its sum over
      k != j repeats the cross-view similarities where the same-view ones belong.
    """
    return contrast(
        z_a, z_b, own_view=True, temperature=temperature, tile=tile, where=where,
        axis_name=axis_name,
    )  # fmt: skip


def clip(
    z_a: ArrayLike,
    z_b: ArrayLike,
    log_scale: Scalar,
    *,
    max_scale: float = 100.0,
    tile: int | None = None,
    where: ArrayLike | None = None,
    axis_name: str | None = None,
) -> jax.Array:
    """CLIP's loss: symmetric InfoNCE with a learned, bounded scale in place of a temperature.

    Args:
      z_a: [batch, dim] floats of any scale; normalised here.
      z_b: as z_a, the partners.
      log_scale: scalar, log of what multiplies similarities; learned, from log(1 / 0.07) = 2.659 on
        and without weight decay. The scale is kept between 1 and max_scale; outside the gradient is
        that at the bound, so that it can come back.
      max_scale: largest scale.
      tile: as in `info_nce`.
      where: bool [batch], the pairs that count; None for all. See the package's rule.
      axis_name: mapped axis that splits the batch; None if z_a is the whole batch.
    Returns: [batch] loss of each pair in nats, log(rows that count) at chance, float32 or wider.
    Raises: as `info_nce`; ValueError for a max_scale below 1.
    References: Radford et al. 2021, arXiv:2103.00020, section 2.4; the authors' code bounds the
      parameter itself, after each update.
    """
    if not max_scale >= 1:
        raise ValueError(f"max_scale must be at least 1, got {max_scale}")
    if isinstance(log_scale, int | float):
        temperature = math.exp(-min(max(log_scale, 0.0), math.log(max_scale)))
    else:
        (log_scale,) = widen(log_scale)
        bounded = jnp.clip(log_scale, 0, math.log(max_scale))
        temperature = jnp.exp(-(log_scale + lax.stop_gradient(bounded - log_scale)))
    return info_nce(z_a, z_b, temperature=temperature, tile=tile, where=where, axis_name=axis_name)


def contrast(
    z_a: ArrayLike,
    z_b: ArrayLike,
    *,
    own_view: bool,
    temperature: Scalar,
    tile: int | None,
    where: ArrayLike | None,
    axis_name: str | None,
    symmetric: bool = True,
    powers: tuple[float, ...] = (1,),
    finish: Callable[[Total, jax.Array, jax.Array], Total] | None = None,
) -> jax.Array:
    """What the losses of two views have in common: [batch].

    Args:
      z_a, z_b, symmetric, temperature, tile, where, axis_name: as in `info_nce`.
      own_view: whether rows of the query's own view are negatives too; always symmetric then.
      powers: of the exponentials that `finish` wants summed.
      finish: (total, positive similarity [n], negatives of a row that counts) -> total, whose cross
        entropy is the loss; None changes nothing.
    """
    check_temperature(temperature)
    narrow = product_dtype(z_a, z_b)
    z_a, z_b, where = paired_rows(z_a, z_b, where)
    tile = tile_for(global_rows(z_a, axis_name), tile, dim=0 if own_view else z_a.shape[1])
    ids = jnp.where(where, places(len(where), axis_name), -1)
    if own_view:  # side by side before they are brought to length 1: kept once, not twice
        a, b = unit_side(jnp.concatenate([z_a, z_b]), (jnp.tile(ids, 2),), narrow), None
        first, second = jnp.split(a.rows, 2)
        positive = jnp.tile(jnp.sum(first * second, axis=1), 2)
    else:
        a, b = (unit_side(z, (ids,), narrow) for z in (z_a, z_b))
        positive = jnp.sum(a.rows * b.rows, axis=1)
    anchors = (positive, positive) if symmetric and not own_view else (positive,)
    totals = negative_totals(
        a, b, anchors, temperature, powers=powers, tile=tile, axis_name=axis_name
    )
    if finish is not None:
        count = summed(axis_name)(where.sum(dtype=positive.dtype))
        negatives = jnp.maximum(count - 1, 0) * (2 if own_view else 1)
        totals = [finish(total, positive, negatives) for total in totals]
    rows = jnp.stack([cross_entropy(total) for total in totals]).reshape(-1, len(where))
    return mean_over_counted(rows.mean(axis=0), where, axis_name)
