"""Information terms from critics' logits (InfoMAE), and closed forms to hold them against.

A critic is a network T that separates rows of a joint distribution from rows of the product of its
marginals. Trained with `density_ratio` its logit is the log of the density ratio, so the mean logit
of joint rows estimates a mutual information (two arguments) or a total correlation (more), in nats.

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

from mmalign.losses.logits import check_rows, stacked, two_sides
from mmalign.losses.numerics import Scalar, mean_over_counted, rows_that_count, softplus, widen


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


def shared_information(
    own: ArrayLike,
    other: ArrayLike,
    joint: ArrayLike | None = None,
    *,
    beta: Scalar,
    form: str = "two_ratio",
    where: ArrayLike | None = None,
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
    if isinstance(beta, int | float) and not 0 <= beta < 1:
        raise ValueError(f"beta must lie in [0, 1), got {beta}: from 1 on a constant is optimal")
    own, other, joint = widen(own, other, own if joint is None else joint)
    check_rows("own", own)
    other = stacked("other", other, own)
    check_rows("joint", joint, own.shape)
    where = rows_that_count(where, own.shape)
    own, joint = jnp.where(where, own, 0), jnp.where(where, joint, 0)
    other = jnp.where(jnp.broadcast_to(where[None], other.shape), other, 0).mean(axis=0)

    beta = jnp.asarray(beta, own.dtype)
    if form == "two_ratio":
        loss = beta * own - other
    elif form == "three_ratio":
        loss = joint - (1 - beta) * own - other
    else:
        loss = joint + (1 - beta) * own + other
    return mean_over_counted(loss, where, axis_name)


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
    own, shared = widen(own, shared)
    check_rows("own", own)
    check_rows("shared", shared, own.shape)
    where = rows_that_count(where, own.shape)
    own, shared = jnp.where(where, own, 0), jnp.where(where, shared, 0)
    gamma, epsilon = jnp.asarray(gamma, own.dtype), jnp.asarray(epsilon, own.dtype)
    return mean_over_counted(gamma * own + epsilon * shared, where, axis_name)


def gaussian_mutual_information(correlation: ArrayLike) -> jax.Array:
    """Mutual information of jointly Gaussian scalars, -log(1 - correlation^2) / 2, in nats.

    Elementwise; infinite at correlation 1 and -1.
    """
    (correlation,) = widen(correlation)
    return -0.5 * jnp.log1p(-jnp.square(correlation))


def entropy(table: ArrayLike) -> jax.Array:
    """Entropy in nats of the distribution over all cells of `table`, which sum to 1."""
    (table,) = widen(table)
    return jnp.sum(jax.scipy.special.entr(table))


def total_correlation(table: ArrayLike) -> jax.Array:
    """Total correlation in nats of the variables of a probability table, one axis each.

    The sum of the marginals' entropies minus the joint entropy: of two variables their mutual
    information.
    """
    axes = range(jnp.ndim(table))
    marginals = [jnp.sum(table, axis=[k for k in axes if k != axis]) for axis in axes]
    return sum(entropy(m) for m in marginals) - entropy(table)
