"""A residual network of images, with group normalisation."""

import jax.numpy as jnp
from flax import linen as nn

from mmalign.models.contract import Backbone, Encoded
from mmalign.models.patch_decoder import PatchDecoder
from mmalign.models.patches import Patching, pair, square_patches
from mmalign.models.pooling import masked_mean
from mmalign.models.tokens import grid_mask, shown

PRESETS = {
    "resnet18": {},
    "small": {"width": 16, "blocks": (1, 1, 1)},  # for images of 64 pixels
}


def build(
    size, channels, *, width=64, blocks=(2, 2, 2, 2), dim=512, maskable=False, patch=4, block=1,
    hidden=128, dtype="float32",
) -> Backbone:  # fmt: skip
    """Residual backbone of images of `size`; by default ResNet-18.

    Args:
      size: (height, width) of an image.
      channels: of an image.
      width: channels of the first stage; each of the others doubles it and halves rows and columns.
      blocks: of each stage.
      dim: of the embedding.
      maskable: whether there is a token for methods that hide patches, a parameter.
      patch: pixels of a mask patch, (rows, cols) or one number for both.
      block: patches hidden together, along each axis.
      hidden: width of the decoder.
      dtype: of the computation; parameters stay float32.
    """
    patching, dtype = square_patches(size, patch, block), jnp.dtype(dtype)
    encoder = ResNet(patching, width, tuple(blocks), dim, maskable, dtype)
    return Backbone(encoder, PatchDecoder(patching, channels, hidden, dtype), patching, dim)


class ResNet(nn.Module):
    """[b, rows, cols, channels] -> Encoded; a token is a place of the last feature map.

    The embedding is a linear map of their mean.

    References: He et al. 2016, arXiv:1512.03385, with GroupNorm (Wu and He 2018, arXiv:1803.08494),
      16 channels to a group, in place of batch normalisation, so that a row depends on itself
      alone; it has as many parameters.
    """

    patching: Patching
    width: int
    blocks: tuple[int, ...]
    dim: int
    maskable: bool
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x, masked=None, valid=None, train=False) -> Encoded:
        del train  # no dropout
        x = shown(self, self.patching, x, masked, valid, maskable=self.maskable)
        x = _conv(self, self.width, 7, 2, "stem")(x.astype(self.dtype))
        x = nn.relu(_norm(self, self.width, "stem_norm")(x))
        x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))  # no value is below zero
        x = nn.max_pool(x, (3, 3), (2, 2))
        for stage, count in enumerate(self.blocks):
            for i in range(count):
                stride = 2 if stage > 0 and i == 0 else 1
                width, name = self.width << stage, f"block_{stage}_{i}"
                x = _Block(width, stride, self.dtype, name=name)(x)
        b, *grid, width = x.shape
        tokens = x.astype(jnp.float32).reshape(b, -1, width)
        stride = 4 << len(self.blocks) - 1
        mask, keep = grid_mask(valid, b, self.patching.size, (stride, stride), pair(grid))
        pooled = nn.Dense(self.dim, name="out")(masked_mean(tokens, keep))
        return {"tokens": tokens, "mask": mask, "pooled": pooled}


class _Block(nn.Module):
    """Two convolutions, and their input added to them."""

    width: int
    stride: int
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, x):
        y = _conv(self, self.width, 3, self.stride, "conv_0")(x)
        y = nn.relu(_norm(self, self.width, "norm_0")(y))
        y = _norm(self, self.width, "norm_1")(_conv(self, self.width, 3, 1, "conv_1")(y))
        if y.shape != x.shape:
            x = _conv(self, self.width, 1, self.stride, "conv_skip")(x)
            x = _norm(self, self.width, "norm_skip")(x)
        return nn.relu(x + y)


def _conv(module, width, kernel, stride, name):
    pad = kernel // 2
    return nn.Conv(
        width, (kernel,) * 2, stride, padding=((pad, pad),) * 2, use_bias=False, name=name,
        kernel_init=nn.initializers.variance_scaling(2.0, "fan_out", "normal"), dtype=module.dtype,
    )  # fmt: skip


def _norm(module, width, name):
    group = min(width, 16)
    return nn.GroupNorm(None, group, epsilon=1e-5, dtype=module.dtype, name=name)
