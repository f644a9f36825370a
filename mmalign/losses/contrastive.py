"""Contrastive losses of two views: paired embeddings attract, the rest of the batch repels."""

import jax
from jax.typing import ArrayLike

from mmalign.losses.contrast import contrast
from mmalign.losses.knobs import Scalar


def info_nce(
    z_a: ArrayLike,
    z_b: ArrayLike,
    *,
    temperature: Scalar = 0.1,
    symmetric: bool = True,
    normalise: bool = True,
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
      z_a: [batch, dim] floats of any scale.
      z_b: as z_a, the partners.
      temperature: positive scalar, unitless; may be traced, so it can be learned. Below 1e-6 it
        counts as that, with the gradient there.
      symmetric: average both directions; False asks z_a's rows alone.
      normalise: whether rows are brought to length 1, which makes similarities cosines. False
        compares rows as they are, by inner products; entries beyond 1e9 count as that.
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
        z_a, z_b, own_view=False, symmetric=symmetric, temperature=temperature,
        normalise=normalise, tile=tile, where=where, axis_name=axis_name,
    )  # fmt: skip


def nt_xent(
    z_a: ArrayLike,
    z_b: ArrayLike,
    *,
    temperature: Scalar = 0.1,
    normalise: bool = True,
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
      z_a: [batch, dim] floats of any scale.
      z_b: as z_a, the partners.
      temperature: positive scalar, unitless; may be traced, so it can be learned.
      normalise: as in `info_nce`.
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
        z_a, z_b, own_view=True, temperature=temperature, normalise=normalise, tile=tile,
        where=where, axis_name=axis_name,
    )  # fmt: skip
