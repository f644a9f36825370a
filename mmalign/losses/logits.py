"""Logits of a classifier that tells pairs that belong together from pairs that do not."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from mmalign.losses.numerics import widen
from mmalign.losses.rows import check_some, rows_that_count


def two_sides(
    names: tuple[str, str],
    real: ArrayLike,
    fake: ArrayLike,
    where: ArrayLike | None,
    fake_where: ArrayLike | None,
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """Checked logits of both sides, zero where they do not count, and the bool masks of both.

    Args:
      names: of the two arrays in error messages; the mask of fake is the second plus "_where".
      real: [batch].
      fake: [batch] or [several, batch].
      where: bool [batch], or None for all.
      fake_where: bool of fake's shape; None: as where.
    Returns: real [batch], fake [several, batch], where [batch], fake_where [several, batch].
    """
    real, fake = widen(real, fake)
    check_rows(names[0], real)
    fake = stacked(names[1], fake, real)
    where = rows_that_count(where, real.shape)
    if fake_where is None:
        fake_where = jnp.broadcast_to(where[None], fake.shape)
    elif jnp.ndim(fake_where) == 1:
        fake_where = jnp.asarray(fake_where)[None]
    fake_where = rows_that_count(fake_where, fake.shape, name=f"{names[1]}_where")
    return jnp.where(where, real, 0), jnp.where(fake_where, fake, 0), where, fake_where


def check_rows(name: str, logits: jax.Array, shape: tuple[int, ...] | None = None) -> None:
    """Raises ValueError if `logits` is not [batch], or of another shape than the one given."""
    if logits.ndim != 1:
        raise ValueError(f"{name} must be [batch], got shape {logits.shape}")
    check_some(logits.shape)
    if shape is not None and logits.shape != shape:
        raise ValueError(f"{name} must be [batch] = {list(shape)}, got {list(logits.shape)}")


def stacked(name: str, logits: jax.Array, rows: jax.Array) -> jax.Array:
    """[batch] or [several, batch] logits as [several, batch]."""
    several = logits[None] if logits.ndim == 1 else logits
    if several.ndim != 2 or several.shape[1] != len(rows) or not len(several):
        raise ValueError(
            f"{name} must be [batch] or [several, batch] with batch = {len(rows)}, "
            f"got shape {logits.shape}"
        )
    return several
