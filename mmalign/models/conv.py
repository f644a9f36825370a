"""CroSSL's encoder of a window: three convolutions along time, averaged over time at the end."""

import math

import jax
import jax.numpy as jnp
from flax import linen as nn

from mmalign.models.compact import CompactDecoder
from mmalign.models.contract import Backbone, Encoded
from mmalign.models.dropout import Dropout
from mmalign.models.norm_prelu import norm_prelu
from mmalign.models.patches import Patching
from mmalign.models.pooling import masked_mean
from mmalign.models.tokens import shown, token_mask

PRESETS = {
    "crossl": {"maskable": False},  # the released code: stride 1 throughout
    "crossl_strided": {"maskable": False, "strides": (1, 2, 2)},  # as its comments have it
}


def build(
    size, channels, *, dim=96, kernels=(24, 16, 8), strides=(1, 1, 1), dropout=0.1, remat=False,
    maskable=True, patch=8, block=1, hidden=128, dtype="float32",
) -> Backbone:  # fmt: skip
    """Convolutional backbone of windows of `size`; by default the published one.

    Args:
      size: (rows, cols) of a window: time steps, and 1 for a series.
      channels: of a window.
      dim: of the embedding, a multiple of 4; the first two convolutions have a quarter and half of
        it as channels.
      kernels: lengths of the convolutions, in time steps that they read.
      strides: of the convolutions.
      dropout: rate after each of them.
      remat: compute activations again for the gradient: memory for time, for long windows.
      maskable: whether there is a token for methods that hide patches, a parameter.
      patch: rows of a patch, for methods that hide some; block: patches hidden together.
      hidden: width of the decoder, for methods that have one.
      dtype: of the computation; parameters stay float32.
    """
    rows, cols = size
    if dim % 4:
        raise ValueError(f"dim must be a multiple of 4, got {dim}")
    if not len(kernels) == len(strides) == 3:
        raise ValueError(f"need three kernels and three strides, got {kernels} and {strides}")
    patching = Patching((rows, cols), (patch, cols), (block, 1), (patch * block, cols))
    dtype = jnp.dtype(dtype)
    encoder = ConvEncoder(
        patching, dim, tuple(kernels), tuple(strides), dropout, remat, maskable, dtype
    )
    return Backbone(encoder, CompactDecoder(patching, channels, hidden, dtype), patching, dim)


class ConvEncoder(nn.Module):
    """[b, rows, cols, channels] -> Encoded: a feature map and its mean over time.

    Three times a convolution, a LayerNorm over channels (eps 1e-3, which decides the scale where a
    window is all zeros), a PReLU with a slope per channel, and dropout. With biases of zero a
    window of zeros has the embedding zero.

    References: CroSSL (Deldari et al. 2024, arXiv:2307.16847), as released.
    """

    patching: Patching
    dim: int
    kernels: tuple[int, ...]
    strides: tuple[int, ...]
    dropout: float
    remat: bool = False
    maskable: bool = True
    dtype: jnp.dtype = jnp.float32

    def __call__(self, x, masked=None, valid=None, train=False) -> Encoded:
        tokens = self.features(x, masked, valid, train)
        stride = math.prod(self.strides)
        mask, keep = token_mask(valid, x.shape[:2], stride, tokens.shape[1])
        return {"tokens": tokens, "mask": mask, "pooled": masked_mean(tokens, keep)}

    @nn.compact
    def features(self, x, masked=None, valid=None, train=False) -> jax.Array:
        """The feature map before it is averaged: [b, time / product of strides, dim] float32."""
        x = shown(self, self.patching, x, masked, valid, axis=2, maskable=self.maskable)
        x = x.reshape(*x.shape[:2], -1).astype(self.dtype)
        block = nn.remat(ConvBlock, static_argnums=(2,)) if self.remat else ConvBlock
        for i, (kernel, stride) in enumerate(zip(self.kernels, self.strides)):
            width = self.dim >> (2 - i)
            x = block(width, kernel, stride, self.dropout, self.dtype, name=f"block_{i}")(x, train)
        return x.astype(jnp.float32)


class ConvBlock(nn.Module):
    """Convolution, LayerNorm, PReLU, dropout: [b, time, channels] -> [b, time', width]."""

    width: int
    kernel: int
    stride: int
    dropout: float
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x, train):
        # "SAME" puts the odd element of an even kernel's padding at the end, as Keras does
        x = nn.Conv(
            self.width, (self.kernel,), self.stride, padding="SAME", dtype=self.dtype,
            kernel_init=nn.initializers.normal(0.05), name="conv",
        )(x)  # fmt: skip
        scale, bias = ScaleAndBias(self.width, name="norm")()
        slope = self.param("slope", nn.initializers.zeros, (self.width,))
        x = jnp.asarray(norm_prelu(x, scale, bias, slope, 1e-3))
        return Dropout(self.dropout, name="dropout")(x, train=train)


class ScaleAndBias(nn.Module):
    """The parameters of a LayerNorm, under the names that `nn.LayerNorm` gives them."""

    width: int

    @nn.compact
    def __call__(self):
        scale = self.param("scale", nn.initializers.ones, (self.width,))
        return scale, self.param("bias", nn.initializers.zeros, (self.width,))
