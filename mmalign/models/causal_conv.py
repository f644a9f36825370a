"""Causal convolutions along time, each of which halves it."""

import jax.numpy as jnp
from flax import linen as nn

from mmalign.models.activations import ACTIVATIONS
from mmalign.models.compact import CompactDecoder
from mmalign.models.contract import Backbone, Encoded
from mmalign.models.patches import Patching
from mmalign.models.pooling import masked_mean
from mmalign.models.tokens import shown, token_mask
from mmalign.models.torch_init import KERNEL, bias

PRESETS = {"force": {"widths": (16, 32, 64, 128), "dim": 512, "maskable": False}}


def build(
    size, channels, *, widths=(16, 32), dim=64, maskable=True, patch=4, block=1, hidden=128,
    dtype="float32",
) -> Backbone:  # fmt: skip
    """Backbone of windows of `size`, of any rate; 32 steps become one token with five layers.

    Args:
      size: (rows, cols) of a window.
      channels: of a window.
      widths: of the convolutions but the last.
      dim: of the last one, the tokens and the embedding.
      maskable: whether there is a token for methods that hide patches, a parameter.
      patch: rows of a mask patch; block: patches hidden together.
      hidden: width of the decoder, which is that of "compact".
      dtype: of the computation; parameters stay float32.
    """
    rows, cols = size
    patching = Patching((rows, cols), (patch, cols), (block, 1), (patch * block, cols))
    dtype = jnp.dtype(dtype)
    encoder = CausalConv(patching, (*widths, dim), maskable, dtype)
    return Backbone(encoder, CompactDecoder(patching, channels, hidden, dtype), patching, dim)


class CausalConv(nn.Module):
    """[b, rows, cols, channels] -> Encoded: the last feature map and its mean over time.

    Kernels of two steps and a stride of two, a leaky ReLU of slope 0.1 after each. Kernels start as
    PyTorch's do.

    References: the force encoder of Lee et al. 2019, arXiv:1810.10191, which CoMM takes (Dufumier
      et al. 2025, arXiv:2409.07402). The released code has a zero before the first sample and drops
      the last output, which reads the last sample; here zeros stand in front of odd lengths alone,
      and every sample is read.
    """

    patching: Patching
    widths: tuple[int, ...]
    maskable: bool
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x, masked=None, valid=None, train=False) -> Encoded:
        del train  # no dropout
        x = shown(self, self.patching, x, masked, valid, axis=2, maskable=self.maskable)
        b, rows = x.shape[:2]
        x = x.reshape(b, rows, -1).astype(self.dtype)
        for i, width in enumerate(self.widths):
            start = bias(2 * x.shape[-1])
            x = nn.Conv(
                width, (2,), 2, padding=((x.shape[1] % 2, 0),), dtype=self.dtype,
                kernel_init=KERNEL, bias_init=start, name=f"conv_{i}",
            )(x)  # fmt: skip
            x = ACTIVATIONS["leaky_relu"](x)
        tokens = x.astype(jnp.float32)
        stride, count = 2 ** len(self.widths), x.shape[1]
        ahead = count * stride - rows
        if valid is not None:
            valid = jnp.pad(valid, ((0, 0), (ahead, 0)))
        mask, keep = token_mask(valid, (b, ahead + rows), stride, count)
        return {"tokens": tokens, "mask": mask, "pooled": masked_mean(tokens, keep)}
