"""Decoder of the SW-T autoencoder: one vector back to every patch of the grid."""

import jax.numpy as jnp
from flax import linen as nn

from mmalign.models.patches import Patching
from mmalign.models.window_attention import LayerNorm, Layers, SwinStage


def interleave(x):
    """[b, H, W, 4 * d] -> [b, 2H, 2W, d]: the four sub-tokens become a 2 x 2 square.

    The public code leaves them side by side in row-major order, which scatters neighbours over the
    grid; in two dimensions each token unfolds in place.
    """
    b, h, w, d = x.shape
    x = x.reshape(b, h, w, 2, 2, d // 4).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(b, 2 * h, 2 * w, d // 4)


class PatchExpanding(nn.Module):
    """One token becomes four of half the width: [b, H, W, d] -> [b, 2H, 2W, d/2]."""

    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x):
        x = nn.Dense(2 * x.shape[-1], use_bias=False, dtype=self.dtype, name="expand")(x)
        return LayerNorm(dtype=self.dtype, name="norm")(interleave(x))


class SwinDecoder(nn.Module):
    """[b, any] -> [b, H, W, values of a patch] float32.

    Reconstructs from one vector, not from visible tokens. Linear to the encoder's last grid, then
    one patch expanding and one Swin stage for each merge of the encoder, then a two-layer head.
    """

    patching: Patching
    channels: int
    layers: Layers
    width: int  # of a token in the last stage, as in the encoder's first
    depths: tuple[int, ...] = (2, 2)  # one stage for each merge to undo

    @nn.compact
    def __call__(self, code, train=False):
        (height, width), levels, dtype = self.patching.grid, len(self.depths), self.layers.dtype
        h, w, c = height >> levels, width >> levels, self.width << levels
        x = nn.Dense(h * w * c, dtype=dtype, name="unfold")(code).reshape(-1, h, w, c)
        for i, depth in enumerate(self.depths):
            x = PatchExpanding(dtype=dtype, name=f"expand_{i}")(x)
            x = SwinStage(self.layers, (0.0,) * depth, name=f"stage_{i}")(x, train=train)
        x = nn.gelu(nn.Dense(self.width, dtype=dtype, name="head")(x))
        values = self.patching.values(self.channels)
        return nn.Dense(values, dtype=dtype, name="out")(x).astype(jnp.float32)
