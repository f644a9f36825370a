"""Which tokens of an encoder hold samples."""

import jax
import jax.numpy as jnp
import numpy as np


def visible(x: jax.Array, valid: jax.Array | None) -> jax.Array:
    """Grid [b, rows, cols, channels] with zeros in the rows that hold no sample.

    valid: bool [b, rows]; None for a grid without gaps.
    """
    return x if valid is None else jnp.where(valid[:, :, None, None], x, jnp.zeros((), x.dtype))


def token_mask(
    valid: jax.Array | None, shape: tuple[int, ...], stride: int, count: int
) -> tuple[jax.Array, jax.Array | None]:
    """Which of `count` tokens hold a valid sample, and which count when they are pooled.

    Token i stands for rows i * stride to (i + 1) * stride of the grid. One that lies beyond the
    last row, in the padding, holds no sample, but counts, as it does in windows without gaps.

    Args:
      valid: as `visible` has it.
      shape: (b, rows) of the grid.
      stride: rows of a token.
      count: tokens.
    Returns: (bool [b, count], bool [b, count] or None where all tokens count).
    """
    real = jnp.ones(shape, bool)
    if valid is None:
        return _held(real, stride, count), None
    mask = _held(valid, stride, count)
    return mask, mask | ~_held(real, stride, count)


def grid_mask(
    valid: jax.Array | None,
    batch: int,
    size: tuple[int, int],
    stride: tuple[int, int],
    grid: tuple[int, int],
) -> tuple[jax.Array, jax.Array | None]:
    """`token_mask` of [H, W] tokens, flat [b, H * W].

    Args:
      valid: as `visible` has it.
      batch: rows of the batch.
      size: (rows, cols) of the window.
      stride: (rows, cols) of a token.
      grid: (H, W) tokens.
    """
    real = (np.arange(grid[1]) * stride[1] < size[1])[None, None]
    mask, keep = token_mask(valid, (batch, size[0]), stride[0], grid[0])
    mask = (mask[:, :, None] & real).reshape(batch, -1)
    return mask, None if keep is None else (keep[:, :, None] | ~real).reshape(batch, -1)


def _held(valid, stride, count):
    """Bool [b, rows] -> [b, count]: whether any row of a token is."""
    beyond = max(count * stride - valid.shape[1], 0)
    valid = jnp.pad(valid, ((0, 0), (0, beyond)))[:, : count * stride]
    return valid.reshape(-1, count, stride).any(axis=-1)
