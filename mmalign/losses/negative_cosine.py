"""Agreement with a target that is not learned from: SimSiam and BYOL."""

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from mmalign.losses.numerics import unit_norm
from mmalign.losses.rows import mean_over_counted, paired_rows


def negative_cosine(
    prediction: ArrayLike,
    target: ArrayLike,
    *,
    where: ArrayLike | None = None,
    axis_name: str | None = None,
) -> jax.Array:
    """Minus the cosine of a prediction and its target, which gets no gradient.

    -1 if they point the same way, 0 in the mean for random rows, whose variance is 1 / dim. It
    cannot show collapse, where it is -1 as well: watch the spread of normalised targets in each
    dimension, about 1 / sqrt(dim) if they are healthy. SimSiam takes the mean of both directions,
    of which the caller adds the second; BYOL 2 + 2 times this, summed over both.

    Args:
      prediction: [batch, dim] floats of any scale, of the predictor; normalised here. A zero row
        has cosine 0 with everything and gets no gradient.
      target: as prediction: of the same encoder (SimSiam), or of its moving average (BYOL).
      where: bool [batch], rows that count; None for all. See the package's rule.
      axis_name: mapped axis that splits the batch; only the count needs it.
    Returns: [batch] in [-1, 1], before the scaling by `where`; float32 or wider.
    Raises: ValueError for shapes that differ or are not [batch, dim]; TypeError for arrays that are
      not floating-point.
    References: Chen and He 2021, arXiv:2011.10566, eq. 1 to 4; Grill et al. 2020, arXiv:2006.07733,
      eq. 2.
    """
    prediction, target, where = paired_rows(prediction, target, where)
    cosine = jnp.sum(unit_norm(prediction) * unit_norm(lax.stop_gradient(target)), axis=1)
    return mean_over_counted(-cosine, where, axis_name)
