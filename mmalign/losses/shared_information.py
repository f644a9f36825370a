"""What a modality shares, priced and kept by critics' logits (InfoMAE).

Gradients of the two players. The critic learns from `density_ratio` on detached representations.
The encoder learns from the logits of joint rows in `shared_information` and `private_information`,
with the critic's weights held fixed (`stop_gradient` on the weights, not on the logit): the
gradient has to flow through the representation, the critic's input. With the exact ratio that is
the whole gradient, as the terms from the change of the ratio itself have mean zero; shuffled rows
serve the critic alone.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from mmalign.losses.knobs import Scalar, check_scalar
from mmalign.losses.logits import check_rows, stacked
from mmalign.losses.numerics import widen
from mmalign.losses.rows import mean_over_counted, rows_that_count


def shared_information(
    own: ArrayLike,
    other: ArrayLike,
    joint: ArrayLike | None = None,
    *,
    beta: Scalar,
    form: str = "two_ratio",
    where: ArrayLike | None = None,
    own_where: ArrayLike | None = None,
    axis_name: str | None = None,
) -> jax.Array:
    """What an encoder minimises so that u_i holds what its modality shares, and no more.

    With u_i a function of modality i's input x_i, and x_o another modality's:

      "two_ratio"    beta * own - mean_o other
      "three_ratio"  joint - (1 - beta) * own - mean_o other

    Their means estimate beta I(x_i; u_i) - I(x_o; u_i), the second one plus I(x_i; x_o), which no
    encoder can change: the gradients agree in expectation, and the joint critic only adds noise.
    "three_ratio" is what the paper derives, for a discrete u and two modalities:
    TC - (1 - beta) I_own - I_other = I(x_1; x_2 | u) + beta H(u).

    "three_ratio_printed" is `joint + (1 - beta) * own + other`, the sign that the paper prints. It
    is wrong: between its eq. 16 and eq. 18 the two fractions are turned over and their signs are
    not. It exceeds the right form by 2 (1 - beta) I_own + 2 I_other, so it *removes* what u_i tells
    of the other modality, and for any beta below 2 a constant u_i is best. Kept to reproduce that.

    The mean over the other modalities, M - 1 of them, keeps the scale and the meaning of beta for
    any M: as I(x_o; u_i) <= I(x_i; u_i), a constant u_i is best from beta = 1 on, and earlier the
    weaker the modalities depend on each other (from the squared correlation on for two Gaussians).
    With a sum that bound would move to M - 1. Where rows lack different modalities, call this once
    per other modality, with its own `where`, and average.

    The gradient must reach the encoder through u_i, with the critics' weights fixed (see above).

    Args:
      own: [batch] logits of (x_i, u_i).
      other: [batch] or [others, batch] logits of (x_o, u_i), one row per other modality.
      joint: [batch] logits of (all x, u_i); needed by the three-ratio forms, by them alone.
      beta: price of a nat kept, in [0, 1); may be traced, so it can be ramped.
      form: "two_ratio", "three_ratio" or "three_ratio_printed".
      where: bool [batch], rows that count; None for all. See the package's rule.
      own_where: bool [batch], rows on which u_i is charged for what it holds, beta * own: windows
        without a partner tell that, too. The rest is of `where`; each side is the mean over its
        rows. None: as `where`.
      axis_name: mapped axis that splits the batch; only the count needs it.
    Returns: [batch] in nats, of either sign, float32 or wider.
    Raises: ValueError for an unknown form, joint missing or needless, beta outside [0, 1), shapes;
      TypeError for arrays that are not floating-point.
    References: InfoMAE (Kimura et al. 2025, arXiv:2504.09707) eq. 5 with the sign corrected, and
      its reduced form; not the distance between representations (alpha) of eq. 4.
    """
    if form not in ("two_ratio", "three_ratio", "three_ratio_printed"):
        raise ValueError(
            f'form must be "two_ratio", "three_ratio" or "three_ratio_printed", got {form!r}'
        )
    if (joint is None) != (form == "two_ratio"):
        raise ValueError(
            f"joint is {'missing' if joint is None else 'not used'} with form={form!r}; "
            f"pass it with the three-ratio forms only"
        )
    check_scalar("beta", beta)
    if isinstance(beta, int | float) and not 0 <= beta < 1:
        raise ValueError(f"beta must lie in [0, 1), got {beta}: from 1 on a constant is optimal")
    own, other, joint = widen(own, other, own if joint is None else joint)
    check_rows("own", own)
    other = stacked("other", other, own)
    check_rows("joint", joint, own.shape)
    where = rows_that_count(where, own.shape)
    everywhere = own  # of any row
    own, joint = jnp.where(where, own, 0), jnp.where(where, joint, 0)
    other = jnp.where(jnp.broadcast_to(where[None], other.shape), other, 0).mean(axis=0)

    beta = jnp.asarray(beta, own.dtype)
    price = beta if own_where is None else 0 * beta
    if form == "two_ratio":
        loss = price * own - other
    elif form == "three_ratio":
        loss = joint - (1 - price) * own - other
    else:
        loss = joint + (1 - price) * own + other
    loss = mean_over_counted(loss, where, axis_name)
    if own_where is None:
        return loss
    own_where = rows_that_count(own_where, own.shape, name="own_where")
    charge = (-beta if form == "three_ratio_printed" else beta) * jnp.where(
        own_where, everywhere, 0
    )
    return loss + mean_over_counted(charge, own_where, axis_name)
