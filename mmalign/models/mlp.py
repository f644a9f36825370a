"""A perceptron for vectors of features, of which there may be few."""

import jax.numpy as jnp
from flax import linen as nn

from mmalign import options
from mmalign.models.activations import ACTIVATIONS
from mmalign.models.compact import CompactDecoder
from mmalign.models.contract import Backbone, Encoded
from mmalign.models.patches import Patching
from mmalign.models.tokens import shown, token_mask

# of vectors with five features, and of a robot's eight numbers about its arm
PRESETS = {
    "mimic": {"widths": (10,), "dim": 10, "activation": "relu", "norm": False, "maskable": False},
    "proprio": {
        "widths": (32, 64, 128), "dim": 512, "activation": "leaky_relu", "norm": False,
        "active": True, "maskable": False,
    },
}  # fmt: skip


def build(
    size, channels, *, patch=1, block=1, width=128, depth=2, widths=None, dim=64, hidden=128,
    activation="gelu", norm=True, active=False, maskable=True, dtype="float32",
) -> Backbone:  # fmt: skip
    """Perceptron of vectors, [features, 1] cells with one channel.

    Args:
      size: (features, 1), or of any other grid.
      channels: of a cell.
      patch: features of a mask patch.
      block: patches hidden together.
      width: of the layers.
      depth: layers before the embedding.
      widths: of each of these layers, in place of `width` and `depth`.
      dim: of the embedding.
      hidden: width of the decoder, which is that of "compact".
      activation: of ACTIVATIONS.
      norm: whether there is a LayerNorm before each activation but the first.
      active: whether there is an activation after the last layer too.
      maskable: whether there are values for methods that hide patches, parameters.
      dtype: of the computation; parameters stay float32.
    """
    rows, cols = size
    patching = Patching((rows, cols), (patch, cols), (block, 1), (patch * block, cols))
    dtype, widths = jnp.dtype(dtype), tuple(widths or (width,) * depth)
    options.one_of("encoder.activation", activation, ACTIVATIONS)
    encoder = MlpEncoder(patching, widths, dim, activation, norm, active, maskable, dtype)
    return Backbone(encoder, CompactDecoder(patching, channels, hidden, dtype), patching, dim)


class MlpEncoder(nn.Module):
    """[b, rows, cols, channels] -> Encoded, with one token: the last layer but the embedding's.

    A hidden feature holds a learned value of its own.
    """

    patching: Patching
    widths: tuple[int, ...]
    dim: int
    activation: str
    norm: bool
    active: bool
    maskable: bool
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x, masked=None, valid=None, train=False) -> Encoded:
        del train  # no dropout
        x = shown(self, self.patching, x, masked, valid, axis=1, maskable=self.maskable)
        mask, _ = token_mask(valid, x.shape[:2], x.shape[1], 1)
        x = x.reshape(x.shape[0], -1).astype(self.dtype)
        act = ACTIVATIONS[self.activation]
        for i, width in enumerate(self.widths):
            x = nn.Dense(width, dtype=self.dtype, name=f"hidden_{i}")(x)
            if (
                self.norm and i > 0
            ):  # a norm before the first activation would erase the size of the vector
                x = nn.LayerNorm(dtype=self.dtype, name=f"norm_{i}")(x)
            x = act(x)
        tokens = x.astype(jnp.float32)[:, None]
        pooled = nn.Dense(self.dim, name="out")(tokens[:, 0])
        return {"tokens": tokens, "mask": mask, "pooled": act(pooled) if self.active else pooled}
