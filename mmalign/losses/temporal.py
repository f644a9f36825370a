"""Temporal losses: windows close in time are close in representation."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from mmalign.losses.logits import two_sides
from mmalign.losses.numerics import (
    Scalar,
    gathered,
    mean_over_counted,
    places,
    rows_that_count,
    softplus,
    squared_distances,
    widen,
)
from mmalign.losses.ring import axis_devices


def sequence_ranking(
    h: ArrayLike,
    *,
    length: int,
    margin: Scalar = 1.0,
    where: ArrayLike | None = None,
    axis_name: str | None = None,
) -> jax.Array:
    """Hinge that keeps a sequence's windows closer to each other than to another sequence's.

    The batch is made of sequences of `length` neighbouring rows. With C_ss' the mean Euclidean
    distance between the windows of s and those of s', a pair of sequences costs max(C_ss - C_ss' +
    margin, 0), and a sequence the mean of that over all others; the mean over sequences is that
    over ordered pairs. The margin sets the scale of the representation, so do not normalise `h`.

    Args:
      h: [batch, dim] representations; rows k * length to (k + 1) * length - 1 are sequence k.
      length: windows per sequence, at least 2.
      margin: distance by which other sequences have to be further away; a scalar in h's unit.
      where: bool [batch], windows that count; None for all. Means are over pairs of windows that
        count. A sequence with fewer than two of them has no C_ss and is left out, as in the
        package's rule; if fewer than two sequences are left, all cost 0.
      axis_name: mapped axis that splits the batch between sequences, never inside one; None if h is
        the whole batch.
    Returns: [sequences] = [batch / length], in h's unit, float32 or wider.
    Raises: ValueError for an h that is not [batch, dim], a length below 2 or that does not divide
      the batch, or a single sequence; TypeError for an h that is not floating-point.
    References: InfoMAE (Kimura et al. 2025, arXiv:2504.09707) eq. 10, as a mean; C_ss leaves out a
      window's zero distance to itself, as FOCAL (Liu et al. 2023, arXiv:2310.20071) computes it.
    """
    (h,) = widen(h)
    if h.ndim != 2:
        raise ValueError(f"h must be [batch, dim], got shape {h.shape}")
    if length < 2 or len(h) % length:
        raise ValueError(
            f"length must be at least 2 and divide the batch of {len(h)}, got {length}"
        )
    sequences = len(h) // length
    if sequences * axis_devices(axis_name) < 2:
        raise ValueError(
            f"need two sequences or more, got a batch of {len(h)} with length={length}"
        )
    where = rows_that_count(where, h.shape[:1])
    h = jnp.where(where[:, None], h, 0).reshape(sequences, length, -1)
    window = where.reshape(sequences, length)
    (all_h, all_window), place = gathered((h, window), axis_name), places(sequences, axis_name)

    within = _mean_within(h, window)
    between = _mean_between(h, window, all_h, all_window)
    enough = all_window.sum(axis=1) >= 2
    others = enough[None] & (place[:, None] != jnp.arange(len(all_h))[None])
    hinge = jnp.maximum(within[:, None] - between + jnp.asarray(margin, h.dtype), 0)
    count = jnp.maximum(others.sum(axis=1, dtype=h.dtype), 1)
    loss = jnp.sum(hinge, axis=1, where=others) / count
    return mean_over_counted(loss, window.sum(axis=1) >= 2, axis_name)


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
    if jnp.ndim(weight) != 0:
        raise ValueError(f"weight must be a scalar, got shape {jnp.shape(weight)}")
    if isinstance(weight, int | float) and not 0 <= weight <= 1:
        raise ValueError(f"weight must lie in [0, 1], got {weight}")
    weight = jnp.asarray(weight, neighbour.dtype)
    near = mean_over_counted(softplus(-neighbour), where, axis_name)
    far = weight * softplus(-distant) + (1 - weight) * softplus(distant)
    return 0.5 * (near + mean_over_counted(far, distant_where, axis_name).mean(axis=0))


def _mean_within(h, window):
    """C_ss: [sequences, length, dim] -> [sequences], over pairs of different windows."""
    square = jnp.square(h[:, :, None] - h[:, None]).sum(axis=-1)
    pairs = window[:, :, None] & window[:, None] & ~jnp.eye(h.shape[1], dtype=bool)[None]
    count = jnp.maximum(pairs.sum(axis=(1, 2), dtype=h.dtype), 1)
    return jnp.sum(_root(square), axis=(1, 2), where=pairs) / count


def _mean_between(h, window, all_h, all_window):
    """C_ss' of this device's sequences to all: [sequences, all sequences].

    Neighbours in time, whose distances are too small for `squared_distances`, are left to
    `_mean_within`.
    """
    distance = _root(squared_distances(*(x.reshape(-1, x.shape[-1]) for x in (h, all_h))))
    pairs = window.reshape(-1)[:, None] & all_window.reshape(-1)[None]
    blocks = (len(h), h.shape[1], len(all_h), h.shape[1])
    total = jnp.where(pairs, distance, 0).reshape(blocks).sum(axis=(1, 3))
    count = pairs.reshape(blocks).sum(axis=(1, 3), dtype=h.dtype)
    return total / jnp.maximum(count, 1)


def _root(square):
    """Square root with gradient 0, not infinity, at 0."""
    positive = square > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, square, 1)), 0)
