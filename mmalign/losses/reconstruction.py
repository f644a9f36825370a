"""Reconstruction losses: predicted patches against the input's own."""

import jax.numpy as jnp

from mmalign.losses.numerics import mean_over_counted, rows_that_count, widen


def masked_mse(prediction, target, mask, *, where=None, axis_name=None):
    """Squared error averaged inside each patch, then over an example's scored patches.

    What is predicted, or asked for, at the other patches has no influence on value and gradient,
    not even as NaN. An example without a scored patch costs 0 (and counts, unless `where` leaves it
    out).

    Args:
      prediction: [batch, ..., values] patches.
      target: as prediction.
      mask: bool [batch, ...], True = scored. In masked autoencoding: the patches hidden from the
        encoder that hold real cells, as padding is nothing to be learned.
      where: bool [batch], examples that count; None for all. See the package's rule.
      axis_name: mapped axis that splits the batch; only the count needs it.
    Returns: [batch], in the squared unit of the target, float32 or wider.
    Raises: ValueError for shapes that do not fit, TypeError for a mask that is not bool or patches
      that are not floating-point.
    References: He et al. 2022, arXiv:2111.06377, section 3; InfoMAE (Kimura et al. 2025,
      arXiv:2504.09707) eq. 3 and 8, whose sums are means here, so that weights do not depend on the
      number of patches or examples.
    """
    prediction, target = widen(prediction, target)
    if prediction.shape != target.shape or prediction.ndim < 2:
        raise ValueError(
            f"prediction and target must both be [batch, ..., values], "
            f"got {prediction.shape} and {target.shape}"
        )
    where = rows_that_count(where, prediction.shape[:1])
    mask = rows_that_count(mask, prediction.shape[:-1], name="mask")
    mask = mask & where.reshape(-1, *[1] * (mask.ndim - 1))

    error = jnp.where(mask[..., None], prediction - target, 0)  # before the square: NaN stays out
    total = jnp.square(error).mean(axis=-1).reshape(len(mask), -1).sum(axis=1)
    scored = mask.reshape(len(mask), -1).sum(axis=1, dtype=total.dtype)
    return mean_over_counted(total / jnp.maximum(scored, 1), where, axis_name)
