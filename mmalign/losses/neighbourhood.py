"""Temporal neighbourhood coding: which windows are close in time."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from mmalign.losses.knobs import Scalar, check_scalar
from mmalign.losses.logits import two_sides
from mmalign.losses.numerics import softplus
from mmalign.losses.rows import mean_over_counted


def neighbourhood_coding(
    neighbour: ArrayLike,
    distant: ArrayLike,
    *,
    weight: Scalar = 0.05,
    where: ArrayLike | None = None,
    distant_where: ArrayLike | None = None,
    axis_name: str | None = None,
) -> jax.Array:
    """Cross-entropy of a discriminator that asks whether two windows are neighbours in time.

    Windows far apart are not negatives but unlabelled: a share `weight` of them is taken to be in
    the same state as the window they are held against, so that they are neighbours all the same.

      (mean softplus(-neighbour) + mean [w softplus(-distant) + (1 - w) softplus(distant)]) / 2

    A discriminator at chance (logits 0) costs log 2. Logits without bound are best for neighbours,
    log(w / (1 - w)) for the distant, at half the entropy of w: 0.099 at 0.05.

    Args:
      neighbour: [batch] logits of windows with a neighbour each.
      distant: [batch] or [several, batch] logits of the windows with distant ones.
      weight: w, a scalar in [0, 1]; may be traced. 0 makes plain negatives of the distant.
      where: bool [batch], rows that count; None for all. See the package's rule.
      distant_where: bool of distant's shape, where the distant window may be missing too. None: as
        `where`. Each side is the mean of the logits that count on it.
      axis_name: mapped axis that splits the batch; only the counts need it.
    Returns: [batch] in nats, float32 or wider.
    Raises: ValueError for a weight outside [0, 1] or not a scalar, and for shapes; TypeError for
      arrays that are not floating-point.
    References: Tonekaboni et al. 2021, arXiv:2106.00750, whose code halves the sum that the paper
      prints, as here. The public code of FOCAL's and InfoMAE's group asks for label 0 in both
      distant terms: they add up to softplus(distant) and the weight does nothing; weight=0 is that.
    """
    neighbour, distant, where, distant_where = two_sides(
        ("neighbour", "distant"), neighbour, distant, where, distant_where
    )
    check_scalar("weight", weight)
    if isinstance(weight, int | float) and not 0 <= weight <= 1:
        raise ValueError(f"weight must lie in [0, 1], got {weight}")
    weight = jnp.asarray(weight, neighbour.dtype)
    near = mean_over_counted(softplus(-neighbour), where, axis_name)
    far = weight * softplus(-distant) + (1 - weight) * softplus(distant)
    return 0.5 * (near + mean_over_counted(far, distant_where, axis_name).mean(axis=0))
