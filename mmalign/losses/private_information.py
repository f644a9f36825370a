"""What a modality keeps to itself: small, and independent of what it shares."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from mmalign.losses.knobs import Scalar, check_scalar
from mmalign.losses.logits import check_rows
from mmalign.losses.numerics import widen
from mmalign.losses.rows import mean_over_counted, rows_that_count


def private_information(
    own: ArrayLike,
    shared: ArrayLike,
    *,
    gamma: Scalar,
    epsilon: Scalar,
    where: ArrayLike | None = None,
    axis_name: str | None = None,
) -> jax.Array:
    """What an encoder minimises so that v_i is small and independent of u_i.

    gamma * own + epsilon * shared, whose mean estimates gamma I(x_i; v_i) + epsilon I(v_i; u_i);
    for a v_i computed from x_i the first is its entropy. Only reconstruction puts content into v_i:
    without it a constant is best. Both terms are adversarial, the critic detects what the encoder
    removes; the gradient must reach the encoder through v_i and u_i, with the critics' weights
    fixed.

    Args:
      own: [batch] logits of (x_i, v_i).
      shared: [batch] logits of (v_i, u_i).
      gamma: weight of the first term, a scalar; may be traced.
      epsilon: weight of the second, likewise.
      where: bool [batch], rows that count; None for all. See the package's rule.
      axis_name: mapped axis that splits the batch; only the count needs it.
    Returns: [batch] in nats, float32 or wider.
    Raises: ValueError, TypeError for other shapes and dtypes.
    References: InfoMAE (Kimura et al. 2025, arXiv:2504.09707) eq. 7 and 22.
    """
    check_scalar("gamma", gamma)
    check_scalar("epsilon", epsilon)
    own, shared = widen(own, shared)
    check_rows("own", own)
    check_rows("shared", shared, own.shape)
    where = rows_that_count(where, own.shape)
    own, shared = jnp.where(where, own, 0), jnp.where(where, shared, 0)
    gamma, epsilon = jnp.asarray(gamma, own.dtype), jnp.asarray(epsilon, own.dtype)
    return mean_over_counted(gamma * own + epsilon * shared, where, axis_name)
