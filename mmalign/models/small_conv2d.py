"""A small encoder of images for CPUs: strided convolutions, means of regions."""

import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from mmalign.models.contract import Backbone, Encoded
from mmalign.models.patch_decoder import PatchDecoder
from mmalign.models.patches import Patching, pair
from mmalign.models.pooling import largest
from mmalign.models.tokens import grid_mask, visible

PRESETS = {}


def build(
    size, channels, *, patch=4, block=1, width=16, depth=3, regions=2, dim=64, hidden=128,
    dtype="float32",
) -> Backbone:  # fmt: skip
    """Convolutional backbone of images of `size`.

    Args:
      size: (height, width) of an image, any.
      channels: of an image.
      patch: pixels of a mask patch, (rows, cols) or one number for both.
      block: patches hidden together, along each axis.
      width: channels after the first convolution; each of the others doubles it.
      depth: convolutions of stride 2.
      regions: the feature map is averaged in regions * regions parts, so that places are kept.
      dim: of the embedding.
      hidden: width of the decoder.
      dtype: of the computation; parameters stay float32.
    """
    patch, block = _square(patch), _square(block)
    patching = Patching(tuple(size), patch, block, pair([p * n for p, n in zip(patch, block)]))
    dtype = jnp.dtype(dtype)
    encoder = SmallConv2d(patching, width, depth, regions, dim, dtype)
    return Backbone(encoder, PatchDecoder(patching, channels, hidden, dtype), patching, dim)


class SmallConv2d(nn.Module):
    """[b, rows, cols, channels] -> Encoded; a token is a place of the last feature map."""

    patching: Patching
    width: int
    depth: int
    regions: int
    dim: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x, masked=None, valid=None, train=False) -> Encoded:
        del train  # no dropout
        if x.ndim != 4 or x.shape[1:3] != self.patching.size:
            raise ValueError(f"need [batch, *{self.patching.size}, channels], got {x.shape}")
        x = visible(x, valid)
        token = self.param("mask_token", nn.initializers.normal(1.0), x.shape[3:])
        if masked is not None:
            cells = self.patching.cells(masked)[..., None]
            x = jnp.where(cells, token[None, None, None], x)
        x = x.astype(self.dtype)
        for i in range(self.depth):
            conv = nn.Conv(self.width << i, (3, 3), 2, dtype=self.dtype, name=f"conv_{i}")
            x = conv(x)
            if i > 0:  # a norm before the first activation would erase brightness and contrast
                x = nn.LayerNorm(dtype=self.dtype, name=f"norm_{i}")(x)
            x = nn.gelu(x)
        b, *grid, width = x.shape
        tokens = x.astype(jnp.float32).reshape(b, -1, width)
        stride = (2**self.depth,) * 2
        mask, keep = grid_mask(valid, b, self.patching.size, stride, pair(grid))
        pooled = nn.Dense(self.dim, name="out")(_summary(tokens, keep, grid, self.regions))
        return {"tokens": tokens, "mask": mask, "pooled": pooled}


def _summary(tokens, keep, grid, regions):
    """Means of regions side by side, and the largest values of all: [b, (regions + 1) * width].

    keep: bool [b, tokens], those that count; None for all. Where none does there are zeros.
    """
    b, count, _ = tokens.shape
    keep = jnp.ones((b, count), bool) if keep is None else keep
    weight = keep[:, None].astype(jnp.float32) * _regions(grid, regions)[None]
    weight = weight / jnp.maximum(weight.sum(axis=-1, keepdims=True), 1)
    means = jnp.einsum("brt,btd->brd", weight, tokens, precision="highest")
    return jnp.concatenate([means.reshape(b, -1), largest(tokens, keep)], axis=-1)


def _regions(grid, regions):
    """Numpy float32 [regions, H * W]: 1 where a token lies in the region."""
    down, right = (
        np.stack(
            [np.isin(np.arange(n), part) for part in np.array_split(range(n), min(regions, n))]
        )
        for n in grid
    )
    inside = down[:, None, :, None] & right[None, :, None, :]
    return inside.reshape(len(down) * len(right), -1).astype(np.float32)


def _square(n):
    return (n, n) if isinstance(n, int) else tuple(n)
