"""What the contrastive losses of two views have in common."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from mmalign.losses.knobs import Scalar, check_temperature
from mmalign.losses.negatives import negative_totals
from mmalign.losses.rows import global_rows, mean_over_counted, paired_rows, places, summed
from mmalign.losses.sides import Side, product_dtype, side_of, tile_for
from mmalign.losses.totals import Total, cross_entropy


class Pairs(NamedTuple):
    """Two views as sides of pairs, or both as one side, b then None, whose rows are all asked."""

    a: Side
    b: Side | None
    positive: jax.Array  # similarity of each row of a and its partner
    where: jax.Array  # [batch]


def contrast(
    z_a: ArrayLike,
    z_b: ArrayLike,
    *,
    own_view: bool,
    temperature: Scalar,
    normalise: bool,
    tile: int | None,
    where: ArrayLike | None,
    axis_name: str | None,
    **more,
) -> jax.Array:
    """The loss of two views, [batch]: arguments as in `info_nce`, and those of `contrast_pairs`.

    own_view: whether rows of the query's own view are negatives too; always symmetric then.
    """
    check_temperature(temperature)
    pairs = pairs_of(z_a, z_b, where, own_view=own_view, normalise=normalise, axis_name=axis_name)
    return contrast_pairs(
        pairs, temperature=temperature, unit=normalise, tile=tile, axis_name=axis_name, **more
    )


def pairs_of(
    z_a: ArrayLike,
    z_b: ArrayLike,
    where: ArrayLike | None,
    *,
    own_view: bool,
    normalise: bool,
    axis_name: str | None,
) -> Pairs:
    """Checked views: of each row of z_a, or of both views, what it is compared with."""
    narrow = product_dtype(z_a, z_b)
    z_a, z_b, where = paired_rows(z_a, z_b, where)
    ids = jnp.where(where, places(len(where), axis_name), -1)
    if not own_view:
        a, b = (side_of(z, (ids,), narrow, normalise=normalise) for z in (z_a, z_b))
        return Pairs(a, b, jnp.sum(a.rows * b.rows, axis=1), where)
    # side by side before they are brought to length 1: kept once, not twice
    both = side_of(jnp.concatenate([z_a, z_b]), (jnp.tile(ids, 2),), narrow, normalise=normalise)
    first, second = jnp.split(both.rows, 2)
    return Pairs(both, None, jnp.tile(jnp.sum(first * second, axis=1), 2), where)


def contrast_pairs(
    pairs: Pairs,
    *,
    temperature: Scalar,
    tile: int | None,
    axis_name: str | None,
    unit: bool = True,
    symmetric: bool = True,
    powers: tuple[float, ...] = (1,),
    finish: Callable[..., Total] | None = None,
) -> jax.Array:
    """Cross entropy of each pair among its negatives, mean over directions: [batch].

    Args:
      temperature, symmetric, tile, axis_name: as in `info_nce`.
      unit: whether rows are of length 1 at most.
      powers: of the exponentials that `finish` wants summed.
      finish: (total, positive similarity [n], lowest similarity that a row can have [n], negatives
        of a row that counts) -> total, whose cross entropy is the loss; None changes nothing.
    """
    a, b, positive, where = pairs
    anchors = (positive, positive) if symmetric and b is not None else (positive,)
    totals = negative_totals(
        a, b, anchors, temperature, unit=unit, powers=powers,
        tile=tile_of(pairs, tile, axis_name), axis_name=axis_name,
    )  # fmt: skip
    if finish is not None:
        count = negatives_of(pairs, axis_name)
        lowest = lowest_similarities(pairs, unit, axis_name)
        totals = [finish(total, positive, low, count) for total, low in zip(totals, lowest)]
    rows = jnp.stack([cross_entropy(total) for total in totals]).reshape(-1, len(where))
    return mean_over_counted(rows.mean(axis=0), where, axis_name)


def tile_of(pairs: Pairs, tile: int | None, axis_name: str | None) -> int | None:
    """The tile to use; see `tile_for`."""
    dim = 0 if pairs.b is None else pairs.a.rows.shape[1]
    return tile_for(global_rows(pairs.where, axis_name), tile, dim=dim)


def negatives_of(pairs: Pairs, axis_name: str | None) -> jax.Array:
    """Negatives of a row that counts."""
    count = summed(axis_name)(pairs.where.sum(dtype=pairs.positive.dtype))
    return jnp.maximum(count - 1, 0) * (2 if pairs.b is None else 1)


def lowest_similarities(
    pairs: Pairs, unit: bool, axis_name: str | None
) -> tuple[jax.Array, jax.Array]:
    """What no similarity of a row of a, and of b, is below: [n] each, without gradient."""
    if unit:
        lowest = jnp.full_like(pairs.positive, -1)
        return lowest, lowest
    sides = (pairs.a, pairs.a) if pairs.b is None else (pairs.a, pairs.b)
    length = [lax.stop_gradient(jnp.sqrt(jnp.square(s.rows).sum(axis=1))) for s in sides]
    longest = [x.max() if axis_name is None else lax.pmax(x.max(), axis_name) for x in length]
    return -length[0] * longest[1], -length[1] * longest[0]
