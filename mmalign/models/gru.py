"""A gated recurrent unit over the steps of a sequence."""

import jax.numpy as jnp
from flax import linen as nn

from mmalign.models.compact import CompactDecoder
from mmalign.models.contract import Backbone, Encoded
from mmalign.models.patches import Patching
from mmalign.models.pooling import last_kept
from mmalign.models.recurrent import Context
from mmalign.models.tokens import shown, token_mask

PRESETS = {"mimic": {"width": 512, "maskable": False}}  # 24 hours of 12 features


def build(
    size, channels, *, width=64, dim=64, maskable=True, patch=1, block=1, hidden=128,
    dtype="float32",
) -> Backbone:  # fmt: skip
    """Recurrent backbone of `size`: (tokens, 1) of a sequence, or time steps of a series.

    Args:
      size: (rows, cols) of a window.
      channels: of a window; all columns and channels of a row are one step.
      width: of the state.
      dim: of the embedding.
      maskable: whether there is a token for methods that hide patches, a parameter.
      patch: rows of a mask patch.
      block: patches hidden together.
      hidden: width of the decoder, which is that of "compact".
      dtype: of the decoder; the states are float32, as errors add up along them.
    """
    rows, cols = size
    patching = Patching((rows, cols), (patch, cols), (block, 1), (patch * block, cols))
    decoder = CompactDecoder(patching, channels, hidden, jnp.dtype(dtype))
    return Backbone(GruEncoder(patching, width, dim, maskable), decoder, patching, dim)


class GruEncoder(nn.Module):
    """[b, rows, cols, channels] -> Encoded: its states, and a linear map of the last of them.

    The reset gate is inside the candidate's recurrent term, as in PyTorch, which has a second bias
    for each of the other two gates.
    """

    patching: Patching
    width: int
    dim: int
    maskable: bool

    @nn.compact
    def __call__(self, x, masked=None, valid=None, train=False) -> Encoded:
        del train  # no dropout
        x = shown(self, self.patching, x, masked, valid, axis=2, maskable=self.maskable)
        tokens = Context(self.width, name="context")(x.reshape(*x.shape[:2], -1))
        mask, keep = token_mask(valid, x.shape[:2], 1, x.shape[1])
        pooled = nn.Dense(self.dim, name="out")(last_kept(tokens, keep))
        return {"tokens": tokens, "mask": mask, "pooled": pooled}
