"""Attention inside windows of a grid, and Swin stages of it (Liu et al. 2021, arXiv:2103.14030)."""

import functools
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from mmalign.models.dropout import Dropout, DropPath
from mmalign.models.patches import pair

_BLOCKED = -100.0  # added to the logit of a pair from two regions; exp of it is 0 in float32
# As in the published encoder. With padding a token can be constant, and the gradient through its
# normalisation grows with 1 / sqrt(epsilon).
LayerNorm = functools.partial(nn.LayerNorm, epsilon=1e-5)


class Layers(NamedTuple):
    """What all blocks of an encoder or a decoder have in common.

    window: (rows, cols) of tokens that attend to each other.
    heads: of each attention.
    mlp_ratio: hidden width of a block's perceptron, in widths of a token.
    dropout: after each attention and each perceptron layer. attention_dropout: of its weights.
    dtype: of the computation; parameters stay float32.
    """

    window: tuple[int, int]
    heads: int
    mlp_ratio: int = 4
    dropout: float = 0.0
    attention_dropout: float = 0.0
    dtype: jnp.dtype = jnp.float32


def partition(x, window):
    """[b, H, W, c] -> [b, windows, tokens of a window, c], both in row-major order."""
    (b, height, width, c), (h, w) = x.shape, window
    x = x.reshape(b, height // h, h, width // w, w, c).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(b, -1, h * w, c)


def merge(x, window, grid):
    """Undoes `partition`."""
    (b, _, _, c), (h, w), (height, width) = x.shape, window, grid
    x = x.reshape(b, height // h, width // w, h, w, c).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(b, height, width, c)


@functools.lru_cache
def relative_index(window):
    """Numpy int [n, n]: row of the bias table that holds the offset from token j to token i."""
    h, w = window
    row, col = (axis.ravel() for axis in np.indices(window))
    down, right = row[:, None] - row[None] + h - 1, col[:, None] - col[None] + w - 1
    return down * (2 * w - 1) + right


@functools.lru_cache
def region_bias(grid, window, shift):
    """Numpy [windows, n, n]: 0 where two tokens were neighbours before the roll, else -100."""
    regions = [np.digitize(np.arange(n), [n - w, n - s]) for n, w, s in zip(grid, window, shift)]
    region = 3 * regions[0][:, None] + regions[1][None]
    region = np.asarray(partition(region[None, ..., None], window))[0, ..., 0]
    return np.where(region[:, :, None] == region[:, None], 0.0, _BLOCKED).astype(np.float32)


def fit_window(grid, window, *, shifted):
    """(window, shift) that a block uses on `grid`.

    The window shrinks to a grid that is not larger, and that axis then has no shift. The published
    encoder rolls only when both axes shift, so a stage as high as its window never shifts.
    """
    shift = tuple(w // 2 if n > w else 0 for n, w in zip(grid, window))
    window = pair([min(n, w) for n, w in zip(grid, window)])
    if any(n % w for n, w in zip(grid, window)):
        raise ValueError(f"a grid of {grid} tokens does not divide into windows of {window}")
    return window, shift if shifted and all(shift) else (0, 0)


class WindowAttention(nn.Module):
    """Attention inside each window with a learned bias per relative position.

    x: [b, windows, n, c]; region: [windows, n, n] added to the logits, or None.
    window: as `fit_window` has it, which may be smaller than that of the layers.
    """

    layers: Layers
    window: tuple[int, int]

    @nn.compact
    def __call__(self, x, region, *, train):
        (b, windows, n, c), (h, w), heads = x.shape, self.window, self.layers.heads
        dtype = self.layers.dtype
        if c % heads:
            raise ValueError(f"heads={heads} does not divide the width {c}")
        table = self.param(
            "relative_bias",
            nn.initializers.truncated_normal(0.02),
            ((2 * h - 1) * (2 * w - 1), heads),
        )
        qkv = nn.Dense(3 * c, dtype=dtype, name="qkv")(x)
        qkv = qkv.reshape(b, windows, n, 3, heads, c // heads)
        q, k, v = (qkv[:, :, :, i] for i in range(3))
        logits = jnp.einsum("bwqhd,bwkhd->bwhqk", q * (c // heads) ** -0.5, k)
        bias = table[relative_index(self.window)].transpose(2, 0, 1)[None]  # [1, heads, n, n]
        if region is not None:
            bias = bias + region[:, None]
        weights = nn.softmax(logits.astype(jnp.float32) + bias[None]).astype(dtype)
        weights = Dropout(self.layers.attention_dropout)(weights, train=train)
        x = jnp.einsum("bwhqk,bwkhd->bwqhd", weights, v).reshape(b, windows, n, c)
        x = nn.Dense(c, dtype=dtype, name="out")(x)
        return Dropout(self.layers.dropout)(x, train=train)


class SwinBlock(nn.Module):
    """Pre-norm windowed attention, then a pre-norm perceptron: [b, H, W, c] -> the same shape."""

    layers: Layers
    shifted: bool
    drop_path: float = 0.0

    @nn.compact
    def __call__(self, x, *, train):
        grid, c, layers = x.shape[1:3], x.shape[3], self.layers
        window, shift = fit_window(grid, layers.window, shifted=self.shifted)
        rolled = shift != (0, 0)

        y = LayerNorm(dtype=layers.dtype, name="norm_attention")(x)
        if rolled:
            y = jnp.roll(y, (-shift[0], -shift[1]), (1, 2))
        region = region_bias(grid, window, shift) if rolled else None
        attention = WindowAttention(layers, window, name="attention")
        y = merge(attention(partition(y, window), region, train=train), window, grid)
        if rolled:
            y = jnp.roll(y, shift, (1, 2))
        x = x + DropPath(self.drop_path)(y, train=train)

        y = LayerNorm(dtype=layers.dtype, name="norm_mlp")(x)
        y = nn.gelu(nn.Dense(layers.mlp_ratio * c, dtype=layers.dtype, name="mlp_in")(y))
        y = Dropout(layers.dropout)(y, train=train)
        y = nn.Dense(c, dtype=layers.dtype, name="mlp_out")(y)
        y = Dropout(layers.dropout)(y, train=train)
        return x + DropPath(self.drop_path)(y, train=train)


class SwinStage(nn.Module):
    """One block for each entry of `drop_path`; odd blocks shift unless `shifting` is off."""

    layers: Layers
    drop_path: tuple[float, ...]
    shifting: bool = True

    @nn.compact
    def __call__(self, x, *, train):
        for i, drop_path in enumerate(self.drop_path):
            shifted = self.shifting and i % 2 == 1
            x = SwinBlock(self.layers, shifted, drop_path, name=f"block_{i}")(x, train=train)
        return x
