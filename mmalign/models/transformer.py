"""A small pre-norm transformer over tokens: for sequences of features, or pieces of a series."""

import jax.numpy as jnp
from flax import linen as nn

from mmalign.models.contract import Backbone, Encoded
from mmalign.models.dropout import Dropout
from mmalign.models.patch_decoder import PatchDecoder
from mmalign.models.patches import Patching
from mmalign.models.pooling import masked_mean
from mmalign.models.tokens import token_mask, visible

PRESETS = {}


def build(
    size, channels, *, patch=1, block=1, width=64, depth=2, heads=4, mlp_ratio=2, dim=64,
    hidden=128, dropout=0.1, dtype="float32",
) -> Backbone:  # fmt: skip
    """Transformer backbone of `size`: (tokens, 1) of a sequence, or time steps of a series.

    Args:
      size: (rows, cols) of a window.
      channels: of a window.
      patch: rows of a token, which holds all columns and channels of them; what a mask hides.
      block: tokens hidden together.
      width: of a token.
      depth: blocks.
      heads: of each attention; divides the width.
      mlp_ratio: hidden width of a block's perceptron, in widths of a token.
      dim: of the embedding.
      hidden: width of the decoder.
      dropout: after the embedding, each attention and each perceptron.
      dtype: of the computation; parameters stay float32.
    """
    if width % heads:
        raise ValueError(f"heads={heads} does not divide the width {width}")
    rows, cols = size
    patching = Patching((rows, cols), (patch, cols), (block, 1), (patch * block, cols))
    dtype = jnp.dtype(dtype)
    encoder = Transformer(patching, width, depth, heads, mlp_ratio, dim, dropout, dtype)
    return Backbone(encoder, PatchDecoder(patching, channels, hidden, dtype), patching, dim)


class Transformer(nn.Module):
    """[b, rows, cols, channels] -> Encoded; the embedding is a linear map of the tokens' mean.

    Tokens attend to those that hold a valid sample, and to themselves. A hidden one is replaced by
    one learned vector after the embedding; places have learned vectors of their own.
    """

    patching: Patching
    width: int
    depth: int
    heads: int
    mlp_ratio: int
    dim: int
    dropout: float = 0.1
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x, masked=None, valid=None, train=False) -> Encoded:
        shape, (count, _) = x.shape[:2], self.patching.grid
        mask, _ = token_mask(valid, shape, self.patching.patch[0], count)
        x = self.patching.patchify(visible(x, valid)).reshape(shape[0], count, -1)
        x = nn.Dense(self.width, dtype=self.dtype, name="embed")(x)
        token = self.param("mask_token", nn.initializers.normal(1.0), (self.width,))
        if masked is not None:
            hidden = masked.reshape(shape[0], count, 1)
            x = jnp.where(hidden, token.astype(self.dtype)[None, None], x)
        place = self.param("place", nn.initializers.normal(0.02), (count, self.width))
        x = x + place.astype(self.dtype)[None]
        x = Dropout(self.dropout)(x, train=train)
        seen = mask[:, None] | jnp.eye(count, dtype=bool)[None]
        for i in range(self.depth):
            block = Block(self.heads, self.mlp_ratio, self.dropout, self.dtype, name=f"block_{i}")
            x = block(x, seen, train)
        tokens = nn.LayerNorm(dtype=self.dtype, name="norm")(x).astype(jnp.float32)
        pooled = nn.Dense(self.dim, name="out")(masked_mean(tokens, mask))
        return {"tokens": tokens, "mask": mask, "pooled": pooled}


class Block(nn.Module):
    """Attention, then a perceptron, each on normalised tokens and added to them: [b, t, width].

    seen: bool [b, t, t], which tokens (last axis) a token attends to.
    """

    heads: int
    mlp_ratio: int
    dropout: float
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, x, seen, train):
        dense = lambda width, name: nn.Dense(width, dtype=self.dtype, name=name)
        y = nn.LayerNorm(dtype=self.dtype, name="norm_attention")(x)
        y = dense(x.shape[-1], "attention_out")(self._attention(dense, y, seen))
        x = x + Dropout(self.dropout)(y, train=train)
        y = nn.LayerNorm(dtype=self.dtype, name="norm_mlp")(x)
        y = nn.gelu(dense(self.mlp_ratio * x.shape[-1], "mlp_in")(y))
        return x + Dropout(self.dropout)(dense(x.shape[-1], "mlp_out")(y), train=train)

    def _attention(self, dense, x, seen):
        b, t, width = x.shape
        qkv = dense(3 * width, "qkv")(x).reshape(b, t, 3, self.heads, width // self.heads)
        q, k, v = (qkv[:, :, i] for i in range(3))
        logits = jnp.einsum("bqhd,bkhd->bhqk", q, k) * q.shape[-1] ** -0.5
        logits = jnp.where(seen[:, None], logits.astype(jnp.float32), -jnp.inf)
        weights = nn.softmax(logits).astype(self.dtype)
        return jnp.einsum("bhqk,bkhd->bqhd", weights, v).reshape(b, t, width)
