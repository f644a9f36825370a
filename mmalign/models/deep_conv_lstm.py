"""DeepConvLSTM: convolutions along time without pooling, then LSTMs over every time step."""

import jax.numpy as jnp
from flax import linen as nn

from mmalign.models.compact import CompactDecoder
from mmalign.models.contract import Backbone, Encoded
from mmalign.models.patches import Patching
from mmalign.models.pooling import last_kept
from mmalign.models.recurrent import states
from mmalign.models.tokens import shown, token_mask

# As CroSSL's comparison has it: fewer and wider convolutions that look at all channels.
PRESETS = {"crossl": {"filters": (64, 128, 256), "across": True, "dropout": 0.1}}


def build(
    size, channels, *, patch=8, block=1, filters=(64, 64, 64, 64), kernel=5, across=False, dim=128,
    layers=2, dropout=0.5, hidden=128, dtype="float32",
) -> Backbone:  # fmt: skip
    """DeepConvLSTM backbone of windows of `size`; the network itself has no decoder or mask.

    Args:
      size: (rows, cols) of a window.
      channels: of a window; a spectrogram's bins count as channels too.
      patch: rows of a mask patch, which holds all columns and channels of them.
      block: patches hidden together.
      filters: of each convolution.
      kernel: of the convolutions, in rows.
      across: whether convolutions see all channels at once, or each alone.
      dim: of the embedding, which is the width of the LSTMs.
      layers: LSTMs.
      dropout: before each LSTM and after the last.
      hidden: width of the decoder, which is that of "compact".
      dtype: of the convolutions; LSTMs and parameters stay float32.
    """
    rows, cols = size
    patching = Patching((rows, cols), (patch, cols), (block, 1), (patch * block, cols))
    dtype = jnp.dtype(dtype)
    encoder = DeepConvLSTM(patching, tuple(filters), kernel, across, dim, layers, dropout, dtype)
    return Backbone(encoder, CompactDecoder(patching, channels, hidden, dtype), patching, dim)


class DeepConvLSTM(nn.Module):
    """[b, rows, cols, channels] -> Encoded: the states of the last LSTM, and the last of them.

    Ordonez & Roggen 2016 (doi 10.3390/s16010115), up to the class scores. Differs from them: each
    sensor has a network of its own here, as sensors have rates of their own; convolutions pad, so
    that short windows fit; kernels start uniform after LeCun. The weights' L2 penalty is the
    optimiser's matter.
    """

    patching: Patching
    filters: tuple[int, ...]
    kernel: int
    across: bool
    dim: int
    layers: int
    dropout: float
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x, masked=None, valid=None, train=False) -> Encoded:
        x = shown(self, self.patching, x, masked, valid, axis=2)
        x = x.reshape(*x.shape[:2], -1, 1).astype(self.dtype)  # [b, rows, channels, 1]
        start = nn.initializers.lecun_uniform()
        kernel = (self.kernel, x.shape[2] if self.across else 1)
        for i, width in enumerate(self.filters):
            x = nn.Conv(width, kernel, dtype=self.dtype, kernel_init=start, name=f"conv_{i}")(x)
            x = nn.relu(x)
        x = x.reshape(*x.shape[:2], -1).astype(jnp.float32)
        for i in range(self.layers):
            x = nn.Dropout(self.dropout, deterministic=not train)(x)
            x = states(nn.RNN(nn.OptimizedLSTMCell(self.dim, name=f"lstm_{i}")), x)
        mask, keep = token_mask(valid, x.shape[:2], 1, x.shape[1])
        last = nn.Dropout(self.dropout, deterministic=not train)(last_kept(x, keep))
        return {"tokens": x, "mask": mask, "pooled": last}
