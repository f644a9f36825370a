"""Losses without negatives: views agree, every dimension varies, no two say the same.

Both return unweighted terms, as each is a statistic of the batch and not a mean over examples. Sums
over pairs of dimensions go through the smaller of two products, dim x dim or batch x batch: the
squared norms of X^T X and of X X^T are the same.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from mmalign.losses.numerics import centred, global_rows, paired_rows, summed


def vicreg(
    z_a: ArrayLike,
    z_b: ArrayLike,
    *,
    gamma: float = 1.0,
    eps: float = 1e-4,
    unbiased: bool = True,
    where: ArrayLike | None = None,
    axis_name: str | None = None,
) -> dict[str, jax.Array]:
    """The three terms of VICReg; the official loss is 25 invariance + 25 variance + covariance.

    * invariance: squared distance of paired rows, mean over rows and dimensions. 0 if views agree.
    * variance: max(0, gamma - sqrt(variance + eps)), mean over dimensions and over both views. 0 if
      every dimension varies enough, gamma - sqrt(eps) if all rows are alike (collapse).
    * covariance: squared covariances of different dimensions, summed, over dim; summed over views.
      0 if dimensions are uncorrelated.

    Args:
      z_a: [batch, dim] floats, two rows that count at least.
      z_b: as z_a, the other view.
      gamma: the standard deviation that is enough.
      eps: under the root, which bounds its gradient at 0.
      unbiased: whether the hinge's variance divides by count - 1, as in the official code, or by
        count, as in CroSSL's. The covariance divides by count - 1 in both.
      where: bool [batch], rows that count; None for all. With fewer than two there is no variance:
        variance and covariance are 0.
      axis_name: mapped axis that splits the batch; None if z_a is the whole batch.
    Returns: {"invariance", "variance", "covariance"}, scalars, float32 or wider.
    Raises: ValueError for shapes that differ or are not [batch, dim] or `where` of another shape;
      TypeError for arrays that are not floating-point.
    References: Bardes et al. 2022, arXiv:2105.04906, eq. 1 to 6. As in the authors' code the two
      hinges are averaged where the paper adds them, and the distance is over dim where the paper
      sums: weights (i, v, c) here are (i / dim, v / 2, c) there. Unlike that code the covariance
      divides by the rows that are there, also in a short last batch.
    """
    z_a, z_b, where = paired_rows(z_a, z_b, where)
    total = summed(axis_name)
    count = total(where.sum(dtype=z_a.dtype))
    apart = total(jnp.square(z_a - z_b).sum()) / (jnp.maximum(count, 1) * z_a.shape[1])
    variance = covariance = 0.0
    for z in (z_a, z_b):
        if axis_name is None:
            scatter, products = _moments(z, where, count)
        else:
            x = centred(z, where, count, total)
            scatter, products = total(jnp.square(x).sum(axis=0)), _squared_products(x, x, axis_name)
        spread = scatter / jnp.maximum(count - unbiased, 1)
        variance += jnp.maximum(0, gamma - jnp.sqrt(spread + eps)).mean() / 2
        pairs = products - jnp.square(scatter).sum()
        covariance += pairs / jnp.square(jnp.maximum(count - 1, 1)) / z.shape[1]
    enough = count >= 2
    return {
        "invariance": apart,
        "variance": jnp.where(enough, variance, 0),
        "covariance": jnp.where(enough, covariance, 0),
    }


def barlow_twins(
    z_a: ArrayLike,
    z_b: ArrayLike,
    *,
    eps: float = 1e-5,
    where: ArrayLike | None = None,
    axis_name: str | None = None,
) -> dict[str, jax.Array]:
    """The two terms of Barlow Twins; the official loss is invariance + 0.0051 redundancy.

    C, [dim, dim], is the correlation over the batch of z_a's dimensions with z_b's.

    * invariance: squared 1 - C_jj, summed over dimensions. 0 if views agree, dim if they are
      unrelated.
    * redundancy: squared C_jk of different dimensions, summed. About dim^2 / batch at chance.

    Args:
      z_a: [batch, dim] floats, two rows that count at least.
      z_b: as z_a, the other view.
      eps: added to variances; a dimension that does not vary correlates with nothing.
      where: bool [batch], rows that count; None for all. If none counts both terms are 0.
      axis_name: mapped axis that splits the batch; None if z_a is the whole batch.
    Returns: {"invariance", "redundancy"}, scalars, float32 or wider.
    Raises: as `vicreg`.
    References: Zbontar et al. 2021, arXiv:2103.03230, eq. 1 and 2; variances are biased and hold
      eps, as those of the batch normalisation in the authors' code.
    """
    z_a, z_b, where = paired_rows(z_a, z_b, where)
    total = summed(axis_name)
    count = total(where.sum(dtype=z_a.dtype))
    size = jnp.maximum(count, 1)

    def standardised(z):
        x = centred(z, where, count, total)
        return x * lax.rsqrt(total(jnp.square(x).sum(axis=0, keepdims=True)) / size + eps)

    a, b = standardised(z_a), standardised(z_b)
    same = total((a * b).sum(axis=0)) / size
    pairs = _squared_products(a, b, axis_name) / jnp.square(size) - jnp.square(same).sum()
    invariance = jnp.square(1 - same).sum()
    return {"invariance": jnp.where(count > 0, invariance, 0), "redundancy": pairs}


def _squared_products(a, b, axis_name):
    """Squared norm of a^T b, [dim, dim], over the global batch.

    By way of the [batch, batch] products where these are fewer: sum of (a a^T) * (b b^T).
    """
    rows = global_rows(a, axis_name)
    if rows >= a.shape[1]:
        product = jnp.matmul(a.T, b, precision="highest")
        return jnp.square(summed(axis_name)(product)).sum()
    all_a, all_b = (a, b) if axis_name is None else lax.all_gather((a, b), axis_name, tiled=True)
    return summed(axis_name)((_gram(a, all_a) * _gram(b, all_b)).sum())


def _gram(x, y):
    return jnp.matmul(x, y.T, precision="highest")


@jax.custom_jvp
def _moments(z, where, count):
    """Of the centred rows x: squares summed over rows, [dim], and the squared norm of x^T x."""
    x = centred(z, where, count, summed(None))
    return _squares(x, _self_products(x))


@_moments.defjvp
def _moments_jvp(primals, tangents):
    """One more product with a matrix at hand, where tracing finds two, and no centring of dz.

    The rows x sum to 0, so that a shift of all rows by the same changes nothing.
    """
    (z, where, count), dz = primals, tangents[0]
    x = centred(z, where, count, summed(None))
    products = _self_products(x)
    factors = (products, x) if len(products) == len(x) else (x, products)
    slope = jnp.matmul(*factors, precision="highest")
    return _squares(x, products), (2 * (x * dz).sum(axis=0), 4 * jnp.vdot(slope, dz))


def _squares(x, products):
    return jnp.square(x).sum(axis=0), jnp.square(products).sum()


def _self_products(x):
    """x x^T or x^T x, the smaller one, from the blocks on and below its diagonal."""
    axis = int(len(x) >= x.shape[1])
    size = x.shape[axis]
    block = max(512, -(-size // 8))
    parts = [lax.slice_in_dim(x, i, min(i + block, size), axis=axis) for i in range(0, size, block)]
    contracted = (((1 - axis,), (1 - axis,)), ((), ()))
    below = [
        [lax.dot_general(a, b, contracted, precision="highest") for b in parts[: i + 1]]
        for i, a in enumerate(parts)
    ]
    n = range(len(parts))
    return jnp.block([[below[i][j] if j <= i else below[j][i].T for j in n] for i in n])
