"""GRAM: rows of any number of modalities span a volume, which is 0 where they agree."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from mmalign.losses.blocks import block_rows, partner_entropy
from mmalign.losses.knobs import Scalar, check_temperature, inverse
from mmalign.losses.numerics import root, widen
from mmalign.losses.rows import global_rows, in_range, mean_over_counted, power_eps, restored
from mmalign.losses.sides import side_of, tile_for
from mmalign.losses.views import prepare_views


def gram(
    anchor: ArrayLike,
    others: Sequence[ArrayLike],
    *,
    temperature: Scalar = 0.07,
    smoothing: float = 0.0,
    eps: float = 1e-6,
    normalise: bool = True,
    tile: int | None = None,
    where: ArrayLike | Sequence[ArrayLike | None] | None = None,
    axis_name: str | None = None,
) -> jax.Array:
    """Contrast of an anchor modality with all others by the volume that a tuple of rows spans.

    The logit of anchor i with the others' rows j is -volume / temperature, of the parallelotope of
    unit rows: 0 if they are linearly dependent, 1 if they are orthonormal, and |sin| for two, so
    that opposite rows agree, too. The loss is the cross-entropy of i among all j, averaged with
    that of j among all i; log(rows that count) at chance. Two equal members give volume 0 whatever
    the rest: others that agree among themselves attract every anchor.

    Args:
      anchor: [batch, dim] floats of any scale.
      others: sequence of such, one per modality, one at least.
      temperature: positive scalar, unitless; may be traced, so it can be learned.
      smoothing: weight of the uniform distribution in what is wanted, in [0, 1).
      eps: added to squared volumes, of which float32 knows 1e-7; bounds the root's gradient at 0,
        where true tuples go.
      normalise: as in `info_nce`.
      tile: rows of the blocks in which volumes are computed, against all other rows, and computed
        again for the gradient; None for all rows as long as they fit 64 MiB.
      where: bool [batch], or a sequence of such, the anchor's first; None for all. A tuple without
        a modality has the volume of the rest, and counts if it has the anchor and another. See the
        package's rule.
      axis_name: mapped axis that splits the batch; rows are gathered.
    Returns: [batch] in nats, float32 or wider.
    Raises: as `info_nce`; ValueError for no others or a smoothing outside [0, 1).
    References: Cicchetti et al. 2025, arXiv:2412.11959, eq. 4 to 7; eps is ours, as is that a
      determinant below 0 counts as 0 where the authors' code takes its absolute value. They smooth
      by 0.1.
    """
    check_temperature(temperature)
    if not 0 <= smoothing < 1:
        raise ValueError(f"smoothing must lie in [0, 1), got {smoothing}")
    views, (first, *masks) = prepare_views([anchor, *others], where)
    z, *rest = (side_of(x, (), None, normalise=normalise).rows for x in widen(*views))
    z, *rest, unit = in_range(z, *rest, axis_name=axis_name)
    present = jnp.stack(masks, axis=1)
    counted = first & present.any(axis=1)
    rest = jnp.stack(rest, axis=1)
    spanned = _spanned(rest, present)
    c = inverse(temperature, z.dtype)
    of_anchor = (z, jnp.square(z).sum(axis=1))
    tiny = power_eps(eps, unit, 2 * len(views))
    volume = lambda x, y: -c * restored(_volume(x, y, tiny), unit, len(views))
    rows = global_rows(z, axis_name)
    knobs = {"smoothing": smoothing, "axis_name": axis_name}
    knobs["tile"] = block_rows(tile_for(rows, tile) if tile else None, rows * rest.shape[1])
    there = partner_entropy(volume, of_anchor, (rest, *spanned), counted, **knobs)
    back = partner_entropy(
        lambda y, x: volume(x, y).T, (rest, *spanned), of_anchor, counted, **knobs
    )
    return mean_over_counted(0.5 * (there + back), counted, axis_name)


def _spanned(rest, present):
    """(adjugate [n, k, k], determinant [n]) of the others' Gram matrices, [n, k, dim] rows.

    By Faddeev and LeVerrier's polynomials, which need no inverse; of a missing row those of 1.
    """
    k = rest.shape[1]
    eye = jnp.eye(k, dtype=rest.dtype)[None]
    products = jnp.einsum("nkd,nld->nkl", rest, rest, precision="highest")
    products = products + eye * (~present).astype(rest.dtype)[:, :, None]
    adjugate = jnp.broadcast_to(eye, products.shape)
    for step in range(1, k + 1):
        turned = jnp.einsum("nkl,nlm->nkm", products, adjugate, precision="highest")
        trace = jnp.trace(turned, axis1=1, axis2=2) / step
        if step == k:
            sign = (-1) ** (k - 1)
            return sign * adjugate, sign * trace
        adjugate = turned - trace[:, None, None] * eye
    raise AssertionError("k is 1 at least")


def _volume(x, y, eps):
    """Of anchors, (rows [a, dim], squares [a]), with the others, (rows, adjugate, determinant)."""
    (z, square), (rest, adjugate, determinant) = x, y
    between = jnp.einsum("ad,bkd->abk", z, rest, precision="highest")
    taken = jnp.einsum("abk,bkl,abl->ab", between, adjugate, between, precision="highest")
    return root(jnp.maximum(square[:, None] * determinant[None] - taken, 0) + eps)
