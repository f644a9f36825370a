"""A small encoder of images for CPUs: strided convolutions, means of regions."""

import jax.numpy as jnp
from flax import linen as nn

from mmalign.models.contract import Backbone, Encoded
from mmalign.models.patch_decoder import PatchDecoder
from mmalign.models.patches import Patching, pair, square_patches
from mmalign.models.pooling import largest, region_means
from mmalign.models.tokens import grid_mask, shown

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
    patching = square_patches(size, patch, block)
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
        x = shown(self, self.patching, x, masked, valid).astype(self.dtype)
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
        means = region_means(tokens, keep, pair(grid), self.regions)
        features = jnp.concatenate([means, largest(tokens, keep)], axis=-1)
        pooled = nn.Dense(self.dim, name="out")(features)
        return {"tokens": tokens, "mask": mask, "pooled": pooled}
