"""The sigmoid loss: every pair of rows is a question of its own, paired or not."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from mmalign.losses.knobs import Scalar, bounded_exp, check_scalar
from mmalign.losses.numerics import softplus
from mmalign.losses.rows import global_rows, mean_over_counted, paired_rows, places
from mmalign.losses.sides import product_dtype, side_of, tile_for
from mmalign.losses.tiles import pair_sums


def sigmoid(
    z_a: ArrayLike,
    z_b: ArrayLike,
    log_scale: Scalar,
    bias: Scalar,
    *,
    normalise: bool = True,
    tile: int | None = None,
    where: ArrayLike | None = None,
    axis_name: str | None = None,
) -> jax.Array:
    """SigLIP's loss: binary cross-entropy of every row of z_a with every row of z_b.

    The logit of a pair is exp(log_scale) * cosine + bias; row i and row i are one, all others are
    not. Logits that carry no information cost rows * log 2 at bias 0, and little more than -bias at
    the start, when everything is taken for a negative.

    Args:
      z_a: [batch, dim] floats of any scale.
      z_b: as z_a, the partners.
      log_scale: scalar; learned, from log 10 = 2.303 on. The scale counts as 1e6 at most, with the
        gradient at that bound.
      bias: scalar; learned, from -10 on, for most pairs are negatives.
      normalise: as in `info_nce`.
      tile: as in `info_nce`.
      where: bool [batch], the pairs that count; None for all. See the package's rule.
      axis_name: mapped axis that splits the batch; None if z_a is the whole batch.
    Returns: [batch], for each row of z_a the sum over all rows of z_b, in nats, float32 or wider.
    Raises: as `info_nce`; ValueError for a log_scale or bias that is not a scalar.
    References: Zhai et al. 2023, arXiv:2303.15343, eq. 1 and algorithm 1.
    """
    narrow = product_dtype(z_a, z_b)
    z_a, z_b, where = paired_rows(z_a, z_b, where)
    check_scalar("log_scale", log_scale)
    check_scalar("bias", bias)
    scale, bias = bounded_exp(log_scale, z_a.dtype), jnp.asarray(bias, z_a.dtype)
    ids = jnp.where(where, places(len(where), axis_name), -1)
    tile = tile_for(global_rows(z_a, axis_name), tile, dim=z_a.shape[1])
    a, b = (side_of(z, (ids,), narrow, normalise=normalise) for z in (z_a, z_b))
    (others,), _ = pair_sums(_not_a_pair, a, b, scale, bias, tile=tile, axis_name=axis_name)
    pairs = softplus(-(scale * jnp.sum(a.rows * b.rows, axis=1) + bias))
    return mean_over_counted(pairs + others, where, axis_name)


def _not_a_pair(s, own, other, scale, bias):
    counts = (own[0] != other[0]) & (own[0] >= 0) & (other[0] >= 0)
    return (jnp.where(counts, softplus(scale * s + bias), 0),)
