"""Reconstruction losses: predicted patches against the input's own."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from mmalign.losses.knobs import Scalar, check_scalar
from mmalign.losses.numerics import absolute, widen
from mmalign.losses.rows import check_some, mean_over_counted, rows_that_count


def masked_mse(
    prediction: ArrayLike,
    target: ArrayLike,
    mask: ArrayLike | None = None,
    *,
    where: ArrayLike | None = None,
    axis_name: str | None = None,
) -> jax.Array:
    """Squared error averaged inside each patch, then over an example's scored patches.

    What is predicted, or asked for, at the other patches has no influence on value and gradient,
    not even as NaN. An example without a scored patch costs 0 (and counts, unless `where` leaves it
    out). The best constant prediction costs the variance: 1 for normalised patches.

    Args:
      prediction: [batch, ..., values] patches.
      target: as prediction.
      mask: bool [batch, ...], True = scored; None for all. In masked autoencoding: the patches
        hidden from the encoder that hold real cells, as padding is nothing to be learned.
      where: bool [batch], examples that count; None for all. See the package's rule.
      axis_name: mapped axis that splits the batch; only the count needs it.
    Returns: [batch], in the squared unit of the target, float32 or wider.
    Raises: ValueError for shapes that do not fit, TypeError for a mask that is not bool or patches
      that are not floating-point.
    References: He et al. 2022, arXiv:2111.06377, section 3; InfoMAE (Kimura et al. 2025,
      arXiv:2504.09707) eq. 3 and 8, whose sums are means here, so that weights do not depend on the
      number of patches or examples. MAE's code pools the removed patches of all examples: where
      examples have different numbers of them, those with more weigh more there, and alike here.
    """
    return _averaged(jnp.square, prediction, target, mask, where, axis_name)


def masked_l1(
    prediction: ArrayLike,
    target: ArrayLike,
    mask: ArrayLike | None = None,
    *,
    where: ArrayLike | None = None,
    axis_name: str | None = None,
) -> jax.Array:
    """Absolute error, averaged as in `masked_mse`: a spike counts once, not squared.

    The best constant prediction, the median, costs the mean distance from it: 0.798 for normalised
    Gaussian patches. An error of exactly 0 has gradient 0.

    Args: as `masked_mse`.
    Returns: [batch], in the unit of the target, float32 or wider.
    Raises: as `masked_mse`.
    References: none; the mean absolute error.
    """
    return _averaged(absolute, prediction, target, mask, where, axis_name)


def masked_huber(
    prediction: ArrayLike,
    target: ArrayLike,
    mask: ArrayLike | None = None,
    *,
    delta: Scalar = 1.0,
    where: ArrayLike | None = None,
    axis_name: str | None = None,
) -> jax.Array:
    """Huber's error, averaged as in `masked_mse`: half the square up to `delta`, linear beyond.

    An error e costs e^2 / 2 if |e| <= delta, else delta (|e| - delta / 2), with slope delta.

    Args: as `masked_mse`, and
      delta: positive scalar in the target's unit; may be traced.
    Returns: [batch], in the squared unit of the target, float32 or wider.
    Raises: as `masked_mse`; ValueError for a delta that is not a positive scalar.
    References: Huber 1964, Robust estimation of a location parameter.
    """
    check_scalar("delta", delta, above=0)

    def huber(error):
        size = absolute(error)
        near = jnp.minimum(size, jnp.asarray(delta, error.dtype))
        return near * (size - near / 2)

    return _averaged(huber, prediction, target, mask, where, axis_name)


def _averaged(penalty, prediction, target, mask, where, axis_name):
    """Mean penalty of the errors inside each patch, then over an example's scored patches.

    penalty: elementwise function of the error, 0 at 0.
    """
    prediction, target = widen(prediction, target)
    if prediction.shape != target.shape or prediction.ndim < 2:
        raise ValueError(
            f"prediction and target must both be [batch, ..., values], "
            f"got {prediction.shape} and {target.shape}"
        )
    check_some(prediction.shape)
    where = rows_that_count(where, prediction.shape[:1])
    mask = rows_that_count(mask, prediction.shape[:-1], name="mask")
    mask = mask & where.reshape(-1, *[1] * (mask.ndim - 1))

    error = jnp.where(mask[..., None], prediction - target, 0)  # cleared first: NaN stays out
    total = penalty(error).mean(axis=-1).reshape(len(mask), -1).sum(axis=1)
    scored = mask.reshape(len(mask), -1).sum(axis=1, dtype=total.dtype)
    return mean_over_counted(total / jnp.maximum(scored, 1), where, axis_name)
