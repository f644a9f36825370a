"""Sequences whose windows are closer to each other than to those of other sequences."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from mmalign.losses.knobs import Scalar, check_scalar
from mmalign.losses.numerics import root, squared_distances, widen
from mmalign.losses.ring import axis_devices
from mmalign.losses.rows import (
    check_some,
    gathered,
    in_range,
    mean_over_counted,
    places,
    rows_that_count,
)


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
    check_scalar("margin", margin)
    (h,) = widen(h)
    if h.ndim != 2:
        raise ValueError(f"h must be [batch, dim], got shape {h.shape}")
    check_some(h.shape)
    if not isinstance(length, int):
        raise ValueError(f"length must be a whole number, got {length!r}")
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
    h, unit = in_range(jnp.where(where[:, None], h, 0), axis_name=axis_name)
    h = h.reshape(sequences, length, -1)
    window = where.reshape(sequences, length)
    (all_h, all_window), place = gathered((h, window), axis_name), places(sequences, axis_name)

    within = _mean_within(h, window) * unit
    between = _mean_between(h, window, all_h, all_window) * unit
    enough = all_window.sum(axis=1) >= 2
    others = enough[None] & (place[:, None] != jnp.arange(len(all_h))[None])
    hinge = jnp.maximum(within[:, None] - between + jnp.asarray(margin, h.dtype), 0)
    count = jnp.maximum(others.sum(axis=1, dtype=h.dtype), 1)
    loss = jnp.sum(hinge, axis=1, where=others) / count
    return mean_over_counted(loss, window.sum(axis=1) >= 2, axis_name)


def _mean_within(h, window):
    """C_ss: [sequences, length, dim] -> [sequences], over pairs of different windows."""
    square = jnp.square(h[:, :, None] - h[:, None]).sum(axis=-1)
    pairs = window[:, :, None] & window[:, None] & ~jnp.eye(h.shape[1], dtype=bool)[None]
    count = jnp.maximum(pairs.sum(axis=(1, 2), dtype=h.dtype), 1)
    return jnp.sum(root(square), axis=(1, 2), where=pairs) / count


def _mean_between(h, window, all_h, all_window):
    """C_ss' of this device's sequences to all: [sequences, all sequences].

    Neighbours in time, whose distances are too small for `squared_distances`, are left to
    `_mean_within`.
    """
    distance = root(squared_distances(*(x.reshape(-1, x.shape[-1]) for x in (h, all_h))))
    pairs = window.reshape(-1)[:, None] & all_window.reshape(-1)[None]
    blocks = (len(h), h.shape[1], len(all_h), h.shape[1])
    total = jnp.where(pairs, distance, 0).reshape(blocks).sum(axis=(1, 3))
    count = pairs.reshape(blocks).sum(axis=(1, 3), dtype=h.dtype)
    return total / jnp.maximum(count, 1)
