"""A perceptron for vectors of features, of which there may be few."""

import jax.numpy as jnp
from flax import linen as nn

from mmalign.models.compact import CompactDecoder
from mmalign.models.contract import Backbone, Encoded
from mmalign.models.patches import Patching
from mmalign.models.tokens import token_mask, visible

PRESETS = {}


def build(
    size, channels, *, patch=1, block=1, width=128, depth=2, dim=64, hidden=128, dtype="float32"
) -> Backbone:
    """Perceptron of vectors, [features, 1] cells with one channel.

    Args:
      size: (features, 1), or of any other grid.
      channels: of a cell.
      patch: features of a mask patch.
      block: patches hidden together.
      width: of the layers.
      depth: layers before the embedding.
      dim: of the embedding.
      hidden: width of the decoder, which is that of "compact".
      dtype: of the computation; parameters stay float32.
    """
    rows, cols = size
    patching = Patching((rows, cols), (patch, cols), (block, 1), (patch * block, cols))
    dtype = jnp.dtype(dtype)
    encoder = MlpEncoder(patching, width, depth, dim, dtype)
    return Backbone(encoder, CompactDecoder(patching, channels, hidden, dtype), patching, dim)


class MlpEncoder(nn.Module):
    """[b, rows, cols, channels] -> Encoded, with one token: the last layer.

    A hidden feature holds a learned value of its own.
    """

    patching: Patching
    width: int
    depth: int
    dim: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x, masked=None, valid=None, train=False) -> Encoded:
        del train  # no dropout
        if x.ndim != 4 or x.shape[1:3] != self.patching.size:
            raise ValueError(f"need [batch, *{self.patching.size}, channels], got {x.shape}")
        x = visible(x, valid)
        token = self.param("mask_token", nn.initializers.normal(1.0), x.shape[1:])
        if masked is not None:
            x = jnp.where(self.patching.cells(masked)[..., None], token[None], x)
        mask, _ = token_mask(valid, x.shape[:2], x.shape[1], 1)
        x = x.reshape(len(x), -1).astype(self.dtype)
        for i in range(self.depth):
            x = nn.Dense(self.width, dtype=self.dtype, name=f"hidden_{i}")(x)
            if i > 0:  # a norm before the first activation would erase the size of the vector
                x = nn.LayerNorm(dtype=self.dtype, name=f"norm_{i}")(x)
            x = nn.gelu(x)
        tokens = x.astype(jnp.float32)[:, None]
        pooled = nn.Dense(self.dim, name="out")(tokens[:, 0])
        return {"tokens": tokens, "mask": mask, "pooled": pooled}
