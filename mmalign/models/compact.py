"""A small encoder of windows for CPUs and small data: a few strided convolutions along time.

Beside them, if wanted, statistics of the window. With few people and windows they tell more than
convolutions can learn. They are in the embedding as they are, too: what a loss has no use for it
throws away, and who probes the embedding wants it.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn

from mmalign.models.contract import Backbone, Encoded
from mmalign.models.dropout import Dropout
from mmalign.models.patches import Patching
from mmalign.models.pooling import largest, masked_mean
from mmalign.models.statistics import window_statistics
from mmalign.models.tokens import token_mask, visible

PRESETS = {}


def build(
    size, channels, *, patch=8, block=1, width=32, depth=3, segments=4, dim=64, hidden=128,
    statistics=0, dropout=0.0, dtype="float32",
) -> Backbone:  # fmt: skip
    """Compact backbone of windows of `size`.

    Args:
      size: (rows, cols) of a window.
      channels: of a window.
      patch: rows of a patch, which holds all columns and channels of them; the first convolution
        looks at one patch, at every half of it.
      block: patches hidden together.
      width: channels after the first convolution; each of the others halves the time, the second
        doubles the width.
      depth: convolutions.
      segments: parts of the window that are averaged apart, so that order in time is kept.
      dim: of the embedding, but for the statistics.
      hidden: width of the decoder.
      statistics: width of a layer on `window_statistics` of a series; it and they are beside the
        convolutions' summary in what the embedding is made of, and they are its last part. 0: none.
      dropout: rate on all of that.
      dtype: of the computation; parameters stay float32.
    """
    rows, cols = size
    if statistics and cols > 1:
        raise ValueError(f"statistics are of series, not of grids of {rows} x {cols}")
    patching = Patching((rows, cols), (patch, cols), (block, 1), (patch * block, cols))
    dtype = jnp.dtype(dtype)
    encoder = CompactEncoder(patching, width, depth, segments, dim, statistics, dropout, dtype)
    if statistics:
        like = jax.ShapeDtypeStruct((1, rows, channels), "float32")
        dim += jax.eval_shape(window_statistics, like).shape[1]
    return Backbone(encoder, CompactDecoder(patching, channels, hidden, dtype), patching, dim)


class CompactEncoder(nn.Module):
    """[b, rows, cols, channels] -> Encoded; a token is a step of the last convolution."""

    patching: Patching
    width: int
    depth: int
    segments: int
    dim: int
    statistics: int
    dropout: float
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x, masked=None, valid=None, train=False) -> Encoded:
        x = visible(x, valid)
        found = self._statistics(x, masked, valid) if self.statistics else None
        # Not zeros: a normalisation of nothing but zeros blows the gradient up.
        token = self.param("mask_token", nn.initializers.normal(1.0), x.shape[2:])
        x = self.patching.pad(x)
        if masked is not None:
            x = jnp.where(self.patching.cells(masked, padded=True)[..., None], token[None, None], x)
        x = x.reshape(*x.shape[:2], -1).astype(self.dtype)
        patch = self.patching.patch[0]
        first = max(patch // 2, 1)
        for i in range(self.depth):
            kernel, stride = (patch, first) if i == 0 else (5, 2)
            width = self.width * min(i + 1, 2)
            x = nn.Conv(width, (kernel,), stride, dtype=self.dtype, name=f"conv_{i}")(x)
            if i > 0:  # a norm before the first activation would erase the signal's amplitude
                x = nn.LayerNorm(dtype=self.dtype, name=f"norm_{i}")(x)
            x = nn.gelu(x)
        tokens = x.astype(jnp.float32)
        rows = (x.shape[0], self.patching.size[0])
        mask, keep = token_mask(valid, rows, first * 2 ** (self.depth - 1), x.shape[1])
        features = _summary(tokens, keep, self.segments)
        return {"tokens": tokens, "mask": mask, "pooled": self._pooled(features, found, train)}

    def _statistics(self, x, masked, valid):
        """Statistics of what is seen."""
        seen = valid
        if masked is not None:
            shown = ~self.patching.cells(masked)[:, :, 0]
            seen = shown if valid is None else shown & valid
        return window_statistics(x[:, :, 0].astype(jnp.float32), seen)

    def _pooled(self, features, found, train):
        """The embedding: what is learnt of all features and, beside it, the statistics."""
        if found is not None:
            hidden = nn.gelu(nn.Dense(self.statistics, name="statistics")(found))
            features = jnp.concatenate([features, found, hidden], axis=-1)
        features = Dropout(self.dropout, name="dropout")(features, train=train)
        pooled = nn.Dense(self.dim, name="out")(features)
        return pooled if found is None else jnp.concatenate([pooled, found], axis=-1)


def _summary(tokens, keep, segments):
    """Means of stretches of time side by side, and the largest values of all.

    keep: bool [b, t], the tokens that count; None for all. Where none does there are zeros.
    """
    b, t, width = tokens.shape
    segments = min(segments, t)
    time = t // segments * segments
    parts = tokens[:, :time].reshape(b, segments, -1, width)
    if keep is None:
        means, most = parts.mean(axis=2), tokens.max(axis=1)
    else:
        keeps = keep[:, :time].reshape(b * segments, -1)
        means = masked_mean(parts.reshape(b * segments, -1, width), keeps)
        most = largest(tokens, keep)
    return jnp.concatenate([means.reshape(b, -1), most], axis=-1)


class CompactDecoder(nn.Module):
    """[b, any] -> [b, H, W, values of a patch] float32."""

    patching: Patching
    channels: int
    hidden: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, code, train=False):
        del train
        grid, values = self.patching.grid, self.patching.values(self.channels)
        x = nn.gelu(nn.Dense(self.hidden, dtype=self.dtype, name="hidden")(code))
        x = nn.Dense(grid[0] * grid[1] * values, dtype=self.dtype, name="out")(x)
        return x.astype(jnp.float32).reshape(-1, *grid, values)
