"""Mutual information of two representations by their canonical correlations, without a critic."""

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from mmalign.losses.knobs import Scalar, check_scalar
from mmalign.losses.numerics import widen
from mmalign.losses.rows import centred, check_some, rows_that_count, summed


def canonical_information(
    x: ArrayLike,
    y: ArrayLike,
    *,
    noise: Scalar = 0.3,
    where: ArrayLike | None = None,
    axis_name: str | None = None,
) -> jax.Array:
    """Mutual information that x and y would have if they were jointly Gaussian, in nats.

    -1/2 sum_k log(1 - rho_k^2) over the canonical correlations rho_k, as a ratio of determinants of
    correlation matrices. 0 if no linear function of x tells of y; dependence that second moments do
    not show is not seen. Maximised it is canonical correlation analysis, minimised it takes what is
    linearly readable in one representation out of the other. It needs no critic, which few pairs
    would let memorise.

    Every column is scaled to variance 1 and gets noise, so that the information is finite (at most
    log(1 / noise) a column, about) and blind to the scale of single columns. The estimate from n
    rows is too high, by about dim_x * dim_y / 2n without noise. Means do not count.

    Args:
      x: [batch, dim_x] floats of any scale.
      y: [batch, dim_y]; row by row of the same examples.
      noise: standard deviation of what is added to each column, in that of the column; above 0. As
        much as rounding makes of columns that are alike is added in any case: of 128 in float32
        0.004.
      where: bool [batch], rows that count; None for all. With fewer than two the result is 0.
      axis_name: mapped axis that splits the batch; moments are summed, [dim_x + dim_y] squared.
    Returns: scalar, 0 or more up to rounding, float32 or wider.
    Raises: ValueError for arrays that are not [batch, dim], batches that differ, or noise not above
      0; TypeError for arrays that are not floating-point.
    References: Hotelling 1936 for canonical correlations; Gelfand and Yaglom 1959 for the
      information of Gaussian vectors by them.
    """
    check_scalar("noise", noise, above=0)
    x, y = widen(x, y)
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y):
        raise ValueError(f"need [batch, dim_x] and [batch, dim_y], got {x.shape} and {y.shape}")
    for z in (x, y):
        check_some(z.shape)
    where = rows_that_count(where, x.shape[:1])
    total = summed(axis_name)
    count = total(where.sum(dtype=x.dtype))
    z = jnp.where(where[:, None], jnp.concatenate([x, y], axis=1), 0)
    z = _in_units(z, axis_name)
    z = centred(z, where, count, total)
    scatter = total(jnp.matmul(z.T, z, precision="highest"))
    scale = jnp.diagonal(scatter)
    scale = jnp.where(scale > 0, lax.rsqrt(jnp.where(scale > 0, scale, 1)), 0)
    added = jnp.maximum(jnp.square(noise), len(scale) * jnp.finfo(z.dtype).eps)
    moments = jnp.outer(scale, scale) * scatter + added * jnp.eye(len(scale))
    k = x.shape[1]
    parts = _log_determinant(moments[:k, :k]) + _log_determinant(moments[k:, k:])
    return 0.5 * (parts - _log_determinant(moments))


def _in_units(z, axis_name):
    """Columns over their largest entry: the result is blind to it, and squares stay finite."""
    peak = lax.stop_gradient(jnp.abs(z).max(axis=0, keepdims=True))
    if axis_name is not None:
        peak = lax.pmax(peak, axis_name)
    return z / jnp.where(peak > 0, peak, 1)


def _log_determinant(matrix):
    """Of a positive definite one."""
    return 2 * jnp.log(jnp.diagonal(jnp.linalg.cholesky(matrix))).sum()
