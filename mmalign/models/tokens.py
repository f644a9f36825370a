"""Which tokens of an encoder hold samples."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from mmalign.models.patches import Patching

UNMASKABLE = "a method that hides patches needs encoder.maskable=True"


def visible(x: jax.Array, valid: jax.Array | None) -> jax.Array:
    """Grid [b, rows, cols, channels] with zeros in the rows that hold no sample.

    valid: bool [b, rows]; None for a grid without gaps.
    """
    return x if valid is None else jnp.where(valid[:, :, None, None], x, jnp.zeros((), x.dtype))


def shown(
    module: nn.Module, patching: Patching, x: jax.Array, masked: jax.Array | None,
    valid: jax.Array | None, *, axis: int = 3, maskable: bool = True,
) -> jax.Array:  # fmt: skip
    """Grid [b, rows, cols, channels] as an encoder may see it: `visible`, hidden patches replaced.

    A parameter of `module`, "mask_token", stands in each cell of a hidden patch.

    Args:
      masked: bool [b, H, W] of `patching`, the patches that are hidden; None for none.
      valid: as `visible` has it.
      axis: the token has values of its own along this axis and those after it.
      maskable: whether there is such a parameter.
    Raises: ValueError for a grid of another size, or patches to hide without a token.
    """
    if x.ndim != 4 or x.shape[1:3] != patching.size:
        raise ValueError(f"need [batch, *{patching.size}, channels], got {x.shape}")
    x = visible(x, valid)
    if not maskable:
        if masked is not None:
            raise ValueError(UNMASKABLE)
        return x
    # Not zeros: a normalisation of nothing but zeros blows the gradient up.
    token = module.param("mask_token", nn.initializers.normal(1.0), x.shape[axis:])
    if masked is None:
        return x
    return jnp.where(patching.cells(masked)[..., None], token[(None,) * axis], x)


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
