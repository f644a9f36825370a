"""Assignments of a batch to classes that are used alike."""

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from mmalign.losses.knobs import Scalar, check_temperature, inverse
from mmalign.losses.numerics import widen
from mmalign.losses.rows import check_some, rows_that_count, summed


def sinkhorn(
    logits: ArrayLike,
    *,
    temperature: Scalar = 0.04,
    iterations: int = 3,
    where: ArrayLike | None = None,
    axis_name: str | None = None,
) -> jax.Array:
    """Log of soft assignments under which all classes have about the same share of the batch.

    Columns are scaled to the same sum, then rows to sum 1, and so on. A teacher for `distillation`
    with teacher_temperature=1, in place of a centre.

    Args:
      logits: [batch, classes] floats.
      temperature: positive scalar, unitless.
      iterations: of both scalings.
      where: bool [batch], rows that count; None for all. Others come out uniform.
      axis_name: mapped axis that splits the batch; sums over the batch are those of all devices.
    Returns: [batch, classes], float32 or wider, without gradient.
    Raises: ValueError for logits that are not [batch, classes], TypeError if not floating-point.
    References: Caron et al. 2020, arXiv:2006.09882, section 3.1; in place of the centre in DINOv2,
      arXiv:2304.07193.
    """
    check_temperature(temperature)
    (logits,) = widen(logits)
    if logits.ndim != 2:
        raise ValueError(f"logits must be [batch, classes], got shape {logits.shape}")
    check_some(logits.shape)
    where = rows_that_count(where, logits.shape[:1])[:, None]
    total = summed(axis_name)
    log_q = lax.stop_gradient(jnp.where(where, logits * inverse(temperature, logits.dtype), 0))
    for _ in range(iterations):
        peak = jnp.where(where, log_q, -jnp.inf).max(axis=0, keepdims=True)
        peak = peak if axis_name is None else lax.pmax(peak, axis_name)
        peak = jnp.where(peak > -jnp.inf, peak, 0)
        shares = total(jnp.sum(jnp.exp(log_q - peak), axis=0, keepdims=True, where=where))
        log_q = log_q - peak - jnp.log(jnp.where(shares > 0, shares, 1))
        log_q = jax.nn.log_softmax(jnp.where(where, log_q, 0), axis=1)
    return log_q
