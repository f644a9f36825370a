"""SW-T: the Swin Transformer over the time-frequency grid of one modality."""

import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from mmalign.models.contract import Backbone, Encoded
from mmalign.models.dropout import Dropout
from mmalign.models.patches import Patching, pair
from mmalign.models.swin_decoder import SwinDecoder
from mmalign.models.tokens import grid_mask, visible
from mmalign.models.window_attention import LayerNorm, Layers, SwinStage

# Published geometries (FOCAL's configurations; "har" is the one InfoMAE uses for all HAR sets).
_MOD = {"window": (3, 3), "width": 64, "depths": (2, 2, 4), "dim": 256}
_HAR = {"patch": (1, 2), "width": 32, "depths": (2, 2, 2), "dim": 128}
PRESETS = {
    "mod_acoustic": {"patch": (1, 40), **_MOD},
    "mod_seismic": {"patch": (1, 1), **_MOD},
    "har": {"window": (3, 3), **_HAR},
    "pamap2": {"window": (3, 5), **_HAR},
}


def build(
    size, channels, *, patch=(1, 2), window=(3, 3), width=32, depths=(2, 2, 2), heads=4, dim=128,
    mlp_ratio=4, decoder_depth=2, dropout=0.2, attention_dropout=0.2, drop_path=0.1,
    position_parameter=False, dtype="float32",
) -> Backbone:  # fmt: skip
    """SW-T backbone of windows of `size`, meant for time-frequency grids.

    Args:
      size: (rows, cols) of a window.
      channels: of a window.
      patch: cells of a token; one number counts rows of one column.
      window: tokens of an attention window, which is also what a mask hides as a whole.
      width: of a token in the first stage; doubles from stage to stage.
      depths: blocks in each stage of the encoder.
      heads: of every block.
      dim: of the embedding.
      mlp_ratio: hidden width of a block's perceptron, in widths of a token.
      decoder_depth: blocks in each stage of the decoder.
      dropout: after the embedding, each attention and each perceptron layer.
      attention_dropout: of attention weights.
      drop_path: probability to skip the encoder's last block; grows to it from 0 in equal steps.
      position_parameter: whether to hold the unused position embedding that the published parameter
        counts include.
      dtype: of the computation; parameters stay float32.
    """
    patch, window, depths = pair(patch), tuple(window), tuple(depths)
    scale = 2 ** (len(depths) - 1)
    multiple = tuple(w * p * scale for w, p in zip(window, patch))
    patching = Patching(tuple(size), patch, window, multiple)
    layers = Layers(window, heads, mlp_ratio, dropout, attention_dropout, jnp.dtype(dtype))
    encoder = SwinEncoder(patching, layers, width, depths, dim, drop_path, position_parameter)
    decoder = SwinDecoder(patching, channels, layers, width, (decoder_depth,) * (len(depths) - 1))
    return Backbone(encoder, decoder, patching, dim)


class PatchMerging(nn.Module):
    """Four neighbours become one token of twice the width: [b, H, W, d] -> [b, H/2, W/2, 2d]."""

    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x):
        d = x.shape[-1]
        b, h, w = x.shape[0], x.shape[1] // 2, x.shape[2] // 2
        x = x.reshape(b, h, 2, w, 2, d).transpose(0, 1, 3, 2, 4, 5).reshape(b, h, w, 4 * d)
        x = LayerNorm(dtype=self.dtype, name="norm")(x)
        return nn.Dense(2 * d, use_bias=False, dtype=self.dtype, name="reduce")(x)


class _PatchEmbed(nn.Module):
    """Strided convolution over the padded window, then LayerNorm: -> [b, H, W, width]."""

    patching: Patching
    width: int
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, x):
        patches = self.patching.patchify(x)
        # A dense layer on cut patches is the strided convolution, without its slow paths on CPU.
        # The bias starts off zero: a padded patch embeds as the bias alone, and the normalisation
        # of a zero vector has a gradient of 1 / sqrt(epsilon), which would drown all others.
        bound = patches.shape[-1] ** -0.5
        bias = lambda key, shape, dtype=jnp.float32: (
            nn.initializers.uniform(2 * bound)(key, shape, dtype) - bound
        )
        x = nn.Dense(self.width, bias_init=bias, dtype=self.dtype, name="patch")(patches)
        return LayerNorm(dtype=self.dtype, name="norm")(x)


class SwinEncoder(nn.Module):
    """[b, rows, cols, channels] -> Encoded: patches, Swin stages, one linear layer of all tokens.

    The encoder of FOCAL (Liu et al. 2023, arXiv:2310.20071), which InfoMAE keeps. A masked token is
    replaced by one learned vector after the patch embedding, so the grid stays whole and what a
    masked patch held is never read. Left out unless `position_parameter` asks for it: a position
    embedding that the published model holds and counts, and never adds to anything.
    """

    patching: Patching
    layers: Layers
    width: int
    depths: tuple[int, ...]
    dim: int
    drop_path: float = 0.1  # of the last block; grows from 0 in equal steps
    position_parameter: bool = False

    @nn.compact
    def __call__(self, x, masked=None, valid=None, train=False) -> Encoded:
        dtype = self.layers.dtype
        merged = 2 ** (len(self.depths) - 1)
        stride = tuple(n * merged for n in self.patching.patch)
        last = tuple(n // merged for n in self.patching.grid)
        mask, keep = grid_mask(valid, x.shape[0], self.patching.size, stride, last)
        x = _PatchEmbed(self.patching, self.width, dtype, name="embed")(visible(x, valid))
        # The public code starts it at zero. With zero biases a hidden region then stays zero in
        # all blocks, and each normalisation there multiplies the gradient by 1 / sqrt(epsilon):
        # 1e17 at the first step. Here it starts on the scale of the other tokens.
        token = self.param("mask_token", nn.initializers.normal(1.0), (self.width,))
        if masked is not None:
            x = jnp.where(masked[..., None], token.astype(x.dtype)[None, None, None], x)
        if self.position_parameter:
            self.param("position", nn.initializers.zeros, (*self.patching.grid, self.width))
        x = Dropout(self.layers.dropout)(x, train=train)

        rates = np.linspace(0.0, self.drop_path, sum(self.depths))
        rates = np.split(rates, np.cumsum(self.depths)[:-1])
        for i, drop_path in enumerate(rates):
            if i > 0:
                x = PatchMerging(dtype=dtype, name=f"merge_{i}")(x)
            stage = SwinStage(self.layers, tuple(drop_path.tolist()), name=f"stage_{i}")
            x = stage(x, train=train)
        x = x.reshape(x.shape[0], -1, x.shape[-1])
        kept = x if keep is None else jnp.where(keep[..., None], x, jnp.zeros((), x.dtype))
        pooled = nn.Dense(self.dim, dtype=dtype, name="out")(kept.reshape(x.shape[0], -1))
        tokens, pooled = (z.astype(jnp.float32) for z in (x, pooled))
        return {"tokens": tokens, "mask": mask, "pooled": pooled}
