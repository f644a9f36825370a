"""Contrastive losses: paired embeddings attract, the rest of the batch repels."""

import jax.numpy as jnp

from mmalign.losses.negatives import check_temperature, cross_entropy, negative_totals
from mmalign.losses.numerics import (
    global_rows,
    mean_over_counted,
    places,
    rows_that_count,
    unit_norm,
    widen,
)
from mmalign.losses.tiles import tile_for


def info_nce(z_a, z_b, *, temperature=0.1, symmetric=True, tile=None, where=None, axis_name=None):
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
        for the gradient, so that memory is linear in the batch; a batch no larger, or None below
        2,048 rows, takes the plain form, which is faster there. None from there on is 512. Tiles
        have a gradient and no forward-mode derivative.
      where: bool [batch], the pairs that count; None for all. See the package's rule.
      axis_name: mapped axis that splits the batch; None if z_a is the whole batch.
    Returns: [batch] loss of each pair in nats, float32 or wider.
    Raises: ValueError for shapes that differ or are not [batch, dim], a temperature that is not a
      positive scalar, a tile that is not a positive number, a `where` of another shape; TypeError
      for arrays that are not floating-point.
    References: van den Oord et al. 2018, arXiv:1807.03748, eq. 4, with cosine similarity over a
      temperature; both directions as in Radford et al. 2021, arXiv:2103.00020.
    """
    z_a, z_b, where, positive, ids = _prepare(z_a, z_b, where, temperature, axis_name)
    totals = negative_totals(
        z_a, z_b, ids, ids, (positive,) * (2 if symmetric else 1), temperature,
        tile=tile_for(global_rows(z_a, axis_name), tile), axis_name=axis_name,
    )  # fmt: skip
    loss = sum(cross_entropy(total) for total in totals) / len(totals)
    return mean_over_counted(loss, where, axis_name)


def nt_xent(z_a, z_b, *, temperature=0.1, tile=None, where=None, axis_name=None):
    """NT-Xent, SimCLR's loss of two views: the other rows of both views are negatives.

    For z_a's row i the positive is z_b's row i, the negatives are all other rows of z_a and of z_b
    in the global batch; averaged with the same for z_b's row i. Orthogonal samples whose views
    agree cost log(1 + 2 (rows - 1) exp(-1 / temperature)). A row without negatives costs 0, with a
    zero gradient.

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
    z_a, z_b, where, positive, ids = _prepare(z_a, z_b, where, temperature, axis_name)
    twice = lambda x: jnp.concatenate([x, x])
    ids = tuple(twice(x) for x in ids)
    (total,) = negative_totals(
        jnp.concatenate([z_a, z_b]), None, ids, ids, (twice(positive),), temperature,
        tile=tile_for(global_rows(z_a, axis_name), tile), axis_name=axis_name,
    )  # fmt: skip
    loss = cross_entropy(total).reshape(2, -1).mean(axis=0)
    return mean_over_counted(loss, where, axis_name)


def _prepare(z_a, z_b, where, temperature, axis_name):
    """Unit rows (zero where they do not count), which count, positives, ids."""
    z_a, z_b = widen(z_a, z_b)
    if z_a.ndim != 2 or z_a.shape != z_b.shape:
        raise ValueError(f"need two [batch, dim] arrays alike, got {z_a.shape} and {z_b.shape}")
    check_temperature(temperature)
    where = rows_that_count(where, z_a.shape[:1])
    z_a, z_b = (unit_norm(jnp.where(where[:, None], z, 0)) for z in (z_a, z_b))
    ids = (jnp.where(where, places(len(where), axis_name), -1),)
    return z_a, z_b, where, jnp.sum(z_a * z_b, axis=1), ids
