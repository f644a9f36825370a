"""TS2Vec's contrast: moments of a window and windows of a batch, at every scale of time."""

import functools

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from mmalign.losses.contrastive import nt_xent
from mmalign.losses.knobs import Scalar, check_scalar
from mmalign.losses.numerics import widen
from mmalign.losses.rows import check_some, mean_over_counted, rows_that_count


def hierarchical_contrast(
    z_a: ArrayLike,
    z_b: ArrayLike,
    *,
    alpha: Scalar = 0.5,
    tile: int | None = None,
    where: ArrayLike | None = None,
    axis_name: str | None = None,
) -> jax.Array:
    """Hierarchical contrast of two views of windows, over samples and over time.

    At each level alpha times the instance term plus 1 - alpha times the temporal one. Instance: at
    each moment a sample's other view against all other samples of both views. Temporal: within a
    sample the same moment of the other view against all other moments of both views. Then time is
    halved by the larger of two moments, an odd last one dropped, down to one moment, where the
    instance term alone is left. The mean over levels. Both terms are `nt_xent` of rows as they
    are, at temperature 1.

    Embeddings that carry no information cost the mean over levels of alpha log(2 rows - 1) +
    (1 - alpha) log(2 moments - 1).

    Args:
      z_a: [batch, time, dim] floats, of the moments that both views show; not normalised.
      z_b: as z_a, the other view.
      alpha: weight of the instance term, a scalar in [0, 1].
      tile: as in `info_nce`, for the instance term.
      where: bool [batch], samples that count; None for all. See the package's rule.
      axis_name: mapped axis that splits the batch; the instance term gathers rows.
    Returns: [batch] in nats, float32 or wider.
    Raises: ValueError for shapes that differ or are not [batch, time, dim], an alpha outside
      [0, 1]; TypeError for arrays that are not floating-point.
    References: Yue et al. 2022, arXiv:2106.10466, eq. 1 and 2, algorithm 1.
    """
    check_scalar("alpha", alpha)
    if isinstance(alpha, int | float) and not 0 <= alpha <= 1:
        raise ValueError(f"alpha must lie in [0, 1], got {alpha}")
    z_a, z_b = widen(z_a, z_b)
    if z_a.ndim != 3 or z_a.shape != z_b.shape:
        raise ValueError(f"need two [batch, time, dim] arrays alike, got {z_a.shape}, {z_b.shape}")
    check_some(z_a.shape)
    where = rows_that_count(where, z_a.shape[:1])
    alpha = jnp.asarray(alpha, z_a.dtype)
    views = [jnp.where(where[:, None, None], z, 0) for z in (z_a, z_b)]
    compare = functools.partial(nt_xent, normalise=False, temperature=1.0)
    among = functools.partial(compare, tile=tile, where=where, axis_name=axis_name)
    terms = []
    while True:
        instance = jax.vmap(among, in_axes=1)(*views).mean(axis=0)
        if views[0].shape[1] == 1:
            terms.append(alpha * instance)
            break
        temporal = jax.vmap(compare)(*views).mean(axis=1)
        temporal = mean_over_counted(temporal, where, axis_name)
        terms.append(alpha * instance + (1 - alpha) * temporal)
        views = [_halved(z) for z in views]
    return functools.reduce(jnp.add, terms) / len(terms)


def _halved(z):
    """The larger of every two moments; they share the gradient where they are equal."""
    pairs = z[:, : z.shape[1] // 2 * 2].reshape(len(z), -1, 2, z.shape[2])
    return pairs.max(axis=2)
