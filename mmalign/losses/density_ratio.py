"""Density ratios from critics' logits (InfoMAE).

A critic is a network T that separates rows of a joint distribution from rows of the product of its
marginals. Trained with `density_ratio` its logit is the log of the density ratio, so the mean logit
of joint rows estimates a mutual information (two arguments) or a total correlation (more), in nats.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from mmalign.losses.logits import two_sides
from mmalign.losses.numerics import softplus
from mmalign.losses.rows import mean_over_counted


def density_ratio(
    joint: ArrayLike,
    product: ArrayLike,
    *,
    where: ArrayLike | None = None,
    product_where: ArrayLike | None = None,
    axis_name: str | None = None,
) -> jax.Array:
    """What a critic minimises so that its logit becomes log p(joint) / p(product of marginals).

    Balanced binary cross-entropy with logits: mean softplus(-joint) + mean softplus(product). Both
    sides are means, so the prior odds are even for any number of negatives and the logit *is* the
    log-ratio: there is no log(negatives) to add. A critic at chance (logits 0) costs 2 log 2.

    Args:
      joint: [batch] logits of aligned rows.
      product: [batch] or [negatives, batch] logits of rows put together from different examples.
      where: bool [batch], rows that count; None for all. See the package's rule.
      product_where: bool of product's shape, for negatives whose partner is missing. None: as
        `where`. Each side is the mean of the logits that count on it.
      axis_name: mapped axis that splits the batch; only the counts need it.
    Returns: [batch] loss in nats, float32 or wider.
    Raises: ValueError, TypeError for other shapes and dtypes.
    References: InfoMAE (Kimura et al. 2025, arXiv:2504.09707) eq. 6, which forms
      the ratio from probabilities; the logit is that without its loss of digits.
    """
    joint, product, where, product_where = two_sides(
        ("joint", "product"), joint, product, where, product_where
    )
    fake = mean_over_counted(softplus(product), product_where, axis_name)
    # as a product: jax 0.10 takes three times the rest of this loss for a sum over few long rows
    mean = jnp.matmul(jnp.full(len(fake), 1 / len(fake), fake.dtype), fake, precision="highest")
    return mean_over_counted(softplus(-joint), where, axis_name) + mean
