"""TRIANGLE: rows of three modalities are corners, and the area is 0 where they agree."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from mmalign.losses.blocks import block_rows, partner_entropy
from mmalign.losses.knobs import Scalar, check_temperature, inverse
from mmalign.losses.numerics import root, widen
from mmalign.losses.rows import global_rows, in_range, mean_over_counted, power_eps, restored
from mmalign.losses.sides import side_of, tile_for
from mmalign.losses.views import prepare_views


def triangle(
    anchor: ArrayLike,
    b: ArrayLike,
    c: ArrayLike,
    *,
    temperature: Scalar = 0.07,
    squared: bool = False,
    smoothing: float = 0.0,
    eps: float = 1e-6,
    normalise: bool = True,
    tile: int | None = None,
    where: ArrayLike | None = None,
    axis_name: str | None = None,
) -> jax.Array:
    """Contrast of three modalities by the area of the triangle of their rows.

    The logit of anchor i with row j of b and c is -area / temperature, of unit rows: 0 as soon as
    two of the three coincide, wherever the third is; 0.866 if they are orthonormal and 1.299 at
    most. The loss is the cross-entropy of i among all j, averaged with that of j among all i;
    log(rows that count) at chance.

    Args:
      anchor: [batch, dim] floats of any scale.
      b: as anchor, the second modality.
      c: as anchor, the third.
      temperature: positive scalar, unitless; may be traced, so it can be learned.
      squared: twice the squared area in place of the area; its gradient is gentle at 0.
      smoothing: weight of the uniform distribution in what is wanted, in [0, 1).
      eps: added to the square of twice the area, under the root, which bounds its gradient at 0.
      normalise: as in `info_nce`.
      tile: as in `gram`.
      where: bool [batch], or a sequence of such, the anchor's first; None for all. An example
        counts if it has all three. See the package's rule.
      axis_name: mapped axis that splits the batch; rows are gathered.
    Returns: [batch] in nats, float32 or wider.
    Raises: as `info_nce`; ValueError for a smoothing outside [0, 1).
    References: Cicchetti et al. 2025, A triangle enables multimodal alignment beyond cosine
      similarity, NeurIPS. The authors' code is squared=True, and smooths by 0.1; eps is ours.
    """
    check_temperature(temperature)
    if not 0 <= smoothing < 1:
        raise ValueError(f"smoothing must lie in [0, 1), got {smoothing}")
    views, masks = prepare_views([anchor, b, c], where)
    counted = masks[0] & masks[1] & masks[2]
    views = [jnp.where(counted[:, None], z, 0) for z in widen(*views)]
    x, *y = (side_of(z, (), None, normalise=normalise).rows for z in views)
    x, *y, unit = in_range(x, *y, axis_name=axis_name)
    scale, power = -inverse(temperature, x.dtype), 4 if squared else 2
    tiny = power_eps(eps, unit, 4)
    area = lambda x, y: scale * restored(_area(x, y, squared, tiny), unit, power)
    rows = global_rows(x, axis_name)
    knobs = {"smoothing": smoothing, "axis_name": axis_name}
    knobs["tile"] = block_rows(tile_for(rows, tile) if tile else None, rows * x.shape[1])
    there = partner_entropy(area, x, tuple(y), counted, **knobs)
    back = partner_entropy(lambda y, x: area(x, y).T, tuple(y), x, counted, **knobs)
    return mean_over_counted(0.5 * (there + back), counted, axis_name)


def _area(x, others, squared, eps):
    """Of corners x [n, dim] with two others, [m, dim] each: [n, m].

    From the differences themselves, as those of inner products cancel where rows are close.
    """
    p, q = (x[:, None] - y[None] for y in others)
    dot = lambda p, q: (p * q).sum(axis=-1)
    doubled = jnp.maximum(dot(p, p) * dot(q, q) - jnp.square(dot(p, q)), 0)
    return doubled / 2 if squared else root(doubled + eps) / 2
