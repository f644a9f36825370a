"""FroSSL: views agree, and every view spreads over all dimensions."""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from mmalign.losses.numerics import fading, widen
from mmalign.losses.rows import centred, gathered, global_rows, in_range, summed
from mmalign.losses.views import prepare_views


def frossl(
    views: Sequence[ArrayLike],
    *,
    center: bool = True,
    where: ArrayLike | None = None,
    axis_name: str | None = None,
) -> dict[str, jax.Array]:
    """The two terms of FroSSL; the official loss is their sum.

    X_v is a view with columns of length 1 over the batch, C_v = X_v^T X_v / dim.

    * spectrum: log of the squared norm of C_v, summed over views. 0 a view at rank one, down to
      -log min(dim, rows) for a flat spectrum (rows - 1 if they are centred).
    * invariance: squared distance of X_v from the mean view, summed, times views over rows.

    Args:
      views: sequence of [batch, dim] floats of any scale, two at least.
      center: whether columns have their mean taken off first, as in the authors' code for two
        views; not so in that for several. Without it a common mean dominates.
      where: bool [batch], rows that count in all views, or a sequence of such, one for each view:
        a row counts if it has all. None for all.
      axis_name: mapped axis that splits the batch; None if the arrays hold the whole batch.
    Returns: {"spectrum", "invariance"}, scalars, float32 or wider. Columns that do not vary are 0;
      a view of these alone has spectrum 0.
    Raises: ValueError for fewer than two views, shapes that differ or are not [batch, dim], a
      `where` of another shape; TypeError for arrays that are not floating-point.
    References: Skean et al. 2024, arXiv:2310.02903, eq. 6, in its many-view form; the two-view code
      adds 2 log(dim^2 / rows) to each view's spectrum.
    """
    views, masks = prepare_views(views, where)
    counted = functools.reduce(jnp.logical_and, masks)
    total = summed(axis_name)
    views = [jnp.where(counted[:, None], z, 0) for z in widen(*views)]
    count = total(counted.sum(dtype=views[0].dtype))
    rows = [_unit_columns(z, counted, count, center, axis_name) for z in views]
    mean = functools.reduce(jnp.add, rows) / len(rows)
    apart = (total(jnp.square(x - mean).sum()) for x in rows)
    spectrum = (_log(_squared_products(x, axis_name) / x.shape[1] ** 2) for x in rows)
    return {
        "spectrum": functools.reduce(jnp.add, spectrum),
        "invariance": len(rows) * functools.reduce(jnp.add, apart) / jnp.maximum(count, 1),
    }


def _unit_columns(z, counted, count, center, axis_name):
    """Columns of length 1 over the global batch; zeros stay, a short one's gradient is tamed."""
    total = summed(axis_name)
    x, _ = in_range(z, axis_name=axis_name, axis=0)
    x = centred(x, counted, count, total) if center else x
    damp = fading(lax.stop_gradient(total(jnp.square(x).sum(axis=0, keepdims=True))))
    x = jnp.where(damp < 1, damp * x + lax.stop_gradient((1 - damp) * x), x)
    square = total(jnp.square(x).sum(axis=0, keepdims=True))
    return x * lax.rsqrt(jnp.maximum(square, 1e-12))


def _squared_products(x, axis_name):
    """Squared norm of x^T x over the global batch, by the smaller product."""
    total = summed(axis_name)
    if global_rows(x, axis_name) >= x.shape[1]:
        return jnp.square(total(jnp.matmul(x.T, x, precision="highest"))).sum()
    return total(jnp.square(jnp.matmul(x, gathered(x, axis_name).T, precision="highest")).sum())


def _log(square):
    return jnp.log(jnp.where(square > 0, square, 1))
